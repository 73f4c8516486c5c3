"""Labels as they are given, of samples or of their steps -> a target and its rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.making.labels import Labels, labels_of
from affect.data.ragged import Ragged, Rows
from affect.data.rules import codes
from affect.data.rules.kinds import inferred
from affect.data.targets import MultiClass, MultiLabel, Regression, Target
from affect.errors import DataError, did_you_mean

_WHOLE = re.compile(r"[+-]?\d{1,18}")

Kind: TypeAlias = Target | Mapping[str, Any] | None
"""A target, or a kind and what it has (`affect.data.classes.with_kinds`), or what is inferred."""


@dataclass(frozen=True, eq=False)
class TargetLabels:
    """A target of a corpus.

    Args:
        target: what kind it is.
        rows: its labels by split; in a split without labels of it none is observed.
        notes: what was found.
        kind: what it is to become, once the corpus is there.
    """

    target: Target
    rows: dict[str, Ragged]
    notes: tuple[str, ...]
    kind: Mapping[str, Any] = field(default_factory=dict)


def read_target(
    name: str, kind: Kind, given: Mapping[str, Any], ids: Mapping[str, tuple[str, ...]], where: str
) -> TargetLabels:
    """The labels of one target in all splits.

    Args:
        name: of the target.
        kind: what it is; None: only 0 and 1 is binary, other numbers are a regression, names are classes,
            columns of 0 and 1 are a label for each class, or classes where there is a single 1 in each row.
        given: by split, as `affect.data.making.labels.labels_of` takes them; None: there are none.
        ids: of the samples of every split.
        where: begins messages.
    Raises:
        DataError: they are no labels of that kind.
    """
    per_step = isinstance(kind, Target) and kind.per_step
    found = {
        split: labels_of(content, f"{where}, {split}: target '{name}'", len(ids[split]), per_step)
        for split, content in given.items()
        if content is not None
    }
    if not found:
        raise DataError(f"{where}: no split has the target '{name}'; leave it out of `targets`")
    per_step = any(own.counts is not None for own in found.values())
    found = _like_the_others(found, kind, per_step)
    for own in found.values():
        if per_step and own.counts is None:
            raise DataError(f"{own.where} has a label per sample, but in another split one per step")
    widths = {split: own.width for split, own in found.items()}
    if len(set(widths.values())) > 1:
        raise DataError(f"{where}: target '{name}' must have as many columns in every split, got {widths}")
    several = max(widths.values()) > 1 or isinstance(kind, MultiLabel)
    target, later, coded, notes = (_several if several else _single)(name, kind, found, where)
    target = replace(target, per_step=per_step)
    rows = {}
    for split, names in ids.items():
        if split in found:
            rows[split] = _rows(coded[split], found[split].counts)
        else:
            empty = np.zeros((0 if per_step else len(names), target.size), np.float32)
            offsets = np.zeros(len(names) + 1, int) if per_step else np.arange(len(names) + 1)
            rows[split] = Ragged.from_offsets(empty, offsets, np.zeros(len(empty), dtype=bool))
            notes.append(f"{split}: no labels of {name} are given.")
    return TargetLabels(target, rows, tuple(notes), later)


def _like_the_others(found: dict[str, Labels], kind: Kind, per_step: bool) -> dict[str, Labels]:
    """The same, where a split without a label has columns, names and steps as the others have them."""
    bare = {split for split, own in found.items() if own.values is not None and np.isnan(own.values).all()}
    others = [own for split, own in found.items() if split not in bare]
    width = others[0].width if others else 1
    if not others and isinstance(kind, Target):
        width = max(kind.size, *(own.width for own in found.values()))
    named = bool(others) and all(own.values is None for own in others)
    made = dict(found)
    for split in bare:
        own, values = found[split], found[split].values
        count, counts = 0 if values is None else len(values), own.counts
        if per_step and counts is None:
            count, counts = 0, np.zeros(count, np.int64)
        none = None if named else np.full((count, width), np.nan)
        made[split] = replace(own, values=none, names=(None,) * count if named else (), counts=counts)
    return made


def _rows(values: NDArray[np.float64], counts: Rows | None) -> Ragged:
    """Labels (labels, columns), NaN where there is none."""
    seen: NDArray[np.bool_] = np.asarray(~np.isnan(values).any(1))
    with np.errstate(over="ignore"):
        kept = np.where(seen[:, None], values, 0).astype(np.float32)
    offsets = np.arange(len(kept) + 1) if counts is None else np.cumsum([0, *counts])
    return Ragged.from_offsets(kept, offsets, seen)


_Coded: TypeAlias = tuple[Target, Mapping[str, Any], dict[str, NDArray[np.float64]], list[str]]
"""What the labels are, what they are to become, their numbers by split, and notes."""


def _single(name: str, kind: Kind, found: dict[str, Labels], where: str) -> _Coded:
    """One number, or one name, for each label."""
    numbers = {split: own.values for split, own in found.items() if own.values is not None}
    if not numbers:
        return _named(name, kind, found, where)
    if len(numbers) < len(found):
        raise DataError(f"{where}: target '{name}' holds names in one split and numbers in another")
    if isinstance(kind, Target) and (not isinstance(kind, MultiClass) or kind.classes):
        return kind, {}, numbers, []
    later: Mapping[str, Any] = kind if isinstance(kind, Mapping) else {}
    if isinstance(kind, MultiClass):
        later = {"kind": "multiclass"}
    every = np.concatenate(list(numbers.values()))[:, 0]
    target = _inferred(name, every, where)
    note = codes.note(name, every) if isinstance(target, Regression) and not later else ""
    return target, later, numbers, [note] if note else []


def _named(name: str, kind: Kind, found: dict[str, Labels], where: str) -> _Coded:
    """The name of a class for each label."""
    said = _in_order({one for own in found.values() for one in own.names if one is not None})
    orders = {own.order for own in found.values()}
    classes: tuple[str, ...] = ()
    later: Mapping[str, Any] = {}
    if isinstance(kind, Mapping):
        is_multiclass = str(kind.get("kind", "")).lower() == "multiclass"
        classes, later = tuple(map(str, kind.get("classes", ()))), {} if is_multiclass else kind
    elif isinstance(kind, MultiClass):
        classes = kind.classes
    elif kind is not None:
        first = next(iter(found.values()))
        raise DataError(f"{first.where} must hold numbers for a {type(kind).__name__}, got '{said[0]}'")
    if not classes and kind is None:
        every = [one for own in found.values() for one in own.names]
        _inferred(name, every, where)  # so many names are hardly classes
    classes = classes or (orders.pop() if len(orders) == 1 else ()) or tuple(said)
    place = {one: float(i) for i, one in enumerate(classes)}
    coded = {}
    for split, own in found.items():
        wrong = next((one for one in own.names if one is not None and one not in place), None)
        if wrong is not None:
            raise DataError(f"{own.where} has no class '{wrong}'; {did_you_mean(wrong, classes)}")
        places = [np.nan if one is None else place[one] for one in own.names]
        coded[split] = np.array(places, dtype=np.float64)[:, None]
    return MultiClass(name, classes=classes), later, coded, []


def _in_order(names: Collection[str]) -> list[str]:
    """Names of classes by the alphabet; by their number where all are whole numbers."""
    if all(_WHOLE.fullmatch(one) for one in names):
        return sorted(names, key=lambda one: (int(one), one))
    return sorted(names)


def _several(name: str, kind: Kind, found: dict[str, Labels], where: str) -> _Coded:
    """A number for each of several classes."""
    first, notes = next(iter(found.values())), list[str]()
    values: dict[str, NDArray[np.float64]] = {}
    for split, own in found.items():
        if own.values is None:
            raise DataError(f"{own.where} must hold 0 or 1 for each class, got names")
        values[split] = own.values
    asked, classes = _asked(kind)
    classes = classes or first.columns or tuple(map(str, range(first.width)))
    if len(classes) != first.width:
        raise DataError(
            f"{first.where} must have a column for each of {len(classes)} classes, got {first.width}"
        )
    every = np.concatenate([own[~np.isnan(own).any(1)] for own in values.values()])
    if asked not in ("", "multilabel", "multiclass") or not np.isin(every, (0, 1)).all():
        raise DataError(
            f"{first.where} must have one label per sample, or 0 or 1 for each class, got {first.width} "
            "columns; give each column a name of its own, or declare it per step"
        )
    single = bool(len(every)) and bool((every.sum(1) == 1).all())
    if asked == "multilabel" or (not asked and not single):
        if not asked:
            notes.append(f"{name}: its {first.width} columns of 0 and 1 are a label for each class.")
        return MultiLabel(name, classes=classes), {}, values, notes
    if not single:
        raise DataError(f"{first.where} must have a single 1 in each row, being of one class")
    if not asked:
        notes.append(f"{name}: its {first.width} columns hold a single 1 in each row, and are classes.")
    coded = {
        split: np.where(np.isnan(own).any(1), np.nan, own.argmax(1))[:, None] for split, own in values.items()
    }
    return MultiClass(name, classes=classes), {}, coded, notes


def _asked(kind: Kind) -> tuple[str, tuple[str, ...]]:
    """The kind that is asked for, in small letters, and its classes."""
    if isinstance(kind, Mapping):
        return str(kind.get("kind", "")).lower(), tuple(map(str, kind.get("classes", ())))
    return "" if kind is None else type(kind).__name__.lower(), getattr(kind, "classes", ())


def _inferred(name: str, values: Any, where: str) -> Target:
    """The kind of target that tables take such a column for."""
    import pandas as pd

    found = inferred(name, pd.Series(values))
    if found is None:
        names = {one for one in values if isinstance(one, str)}
        held = f"{len(names)} names for {len(values)} labels" if names else "no label"
        raise DataError(f"{where}: target '{name}' holds {held}; say what it is, as in MultiClass('{name}')")
    return found[0]
