"""Heads: the fused Sequence to a prediction."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor, nn

from affect.bounds import Bounded
from affect.classes.factories import made_of
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression, Target
from affect.errors import ConfigError
from affect.layers import Activation, BatchNorm, Dropout, activation_of
from affect.sequences import Sequence


class Head(Bounded, nn.Module):
    """Sequence -> the numbers that one kind of target asks for: dropout, then a linear layer, or several.

    A per-step target is predicted at every step; for one label per sample the steps are averaged by their
    mask first. The prediction is raw (logits for classes); `decide` turns it into what metrics and
    files hold.

    Args:
        in_dim: feature size of the fused Sequence.
        target: what to predict.
        dropout: rate at which the values that a linear layer reads are dropped.
        layers: hidden layers. The fused values are those of the first, as fusions end with a linear layer:
            1 puts an activation between the fusion and the linear layer, 2 another layer of the same size.
        activation: of hidden layers.
        normed: whether the fused values are normalised over the batch first (`affect.layers.BatchNorm`).
        bounded: whether a number is predicted within the ends of its target, by a sigmoid; labels are not
            looked at then. Classes are bounded anyway.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time or 1, target.outputs)
    Missing:
        an unobserved step is read as zeros, and is in no mean of a batch.
    Raises:
        ConfigError: the target is of another kind than the head's, or has no ends to be within.
    Example:
        >>> from affect.data.targets import MultiClass
        >>> head = MultiClassHead(4, MultiClass("emotion", classes=("sad", "angry", "happy")))
        >>> head(Sequence.full(torch.ones(2, 7, 4))).shape
        torch.Size([2, 1, 3])
    """

    kind: ClassVar[type[Target]] = Target
    search_space: ClassVar[dict[str, BaseDistribution]] = {"dropout": FloatDistribution(0.0, 0.5)}

    def __init__(
        self,
        in_dim: int,
        target: Target,
        dropout: float = 0.1,
        layers: int = 0,
        activation: Activation = "gelu",
        normed: bool = False,
        bounded: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(target, self.kind):
            raise ConfigError(
                f"{type(self).__name__}: expected a {self.kind.__name__} target, "
                f"got {type(target).__name__} '{target.name}'; leave the head out to get the one that fits"
            )
        self.target, self.bounded = target, bounded
        self.causal = target.per_step  # no prediction depends on a later step
        parts: list[nn.Module] = []
        for left in range(layers, 0, -1):
            parts += [activation_of(activation), Dropout(dropout)]
            parts += [nn.Linear(in_dim, in_dim)] * (left > 1)
        last = [Dropout(dropout)] * (not layers)
        self.norm = BatchNorm(in_dim) if normed else None
        self.layers = nn.Sequential(*parts, *last, nn.Linear(in_dim, target.outputs))
        self._prepare()

    def forward(self, x: Sequence) -> Tensor:
        """Predict from the fused Sequence."""
        values, there = (x.values, x.mask) if self.target.per_step else _vector(x)
        if self.norm is not None:
            normed = self.norm(values.flatten(0, 1), there.flatten()).view_as(values)
            values = normed * there.unsqueeze(-1)
        prediction: Tensor = self.layers(values)
        return prediction

    def _prepare(self) -> None:
        """What a kind of head has besides, when it is made."""

    def fit(self, labels: Tensor) -> None:
        """Take what a head may know of the training split's labels, (labels, size), before training."""

    def decide(self, prediction: Tensor) -> Tensor:
        """Raw numbers -> a value on the target's scale, or probabilities; same shape."""
        return prediction


class RegressionHead(Head):
    """One number on the target's scale.

    The last layer works in deviations from the training mean (`fit`), so that a target of any scale is
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

    def _prepare(self) -> None:
        target = self.target
        self.register_buffer("centre", torch.zeros(target.outputs))
        self.register_buffer("scale", torch.ones(target.outputs))
        if self.bounded:
            low, high = (getattr(target, end) for end in ("low", "high"))
            if low is None or high is None:
                raise ConfigError(
                    f"RegressionHead: bounded: needs both ends of '{target.name}', got low={low}, "
                    f"high={high}; say them in the target, or say bounded: false"
                )
            self.centre.fill_(low)
            self.scale.fill_(high - low)

    def fit(self, labels: Tensor) -> None:
        if self.bounded or not len(labels):  # of a corpus without any: the scale stays 1
            return
        self.centre.copy_(labels.mean(0))
        self.scale.copy_(labels.std(0, correction=0).clamp(min=1e-6))

    def forward(self, x: Sequence) -> Tensor:
        found = super().forward(x)
        return self.centre + self.scale * (found.sigmoid() if self.bounded else found)


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


def _vector(x: Sequence) -> tuple[Tensor, Tensor]:
    """The mean step of each sample, (batch, 1, feature), and whether there is one, (batch, 1)."""
    return x.mean().unsqueeze(1), x.present.unsqueeze(1)


def head_for(target: Target) -> type[Head]:
    """The head for a kind of target."""
    heads: tuple[type[Head], ...] = (RegressionHead, BinaryHead, MultiClassHead, MultiLabelHead)
    return next(head for head in heads if isinstance(target, head.kind))


def is_general(factory: Any) -> bool:
    """Whether a factory is `Head` or a partial of it: it stands for the head of any kind of target."""
    return made_of(factory) is Head


def head_of(target: Target, factory: Callable[..., Head] | None = None) -> Callable[..., Head]:
    """What makes the head for a target.

    Args:
        target: what to predict.
        factory: is left as it is, unless it is none, `Head` or a partial of that: then it is the one for the
            kind of target, with the same arguments.
    Example:
        >>> from affect.data.targets import Regression
        >>> head_of(Regression("mood"), partial(Head, layers=1))(4, Regression("mood")).layers
        Sequential(
          (0): GELU(approximate='none')
          (1): Dropout(p=0.1, inplace=False)
          (2): Linear(in_features=4, out_features=1, bias=True)
        )
    """
    if factory is not None and not is_general(factory):
        return factory
    arguments = factory.keywords if isinstance(factory, partial) else {}
    return partial(head_for(target), **arguments) if arguments else head_for(target)
