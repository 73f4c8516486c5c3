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
from affect.classes.paths import class_of
from affect.data.targets import MultiLabel, Target
from affect.errors import ConfigError, described, did_you_mean
from affect.metrics.base import Array, Metric
from affect.metrics.ours import ALWAYS, OURS, TAKEN
from affect.metrics.stored import MET, Facts, remember

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger(__name__)

Given: TypeAlias = str | Metric | type[Metric]
"""A metric as it is named: by its name or import path, as an object or a class without arguments."""


@dataclass(frozen=True)
class _Scope:
    """The metrics of one's own that are in use, and what was wrong with them."""

    own: Mapping[str, Metric] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


_NONE = _Scope()
_SCOPE: ContextVar[_Scope] = ContextVar("scope", default=_NONE)


@contextmanager
def using(*given: Given) -> Iterator[None]:
    """Metrics that are measured within beside those that always are: one's own, and of affect's the others.

    Args:
        given: import paths, classes, objects or names; passed over are names of what is always measured, and
            of nothing that is known.
    Raises:
        ConfigError: there is no such metric, it is none, or its name is another one's.
    Example:
        >>> class Near(affect.metrics.Metric):
        ...     name = "near"
        ...
        ...     def __call__(self, prediction, truth):
        ...         return float((np.abs(prediction - truth) < 0.5).mean())
        >>> target, prediction = affect.data.targets.Regression("y"), np.array([[1.0], [2.0]])
        >>> with using(Near):
        ...     affect.metrics.score(target, prediction, prediction + 0.1)["near"]
        Score(value=1.0, count=2)
    """
    around = _SCOPE.get()
    fresh: dict[str, Metric] = {}
    for one in given:
        if isinstance(one, str) and not is_extra(one):
            continue
        metric = known(one.partition(": ")[0] if isinstance(one, str) else one)
        if metric is ALWAYS.get(metric.name):
            continue
        other = fresh.get(metric.name, metric)
        if type(other) is not type(metric) or str(vars(other)) != str(vars(metric)):
            raise ConfigError(f"metrics: two metrics are called '{metric.name}'; rename one")
        fresh[metric.name] = metric
    scope = _Scope({**around.own, **fresh}, around.failures) if around.own else _Scope(fresh)
    token = _SCOPE.set(scope)
    for name, metric in fresh.items():
        remember(name, metric)
    try:
        yield
    finally:
        _SCOPE.reset(token)


def measuring_monitor(train: Callable[P, T]) -> Callable[P, T]:
    """Decorates what trains: the metric that its argument `training` monitors is in use within.

    Args:
        train: takes `training` by name: an object with a `monitor`.
    Example:
        >>> @measuring_monitor
        ... def train(*, training):
        ...     return known(training.monitor).name
        >>> train(training=affect.training.Training(monitor="affect.metrics.mae"))
        'mae'
    """

    @functools.wraps(train)
    def training_with(*args: P.args, **named: P.kwargs) -> T:
        monitor = getattr(named.get("training"), "monitor", "")
        with using(monitor):
            return train(*args, **named)

    return training_with


def own() -> list[Given]:
    """The metrics that the blocks of `using` around have brought in: one's own, and the names of affect's.

    Example:
        >>> own()
        []
    """
    return [name if name in OURS else metric for name, metric in _SCOPE.get().own.items()]


def in_use(target: Target) -> dict[str, Metric]:
    """The metrics of a kind of target by name: those that are always measured, and those that `using` names.

    Args:
        target: what is predicted.
    Example:
        >>> list(in_use(affect.data.targets.MultiLabel("emotion", classes=("sad", "happy"))))
        ['weighted_accuracy', 'accuracy', 'f1_weighted']
    """
    return {n: m for n, m in {**ALWAYS, **_SCOPE.get().own}.items() if m.suits(target)}


def known(given: Given) -> Metric:
    """The metric that is named, by its name or its import path; a class is made an object.

    Args:
        given: the metric. With a dot it is an import path, but where `is_path` says that it is none.
    Raises:
        ConfigError: there is no such metric, it is none, or its name is another one's.
    Example:
        >>> known("mae") is affect.metrics.mae is known("affect.metrics.mae")
        True
    """
    if not isinstance(given, str):
        return _checked(given, getattr(given, "__name__", type(given).__name__))
    if is_path(given):
        names = f"name one of {', '.join(OURS)}, or the import path of your own"
        return _checked(object_of(given, "metric", names), given)
    base, dot, _ = given.partition(".")
    here = {**OURS, **_SCOPE.get().own}
    if base not in here or (dot and MultiLabel not in here[base].kinds):
        raise ConfigError(f"no metric '{given}'; {did_you_mean(base, here)}")
    return here[base]


def name_of(given: Given) -> str:
    """What a metric is called in tables; with the score that is made of it, as in `my_metrics.Near: clean`.

    Args:
        given: the metric.
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
    """Whether a metric is named by an import path: with a dot, behind which there is no class of a target.

    What stands before the dot is a metric, and what stands behind it a class, where it is one of affect's;
    where a target of these classes was measured with it; and where one of the metrics in use that are for
    several labels is called so, and no object has that import path.

    Args:
        name: the metric's.
    Example:
        >>> is_path("my_metrics.Near"), is_path("mae"), is_path("f1_weighted.happy")
        (True, False, False)
    """
    base, dot, _ = name.partition(".")
    if not dot or base in OURS or name in MET:
        return False
    own = _SCOPE.get().own.get(base)
    return own is None or MultiLabel not in own.kinds or _is_importable(name)


def is_extra(name: str) -> bool:
    """Whether a metric is measured only where it is named: one's own, or one of affect's that is not always.

    Args:
        name: the metric's, or its import path; with a class behind it or a score that is made of it, or not.
    Example:
        >>> is_extra("my_metrics.Near"), is_extra("auc.happy"), is_extra("mae: worst subset")
        (True, True, False)
    """
    whole = name.partition(": ")[0]
    base = whole.partition(".")[0]
    return is_path(whole) or (base in OURS and base not in ALWAYS)


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
    return _facts(metric).higher_is_better or score.startswith(("retained", "effective"))


def bounds(name: str) -> tuple[float, float]:
    """The least and the greatest value that a metric can have.

    Args:
        name: of a metric, with a class behind it or not.
    Raises:
        ConfigError: there is no such metric.
    Example:
        >>> bounds("mae"), bounds("pearson"), bounds("f1_weighted.happy")
        ((0.0, inf), (-1.0, 1.0), (0.0, 1.0))
    """
    return _facts(name).bounds


def is_correlation(name: str) -> bool:
    """Whether differences of a metric are tested on Fisher's z.

    Args:
        name: of a metric, with a class behind it or not.
    Raises:
        ConfigError: there is no such metric.
    Example:
        >>> is_correlation("ccc"), is_correlation("mae")
        (True, False)
    """
    facts = _facts(name)
    return isinstance(facts, Metric) and facts.correlation


def count(name: str, truth: Array) -> int:
    """How many labels a metric is computed on.

    Args:
        name: of a metric, with a class behind it or not.
        truth: the labels.
    Raises:
        ConfigError: there is no such metric.
    Example:
        >>> count("acc2_nonzero", np.array([[-1.0], [0.0], [2.0]])), count("mae", np.array([[0.0]]))
        (2, 1)
    """
    facts = _facts(name)
    return facts.count(truth) if isinstance(facts, Metric) else len(truth)


def own_to_json(target: Target) -> dict[str, Any]:
    """What is to be known of the metrics of one's own that are in use, where their code is not, by name.

    Args:
        target: what is predicted; those that are for it.
    Example:
        >>> class Near(affect.metrics.Metric):
        ...     name = "near"
        >>> with using(Near):
        ...     own_to_json(affect.data.targets.Regression("y"))
        {'near': {'higher_is_better': True, 'bounds': [None, None]}}
    """
    return {
        name: {
            "higher_is_better": metric.higher_is_better,
            "bounds": [end if np.isfinite(end) else None for end in metric.bounds],
        }
        for name, metric in in_use(target).items()
        if name not in OURS
    }


def failed(name: str, why: str) -> None:
    """Say, once for all that is measured in one scope, that a metric has no value.

    Args:
        name: the metric's.
        why: it has none.
    """
    failures = _SCOPE.get().failures
    if name not in failures:
        logger.warning("metrics: %s has no value: %s; it is NaN in the results", name, why)
    failures[name] = why


def failure(name: str) -> str:
    """Why a metric of one's own that is in use had no value; empty where it had one.

    Args:
        name: the metric's.
    Example:
        >>> failure("mae")
        ''
    """
    return _SCOPE.get().failures.get(name, "")


def _facts(given: Given) -> Metric | Facts:
    """The metric, or, where it is not in use, what is remembered of it."""
    here = isinstance(given, str) and given.partition(".")[0] in {**OURS, **_SCOPE.get().own}
    return MET[given] if isinstance(given, str) and given in MET and not here else known(given)


def _is_importable(path: str) -> bool:
    """Whether an object has an import path."""
    try:
        class_of(path)
    except Exception:  # no such module or attribute, or of somebody else's code
        return False
    return True


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
