"""Bilinear forms of low rank: products of projections, and their sums."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.fusion.bilinear.pairs import ChunkedBilinear, _PairwiseFusion, signed_root
from affect.layers import Activation, activation_of
from affect.pooling import Pooling


class LowRankBilinearFusion(_PairwiseFusion):
    """The product of two projections: a bilinear form whose matrices have rank `width`.

    With x and y the vectors of two modalities, z = tanh(U x + u) * tanh(V y + v); fused = P z + b, where z
    holds every pair's products side by side.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: rank: products of each pair.
        dropout: rate at which products are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        a learned vector, ones until trained, is the factor of an absent modality: the other's passes alone.
    Raises:
        ConfigError: a single modality, or a width below one.
    Also known as:
        MLB, Hadamard product.
    Reference:
        Kim et al., Hadamard Product for Low-rank Bilinear Pooling, ICLR 2017, section 3.
        Differs: a pair for every two modalities.
    Example:
        >>> fusion = LowRankBilinearFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": IntDistribution(8, 128, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
    ) -> None:
        super().__init__(
            dims,
            out_dim,
            width,
            lambda dim: nn.Sequential(nn.Linear(dim, width), nn.Tanh()),
            torch.ones(width),
            dropout,
            pooling,
        )


class FactorizedBilinearFusion(_PairwiseFusion):
    """Products of projections, summed by `rank`, with root and length normalised; optionally of higher order.

    With x and y the vectors of two modalities and p_i = (U_i x + u_i) * (V_i y + v_i), order i multiplies p_1
    ... p_i, sums `rank` neighbours, takes the signed root, and divides by the length. Orders stand side by
    side.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: sums of each pair and order.
        rank: products in each sum.
        order: 1 is factorised bilinear pooling; more multiplies further pairs of projections into it.
        dropout: rate at which sums are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        a learned vector, ones until trained, is the factor of an absent modality: the other's passes alone.
    Raises:
        ConfigError: a single modality, or a width, rank or order below one.
    Also known as:
        MFB, MFH.
    Reference:
        Yu et al., Multi-modal Factorized Bilinear Pooling with Co-attention Learning, ICCV 2017 (order 1);
        Yu et al., Beyond Bilinear: Generalized Multimodal Factorized High-Order Pooling, TNNLS 2018.
        Differs: dropout after the normalisation; the root's slope is at most 100; a pair for every two
        modalities.
    Example:
        >>> fusion = FactorizedBilinearFusion({"text": 3, "visual": 2}, out_dim=4, order=2)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": IntDistribution(8, 128, log=True),
        "rank": IntDistribution(1, 8),
        "order": IntDistribution(1, 3),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        rank: int = 4,
        order: int = 1,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
    ) -> None:
        size = order * width * rank
        super().__init__(
            dims,
            out_dim,
            order * width,
            lambda dim: nn.Linear(dim, size),
            torch.ones(size),
            dropout,
            pooling,
        )
        self.rank, self.order = rank, order

    def reduce(self, product: Tensor) -> Tensor:
        powers = product.reshape(len(product), self.order, -1, self.rank).cumprod(1)
        return signed_root(powers.sum(-1)).flatten(1)  # (batch, order * sums)


class TuckerFusion(_PairwiseFusion):
    """Tucker decomposition of a bilinear form whose core is a sum of `rank` matrices of rank one.

    With x and y the vectors of two modalities, x' = tanh(U x + u) and y' = tanh(V y + v),
    z = sum_r (M_r x' + m_r) * (N_r y' + n_r); fused = W z + b, where z holds every pair's sums side by side.
    If it is `full`, the core is not of low rank: z_k = x' T_k y' + t_k with a tensor T for every pair.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: size of x', y' and z.
        rank: products in each sum; not used if it is `full`.
        dropout: rate at which sums are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
        full: whether the core is a tensor of width * width * width numbers for every pair.
        activation: of x' and y'.
        normed: whether z takes the signed root and is divided by its length, for each pair.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        learned vectors, ones until trained, are the factors of an absent modality: the other's pass alone.
    Raises:
        ConfigError: a single modality, no such activation, or a width or rank below one.
    Also known as:
        MUTAN; with `full` Tucker fusion.
    Reference:
        Ben-younes et al., MUTAN: Multimodal Tucker Fusion for Visual Question Answering, ICCV 2017, section
        3.
        Differs: biases; a pair for every two modalities. The modules Mutan and Tucker of the authors'
        block.bootstrap.pytorch have no tanh: `activation="none"`, and `full=True` for Tucker; `normed` is
        their `normalize`, with the root x / sqrt(|x| + 1e-4), so that rounding is not magnified.
    Example:
        >>> fusion = TuckerFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": IntDistribution(8, 128, log=True),
        "rank": IntDistribution(1, 16, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        rank: int = 4,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
        full: bool = False,
        activation: Activation = "tanh",
        normed: bool = False,
    ) -> None:
        size = width if full else rank * width
        super().__init__(
            dims,
            out_dim,
            width,
            lambda dim: nn.Sequential(
                nn.Linear(dim, width),
                activation_of(activation),
                *([] if full else [nn.Linear(width, size)]),
            ),
            torch.ones(size),
            dropout,
            pooling,
        )
        self.rank, self.full, self.normed = rank, full, normed
        self.cores = nn.ModuleList(ChunkedBilinear(width, 1) for _ in self.pairs if full)

    def join(self, one: Tensor, other: Tensor, number: int) -> Tensor:
        z = self.cores[number](one, other) if self.full else super().join(one, other, number)
        return signed_root(z) if self.normed else z

    def reduce(self, product: Tensor) -> Tensor:
        return product.reshape(len(product), self.rank, -1).sum(1)
