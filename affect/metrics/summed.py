"""What every metric here is: a function of sums over labels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect.data.targets import Regression, Target
from affect.errors import DataError
from affect.metrics.base import Array, Metric


class Summed(Metric):
    """A metric that reads nothing of its labels but sums: of a few terms of each.

    metric(prediction, truth) = value(sum of the labels' terms)

    The mean absolute error is a sum of errors over a count of labels, F1 a function of counts, a correlation
    one of moments. So a resample needs only how often each label is drawn, and thousands of them are one
    product, `value(weights @ terms)`: what `affect.statistics` does with a metric of this class.

    Args:
        terms: of predictions and truth; those of one call may be added in any number and choice, those of
            two calls not: a correlation's are relative to a centre and a scale of all that it was given.
        value: of sums of terms, NaN where the metric is undefined.
        higher_is_better: as in `Metric`, and so are the next four; its name is that of the terms.
        kinds: the same.
        bounds: the same.
        scale: the same.
        correlation: the same.
        one_against_rest: of a metric of one label's probabilities, whether each of several classes has it
            too, against all others, of 0 or 1 as is decided: as `METRIC.CLASS`, and as `METRIC` their mean.
        counted: of the truth, which labels count; all by default.
    Shapes:
        terms: (labels, ...) and (labels, ...) -> (labels, q), value: (..., q) -> (...)
    Example:
        >>> error = Summed(lambda p, t: columns(np.abs(p - t), 1), mean)
        >>> prediction, truth = np.array([1.0, 2.0]), np.array([1.0, 0.0])
        >>> error(prediction, truth)
        1.0
        >>> weights = np.array([[2, 0], [1, 1], [0, 2]])
        >>> error.value(weights @ error.terms(prediction, truth)).tolist()
        [0.0, 1.0, 2.0]
    """

    __name__: str

    def __init__(
        self,
        terms: Callable[[Array, Array], Array],
        value: Callable[[Array], Array],
        *,
        higher_is_better: bool = True,
        kinds: tuple[type[Target], ...] = (Regression,),
        bounds: tuple[float, float] = (0.0, 1.0),
        scale: tuple[float, float] | None = None,
        correlation: bool = False,
        one_against_rest: bool = False,
        counted: Callable[[Array], NDArray[np.bool_]] | None = None,
    ) -> None:
        self.terms, self.value = terms, value
        self.higher_is_better, self.kinds, self.bounds, self.scale = higher_is_better, kinds, bounds, scale
        self.correlation, self.one_against_rest, self.counted = correlation, one_against_rest, counted
        functools.update_wrapper(self, terms)
        self.name = self.__name__

    def __call__(self, prediction: Array, truth: Array) -> float:
        """The metric on all labels."""
        return float(self.value(self.terms(prediction, truth).sum(0)))

    def count(self, truth: Array) -> int:
        """How many labels it is computed on."""
        return len(truth) if self.counted is None else int(np.count_nonzero(self.counted(truth)))

    def __repr__(self) -> str:
        return f"{self.__module__}.{self.__name__}(prediction, truth)"


def summed(
    value: Callable[[Array], Array], **about: Any
) -> Callable[[Callable[[Array, Array], Array]], Summed]:
    """Make a metric of a function that returns the terms, and of what to make of their sums."""
    return lambda terms: Summed(terms, value, **about)


def columns(*terms: ArrayLike) -> Array:
    """(labels, q): terms side by side, a single number for all labels."""
    return np.array(np.broadcast_arrays(*terms), np.float64).T  # labels adjacent: numpy sums them best


def mean(sums: Array) -> Array:
    """The first sum over the second, which counts: NaN where there is nothing to count."""
    with np.errstate(invalid="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def check_finite(prediction: Array, truth: Array) -> None:
    """Refuse NaN and infinity."""
    good = np.isfinite(prediction) & np.isfinite(truth if prediction.ndim == 1 else truth[:, None])
    if not good.all():
        bad = len(truth) - int(good.reshape(len(truth), -1).all(1).sum())
        raise DataError(
            f"metrics: {bad} of {len(truth)} samples have a prediction or truth that is NaN or infinite; "
            "leave them out, or look at the inputs (affect inspect)"
        )
