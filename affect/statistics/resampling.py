"""Resamples of whole samples, and the intervals that they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from affect import renamed
from affect.bounds import COUNT, SEED
from affect.errors import ConfigError, ShapeError, did_you_mean
from affect.metrics import Array, Measure, Summed
from affect.statistics.intervals import check_level, interval
from affect.statistics.samples import Rows, Samples


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """What resamples say of several quantities.

    Args:
        value: on all samples.
        low: lower ends of the intervals.
        high: upper ends.
        draws: values on each resample, NaN where undefined.
    Shapes:
        value, low, high: (k,), draws: (resamples, k)
    """

    value: Array
    low: Array
    high: Array
    draws: Array


class Measured(NamedTuple):
    """A metric of a model, or its difference between two: what `spread` takes, as `spread(*measured)`.

    Args:
        seeds: the value of each seed.
        draws: on each resample.
        sampled: the interval over samples of their mean, these seeds given.
    Shapes:
        seeds: (seeds,), draws: (resamples, seeds)
    """

    seeds: Array
    draws: Array
    sampled: tuple[float, float]


@renamed.arguments(said="predictions")
def measure(
    metric: Measure,
    predictions: Mapping[str, Array],
    truth: Array,
    groups: NDArray[Any],
    *,
    pairs: Iterable[tuple[str, str]] = (),
    strata: NDArray[Any] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str | tuple[str, str], Measured]:
    """A metric of several models and of pairs of them, first minus second, all on the same resamples.

    Seeds of a pair are compared one with one, in order. That is right whether or not a seed means the same
    for both, as where it cuts the validation split; taking them for independent would be only if it does not.

    Args:
        metric: of one seed's predictions and the truth; one of sums (`affect.metrics.Summed`), as all of
            `affect.metrics` are, is evaluated on all resamples at once, any other on one after the other.
        predictions: of every seed of each model.
        truth: of every label.
        groups: the sample that each label belongs to.
        pairs: names of the models whose difference is asked for, with equally many seeds.
        strata: as in `bootstrap`.
        resamples: how many are drawn.
        level: of the intervals.
        seed: of the draws.
    Returns:
        by name, and by pair of names.
    Shapes:
        predictions[name]: (seeds, labels, ...), truth: (labels, ...), groups: (labels,)
    Raises:
        ConfigError: a pair names an unknown model.
        ShapeError: a pair has different numbers of seeds; or as `bootstrap`.
    Example:
        >>> truth = np.arange(9.0)
        >>> predictions = {"near": truth[None] + 1, "far": truth[None] - 3}
        >>> error = lambda p, t: np.abs(p - t).mean()
        >>> found = measure(error, predictions, truth, np.arange(9), pairs=[("far", "near")])
        >>> found["far", "near"].sampled
        (2.0, 2.0)
    """
    pairs = list(pairs)
    for pair in pairs:
        for name in pair:
            if name not in predictions:
                raise ConfigError(f"measure: no model '{name}'; {did_you_mean(name, predictions)}")
        first, second = (len(predictions[name]) for name in pair)
        if first != second:
            raise ShapeError(
                f"measure: '{pair[0]}' has {first} seeds and '{pair[1]}' {second}; "
                "cut both to the seeds that they share"
            )
    if not predictions:
        return {}
    samples = Samples(groups)
    every = [one for seeds in predictions.values() for one in seeds]
    found = _evaluated(_statistic(metric, every, truth, samples), samples, strata, resamples, level, seed)
    ends = dict(
        zip(predictions, np.cumsum([len(seeds) for seeds in predictions.values()]).tolist(), strict=True)
    )

    def seeds_of(values: Array) -> list[Array]:
        """(..., every seed) -> (..., seeds) of each model, and of each pair."""
        own = {name: values[..., end - len(predictions[name]) : end] for name, end in ends.items()}
        return [*own.values(), *(own[a] - own[b] for a, b in pairs)]

    def means(values: Array) -> Array:
        """(..., every seed) -> (..., models and pairs)."""
        return np.stack([seeds.mean(-1) for seeds in seeds_of(values)], -1)

    low, high = _ends(means(found.value), means(found.draws), [means(one) for one in found.left_out], level)
    parts = zip(seeds_of(found.value), seeds_of(found.draws), low.tolist(), high.tolist(), strict=True)
    names: list[str | tuple[str, str]] = [*predictions, *pairs]
    return {
        name: Measured(seeds, draws, (lower, upper))
        for name, (seeds, draws, lower, upper) in zip(names, parts, strict=True)
    }


def bootstrap(
    statistic: Callable[[Rows], Array],
    groups: NDArray[Any],
    *,
    strata: NDArray[Any] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Bootstrap:
    """Intervals over samples of several quantities at once, all on the same resamples.

    Whole samples are drawn, each with all its labels. The interval is the bias-corrected and accelerated one
    (BCa), and the percentile interval over the resamples that have a value where that is undefined: where a
    quantity has no value on some resamples, never changes, or lies beyond all of its draws. One sample alone
    has no interval.

    Draws and interval are `scipy.stats.bootstrap`'s, to which the tests hold them, but written out here: it
    would leave each sample out, for the acceleration, by listing all others, samples^2 of them.

    Args:
        statistic: from rows of labels, some of them several times, to the quantities.
        groups: the sample that each label belongs to.
        strata: a class of each label, the same for all labels of a sample: as many samples of each class are
            drawn as there are. Only for test sets whose shares of classes were fixed by design: where they
            came by chance, an interval that holds them still is too narrow
            (`python -m experiments.coverage`).
        resamples: how many are drawn; the acceleration takes one more evaluation for each sample.
        level: of the intervals.
        seed: of the draws.
    Shapes:
        statistic: (drawn labels,) -> (k,), groups, strata: (labels,)
    Raises:
        ShapeError: there are no labels, strata are not of the groups' shape, or the statistic is no vector.
        DataError: the labels of a sample are of different strata.
        ConfigError: the level is not between 0 and 1, or there is no resample.
    Reference:
        Efron, Better Bootstrap Confidence Intervals, JASA 1987; Efron and Tibshirani, An Introduction to
        the Bootstrap, 1993, chapter 14.
    Example:
        >>> errors = np.array([0.0, 1.0, 1.0, 4.0, 2.0, 1.0])
        >>> found = bootstrap(lambda rows: np.array([errors[rows].mean()]), np.arange(6))
        >>> bool(found.low[0] < found.value[0] < found.high[0])
        True
    """
    samples = Samples(groups)
    found = _evaluated(_OfRows(statistic, samples), samples, strata, resamples, level, seed)
    return Bootstrap(found.value, *_ends(found.value, found.draws, found.left_out, level), found.draws)


@renamed.arguments(said="predictions")
def resampled(
    metric: Measure,
    predictions: Iterable[Array],
    truth: Array,
    groups: NDArray[Any],
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Array, Array]:
    """A metric of several predictions: on all labels, and on each resample of `resampled_rows`.

    Args:
        metric: of predictions and the truth.
        predictions: any number of them.
        truth: of every label.
        groups: the sample that each label belongs to.
        resamples: how many are drawn.
        seed: of the draws.
    Shapes:
        predictions: (k, labels, ...), truth: (labels, ...), groups: (labels,) -> (k,) and (resamples, k)
    Example:
        >>> error = lambda p, t: np.abs(p - t).mean()
        >>> value, draws = resampled(error, [np.ones(3), np.zeros(3)], np.zeros(3), np.arange(3), resamples=2)
        >>> value.tolist(), draws.tolist()
        ([1.0, 0.0], [[1.0, 0.0], [1.0, 0.0]])
    """
    samples = Samples(groups)
    own = _statistic(metric, list(predictions), truth, samples)
    drawn = [own.drawn(chosen) for chosen in samples.draws(samples.classes(None), resamples, seed)]
    return own.whole(), np.concatenate(drawn)


def resampled_rows(groups: NDArray[Any], resamples: int = 1000, seed: int = 0) -> Iterator[Rows]:
    """Rows of bootstrap resamples: as many groups as there are, drawn with replacement, each whole.

    Args:
        groups: the one that each row belongs to.
        resamples: how many are drawn.
        seed: of the draws.
    Shapes:
        groups: (rows,)
    Example:
        >>> [sorted(rows.tolist()) for rows in resampled_rows(np.array([0, 0, 1]), resamples=2)]
        [[2, 2], [0, 1, 2]]
    """
    samples = Samples(groups)
    for chosen in samples.draws(samples.classes(None), resamples, seed):
        yield from map(samples.rows, chosen)


class _Statistic(Protocol):
    """Quantities of samples, as of those that a resample has."""

    def whole(self) -> Array:
        """(k,): on all samples."""
        ...

    def drawn(self, chosen: Rows) -> Array:
        """(resamples, samples) -> (resamples, k)."""
        ...

    def without(self, left_out: Rows) -> Array:
        """(m,) -> (m, k): on all samples but one."""
        ...


class _OfRows:
    """A statistic that is asked resample by resample, as it can be anything."""

    def __init__(self, statistic: Callable[[Rows], Array], samples: Samples) -> None:
        self._statistic, self._samples = statistic, samples

    def whole(self) -> Array:
        return np.asarray(self._statistic(np.arange(self._samples.labels)), np.float64)

    def drawn(self, chosen: Rows) -> Array:
        return np.array([self._statistic(self._samples.rows(one)) for one in chosen], np.float64)

    def without(self, left_out: Rows) -> Array:
        every = np.arange(self._samples.count)
        return np.concatenate([self.drawn(np.delete(every, one)[None]) for one in left_out])


class _OfSums:
    """A metric of several predictions by its terms: all resamples are one product of matrices."""

    def __init__(self, metric: Summed, predictions: Iterable[Array], truth: Array, samples: Samples) -> None:
        terms = [metric.terms(one, truth) for one in predictions]
        self._value, self._samples = metric.value, samples
        self._all = np.stack([own.sum(0) for own in terms])  # (k, q)
        self._sums = np.stack([samples.sums(own) for own in terms], 1)  # (samples, k, q)

    def whole(self) -> Array:
        return self._value(self._all)

    def drawn(self, chosen: Rows) -> Array:
        return self._value(np.tensordot(self._samples.times(chosen), self._sums, 1))

    def without(self, left_out: Rows) -> Array:
        found = [self._value(_all_but_one(own)[left_out]) for own in self._sums.swapaxes(0, 1)]
        return np.stack(found, -1)


def _all_but_one(values: Array) -> Array:
    """(n, q): the sum of all rows but each; not the whole less it, which could leave rounding alone."""
    before, after = np.zeros_like(values), np.zeros_like(values)
    before[1:] = np.cumsum(values[:-1], 0)
    after[:-1] = np.cumsum(values[:0:-1], 0)[::-1]
    return before + after


def _statistic(metric: Measure, predictions: list[Array], truth: Array, samples: Samples) -> _Statistic:
    """A metric of several predictions."""
    if isinstance(metric, Summed):
        return _OfSums(metric, predictions, truth, samples)
    return _OfRows(lambda rows: np.array([metric(one[rows], truth[rows]) for one in predictions]), samples)


class _Evaluated(NamedTuple):
    """Quantities on all samples, on resamples, and with each sample of a class left out.

    Shapes:
        value: (k,), draws: (resamples, k), left_out: of each class (its samples, k)
    """

    value: Array
    draws: Array
    left_out: list[Array]


def _evaluated(
    own: _Statistic,
    samples: Samples,
    strata: NDArray[Any] | None,
    resamples: int,
    level: float,
    seed: int,
) -> _Evaluated:
    check_level(level)
    COUNT.check("bootstrap: resamples", resamples)
    SEED.check("bootstrap: seed", seed)
    classes = samples.classes(strata)
    value = own.whole()
    if value.ndim != 1:
        raise ShapeError(
            f"bootstrap needs a statistic that returns (k,), got {value.shape}; "
            "put a single number in an array: np.array([number])"
        )
    several = [kind for kind in classes if len(kind) > 1]
    if not several:
        return _Evaluated(value, np.tile(value, (resamples, 1)), [])
    draws = np.concatenate([own.drawn(chosen) for chosen in samples.draws(classes, resamples, seed)])
    return _Evaluated(value, draws, [own.without(kind) for kind in several])


def _ends(value: Array, draws: Array, left_out: list[Array], level: float) -> tuple[Array, Array]:
    """(k,) and (k,): BCa intervals, and percentile intervals where those are undefined."""
    from scipy import special

    ends = np.full((2, len(value)), np.nan)
    if not left_out:
        return ends[0], ends[1]
    with np.errstate(all="ignore"):  # of quantities that never change, or are undefined
        bias = special.ndtri(((draws < value).sum(0) + (draws <= value).sum(0)) / (2 * len(draws)))
        pulls = [(len(own) - 1) * (own.mean(0) - own) for own in left_out]
        cubes = sum((pull**3).sum(0) / len(pull) ** 3 for pull in pulls)
        squares = sum((pull**2).sum(0) / len(pull) ** 2 for pull in pulls)
        acceleration = cubes / squares**1.5 / 6
        shifted = bias + special.ndtri((1 - level) / 2) * np.array([[1], [-1]])  # (2, k)
        shares = special.ndtr(bias + shifted / (1 - acceleration * shifted))
        inside = (draws.min(0) <= value) & (value <= draws.max(0)) & ~np.isnan(shares).any(0)
    for place, known in enumerate(inside):
        own = draws[:, place]
        ends[:, place] = np.quantile(own, shares[:, place]) if known else interval(own, level)
    return ends[0], ends[1]
