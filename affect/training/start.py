"""Where weights begin: at those of another model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from affect.errors import ConfigError, described, few
from affect.model import FusionModel
from affect.training.weights import frozen_keys

logger = logging.getLogger(__name__)


def start_from(
    model: FusionModel,
    weights: FusionModel | Mapping[str, Tensor],
    name: str = "",
    without: Iterable[str] = (),
) -> list[str]:
    """Give a model the weights of another, as far as they fit by name and shape.

    The statistics of the other's scaler and head are among them: what was learned is right for inputs and
    labels scaled as they were. Of a model for another target, the head is left out. What is taken and what is
    not is logged, by name; frozen parts that came from elsewhere stay as they are.

    Args:
        model: is changed in place.
        weights: a model, its `state_dict`, or what `fit` returned.
        name: what they are called in messages.
        without: beginnings of names that are not to be taken.
    Returns:
        the names that were taken.
    Raises:
        ConfigError: it is neither, or no parameter fits.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> first, second = (affect.FusionModel.for_corpus(corpus, seed=seed) for seed in (0, 1))
        >>> len(start_from(second, first)) == len(first.state_dict())
        True
    """
    name, without = name or described(weights), tuple(without)
    if isinstance(run_model := getattr(weights, "model", None), FusionModel):
        weights = run_model
    if isinstance(weights, FusionModel):
        if weights.head.target != model.head.target:
            without = (*without, "head.")
        weights = weights.state_dict()
    if not isinstance(weights, Mapping) or not all(isinstance(x, Tensor) for x in weights.values()):
        raise ConfigError(
            f"init: expected a FusionModel or its state_dict, got {described(weights)}; "
            "affect.runs.load_model(RUN) gives a run's"
        )
    frozen = {
        f"{module}.{key}" if module else key for module, keys in frozen_keys(model).items() for key in keys
    }
    own: dict[str, Any] = {key: value for key, value in model.state_dict().items() if key not in frozen}
    weights = {key: value for key, value in weights.items() if key not in frozen}
    taken = {
        key: weights[key]
        for key in own
        if key in weights and weights[key].shape == own[key].shape and not key.startswith(without)
    }
    if not taken.keys() & dict(model.named_parameters()).keys():
        raise ConfigError(
            f"init: nothing of {name} fits: the model has {_shaped(own)}; there is {_shaped(weights)}"
        )
    with torch.no_grad():
        for key, value in taken.items():
            own[key].copy_(value)
    new = {key: value for key, value in own.items() if key not in taken}
    unused = {key: value for key, value in weights.items() if key not in taken}
    message = f"init: {len(taken)} of {len(own)} tensors taken from {name}"
    message += f"; new: {_shaped(new)}" if new else ""
    message += f"; not used: {_shaped(unused)}" if unused else ""
    (logger.warning if new or unused else logger.info)("%s", message)
    return list(taken)


def _shaped(tensors: Mapping[str, Tensor]) -> str:
    return few([f"{name} {tuple(x.shape)}" for name, x in tensors.items()], most=20)
