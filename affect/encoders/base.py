"""The contract of an encoder."""

from __future__ import annotations

from typing import ClassVar

import optuna
from torch import nn

from affect.errors import ConfigError, ShapeError
from affect.sequences import Sequence


class Encoder(nn.Module):
    """One modality's Sequence -> Sequence with feature size `out_dim`.

    Write `encode`; `forward` checks sizes on both sides. Read steps only where the mask is True,
    and leave a sample that has none without observed steps.

    Args:
        in_dim: feature size of the modality.
        out_dim: feature size of the encoded steps.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time', out_dim)
    Raises:
        ShapeError: the input has another feature size than `in_dim`.
    """

    search_space: ClassVar[dict[str, optuna.distributions.BaseDistribution]] = {}
    reads_indices: ClassVar[bool] = False
    """Whether values are word indices: they are not normalised then."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        if in_dim < 1 or out_dim < 1:
            raise ConfigError(
                f"{type(self).__name__}: sizes must be positive, got in_dim={in_dim}, out_dim={out_dim}"
            )
        self.in_dim, self.out_dim = in_dim, out_dim

    def forward(self, x: Sequence) -> Sequence:
        """Encode `x`, (batch, time, in_dim)."""
        if x.dim != self.in_dim:
            raise ShapeError(
                f"{type(self).__name__}: expected feature size {self.in_dim}, got {x.dim}; "
                "build the encoder for this modality's feature size"
            )
        encoded = self.encode(x)
        if encoded.dim != self.out_dim:
            raise ShapeError(
                f"{type(self).__name__}.encode must return feature size {self.out_dim}, got {encoded.dim}"
            )
        return encoded

    def encode(self, x: Sequence) -> Sequence:
        """What the author of an encoder writes."""
        raise NotImplementedError(f"{type(self).__name__} must define encode")
