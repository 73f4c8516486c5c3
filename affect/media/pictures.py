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


def upright(path: Path, frame: VideoFrame) -> NDArray[np.uint8]:
    """A picture as it is to be seen: turned, and mirrored, as the file says.

    Shapes:
        -> (height, width, 3)
    """
    with refusing(path):
        image: NDArray[np.uint8] = np.asarray(frame.to_ndarray(format="rgb24"))
        beside: Mapping[str, Any] = cast("Any", frame.side_data)
        matrix = beside.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = (int(x) for x in np.frombuffer(bytes(matrix), np.int32)[:5])
    is_mirrored = a * d - b * c < 0
    turns = round(np.degrees(np.arctan2(-b, -a if is_mirrored else a)) / 90) % 4
    image = np.rot90(image, turns)
    return np.ascontiguousarray(image[:, ::-1] if is_mirrored else image)
