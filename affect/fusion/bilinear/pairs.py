"""Products of every two modalities: what all bilinear fusions share."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affect.fusion.base import VectorFusion
from affect.layers import Dropout
from affect.naming import ModuleDict, ParameterDict, apart
from affect.pooling import Pooling


class _PairwiseFusion(VectorFusion):
    """Multiplies a factor of each of two modalities, for every pair, and reads the products side by side.

    Subclasses hand over how a factor is made, and write `reduce`, which brings a product to `width` numbers.
    """

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int,
        factor: Callable[[int], nn.Module],
        neutral: Tensor,
        dropout: float,
        pooling: Pooling | None,
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.require(2)
        self.width = width
        self.pairs = [
            {m: f"{apart(m, 'in')} in {pair}" for m in pair} for pair in itertools.combinations(self.dims, 2)
        ]  # each modality of a pair, with what its side of the pair is called
        sides = [(side, m) for pair in self.pairs for m, side in pair.items()]
        self.factors = ModuleDict({side: factor(self.dims[m]) for side, m in sides})
        self.absent = ParameterDict({side: nn.Parameter(neutral.clone()) for side, _ in sides})
        self.dropout = Dropout(dropout)
        self.out = nn.Linear(len(self.pairs) * width, out_dim)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        reduced = []
        for pair in self.pairs:
            one, other = (
                torch.where(present[m].unsqueeze(-1), self.factors[side](vectors[m]), self.absent[side])
                for m, side in pair.items()
            )
            reduced.append(self.reduce(self.multiply(one, other)))
        fused: Tensor = self.out(self.dropout(torch.cat(reduced, -1)))
        return fused

    def multiply(self, one: Tensor, other: Tensor) -> Tensor:
        """The product of two factors, (batch, size)."""
        return one * other

    def reduce(self, product: Tensor) -> Tensor:
        """(batch, size) -> (batch, width)."""
        return product


def signed_root(x: Tensor) -> Tensor:
    """The signed root, of a bounded slope at zero, lest it magnify rounding, divided by its length."""
    return F.normalize(x * (x.abs() + 1e-4).rsqrt(), dim=-1)
