"""Steps of any number as features of one size."""

from __future__ import annotations

import numpy as np

from affect.data.ragged import Ragged
from affect.metrics import Array


class PooledFeatures:
    """Mean and deviation over a sample's steps, standardised over the training samples that have any.

    Args:
        rows: one modality of the training split, every step observed.
    Shapes:
        rows: samples of (steps, feature) -> (samples, 2 * feature)
    Missing:
        zeros, which is the training mean.
    Example:
        >>> rows = affect.Ragged.from_rows([np.zeros((2, 1)), np.full((2, 1), 4.0), None], dim=1)
        >>> PooledFeatures(rows)(rows).tolist()
        [[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    """

    def __init__(self, rows: Ragged) -> None:
        from sklearn.preprocessing import StandardScaler

        there = rows.present
        self._scale = StandardScaler().fit(_pooled(rows)[there]) if there.any() else None

    def __call__(self, rows: Ragged) -> Array:
        """Pool samples of any split."""
        there, values = rows.present, _pooled(rows)
        if self._scale is None or not there.any():
            return np.zeros_like(values)
        values[there] = self._scale.transform(values[there])
        return values


def _pooled(rows: Ragged) -> Array:
    values = np.zeros((len(rows), 2 * rows.dim))
    for i in np.flatnonzero(rows.lengths).tolist():
        steps = rows[i].astype(np.float64)
        values[i] = np.concatenate([steps.mean(0), steps.std(0)])
    return values
