"""Pictures: when each is seen, and how it is held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from affect.errors import DataError
from affect.media.base import Media
from affect.media.opening import check_stamp, refusing, stamp

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

HOLDS = 3600
"""Seconds for which one picture may be seen; more is damage."""


def shown(
    path: Path, frames: Iterator[VideoFrame], zero: Fraction, usual: Fraction, media: Media
) -> Iterator[tuple[float, float, VideoFrame]]:
    """From when to when each picture is seen, as far as it lies in a part.

    Args:
        path: of the file.
        frames: as they are decoded.
        zero: second 0, on the clock of the stamps.
        usual: seconds of a picture, for the last one where the file does not say.
        media: whose `start` and `end` count.
    Raises:
        DataError: its times are none of a recording.
    """
    held: tuple[float, VideoFrame] | None = None
    for frame in frames:
        time = stamp(frame, zero)
        if time is None:
            time = Fraction(0) if held is None else Fraction(held[0]) + usual
        start = float(time)
        check_stamp(path, start, start if held is None else held[0], "pictures")
        if held is not None:
            if start <= held[0]:
                continue  # its moment has passed
            if start - held[0] > HOLDS:
                what = f"expected pictures at least every {HOLDS // 60} minutes"
                raise DataError(f"{path}: {what}, got none for {(start - held[0]) / 60:,.0f}")
            yield from _within(*held, start, media)
        held = start, frame
        if media.end is not None and start >= media.end:
            return
    if held is not None:
        own = held[1].duration * (held[1].time_base or 0) if held[1].duration else usual
        yield from _within(*held, held[0] + float(min(own, HOLDS)), media)


def _within(
    start: float, frame: VideoFrame, end: float, media: Media
) -> Iterator[tuple[float, float, VideoFrame]]:
    start = max(start, media.start)
    end = end if media.end is None else min(end, media.end)
    if start < end:
        yield start, end, frame


class Upright:
    """Pictures as they are to be seen: turned, and mirrored, as the file says.

    What a frame says beside its picture keeps the frame alive until Python looks for cycles, so it is asked
    only where the angle changes.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._angle: int | None = None
        self._turns, self._is_mirrored = 0, False

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """The picture of a frame.

        Shapes:
            -> (height, width, 3)
        """
        with refusing(self.path):
            image: NDArray[np.uint8] = np.asarray(frame.to_ndarray(format="rgb24"))
            if frame.rotation != self._angle:
                self._angle = frame.rotation
                self._turns, self._is_mirrored = _orientation(frame)
        image = np.rot90(image, self._turns)
        return np.ascontiguousarray(image[:, ::-1] if self._is_mirrored else image)


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Quarter turns against the clock, and whether it is mirrored after them."""
    beside: Mapping[str, Any] = cast("Any", frame.side_data)
    matrix = beside.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    a, b, _, c, d = (int(x) for x in np.frombuffer(bytes(matrix), np.int32)[:5])
    is_mirrored = a * d - b * c < 0
    return round(np.degrees(np.arctan2(-b, -a if is_mirrored else a)) / 90) % 4, is_mirrored
