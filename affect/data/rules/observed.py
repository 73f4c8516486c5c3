"""Steps that hold nothing, in whatever file: at those nothing was observed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.rules.padding import holding


def observed(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Steps (steps, feature) at which anything was observed; a single feature may well be zero.

    Example:
        >>> observed(np.array([[0.0, 0.0], [0.0, 1.0], [np.nan, np.nan]])).tolist()
        [False, True, False]
        >>> observed(np.array([[0.0], [np.nan]])).tolist()
        [True, False]
    """
    seen: NDArray[np.bool_] = holding(values[None])[0] if values.shape[1] > 1 else ~np.isnan(values[:, 0])
    return seen


def unobserved(modality: str, seen: NDArray[np.bool_]) -> str:
    """The note on the steps at which nothing was observed."""
    return (
        f"{modality}: {(~seen).sum():,} of {len(seen):,} steps hold nothing or zeros and count as unobserved."
    )
