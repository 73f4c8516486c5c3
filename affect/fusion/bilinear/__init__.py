"""Bilinear pooling: products of two modalities through factorised tensors; by pairs for more than two."""

from affect.fusion.bilinear.block import BlockFusion, ChunkedLinear
from affect.fusion.bilinear.compact import CompactBilinearFusion, CountSketch
from affect.fusion.bilinear.low_rank import FactorizedBilinearFusion, LowRankBilinearFusion, TuckerFusion
from affect.fusion.bilinear.pairs import ChunkedBilinear

__all__ = [
    "BlockFusion",
    "ChunkedBilinear",
    "ChunkedLinear",
    "CompactBilinearFusion",
    "CountSketch",
    "FactorizedBilinearFusion",
    "LowRankBilinearFusion",
    "TuckerFusion",
]
