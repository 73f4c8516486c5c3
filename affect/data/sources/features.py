"""One file's steps of one modality, as a reader of feature files gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affect.data.provenance import Provenance


@dataclass(frozen=True)
class Features:
    """Steps of one sample in one modality.

    Args:
        values: what was measured.
        columns: the names of the features, where the file has them.
        times: start and end of each step in seconds, where the file has them.
        observed: False at steps at which nothing was measured; where None, a step of zeros is one
            (`affect.data.rules.observed.observed`).
        made: who made them, where that is known.
        left: columns that are no features and were left out, for the notes.
        notes: counts of what was met, by what is to be said of it: `steps without a face (success 0 or
            confidence below 0.7)`; the counts of all files are added.
    Shapes:
        values: (steps, feature) float32
        times: (steps, 2)
        observed: (steps,)
    """

    values: NDArray[np.float32]
    columns: tuple[str, ...] | None = None
    times: NDArray[np.float64] | None = None
    observed: NDArray[np.bool_] | None = None
    made: Provenance | None = None
    left: tuple[str, ...] = ()
    notes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Transcript:
    """The words of one sample.

    Args:
        words: in their order.
        times: start and end of each in seconds, where the file has them.
        approximate: whether the times of words were made from those of longer pieces.
        said: what was chosen or repaired, as the end of a sentence: `tier 'Mary' was read, as none is named
            words`.
    Shapes:
        times: (words, 2)
    """

    words: tuple[str, ...]
    times: NDArray[np.float64] | None = None
    approximate: bool = False
    said: tuple[str, ...] = ()
