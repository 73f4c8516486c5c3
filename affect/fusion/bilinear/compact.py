"""All products of two vectors, hashed into few sums by count sketches."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.fusion.bilinear.pairs import _PairwiseFusion, signed_root
from affect.pooling import Pooling


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
    Also known as:
        MCB.
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
        neutral = F.pad(torch.ones(1), (0, size - 1))
        super().__init__(dims, out_dim, size, lambda dim: CountSketch(dim, size), neutral, dropout, pooling)

    def multiply(self, one: Tensor, other: Tensor) -> Tensor:
        convolved: Tensor = torch.fft.irfft(torch.fft.rfft(one) * torch.fft.rfft(other), n=self.width)
        return convolved

    def reduce(self, product: Tensor) -> Tensor:
        return signed_root(product)

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        return super().activations(batch, steps) + 12 * batch * self.width * len(self.pairs)


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
