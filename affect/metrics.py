"""The field's metrics, each convention under its own name.

Every metric is a function `(prediction, truth) -> float` on numpy arrays. Regression metrics take numbers,
(n,); binary ones, and each label of a multi-label target, probabilities, (n,), and labels 0 or 1; multi-class
ones probabilities, (n, classes), and class indices, (n,).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.targets import Binary, MultiClass, MultiLabel, Regression, Target
from affect.errors import ConfigError, DataError, ShapeError, did_you_mean

Array: TypeAlias = NDArray[np.float64]
Metric: TypeAlias = Callable[[Array, Array], float]


@dataclass(frozen=True)
class Score:
    """A metric's value, and how many labels it was computed on."""

    value: float
    count: int


def mae(prediction: Array, truth: Array) -> float:
    """Mean absolute error.

    Constant predictions: least at the median of the truth.

    Example:
        >>> mae(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
        1.0
    """
    return float(np.abs(prediction - truth).mean())


def pearson(prediction: Array, truth: Array) -> float:
    """Pearson's correlation coefficient (Corr, r).

    Constant predictions: 0, as for one that is unrelated; so is a constant truth.

    Example:
        >>> pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
        1.0
    """
    a, b = prediction - prediction.mean(), truth - truth.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    constant = np.ptp(prediction) == 0 or np.ptp(truth) == 0 or scale == 0
    return 0.0 if constant else float(np.clip(a @ b / scale, -1, 1))


def ccc(prediction: Array, truth: Array) -> float:
    """Concordance correlation coefficient: agreement in scale and offset too (Lin 1989; AVEC challenges).

    Constant predictions: 0.

    Example:
        >>> ccc(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0])) < 1
        True
    """
    if np.ptp(prediction) == 0 or np.ptp(truth) == 0:
        return 0.0
    covariance = ((prediction - prediction.mean()) * (truth - truth.mean())).mean()
    apart = (prediction.mean() - truth.mean()) ** 2
    return float(2 * covariance / (prediction.var() + truth.var() + apart))


def acc2_nonnegative(prediction: Array, truth: Array) -> float:
    """Share of samples on the right side of negative / not negative; zero is not negative.

    Source: Zadeh et al., MFN, AAAI 2018; "has0" in MMSA. Constant predictions: the larger side's share.

    Example:
        >>> acc2_nonnegative(np.array([-1.0, 0.0]), np.array([-0.2, 2.0]))
        1.0
    """
    return float(((prediction >= 0) == (truth >= 0)).mean())


def acc2_nonzero(prediction: Array, truth: Array) -> float:
    """Share on the right side of negative / positive, over samples whose truth is not zero.

    Source: Tsai et al., MulT, ACL 2019; "Non0" in MMSA. A prediction of zero counts as negative.
    Constant predictions: the larger side's share. NaN where every truth is zero.

    Example:
        >>> acc2_nonzero(np.array([-1.0, 1.0, 1.0]), np.array([-0.2, 0.0, 2.0]))
        1.0
    """
    kept = truth != 0
    return float(((prediction[kept] > 0) == (truth[kept] > 0)).mean()) if kept.any() else np.nan


def f1_nonnegative(prediction: Array, truth: Array) -> float:
    """F1 of negative / not negative, averaged with the classes' shares in the truth as weights.

    Source and grouping as `acc2_nonnegative`. Constant predictions: 2 share^2 / (1 + share).

    Example:
        >>> f1_nonnegative(np.array([-1.0, 0.0]), np.array([-0.2, 2.0]))
        1.0
    """
    return _weighted_f1(prediction >= 0, truth >= 0)


def f1_nonzero(prediction: Array, truth: Array) -> float:
    """F1 of negative / positive over samples whose truth is not zero, weighted as `f1_nonnegative`.

    Source and grouping as `acc2_nonzero`. NaN where every truth is zero.

    Example:
        >>> f1_nonzero(np.array([-1.0, 1.0, 1.0]), np.array([-0.2, 0.0, 2.0]))
        1.0
    """
    kept = truth != 0
    return _weighted_f1(prediction[kept] > 0, truth[kept] > 0) if kept.any() else np.nan


def acc5(prediction: Array, truth: Array) -> float:
    """Share of samples whose number, cut to [-2, 2], rounds to the truth's; halves round to even.

    Source: MMSA (numpy's rounding). Constant predictions: the most frequent class's share.

    Example:
        >>> acc5(np.array([0.5, 1.5, 9.0]), np.array([0.0, 2.0, 3.0]))
        1.0
    """
    return _rounded(prediction, truth, 2)


def acc7(prediction: Array, truth: Array) -> float:
    """Share of samples whose number, cut to [-3, 3], rounds to the truth's; halves round to even.

    Source: Tsai et al., MulT, ACL 2019; MMSA. Constant predictions: the most frequent class's share.

    Example:
        >>> acc7(np.array([0.5, 1.5, 9.0]), np.array([0.0, 2.0, 3.0]))
        1.0
    """
    return _rounded(prediction, truth, 3)


def acc7_bins(prediction: Array, truth: Array) -> float:
    """Share of samples in the truth's bin; numbers but zero belong to the whole number further out.

    The bins are [-3, -2), [-2, -1), [-1, 0), {0}, (0, 1], (1, 2], (2, 3], with their lower negative end, or
    upper positive end, as class: -0.4 is -1 and 0.4 is 1. Source: the MOSEI challenge's code, s3prl.
    Constant predictions: the most frequent bin's share.

    Example:
        >>> acc7_bins(np.array([0.4, -1.2]), np.array([1.0, -2.0]))
        1.0
    """
    return float((_outward(prediction) == _outward(truth)).mean())


def accuracy(prediction: Array, truth: Array) -> float:
    """Share of samples whose most probable class is the true one.

    Constant predictions: the most frequent class's share.

    Example:
        >>> accuracy(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    return float((_decided(prediction) == truth).mean())


def f1_weighted(prediction: Array, truth: Array) -> float:
    """F1 per class, averaged with the classes' shares in the truth as weights.

    A class that is never predicted has F1 zero. Constant predictions: 2 share^2 / (1 + share).

    Example:
        >>> f1_weighted(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    return _weighted_f1(_decided(prediction), truth)


def f1_macro(prediction: Array, truth: Array) -> float:
    """F1 per class, averaged over the classes that occur in the truth.

    A class that is never predicted has F1 zero. Constant predictions: one class's F1 over the number of them.

    Example:
        >>> f1_macro(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    return float(_f1_by_class(_decided(prediction), truth)[0].mean())


def uar(prediction: Array, truth: Array) -> float:
    """Unweighted average recall over the classes that occur in the truth (INTERSPEECH challenges).

    Constant predictions: one over the number of classes.

    Example:
        >>> uar(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    decided = _decided(prediction)
    return float(np.mean([(decided[truth == c] == c).mean() for c in np.unique(truth)]))


def weighted_accuracy(prediction: Array, truth: Array) -> float:
    """Mean of the true positive and the true negative rate of one label.

    (TP * N / P + TN) / 2N with P positive and N negative samples. Source: Zadeh et al., CMU-MOSEI, ACL 2018.
    Constant predictions: one half. A label without positive, or negative, samples: the other rate.

    Example:
        >>> weighted_accuracy(np.array([0.9, 0.2, 0.8]), np.array([1, 0, 0]))
        0.75
    """
    return uar(prediction, truth)


_SENTIMENT: dict[str, Metric] = {
    f.__name__: f for f in (acc2_nonnegative, f1_nonnegative, acc2_nonzero, f1_nonzero, acc5, acc7, acc7_bins)
}
_NUMBER: dict[str, Metric] = {f.__name__: f for f in (mae, pearson, ccc)}
_CLASSES: dict[str, Metric] = {f.__name__: f for f in (accuracy, f1_weighted, f1_macro, uar)}
_LABELS: dict[str, Metric] = {f.__name__: f for f in (weighted_accuracy, f1_weighted)}
_FALLING = {"mae"}
KNOWN = sorted({*_SENTIMENT, *_NUMBER, *_CLASSES, *_LABELS})


def metrics_for(target: Target) -> dict[str, Metric]:
    """The metrics of a kind of target, by name; functions of (n, outputs) and (n, size).

    Example:
        >>> list(metrics_for(Binary("sarcasm")))
        ['accuracy', 'f1_weighted', 'f1_macro', 'uar']
    """
    if isinstance(target, MultiLabel):
        found: dict[str, Metric] = {}
        for name, metric in _LABELS.items():
            one_each = [_column(metric, column) for column in range(len(target.classes))]
            found[name] = _mean_of(one_each)
            found |= {f"{name}.{c}": one for c, one in zip(target.classes, one_each, strict=True)}
        return found
    if isinstance(target, Regression):
        sentiment = (target.low, target.high) == (-3, 3)
        return {name: _column(f, 0) for name, f in (_NUMBER | (_SENTIMENT if sentiment else {})).items()}
    if isinstance(target, Binary):
        return {name: _column(f, 0) for name, f in _CLASSES.items()}
    return {name: _truth_column(f) for name, f in _CLASSES.items()}


def score(target: Target, prediction: Array, truth: Array) -> dict[str, Score]:
    """Every metric of a kind of target.

    Args:
        target: what was predicted.
        prediction: numbers, or probabilities, (n, target.outputs).
        truth: (n, target.size).
    Raises:
        ShapeError: the arrays are not of these shapes.
        DataError: a prediction is NaN or infinite.
    Example:
        >>> score(Binary("sarcasm"), np.array([[0.9], [0.2]]), np.array([[1.0], [0.0]]))["accuracy"]
        Score(value=1.0, count=2)
    """
    prediction, truth = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    expected = (len(truth), target.outputs), (len(truth), target.size)
    if (prediction.shape, truth.shape) != expected or not len(truth):
        raise ShapeError(
            f"metrics: target '{target.name}' needs predictions of shape (n, {target.outputs}) and truth "
            f"of shape (n, {target.size}), got {prediction.shape} and {truth.shape}"
        )
    bad = int((~np.isfinite(prediction)).any(1).sum())
    if bad:
        raise DataError(
            f"metrics: {bad} of {len(prediction)} predictions of '{target.name}' are NaN or infinite; "
            "lower the learning rate or look at the inputs (affect inspect)"
        )
    nonzero = int((truth != 0).sum())
    return {
        name: Score(metric(prediction, truth), nonzero if name.endswith("_nonzero") else len(truth))
        for name, metric in metrics_for(target).items()
    }


def floors(target: Target, truth: Array) -> dict[str, float]:
    """The best value of each metric that a constant prediction reaches.

    Args:
        target: what is predicted.
        truth: (n, target.size).
    Example:
        >>> floors(Binary("sarcasm"), np.array([[1.0], [1.0], [0.0], [1.0]]))["accuracy"]
        0.75
    """
    found: dict[str, float] = {}
    for name, metric in metrics_for(target).items():
        values = [metric(np.tile(constant, (len(truth), 1)), truth) for constant in _constants(target, truth)]
        found[name] = float(np.max(values) if higher_is_better(name) else np.min(values))
    return found


def higher_is_better(name: str) -> bool:
    """Whether a larger value of a metric is better; `name` may carry a class, as in `f1_weighted.happy`.

    Raises:
        ConfigError: there is no such metric.
    Example:
        >>> higher_is_better("mae"), higher_is_better("f1_weighted.happy")
        (False, True)
    """
    base = name.partition(".")[0]
    if base not in KNOWN:
        raise ConfigError(f"no metric '{name}'; {did_you_mean(base, KNOWN)}")
    return base not in _FALLING


def _constants(target: Target, truth: Array) -> Iterator[Array]:
    """Constant predictions among which every metric's best one is."""
    if isinstance(target, Regression):
        yield np.median(truth, keepdims=True).reshape(1)
        yield from np.arange(-3.0, 4.0).reshape(-1, 1)
    elif isinstance(target, MultiClass):
        yield from np.eye(len(target.classes))
    else:
        yield np.zeros(target.outputs)
        yield np.ones(target.outputs)
        if target.outputs > 1:  # each label's better side
            yield np.array(
                [float(_weighted_f1(np.ones(len(t)), t) > _weighted_f1(np.zeros(len(t)), t)) for t in truth.T]
            )


def _column(metric: Metric, column: int) -> Metric:
    return lambda prediction, truth: metric(prediction[:, column], truth[:, column])


def _truth_column(metric: Metric) -> Metric:
    return lambda prediction, truth: metric(prediction, truth[:, 0])


def _mean_of(parts: list[Metric]) -> Metric:
    return lambda prediction, truth: float(np.mean([metric(prediction, truth) for metric in parts]))


def _decided(prediction: Array) -> NDArray[np.int64]:
    """The class that probabilities speak for."""
    return prediction.argmax(1) if prediction.ndim == 2 else (prediction >= 0.5).astype(np.int64)


def _f1_by_class(decided: NDArray[Any], truth: NDArray[Any]) -> tuple[Array, Array]:
    """F1 and share of each class that occurs in the truth."""
    classes, counts = np.unique(truth, return_counts=True)
    hits = np.array([((decided == c) & (truth == c)).sum() for c in classes])
    said = np.array([(decided == c).sum() for c in classes])
    return 2 * hits / (said + counts), counts / len(truth)


def _weighted_f1(decided: NDArray[Any], truth: NDArray[Any]) -> float:
    f1, share = _f1_by_class(decided, truth)
    return float(f1 @ share)


def _rounded(prediction: Array, truth: Array, limit: int) -> float:
    return float((np.clip(prediction, -limit, limit).round() == np.clip(truth, -limit, limit).round()).mean())


def _outward(values: Array) -> Array:
    """The whole number at or beyond each value, away from zero, cut to [-3, 3]."""
    outward: Array = np.clip(np.sign(values) * np.ceil(np.abs(values)), -3, 3)
    return outward
