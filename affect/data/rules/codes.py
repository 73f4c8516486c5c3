"""Numbers that may be codes of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST = 20


def note(name: str, labels: NDArray[np.floating[Any]]) -> str:
    """The note on a label that holds few whole numbers; empty where they are hardly codes of classes.

    Codes are at most 20, lie close together, and each occurs twice or more on average.

    Args:
        name: of the target.
        labels: those that are given.
    Example:
        >>> note("joy", np.array([-1.0, 1, 1, -1]))
        'joy holds 2 whole numbers and is read as a number; targets: {joy: binary} (or --target joy:binary)
        makes them classes.'
        >>> note("age", np.array([20.0, 31, 60, 45])), note("valence", np.array([0.5, 1, 1, 0.5]))
        ('', '')
    """
    known = np.unique(labels[np.isfinite(labels)])
    if not 1 < len(known) <= min(_MOST, len(labels) // 2) or (known != np.rint(known)).any():
        return ""
    if known[-1] - known[0] > _MOST:
        return ""
    kind = "binary" if len(known) == 2 else "multiclass"
    return (
        f"{name} holds {len(known)} whole numbers and is read as a number; targets: {{{name}: {kind}}} "
        f"(or --target {name}:{kind}) makes them classes."
    )
