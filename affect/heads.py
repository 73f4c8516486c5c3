"""Heads: the fused Sequence to a prediction."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor, nn

from affect.bounds import Bounded
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression, Target
from affect.errors import ConfigError
from affect.layers import Dropout
from affect.sequences import Sequence


class Head(Bounded, nn.Module):
    """Sequence -> the numbers that one kind of target asks for: dropout, then a linear layer.

    A per-step target is predicted at every step; for one label per sample the steps are averaged by their
    mask first. The prediction is raw (logits for classes); `decide` turns it into what metrics and
    files hold.

    Args:
        in_dim: feature size of the fused Sequence.
        target: what to predict.
        dropout: rate at which fused values are dropped.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time or 1, target.outputs)
    Missing:
        an unobserved step is read as zeros.
    Raises:
        ConfigError: the target is of another kind than the head's.
    Example:
        >>> from affect.data.targets import MultiClass
        >>> head = MultiClassHead(4, MultiClass("emotion", classes=("sad", "angry", "happy")))
        >>> head(Sequence.full(torch.ones(2, 7, 4))).shape
        torch.Size([2, 1, 3])
    """

    kind: ClassVar[type[Target]] = Target
    search_space: ClassVar[dict[str, BaseDistribution]] = {"dropout": FloatDistribution(0.0, 0.5)}

    def __init__(self, in_dim: int, target: Target, dropout: float = 0.1) -> None:
        super().__init__()
        if not isinstance(target, self.kind):
            raise ConfigError(
                f"{type(self).__name__}: expected a {self.kind.__name__} target, "
                f"got {type(target).__name__} '{target.name}'; leave the head out to get the one that fits"
            )
        self.target = target
        self.layers = nn.Sequential(Dropout(dropout), nn.Linear(in_dim, target.outputs))

    def forward(self, x: Sequence) -> Tensor:
        """Predict from the fused Sequence."""
        values = x.values if self.target.per_step else x.mean().unsqueeze(1)
        prediction: Tensor = self.layers(values)
        return prediction

    def fit(self, labels: Tensor) -> None:
        """Take what a head may know of the training split's labels, (labels, size), before training."""

    def decide(self, prediction: Tensor) -> Tensor:
        """Raw numbers -> a value on the target's scale, or probabilities; same shape."""
        return prediction


class RegressionHead(Head):
    """One number on the target's scale.

    The linear layer works in deviations from the training mean (`fit`), so that a target of any scale is
    learned at the same rate.

    Example:
        >>> from affect.data.targets import Regression
        >>> head = RegressionHead(4, Regression("sentiment", low=-3, high=3))
        >>> head(Sequence.full(torch.ones(2, 1, 4))).shape
        torch.Size([2, 1, 1])
    """

    kind = Regression
    centre: Tensor
    scale: Tensor

    def __init__(self, in_dim: int, target: Target, dropout: float = 0.1) -> None:
        super().__init__(in_dim, target, dropout)
        self.register_buffer("centre", torch.zeros(target.outputs))
        self.register_buffer("scale", torch.ones(target.outputs))

    def fit(self, labels: Tensor) -> None:
        if not len(labels):  # of a corpus without any: the scale stays 1
            return
        self.centre.copy_(labels.mean(0))
        self.scale.copy_(labels.std(0, correction=0).clamp(min=1e-6))

    def forward(self, x: Sequence) -> Tensor:
        return self.centre + self.scale * super().forward(x)


class BinaryHead(Head):
    """One logit; the probability of yes when decided.

    Example:
        >>> from affect.data.targets import Binary
        >>> BinaryHead(4, Binary("sarcasm")).decide(torch.zeros(1, 1, 1))
        tensor([[[0.5000]]])
    """

    kind = Binary

    def decide(self, prediction: Tensor) -> Tensor:
        return prediction.sigmoid()


class MultiClassHead(Head):
    """One logit per class; probabilities that sum to one when decided.

    Example:
        >>> from affect.data.targets import MultiClass
        >>> MultiClassHead(4, MultiClass("emotion", classes=("sad", "happy"))).decide(torch.zeros(1, 1, 2))
        tensor([[[0.5000, 0.5000]]])
    """

    kind = MultiClass

    def decide(self, prediction: Tensor) -> Tensor:
        return prediction.softmax(-1)


class MultiLabelHead(Head):
    """One logit per label; each label's own probability when decided.

    Example:
        >>> from affect.data.targets import MultiLabel
        >>> MultiLabelHead(4, MultiLabel("emotion", classes=("sad", "happy"))).decide(torch.zeros(1, 1, 2))
        tensor([[[0.5000, 0.5000]]])
    """

    kind = MultiLabel

    def decide(self, prediction: Tensor) -> Tensor:
        return prediction.sigmoid()


def head_for(target: Target) -> type[Head]:
    """The head for a kind of target."""
    heads: tuple[type[Head], ...] = (RegressionHead, BinaryHead, MultiClassHead, MultiLabelHead)
    return next(head for head in heads if isinstance(target, head.kind))
