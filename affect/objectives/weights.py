"""How much each class counts in training."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affect import renamed
from affect.data.targets import Binary, MultiClass, MultiLabel, Target
from affect.errors import ConfigError, described, did_you_mean

ClassWeights: TypeAlias = Literal["balanced"] | dict[Any, float] | list[float]
"""`balanced`, or a weight by the name of a class, or one for each class in their order."""

logger = logging.getLogger(__name__)


@renamed.arguments(wanted="weights")
def class_weights(target: Target, labels: NDArray[np.floating], weights: ClassWeights) -> Tensor:
    """The weight of each class: what a label's loss is multiplied by.

    `balanced` is labels / (classes * labels of the class), as scikit-learn has it, over the classes that
    occur. Weights by name leave at 1 what they do not name. The classes of a binary target are `0` and `1`.
    Each class of a multi-label target is a question of its own: `balanced` weighs its yes and its no, and a
    weight that is given is of its yes.

    Args:
        target: what is predicted.
        labels: (labels, target.size), of the training split.
        weights: `balanced`, a dictionary from class to weight, or a list with a weight for each class.
    Shapes:
        -> (target.size, classes), and (target.size, 2) for a multi-label target: no and yes
    Raises:
        ConfigError: the target has no classes, or not those.
    Example:
        >>> from affect.data.targets import Binary
        >>> class_weights(Binary("sarcasm"), np.array([[0], [0], [0], [1]]), "balanced")
        tensor([[0.6667, 2.0000]])
    """
    if not isinstance(target, Binary | MultiClass | MultiLabel):
        raise ConfigError(
            f"training: class_weights: '{target.name}' is a {type(target).__name__} target, which has no "
            "classes; leave them out"
        )
    if isinstance(weights, str):
        return torch.from_numpy(_balanced(target, labels)).float()
    names = list(getattr(target, "classes", ("0", "1")))
    given = _by_name(target, weights, names)
    row = torch.tensor([given.get(name, 1.0) for name in names])
    return torch.stack([torch.ones_like(row), row], 1) if isinstance(target, MultiLabel) else row.unsqueeze(0)


def weight_of(weights: Tensor, truth: Tensor) -> Tensor:
    """The weight of each label.

    Args:
        weights: as `class_weights` gives them.
        truth: class indices, or 0 and 1 of each label.
    Shapes:
        weights: (size, classes); truth: (batch, steps, size) -> (batch, steps, size)
    Example:
        >>> weight_of(torch.tensor([[1.0, 3.0]]), torch.tensor([[[0.0], [1.0]]])).flatten()
        tensor([1., 3.])
    """
    return weights[torch.arange(len(weights), device=weights.device), truth.long()].to(truth.dtype)


def check_class_weights(weights: Any) -> None:
    """Refuse what can be no class weights, whatever the target.

    Args:
        weights: as in `class_weights`, or None.
    Raises:
        ConfigError: another word than `balanced`; no positive numbers.
    Example:
        >>> check_class_weights("equal")
        Traceback (most recent call last):
        affect.errors.ConfigError: training: class_weights: expected 'balanced', a weight by class, or a list
        of weights, got the text 'equal'
    """
    if weights is None or (isinstance(weights, str) and weights == "balanced"):
        return
    if isinstance(weights, np.ndarray | Tensor) and weights.ndim == 1:
        weights = weights.tolist()
    if not isinstance(weights, Mapping | list | tuple):
        raise ConfigError(
            "training: class_weights: expected 'balanced', a weight by class, or a list of weights, "
            f"got {described(weights)}"
        )
    for weight in weights.values() if isinstance(weights, Mapping) else weights:
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
            raise ConfigError(
                f"training: class_weights: expected weights above 0, got {described(weight)}; they multiply "
                "the loss of a label"
            )


def _balanced(target: Target, labels: NDArray[np.floating]) -> NDArray[np.float64]:
    classes = getattr(target, "count", 0)
    weights = np.ones((labels.shape[1], classes))
    unseen = []
    for own, column in zip(weights, labels.T, strict=True):
        counts = np.bincount(column.astype(np.int64), minlength=classes)
        found = counts > 0
        own[found] = len(column) / (found.sum() * counts[found])
        unseen.append(np.flatnonzero(~found))
    names = getattr(target, "classes", ("0", "1"))
    if isinstance(target, MultiLabel):
        missing = [
            f"{name}: {'yes' if at else 'no'}"
            for name, gone in zip(names, unseen, strict=True)
            for at in gone
        ]
    else:
        missing = [names[at] for at in unseen[0]]
    if missing:
        logger.warning(
            "class_weights: the training split has no sample of %s of '%s'; the other classes are balanced "
            "without it", ", ".join(missing), target.name,
        )  # fmt: skip
    return weights


def _by_name(target: Target, weights: Any, names: list[str]) -> dict[str, float]:
    """What was given, by the name of the class."""
    if not isinstance(weights, Mapping):
        if len(weights) != len(names):
            raise ConfigError(
                f"training: class_weights: '{target.name}' has {len(names)} classes ({', '.join(names)}), "
                f"got {len(weights)} weights"
            )
        return dict(zip(names, weights, strict=True))
    given = {_name(key, names): float(weight) for key, weight in weights.items()}
    for name in given:
        if name not in names:
            raise ConfigError(
                f"training: class_weights: '{target.name}' has no class '{name}'; {did_you_mean(name, names)}"
            )
    return given


def _name(key: Any, names: list[str]) -> str:
    """A class as its target calls it: YAML reads 0 and `no` as other than texts."""
    if str(key) in names or not isinstance(key, int):
        return {"no": "0", "yes": "1"}.get(str(key), str(key)) if names == ["0", "1"] else str(key)
    return str(int(key))
