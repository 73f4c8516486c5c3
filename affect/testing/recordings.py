"""Recordings that are made, and recordings that are changed: what extractors are held to their laws with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from affect.media.base import AudioBlock, Frame, Media, cut, ticks

_BLOCK = 1000


class MadeRecording(Media):
    """A voice-like sound and a moving picture, the same at any rate; no file and no PyAV is needed.

    Args:
        seconds: how long it is, from second 0 on.
        sound_from: second at which the sound begins; None: there is none.
        pictures_from: second at which the pictures begin, 25 a second; None: there are none.
        start: as in `Media`.
        end: as in `Media`.
    Example:
        >>> made = MadeRecording(2.0)
        >>> sum(len(block.samples) for block in made.audio(8_000)), len(list(made.frames()))
        (14800, 45)
    """

    def __init__(
        self,
        seconds: float = 4.0,
        sound_from: float | None = 0.15,
        pictures_from: float | None = 0.2,
        start: float = 0.0,
        end: float | None = None,
    ) -> None:
        super().__init__(start, end)
        self.seconds, self.sound_from, self.pictures_from = seconds, sound_from, pictures_from

    def part(self, start: float, end: float | None = None) -> MadeRecording:
        ends = [one for one in (self.end, end) if one is not None]
        return MadeRecording(
            self.seconds, self.sound_from, self.pictures_from, max(self.start, start), min(ends, default=None)
        )

    def audio(self, rate: int = 16_000) -> Iterator[AudioBlock] | None:
        return None if self.sound_from is None else self._audio(self.sound_from, rate)

    def frames(self, rate: float | None = None) -> Iterator[Frame] | None:
        return None if self.pictures_from is None else self._frames(self.pictures_from, rate)

    def _audio(self, begin: float, rate: int) -> Iterator[AudioBlock]:
        count = math.floor((self.seconds - begin) * rate + 1e-6)
        for first in range(0, count, _BLOCK):
            time = np.arange(first, min(first + _BLOCK, count)) / rate
            pitch = np.sin(2 * np.pi * (120 * time + 3 * np.sin(2 * np.pi * 0.7 * time)))
            loud = 0.3 + 0.2 * np.sin(2 * np.pi * 1.3 * time)
            hiss = 0.05 * np.sin(2 * np.pi * 1900 * time) * np.sin(2 * np.pi * 37 * time)
            block = AudioBlock(begin + first / rate, (loud * pitch + hiss).astype(np.float32))
            if (inside := cut(block, rate, self)) is not None:
                yield inside

    def _frames(self, begin: float, rate: float | None) -> Iterator[Frame]:
        shown = self._shown(begin)
        for start, end, number in shown if rate is None else ticks(rate, shown):
            yield Frame(start, end, _picture(number))

    def _shown(self, begin: float) -> Iterator[tuple[float, float, int]]:
        for number in range(math.ceil((self.seconds - begin) * 25 - 1e-6)):
            start = max(begin + number / 25, self.start)
            end = min(begin + (number + 1) / 25, self.seconds, math.inf if self.end is None else self.end)
            if start < end:
                yield start, end, number


def _picture(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A bright disc that goes round on a slope of grey, 48 by 64."""
    down, along = np.mgrid[:48, :64]
    angle = number / 7
    disc = (down - 24 - 12 * np.sin(angle)) ** 2 + (along - 32 - 20 * np.cos(angle)) ** 2 < 60
    grey = np.where(disc, 230, 2 * along + number % 50).astype(np.uint8)
    return np.stack([grey, grey[:, ::-1], grey[::-1]], 2)


class _Changed(Media):
    """Another recording, changed."""

    def __init__(self, media: Media) -> None:
        super().__init__(media.start, media.end)
        self.media = media

    def part(self, start: float, end: float | None = None) -> Media:
        raise NotImplementedError(f"{type(self).__name__} has no parts")

    def audio(self, rate: int = 16_000) -> Iterator[AudioBlock] | None:
        blocks = self.media.audio(rate)
        return None if blocks is None else self.heard(blocks, rate)

    def frames(self, rate: float | None = None) -> Iterator[Frame] | None:
        frames = self.media.frames(rate)
        return None if frames is None else self.seen(frames, rate)

    def heard(self, blocks: Iterator[AudioBlock], rate: int) -> Iterator[AudioBlock]:
        """What becomes of the sound."""
        yield from blocks

    def seen(self, frames: Iterator[Frame], rate: float | None) -> Iterator[Frame]:
        """What becomes of the pictures."""
        yield from frames


class Shifted(_Changed):
    """The same, later by `offset` seconds."""

    def __init__(self, media: Media, offset: float) -> None:
        super().__init__(media)
        self.offset = offset
        self.start += offset
        self.end = None if self.end is None else self.end + offset

    def heard(self, blocks: Iterator[AudioBlock], rate: int) -> Iterator[AudioBlock]:
        for block in blocks:
            yield replace(block, start=block.start + self.offset)

    def seen(self, frames: Iterator[Frame], rate: float | None) -> Iterator[Frame]:
        for frame in frames:
            yield replace(frame, start=frame.start + self.offset, end=frame.end + self.offset)


class Holed(_Changed):
    """The same without the sound from second `start` to second `end` of it."""

    def __init__(self, media: Media, start: float, end: float) -> None:
        super().__init__(media)
        self.hole = start, end

    def heard(self, blocks: Iterator[AudioBlock], rate: int) -> Iterator[AudioBlock]:
        before, behind = MadeRecording(start=0, end=self.hole[0]), MadeRecording(start=self.hole[1])
        for block in blocks:
            for side in (before, behind):
                if (inside := cut(block, rate, side)) is not None:
                    yield inside


class Repeated(_Changed):
    """The same, `times` times, one after the other, each `seconds` long."""

    def __init__(self, media: Media, times: int, seconds: float) -> None:
        super().__init__(media)
        self.times, self.seconds = times, seconds
        self.end = None

    def audio(self, rate: int = 16_000) -> Iterator[AudioBlock] | None:
        return None if self.media.audio(rate) is None else self._sounds(rate)

    def frames(self, rate: float | None = None) -> Iterator[Frame] | None:
        return None if self.media.frames(rate) is None else self._pictures(rate)

    def _sounds(self, rate: int) -> Iterator[AudioBlock]:
        for turn in range(self.times):
            yield from Shifted(self.media, turn * self.seconds).audio(rate) or ()

    def _pictures(self, rate: float | None) -> Iterator[Frame]:
        for turn in range(self.times):
            yield from Shifted(self.media, turn * self.seconds).frames(rate) or ()


class Watched(_Changed):
    """The same; `asked` holds what an extractor has read of it."""

    def __init__(self, media: Media) -> None:
        super().__init__(media)
        self.asked: set[str] = set()

    def audio(self, rate: int = 16_000) -> Iterator[AudioBlock] | None:
        self.asked.add("audio")
        return self.media.audio(rate)

    def frames(self, rate: float | None = None) -> Iterator[Frame] | None:
        self.asked.add("frames")
        return self.media.frames(rate)
