"""Krippendorff's alpha between prediction and truth: two raters who rate every sample."""

from __future__ import annotations

import numpy as np

from affect.data.targets import Binary, MultiClass, MultiLabel
from affect.metrics.base import Array
from affect.metrics.classes import by_class, class_counts, decisions
from affect.metrics.regression import ROUNDING, away, numbers
from affect.metrics.summed import columns, summed


def _interval(sums: Array) -> Array:
    count, total, squares, apart = np.moveaxis(sums, -1, 0)
    ratings = 2 * count
    spread = squares - total * total / ratings
    return _alpha(apart * (ratings - 1), np.where(spread > ROUNDING * squares, ratings * spread, 0.0))


def _nominal(sums: Array) -> Array:
    hits, predicted, true = class_counts(sums)
    of_class = predicted + true
    ratings = of_class.sum(-1)
    pairs = ratings * ratings - (of_class * of_class).sum(-1)
    return _alpha((ratings - 2 * hits.sum(-1)) * (ratings - 1), pairs)


def _alpha(observed: Array, expected: Array) -> Array:
    """One less the share of the expected disagreement that is observed; 0 where none can be."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected > 0, 1 - observed / expected, 0.0)


@summed(_interval, bounds=(-1.0, 1.0))
def krippendorff_interval(prediction: Array, truth: Array) -> Array:
    """Krippendorff's alpha of numbers: agreement beyond chance, by squared differences.

    1 - mean((prediction - truth)^2) / D, D the mean squared difference of any two of all 2n numbers.
    Constant predictions: at most 1 / 2n, at the mean of the truth; 0 where all numbers are one.

    Reference:
        Krippendorff, Content Analysis, 2004, chapter 11; Computing Krippendorff's Alpha-Reliability, 2011.
        Differs: where all numbers are one, alpha is undefined; here it is 0, as `pearson` is.
    Example:
        >>> krippendorff_interval(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
        1.0
    """
    prediction, truth = numbers(prediction, truth)
    both, _ = away(np.concatenate([prediction, truth]))
    a, b = np.split(both / (np.abs(both).max() or 1), 2)  # whose squares could leave float64
    return columns(1, a + b, a * a + b * b, (a - b) ** 2)


@summed(_nominal, kinds=(Binary, MultiClass, MultiLabel), bounds=(-1.0, 1.0))
def krippendorff_nominal(prediction: Array, truth: Array) -> Array:
    """Krippendorff's alpha of classes: agreement beyond chance.

    1 - (share of wrong decisions) / D, D the share of pairs of unlike classes among all 2n classes.
    Constant predictions: 1 - (2n - 1) / (n + m) of two classes, m of n samples in the one they name; 0 where
    all samples are in it.

    Reference:
        As `krippendorff_interval`.
        Differs: where there is but one class, alpha is undefined; here it is 0.
    Example:
        >>> krippendorff_nominal(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    return by_class(*decisions(prediction, truth))
