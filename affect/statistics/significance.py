"""Tests of whether two models differ, corrections for many tests, and sizes of effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect import renamed
from affect.bounds import COUNT, INSIDE, SEED
from affect.errors import DataError, ShapeError
from affect.metrics import Array, Measure, Summed
from affect.statistics.intervals import check_level
from affect.statistics.samples import Samples, at_a_time

Swaps: TypeAlias = NDArray[np.bool_]
_Scores: TypeAlias = Callable[[Swaps], Array]
"""From swaps, (m, samples), to the mean over seeds of both models, (2, m)."""


class Corrected(NamedTuple):
    """A p-value, and the interval of the mean difference that goes with it."""

    p: float
    low: float
    high: float


@renamed.arguments(said_a="predictions_a", said_b="predictions_b")
def permutation_p(
    predictions_a: Array,
    predictions_b: Array,
    truth: Array,
    metric: Measure,
    groups: NDArray[Any],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> float:
    """Two-sided p of a paired permutation test: could either model have made the other's predictions?

    The predictions of two equal models for a sample can be exchanged. So both models' predictions are swapped
    for a random half of the samples, for whole samples and in all seeds alike, and the difference of the mean
    over seeds of the metric is compared with the one that was found. Where there are no more than `resamples`
    ways to swap, each is tried once, and p is exact; else p = (1 + as large) / (1 + resamples). A way to swap
    on which the metric is undefined counts as large.

    It speaks for new samples, and for these seeds: that of two models with equal expectation one was luckier
    in its seeds is not in the null hypothesis (`pairwise_tests` has it). Predictions of other scales cannot
    be exchanged: where a metric of sums does not change with the scale and offset of predictions, as a
    correlation, each seed's are standardised first.

    Args:
        predictions_a: of every seed of one model.
        predictions_b: of the other, with equally many seeds.
        truth: of every label.
        metric: of one seed's predictions and the truth; one of sums (`affect.metrics.Summed`) costs least.
        groups: the sample that each label belongs to.
        resamples: how often samples are swapped at random.
        seed: of the swaps.
    Returns:
        NaN where the metric is undefined.
    Shapes:
        predictions_a, predictions_b: (seeds, labels, ...), truth: (labels, ...), groups: (labels,)
    Raises:
        ShapeError: the predictions are of different shapes, or not of the truth's and the groups' labels.
        ConfigError: there is no resample.
    Reference:
        Phipson and Smyth, Permutation P-values Should Never Be Zero, 2010; Good, Permutation, Parametric and
        Bootstrap Tests of Hypotheses, 2005.
    Example:
        >>> truth = np.arange(8.0)
        >>> error = lambda p, t: np.abs(p - t).mean()
        >>> permutation_p(truth[None], truth[None] + 1, truth, error, np.arange(8))
        0.0078125
    """
    a, b, truth = np.asarray(predictions_a), np.asarray(predictions_b), np.asarray(truth)
    if a.shape != b.shape or a.ndim < 2 or not a.size:
        raise ShapeError(
            "permutation_p needs predictions of one shape (seeds, labels, ...), got "
            f"{a.shape} and {b.shape}; cut both models to the seeds that they share"
        )
    if not a.shape[1] == len(truth) == len(groups):
        raise ShapeError(
            f"permutation_p needs the same labels everywhere, got predictions of {a.shape[1]}, truth of "
            f"{len(truth)} and groups of {len(groups)}"
        )
    COUNT.check("permutation_p: resamples", resamples)
    SEED.check("permutation_p: seed", seed)
    found = np.array([[np.mean([metric(one, truth) for one in own])] for own in (a, b)])
    if np.isnan(found).any():
        return np.nan
    if isinstance(metric, Summed):
        alike = _standardised(a), _standardised(b)
        if np.allclose([[np.mean([metric(one, truth) for one in own])] for own in alike], found):
            a, b = alike
    differs = (a != b).any(axis=tuple(axis for axis in range(a.ndim) if axis != 1))
    if not differs.any():
        return 1.0
    samples, scale = Samples(np.asarray(groups)[differs]), np.abs(found).max() or 1.0
    scores = _by_rows(metric, a, b, truth, differs, samples)
    if isinstance(metric, Summed):
        by_sums = _by_sums(metric, a, b, truth, differs, samples)
        unswapped = by_sums(np.zeros((1, samples.count), np.bool_))
        if np.allclose(unswapped, found, rtol=0, atol=1e-9 * scale):  # not where a model is far out of scale
            scores = by_sums

    def distances(scores: Array) -> Array:
        """(2, m) -> (m,): rounded, so that ties tie; infinite where there is no score."""
        apart = np.abs(scores[0] - scores[1]) / scale
        return np.where(np.isnan(apart), np.inf, np.round(apart, 12))

    exact = 2**samples.count <= resamples
    null = [distances(scores(swaps)) for swaps in _swaps(samples.count, resamples, exact, seed)]
    large = int((np.concatenate(null) >= distances(found)).sum())
    return large / 2**samples.count if exact else (1 + large) / (1 + resamples)


def _standardised(predictions: Array) -> Array:
    """(seeds, labels): each seed's numbers with mean 0 and deviation 1; what is no number per label stays."""
    if predictions.ndim != 2:
        return predictions
    apart = predictions - predictions.mean(1, keepdims=True)
    apart = apart / np.maximum(np.abs(apart).max(1, keepdims=True), np.finfo(np.float64).tiny)
    deviation = apart.std(1, keepdims=True)
    return np.asarray(apart / np.where(deviation > 0, deviation, 1))


def _swaps(count: int, resamples: int, exact: bool, seed: int) -> Iterator[Swaps]:
    """(some, count), until there are enough: those that `scipy.stats.permutation_test` draws, or all."""
    rng, ways, batch = np.random.default_rng(seed), 2**count if exact else resamples, at_a_time(count)
    for done in range(0, ways, batch):
        size = min(batch, ways - done)
        if exact:
            yield (np.arange(done, done + size)[:, None] >> np.arange(count)) % 2 == 1
        else:
            yield rng.integers(2**32, size=(size, count), dtype=np.uint32) % 2 == 0


def _by_rows(metric: Measure, a: Array, b: Array, truth: Array, differs: Swaps, samples: Samples) -> _Scores:
    """Both models' scores by the predictions that each would have."""

    def score(predictions: Array) -> float:
        return float(np.mean([metric(one, truth) for one in predictions]))

    def scores(swaps: Swaps) -> Array:
        found = []
        for one in swaps:
            swap = np.zeros(len(truth), np.bool_)
            swap[differs] = one[samples.of]
            where = swap.reshape(-1, *[1] * (a.ndim - 2))
            found.append((score(np.where(where, b, a)), score(np.where(where, a, b))))
        return np.array(found).T

    return scores


def _by_sums(metric: Summed, a: Array, b: Array, truth: Array, differs: Swaps, samples: Samples) -> _Scores:
    """Both models' scores by the terms that they exchange; a swap costs no more than a row of a product."""
    twice, labels = np.concatenate([truth, truth]), len(truth)
    pairs = zip(a, b, strict=True)
    terms = np.stack([metric.terms(np.concatenate(pair), twice) for pair in pairs], 1)  # (2 labels, seeds, q)
    own_a, own_b = terms[:labels], terms[labels:]
    gained, of_a, of_b = samples.sums((own_b - own_a)[differs]), own_a.sum(0), own_b.sum(0)

    def scores(swaps: Swaps) -> Array:
        moved = np.tensordot(swaps.astype(np.float64), gained, 1)  # (m, seeds, q)
        return np.stack([metric.value(of_a + moved).mean(-1), metric.value(of_b - moved).mean(-1)])

    return scores


def wilcoxon_p(a: Array, b: Array) -> float:
    """Two-sided p of Wilcoxon's signed-rank test between paired values, as of the seeds of two models.

    Exact for up to 50 pairs, with tied differences for up to 13; pairs without a difference are left out,
    and p is 1 where none is left. No test of few pairs can be sure: see `least_p`.

    Args:
        a: values of one model.
        b: values of the other, in the same order.
    Shapes:
        a, b: (pairs,)
    Raises:
        ShapeError: the two are not of one length.
    Reference:
        Wilcoxon, Individual Comparisons by Ranking Methods, 1945.
    Example:
        >>> wilcoxon_p(np.array([3.0, 4.0, 5.0, 7.0]), np.array([1.0, 1.0, 1.0, 1.0]))
        0.125
    """
    from scipy import stats

    apart = _differences("wilcoxon_p", a, b)
    if np.isnan(apart).any():
        return np.nan
    apart = apart[apart != 0]
    return float(stats.wilcoxon(apart).pvalue) if apart.size else 1.0


def least_p(pairs: int) -> float:
    """The smallest p that `wilcoxon_p` can give: all differences of one sign, 2^(1 - pairs).

    Args:
        pairs: how many there are; below 6 none can be below 0.05.
    Example:
        >>> least_p(5), least_p(8)
        (0.0625, 0.0078125)
    """
    return min(1.0, 2.0 ** (1 - pairs))


def corrected_t(differences: Array, test_share: float, level: float = 0.95) -> Corrected:
    """Student's test of differences over the folds, and repeats, of cross-validation, corrected.

    Training sets overlap, so that the plain test finds too much. The variance of the mean of J differences
    is taken as s^2 (1 / J + n_test / n_train) instead of s^2 / J.

    Args:
        differences: between two models in each fold of each repeat, which cuts the folds anew. Runs on the
            same folds, as of several seeds, are no repeats: give their mean.
        test_share: of the samples, in the test split of a fold: 1 / k with k folds.
        level: of the interval.
    Shapes:
        differences: (folds * repeats,)
    Raises:
        ShapeError: there are fewer than two differences.
        ConfigError: the share, or the level, is not between 0 and 1.
    Reference:
        Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 2003, section 5; for
        repeats Bouckaert and Frank, PAKDD 2004.
    Example:
        >>> found = corrected_t(np.array([0.02, 0.03, 0.01, 0.04, 0.02]), test_share=0.2)
        >>> round(found.p, 4), round(found.low, 4), round(found.high, 4)
        (0.0349, 0.0028, 0.0452)
    """
    from scipy import stats

    check_level(level)
    differences = np.asarray(differences, np.float64)
    if differences.ndim != 1 or len(differences) < 2:
        raise ShapeError(
            f"corrected_t needs differences of shape (folds * repeats,), at least 2, got {differences.shape}"
        )
    _TEST_SHARE.check("corrected_t: test_share", test_share)
    count, mean = len(differences), float(differences.mean())
    scale = float(np.sqrt(differences.var(ddof=1) * (1 / count + test_share / (1 - test_share))))
    half = float(stats.t.ppf((1 + level) / 2, count - 1)) * scale
    if scale > 0:
        p = float(2 * stats.t.sf(abs(mean) / scale, count - 1))
    else:
        p = np.nan if np.isnan(scale) else float(mean == 0)
    return Corrected(p, mean - half, mean + half)


_TEST_SHARE = replace(INSIDE, expected="between 0 and 1 (1 / k with k folds)")


def holm(p: Array) -> Array:
    """p-values adjusted for how many there are, step by step (Holm): compare them with the level as they are.

    Args:
        p: of each test; NaN, of a test that could not be made, stays NaN and does not count.
    Shapes:
        p: (tests,) -> (tests,)
    Raises:
        DataError: a number is no probability.
    Reference:
        Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    Example:
        >>> holm(np.array([0.01, 0.04, np.nan, 0.03])).round(3).tolist()
        [0.03, 0.06, nan, 0.06]
    """
    p = np.asarray(p, np.float64)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    if (bad := (p[known] < 0) | (p[known] > 1)).any():
        raise DataError(f"holm needs p-values from 0 to 1, got {p[known][bad][0]}")
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


def cohens_d(a_errors: Array, b_errors: Array) -> float:
    """Size of a paired difference in units of its own deviation (d_z), positive where `a` is larger.

    Args:
        a_errors: of one model, on each sample or of each seed.
        b_errors: of the other, in the same order.
    Returns:
        0 where nothing differs, infinite where all differ by the same, NaN for a single pair.
    Shapes:
        a_errors, b_errors: (pairs,)
    Raises:
        ShapeError: the two are not of one length.
    Reference:
        Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, section 2.3.5.
    Example:
        >>> cohens_d(np.array([2.0, 3.0, 4.0]), np.array([1.0, 1.0, 1.0]))
        2.0
    """
    apart = _differences("cohens_d", a_errors, b_errors)
    if len(apart) < 2:
        return np.nan
    mean, std = float(apart.mean()), float(apart.std(ddof=1))
    if std <= 1e-13 * abs(mean):  # rounding alone
        return float(np.sign(mean)) * np.inf if mean else 0.0
    return mean / std


def superiority(a: Array, b: Array) -> float:
    """Probability that a random value of `a` is larger than a random one of `b`; a tie counts half.

    Args:
        a: values of one model, as of its seeds.
        b: values of the other; any number, in any order.
    Shapes:
        a: (values,), b: (others,)
    Raises:
        ShapeError: one of them is empty or no vector.
    Reference:
        Vargha and Delaney, A Critique and Improvement of the CL Common Language Effect Size Statistics, 2000.
    Example:
        >>> superiority(np.array([3.0, 2.0]), np.array([1.0, 2.0]))
        0.875
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 1 or b.ndim != 1 or not a.size or not b.size:
        raise ShapeError(
            f"superiority needs two vectors with at least one value, got {a.shape} and {b.shape}"
        )
    if np.isnan(a).any() or np.isnan(b).any():
        return np.nan
    return float(((a[:, None] > b).mean() + (a[:, None] >= b).mean()) / 2)


def _differences(name: str, a: Array, b: Array) -> Array:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ShapeError(
            f"{name} needs two vectors of one length, at least 1, got {a.shape} and {b.shape}; "
            "give the values of the same seeds, in the same order"
        )
    return a - b
