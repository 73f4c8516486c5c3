"""Samples of one or more labels, as they are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.errors import DataError, ShapeError
from affect.metrics import Array

Rows: TypeAlias = NDArray[np.int64]
_BLOCK = 64  # resamples that are drawn of one class after the other
_BLOCKS = 16  # of them at a time at most, as many small products of matrices cost more than a large one
_NUMBERS = 2**21  # at a time: 16 MB


def at_a_time(samples: int) -> int:
    """How many resamples of so many samples are held at a time."""
    return _BLOCK * min(max(1, _NUMBERS // (_BLOCK * samples)), _BLOCKS)


def units(samples: Iterable[str], groups: Iterable[str] = ()) -> NDArray[np.int64]:
    """(labels,): the number of what each label belongs to that is independent of all others, and drawn whole.

    Args:
        samples: the id of the sample of each label.
        groups: its group, a video or a speaker; taken where there are at least two.
    Example:
        >>> units(["a", "b", "c"]).tolist(), units(["a", "b", "c"], ["v", "v", "w"]).tolist()
        ([0, 1, 2], [0, 0, 1])
    """
    groups = list(groups)
    names = groups if len({*groups}) > 1 else list(samples)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)


class Samples:
    """Which rows each sample has, and how they are drawn.

    Attributes:
        labels: how many rows there are.
        count: how many samples.
        of: the sample of each row.
    """

    def __init__(self, groups: NDArray[Any]) -> None:
        if np.ndim(groups) != 1 or not len(groups):
            raise ShapeError(
                f"groups need the shape (labels,), at least one label, got {np.shape(groups)}; "
                "name the sample of each label: np.arange(labels) where each is its own"
            )
        self.labels = len(groups)
        _, self._first, self.of = np.unique(groups, return_index=True, return_inverse=True)
        self._order = np.argsort(self.of, kind="stable")
        self._sizes = np.bincount(self.of)
        self._ends = np.cumsum(self._sizes)
        self.count = len(self._sizes)
        self._single = self.count == self.labels

    def rows(self, chosen: Rows) -> Rows:
        """The rows of the chosen samples, each as often as it was chosen."""
        if self._single:
            alone: Rows = self._order[chosen]
            return alone
        sizes = self._sizes[chosen]
        shift = np.repeat(self._ends[chosen] - sizes - (np.cumsum(sizes) - sizes), sizes)
        found: Rows = self._order[np.arange(sizes.sum()) + shift]
        return found

    def draws(self, classes: list[Rows], resamples: int, seed: int) -> Iterator[Rows]:
        """(some resamples, samples), until there are enough: of each class as many samples as it has."""
        rng = np.random.default_rng(seed)

        def block(size: int) -> Rows:
            return np.concatenate([own[rng.integers(len(own), size=(size, len(own)))] for own in classes], 1)

        for done in range(0, resamples, batch := at_a_time(self.count)):
            last = min(done + batch, resamples)
            yield np.concatenate([block(min(_BLOCK, last - start)) for start in range(done, last, _BLOCK)])

    def times(self, chosen: Rows) -> Array:
        """(resamples, drawn) -> (resamples, samples): how often each sample was drawn."""
        places = chosen + self.count * np.arange(len(chosen))[:, None]
        found = np.bincount(places.ravel(), minlength=len(chosen) * self.count)
        return found.reshape(len(chosen), self.count).astype(np.float64)

    def sums(self, values: Array) -> Array:
        """(labels, ...) -> (samples, ...)."""
        starts = self._ends - self._sizes
        return np.asarray(np.add.reduceat(values[self._order], starts, axis=0))

    def classes(self, strata: NDArray[Any] | None) -> list[Rows]:
        """The samples of each class."""
        if strata is None:
            return [np.arange(self.count)]
        if np.shape(strata) != self.of.shape:
            raise ShapeError(
                f"strata need the groups' shape {self.of.shape}, got {np.shape(strata)}; "
                "name the class of each label"
            )
        own = np.asarray(strata)[self._first]
        mixed = np.asarray(strata) != own[self.of]
        if mixed.any():
            raise DataError(
                f"strata: {len(np.unique(self.of[mixed]))} of {self.count} samples have labels of "
                "several classes; give every label of a sample its sample's class, or leave strata out"
            )
        return [np.flatnonzero(own == kind) for kind in np.unique(own)]
