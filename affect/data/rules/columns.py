"""The one rule for columns that are no features: row numbers, times, what a tool says of itself, labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.errors import DataError

_ROW_NUMBER = re.compile(r"|(unnamed: \d+|index|level_\d+|__index_level_\d+__|rownames|row_number)(\.\d+)*")
_INSTANTS = ("timestamp", "time", "frametime")
_SPAN = ("start", "end")
_BESIDE = frozenset(
    (
        *("frame", "face_id", "timestamp", "confidence", "success"),
        *("frameindex", "framelength"),
        *("class", "label", "labels", "target"),
        *("name", "file", "filename", "id", "video_id", "clip_id", "split"),
    )
)
SUCCESS, CONFIDENCE = "success", "confidence"
CONFIDENT = 0.7
"""Below this, the author of OpenFace says, a tracked face is none (TadasBaltrusaitis/OpenFace#270)."""
UNSURE = f"success 0 or confidence below {CONFIDENT}"
"""What notes say of steps that a tool did not measure, where it says how sure it is."""


@dataclass(frozen=True)
class ColumnKinds:
    """The columns of a file of features.

    Args:
        features: those that are.
        times: the columns of start and end, the same one twice for instants; none where there are none.
        left: those that are no features, times aside.
        success: the column that says whether a step was measured; empty where there is none.
        confidence: the column that says how sure that is; empty where there is none.
    """

    features: tuple[str, ...]
    times: tuple[str, str] | None
    left: tuple[str, ...]
    success: str = ""
    confidence: str = ""


def column_kinds(
    names: Iterable[str],
    keep: Collection[str] = (),
    targets: Collection[str] = (),
    beside: Collection[str] = (),
) -> ColumnKinds:
    """Which columns of a file of features are features.

    Args:
        names: of all columns.
        keep: columns that are features whatever they are called.
        targets: names of targets; a column of that name is a label.
        beside: columns of one tool that are no features either, by their full names.
    Example:
        >>> column_kinds(["frame", "timestamp", "success", "AU01_r", "Joy"], targets=("joy",))
        ... # doctest: +NORMALIZE_WHITESPACE
        ColumnKinds(features=('AU01_r',), times=('timestamp', 'timestamp'), left=('frame', 'success', 'Joy'),
                    success='success', confidence='')
        >>> column_kinds(["", "confidence", "x"], keep=["confidence"]).features
        ('confidence', 'x')
    """
    return _part(tuple(names), frozenset(keep), frozenset(targets), frozenset(beside))


@lru_cache(64)
def _part(
    names: tuple[str, ...], keep: frozenset[str], targets: frozenset[str], beside: frozenset[str]
) -> ColumnKinds:
    """The same: the files of a folder have the same columns."""
    plain = {name: name.strip().lower() for name in names}
    by_plain = {low: name for name, low in reversed(plain.items())}
    labels = {target.lower() for target in targets}
    timed: tuple[str, str] | None = None
    if all(name in by_plain for name in _SPAN):
        timed = (by_plain[_SPAN[0]], by_plain[_SPAN[1]])
    else:
        instant = next((by_plain[name] for name in _INSTANTS if name in by_plain), None)
        timed = None if instant is None else (instant, instant)
    not_features = {
        name
        for name, low in plain.items()
        if name not in keep
        and (name in beside or is_no_feature(name) or low in labels or low in (*_INSTANTS, *_SPAN))
    }
    return ColumnKinds(
        features=tuple(name for name in names if name not in not_features),
        times=timed,
        left=tuple(name for name in names if name in not_features and name not in (timed or ())),
        success=by_plain.get(SUCCESS, ""),
        confidence=by_plain.get(CONFIDENCE, ""),
    )


def failed(found: ColumnKinds, column: Callable[[str], NDArray[Any]]) -> tuple[NDArray[np.bool_], str] | None:
    """Which steps were not measured, and by what that is known; None where no column says it.

    Those whose success is 0 or missing are such and, as confidence means other things in other files, beside
    a column of success also those whose confidence is below .7 or missing.

    Args:
        found: the columns.
        column: gives the values of one, of any shape.
    Example:
        >>> cells = {"success": np.array([1, 0, 1, np.nan]), "confidence": np.array([0.9, 0.9, 0.2, 0.9])}
        >>> none, said = failed(column_kinds(cells), cells.__getitem__)
        >>> none.tolist(), said
        ([False, True, True, True], 'success 0 or confidence below 0.7')
        >>> failed(column_kinds(["confidence", "x"]), cells.__getitem__)
    """
    if not found.success or found.success in found.features:
        return None
    success = column(found.success)
    none: NDArray[np.bool_] = (success == 0) | (success != success)
    if not found.confidence or found.confidence in found.features:
        return none, f"{SUCCESS} 0"
    return none | ~(column(found.confidence) >= CONFIDENT), UNSURE


def kept(columns: Iterable[str], modality: str) -> frozenset[str]:
    """The columns of a modality that are features by name, from `columns` of all.

    Example:
        >>> sorted(kept(["frame", "face.success", "voice.confidence"], "face"))
        ['face.success', 'frame', 'success', 'voice.confidence']
    """
    prefix = f"{modality}."
    return frozenset((*columns, *(name[len(prefix) :] for name in columns if name.startswith(prefix))))


def unique(names: Collection[str], where: object, blanks: bool = True) -> None:
    """Refuse columns that share a name.

    Args:
        names: of all columns.
        where: begins the message.
        blanks: whether empty names are names.
    Raises:
        DataError: two are called the same.
    """
    if len(set(names)) < len(names):
        for name, times in Counter(names).items():
            if times > 1 and (name or blanks):
                raise DataError(f"{where}: two columns are named '{name}'; rename one")


def is_no_feature(name: str) -> bool:
    """Whether a column of that name is a row number, or says something about a step in place of measuring it.

    Example:
        >>> is_no_feature("Unnamed: 0.1"), is_no_feature("face_id"), is_no_feature("AU01_r")
        (True, True, False)
    """
    return name.strip().lower() in _BESIDE or is_row_number(name)


def is_row_number(name: str) -> bool:
    """Whether a column of that name numbers the rows, as pandas writes it."""
    return _ROW_NUMBER.fullmatch(name.strip().lower()) is not None


def left_out(where: str, names: Iterable[str]) -> str:
    """The note on columns that are no features.

    Example:
        >>> left_out("face", ["frame", ""])
        "face: columns 'frame' and '' are no features and are left out; `columns` keeps any by name."
    """
    said, is_one = quoted(names)
    what = "is no feature and is" if is_one else "are no features and are"
    return f"{where}: {said} {what} left out; `columns` keeps any by name."


def quoted(names: Iterable[str]) -> tuple[str, bool]:
    """Columns as a note names them, and whether it is one.

    Example:
        >>> quoted(["frame", "", "id"]), quoted(["id"])
        (("columns 'frame', '' and 'id'", False), ("column 'id'", True))
    """
    *first, last = [f"'{name}'" for name in names]
    return (f"columns {', '.join(first)} and {last}", False) if first else (f"column {last}", True)


_ALSO_LABELS = ("class", "label", "labels", "target")


def is_no_label(name: str) -> bool:
    """Whether a column of that name, beside ids and features, is no label: `class` and `label` may be.

    Example:
        >>> is_no_label("index"), is_no_label("success"), is_no_label("class"), is_no_label("joy")
        (True, True, False, False)
    """
    return is_no_feature(name) and name.strip().lower() not in _ALSO_LABELS
