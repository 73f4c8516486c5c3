"""Corpora for other software."""

from affect.data.export.mmsa import to_mmsa
from affect.data.export.sdk import to_csd

__all__ = ["to_csd", "to_mmsa"]
