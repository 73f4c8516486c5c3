"""One number for a curve, or for all subsets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import trapezoid

from affect.errors import ConfigError, ShapeError
from affect.metrics import Array

_Value = TypeVar("_Value", float, Array)


def area(levels: ArrayLike, values: ArrayLike) -> Array:
    """The area under the curve of a metric over the rate at which something is missing: AUILC.

    sum_i (x_i + x_{i+1}) / 2 (r_{i+1} - r_i), the trapezoid rule. It is not divided by the width of the
    levels: over 0 to 1 it is the mean height.

    Args:
        levels: r, in any order, at least two.
        values: x, of the metric at each level.
    Shapes:
        levels: (levels,), values: (..., levels) -> (...)
    Raises:
        ShapeError: fewer than two levels, or not as many values.
    Reference:
        Yuan et al., Transformer-based Feature Reconstruction Network for Robust Multimodal Sentiment
        Analysis, ACM MM 2021 (AUILC). Liang et al., MultiBench, NeurIPS 2021, calls the same area
        relative robustness, before it is normalised over models (`normalise`).
    Example:
        >>> area([0.0, 0.5, 1.0], [0.8, 0.6, 0.5]).item()
        0.625
    """
    r, x = np.asarray(levels, float), np.asarray(values, float)
    if r.ndim != 1 or len(r) < 2 or x.shape[-1:] != r.shape:
        raise ShapeError(
            f"area: expected two levels or more and a value for each, got {r.shape} and {x.shape}"
        )
    order = np.argsort(r, kind="stable")
    return np.asarray(trapezoid(x[..., order], r[order]))


def effective_robustness(values: ArrayLike, baseline: ArrayLike, rises: bool = True) -> Array:
    """How much better a model holds out than a baseline of the same clean score would.

    sum_i f_i - (b_i + f_0 - b_0), over all levels: the baseline's curve is moved to begin where the model's
    does.

    Args:
        values: f, of the metric at each level, the clean one first.
        baseline: b, of the baseline's at the same levels; in MultiBench, late fusion's.
        rises: whether more is better; else the sign is turned.
    Shapes:
        values, baseline: (..., levels) -> (...)
    Raises:
        ShapeError: the curves are not of the same levels.
    Reference:
        Liang et al., MultiBench: Multiscale Benchmarks for Multimodal Representation Learning, NeurIPS 2021;
        Taori et al., Measuring Robustness to Natural Distribution Shifts in Image
        Classification, NeurIPS 2020.
    Example:
        >>> effective_robustness([0.75, 0.75], [0.75, 0.5]).item()
        0.25
    """
    f, b = np.asarray(values, float), np.asarray(baseline, float)
    if f.shape[-1:] != b.shape[-1:] or not f.ndim:
        raise ShapeError(
            f"effective_robustness: expected two curves of the same levels, got {f.shape} and {b.shape}"
        )
    return np.asarray((f - (b + f[..., :1] - b[..., :1])).sum(-1) * (1 if rises else -1))


def normalise(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores between 0, the worst of the models compared, and 1, the best: as MultiBench prints robustness.

    Example:
        >>> normalise({"late": 0.5, "tensor": 0.7, "early": 0.6})["tensor"]
        1.0
    """
    low, high = min(scores.values()), max(scores.values())
    return {name: (value - low) / ((high - low) or 1.0) for name, value in scores.items()}


def retained_share(value: ArrayLike, clean: ArrayLike, floor: float) -> Array:
    """The share of what a model is better than the best constant, when clean, that is left.

    Args:
        value: of a metric under some condition.
        clean: of the same, clean.
        floor: of the best constant prediction (`affect.metrics.constant_baselines`).
    Shapes:
        value, clean: (...) -> (...), NaN where the clean model is no better than the constant
    Example:
        >>> retained_share(0.75, clean=1.0, floor=0.5).item()
        0.5
    """
    left, whole = np.asarray(value, float) - floor, np.asarray(clean, float) - floor
    return np.where(whole == 0, np.nan, left / np.where(whole == 0, 1, whole))


def contributions(values: Mapping[frozenset[str], _Value]) -> dict[str, _Value]:
    """What each modality contributes to a score, a mean over all orders in which modalities could come in.

    phi_m = sum over subsets S without m of |S|! (n - |S| - 1)! / n! (v(S + m) - v(S)). The contributions sum
    to the score of all modalities minus that of none.

    Args:
        values: the score of every subset, the empty one too; at most six modalities: 64 subsets. Arrays, such
            as of a score for each sample, are worked on element by element.
    Raises:
        ConfigError: a subset is left out; there are more than six modalities.
    Reference:
        Shapley, A Value for n-Person Games, 1953.
    Example:
        >>> none, a, b = frozenset(), frozenset("a"), frozenset("b")
        >>> contributions({none: 0.0, a: 1.0, b: 2.0, a | b: 4.0})
        {'a': 1.5, 'b': 2.5}
    """
    names = sorted(frozenset().union(*values))
    if len(names) > 6 or len(values) != 2 ** len(names):
        raise ConfigError(
            "contributions: needs the score of every subset of at most 6 modalities, the empty one too, "
            f"got {len(values)} for {len(names)} modalities"
        )
    weight = [
        math.factorial(s) * math.factorial(len(names) - s - 1) / math.factorial(len(names))
        for s in range(len(names))
    ]
    return {
        m: reduce(add, (weight[len(s)] * (values[s | {m}] - values[s]) for s in values if m not in s))
        for m in names
    }
