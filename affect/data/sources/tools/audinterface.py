"""What openSMILE's Python package and others by audEERING write: `file,start,end` as time deltas."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from affect.data.rules.columns import column_kinds
from affect.data.sources.features import Features
from affect.data.sources.tools.clock import clock
from affect.data.sources.tools.delimited import Header, Table, table
from affect.data.sources.tools.opensmile import smoothed
from affect.data.sources.tools.tool_features import one_recording, tool_features
from affect.errors import DataError

_FILE, _START, _END = "file", "start", "end"
_DELTA = re.compile(r"(-?\d{1,6}) days?(?: ([+-]?)(\d\d:\d\d:\d\d)(\.\d+)?)?")
_LAST = "last steps that ran to the end of the recording and are cut to the length of the others"


def recognises(header: Header) -> bool:
    """Whether steps begin and end at time deltas, as pandas writes them."""
    return {_START, _END} <= set(header.names) and bool(_DELTA.fullmatch(header.cell(_START)))


def read(header: Header, keep: Collection[str] = (), targets: Collection[str] = ()) -> Features:
    """Steps from `start` to `end`; the last one, which runs to the end of the file, is cut to their length.

    Raises:
        DataError: the rows are of several files, or a time is missing.
    """
    whole = table(header)
    if _FILE in header.names:
        one_recording(header.file, _FILE, whole.texts(_FILE))
    starts, ends = _seconds(whole, _START), _seconds(whole, _END)
    if np.isnan(starts).any():
        row = whole.lines[np.isnan(starts).argmax()]
        raise DataError(f"{header.file}, row {row}: no time in column '{_START}'")
    ends = np.where(np.isnan(ends), starts, ends)
    lengths = ends - starts
    late = len(whole) > 2 and np.ptp(lengths[:-1]) < 1e-6 < lengths[-1] - lengths[0]
    if late:  # audeering/opensmile-python#59
        ends[-1] = starts[-1] + lengths[0]
    parted = column_kinds(header.names, keep, targets)
    made = "openSMILE" if smoothed(header.names) else ""
    when = clock(starts, ends)
    return tool_features(whole, parted, made, when, notes=[(_LAST, int(late))], timed=[_START, _END])


def _seconds(whole: Table, name: str) -> NDArray[np.float64]:
    """A column of time deltas in seconds; NaN where there is none."""
    texts = whole.texts(name)
    try:
        return np.array([_delta(said) for said in texts], np.float64)
    except ValueError:
        row, said = next((i, said) for i, said in enumerate(texts) if said and not _DELTA.fullmatch(said))
        raise DataError(
            f"{whole.header.file}, row {whole.lines[row]}: column '{name}' must hold time deltas, "
            f"such as 0 days 00:00:01.5, got '{said[:50]}'"
        ) from None


@lru_cache(1 << 16)
def _delta(said: str) -> float:
    """A time delta in seconds. The files of a folder have the same ones over and over."""
    found = _DELTA.fullmatch(said)
    if found is None:
        if said:
            raise ValueError
        return np.nan
    days, sign, clock, fraction = found.groups()
    hours, minutes, seconds = map(int, (clock or "0:0:0").split(":"))
    inside = 3600 * hours + 60 * minutes + seconds + float(f"0{fraction or ''}")
    return 86400 * int(days) + (-inside if sign == "-" else inside)
