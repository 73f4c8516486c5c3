"""Padded arrays of a file that gives no lengths: the padding is found, and told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.ragged import Ragged
from affect.data.rules.padding import empty_steps_note, extents, holding, unpad
from affect.data.rules.values import floats
from affect.errors import DataError


def features(content: object, where: str, name: str, single: bool = False) -> NDArray[Any]:
    """Features of all samples, (samples, time, feature).

    Args:
        content: what the file holds.
        where: begins messages.
        name: what the file calls it.
        single: whether (samples, feature) is one step of each.
    Raises:
        DataError: it holds no numbers, or has other axes.
    Example:
        >>> features([[1.0, 2.0]], "doc", "covarep", single=True).shape
        (1, 1, 2)
    """
    values = floats(content, f"{where}: {name}")
    if values.ndim == 2 and single:
        values = values[:, None]
    if values.ndim != 3:
        raise DataError(f"{where}: {name} must have 3 axes, got shape {values.shape}")
    if 0 in values.shape[1:]:
        raise DataError(f"{where}: {name} needs at least one step and one feature, got {values.shape}")
    return values


def is_aligned(arrays: Mapping[str, Mapping[str, NDArray[Any]]]) -> bool:
    """Whether all modalities of a split have one time axis, in every split."""
    return all(len({values.shape[1] for values in own.values()}) < 2 for own in arrays.values())


def rows(
    arrays: Mapping[str, Mapping[str, NDArray[Any]]], aligned: bool
) -> tuple[dict[str, dict[str, Ragged]], list[str]]:
    """Rows by split and modality, as views of the arrays, and notes on the padding.

    Steps of zeros at the side on which the file has more of them are padding; a step of zeros elsewhere is
    one at which nothing was observed. No step with content is left out.

    Args:
        arrays: features by split and modality, (samples, time, feature).
        aligned: whether step t is the same moment in every modality.
    Example:
        >>> kept, notes = rows({"all": {"ecg": np.array([[[0.0, 0.0], [1.0, 2.0]]])}}, True)
        >>> kept["all"]["ecg"].lengths.tolist(), notes[0][:44]
        ([1], 'all, ecg: the padding found stands in front;')
    """
    held = {split: {m: holding(x) for m, x in own.items()} for split, own in arrays.items()}
    together = {split: np.any(list(own.values()), axis=0) for split, own in held.items() if aligned and own}
    found = {
        m: extents({split: together.get(split, own[m]) for split, own in held.items() if m in own})
        for m in dict.fromkeys(m for own in arrays.values() for m in own)
    }
    notes: list[str] = []
    kept: dict[str, dict[str, Ragged]] = {split: {} for split in arrays}
    for split, own in arrays.items():
        for m, values in own.items():
            begin, lengths, side = found[m][split]
            empty = int(lengths.sum() - held[split][m].sum())
            if values.shape[1] > 1 or empty:
                notes.append(
                    f"{split}, {m}: "
                    + ("no padding was found" if side == "none" else f"the padding found stands in {side}")
                    + f"; {empty_steps_note(empty, int(lengths.sum()))}"
                )
            kept[split][m] = unpad(values, begin, lengths, held[split][m])
    return kept, notes
