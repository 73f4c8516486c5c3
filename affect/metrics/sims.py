"""Metrics of sentiment in [-1, 1], as CH-SIMS's tables print them.

All are MMSA's (`metricsTop.py`, regression on SIMS): predictions and truth are cut to [-1, 1] first, and
classes are intervals closed on the right. Ends are compared in float32, in which labels are stored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect.metrics.base import Array
from affect.metrics.classes import by_class, weighted_f1
from affect.metrics.regression import SIDES, mae, numbers, pearson
from affect.metrics.summed import columns, mean, summed

_SCALE = (-1.0, 1.0)


def _weak(truth: Array) -> NDArray[np.bool_]:
    """Which labels are weak: from -0.4 to 0.4, both ends among them."""
    return np.abs(_stored(truth)) <= np.float32(0.4)


@summed(mean, scale=_SCALE)
def sims_acc2(prediction: Array, truth: Array) -> Array:
    """Share of samples on the right side of [-1, 0] and (0, 1]: zero is on the negative side.

    Constant predictions: the larger side's share.

    Reference:
        Yu et al., CH-SIMS, ACL 2020; `Mult_acc_2` in MMSA.
    Example:
        >>> sims_acc2(np.array([-0.3, 0.0, 0.2]), np.array([0.0, -1.0, 0.0])).__round__(2)
        0.67
    """
    prediction, truth = numbers(prediction, truth)
    return columns((prediction > 0) == (truth > 0), 1)


@summed(mean, scale=_SCALE, counted=_weak)
def sims_acc2_weak(prediction: Array, truth: Array) -> Array:
    """`sims_acc2` over samples whose truth is weak: in [-0.4, 0.4].

    NaN where there are none.
    Constant predictions: the larger side's share of the weak ones.

    Reference:
        Liu et al., Make Acoustic and Visual Cues Matter: CH-SIMS v2.0, ICMI 2022; `Mult_acc_2_weak` in its
        code, whose comment says 0.6 where it compares with 0.4.
    Example:
        >>> sims_acc2_weak(np.array([-0.3, 0.1, 0.2]), np.array([0.8, -0.4, 0.4]))
        0.5
    """
    terms = sims_acc2.terms(prediction, truth)
    return np.where(_weak(truth)[:, None], terms, 0.0)


@summed(weighted_f1, scale=_SCALE)
def sims_f1(prediction: Array, truth: Array) -> Array:
    """F1 of [-1, 0] and (0, 1], averaged with their shares in the truth as weights.

    Constant predictions: 2 share^2 / (1 + share) of the side they are on.

    Reference:
        As `sims_acc2`; `F1_score` in MMSA since April 2021.
    Example:
        >>> sims_f1(np.array([-0.3, 0.2]), np.array([0.0, 1.0]))
        1.0
    """
    prediction, truth = numbers(prediction, truth)
    return by_class(prediction > 0, truth > 0, SIDES)


@summed(mean, scale=_SCALE)
def sims_acc3(prediction: Array, truth: Array) -> Array:
    """Share of samples in the truth's class of [-1, -0.1], (-0.1, 0.1] and (0.1, 1].

    Constant predictions: the share of their class.

    Reference:
        Yu et al., CH-SIMS, ACL 2020; `Mult_acc_3` in MMSA.
    Example:
        >>> sims_acc3(np.array([-0.3, 0.1]), np.array([-1.0, 0.0]))
        1.0
    """
    return _same_class(prediction, truth, [-0.1, 0.1])


@summed(mean, scale=_SCALE)
def sims_acc5(prediction: Array, truth: Array) -> Array:
    """Share of samples in the truth's class of five, which end at -0.7, -0.1, 0.1, 0.7 and 1.

    They are [-1, -0.7], (-0.7, -0.1], (-0.1, 0.1], (0.1, 0.7] and (0.7, 1].
    Constant predictions: the share of their class.

    Reference:
        Yu et al., CH-SIMS, ACL 2020; `Mult_acc_5` in MMSA.
    Example:
        >>> sims_acc5(np.array([-0.3, 0.1]), np.array([-1.0, 0.0]))
        0.5
    """
    return _same_class(prediction, truth, [-0.7, -0.1, 0.1, 0.7])


@summed(mean, higher_is_better=False, scale=_SCALE, bounds=(0.0, 2.0))
def sims_mae(prediction: Array, truth: Array) -> Array:
    """Mean absolute error of numbers that are cut to [-1, 1].

    Constant predictions: least at the median of the truth.

    Reference:
        `MAE` in MMSA on SIMS.
    Example:
        >>> sims_mae(np.array([7.0, 0.5]), np.array([1.0, 0.0]))
        0.25
    """
    return mae.terms(*map(_cut, numbers(prediction, truth)))


@summed(pearson.value, scale=_SCALE, bounds=pearson.bounds, correlation=True)
def sims_pearson(prediction: Array, truth: Array) -> Array:
    """Pearson's correlation coefficient of numbers that are cut to [-1, 1].

    Constant predictions, also those that are one number only when cut: 0.

    Reference:
        `Corr` in MMSA on SIMS.
        Differs: MMSA's is NaN on a constant.
    Example:
        >>> sims_pearson(np.array([-7.0, 0.0, 7.0]), np.array([-1.0, 0.0, 1.0]))
        1.0
    """
    return pearson.terms(*map(_cut, numbers(prediction, truth)))


def _cut(values: Array) -> Array:
    return np.clip(values, *_SCALE)


def _stored(values: ArrayLike) -> NDArray[np.float32]:
    """Numbers as labels are stored: 0.4 in float32 is above 0.4 in float64."""
    return _cut(np.asarray(values, np.float64)).astype(np.float32)


def _same_class(prediction: Array, truth: Array, ends: list[float]) -> Array:
    """Whether both numbers lie in the same interval between ends, each closed on the right."""
    prediction, truth = numbers(prediction, truth)
    predicted, true = (np.digitize(_stored(own), _stored(ends), right=True) for own in (prediction, truth))
    return columns(predicted == true, 1)
