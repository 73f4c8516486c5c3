"""Which metrics there are: affect's, and those of one's own that are in use."""

from __future__ import annotations

import functools
import inspect
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np

from affect.classes.objects import object_of
from affect.data.targets import MultiLabel, Target
from affect.errors import ConfigError, described, did_you_mean
from affect.metrics.base import Array, Metric
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
from affect.metrics.summed import Summed

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger(__name__)

OURS: dict[str, Summed] = {
    metric.name: metric
    for metric in (
        mae, pearson, ccc, acc2_nonnegative, f1_nonnegative, acc2_nonzero, f1_nonzero, acc5, acc7, acc7_bins,
        accuracy, weighted_accuracy, f1_weighted, f1_macro, uar,
    )
}  # fmt: skip
"""Affect's metrics by name, in the order of tables."""

TAKEN = ("loss", "epoch", "seconds", "epoch_seconds", "parameters", "sample_megaflops", "sample_milliseconds")
"""Names that stand beside metrics, in a run's history or as aims of a search."""

Given: TypeAlias = str | Metric | type[Metric]
"""A metric as it is named: by its name or import path, as an object or a class without arguments."""


@dataclass(frozen=True)
class _Scope:
    """The metrics of one's own that are in use, and what was wrong with them."""

    own: Mapping[str, Metric] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


_NONE = _Scope()
_SCOPE: ContextVar[_Scope] = ContextVar("scope", default=_NONE)
_MET: dict[str, Metric] = {}  # by name: which way is better is known of a metric that was once in use


@contextmanager
def using(*given: Given) -> Iterator[None]:
    """Metrics of one's own that are measured beside affect's, within.

    Args:
        given: import paths, classes or objects; a name is passed over, as what it names is known or unknown.
    Raises:
        ConfigError: there is no such metric, it is none, or its name is another one's.
    Example:
        >>> class Near(affect.metrics.Metric):
        ...     name = "near"
        ...
        ...     def __call__(self, prediction, truth):
        ...         return float((np.abs(prediction - truth) < 0.5).mean())
        >>> target, said = affect.data.targets.Regression("y"), np.array([[1.0], [2.0]])
        >>> with using(Near):
        ...     affect.metrics.score(target, said, said + 0.1)["near"]
        Score(value=1.0, count=2)
    """
    around = _SCOPE.get()
    fresh: dict[str, Metric] = {}
    for one in given:
        if isinstance(one, str) and not is_path(one.partition(": ")[0]):
            continue
        metric = known(one.partition(": ")[0] if isinstance(one, str) else one)
        if metric is OURS.get(metric.name):
            continue
        other = fresh.get(metric.name, metric)
        if type(other) is not type(metric) or str(vars(other)) != str(vars(metric)):
            raise ConfigError(f"metrics: two metrics are called '{metric.name}'; rename one")
        fresh[metric.name] = metric
    scope = _Scope({**around.own, **fresh}, around.failures) if around.own else _Scope(fresh)
    token = _SCOPE.set(scope)
    _MET.update(fresh)
    try:
        yield
    finally:
        _SCOPE.reset(token)


def measuring_monitor(train: Callable[P, T]) -> Callable[P, T]:
    """Decorates what trains: the metric that its argument `training` monitors is in use within."""

    @functools.wraps(train)
    def training_with(*args: P.args, **named: P.kwargs) -> T:
        monitor = getattr(named.get("training"), "monitor", "")
        with using(monitor):
            return train(*args, **named)

    return training_with


def in_use(target: Target) -> dict[str, Metric]:
    """The metrics of a kind of target by name, affect's first."""
    return {n: m for n, m in {**OURS, **_SCOPE.get().own}.items() if m.suits(target)}


def known(given: Given) -> Metric:
    """The metric that is named, by its name or its import path; a class is made an object.

    Raises:
        ConfigError: there is no such metric, it is none, or its name is another one's.
    Example:
        >>> known("mae") is affect.metrics.mae is known("affect.metrics.mae")
        True
    """
    if not isinstance(given, str):
        return _checked(given, getattr(given, "__name__", type(given).__name__))
    base, dot, _ = given.partition(".")
    metric = _SCOPE.get().own.get(base) or OURS.get(base) or _MET.get(base)
    if metric is None and dot:
        names = f"name one of {', '.join(OURS)}, or the import path of your own"
        return _checked(object_of(given, "metric", names), given)
    if metric is None or (dot and MultiLabel not in metric.kinds):
        raise ConfigError(f"no metric '{given}'; {did_you_mean(base, {**OURS, **_SCOPE.get().own})}")
    return metric


def name_of(given: Given) -> str:
    """What a metric is called in tables; with the score that is made of it, as in `my_metrics.Near: clean`.

    Raises:
        ConfigError: there is no such metric.
    Example:
        >>> name_of("affect.metrics.mae"), name_of("f1_weighted.happy"), name_of("mae: worst subset")
        ('mae', 'f1_weighted.happy', 'mae: worst subset')
    """
    if not isinstance(given, str):
        return known(given).name
    base, colon, score = given.partition(": ")
    return f"{known(base).name}{colon}{score}" if is_path(base) else given


def is_path(name: str) -> bool:
    """Whether a metric is named by an import path.

    Example:
        >>> is_path("my_metrics.Near"), is_path("mae"), is_path("f1_weighted.happy")
        (True, False, False)
    """
    base, dot, _ = name.partition(".")
    return bool(dot) and base not in {**OURS, **_SCOPE.get().own, **_MET}


def higher_is_better(name: Given) -> bool:
    """Whether a larger value of a metric is better.

    Args:
        name: of a metric, or its import path, with a class behind it, as in `f1_weighted.happy`, or with a
            score that is made of it, as in `mae: mean subset`; what is retained, and effective robustness,
            always rise.
    Raises:
        ConfigError: there is no such metric.
    Example:
        >>> higher_is_better("mae"), higher_is_better("f1_weighted.happy")
        (False, True)
    """
    metric, _, score = name.partition(": ") if isinstance(name, str) else (name, "", "")
    return known(metric).higher_is_better or score.startswith(("retained", "effective"))


def bounds(name: str) -> tuple[float, float]:
    """The least and the greatest value that a metric can have.

    Example:
        >>> bounds("mae"), bounds("pearson"), bounds("f1_weighted.happy")
        ((0.0, inf), (-1.0, 1.0), (0.0, 1.0))
    """
    return known(name).bounds


def count(name: str, truth: Array) -> int:
    """How many labels a metric is computed on.

    Example:
        >>> count("acc2_nonzero", np.array([[-1.0], [0.0], [2.0]])), count("mae", np.array([[0.0]]))
        (2, 1)
    """
    return known(name).count(truth)


class Stored(Metric):
    """A metric of somebody's own that a run was measured with, of which there are the values alone.

    Which way is better is known from then on.

    Args:
        name: as in the run's results.
        about: what `own_to_json` said of it.
        target: of the run.
    Example:
        >>> target = affect.data.targets.Regression("y")
        >>> Stored("near", {"higher_is_better": False, "bounds": [0, None]}, target).bounds
        (0.0, inf)
    """

    def __init__(self, name: str, about: Mapping[str, Any], target: Target) -> None:
        low, high = about["bounds"]
        self.name, self.higher_is_better = name, bool(about["higher_is_better"])
        self.kinds = (type(target),)
        self.bounds = (-np.inf if low is None else float(low), np.inf if high is None else float(high))
        _MET.setdefault(name, self)


def own_to_json(target: Target) -> dict[str, Any]:
    """What is to be known of the metrics of one's own that are in use, where their code is not, by name."""
    return {
        name: {
            "higher_is_better": metric.higher_is_better,
            "bounds": [end if np.isfinite(end) else None for end in metric.bounds],
        }
        for name, metric in in_use(target).items()
        if name not in OURS
    }


def failed(name: str, why: str) -> None:
    """Say, once for all that is measured in one scope, that a metric has no value."""
    failures = _SCOPE.get().failures
    if name not in failures:
        logger.warning("metrics: %s has no value: %s; it is NaN in the results", name, why)
    failures[name] = why


def failure(name: str) -> str:
    """Why a metric of one's own that is in use had no value; empty where it had one."""
    return _SCOPE.get().failures.get(name, "")


def _checked(thing: Any, where: str) -> Metric:
    """The metric, an object of it where it is a class."""
    if inspect.isclass(thing) and issubclass(thing, Metric):
        try:
            thing = thing()
        except TypeError as error:
            raise ConfigError(
                f"{where}: cannot be made without arguments ({error}); name an object"
            ) from None
    if not isinstance(thing, Metric):
        raise ConfigError(
            f"{where}: expected a class that derives from affect.metrics.Metric, or an object of one, "
            f"got {described(thing)}"
        )
    if thing in OURS.values():
        return thing
    if not isinstance(thing.name, str) or not re.fullmatch(r"[A-Za-z][\w-]*", thing.name):
        raise ConfigError(f"{where}: name: expected letters, digits, _ and -, got {thing.name!r}")
    if thing.name in OURS or thing.name in TAKEN:
        raise ConfigError(f"{where}: the name '{thing.name}' is taken by affect; give the metric another one")
    rises: object = thing.higher_is_better
    if not isinstance(rises, bool):
        raise ConfigError(f"{where}: higher_is_better: expected True or False, got {described(rises)}")
    kinds = thing.kinds
    if not isinstance(kinds, tuple) or not all(inspect.isclass(k) and issubclass(k, Target) for k in kinds):
        raise ConfigError(f"{where}: kinds: expected kinds of targets, as in (Regression,), got {kinds!r}")
    return thing
