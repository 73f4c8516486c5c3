"""What is known of metrics whose code is not in use: which way is better, and where their values end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from affect.data.targets import MultiClass, MultiLabel, Target
from affect.metrics.base import Metric


@dataclass(frozen=True)
class Facts:
    """What tables have to know of a metric whose code is not in use."""

    higher_is_better: bool
    bounds: tuple[float, float]


MET: dict[str, Facts] = {}
"""By name, and by name and class: of metrics that were in use, or that runs were measured with."""


def remember(name: str, metric: Metric) -> None:
    """Keep which way is better, and the bounds, for tables that are made where the metric is not in use.

    Args:
        name: as in tables, where it is of a class with the class behind it.
        metric: of which neither the object nor its class is kept.
    """
    MET[name] = Facts(metric.higher_is_better, metric.bounds)


class Stored(Metric):
    """A metric of somebody's own that a run was measured with, of which there are the values alone.

    Which way is better is known from then on.

    Args:
        name: as in the run's results.
        about: what `own_to_json` wrote of it.
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
        for own in (name, *(f"{name}.{one}" for one in classes_of(target))):
            remember(own, self)


def classes_of(target: Target) -> tuple[str, ...]:
    """The classes of a target each of which can have its own value of a metric, as `METRIC.CLASS`.

    Args:
        target: what is predicted.
    Example:
        >>> classes_of(affect.data.targets.MultiLabel("emotion", classes=("sad", "happy")))
        ('sad', 'happy')
        >>> classes_of(affect.data.targets.Binary("sarcasm"))
        ()
    """
    return target.classes if isinstance(target, MultiClass | MultiLabel) else ()
