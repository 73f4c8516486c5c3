"""Bringing sequences to the same moments: by time, by resampling, by warping, by attention.

Names are imported when they are first used: alignment by time needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affect.data.alignment.aligners import Aligner, AttentionAligner, ResamplingAligner, WarpingAligner
    from affect.data.alignment.overlaps import Overlaps, collapse, overlaps
    from affect.data.alignment.resampling import resample
    from affect.data.alignment.streaming import align
    from affect.data.alignment.warping import soft_dtw, warp

_HOMES = {
    "aligners": ("Aligner", "AttentionAligner", "ResamplingAligner", "WarpingAligner"),
    "overlaps": ("Overlaps", "collapse", "overlaps"),
    "resampling": ("resample",),
    "streaming": ("align",),
    "warping": ("soft_dtw", "warp"),
}
_NAMES = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Aligner",
    "AttentionAligner",
    "Overlaps",
    "ResamplingAligner",
    "WarpingAligner",
    "align",
    "collapse",
    "overlaps",
    "resample",
    "soft_dtw",
    "warp",
]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"affect.data.alignment has no '{name}'")
    return getattr(import_module(f"affect.data.alignment.{_NAMES[name]}"), name)
