"""What iMotions exports of FACET: lines that begin with `#`, then a row for each sample of any sensor."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from affect.data.rules.columns import column_kinds
from affect.data.sources.features import Features
from affect.data.sources.tools.clock import Clock, clock
from affect.data.sources.tools.delimited import Header, Table, table
from affect.data.sources.tools.tool_features import tool_features

_FACES, _FRAME, _TIME, _STAMP, _SOURCE = "NoOfFaces", "FrameNo", "FrameTime", "Timestamp", "EventSource"
_MEASURED = re.compile(r".+ (Evidence|Intensity|Degrees)")
_VERSION = re.compile(r"#\s*Version\s*:\s*(\S+)")
_MILLISECONDS = 1e-3
_UNSEEN = "steps without a face (NoOfFaces 0 or -1)"
_OTHERS = "rows of other sensors, which repeat FACET's last frame"
_STAMPED = "files whose FrameTime begins anew, so that Timestamp is the clock"


def recognises(header: Header) -> bool:
    """Whether there are frames with a number of faces, and evidence."""
    names = header.names
    return {_FACES, _TIME} <= set(names) and any(name.endswith(" Evidence") for name in names)


def read(header: Header, keep: Collection[str] = (), targets: Collection[str] = ()) -> Features:
    """Evidence, intensities and angles of every frame, in seconds by `FrameTime`.

    Where `FrameTime` begins anew (several stimuli in one file), `Timestamp` is the clock. The face's place
    in the picture, what the person is, and what the study says are no features.
    """
    beside = {name for name in header.names if not _MEASURED.fullmatch(name)}
    parted = column_kinds(header.names, keep, targets, beside)
    whole = table(header)
    frames = _frames(whole)
    faces = frames.numbers(_FACES) if len(frames) else np.zeros(0)
    seen = (faces > 0) & ~np.isnan(frames.values(parted.features)).all(1)
    timed = _TIME
    when = clock(frames.known(_TIME) * _MILLISECONDS)
    notes = [(_OTHERS, len(whole) - len(frames)), (_UNSEEN, int((~seen).sum()))]
    if when.times is None and _STAMP in header.names:
        stamped: Clock = clock(frames.known(_STAMP) * _MILLISECONDS)
        if stamped.times is not None:
            when, timed = stamped, _STAMP
            notes.append((_STAMPED, 1))
    said = (_VERSION.match(line) for line in header.comments)
    version = next((f"iMotions {one[1]}" for one in said if one), "")
    return tool_features(frames, parted, "FACET", when, seen, version, notes, [timed])


def _frames(whole: Table) -> Table:
    """The rows that are FACET's own: one for each frame."""
    at = ~np.isnan(whole.numbers(_TIME))
    if _SOURCE in whole.header.names:
        facet = np.array(["FACET" in source for source in whole.texts(_SOURCE)], dtype=bool)
        if facet.any():
            return whole.rows(at & facet)
    timed = whole.rows(at)
    number = timed.numbers(_FRAME if _FRAME in whole.header.names else _TIME)
    return timed.rows(np.concatenate([[True], number[1:] != number[:-1]])[: len(timed)])
