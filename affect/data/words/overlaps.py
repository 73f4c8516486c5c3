"""Which entries of one timed sequence belong to which intervals of another, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.classes.objects import function_of
from affect.data.ragged import Rows
from affect.errors import ConfigError, DataError, did_you_mean

Seconds: TypeAlias = NDArray[np.float64]
Collapse: TypeAlias = Callable[[Seconds, NDArray[Any]], NDArray[Any]]
"""(entries, 2) intervals clipped to the reference and (entries, feature) values -> (feature',)."""


@dataclass(frozen=True)
class Overlaps:
    """Interval i holds the entries `entry[begin[i] : begin[i + 1]]`, in order of their starts.

    Args:
        reference: (intervals, 2) in seconds.
        intervals: (entries, 2) in seconds.
        begin: (intervals + 1,)
        entry: (pairs,); an entry on a boundary stands in both intervals.
    """

    reference: Seconds
    intervals: Seconds
    begin: Rows
    entry: Rows

    @property
    def counts(self) -> Rows:
        """(intervals,): how many entries each interval holds."""
        return np.diff(self.begin)

    @property
    def inside(self) -> Seconds:
        """(pairs, 2): start and end of each entry within its interval, in seconds."""
        whole, around = self.intervals[self.entry], np.repeat(self.reference, self.counts, axis=0)
        return np.stack([np.maximum(whole[:, 0], around[:, 0]), np.minimum(whole[:, 1], around[:, 1])], 1)


def overlaps(reference: Seconds, intervals: Seconds, tolerance: float = 1e-5) -> Overlaps:
    """Match entries to the reference intervals that they overlap by more than `tolerance`.

    An entry counts in every interval that it overlaps, and counts there in full. Entries no longer than the
    tolerance, and those whose bounds are NaN, match nothing. These are the rules of the CMU Multimodal SDK.

    Args:
        reference: start and end of each reference interval in seconds, in any order.
        intervals: start and end of each entry in seconds, in any order; entries may overlap each other.
        tolerance: seconds; 1e-5 in the SDK's source, 1e-3 in its copy on PyPI.
    Shapes:
        reference: (intervals, 2)
        intervals: (entries, 2)
    Example:
        >>> words = np.array([[0.0, 1.0], [1.0, 2.0]])
        >>> found = overlaps(words, np.array([[0.2, 0.9], [0.9, 1.1], [5.0, 6.0]]))
        >>> found.begin.tolist(), found.entry.tolist()
        ([0, 2, 3], [0, 1, 1])
    """
    left, right = (np.ascontiguousarray(bound) for bound in reference.T)
    start, end = (np.ascontiguousarray(bound) for bound in intervals.T)
    order = None
    if not (end - start > tolerance).all() or not _ascending(start):
        order = np.flatnonzero(end - start > tolerance)
        order = order[np.argsort(start[order], kind="stable")]
        start, end = start[order], end[order]
    # An entry overlaps when it ends late enough behind the interval's start and starts early enough before
    # its end. Where the entries end in the order in which they start, these are the ones between two places.
    in_turn = _ascending(end)
    latest = end if in_turn else np.maximum.accumulate(end)
    first = _place(latest, left + tolerance, lambda at, row: latest[at] - left[row] > tolerance)
    last = _place(start, right - tolerance, lambda at, row: ~(right[row] - start[at] > tolerance))
    counts = np.where(right - left > tolerance, np.maximum(last - first, 0), 0)
    if in_turn:
        place = _ranges(first, counts)
    else:
        pieces = [_really(left[some], first[some], counts[some], end, tolerance) for some in _blocks(counts)]
        place, counts = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    entry = place if order is None else order[place]
    return Overlaps(reference, intervals, np.concatenate([[0], np.cumsum(counts)]), entry)


def collapse(found: Overlaps, values: NDArray[Any], how: str | Collapse = "mean") -> NDArray[np.float32]:
    """One vector for each reference interval from the entries that it holds; zeros where it holds none.

    Args:
        found: which entries each interval holds.
        values: features of all entries.
        how: `mean`; `max`, of each feature; `last`, the entry that starts last; `weighted`, the mean weighted
            by the seconds that an entry spends inside; or a function of one interval's entries: their clipped
            intervals (entries, 2) and values (entries, feature) -> (feature',), itself or its import path.
    Shapes:
        values: (entries, feature) -> (intervals, feature)
    Raises:
        ConfigError: there is no such way.
        DataError: a function returned no vector, or vectors of different sizes.
    Example:
        >>> found = overlaps(np.array([[0.0, 1.0], [3.0, 4.0]]), np.array([[0.0, 0.9], [0.9, 1.2]]))
        >>> values = np.array([[2.0], [4.0]])
        >>> [collapse(found, values, how).ravel().tolist() for how in ("mean", "max", "last")]
        [[3.0, 0.0], [4.0, 0.0], [4.0, 0.0]]
        >>> collapse(found, values, lambda intervals, values: values.min(0)).ravel().tolist()
        [2.0, 0.0]
    """
    how = function(how) if isinstance(how, str) else how
    if callable(how):
        return _by_function(found, values, how)
    return COLLAPSES[how](found, values).astype(np.float32, copy=False)


def function(how: str) -> str | Collapse:
    """The way of that name, or the function that an import path names.

    Raises:
        ConfigError: there is neither.
    """
    module, _, name = how.rpartition(".")
    if how in COLLAPSES or not module:
        if how not in COLLAPSES:
            raise ConfigError(f"collapse: no way '{how}'; {did_you_mean(how, COLLAPSES)}")
        return how
    return function_of(how, "collapse", "ndarray")


def _ascending(values: Seconds) -> bool:
    return bool((values[1:] >= values[:-1]).all())


def _place(values: Seconds, near: Seconds, beyond: Callable[[Rows, Rows], NDArray[np.bool_]]) -> Rows:
    """For each row, the first place in ascending values that is `beyond`; `near` says about where.

    The search compares with a rounded sum, the rule with a rounded difference: the rule decides.
    """
    place = np.searchsorted(values, near)
    rows = np.flatnonzero(place > 0)
    while rows.size:
        rows = rows[beyond(place[rows] - 1, rows)]
        place[rows] -= 1
        rows = rows[place[rows] > 0]
    rows = np.flatnonzero(place < len(values))
    while rows.size:
        rows = rows[~beyond(place[rows], rows)]
        place[rows] += 1
        rows = rows[place[rows] < len(values)]
    return place


def _ranges(first: Rows, counts: Rows) -> Rows:
    """first[i], first[i] + 1, ..., `counts[i]` of them, for every i."""
    places: Rows = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    return places


def _blocks(counts: Rows, pairs: int = 1 << 20) -> list[slice]:
    """Runs of intervals with few candidates in all, so that one endless entry cannot fill the memory."""
    block = np.cumsum(counts) // pairs
    edges = np.concatenate([[0], np.flatnonzero(np.diff(block)) + 1, [len(counts)]])
    return [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def _really(left: Seconds, first: Rows, counts: Rows, end: Seconds, tolerance: float) -> tuple[Rows, Rows]:
    """Those candidates that end late enough, and how many of them each interval holds."""
    place, row = _ranges(first, counts), np.repeat(np.arange(len(left)), counts)
    held = end[place] - left[row] > tolerance
    return place[held], np.bincount(row[held], minlength=len(left))


def _mean(found: Overlaps, values: NDArray[Any]) -> NDArray[np.floating]:
    return _sums(found, values, np.ones(len(found.entry))) / np.maximum(found.counts, 1)[:, None]


def _weighted(found: Overlaps, values: NDArray[Any]) -> NDArray[np.floating]:
    seconds = np.diff(found.inside)[:, 0]
    totals = _sums(found, np.ones((len(values), 1)), seconds)
    return _sums(found, values, seconds) / np.where(totals > 0, totals, 1)


def _sums(found: Overlaps, values: NDArray[Any], weights: Seconds) -> NDArray[np.floating]:
    """Weighted sums: a sparse matrix, whose rows are the intervals, times the values.

    In the values' own precision and in the order of the starts, as the SDK sums: the same to the last bit.
    """
    from scipy.sparse import csr_array

    weights = weights.astype(np.result_type(values.dtype, np.float32))
    shape = (len(found.counts), len(values))
    return np.asarray(csr_array((weights, found.entry, found.begin), shape=shape) @ values)


def _max(found: Overlaps, values: NDArray[Any]) -> NDArray[np.float32]:
    out, some = np.zeros((len(found.counts), values.shape[1]), np.float32), found.counts > 0
    if some.any():
        out[some] = np.maximum.reduceat(values[found.entry], found.begin[:-1][some], axis=0)
    return out


def _last(found: Overlaps, values: NDArray[Any]) -> NDArray[np.float32]:
    out, some = np.zeros((len(found.counts), values.shape[1]), np.float32), found.counts > 0
    out[some] = values[found.entry[found.begin[1:][some] - 1]]
    return out


def _by_function(found: Overlaps, values: NDArray[Any], how: Collapse) -> NDArray[np.float32]:
    inside, rows = found.inside, {}
    for i in np.flatnonzero(found.counts):
        pairs = slice(found.begin[i], found.begin[i + 1])
        rows[i] = np.asarray(how(inside[pairs], values[found.entry[pairs]]))
    # Where nothing is held, the size is that of an entry of zeros.
    some = rows.values() or [np.asarray(how(np.zeros((1, 2)), np.zeros((1, values.shape[1]), values.dtype)))]
    shapes = {row.shape for row in some}
    if len(shapes) > 1 or len(next(iter(shapes))) != 1:
        raise DataError(
            f"collapse: {getattr(how, '__name__', how)} must return one vector of the same size for every "
            f"interval, got shapes {sorted(shapes)}"
        )
    out = np.zeros((len(found.counts), *next(iter(shapes))), np.float32)
    for i, row in rows.items():
        out[i] = row
    return out


COLLAPSES: dict[str, Callable[[Overlaps, NDArray[Any]], NDArray[np.floating]]] = {
    "mean": _mean,
    "max": _max,
    "last": _last,
    "weighted": _weighted,
}
"""By the name that `affect align --collapse` knows."""
