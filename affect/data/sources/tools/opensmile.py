"""What openSMILE's own sinks write: `name;frameIndex;frameTime;...`, and the same as ARFF."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from affect.data.rules.columns import column_kinds
from affect.data.sources.features import Features
from affect.data.sources.tools.clock import Clock, clock
from affect.data.sources.tools.delimited import Header, Table, table
from affect.data.sources.tools.tool_features import one_recording, tool_features

_NAME, _INDEX, _TIME, _LENGTH = "name", "frameIndex", "frameTime", "frameLength"
_NUMBERED = re.compile(r"(.*)_(\d+)")


def recognises(header: Header) -> bool:
    """Whether openSMILE's own columns stand before, or its functions' names among, the features."""
    beside = {_NAME, _INDEX, _TIME} & set(header.names)
    return len(beside) > 1 or (bool(beside) and smoothed(header.names))


def smoothed(names: Collection[str]) -> bool:
    """Whether any feature is named as openSMILE names what it smooths: `loudness_sma3`."""
    return any("_sma" in name for name in names)


def read(header: Header, keep: Collection[str] = (), targets: Collection[str] = ()) -> Features:
    """Steps that begin at `frameTime` and last `frameLength`, or to the next one."""
    return steps(table(header), keep, targets)


def steps(
    whole: Table, keep: Collection[str] = (), targets: Collection[str] = (), beside: Collection[str] = ()
) -> Features:
    """The steps of openSMILE's columns, however they were written.

    Columns behind the last feature that are missing throughout are labels that nobody gave.

    Args:
        whole: the table.
        keep: columns that are features whatever they are called.
        targets: names of targets; a column of that name is a label.
        beside: columns that are no features by their kind.
    Raises:
        DataError: the rows are of several recordings, or a feature holds text.
    """
    header = whole.header
    parted = column_kinds(header.names, keep, targets, beside)
    given = (i for i, name in enumerate(reversed(parted.features)) if name in keep or whole.is_given(name))
    blank = next(given, 0)
    parted = replace(parted, features=parted.features[: len(parted.features) - blank])
    when = Clock()
    if _TIME in header.names:
        starts = whole.known(_TIME)
        ends = starts + whole.known(_LENGTH) if _LENGTH in header.names else None
        when = clock(starts, ends)
    if _NAME in header.names:
        names = whole.texts(_NAME)
        if not (when.rate and _are_numbered(names)):
            one_recording(header.file, _NAME, names)
    made = "openSMILE" if {_NAME, _INDEX, _TIME} & set(header.names) or smoothed(header.names) else ""
    return tool_features(whole, parted, made, when, timed=[_TIME])


def _are_numbered(names: list[str]) -> bool:
    """Whether the names are one with the number of the row behind it, as `instanceBase` makes them."""
    found = [_NUMBERED.fullmatch(name) for name in names]
    if not all(found):
        return False
    said = [(one[1], int(one[2][:15])) for one in found if one]
    numbers = np.array([number for _, number in said])
    return len({base for base, _ in said}) < 2 and bool((np.diff(numbers) == 1).all())
