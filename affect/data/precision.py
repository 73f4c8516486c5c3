"""What float32 holds: models compute in it, so that a greater number is infinite to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = float.fromhex("0x1.ffffffp127")
"""The least number that is rounded to infinity in float32."""
BEYOND = "finite values beyond float32, which count as infinite"
"""What notes that count such numbers call them."""


def in_float32_range(values: NDArray[Any]) -> NDArray[np.float64]:
    """The same numbers as float64, infinite where float32 cannot hold them; float64 is changed in place.

    Args:
        values: floating point numbers of any shape.
    Example:
        >>> in_float32_range(np.array([1.0, -1e300, np.nan])).tolist()
        [1.0, -inf, nan]
    """
    if values.dtype.itemsize <= 4:
        return values.astype(np.float64)
    with np.errstate(over="ignore"):
        found = np.asarray(values, dtype=np.float64)
    if found.size and not (found.max() < LIMIT and found.min() > -LIMIT):
        wild = np.abs(found) >= LIMIT
        found[wild] = np.copysign(np.inf, found[wild])
    return found


def beyond(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where numbers are finite, and not so in float32; of the same shape.

    Example:
        >>> beyond(np.array([1e300, np.inf, np.nan, 1.0])).tolist()
        [True, False, False, False]
    """
    if values.dtype.itemsize <= 4:
        return np.zeros(values.shape, dtype=bool)
    found: NDArray[np.bool_] = (np.abs(values) >= LIMIT) & np.isfinite(values)
    return found
