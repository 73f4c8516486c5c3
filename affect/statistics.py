"""Intervals over samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Metric = Callable[[NDArray[np.float64], NDArray[np.float64]], float]


def resample(
    predictions: NDArray[np.float64],
    truth: NDArray[np.float64],
    metric: Metric,
    groups: NDArray[np.int64] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """A metric, averaged over seeds, on bootstrap resamples of the samples.

    The same `seed` draws the same samples, so that two models can be compared resample by resample.

    Args:
        predictions: of every seed for every sample.
        truth: of every sample.
        metric: of one seed's predictions and the truth.
        groups: the sample that each label belongs to, where samples have several; whole samples are drawn.
        resamples: how many are drawn.
        seed: of the draws.
    Shapes:
        predictions: (seeds, labels) or (seeds, labels, outputs) -> (resamples,)
    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).
    Example:
        >>> truth = np.arange(50.0)
        >>> draws = resample(truth[None] + 1, truth, lambda p, t: np.abs(p - t).mean(), resamples=20)
        >>> interval(draws)
        (1.0, 1.0)
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(len(truth)) if groups is None else np.unique(groups, return_inverse=True)[1]
    members = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    ends = np.cumsum(counts)
    values = np.empty(resamples)
    for draw in range(resamples):
        drawn = rng.integers(len(counts), size=len(counts))
        sizes = counts[drawn]
        shift = np.repeat(ends[drawn] - sizes - (np.cumsum(sizes) - sizes), sizes)
        rows = members[np.arange(sizes.sum()) + shift]
        values[draw] = np.mean([metric(said[rows], truth[rows]) for said in predictions])
    return values


def interval(draws: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of bootstrap draws; draws on which the metric is undefined do not count."""
    low, high = np.nanpercentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)
