"""What a metric is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.targets import Regression, Target

Array: TypeAlias = NDArray[np.float64]
Measure: TypeAlias = Callable[[Array, Array], float]
"""From predictions and truth to a value: what statistics take, a `Metric` or any function."""


class Metric:
    """A metric: its name, which way is better, for which kinds of target, and the function.

    A metric of one's own is a class like this. A configuration names it by its import path, where metrics are
    named: `monitor: my_metrics.Near`, and `my_metrics.within_two` names an object that stands in a module,
    such as one that takes arguments. In Python, `affect.metrics.using` says which there are. It then stands
    in results, tables, comparisons, sweeps and reports under its own name.

    Where the function raises, or returns NaN, the value is NaN; that is said, and a run goes on. Only as what
    a training monitors it has to be a number.

    Args:
        name: as in tables: letters, digits, `_` and `-`.
        higher_is_better: which way is better.
        kinds: the kinds of target that it is for.
        bounds: the least and the greatest value that it can have; intervals end there.
        scale: the least and the greatest number of the targets that it is for; any by default.
        correlation: whether it is one: its differences are tested on Fisher's z.
    Shapes:
        prediction: (n,) numbers, or of two classes, and of each label of a multi-label target, probabilities;
            (n, classes) probabilities where there are more
        truth: (n,) numbers, or class indices
    Raises:
        NotImplementedError: `__call__` is not written.
    Example:
        >>> class Near(Metric):
        ...     name = "near"
        ...
        ...     def __call__(self, prediction, truth):
        ...         return float((np.abs(prediction - truth) < 0.5).mean())
        >>> Near()(np.array([1.0, 2.0]), np.array([1.2, 0.0]))
        0.5
    """

    name: str = ""
    higher_is_better: bool = True
    kinds: tuple[type[Target], ...] = (Regression,)
    bounds: tuple[float, float] = (-np.inf, np.inf)
    scale: tuple[float, float] | None = None
    correlation: bool = False

    def __call__(self, prediction: Array, truth: Array) -> float:
        """What the author writes: the value on all labels."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def suits(self, target: Target) -> bool:
        """Whether it is for a target."""
        ends = getattr(target, "low", None), getattr(target, "high", None)
        return isinstance(target, self.kinds) and self.scale in (None, ends)

    def count(self, truth: Array) -> int:
        """How many labels it is computed on."""
        return len(truth)
