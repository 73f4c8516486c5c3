"""A bilinear form of blocks along the diagonal."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.errors import ConfigError
from affect.fusion.bilinear.pairs import ChunkedBilinear, _PairwiseFusion, signed_root
from affect.pooling import Pooling


class BlockFusion(_PairwiseFusion):
    """A bilinear form with a block of its own for each chunk of the projections, each block of low rank.

    The projections U x + u and V y + v of two modalities are cut into chunks; the products of a chunk's maps
    are summed by `rank`, take the signed root and are divided by their length; fused = W z + b. If they are
    `full`, the blocks are not of low rank: each is a tensor of its own, for every pair.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: size of the projections and of what the blocks give; divisible by `chunks`.
        chunks: blocks.
        rank: products in each sum; not used if they are `full`.
        dropout: rate at which sums are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
        full: whether each block is a tensor of (width / chunks) ** 3 numbers for every pair.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        learned vectors, ones until trained, are the factors of an absent modality: the other's pass alone.
    Raises:
        ConfigError: a single modality, a width, rank or chunks below one, or a width that chunks do not
            divide.
    Also known as:
        BLOCK; with `full` BlockTucker.
    Reference:
        Ben-younes et al., BLOCK: Bilinear Superdiagonal Fusion for Visual Question Answering and Visual
        Relationship Detection, AAAI 2019, section 3.
        Differs: the root is x / sqrt(|x| + 1e-4), so that rounding is not magnified; a pair for every two
        modalities. `full` is the module BlockTucker of the authors' block.bootstrap.pytorch.
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
        full: bool = False,
    ) -> None:
        if width % chunks:
            raise ConfigError(f"BlockFusion: width must be divisible by chunks, got {width} and {chunks}")
        super().__init__(
            dims,
            out_dim,
            width,
            lambda dim: nn.Sequential(
                nn.Linear(dim, width), *([] if full else [ChunkedLinear(width, rank * width, chunks)])
            ),
            torch.ones(width if full else rank * width),
            dropout,
            pooling,
        )
        self.chunks, self.rank, self.full = chunks, rank, full
        self.blocks = nn.ModuleList(ChunkedBilinear(width, chunks) for _ in self.pairs if full)

    def join(self, one: Tensor, other: Tensor, number: int) -> Tensor:
        if not self.full:
            return super().join(one, other, number)
        made: Tensor = self.blocks[number](one, other)
        return signed_root(made.reshape(len(made), self.chunks, -1)).flatten(1)

    def reduce(self, product: Tensor) -> Tensor:
        sums = product.reshape(len(product), self.chunks, self.rank, -1).sum(2)
        return signed_root(sums).flatten(1)


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
