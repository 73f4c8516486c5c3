"""What extractors read: sound and pictures that know when they were."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.bounds import NOT_NEGATIVE, POSITIVE, Bounds
from affect.errors import DataError

AUDIO_RATE = Bounds("between 1,000 and 192,000", 1_000, 192_000, whole=True)
"""Samples per second that sound is asked for at."""

FRAME_RATE = Bounds("above 0 and at most 1,000", 0, 1_000, above=True)
"""Pictures per second that are asked for."""

TOLERANCE = 0.01
"""Seconds that the stamps of sound may be away from the count of its samples, as they are rounded."""


@dataclass(frozen=True, eq=False)
class AudioBlock:
    """A piece of sound without a hole in it.

    Args:
        start: second at which its first sample begins. Later than where the block before it ended: between
            the two nothing was recorded, which is not silence.
        samples: of one channel, -1 to 1.
    Shapes:
        samples: (samples,) of float32
    """

    start: float
    samples: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture.

    Args:
        start: second from which it counts.
        end: second until which it counts.
        image: red, green and blue, upright.
    Shapes:
        image: (height, width, 3) of uint8
    """

    start: float
    end: float
    image: NDArray[np.uint8]


class Media(ABC):
    """The sound and the pictures of one recording, or of a part of it, on one clock.

    Second 0 is the first moment of the recording, also where a part begins later. Each call reads anew.

    Args:
        start: second at which the part begins.
        end: second before which it ends; None: where the recording does.
    Raises:
        ConfigError: `start` is no number that is at least 0, or `end` none above 0.
        DataError: the part ends before it begins.
    """

    def __init__(self, start: float = 0.0, end: float | None = None) -> None:
        who = type(self).__name__
        NOT_NEGATIVE.check(f"{who}: start", start)
        if end is not None:
            POSITIVE.check(f"{who}: end", end)
            if end <= start:
                raise DataError(f"{who}: expected an end after second {start:g}, got {end:g}")
        self.start, self.end = float(start), None if end is None else float(end)

    @abstractmethod
    def audio(self, rate: int = 16_000) -> Iterator[AudioBlock] | None:
        """Its sound, the mean of all channels, in blocks of any length; None where it has none.

        Args:
            rate: samples per second.
        """

    @abstractmethod
    def frames(self, rate: float | None = None) -> Iterator[Frame] | None:
        """Its pictures; None where it has none.

        Args:
            rate: pictures per second: from the first picture on, the one that is seen at each tick, however
                often. None: every picture once, from its own time to that of the next.
        """

    @abstractmethod
    def part(self, start: float, end: float | None = None) -> Media:
        """What of it lies from second `start` to second `end`, on the same clock."""


def cut(block: AudioBlock, rate: int, media: Media) -> AudioBlock | None:
    """Those samples of a block that begin in a part; None where there are none.

    Args:
        block: of sound.
        rate: of its samples.
        media: whose `start` and `end` count.
    """
    first = max(0, math.ceil((media.start - block.start) * rate - 1e-6))
    last = len(block.samples)
    if media.end is not None:
        last = min(last, math.ceil((media.end - block.start) * rate - 1e-6))
    if first >= last:
        return None
    return AudioBlock(block.start + first / rate, block.samples[first:last])


def ticks(rate: float, pictures: Iterator[tuple[float, float, Any]]) -> Iterator[tuple[float, float, Any]]:
    """What is seen at each tick from the first picture on: the tick's time, that of the next, the picture.

    Args:
        rate: ticks per second.
        pictures: from when to when each is seen.
    """
    first, count, stop = None, 0, 0.0
    held: tuple[float, Any] | None = None
    near = min(1e-3, 0.25 / rate)  # some files round stamps to milliseconds
    for start, end, picture in pictures:
        first, stop = start if first is None else first, end
        while (time := first + count / rate) < end - near:
            if held is not None:
                yield held[0], time, held[1]
            held, count = (time, picture), count + 1
    if held is not None:
        yield held[0], min(held[0] + 1 / rate, max(stop, held[0])), held[1]
