"""Metrics of decisions between classes; of probabilities and class indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect.data.targets import Binary, MultiClass, MultiLabel
from affect.errors import ShapeError
from affect.metrics.base import Array
from affect.metrics.summed import check_finite, columns, mean, summed

_ONE = (Binary, MultiClass)


def by_class(decided: NDArray[Any], truth: NDArray[Any], classes: ArrayLike) -> Array:
    """(labels, classes * 3): of each class, whether a label is a hit, decided for it, and of it."""
    predicted, true = decided[:, None] == classes, truth[:, None] == classes
    return np.stack([predicted & true, predicted, true], -1).reshape(len(truth), -1).astype(np.float64)


def weighted_f1(sums: Array) -> Array:
    """Of sums of `by_class`; the weights are the classes' shares in the truth."""
    f1, counts = _f1(sums)
    with np.errstate(invalid="ignore"):  # no label at all
        return np.asarray((f1 * counts).sum(-1) / counts.sum(-1))


def _macro_f1(sums: Array) -> Array:
    f1, counts = _f1(sums)
    return np.asarray(f1.sum(-1) / (counts > 0).sum(-1))


def _f1_of_yes(sums: Array) -> Array:
    """Of sums of `by_class` of one class."""
    return _f1(sums)[0][..., 0]


def _mean_recall(sums: Array) -> Array:
    hits, _, counts = class_counts(sums)
    return np.asarray((hits / np.maximum(counts, 1)).sum(-1) / (counts > 0).sum(-1))


def _f1(sums: Array) -> tuple[Array, Array]:
    """(..., classes): F1, zero of a class that does not occur in the truth, and how often it does."""
    hits, predicted, counts = class_counts(sums)
    return 2 * hits / np.maximum(predicted + counts, 1), counts


def class_counts(sums: Array) -> Array:
    """(3, ..., classes)."""
    return np.moveaxis(sums.reshape(*sums.shape[:-1], -1, 3), -1, 0)


@summed(mean, kinds=(*_ONE, MultiLabel))
def accuracy(prediction: Array, truth: Array) -> Array:
    """Share of samples whose most probable class is the true one.

    Constant predictions: the share of the class they name.

    Also known as:
        WA (weighted by class size) in the IEMOCAP literature
    Reference:
        scikit-learn's `accuracy_score`; per emotion, MulT's tables of IEMOCAP, Tsai et al., ACL 2019.
    Example:
        >>> accuracy(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    decided, truth, _ = decisions(prediction, truth)
    return columns(decided == truth, 1)


@summed(weighted_f1, kinds=(*_ONE, MultiLabel))
def f1_weighted(prediction: Array, truth: Array) -> Array:
    """F1 per class, averaged with the classes' shares in the truth as weights.

    A class that is never predicted has F1 zero, one that never occurs has no weight.
    Constant predictions: 2 share^2 / (1 + share) of the class they name.

    Reference:
        scikit-learn's `f1_score(truth, decided, average="weighted")`; MELD, IEMOCAP (Majumder et al.,
        DialogueRNN, AAAI 2019) and, per emotion, CMU-MOSEI.
    Example:
        >>> f1_weighted(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    return by_class(*decisions(prediction, truth))


@summed(_f1_of_yes, kinds=(*_ONE, MultiLabel), one_against_rest=True)
def f1(prediction: Array, truth: Array) -> Array:
    """F1 of one class: of yes, or of each class of several against all others.

    A class that is never predicted, or never occurs, has F1 zero.
    Constant predictions: 2 share / (1 + share) of the class they name; 0 of others.

    Reference:
        scikit-learn's `f1_score`, and with `average=None` of several classes.
    Example:
        >>> f1(np.array([0.9, 0.8, 0.2]), np.array([1, 0, 0])).__round__(2)
        0.67
    """
    return by_class(*decisions(prediction, truth)[:2], (1,))


@summed(_macro_f1, kinds=_ONE)
def f1_macro(prediction: Array, truth: Array) -> Array:
    """F1 per class, averaged over the classes that occur in the truth.

    A class that is never predicted has F1 zero.
    Constant predictions: one class's F1 over the number of them, or 0 where they name none of them.

    Also known as:
        macro F1, unweighted average F1
    Reference:
        scikit-learn's `f1_score(average="macro")`.
        Differs: scikit-learn also averages in, as zero, a class that is predicted but never occurs.
    Example:
        >>> f1_macro(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    return by_class(*decisions(prediction, truth))


@summed(_mean_recall, kinds=_ONE)
def uar(prediction: Array, truth: Array) -> Array:
    """Unweighted average recall, over the classes that occur in the truth.

    Constant predictions: one over the number of these classes, or 0 where they name none of them.

    Reference:
        Schuller et al., The INTERSPEECH 2009 Emotion Challenge; scikit-learn's `balanced_accuracy_score`;
        "UA" in the IEMOCAP literature.
    Example:
        >>> uar(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    return by_class(*decisions(prediction, truth))


@summed(_mean_recall, kinds=(MultiLabel,))
def weighted_accuracy(prediction: Array, truth: Array) -> Array:
    """Mean of the true positive and the true negative rate of one label.

    (TP * N / P + TN) / 2N with P positive and N negative samples.
    A label without positive, or without negative, samples: the other rate alone, as one cannot be computed.
    Constant predictions: one half; 0 or 1 for such a label.

    Reference:
        Tong et al., ACL 2017; for CMU-MOSEI's emotions Zadeh et al., ACL 2018, and MulT's code.
    Example:
        >>> weighted_accuracy(np.array([0.9, 0.2, 0.8]), np.array([1, 0, 0]))
        0.75
    """
    return uar.terms(prediction, truth)


def decisions(prediction: Array, truth: Array) -> tuple[NDArray[np.int64], Array, Array]:
    """The class that probabilities speak for, the true one, and all that there are."""
    prediction, truth = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if prediction.ndim not in (1, 2) or truth.shape != prediction.shape[:1] or not prediction.size:
        raise ShapeError(
            "metrics: classes need probabilities of shape (n,) or (n, classes) and truth of shape (n,), "
            f"n at least 1, got {prediction.shape} and {truth.shape}; take a column, as in truth[:, 0]"
        )
    check_finite(prediction, truth)
    decided = prediction.argmax(1) if prediction.ndim == 2 else (prediction > 0.5).astype(np.int64)
    count = prediction.shape[1] if prediction.ndim == 2 else 2
    return decided, truth, np.union1d(np.arange(count), truth)
