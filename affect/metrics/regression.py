"""Metrics of numbers, and of what sentiment in [-3, 3] is cut into."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from affect.errors import ShapeError
from affect.metrics.base import Array
from affect.metrics.classes import by_class, weighted_f1
from affect.metrics.summed import check_finite, columns, mean, summed

_SENTIMENT = (-3.0, 3.0)
SIDES = (False, True)
ROUNDING = 1e-12  # of a sum of squares, of up to 100,000 labels


def _nonzero(truth: Array) -> NDArray[np.bool_]:
    return np.not_equal(truth, 0)


def _correlation(sums: Array) -> Array:
    together, of_a, of_b, *_ = _moments(sums)
    size = of_a * of_b
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(size > 0, np.clip(together / np.sqrt(size), -1, 1), 0.0)


def _concordance(sums: Array) -> Array:
    together, of_a, of_b, apart, count = _moments(sums)
    apart = apart + sums[..., 6] / count
    with np.errstate(invalid="ignore"):
        found = 2 * together / (of_a + of_b + count * apart**2)
    return np.where((of_a > 0) & (of_b > 0), found, 0.0)


def _moments(sums: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Sums of products and squares around the means, how far those are apart, and the count."""
    count, a, b, product, square_a, square_b = np.moveaxis(sums[..., :6], -1, 0)
    of_a, of_b = square_a - a * a / count, square_b - b * b / count
    of_a = np.where(of_a > ROUNDING * square_a, of_a, 0.0)  # a constant, as far as sums can tell
    of_b = np.where(of_b > ROUNDING * square_b, of_b, 0.0)
    return product - a * b / count, of_a, of_b, (a - b) / count, count


@summed(mean, higher_is_better=False, bounds=(0.0, np.inf))
def mae(prediction: Array, truth: Array) -> Array:
    """Mean absolute error, in the target's unit.

    Constant predictions: least at the median of the truth.

    Reference:
        Zadeh et al., Tensor Fusion Network, EMNLP 2017; `MAE` in MMSA.
    Example:
        >>> mae(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
        1.0
    """
    prediction, truth = numbers(prediction, truth)
    return columns(np.abs(prediction - truth), 1)


@summed(_correlation, bounds=(-1.0, 1.0), correlation=True)
def pearson(prediction: Array, truth: Array) -> Array:
    """Pearson's correlation coefficient (Corr, r).

    Constant predictions: 0, as for one that is unrelated; so is a constant truth. Numbers that differ by
    rounding alone (1e-13 of their size) are constant.

    Reference:
        Zadeh et al., Tensor Fusion Network, EMNLP 2017; `Corr` in MMSA.
        Differs: MMSA's is NaN on a constant.
    Example:
        >>> pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
        1.0
    """
    prediction, truth = numbers(prediction, truth)
    (a, _), (b, _) = away(prediction), away(truth)
    a, b = a / (np.abs(a).max() or 1), b / (np.abs(b).max() or 1)  # as in ccc
    return columns(1, a, b, a * b, a * a, b * b)


@summed(_concordance, bounds=(-1.0, 1.0), correlation=True)
def ccc(prediction: Array, truth: Array) -> Array:
    """Concordance correlation coefficient: agreement in scale and offset too.

    2 cov / (var_prediction + var_truth + (mean_prediction - mean_truth)^2), moments over n.
    Constant predictions, or a constant truth: 0, even where both are the same number.

    Reference:
        Lin, A Concordance Correlation Coefficient to Evaluate Reproducibility, Biometrics 1989; the measure
        of valence and arousal in the AVEC and MuSe challenges.
    Example:
        >>> ccc(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0])) < 1
        True
    """
    prediction, truth = numbers(prediction, truth)
    (a, centre_a), (b, centre_b) = away(prediction), away(truth)
    apart = centre_a - centre_b
    scale = max(np.abs(a).max(), np.abs(b).max(), abs(apart)) or 1  # whose squares could leave float64
    a, b = a / scale, b / scale
    return columns(1, a, b, a * b, a * a, b * b, apart / scale)


@summed(mean, scale=_SENTIMENT)
def acc2_nonnegative(prediction: Array, truth: Array) -> Array:
    """Share of samples on the right side of negative / not negative; zero is not negative.

    Constant predictions: the larger side's share.

    Reference:
        Zadeh et al., Memory Fusion Network, AAAI 2018; `Has0_acc_2` in MMSA.
    Example:
        >>> acc2_nonnegative(np.array([-1.0, 0.0]), np.array([-0.2, 2.0]))
        1.0
    """
    prediction, truth = numbers(prediction, truth)
    return columns((prediction >= 0) == (truth >= 0), 1)


@summed(mean, scale=_SENTIMENT, counted=_nonzero)
def acc2_nonzero(prediction: Array, truth: Array) -> Array:
    """Share on the right side of negative / positive, over samples whose truth is not zero.

    A prediction of zero counts as negative. NaN where every truth is zero.
    Constant predictions: the larger side's share.

    Reference:
        Tsai et al., MulT, ACL 2019; `Non0_acc_2` in MMSA.
    Example:
        >>> acc2_nonzero(np.array([-1.0, 1.0, 1.0]), np.array([-0.2, 0.0, 2.0]))
        1.0
    """
    prediction, truth = numbers(prediction, truth)
    counted = _nonzero(truth)
    return columns(((prediction > 0) == (truth > 0)) & counted, counted)


@summed(weighted_f1, scale=_SENTIMENT)
def f1_nonnegative(prediction: Array, truth: Array) -> Array:
    """F1 of negative / not negative, averaged with the classes' shares in the truth as weights.

    Constant predictions: 2 share^2 / (1 + share) of the side they are on.

    Reference:
        As `acc2_nonnegative`; `Has0_F1_score` in MMSA since April 2021, which before swapped the arguments
        and so weighted by the classes' shares in the prediction.
    Example:
        >>> f1_nonnegative(np.array([-1.0, 0.0]), np.array([-0.2, 2.0]))
        1.0
    """
    prediction, truth = numbers(prediction, truth)
    return by_class(prediction >= 0, truth >= 0, SIDES)


@summed(weighted_f1, scale=_SENTIMENT, counted=_nonzero)
def f1_nonzero(prediction: Array, truth: Array) -> Array:
    """F1 of negative / positive over samples whose truth is not zero, weighted as `f1_nonnegative`.

    A prediction of zero counts as negative. NaN where every truth is zero.
    Constant predictions: 2 share^2 / (1 + share) of the side they are on.

    Reference:
        As `acc2_nonzero`; `Non0_F1_score` in MMSA.
        Differs: MulT's code passes (prediction, truth) to scikit-learn, which weights by the classes' shares
        in the prediction; its figures are those of swapped arguments.
    Example:
        >>> f1_nonzero(np.array([-1.0, 1.0, 1.0]), np.array([-0.2, 0.0, 2.0]))
        1.0
    """
    prediction, truth = numbers(prediction, truth)
    counted = _nonzero(truth)
    return np.where(counted[:, None], by_class(prediction > 0, truth > 0, SIDES), 0.0)


@summed(mean, scale=_SENTIMENT)
def acc3(prediction: Array, truth: Array) -> Array:
    """Share of samples whose number, cut to [-1, 1], rounds to the truth's; halves round to even.

    The classes are negative, neutral and positive; numbers from -0.5 to 0.5 are neutral.
    Constant predictions: the share of the class they round to.

    Reference:
        `mult_a3` in MMSA's regression metrics, which computes it and does not return it; `Mult_acc_3` in
        code that grew out of it.
        Differs: MMSA's `Acc_3` is that of a classifier of labels that are negative, zero or positive.
    Example:
        >>> acc3(np.array([0.5, 1.5, -9.0]), np.array([0.0, 3.0, -1.0]))
        1.0
    """
    return _rounded(prediction, truth, limit=1)


@summed(mean, scale=_SENTIMENT)
def acc5(prediction: Array, truth: Array) -> Array:
    """Share of samples whose number, cut to [-2, 2], rounds to the truth's; halves round to even.

    Constant predictions: the share of the class they round to.

    Reference:
        `Mult_acc_5` in MMSA, `mult_acc_5` in MulT's code (numpy's rounding).
    Example:
        >>> acc5(np.array([0.5, 1.5, 9.0]), np.array([0.0, 2.0, 3.0]))
        1.0
    """
    return _rounded(prediction, truth, limit=2)


@summed(mean, scale=_SENTIMENT)
def acc7(prediction: Array, truth: Array) -> Array:
    """Share of samples whose number, cut to [-3, 3], rounds to the truth's; halves round to even.

    Constant predictions: the share of the class they round to.

    Reference:
        Tsai et al., MulT, ACL 2019; `Mult_acc_7` in MMSA (numpy's rounding).
    Example:
        >>> acc7(np.array([0.5, 2.5, 9.0]), np.array([0.0, 2.0, 3.0]))
        1.0
    """
    return _rounded(prediction, truth, limit=3)


@summed(mean, scale=_SENTIMENT)
def acc7_bins(prediction: Array, truth: Array) -> Array:
    """Share of samples in the truth's bin: numbers belong to the next whole number away from zero.

    The bins are (.., -2), [-2, -1), [-1, 0), {0}, (0, 1], (1, 2], (2, ..), as classes -3 to 3: -0.4 and -1
    are -1, 0.4 and 1 are 1. Only an exact zero is 0, which regression hardly ever predicts.
    Constant predictions: the share of their bin.

    Reference:
        The CMU SDK's page on CMU-MOSEI (`cmumosei_round`) and the challenge's code after it; s3prl
        (`label7`), MOSEI_UMONS (`cmumosei_7`).
    Example:
        >>> acc7_bins(np.array([0.4, -1.2]), np.array([1.0, -2.0]))
        1.0
    """
    prediction, truth = numbers(prediction, truth)
    return columns(_outward(prediction) == _outward(truth), 1)


def numbers(prediction: Array, truth: Array) -> tuple[Array, Array]:
    """Both as float64, of one length."""
    prediction, truth = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if prediction.shape != truth.shape or truth.ndim != 1 or not truth.size:
        raise ShapeError(
            "metrics: numbers need predictions and truth of one shape (n,), n at least 1, "
            f"got {prediction.shape} and {truth.shape}; take a column, as in prediction[:, 0]"
        )
    check_finite(prediction, truth)
    return prediction, truth


def away(values: Array) -> tuple[Array, float]:
    """Distances to the median, those of rounding alone zero; and the median.

    It is never further from the mean than one deviation, so that moments around it keep their digits; nor do
    a few values far out, which many resamples lack, move it.
    """
    centre = float(np.partition(values, len(values) // 2)[len(values) // 2])
    away = values - centre
    return np.where(np.abs(away) > 1e-13 * np.abs(values), away, 0.0), centre


def _rounded(prediction: Array, truth: Array, limit: int) -> Array:
    prediction, truth = numbers(prediction, truth)
    return columns(np.clip(prediction, -limit, limit).round() == np.clip(truth, -limit, limit).round(), 1)


def _outward(values: Array) -> Array:
    """The whole number at or beyond each value, away from zero, cut to [-3, 3]."""
    outward: Array = np.clip(np.sign(values) * np.ceil(np.abs(values)), -3, 3)
    return outward
