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

    Subclasses hand over how a factor is made, and write `reduce`, which brings a product to `width` numbers,
    or `join`, where a pair has more of its own than its factors.
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
        for number, pair in enumerate(self.pairs):
            one, other = (
                torch.where(present[m].unsqueeze(-1), self.factors[side](vectors[m]), self.absent[side])
                for m, side in pair.items()
            )
            reduced.append(self.join(one, other, number))
        fused: Tensor = self.out(self.dropout(torch.cat(reduced, -1)))
        return fused

    def join(self, one: Tensor, other: Tensor, number: int) -> Tensor:
        """What the factors of a pair become, (batch, width); pairs have numbers, in their order."""
        return self.reduce(self.multiply(one, other))

    def multiply(self, one: Tensor, other: Tensor) -> Tensor:
        """The product of two factors, (batch, size)."""
        return one * other

    def reduce(self, product: Tensor) -> Tensor:
        """(batch, size) -> (batch, width)."""
        return product


class ChunkedBilinear(nn.Module):
    """A bilinear form of two vectors' chunks, each with a core tensor of its own.

    Args:
        size: of both vectors, and of what comes out; divisible by `chunks`.
        chunks: forms; one reads the whole vectors.
    Shapes:
        one, other: (batch, size) -> (batch, size)
    Example:
        >>> ChunkedBilinear(6, chunks=2)(torch.ones(5, 6), torch.ones(5, 6)).shape
        torch.Size([5, 6])
    """

    def __init__(self, size: int, chunks: int) -> None:
        super().__init__()
        own = size // chunks
        self.weight = nn.Parameter((2 * torch.rand(chunks, own, own, own) - 1) * own**-0.5)
        self.bias = nn.Parameter((2 * torch.rand(chunks, own) - 1) * own**-0.5)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """The form of each two chunks."""
        one, other = (x.reshape(len(x), len(self.weight), -1) for x in (one, other))
        made = torch.einsum("bcj,cijo->bcio", other, self.weight)
        return ((one.unsqueeze(-1) * made).sum(2) + self.bias).flatten(1)


def signed_root(x: Tensor) -> Tensor:
    """The signed root, of a bounded slope at zero, lest it magnify rounding, divided by its length."""
    return F.normalize(x * (x.abs() + 1e-4).rsqrt(), dim=-1)
