"""Refusals: one line that says who, what was expected, what came, and a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AffectError(Exception):
    """Every error that affect raises on purpose."""


class ShapeError(AffectError, ValueError):
    """A tensor or a set of modalities does not have the shape its role requires."""


class DataError(AffectError, ValueError):
    """A file or its content cannot be used; names the file, split, sample and modality."""


class ConfigError(AffectError, ValueError):
    """A configuration names something that does not exist or does not fit."""


class BrokenLawError(AssertionError):
    """A part does not keep a law (`affect.testing`)."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, and all of them.

    Example:
        >>> did_you_mean("LowRankFusin", ["TensorFusion", "LowRankFusion"])
        "did you mean 'LowRankFusion'? known: LowRankFusion, TensorFusion"
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    listing = f"known: {', '.join(known)}" if known else "none are known"
    return f"did you mean '{near[0]}'? {listing}" if near else listing
