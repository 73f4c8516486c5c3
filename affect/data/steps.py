"""What stands beside the steps of rows: one array for each row, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.errors import DataError


def join_times(
    times: Iterable[NDArray[np.float64] | None], counts: Iterable[int]
) -> NDArray[np.float64] | None:
    """The times of all steps, NaN where a part has steps and no times; None where no part has any.

    Shapes:
        times: (steps, 2) each -> (all steps, 2)
    Example:
        >>> join_times([np.zeros((1, 2)), None], [1, 1]).tolist(), join_times([None, None], [1, 1])
        ([[0.0, 0.0], [nan, nan]], None)
    """
    both = list(zip(times, counts, strict=True))
    some = any(count for _, count in both)
    if not any(own is not None and (count or not some) for own, count in both):
        return None
    return np.concatenate([np.full((n, 2), np.nan) if own is None else np.asarray(own) for own, n in both])


def differing(lengths: Iterable[NDArray[np.integer[Any]]]) -> NDArray[np.bool_]:
    """(samples,): which have modalities of different lengths, where one that lacks counts for nothing.

    Args:
        lengths: (samples,) of each modality.
    Example:
        >>> differing([np.array([2, 2, 0]), np.array([2, 3, 1])]).tolist(), differing([]).tolist()
        ([False, True, False], [])
    """
    stacked = np.array(list(lengths))
    if not len(stacked):
        return np.zeros(0, dtype=bool)
    found: NDArray[np.bool_] = ((stacked != stacked.max(0)) & (stacked > 0)).any(0)
    return found


def guess_alignment(
    lengths: Mapping[str, Mapping[str, NDArray[np.integer[Any]]]],
    ids: Mapping[str, tuple[str, ...]],
    one_axis: bool = False,
) -> tuple[bool, list[str]]:
    """Whether step t is the same moment in every modality, by the lengths alone, and the note on the guess.

    Args:
        lengths: (samples,) by split and modality.
        ids: of the samples of each split.
        one_axis: whether all modalities are padded to one time axis, on one side.
    Example:
        >>> lengths = {"face": np.array([2, 3]), "ecg": np.array([2, 9])}
        >>> guess_alignment({"all": lengths}, {"all": ("a", "b")})[1]
        ['The modalities count as not aligned, since their steps differ: face 3, ecg 9 in sample b.']
        >>> guess_alignment({"all": {"face": np.array([2, 3])}}, {"all": ("a", "b")})
        (True, [])
    """
    if not any(len(own) > 1 and max(x.max(initial=0) for x in own.values()) > 1 for own in lengths.values()):
        return True, []  # nothing to be in step with
    apart = {split: differing(own.values()) for split, own in lengths.items()}
    if not any(x.any() for x in apart.values()):
        return True, ["Step t counts as the same moment in every modality, since no sample has two lengths."]
    several = sum(
        int((np.sum([x > 0 for x in own.values()], 0) > 1).sum()) for own in lengths.values() if own
    )
    agree = several - sum(int(x.sum()) for x in apart.values())
    if one_axis and 2 * agree >= several:
        return True, [
            "Step t counts as the same moment in every modality, since all have one time axis and "
            f"{agree:,} of {several:,} samples fill the same steps of it."
        ]
    split = next(split for split, x in apart.items() if x.any())
    i = int(np.flatnonzero(apart[split])[0])
    said = ", ".join(f"{m} {x[i]}" for m, x in lengths[split].items() if x[i])
    return False, [
        f"The modalities count as not aligned, since their steps differ: {said} in sample {ids[split][i]}."
    ]


def check_times(
    given: Iterable[NDArray[Any] | None], counts: list[int], tail: tuple[int, ...], name: str
) -> list[NDArray[Any] | None]:
    """One array for each row, or none, once each has as many entries as the row has steps.

    Args:
        given: by row.
        counts: steps of each row.
        tail: the axes behind that of the steps.
        name: begins messages.
    Raises:
        DataError: there are more or fewer than there are rows, or one has another shape.
    """
    found = list(given)
    if len(found) != len(counts):
        raise DataError(f"{name}: expected one for each of {len(counts)} rows, got {len(found)}")
    for i, (own, count) in enumerate(zip(found, counts, strict=True)):
        if own is not None and np.shape(own) != (count, *tail):
            raise DataError(f"{name} of row {i} must have shape {(count, *tail)}, got {np.shape(own)}")
    return found
