"""Bilinear pooling: products of two modalities through factorised tensors; by pairs for more than two."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.errors import ConfigError
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
        _at_least_one(type(self).__name__, width=width)
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
    """Products of projections, summed by `rank`, with root and length normalised; of higher order if wanted.

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
        _at_least_one(type(self).__name__, width=width, rank=rank, order=order)
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
        return _normalised(powers.sum(-1)).flatten(1)  # (batch, order * sums)


class TuckerFusion(_PairwiseFusion):
    """Tucker decomposition of a bilinear form whose core is a sum of `rank` matrices of rank one.

    With x and y the vectors of two modalities, x' = tanh(U x + u) and y' = tanh(V y + v),
    z = sum_r (M_r x' + m_r) * (N_r y' + n_r); fused = W z + b, where z holds every pair's sums side by side.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: size of x', y' and z.
        rank: products in each sum.
        dropout: rate at which sums are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        learned vectors, ones until trained, are the factors of an absent modality: the other's pass alone.
    Raises:
        ConfigError: a single modality, or a width or rank below one.
    Reference:
        Ben-younes et al., MUTAN: Multimodal Tucker Fusion for Visual Question Answering, ICCV 2017, section
        3.
        Differs: biases; a pair for every two modalities.
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
    ) -> None:
        _at_least_one(type(self).__name__, width=width, rank=rank)
        super().__init__(
            dims,
            out_dim,
            width,
            lambda dim: nn.Sequential(nn.Linear(dim, width), nn.Tanh(), nn.Linear(width, rank * width)),
            torch.ones(rank * width),
            dropout,
            pooling,
        )
        self.rank = rank

    def reduce(self, product: Tensor) -> Tensor:
        return product.reshape(len(product), self.rank, -1).sum(1)


class CompactBilinearFusion(_PairwiseFusion):
    """All products of two vectors, hashed into `size` sums without being made: count sketches and an FFT.

    With s_x and s_y the count sketches of two modalities, their circular convolution is the count sketch of
    the outer product of x and y; then the signed root, divided by the length; fused = W z + b.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        size: places that products are hashed to.
        dropout: rate at which sums are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        a learned sketch, until trained the neutral one of convolution, is that of an absent modality: the
        other's passes alone.
    Raises:
        ConfigError: a single modality, or a size below one.
    Reference:
        Fukui et al., Multimodal Compact Bilinear Pooling for Visual Question Answering and Visual Grounding,
        EMNLP 2016, algorithm 1.
        Differs: the root is x / sqrt(|x| + 1e-4), so that rounding is not magnified; a pair for every two
        modalities.
    Example:
        >>> fusion = CompactBilinearFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "size": CategoricalDistribution((256, 512, 1024, 2048)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        size: int = 512,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
    ) -> None:
        _at_least_one(type(self).__name__, size=size)
        neutral = F.pad(torch.ones(1), (0, size - 1))
        super().__init__(dims, out_dim, size, lambda dim: CountSketch(dim, size), neutral, dropout, pooling)

    def multiply(self, one: Tensor, other: Tensor) -> Tensor:
        convolved: Tensor = torch.fft.irfft(torch.fft.rfft(one) * torch.fft.rfft(other), n=self.width)
        return convolved

    def reduce(self, product: Tensor) -> Tensor:
        return _normalised(product)


class CountSketch(nn.Module):
    """Each feature is added to one of `size` places, or taken from it; places and signs are drawn once.

    Args:
        dim: feature size.
        size: places.
    Shapes:
        x: (batch, dim) -> (batch, size), in single precision or more
    Reference:
        Charikar et al., Finding Frequent Items in Data Streams, ICALP 2002.
    Example:
        >>> CountSketch(3, size=8)(torch.ones(2, 3)).abs().sum(1) <= 3
        tensor([True, True])
    """

    place: Tensor
    sign: Tensor

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("place", torch.randint(size, (dim,)))
        self.register_buffer("sign", torch.randint(2, (dim,)) * 2.0 - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Sketch `x`."""
        x = x.to(torch.promote_types(x.dtype, torch.float32)) * self.sign  # an FFT needs as much
        return x.new_zeros(len(x), self.size).index_add(1, self.place, x)


class BlockFusion(_PairwiseFusion):
    """A bilinear form with a block of its own for each chunk of the projections, each block of low rank.

    The projections U x + u and V y + v of two modalities are cut into chunks; the products of a chunk's maps
    are summed by `rank`, take the signed root and are divided by their length; fused = W z + b.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: size of the projections and of what the blocks give; divisible by `chunks`.
        chunks: blocks.
        rank: products in each sum.
        dropout: rate at which sums are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        learned vectors, ones until trained, are the factors of an absent modality: the other's pass alone.
    Raises:
        ConfigError: a single modality, a width, rank or chunks below one, or a width that chunks do not
            divide.
    Reference:
        Ben-younes et al., BLOCK: Bilinear Superdiagonal Fusion for Visual Question Answering and Visual
        Relationship Detection, AAAI 2019, section 3.
        Differs: the root is x / sqrt(|x| + 1e-4), so that rounding is not magnified; a pair for every two
        modalities.
    Example:
        >>> fusion = BlockFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64, 128)),
        "chunks": CategoricalDistribution((2, 4, 8)),
        "rank": IntDistribution(1, 16, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        chunks: int = 4,
        rank: int = 4,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
    ) -> None:
        _at_least_one(type(self).__name__, width=width, chunks=chunks, rank=rank)
        if width % chunks:
            raise ConfigError(f"BlockFusion: width must be divisible by chunks, got {width} and {chunks}")
        super().__init__(
            dims,
            out_dim,
            width,
            lambda dim: nn.Sequential(nn.Linear(dim, width), ChunkedLinear(width, rank * width, chunks)),
            torch.ones(rank * width),
            dropout,
            pooling,
        )
        self.chunks, self.rank = chunks, rank

    def reduce(self, product: Tensor) -> Tensor:
        sums = product.reshape(len(product), self.chunks, self.rank, -1).sum(2)
        return _normalised(sums).flatten(1)


class ChunkedLinear(nn.Module):
    """A linear map of each chunk of the features on its own: a matrix of blocks along the diagonal.

    Args:
        in_dim: feature size, divisible by `chunks`.
        out_dim: size of what comes out, divisible by `chunks`.
        chunks: maps.
    Shapes:
        x: (batch, in_dim) -> (batch, out_dim)
    Example:
        >>> ChunkedLinear(4, 6, chunks=2)(torch.ones(5, 4)).shape
        torch.Size([5, 6])
    """

    def __init__(self, in_dim: int, out_dim: int, chunks: int) -> None:
        super().__init__()
        size = in_dim // chunks
        self.weight = nn.Parameter((2 * torch.rand(chunks, size, out_dim // chunks) - 1) * size**-0.5)
        self.bias = nn.Parameter((2 * torch.rand(chunks, out_dim // chunks) - 1) * size**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map each chunk."""
        mapped = torch.einsum("bci,cio->bco", x.reshape(len(x), len(self.weight), -1), self.weight)
        return (mapped + self.bias).flatten(1)


def _normalised(x: Tensor) -> Tensor:
    """The signed root, of a bounded slope at zero, lest it magnify rounding, divided by its length."""
    return F.normalize(x * (x.abs() + 1e-4).rsqrt(), dim=-1)


def _at_least_one(who: str, **sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{who}: {name} must be at least 1, got {size}")
