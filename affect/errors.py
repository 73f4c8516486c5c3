"""Refusals: one line that says who, what was expected, what came, and a remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class AffectError(Exception):
    r"""Every error that affect raises on purpose; what it says is one line, whatever a file put into it.

    Args:
        message: control characters, and those that turn the direction of text, are shown escaped.
    Example:
        >>> str(AffectError("sample a\nb"))
        'sample a\\nb'
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(_CONTROL.sub(lambda found: ascii(found[0])[1:-1], str(message)))


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
