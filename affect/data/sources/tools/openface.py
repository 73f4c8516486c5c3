"""What OpenFace writes: a row for each frame, or for each face in it."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from affect.data.rules.columns import CONFIDENCE, CONFIDENT, SUCCESS, column_kinds, failed
from affect.data.sources.features import Features
from affect.data.sources.tools import faces
from affect.data.sources.tools.clock import clock
from affect.data.sources.tools.delimited import Header, table
from affect.data.sources.tools.tool_features import tool_features

_OWN = re.compile(r"AU\d\d_[rc]|pose_[TR][xyz]|gaze_(\d_[xyz]|angle_[xy])|eye_lmk_[xX]_0")
_SHARED = re.compile(r"p_scale|[xX]_0")
_FRAME, _FACE, _PICTURED_FACE = "frame", "face_id", "face"
_OTHERS = "rows of other faces than the one that is seen most often"
_PICTURED = "rows of other faces than the one that is most certain"


def recognises(header: Header) -> bool:
    """Whether the columns are OpenFace's, of a recording or of a picture."""
    names = set(header.names)
    whole = {"timestamp", SUCCESS} <= names and any(map(_SHARED.fullmatch, names))
    return CONFIDENCE in names and (whole or any(map(_OWN.fullmatch, names)))


def read(header: Header, keep: Collection[str] = (), targets: Collection[str] = ()) -> Features:
    """Steps with the mask that OpenFace gives, by its `success` and `confidence` (`columns.failed`).

    Where several faces were found in a frame (FaceLandmarkVidMulti), the steps are the frames, and hold the
    face that is seen in most of them. Of a picture the face that is most certain is one step.
    """
    whole = table(header)
    parted = column_kinds(header.names, keep, targets, [_PICTURED_FACE])
    sure = whole.numbers(parted.confidence) if parted.confidence else np.ones(len(whole))
    unmeasured = failed(
        column_kinds(header.names), whole.numbers
    )  # also where `columns` keeps them as features
    seen = sure >= CONFIDENT if unmeasured is None else ~unmeasured[0]
    notes: list[tuple[str, int]] = []
    timed = parted.times[0] if parted.times else ""
    frame = _FRAME if _FRAME in header.names else timed
    if not frame and _PICTURED_FACE in header.names and len(whole) > 1:
        notes.append((_PICTURED, len(whole) - 1))
        best = np.array([np.nan_to_num(sure, nan=-1).argmax()])
        whole, seen = whole.rows(best), seen[best]
    elif frame and _FACE in header.names and len(whole):
        face, frames = whole.known(_FACE), whole.known(frame)
        if len(np.unique(frames)) < len(frames) and len(np.unique(face)) > 1:
            rows, own = faces.one(frames, face, seen, np.nan_to_num(sure))
            notes.append((_OTHERS, int(seen.sum() - own.sum())))
            whole, seen = whole.rows(rows), own
    why = f"{CONFIDENCE} below {CONFIDENT}" if unmeasured is None else unmeasured[1]
    notes.append((f"steps without a face ({why})", int((~seen).sum())))
    times = clock(whole.known(timed)) if timed else None
    return tool_features(whole, parted, "OpenFace", times, seen, notes=notes, timed=[timed])
