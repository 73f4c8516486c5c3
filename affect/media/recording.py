"""A recording in a file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from affect.bounds import NOT_NEGATIVE, POSITIVE
from affect.errors import ConfigError, DataError, described
from affect.media.base import AUDIO_RATE, FRAME_RATE, AudioBlock, Frame, Media, cut, ticks
from affect.media.opening import SEEKABLE, decoded, facts_of, opened, pyav, stamp
from affect.media.pictures import Upright, shown
from affect.media.sound import blocks

logger = logging.getLogger(__name__)

_NEAR = 5.0
"""Seconds into a recording up to which a part is found by reading from the beginning."""

_SHORT = 1.0
"""Seconds that a stream may end before the file says; the last frame may be long."""

_RUN_UP = 1.0
"""Seconds that are decoded before a part, so that the coder is in step where it begins."""


class Recording(Media):
    """A file of sound, pictures or both: mp4, mov, mkv, webm, avi, wav, mp3, flac, m4a and their kin.

    Second 0 is when the first of its streams begins, by the stamps of the file: sound that begins late is
    late here, too. The first stream of sound and the first of pictures count; a cover is no picture. Memory
    does not grow with the length. What is damaged within a file is passed over: missing sound is a gap, and
    `notes` says so, once it was read.

    Args:
        path: of the file; addresses and playlists are refused.
        start: second at which the part that is asked for begins.
        end: second before which it ends; None: where the recording does.
    Raises:
        ConfigError: PyAV is not installed; a time is no number.
        DataError: there is no such file, it is no recording, or begins after the part ends.
    Example:
        >>> from scipy.io import wavfile
        >>> path = getfixture("tmp_path") / "tone.wav"
        >>> wavfile.write(path, 8_000, np.sin(np.arange(12_000)).astype(np.float32))
        >>> recording = Recording(path)
        >>> recording.seconds, recording.frames()
        (1.5, None)
        >>> sum(len(block.samples) for block in recording.audio(16_000))
        24000
        >>> next(recording.part(0.5, 0.75).audio(8_000)).start
        0.5
    """

    def __init__(self, path: str | PathLike[str], start: float = 0.0, end: float | None = None) -> None:
        super().__init__(start, end)
        if not isinstance(path, str | PathLike) or isinstance(path, bytes):
            raise ConfigError(f"Recording: expected the path of a file, got {described(path)}")
        self.path = Path(path)
        self._facts = facts_of(self.path)
        self.notes: list[str] = []
        if self.seconds is not None and self.start >= self.seconds > 0:
            what = f"expected a part within its {self.seconds:g} seconds"
            raise DataError(f"{self.path}: {what}, got one from {self.start:g}")

    def __repr__(self) -> str:
        return f"Recording({str(self.path)!r}, start={self.start:g}, end={self.end})"

    @property
    def seconds(self) -> float | None:
        """From second 0 to the end, as far as the head of the file says; None where it does not."""
        return self._facts.seconds

    def part(self, start: float, end: float | None = None) -> Recording:
        NOT_NEGATIVE.check("Recording.part: start", start)
        if end is not None:
            POSITIVE.check("Recording.part: end", end)
        ends = [one for one in (self.end, end) if one is not None]
        return Recording(self.path, max(self.start, start), min(ends, default=None))

    def audio(self, rate: int = 16_000) -> Iterator[AudioBlock] | None:
        AUDIO_RATE.check("Recording.audio: rate", rate)
        return None if self._facts.audio is None else self._audio(self._facts.audio, rate)

    def frames(self, rate: float | None = None) -> Iterator[Frame] | None:
        if rate is not None:
            FRAME_RATE.check("Recording.frames: rate", rate)
        return None if self._facts.video is None else self._frames(self._facts.video, rate)

    def _audio(self, number: int, rate: int) -> Iterator[AudioBlock]:
        notes: list[str] = []
        frames = self._decoded(number, notes)
        for block in blocks(self.path, frames, self._facts.zero, rate, notes):
            if self.end is not None and block.start >= self.end:
                break
            if (inside := cut(block, rate, self)) is not None:
                yield inside
        self._tell(notes)

    def _frames(self, number: int, rate: float | None) -> Iterator[Frame]:
        notes: list[str] = []
        with opened(self.path) as container:
            pace = getattr(container.streams[number], "average_rate", None)
        usual = 1 / pace if pace else Fraction(1, 25)
        seen = shown(self.path, self._decoded(number, notes), self._facts.zero, usual, self)
        upright, last, image = Upright(self.path), None, np.zeros((0, 0, 3), np.uint8)
        for start, end, picture in seen if rate is None else ticks(rate, seen):
            if picture is not last:
                last, image = picture, upright(picture)
            yield Frame(start, end, image)
        self._tell(notes)

    def _decoded(self, number: int, notes: list[str]) -> Iterator[Any]:
        """The frames of a stream: all, or from some time before the part."""
        zero = self._facts.zero
        is_far = self._facts.container in SEEKABLE and self.start > _NEAR
        with opened(self.path) as container:
            if is_far:
                with suppress(pyav("Recording").FFmpegError):  # then it is read from the beginning
                    container.seek(int((float(zero) + self.start - _RUN_UP) * 1_000_000))
            frames = decoded(self.path, container, number, notes)
            first = next(frames, None)
            time = None if first is None else stamp(first, zero)
            if not is_far or (time is not None and time <= self.start):
                yield from self._to_the_end(number, first, frames, notes)
                return
        with opened(self.path) as container:  # the file's index leads astray, or the stream begins later
            frames = decoded(self.path, container, number, notes)
            yield from self._to_the_end(number, next(frames, None), frames, notes)

    def _to_the_end(self, number: int, frame: Any, frames: Iterator[Any], notes: list[str]) -> Iterator[Any]:
        """The frames, and a word where they end before the file says that they do."""
        if frame is None:
            kind = "sound" if number == self._facts.audio else "pictures"
            raise DataError(f"{self.path}: none of its {kind} can be decoded; write the file anew")
        said, last = self._facts.ends.get(number, self.seconds), None
        while frame is not None:
            last = stamp(frame, self._facts.zero)
            yield frame
            frame = next(frames, None)
        if said is not None and last is not None and last < said - _SHORT:
            notes.append(f"stream {number} ends at second {float(last):.2f}, and {said:.2f} were declared")

    def _tell(self, notes: list[str]) -> None:
        for what in notes:
            if what not in self.notes:
                self.notes.append(what)
                logger.warning("%s: %s", self.path, what)
