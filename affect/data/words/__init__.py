"""Alignment by time with the SDK's rules: computational sequences in steps of the first, most often words."""

from affect.data.words.overlaps import Overlaps, collapse, overlaps
from affect.data.words.streaming import align

__all__ = ["Overlaps", "align", "collapse", "overlaps"]
