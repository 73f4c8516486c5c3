"""One face of several that were found in the frames of a recording."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def one(
    frames: NDArray[Any], faces: NDArray[Any], seen: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]:
    """The rows of the face that is seen most often, a row for each frame, and where that is the face.

    In a frame without that face stands the row of another, which does not count. Where a face is there
    twice, the row with the higher score stands; of faces that are seen as often, the one that comes first.

    Args:
        frames: what orders the frames and tells them apart.
        faces: what tells faces apart.
        seen: whether a row holds a face at all.
        scores: how sure a row is.
    Shapes:
        frames, faces, seen, scores: (rows,) -> (frames,), (frames,)
    Example:
        >>> rows, own = one(np.array([1, 1, 2, 3]), np.array([0, 1, 1, 0]), np.array([True] * 4), np.zeros(4))
        >>> rows.tolist(), own.tolist()
        ([0, 2, 3], [True, False, True])
    """
    kinds, kind = np.unique(faces, return_inverse=True)
    often = np.bincount(kind[seen], minlength=len(kinds))
    first = np.full(len(kinds), len(faces))
    np.minimum.at(first, kind, np.arange(len(faces)))
    chosen = np.lexsort((first, -often))[0]
    order = np.lexsort((-scores, kind != chosen, frames))
    starts = np.flatnonzero(np.concatenate([[True], frames[order][1:] != frames[order][:-1]]))
    rows = order[starts]
    return rows, (kind[rows] == chosen) & seen[rows]
