"""What py-feat writes: a row for each face in each frame."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from affect.data.rules.columns import column_kinds
from affect.data.sources.features import Features
from affect.data.sources.tools import faces
from affect.data.sources.tools.clock import Clock, clock
from affect.data.sources.tools.delimited import Header, Table, table
from affect.data.sources.tools.tool_features import one_recording, tool_features

_BOX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight")
_SCORE, _FRAME, _INPUT, _IDENTITY, _TIME = "FaceScore", "frame", "input", "Identity", "approx_time"
_BESIDE = re.compile(r"FaceRect\w+|FaceScore|Frame(Height|Width)|frame|input|approx_time|Identity(_\d+)?")
_RATES = (25.0, 30.0, 24.0, 50.0, 60.0, 15.0, 10.0, 20.0, 12.5, 29.97, 23.976, 59.94)
_UNSEEN = "steps without a face"
_OTHERS = "rows of other faces than the one that is seen most often"
_RATED = "files whose frames are timed by the usual rate that fits the whole seconds of approx_time"


def recognises(header: Header) -> bool:
    """Whether there is a box of a face with a score."""
    return {*_BOX, _SCORE} <= set(header.names)


def read(header: Header, keep: Collection[str] = (), targets: Collection[str] = ()) -> Features:
    """A step for each frame, with one face in it; frames in which none was found are not observed.

    The face is that of the identity seen in most frames; where none was made out, the one with the highest
    score. The frame's box and what tells faces apart are no features. Times are known where `approx_time`
    spans some seconds.

    Raises:
        DataError: the frames are those of several recordings, or a feature holds text.
    """
    whole = table(header)
    beside = {name for name in header.names if _BESIDE.fullmatch(name)}
    parted = column_kinds(header.names, keep, targets, beside)
    score = whole.numbers(_SCORE)
    seen = ~np.isnan(score) & ~np.isnan(whole.values(parted.features)).all(1)
    notes: list[tuple[str, int]] = []
    when = Clock()
    if _FRAME in header.names and len(whole):
        frames = whole.known(_FRAME)
        if len(np.unique(frames)) < len(frames):
            if _INPUT in header.names:
                one_recording(header.file, _INPUT, whole.texts(_INPUT))
            who = whole.texts(_IDENTITY) if _IDENTITY in header.names else [""] * len(whole)
            rows, own = faces.one(frames, np.array(who), seen, np.nan_to_num(score))
            notes.append((_OTHERS, int(seen.sum() - own.sum())))
            whole, seen, frames = whole.rows(rows), own, frames[rows]
        rate = _rate(frames, _whole_seconds(whole))
        if rate:
            notes.append((_RATED, 1))
            when = clock(frames / rate)
    notes.append((_UNSEEN, int((~seen).sum())))
    timed = [_TIME] if when.times is not None else []
    return tool_features(whole, parted, "py-feat", when, seen, notes=notes, timed=timed)


def _whole_seconds(whole: Table) -> NDArray[np.float64]:
    """`approx_time`, which is minutes and whole seconds, as `01:02`; NaN where it is not that."""
    if _TIME not in whole.header.names:
        return np.full(len(whole), np.nan)
    found = [re.fullmatch(r"(\d{2,4}):(\d\d)", said) for said in whole.texts(_TIME)]
    return np.array([60.0 * int(one[1]) + int(one[2]) if one else np.nan for one in found])


def _rate(frames: NDArray[np.float64], seconds: NDArray[np.float64]) -> float | None:
    """The usual rate of frames at which each is in its second; None where several seconds do not show it."""
    later = seconds > 0
    if np.isnan(seconds).any() or not later.any():
        return None
    least, most = (frames / (seconds + 1)).max(), (frames[later] / seconds[later]).min()
    return next((rate for rate in _RATES if least < rate <= most), None)
