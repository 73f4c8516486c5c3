"""Intervals over samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    labels = np.arange(len(truth)) if groups is None else groups
    drawn = resampled_rows(labels, resamples, seed)
    return np.array([np.mean([metric(said[rows], truth[rows]) for said in predictions]) for rows in drawn])


def resampled_rows(
    groups: NDArray[np.int64], resamples: int = 1000, seed: int = 0
) -> Iterator[NDArray[np.int64]]:
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
    rng = np.random.default_rng(seed)
    labels = np.unique(groups, return_inverse=True)[1]
    members = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    ends = np.cumsum(counts)
    for _ in range(resamples):
        drawn = rng.integers(len(counts), size=len(counts))
        sizes = counts[drawn]
        shift = np.repeat(ends[drawn] - sizes - (np.cumsum(sizes) - sizes), sizes)
        yield members[np.arange(sizes.sum()) + shift]


def spread(seeds: NDArray[np.float64], draws: NDArray[np.float64]) -> dict[str, float]:
    """What a table says of a value: its mean and deviation over seeds, and its interval over samples.

    Args:
        seeds: the value of each seed.
        draws: its mean over seeds on each bootstrap resample.
    Example:
        >>> spread(np.array([1.0, 3.0]), np.array([2.0, 2.0]))["mean"].item()
        2.0
    """
    low, high = interval(draws)
    std = seeds.std(ddof=1) if len(seeds) > 1 else np.nan
    return {"mean": seeds.mean(), "std": std, "low": low, "high": high, "seeds": len(seeds)}


def interval(draws: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of bootstrap draws; draws on which the metric is undefined do not count."""
    low, high = np.nanpercentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)
