"""Which metrics a kind of target has, and what there is to know of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from affect.data.targets import Binary, MultiClass, MultiLabel, Regression, Target
from affect.errors import ConfigError, DataError, ShapeError, did_you_mean
from affect.metrics.classes import accuracy, f1_macro, f1_weighted, uar, weighted_accuracy
from affect.metrics.regression import (
    acc2_nonnegative,
    acc2_nonzero,
    acc5,
    acc7,
    acc7_bins,
    ccc,
    f1_nonnegative,
    f1_nonzero,
    mae,
    pearson,
)
from affect.metrics.summed import Array, Summed


@dataclass(frozen=True)
class Score:
    """A metric's value, and how many labels it was computed on."""

    value: float
    count: int


@dataclass(frozen=True)
class _Entry:
    """A metric: for which kinds of target, whether for sentiment in [-3, 3] alone, which way is better."""

    metric: Summed
    kinds: tuple[type[Target], ...]
    sentiment: bool = False
    rises: bool = True
    nonzero: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)

    def suits(self, target: Target) -> bool:
        scale = not self.sentiment or (getattr(target, "low", None), getattr(target, "high", None)) == (-3, 3)
        return isinstance(target, self.kinds) and scale

    def count(self, truth: Array) -> int:
        return int(np.count_nonzero(truth)) if self.nonzero else len(truth)


_TABLE = {
    entry.metric.__name__: entry
    for entry in (
        _Entry(mae, (Regression,), rises=False, bounds=(0.0, np.inf)),
        _Entry(pearson, (Regression,), bounds=(-1.0, 1.0)),
        _Entry(ccc, (Regression,), bounds=(-1.0, 1.0)),
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


def metrics_for(target: Target) -> dict[str, Summed]:
    """The metrics of a kind of target, by name; functions of (n, outputs) and (n, size).

    A multi-label target has each metric as the mean over its classes, and per class as `METRIC.CLASS`.

    Example:
        >>> list(metrics_for(Binary("sarcasm")))
        ['accuracy', 'f1_weighted', 'f1_macro', 'uar']
        >>> list(metrics_for(MultiLabel("emotion", classes=("sad", "happy"))))[:3]
        ['weighted_accuracy', 'weighted_accuracy.sad', 'weighted_accuracy.happy']
    """
    found: dict[str, Summed] = {}
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
        >>> constant_baselines(Binary("sarcasm"), np.array([[1.0], [1.0], [0.0], [1.0]]))["accuracy"]
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


def bounds(name: str) -> tuple[float, float]:
    """The least and the greatest value that a metric can have.

    Example:
        >>> bounds("mae"), bounds("pearson"), bounds("f1_weighted.happy")
        ((0.0, inf), (-1.0, 1.0), (0.0, 1.0))
    """
    return _entry(name).bounds


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


def _column(metric: Summed, column: int) -> Summed:
    return Summed(lambda said, truth: metric.terms(said[:, column], truth[:, column]), metric.value)


def _whole(metric: Summed) -> Summed:
    return Summed(lambda said, truth: metric.terms(said, truth[:, 0]), metric.value)


def _mean_of(parts: list[Summed]) -> Summed:
    """The mean of several metrics with one `value`."""

    def terms(prediction: Array, truth: Array) -> Array:
        return np.stack([part.terms(prediction, truth) for part in parts], 1).reshape(len(truth), -1)

    def value(sums: Array) -> Array:
        return np.asarray(parts[0].value(sums.reshape(*sums.shape[:-1], len(parts), -1)).mean(-1))

    return Summed(terms, value)
