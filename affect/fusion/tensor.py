"""Tensor fusion: products of all modalities."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.errors import ConfigError
from affect.fusion.base import VectorFusion
from affect.kernels.products import product
from affect.layers import Dropout
from affect.naming import ParameterDict
from affect.pooling import Pooling
from affect.sizes import held, of_inputs


class TensorFusion(VectorFusion):
    """The outer product of all vectors with a one in front of each, then a linear layer.

    With h_m the vector of modality m, fused = W vec([1; h_1] x ... x [1; h_M]) + b: every product of
    one, two, ... M modalities has its own weight.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        dropout: rate at which values of the vectors are dropped before the product.
        limit: entries that the outer product may have; it grows as prod(dims[m] + 1).
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        only the leading one of an absent modality is left, so the products of the others stay.
    Raises:
        ConfigError: the outer product would have more than `limit` entries.
    Also known as:
        TFN.
    Reference:
        Zadeh et al., Tensor Fusion Network for Multimodal Sentiment Analysis, EMNLP 2017, eq. 2-3.
        Differs: one linear layer reads the tensor, and no hidden layer stands between it and the prediction,
        where the paper has two with ReLU.
    Example:
        >>> fusion = TensorFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {"dropout": FloatDistribution(0.0, 0.5)}

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        dropout: float = 0.1,
        limit: int = 2**20,
        pooling: Pooling | None = None,
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        sizes = [d + 1 for d in self.dims.values()]
        size = math.prod(sizes)
        if size > limit:
            of = f"{self.dims}" if len(sizes) < 10 else f"{len(sizes):,} modalities"
            many = f"{size:,}" if size < 10**18 else f"10^{int(sum(map(math.log10, sizes)))}"
            raise ConfigError(
                f"TensorFusion: the outer product of {of} has {many} entries, "
                f"the limit is {limit:,}; make the encoders narrower, raise the limit, or use LowRankFusion"
            )
        self.dropout = Dropout(dropout)
        self.project = nn.Linear(size, out_dim)
        self.cut = _cut(sizes, out_dim)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        factors = [F.pad(self.dropout(v), (1, 0), value=1.0) for v in vectors.values()]
        if len(factors) == 1:
            return self.project(factors[0])  # type: ignore[no-any-return]
        # the product is never whole: the weights meet that of the last factors first, then that of the others
        first, last = _outer(factors[: self.cut]), _outer(factors[self.cut :])
        weight = self.project.weight.view(self.out_dim, first.shape[1], last.shape[1])
        return torch.einsum("oeb,be->bo", product(weight, last), first) + self.project.bias

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        sizes = [d + 1 for d in self.dims.values()]
        first, last = math.prod(sizes[: self.cut]), math.prod(sizes[self.cut :])
        products = 3 * ((self.out_dim + 1) * first + last)
        return held(self, batch) + batch * products + of_inputs(self.dims, batch, steps, self.pooling.copies)


def _cut(sizes: list[int], out_dim: int) -> int:
    """How many factors make up the first product, so that least is held besides the weights."""
    held = {n: (out_dim + 1) * math.prod(sizes[:n]) + math.prod(sizes[n:]) for n in range(1, len(sizes))}
    return min(held, key=held.__getitem__, default=1)


def _outer(factors: list[Tensor]) -> Tensor:
    """The outer product of (batch, size) tensors, laid out as (batch, entries)."""
    found = factors[0]
    for factor in factors[1:]:
        found = torch.einsum("bi,bj->bij", found, factor).flatten(1)
    return found


class LowRankFusion(VectorFusion):
    """Tensor fusion whose weight tensor is a sum of `rank` outer products.

    With h_m the vector of modality m, fused = sum_r w_r * prod_m (F_m[r] [1; h_m]) + b.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        rank: number of outer products; cost and parameters grow linearly with it.
        dropout: rate at which values of the vectors are dropped before the product.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        only the leading one of an absent modality is left, so the product runs over what is there.
    Also known as:
        LMF.
    Reference:
        Liu et al., Efficient Low-rank Multimodal Fusion with Modality-Specific Factors, ACL 2018, eq. 6-9.
        Differs: the rank weights start equal instead of random, and are trained with all other parameters.
    Example:
        >>> fusion = LowRankFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "rank": IntDistribution(1, 16, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        rank: int = 4,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.dropout = Dropout(dropout)
        self.factors = ParameterDict(
            {
                m: nn.Parameter(torch.randn(rank, d + 1, out_dim) * (d + 1) ** -0.5)
                for m, d in self.dims.items()
            }
        )
        self.weights = nn.Parameter(torch.full((rank,), rank**-0.5))
        self.bias = nn.Parameter(torch.zeros(out_dim))

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        products = [
            torch.einsum("bd,rdo->bro", F.pad(self.dropout(v), (1, 0), value=1.0), self.factors[m])
            for m, v in vectors.items()
        ]
        product = torch.stack(products).prod(0)  # (batch, rank, out_dim)
        return torch.einsum("bro,r->bo", product, self.weights) + self.bias

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        products = 4 * (len(self.dims) + 1) * len(self.weights) * self.out_dim
        return super().activations(batch, steps) + batch * products
