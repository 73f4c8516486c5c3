"""Modules before a fusion that bring modalities onto the same steps: by resampling, warping, attention."""

from affect.aligners.attention import AttentionAligner
from affect.aligners.base import Aligner, AlignerFactory
from affect.aligners.dtw import Warping, soft_dtw, warp
from affect.aligners.resampling import ResamplingAligner, resample
from affect.aligners.warping import WarpingAligner

__all__ = [
    "Aligner",
    "AlignerFactory",
    "AttentionAligner",
    "ResamplingAligner",
    "Warping",
    "WarpingAligner",
    "resample",
    "soft_dtw",
    "warp",
]
