"""Layers that encoders and fusions are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from affect import renamed
from affect.errors import ConfigError, did_you_mean
from affect.kernels.dropout import dropout as dropout_of

Activation: TypeAlias = Literal["gelu", "relu", "tanh", "sigmoid", "none"]
"""What stands between two linear layers; with `none` they are one."""

_ACTIVATIONS: Final[Mapping[str, type[nn.Module]]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "none": nn.Identity,
}


def activation_of(name: Activation) -> nn.Module:
    """An activation by its name.

    Raises:
        ConfigError: there is none of that name.
    Example:
        >>> activation_of("relu")
        ReLU()
    """
    if name not in _ACTIVATIONS:
        raise ConfigError(f"activation: no '{name}'; {did_you_mean(str(name), _ACTIVATIONS)}")
    return _ACTIVATIONS[name]()


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` by `affect.kernels.dropout`.

    Example:
        >>> Dropout(0.5).eval()(torch.ones(2))
        tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Lose values in training."""
        return dropout_of(input, self.p, self.training)


def perceptron(
    in_dim: int,
    out_dim: int,
    layers: int,
    dropout: float,
    hidden: int | None = None,
    activation: Activation = "gelu",
) -> nn.Sequential:
    """`layers` hidden layers of size `hidden`, or else `out_dim`, then a linear one; none makes it linear.

    Example:
        >>> perceptron(3, 2, layers=0, dropout=0.1)
        Sequential(
          (0): Linear(in_features=3, out_features=2, bias=True)
        )
    """
    parts: list[nn.Module] = []
    hidden = out_dim if hidden is None else hidden
    for _ in range(layers):
        parts += [nn.Linear(in_dim, hidden), activation_of(activation), Dropout(dropout)]
        in_dim = hidden
    return nn.Sequential(*parts, nn.Linear(in_dim, out_dim))


class BatchNorm(nn.BatchNorm1d):
    """Features normalised over the rows of a batch that are there; in use, by what training saw on average.

    Args:
        num_features: feature size.
    Shapes:
        x: (row, feature), there: (row,) bool -> (row, feature)
    Missing:
        a row that is not there is in no mean; with fewer than two, the averages of training are used.
    Reference:
        Ioffe and Szegedy, Batch Normalization, ICML 2015. Differs: rows may be left out of the means.
    Example:
        >>> x, there = torch.tensor([[1.0], [3.0], [9.0]]), torch.tensor([True, True, False])
        >>> BatchNorm(1)(x, there)[:2].round().tolist()
        [[-1.0], [1.0]]
    """

    running_mean: Tensor
    running_var: Tensor

    def forward(self, x: Tensor, there: Tensor) -> Tensor:  # type: ignore[override]  # torch's knows no mask
        """(row, feature) and (row,) bool -> (row, feature)."""
        mean, spread = self.running_mean, self.running_var
        if self.training:
            count, rows = there.sum(), there.unsqueeze(-1).to(spread)
            own = (x * rows).sum(0) / count.clamp(min=1)
            squares = ((x - own).square() * rows).sum(0)
            with torch.no_grad():
                share = (count > 1).to(mean) * (self.momentum or 0.0)
                self.running_mean.lerp_(own.to(mean), share)
                self.running_var.lerp_((squares / (count - 1).clamp(min=1)).to(spread), share)
            mean = torch.where(count > 1, own, mean.clone())
            spread = torch.where(count > 1, squares / count.clamp(min=1), spread.clone())
        normed = (x - mean) * (spread + self.eps).rsqrt()
        return (normed * self.weight + self.bias).to(x)


class PresenceWeights(nn.Module):
    """One weight per part; over the parts that are there they sum to one.

    Args:
        parts: how many.
        learned: whether the weights are; else all that are there have the same.
    Shapes:
        present: (batch, part) bool -> (batch, part)
    Missing:
        an absent part has weight zero; without any part all are zero.
    Example:
        >>> PresenceWeights(2)(torch.tensor([[True, True], [True, False]])).tolist()
        [[0.5, 0.5], [1.0, 0.0]]
    """

    logits: Tensor

    def __init__(self, parts: int, learned: bool = True) -> None:
        super().__init__()
        if learned:
            self.logits = nn.Parameter(torch.zeros(parts))
        else:
            self.register_buffer("logits", torch.zeros(parts), persistent=False)

    def forward(self, present: Tensor) -> Tensor:
        """(batch, part) bool -> (batch, part)."""
        return softmax_over(self.logits.expand(present.shape), present, -1)


def softmax_over(scores: Tensor, mask: Tensor, dim: int) -> Tensor:
    """Softmax along `dim` over what `mask` holds; the rest is zero, and all is where it holds nothing.

    Example:
        >>> softmax_over(torch.zeros(2, 2), torch.tensor([[True, True], [False, False]]), -1)
        tensor([[0.5000, 0.5000],
                [0.0000, 0.0000]])
    """
    left_out = ~mask & mask.any(dim, keepdim=True)  # a softmax over nothing would be NaN
    return scores.masked_fill(left_out, -torch.inf).softmax(dim) * mask


def sinusoids(places: Tensor, dim: int) -> Tensor:
    """Sines and cosines of where steps stand, (batch, time) -> (batch, time, dim).

    Reference:
        Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.5.
    Example:
        >>> sinusoids(torch.tensor([[0.0, 1.0]]), 2)
        tensor([[[0.0000, 1.0000],
                 [0.8415, 0.5403]]])
    """
    evens = torch.arange(0, dim, 2, device=places.device, dtype=places.dtype)
    angles = places.unsqueeze(-1) * torch.exp(evens * (-math.log(10000.0) / dim))
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[..., :dim]


class Convolution(nn.Conv1d):
    """A convolution over time that gives as many steps as it reads.

    Args:
        in_dim: feature size of what it reads.
        out_dim: feature size of what comes out.
        kernel: steps that it spans, odd.
        dilation: how far apart they stand.
        causal: whether the last of them is the step itself, not the one in the middle.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim)
    Example:
        >>> Convolution(3, 4, kernel=5)(torch.ones(2, 7, 3)).shape
        torch.Size([2, 7, 4])
    """

    def __init__(
        self, in_dim: int, out_dim: int, kernel: int, dilation: int = 1, causal: bool = False
    ) -> None:
        before = dilation * (kernel - 1)
        super().__init__(in_dim, out_dim, kernel, dilation=dilation, padding=0 if causal else before // 2)
        self.before = before if causal else 0

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, in_dim) -> (batch, time, out_dim)."""
        steps = x.transpose(1, 2)
        return super().forward(pad(steps, (self.before, 0)) if self.before else steps).transpose(1, 2)


def check_kernel(who: str, kernel: int) -> None:
    """Refuse a convolution that has no step in its middle.

    Raises:
        ConfigError: `kernel` is even, or below one.
    Example:
        >>> check_kernel("ConvolutionalEncoder", 4)
        Traceback (most recent call last):
        affect.errors.ConfigError: ConvolutionalEncoder: kernel must be odd, got 4
    """
    if kernel < 1 or kernel % 2 == 0:
        raise ConfigError(f"{who}: kernel must be odd, got {kernel}")


__getattr__ = renamed.names(
    __name__,
    {
        "dropout": "affect.kernels.dropout.dropout",
        **{
            name: f"affect.attention.{name}"
            for name in ("Attention", "TransformerLayer", "TransformerStack", "check_heads", "feedforward")
        },
    },
)
