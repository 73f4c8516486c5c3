"""Normalising flows: maps that can be taken back, and how much they stretch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from affect.errors import ConfigError
from affect.layers import perceptron


class CouplingFlow(nn.Module):
    """Vectors to codes and back, by layers that scale and shift one half as the other half says.

    Each layer scales and shifts every feature by learned numbers; then, with a the first half, s and t a
    perceptron's of a, the second half b becomes b exp(tanh s) + t; the halves change places. A vector of one
    feature has no halves and is scaled and shifted alone.

    Args:
        dim: feature size.
        layers: how many.
        width: hidden units of each perceptron.
    Shapes:
        values: (..., dim) -> (..., dim), and the log of the determinant of the Jacobian, (...)
    Raises:
        ConfigError: a size, or the number of layers, below one.
    Reference:
        Dinh et al., Density Estimation Using Real NVP, ICLR 2017; the learned scales as in Kingma and
        Dhariwal, Glow, NeurIPS 2018. Differs: halves change places, in place of a learned rotation.
    Example:
        >>> flow, x = CouplingFlow(3), torch.randn(2, 3)
        >>> codes, stretch = flow(x)
        >>> torch.allclose(flow.inverse(codes), x, atol=1e-5), stretch.shape
        (True, torch.Size([2]))
    """

    def __init__(self, dim: int, layers: int = 4, width: int = 32) -> None:
        super().__init__()
        if min(dim, layers, width) < 1:
            raise ConfigError(
                f"CouplingFlow: sizes and layers must be at least 1, got dim={dim}, layers={layers}, "
                f"width={width}"
            )
        self.first = [(dim + place % 2) // 2 for place in range(layers)]  # what is left in front changes
        self.scales = nn.Parameter(torch.zeros(layers, dim))
        self.shifts = nn.Parameter(torch.zeros(layers, dim))
        self.networks = nn.ModuleList(
            perceptron(size, 2 * (dim - size), 1, 0.0, width) for size in self.first if dim > 1
        )

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Codes, and the log of how much the map stretches there."""
        stretch = self.scales.sum().expand(values.shape[:-1])
        for place, size in enumerate(self.first):
            values = values * self.scales[place].exp() + self.shifts[place]
            if len(self.networks):
                scale, shift = self._told(place, values[..., :size])
                values = torch.cat([values[..., size:] * scale.exp() + shift, values[..., :size]], -1)
                stretch = stretch + scale.sum(-1)
        return values, stretch

    def inverse(self, codes: Tensor) -> Tensor:
        """The vectors that have these codes, (..., dim)."""
        for place, size in reversed(list(enumerate(self.first))):
            if len(self.networks):
                rest, told = torch.split(codes, [codes.shape[-1] - size, size], -1)
                scale, shift = self._told(place, told)
                codes = torch.cat([told, (rest - shift) * (-scale).exp()], -1)
            codes = (codes - self.shifts[place]) * (-self.scales[place]).exp()
        return codes

    def surprise(self, values: Tensor) -> Tensor:
        """The negative log density per feature, where codes are standard normal, (...)."""
        codes, stretch = self(values)
        return (codes.square().mean(-1) + math.log(2 * math.pi)) / 2 - stretch / codes.shape[-1]

    def _told(self, place: int, half: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self.networks[place](half).chunk(2, -1)
        return scale.tanh(), shift
