"""When steps begin and end, from when they begin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-6
_ROUNDED = 0.0011
"""Between instants that are written to milliseconds differences err by so much."""
_BACK = "files whose times go back, so that their steps are left without times"


@dataclass(frozen=True)
class Clock:
    """The times of one file's steps.

    Args:
        times: start and end of each step in seconds; None where they go back.
        rate: steps per second; None where fewer than two instants are known.
        notes: as in `affect.data.sources.features.Features`.
    Shapes:
        times: (steps, 2)
    """

    times: NDArray[np.float64] | None = None
    rate: float | None = None
    notes: tuple[tuple[str, int], ...] = ()


def clock(starts: NDArray[np.float64], ends: NDArray[np.float64] | None = None) -> Clock:
    """Steps that end where they say, or else one step of the file's rate after they begin.

    A single step that does not say when it ends is an instant: the rate is not known.

    Shapes:
        starts: (steps,)
        ends: (steps,)
    Example:
        >>> found = clock(np.array([0.0, 0.033, 0.067, 0.1]))
        >>> found.times.round(4).tolist(), found.rate
        ([[0.0, 0.0333], [0.033, 0.0663], [0.067, 0.1003], [0.1, 0.1333]], 30.0)
        >>> clock(np.array([0.0, 0.1, 0.0])).notes
        (('files whose times go back, so that their steps are left without times', 1),)
    """
    length = step(starts)
    if ends is None:
        ends = starts + (length or 0.0)
    if (np.diff(starts) < 0).any() or (ends < starts).any():
        return Clock(notes=((_BACK, 1),))
    return Clock(np.stack([starts, ends], 1), float(f"{1 / length:.5g}") if length else None)


def step(starts: NDArray[np.float64]) -> float | None:
    """Seconds from one step to the next; None where no step comes after another.

    The mean of the differences near the median: the median alone would make 30.3 frames per second of 30
    that are written to milliseconds, the mean alone would count frames that were left out.
    """
    apart = np.diff(starts)
    apart = apart[apart > _LEAST]
    if not apart.size:
        return None
    middle = float(np.sort(apart)[(len(apart) - 1) // 2])
    near = max(0.1 * middle, min(0.5 * middle, _ROUNDED))
    return float(apart[np.abs(apart - middle) <= near].mean())
