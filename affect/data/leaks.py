"""Features that give a target away: a column that is the label, or is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import lgamma, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus
from affect.data.ragged import Ragged
from affect.data.targets import Regression, Target

_EQUAL, _ORDER = 1e-2, 1e-6
"""How probable it may be that any column of a modality would do so by chance."""
_SOME = 256
"""Samples that most columns are cleared by."""


@dataclass(frozen=True)
class Leak:
    """A column of a modality that gives a target away.

    Args:
        modality: whose column it is.
        column: its number.
        target: its name, and the class where the target has several labels at once.
        equal: whether the column is the label itself; otherwise the one can be told from the other.
        splits: in which, with the number of labels compared.
    """

    modality: str
    column: int
    target: str
    equal: bool
    splits: dict[str, int]


def leaks(corpus: Corpus) -> Iterator[Leak]:
    """The columns that give a target away, split by split, where that cannot be chance.

    For a target per sample a column counts that does not change within any sample; for one per step, every
    step counts. It gives the target away where it equals the label, or orders it: sorted by the column, the
    numbers are sorted, or the classes apart; or the column is a step function of the label. Columns of noise
    do so by chance with a probability that is known, and are left alone until it is below one in a million.

    Args:
        corpus: any; the first step of each sample is read, and the others of columns that are suspected.
    Example:
        >>> label = np.arange(12.0)
        >>> ecg = Ragged.vectors(np.stack([np.cos(label), 2 * label], 1))
        >>> targets = {"y": Ragged.vectors(label)}
        >>> split = affect.data.corpus.Split(tuple("abcdefghijkl"), {"ecg": ecg}, targets)
        >>> list(leaks(Corpus("c", {"all": split}, {"y": Regression("y")})))
        [Leak(modality='ecg', column=1, target='y', equal=False, splits={'all': 12})]
    """
    found: dict[tuple[str, int, str, bool], dict[str, int]] = {}
    for name, split in corpus.splits.items():
        for modality, rows in split.modalities.items():
            first = _first(rows)
            for target in corpus.targets.values():
                for column, label, equal, count in _given_away(
                    rows, first, split.targets[target.name], target
                ):
                    found.setdefault((modality, column, label, equal), {})[name] = count
    for (modality, column, label, equal), splits in found.items():
        yield Leak(modality, column, label, equal, splits)


def _given_away(
    rows: Ragged, first: NDArray[np.int64], labels: Ragged, target: Target
) -> Iterator[tuple[int, str, bool, int]]:
    """Column, name of the label, whether they are equal, and how many labels there are."""
    if target.per_step:
        if not np.array_equal(rows.lengths, labels.lengths):
            return
        steps, truth = rows.index, labels.index
        both = rows.observed[steps] & labels.observed[truth]
        steps, truth = steps[both], truth[both]
    else:
        both = (first >= 0) & labels.present
        steps, truth = first[both], labels.starts[both]
    names = [target.name]
    if target.size > 1:
        names = [f"{target.name}, {one}" for one in getattr(target, "classes", ())]
    ordered = isinstance(target, Regression)
    some = np.unique(np.linspace(0, max(len(steps) - 1, 0), _SOME).astype(np.int64))[: len(steps)]
    few = _single(rows.values[steps[some]])
    for place, name in enumerate(names):
        label = _single(labels.values[truth, place])
        for column in range(rows.dim):
            if _by_chance(few[:, column], label[some], ordered) == np.inf:
                continue
            values = _single(rows.values[steps, column])
            known = np.isfinite(values)
            own, told = values[known], label[known]
            equal = np.array_equal(own, told) and _arrangements(told) > log(rows.dim / _EQUAL)
            orders = equal or _by_chance(own, told, ordered) < log(_ORDER / rows.dim)
            if orders and (target.per_step or _is_constant(rows, first, column)):
                yield column, name, equal, len(own)


def _by_chance(values: NDArray[Any], label: NDArray[Any], ordered: bool) -> float:
    """Logarithm of the probability that the one is told from the other by chance; infinite where it is not.

    Args:
        values: of a column, (labels,); those that are not finite say nothing.
        label: (labels,).
        ordered: numbers, told in their order; otherwise classes, each in one piece.
    """
    known = np.isfinite(values)
    _, value = np.unique(values[known], return_inverse=True)
    _, kind = np.unique(label[known], return_inverse=True)
    if not len(value):
        return 0.0
    values_there, kinds_there = int(value.max()) + 1, int(kind.max()) + 1
    pairs = np.unique(value * kinds_there + kind)
    low, high = pairs // kinds_there, pairs % kinds_there
    if len(pairs) == values_there:  # a value has one label
        if ordered and _is_sorted(high):
            return log(2) - _arrangements(kind)
        if not ordered and np.count_nonzero(np.diff(high)) == kinds_there - 1:
            return lgamma(kinds_there + 1) - _arrangements(kind)
    if len(pairs) == kinds_there:  # a label has one value
        if not ordered:
            return kinds_there * log(values_there) - _arrangements(value)
        if _is_sorted(low[np.argsort(high)]):
            return log(2) - _arrangements(value)
    return np.inf


def _single(values: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32)


def _is_sorted(codes: NDArray[np.integer[Any]]) -> bool:
    steps = np.diff(codes)
    return bool((steps >= 0).all() or (steps <= 0).all())


def _arrangements(values: NDArray[Any]) -> float:
    """Logarithm of the number of different orders in which these can stand."""
    _, counts = np.unique(values, return_counts=True)
    return lgamma(len(values) + 1) - sum(lgamma(count + 1) for count in counts.tolist())


def _first(rows: Ragged) -> NDArray[np.int64]:
    """(rows,): where the first observed step of each row stands; -1 where there is none."""
    first = np.where(rows.present, rows.starts, -1)
    late = np.flatnonzero(rows.present)
    for i in late[~rows.observed[first[late]]]:
        first[i] += rows.observed[rows.starts[i] : rows.starts[i] + rows.lengths[i]].argmax()
    return first


def _is_constant(rows: Ragged, first: NDArray[np.int64], column: int) -> bool:
    """Whether a column has one value in every sample, where it was observed."""
    if (rows.lengths[first >= 0] == 1).all():
        return True
    index, own = rows.index, np.repeat(first, rows.lengths)
    seen = rows.observed[index]
    return np.array_equal(rows.values[index[seen], column], rows.values[own[seen], column], equal_nan=True)
