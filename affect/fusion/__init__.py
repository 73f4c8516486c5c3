"""Fusions: Sequences by name to one Sequence."""

from affect.fusion.base import Fusion, FusionFactory, VectorFusion
from affect.fusion.concatenation import ConcatenationFusion, WeightedSumFusion
from affect.fusion.decision import HybridFusion, LateFusion
from affect.fusion.steps import PerStep
from affect.fusion.tensor import LowRankFusion, TensorFusion

__all__ = [
    "ConcatenationFusion",
    "Fusion",
    "FusionFactory",
    "HybridFusion",
    "LateFusion",
    "LowRankFusion",
    "PerStep",
    "TensorFusion",
    "VectorFusion",
    "WeightedSumFusion",
]
