"""Metrics of what was predicted for a target."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from affect.data.targets import MultiClass, MultiLabel, Regression, Target
from affect.errors import ConfigError, DataError, ShapeError, described
from affect.metrics.base import Array, Measure, Metric
from affect.metrics.catalogue import count, failed, higher_is_better, in_use
from affect.metrics.classes import decisions
from affect.metrics.ours import OURS
from affect.metrics.stored import remember
from affect.metrics.summed import Summed


@dataclass(frozen=True)
class Score:
    """A metric's value, and how many labels it was computed on."""

    value: float
    count: int


def metrics_for(target: Target) -> dict[str, Measure]:
    """The metrics of a kind of target, by name; functions of (n, outputs) and (n, size).

    A multi-label target has each metric as the mean over its classes, and per class as `METRIC.CLASS`. Those
    that `using` names are among them; where one's own raises, it is NaN.

    Args:
        target: what is predicted.
    Example:
        >>> list(metrics_for(affect.data.targets.Binary("sarcasm")))
        ['accuracy', 'f1_weighted', 'f1_macro', 'uar']
        >>> list(metrics_for(affect.data.targets.MultiLabel("emotion", classes=("sad", "happy"))))[:3]
        ['weighted_accuracy', 'weighted_accuracy.sad', 'weighted_accuracy.happy']
    """
    if not isinstance(target, Target):
        raise ConfigError(
            f"metrics_for: expected a target such as affect.Regression('sentiment'), got {described(target)}"
        )
    found: dict[str, Measure] = {}
    for name, metric in in_use(target).items():
        columns = _by_class(metric, target)
        if columns:
            found[name] = _mean_of(list(columns.values()))
            if name not in OURS:
                for one in columns:
                    remember(f"{name}.{one}", metric)
            found |= {f"{name}.{c}": own for c, own in columns.items()}
        else:
            found[name] = _whole(metric) if isinstance(target, MultiClass) else _column(metric, 0)
    return found


def score(target: Target, prediction: Array, truth: Array) -> dict[str, Score]:
    """Every metric of a kind of target; the sentiment metrics only where it is a number in [-3, 3].

    A metric of one's own that raises, or is NaN, is NaN here; that is said once.

    Args:
        target: what was predicted.
        prediction: numbers, or probabilities, (n, target.outputs).
        truth: (n, target.size).
    Raises:
        ShapeError: the arrays are not of these shapes, or there are no labels.
        DataError: a prediction is NaN, infinite or, where they should be, no probability; a label is not one
            of the target's.
    Example:
        >>> target = affect.data.targets.Binary("sarcasm")
        >>> score(target, np.array([[0.9], [0.2]]), np.array([[1.0], [0.0]]))["accuracy"]
        Score(value=1.0, count=2)
    """
    prediction, truth = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    _check(target, prediction, truth)
    found = {}
    for name, metric in metrics_for(target).items():
        value = metric(prediction, truth)
        if np.isnan(value) and name.partition(".")[0] not in OURS:
            why = metric.failure if isinstance(metric, _Own) else ""
            failed(name, why or f"it is NaN on {len(truth)} labels")
        found[name] = Score(value, count(name, truth))
    return found


def constant_baselines(target: Target, truth: Array) -> dict[str, float]:
    """The best value of each metric that a constant prediction reaches.

    NaN where the metric is undefined on this truth.

    Args:
        target: what is predicted.
        truth: (n, target.size).
    Raises:
        ShapeError: the truth is not of this shape, or empty.
        DataError: a label is not one of the target's.
    Example:
        >>> target = affect.data.targets.Binary("sarcasm")
        >>> constant_baselines(target, np.array([[1.0], [1.0], [0.0], [1.0]]))["accuracy"]
        0.75
    """
    truth = np.asarray(truth, np.float64)
    _check(target, np.zeros((*truth.shape[:1], target.outputs)), truth)
    tried = [np.tile(constant, (len(truth), 1)) for constant in constants(target, truth)]
    found: dict[str, float] = {}
    for name, metric in metrics_for(target).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of one's own metrics, which may know no constants
            values = [metric(constant, truth) for constant in tried]
        found[name] = float(np.max(values) if higher_is_better(name) else np.min(values))
    return found


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


def constants(target: Target, truth: Array) -> Iterator[Array]:
    """Constant predictions among which every metric's best one is.

    Args:
        target: what is predicted.
        truth: (n, target.size).
    Shapes:
        each (target.outputs,)
    Example:
        >>> mood = affect.data.targets.MultiClass("mood", classes=("low", "high"))
        >>> [one.tolist() for one in constants(mood, np.array([[1.0]]))]
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if isinstance(target, Regression):
        yield np.median(truth, axis=0)
        yield np.mean(truth, axis=0)
        yield from np.array([[*range(-3, 4), -0.4, 0.4]]).T  # every side, class and bin of sentiment
    elif isinstance(target, MultiClass):
        yield from np.eye(len(target.classes))
    else:
        yield np.zeros(target.outputs)
        yield np.ones(target.outputs)
        yield (truth.mean(0) > 0.5).astype(np.float64)  # each label's better side, for the mean over labels


class _Own:
    """A metric that is no sum, as of one's own, of columns of predictions and truth; NaN where it raises."""

    def __init__(self, metric: Metric, of_prediction: Any, of_truth: Any) -> None:
        self.metric, self.of_prediction, self.of_truth, self.failure = metric, of_prediction, of_truth, ""

    def __call__(self, prediction: Array, truth: Array) -> float:
        try:
            return float(self.metric(prediction[:, self.of_prediction], truth[:, self.of_truth]))
        except Exception as error:  # of somebody else's code: a run must not be lost by it
            self.failure = " ".join(f"{type(error).__name__}: {error}".split())
            return float("nan")


def _by_class(metric: Metric, target: Target) -> dict[str, Measure]:
    """Of each class that has its own value; of none otherwise."""
    if isinstance(target, MultiLabel):
        return {name: _column(metric, place) for place, name in enumerate(target.classes)}
    if isinstance(target, MultiClass) and isinstance(metric, Summed) and metric.one_against_rest:
        return {name: _against_rest(metric, place) for place, name in enumerate(target.classes)}
    return {}


def _against_rest(metric: Summed, place: int) -> Measure:
    def terms(prediction: Array, truth: Array) -> Array:
        decided, truth, _ = decisions(prediction, truth[:, 0])
        return metric.terms((decided == place).astype(np.float64), truth == place)

    return Summed(terms, metric.value)


def _column(metric: Metric, column: int) -> Measure:
    if not isinstance(metric, Summed):
        return _Own(metric, column, column)
    return Summed(lambda p, t: metric.terms(p[:, column], t[:, column]), metric.value)


def _whole(metric: Metric) -> Measure:
    if not isinstance(metric, Summed):
        return _Own(metric, slice(None), 0)
    return Summed(lambda p, t: metric.terms(p, t[:, 0]), metric.value)


def _mean_of(parts: list[Measure]) -> Measure:
    """The mean of several metrics, those of sums with one `value`."""
    summed = [part for part in parts if isinstance(part, Summed)]
    if len(summed) < len(parts):
        return lambda prediction, truth: float(np.mean([part(prediction, truth) for part in parts]))

    def terms(prediction: Array, truth: Array) -> Array:
        return np.stack([part.terms(prediction, truth) for part in summed], 1).reshape(len(truth), -1)

    def value(sums: Array) -> Array:
        return np.asarray(summed[0].value(sums.reshape(*sums.shape[:-1], len(summed), -1)).mean(-1))

    return Summed(terms, value)
