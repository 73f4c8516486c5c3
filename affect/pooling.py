"""Steps to one vector per sample: only observed steps count."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from affect.errors import ConfigError, ShapeError
from affect.sequences import Sequence, extent, pick


class Pooling(nn.Module):
    """Sequence -> one vector per sample, (batch, factor * feature); zeros where no step was observed."""

    factor: ClassVar[int] = 1
    """Numbers that come out for each feature."""
    copies: ClassVar[int] = 5
    """Numbers that are held at most, with their gradients, for each that is read."""

    def forward(self, x: Sequence) -> Tensor:
        """Pool `x` over its observed steps."""
        raise NotImplementedError(f"{type(self).__name__} must define forward")

    def reads(self, mask: Tensor) -> Tensor | None:
        """The steps that count, (batch, time) bool -> (batch, any time) int; None where all do."""
        return None

    def check_keeps_size(self, who: str) -> None:
        """Refuse a pooling that changes the feature size; `who` begins the message.

        Raises:
            ConfigError: it does.
        """
        if self.factor != 1:
            raise ConfigError(f"{who}: {type(self).__name__} changes the feature size; use one that keeps it")


class MeanPooling(Pooling):
    """The mean over observed steps.

    Example:
        >>> MeanPooling()(Sequence.full(torch.tensor([[[1.0], [3.0]]])))
        tensor([[2.]])
    """

    copies: ClassVar[int] = 2

    def forward(self, x: Sequence) -> Tensor:
        return x.mean()


class MaxPooling(Pooling):
    """The largest value of each feature over observed steps.

    Example:
        >>> MaxPooling()(Sequence.full(torch.tensor([[[1.0], [3.0]]])))
        tensor([[3.]])
    """

    def forward(self, x: Sequence) -> Tensor:
        highest = x.values.masked_fill(~x.mask.unsqueeze(-1), -torch.inf).amax(1)
        return torch.where(x.present.unsqueeze(-1), highest, 0)


class LastPooling(Pooling):
    """The last observed step: what a recurrent encoder has read when it is done.

    Example:
        >>> LastPooling()(Sequence.full(torch.tensor([[[1.0], [3.0]]])))
        tensor([[3.]])
    """

    copies: ClassVar[int] = 2

    def forward(self, x: Sequence) -> Tensor:
        return pick(x.values, self.reads(x.mask)).squeeze(1)

    def reads(self, mask: Tensor) -> Tensor:
        steps = torch.arange(1, mask.shape[1] + 1, device=mask.device)
        return (steps * mask).argmax(1, keepdim=True)  # 0 where nothing was observed: that step holds zeros


class EndsPooling(Pooling):
    """The first half of the features at the last observed step, the second half at the first one.

    What both directions of a bidirectional recurrent encoder have read when they are done: `LastPooling` has
    of the second direction what it read of a single step.

    Raises:
        ShapeError: there is an odd number of features.
    Example:
        >>> EndsPooling()(Sequence.full(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])))
        tensor([[3., 2.]])
    """

    copies: ClassVar[int] = 2

    def forward(self, x: Sequence) -> Tensor:
        if x.dim % 2:
            raise ShapeError(f"EndsPooling: expected an even number of features, two halves, got {x.dim}")
        first, later = extent(x.mask)
        forwards, backwards = x.values.chunk(2, -1)
        ends = pick(forwards, first + later), pick(backwards, first)
        return torch.cat(ends, -1).squeeze(1)


class MeanStdPooling(Pooling):
    """Mean and standard deviation over observed steps: the statistics of classical acoustic baselines.

    Example:
        >>> MeanStdPooling()(Sequence.full(torch.tensor([[[1.0], [3.0]]])))
        tensor([[2., 1.]])
    """

    factor: ClassVar[int] = 2

    def forward(self, x: Sequence) -> Tensor:
        mean = x.mean()
        away = x.with_values(x.values - mean.unsqueeze(1))
        variance = away.with_values(away.values.square()).mean()
        # the root has no slope at zero: a constant feature must not send NaN backwards
        spread = torch.where(variance > 0, variance.clamp(min=1e-12).sqrt(), 0)
        return torch.cat([mean, spread], -1)
