"""What each part of a pickle of dialogues is, told from what it holds and not from where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.rules.values import text

Rows = dict[str, Any]
"""What a part holds of each dialogue."""

_MOST_CLASSES = 50
_MOST_PARTIES = 64
_FEELINGS = frozenset(
    (
        *(
            "neutral",
            "neu",
            "surprise",
            "sur",
            "fear",
            "fea",
            "sadness",
            "sad",
            "joy",
            "joyful",
            "happy",
            "hap",
        ),
        *(
            "happiness",
            "disgust",
            "dis",
            "anger",
            "angry",
            "ang",
            "mad",
            "excited",
            "exc",
            "frustrated",
            "fru",
        ),
        *(
            "frustration",
            "positive",
            "negative",
            "pos",
            "neg",
            "peaceful",
            "powerful",
            "scared",
            "no_emotion",
        ),
    )
)


@dataclass(frozen=True, eq=False)
class Roles:
    """The parts of a pickle by what they are.

    Args:
        ids: names of utterances.
        said: texts.
        spoken: who speaks, a name or a number for each utterance; None where that is not known.
        named: whether these are names, and not numbers of parties.
        labels: numbers for each utterance, NaN where none is given, in the order of the file.
        classes: the names of classes by label, where the file has names.
        features: rows of numbers, in the order of the file.
        labels_first: whether labels stand before speakers.
        unread: the places of parts of none of these kinds, from 1.
    """

    ids: Rows | None
    said: Rows | None
    spoken: Rows | None
    named: bool
    labels: tuple[dict[str, NDArray[np.float64]], ...]
    classes: tuple[tuple[str, ...], ...]
    features: tuple[Rows, ...]
    labels_first: bool
    unread: tuple[int, ...]


def roles(tables: Mapping[int, Rows]) -> Roles:
    """What each table is.

    Rows of numbers with a fraction are features, and those of a single 1 among zeros are speakers, or labels
    where the speakers have names. Of texts, those with a digit and without blanks, of which no dialogue has
    one twice, are ids of utterances; of two others the one with fewer different texts is the speakers. Whole
    numbers are labels, whatever their number of classes, but ids where they ascend in every dialogue, and
    speakers where there are no others and every dialogue counts its parties in the order in which they speak
    first; numbers with a fraction are labels.

    Args:
        tables: rows by dialogue, by the place of the part.
    Example:
        >>> parts = {1: {"a": [0, 2, 1]}, 2: {"a": ["F", "M", "F"]}, 3: {"a": ["So.", "Oh well.", "Why?"]}}
        >>> found = roles(parts)
        >>> found.labels[0]["a"].tolist(), found.spoken["a"], found.said["a"][1]
        ([0.0, 2.0, 1.0], ['F', 'M', 'F'], 'Oh well.')
    """
    kinds = {place: kind_of(rows) for place, rows in tables.items()}
    of = {kind: [place for place in tables if kinds[place] == kind] for kind in {*kinds.values()}}
    strings = {place: _texts(tables[place]) for place in of.get("texts", [])}
    ids, said, spoken, worded = _of_texts(strings)
    one_hot, whole, fractions = (of.get(kind, []) for kind in ("one-hot", "whole", "fractions"))
    numbers = [place for place in (*whole, *fractions) if _are_numbers(tables[place])]
    if ids is None and numbers and len(numbers) < len(whole) + len(fractions):
        ids = numbers[0]
        strings[ids] = {key: [str(one) for one in row] for key, row in tables[ids].items()}
        whole, fractions = ([place for place in own if place != ids] for own in (whole, fractions))
    named = spoken is not None
    speakers: Rows | None = None
    if spoken is not None:
        speakers = {key: [name or None for name in row] for key, row in strings[spoken].items()}
    elif one_hot:
        spoken = one_hot[0]
        speakers = {key: _places(row) for key, row in tables[spoken].items()}
    elif len(whole) > 1 and (counted := next((p for p in whole if _counts_parties(tables[p])), None)):
        spoken = counted
        speakers = {key: [int(n) for n in row] for key, row in tables[spoken].items()}
    labels = sorted(place for place in (*one_hot, *whole, *fractions, *worded) if place != spoken)
    coded, classes = [], []
    for place in labels:
        if place in worded:
            names = tuple(sorted({name for row in strings[place].values() for name in row if name}))
            index = {name: float(i) for i, name in enumerate(names)}
            coded.append(
                {k: np.array([index.get(n, np.nan) for n in row]) for k, row in strings[place].items()}
            )
            classes.append(names)
        elif place in one_hot:
            coded.append({key: _codes(row) for key, row in tables[place].items()})
            classes.append(())
        else:
            coded.append({key: _numbers(row) for key, row in tables[place].items()})
            classes.append(())
    used = {ids, said, spoken, *labels, *of.get("features", [])}
    return Roles(
        ids=None if ids is None else strings[ids],
        said=None if said is None else strings[said],
        spoken=speakers,
        named=named,
        labels=tuple(coded),
        classes=tuple(classes),
        features=tuple(tables[place] for place in of.get("features", [])),
        labels_first=spoken is not None and bool(labels) and min(labels) < spoken,
        unread=tuple(place for place in tables if place not in used),
    )


def kind_of(rows: Rows) -> str:
    """Whether a part holds texts, rows of one 1, whole numbers, others, or features; empty for none."""
    filled = [row for row in rows.values() if len(row)]
    if not filled:
        return ""
    items = [item for row in filled for item in (row[:1] if _is_array(row) else row)]
    if all(isinstance(item, str | bytes) for item in items):
        return "texts"
    if _is_array(filled[0]) or isinstance(items[0], list | tuple | np.ndarray):
        return _kind_of_rows(filled)
    if not all(isinstance(item, int | float | np.number) for item in items):
        return ""
    values = np.concatenate([np.asarray(row, np.float64) for row in filled])
    known = values[np.isfinite(values)]
    is_whole = (known == np.rint(known)).all() and known.min(initial=0) >= -1
    return "whole" if is_whole and known.max(initial=0) < _MOST_CLASSES else "fractions"


def _is_array(row: Any) -> bool:
    return isinstance(row, np.ndarray) and row.ndim > 1


def _kind_of_rows(filled: list[Any]) -> str:
    try:
        first = np.asarray(filled[0])
    except ValueError:  # of different lengths: words by number, most often
        return ""
    if first.ndim != 2 or first.dtype.kind not in "iufb":
        return ""
    if 1 < first.shape[1] <= _MOST_PARTIES and all(map(_is_one_hot, filled)):
        return "one-hot"
    return "features" if first.dtype.kind == "f" else ""  # whole numbers are words of an unknown vocabulary


def _is_one_hot(row: Any) -> bool:
    try:
        values = np.asarray(row, np.float64)
    except ValueError:
        return False
    return values.ndim == 2 and bool(np.isin(values, (0, 1)).all() and (values.sum(1) <= 1).all())


def _texts(rows: Rows) -> dict[str, list[str]]:
    return {key: [text(one) for one in row] for key, row in rows.items()}


def _of_texts(
    strings: Mapping[int, dict[str, list[str]]],
) -> tuple[int | None, int | None, int | None, list[int]]:
    """The places of ids, of what is said and of speakers among parts of texts, and those of labels."""
    flat = {place: [one for row in rows.values() for one in row] for place, rows in strings.items()}
    different = {place: len({*own}) for place, own in flat.items()}
    blanks = {place: sum(" " in one for one in own) / max(len(own), 1) for place, own in flat.items()}
    digits = {place: sum(any(c.isdecimal() for c in one) for one in own) for place, own in flat.items()}
    once = {p: all(len({*row}) == len(row) for row in strings[p].values()) for p in flat}
    names = [p for p, own in flat.items() if once[p] and digits[p] == len(own) > 0 and blanks[p] == 0]
    ids = next((p for p in names if 2 * different[p] > len(flat[p]) or _are_numbers(strings[p])), None)
    rest = [place for place in strings if place != ids]
    worded = [p for p in rest if {one.lower() for one in flat[p] if one} <= _FEELINGS and any(flat[p])]
    rest = [place for place in rest if place not in worded]
    if len(rest) == 1:
        (only,) = rest
        is_said = blanks[only] > 0.2 or different[only] > len(flat[only]) / 2
        return (ids, only, None, worded) if is_said else (ids, None, only, worded)
    if not rest:
        return ids, None, None, worded
    said = max(rest, key=lambda place: (different[place], blanks[place]))
    others = [place for place in rest if place != said and different[place] < different[said]]
    return ids, said, next(iter(others), None), worded


def _are_numbers(rows: Rows) -> bool:
    """Whether each dialogue numbers its utterances: every number is greater than the one before."""
    for row in rows.values():
        if not all(str(one).isdecimal() for one in row):
            return False
        numbers = [int(one) for one in row]
        if any(a >= b for a, b in zip(numbers, numbers[1:], strict=False)):
            return False
    return any(len(row) > 1 for row in rows.values())


def _counts_parties(rows: Rows) -> bool:
    """Whether each dialogue numbers its parties from 0, or each from 1, in the order in which they come."""
    several = 0
    starts = {int(row[0]) for row in rows.values() if len(row)}
    if len(starts) != 1 or not starts <= {0, 1}:
        return False
    for row in rows.values():
        most = next(iter(starts)) - 1
        for number in map(int, row):
            if not next(iter(starts)) <= number <= most + 1:
                return False
            most = max(most, number)
        several += most > next(iter(starts))
    return several > len(rows) / 2


def _places(row: Any) -> list[int | None]:
    """The place of the 1 of each step; None where there is none."""
    if not len(row):
        return []
    values = np.asarray(row, np.float64)
    return [int(one.argmax()) if one.any() else None for one in values]


def _codes(row: Any) -> NDArray[np.float64]:
    return np.array([np.nan if place is None else place for place in _places(row)], np.float64)


def _numbers(row: Any) -> NDArray[np.float64]:
    return np.asarray(row, np.float64).reshape(len(row))
