"""The one rule for columns that are no features: row numbers, times, what a tool says of itself, labels."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

_ROW_NUMBER = re.compile(r"|unnamed: \d+|index|level_\d+|__index_level_\d+__|rownames|row_number")
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


@dataclass(frozen=True)
class Parted:
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


def part(
    names: Iterable[str],
    keep: Collection[str] = (),
    targets: Collection[str] = (),
    beside: Collection[str] = (),
) -> Parted:
    """Which columns of a file of features are features.

    Args:
        names: of all columns.
        keep: columns that are features whatever they are called.
        targets: names of targets; a column of that name is a label.
        beside: columns of one tool that are no features either, by their full names.
    Example:
        >>> part(["frame", "timestamp", "success", "AU01_r", "Joy"], targets=("joy",))
        ... # doctest: +NORMALIZE_WHITESPACE
        Parted(features=('AU01_r',), times=('timestamp', 'timestamp'), left=('frame', 'success', 'Joy'),
               success='success', confidence='')
        >>> part(["", "confidence", "x"], keep=["confidence"]).features
        ('confidence', 'x')
    """
    return _part(tuple(names), frozenset(keep), frozenset(targets), frozenset(beside))


@lru_cache(64)
def _part(
    names: tuple[str, ...], keep: frozenset[str], targets: frozenset[str], beside: frozenset[str]
) -> Parted:
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
    return Parted(
        features=tuple(name for name in names if name not in not_features),
        times=timed,
        left=tuple(name for name in names if name in not_features and name not in (timed or ())),
        success=by_plain.get(SUCCESS, ""),
        confidence=by_plain.get(CONFIDENCE, ""),
    )


def is_no_feature(name: str) -> bool:
    """Whether a column of that name is a row number, or says something about a step in place of measuring it.

    Example:
        >>> is_no_feature("Unnamed: 0"), is_no_feature("face_id"), is_no_feature("AU01_r")
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
