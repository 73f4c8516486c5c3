"""The field's metrics, each convention under its own name.

Every metric is a function `(prediction, truth) -> float` on numpy arrays. Regression metrics take numbers,
(n,); binary ones, and each label of a multi-label target, probabilities, (n,), and labels 0 or 1; multi-class
ones probabilities, (n, classes), and class indices, (n,). A probability above one half means yes; of equally
probable classes the first one counts. -0.0 is zero. Other shapes, no samples, and predictions or truths that
are NaN or infinite are refused.

The counting is written out here because a bootstrap calls it thousands of times and scikit-learn takes forty
times as long per call; the tests hold every function to scikit-learn's and scipy's value.
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
    """Mean absolute error, in the target's unit.

    Constant predictions: least at the median of the truth.

    Reference:
        Zadeh et al., Tensor Fusion Network, EMNLP 2017; `MAE` in MMSA.
    Example:
        >>> mae(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
        1.0
    """
    prediction, truth = _numbers(prediction, truth)
    return float(np.abs(prediction - truth).mean())


def pearson(prediction: Array, truth: Array) -> float:
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
    prediction, truth = _numbers(prediction, truth)
    if _is_constant(prediction) or _is_constant(truth):
        return 0.0
    a, b = prediction - prediction.mean(), truth - truth.mean()
    a, b = a / np.abs(a).max(), b / np.abs(b).max()  # as in ccc
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))


def ccc(prediction: Array, truth: Array) -> float:
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
    prediction, truth = _numbers(prediction, truth)
    if _is_constant(prediction) or _is_constant(truth):
        return 0.0
    scale = max(np.abs(prediction).max(), np.abs(truth).max())  # whose squares could leave float64
    prediction, truth = prediction / scale, truth / scale
    covariance = ((prediction - prediction.mean()) * (truth - truth.mean())).mean()
    apart = (prediction.mean() - truth.mean()) ** 2
    return float(2 * covariance / (prediction.var() + truth.var() + apart))


def acc2_nonnegative(prediction: Array, truth: Array) -> float:
    """Share of samples on the right side of negative / not negative; zero is not negative.

    Constant predictions: the larger side's share.

    Reference:
        Zadeh et al., Memory Fusion Network, AAAI 2018; `Has0_acc_2` in MMSA.
    Example:
        >>> acc2_nonnegative(np.array([-1.0, 0.0]), np.array([-0.2, 2.0]))
        1.0
    """
    prediction, truth = _numbers(prediction, truth)
    return float(((prediction >= 0) == (truth >= 0)).mean())


def acc2_nonzero(prediction: Array, truth: Array) -> float:
    """Share on the right side of negative / positive, over samples whose truth is not zero.

    A prediction of zero counts as negative. NaN where every truth is zero.
    Constant predictions: the larger side's share.

    Reference:
        Tsai et al., MulT, ACL 2019; `Non0_acc_2` in MMSA.
    Example:
        >>> acc2_nonzero(np.array([-1.0, 1.0, 1.0]), np.array([-0.2, 0.0, 2.0]))
        1.0
    """
    prediction, truth = _nonzero(prediction, truth)
    return float(((prediction > 0) == (truth > 0)).mean()) if truth.size else np.nan


def f1_nonnegative(prediction: Array, truth: Array) -> float:
    """F1 of negative / not negative, averaged with the classes' shares in the truth as weights.

    Constant predictions: 2 share^2 / (1 + share) of the side they are on.

    Reference:
        As `acc2_nonnegative`; `Has0_F1_score` in MMSA since April 2021, which before swapped the arguments
        and so weighted by the classes' shares in the prediction.
    Example:
        >>> f1_nonnegative(np.array([-1.0, 0.0]), np.array([-0.2, 2.0]))
        1.0
    """
    prediction, truth = _numbers(prediction, truth)
    return _weighted_f1(prediction >= 0, truth >= 0)


def f1_nonzero(prediction: Array, truth: Array) -> float:
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
    prediction, truth = _nonzero(prediction, truth)
    return _weighted_f1(prediction > 0, truth > 0) if truth.size else np.nan


def acc5(prediction: Array, truth: Array) -> float:
    """Share of samples whose number, cut to [-2, 2], rounds to the truth's; halves round to even.

    Constant predictions: the share of the class they round to.

    Reference:
        `Mult_acc_5` in MMSA, `mult_acc_5` in MulT's code (numpy's rounding).
    Example:
        >>> acc5(np.array([0.5, 1.5, 9.0]), np.array([0.0, 2.0, 3.0]))
        1.0
    """
    return _rounded(prediction, truth, 2)


def acc7(prediction: Array, truth: Array) -> float:
    """Share of samples whose number, cut to [-3, 3], rounds to the truth's; halves round to even.

    Constant predictions: the share of the class they round to.

    Reference:
        Tsai et al., MulT, ACL 2019; `Mult_acc_7` in MMSA (numpy's rounding).
    Example:
        >>> acc7(np.array([0.5, 2.5, 9.0]), np.array([0.0, 2.0, 3.0]))
        1.0
    """
    return _rounded(prediction, truth, 3)


def acc7_bins(prediction: Array, truth: Array) -> float:
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
    prediction, truth = _numbers(prediction, truth)
    return float((_outward(prediction) == _outward(truth)).mean())


def accuracy(prediction: Array, truth: Array) -> float:
    """Share of samples whose most probable class is the true one.

    Constant predictions: the share of the class they name.

    Reference:
        scikit-learn's `accuracy_score`; "WA" (weighted by class size) in the IEMOCAP literature.
    Example:
        >>> accuracy(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    decided, truth = _decided(prediction, truth)
    return float((decided == truth).mean())


def f1_weighted(prediction: Array, truth: Array) -> float:
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
    return _weighted_f1(*_decided(prediction, truth))


def f1_macro(prediction: Array, truth: Array) -> float:
    """F1 per class, averaged over the classes that occur in the truth.

    A class that is never predicted has F1 zero.
    Constant predictions: one class's F1 over the number of them, or 0 where they name none of them.

    Reference:
        scikit-learn's `f1_score(average="macro")`.
        Differs: scikit-learn also averages in, as zero, a class that is predicted but never occurs.
    Example:
        >>> f1_macro(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    return float(_f1_by_class(*_decided(prediction, truth))[0].mean())


def uar(prediction: Array, truth: Array) -> float:
    """Unweighted average recall, over the classes that occur in the truth.

    Constant predictions: one over the number of these classes, or 0 where they name none of them.

    Reference:
        Schuller et al., The INTERSPEECH 2009 Emotion Challenge; scikit-learn's `balanced_accuracy_score`;
        "UA" in the IEMOCAP literature.
    Example:
        >>> uar(np.array([0.9, 0.2]), np.array([1, 0]))
        1.0
    """
    decided, truth = _decided(prediction, truth)
    return float(np.mean([(decided[truth == c] == c).mean() for c in np.unique(truth)]))


def weighted_accuracy(prediction: Array, truth: Array) -> float:
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
    return uar(prediction, truth)


@dataclass(frozen=True)
class _Entry:
    """A metric: for which kinds of target, whether for sentiment in [-3, 3] alone, which way is better."""

    metric: Metric
    kinds: tuple[type[Target], ...]
    sentiment: bool = False
    rises: bool = True
    nonzero: bool = False

    def suits(self, target: Target) -> bool:
        scale = not self.sentiment or (getattr(target, "low", None), getattr(target, "high", None)) == (-3, 3)
        return isinstance(target, self.kinds) and scale

    def count(self, truth: Array) -> int:
        return int(np.count_nonzero(truth)) if self.nonzero else len(truth)


_TABLE = {
    entry.metric.__name__: entry
    for entry in (
        _Entry(mae, (Regression,), rises=False),
        _Entry(pearson, (Regression,)),
        _Entry(ccc, (Regression,)),
        _Entry(acc2_nonnegative, (Regression,), sentiment=True),
        _Entry(f1_nonnegative, (Regression,), sentiment=True),
        _Entry(acc2_nonzero, (Regression,), sentiment=True, nonzero=True),
        _Entry(f1_nonzero, (Regression,), sentiment=True, nonzero=True),
        _Entry(acc5, (Regression,), sentiment=True),
        _Entry(acc7, (Regression,), sentiment=True),
        _Entry(acc7_bins, (Regression,), sentiment=True),
        _Entry(accuracy, (Binary, MultiClass)),
        _Entry(weighted_accuracy, (MultiLabel,)),
        _Entry(f1_weighted, (Binary, MultiClass, MultiLabel)),
        _Entry(f1_macro, (Binary, MultiClass)),
        _Entry(uar, (Binary, MultiClass)),
    )
}


def metrics_for(target: Target) -> dict[str, Metric]:
    """The metrics of a kind of target, by name; functions of (n, outputs) and (n, size).

    A multi-label target has each metric as the mean over its classes, and per class as `METRIC.CLASS`.

    Example:
        >>> list(metrics_for(Binary("sarcasm")))
        ['accuracy', 'f1_weighted', 'f1_macro', 'uar']
        >>> list(metrics_for(MultiLabel("emotion", classes=("sad", "happy"))))[:3]
        ['weighted_accuracy', 'weighted_accuracy.sad', 'weighted_accuracy.happy']
    """
    found: dict[str, Metric] = {}
    for name, entry in _TABLE.items():
        if not entry.suits(target):
            continue
        if isinstance(target, MultiLabel):
            columns = {c: _column(entry.metric, i) for i, c in enumerate(target.classes)}
            found[name] = _mean_of(list(columns.values()))
            found |= {f"{name}.{c}": metric for c, metric in columns.items()}
        else:
            found[name] = _whole(entry.metric) if isinstance(target, MultiClass) else _column(entry.metric, 0)
    return found


def score(target: Target, prediction: Array, truth: Array) -> dict[str, Score]:
    """Every metric of a kind of target; the sentiment metrics only where it is a number in [-3, 3].

    Args:
        target: what was predicted.
        prediction: numbers, or probabilities, (n, target.outputs).
        truth: (n, target.size).
    Raises:
        ShapeError: the arrays are not of these shapes, or there are no labels.
        DataError: a prediction is NaN, infinite or, where they should be, no probability; a label is not one
            of the target's.
    Example:
        >>> score(Binary("sarcasm"), np.array([[0.9], [0.2]]), np.array([[1.0], [0.0]]))["accuracy"]
        Score(value=1.0, count=2)
    """
    prediction, truth = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    _check(target, prediction, truth)
    return {
        name: Score(metric(prediction, truth), count(name, truth))
        for name, metric in metrics_for(target).items()
    }


def floors(target: Target, truth: Array) -> dict[str, float]:
    """The best value of each metric that a constant prediction reaches.

    NaN where the metric is undefined on this truth.

    Args:
        target: what is predicted.
        truth: (n, target.size).
    Raises:
        ShapeError: the truth is not of this shape, or empty.
        DataError: a label is not one of the target's.
    Example:
        >>> floors(Binary("sarcasm"), np.array([[1.0], [1.0], [0.0], [1.0]]))["accuracy"]
        0.75
    """
    truth = np.asarray(truth, np.float64)
    _check(target, np.zeros((*truth.shape[:1], target.outputs)), truth)
    constants = [np.tile(constant, (len(truth), 1)) for constant in _constants(target, truth)]
    found: dict[str, float] = {}
    for name, metric in metrics_for(target).items():
        values = [metric(constant, truth) for constant in constants]
        found[name] = float(np.max(values) if higher_is_better(name) else np.min(values))
    return found


def higher_is_better(name: str) -> bool:
    """Whether a larger value of a metric is better.

    Args:
        name: of a metric, with a class behind it, as in `f1_weighted.happy`, or with a score that is made of
            it, as in `mae: mean subset`; what is retained, and effective robustness, always rise.
    Raises:
        ConfigError: there is no such metric.
    Example:
        >>> higher_is_better("mae"), higher_is_better("f1_weighted.happy")
        (False, True)
    """
    metric, _, score = name.partition(": ")
    return _entry(metric).rises or score.startswith(("retained", "effective"))


def count(name: str, truth: Array) -> int:
    """How many labels a metric is computed on.

    Example:
        >>> count("acc2_nonzero", np.array([[-1.0], [0.0], [2.0]])), count("mae", np.array([[0.0]]))
        (2, 1)
    """
    return _entry(name).count(truth)


def _entry(name: str) -> _Entry:
    base, dot, _ = name.partition(".")
    if base not in _TABLE or (dot and MultiLabel not in _TABLE[base].kinds):
        raise ConfigError(f"no metric '{name}'; {did_you_mean(base, _TABLE)}")
    return _TABLE[base]


def _check(target: Target, prediction: Array, truth: Array) -> None:
    count = truth.shape[0] if truth.ndim else 0
    if not count or (prediction.shape, truth.shape) != ((count, target.outputs), (count, target.size)):
        raise ShapeError(
            f"metrics: target '{target.name}' needs predictions of shape (n, {target.outputs}) and truth "
            f"of shape (n, {target.size}), n at least 1, got {prediction.shape} and {truth.shape}; "
            "give a row per label and a column even for one number"
        )
    target.check(truth, "metrics")
    bad = int((~np.isfinite(prediction)).any(1).sum())
    if bad:
        raise DataError(
            f"metrics: {bad} of {len(prediction)} predictions of '{target.name}' are NaN or infinite; "
            "lower the learning rate or look at the inputs (affect inspect)"
        )
    outside = (np.abs(prediction - 0.5) > 0.5 + 1e-6).any(1)  # rounding may leave a probability just above 1
    if not isinstance(target, Regression) and outside.any():
        raise DataError(
            f"metrics: {outside.sum()} of {len(prediction)} predictions of '{target.name}' are no "
            "probabilities from 0 to 1; turn the head's raw numbers into them first (head.decide)"
        )


def _constants(target: Target, truth: Array) -> Iterator[Array]:
    """Constant predictions among which every metric's best one is."""
    if isinstance(target, Regression):
        yield np.median(truth, axis=0)
        yield from np.arange(-3.0, 4.0).reshape(-1, 1)  # every side, class and bin of sentiment
    elif isinstance(target, MultiClass):
        yield from np.eye(len(target.classes))
    else:
        yield np.zeros(target.outputs)
        yield np.ones(target.outputs)
        yield (truth.mean(0) > 0.5).astype(np.float64)  # each label's better side, for the mean over labels


def _column(metric: Metric, column: int) -> Metric:
    return lambda prediction, truth: metric(prediction[:, column], truth[:, column])


def _whole(metric: Metric) -> Metric:
    return lambda prediction, truth: metric(prediction, truth[:, 0])


def _mean_of(parts: list[Metric]) -> Metric:
    return lambda prediction, truth: float(np.mean([metric(prediction, truth) for metric in parts]))


def _numbers(prediction: Array, truth: Array) -> tuple[Array, Array]:
    """Both as float64, of one length."""
    prediction, truth = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if prediction.shape != truth.shape or truth.ndim != 1 or not truth.size:
        raise ShapeError(
            "metrics: numbers need predictions and truth of one shape (n,), n at least 1, "
            f"got {prediction.shape} and {truth.shape}; take a column, as in prediction[:, 0]"
        )
    return _finite(prediction, truth)


def _nonzero(prediction: Array, truth: Array) -> tuple[Array, Array]:
    """The samples whose truth is not zero."""
    prediction, truth = _numbers(prediction, truth)
    kept = truth != 0
    return prediction[kept], truth[kept]


def _decided(prediction: Array, truth: Array) -> tuple[NDArray[np.int64], Array]:
    """The class that probabilities speak for, and the true one."""
    prediction, truth = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if prediction.ndim not in (1, 2) or truth.shape != prediction.shape[:1] or not prediction.size:
        raise ShapeError(
            "metrics: classes need probabilities of shape (n,) or (n, classes) and truth of shape (n,), "
            f"n at least 1, got {prediction.shape} and {truth.shape}; take a column, as in truth[:, 0]"
        )
    prediction, truth = _finite(prediction, truth)
    return prediction.argmax(1) if prediction.ndim == 2 else (prediction > 0.5).astype(np.int64), truth


def _finite(prediction: Array, truth: Array) -> tuple[Array, Array]:
    good = np.isfinite(prediction) & np.isfinite(truth if prediction.ndim == 1 else truth[:, None])
    if not good.all():
        bad = len(truth) - int(good.reshape(len(truth), -1).all(1).sum())
        raise DataError(
            f"metrics: {bad} of {len(truth)} samples have a prediction or truth that is NaN or infinite; "
            "leave them out, or look at the inputs (affect inspect)"
        )
    return prediction, truth


def _is_constant(values: Array) -> bool:
    return bool(np.ptp(values) <= 1e-13 * np.abs(values).max())


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
    prediction, truth = _numbers(prediction, truth)
    return float((np.clip(prediction, -limit, limit).round() == np.clip(truth, -limit, limit).round()).mean())


def _outward(values: Array) -> Array:
    """The whole number at or beyond each value, away from zero, cut to [-3, 3]."""
    outward: Array = np.clip(np.sign(values) * np.ceil(np.abs(values)), -3, 3)
    return outward
