"""What estimators are given, sample by sample: the steps that each has of each modality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.ragged import Ragged
from affect.data.rules.arraylike import is_frame
from affect.errors import DataError, described

SampleRows: TypeAlias = list[NDArray[np.float32] | None]
"""What each sample has of one modality, (steps, feature); None where it lacks it."""


def samples_of(inputs: Mapping[str, Any]) -> list[dict[str, NDArray[np.float32] | None]]:
    """Modalities of all samples as a list of samples, which scikit-learn can cut: for `cross_val_score`.

    Args:
        inputs: by modality, as in `FusionRegressor.fit`.
    Example:
        >>> samples_of({"ecg": np.ones((2, 3, 1)), "age": np.array([[30.0], [np.nan]])})[1]
        {'age': None, 'ecg': array([[1.], [1.], [1.]], dtype=float32)}
    """
    rows = {name: rows_of(name, values) for name, values in sorted(inputs.items())}
    check_counts("samples_of", rows)
    return [dict(zip(rows, sample, strict=True)) for sample in zip(*rows.values(), strict=True)]


def rows_of(name: str, values: Any) -> SampleRows:
    """What each sample has of a modality; None where every step is NaN.

    Args:
        name: of the modality.
        values: an array or a frame (samples, feature), an array (samples, time, feature), or a list of what
            each sample has: (steps, feature), (feature,) or None.
    Shapes:
        -> samples of (steps, feature)
    Raises:
        DataError: it is none of these.
    Example:
        >>> rows_of("age", np.array([[30.0], [np.nan]]))
        [array([[30.]], dtype=float32), None]
    """
    if is_frame(values):
        values = values.to_numpy()
    if isinstance(values, np.ndarray) and values.dtype != object and values.ndim not in (2, 3):
        raise DataError(
            f"{name}: expected (samples, feature) or (samples, time, feature), got shape {values.shape}"
        )
    if isinstance(values, str | Mapping) or not hasattr(values, "__len__"):
        raise DataError(
            f"{name}: expected an array, or a list of one for each sample, got {described(values)}"
        )
    rows: SampleRows = []
    for place, value in enumerate(values):
        try:
            with np.errstate(over="ignore"):
                own = None if value is None else np.asarray(value, dtype=np.float32)
        except (TypeError, ValueError):
            raise DataError(f"{name}, sample {place}: expected numbers, got {described(value)}") from None
        if own is not None and own.ndim == 1:
            own = own[None]
        if own is not None and own.ndim != 2:
            raise DataError(f"{name}, sample {place}: expected (steps, feature), got shape {own.shape}")
        rows.append(own if own is not None and _observed(own).any() else None)
    return rows


def check_counts(who: str, rows: Mapping[str, SampleRows]) -> None:
    """Refuse modalities of different numbers of samples.

    Args:
        who: begins the message.
        rows: by modality.
    Raises:
        DataError: with how many there are of each.
    """
    if len({len(own) for own in rows.values()}) > 1:
        listing = ", ".join(f"{name} {len(own)}" for name, own in rows.items())
        raise DataError(f"{who}: expected as many samples of each modality, got {listing}")


def dim_of(name: str, rows: SampleRows) -> int:
    """The feature size of a modality: that of the first sample that has it.

    Args:
        name: of the modality.
        rows: of all samples.
    Raises:
        DataError: no sample has it.
    Example:
        >>> dim_of("ecg", [None, np.ones((3, 2))])
        2
    """
    for row in rows:
        if row is not None:
            return int(row.shape[1])
    raise DataError(f"{name}: no sample has it; leave it out")


def _observed(row: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(steps,): at which of its steps a sample has anything."""
    observed: NDArray[np.bool_] = np.logical_not(np.isnan(row).all(axis=1))
    return observed


def _end(row: NDArray[np.float32]) -> int:
    """How many steps there are up to the last one that has anything: what follows is padding."""
    return int(np.flatnonzero(_observed(row))[-1]) + 1


def _present(inputs: Mapping[str, SampleRows]) -> list[list[NDArray[np.float32]]]:
    """Of each sample the modalities that it has."""
    return [[x for x in sample if x is not None] for sample in zip(*inputs.values(), strict=True)]


def in_step(inputs: Mapping[str, SampleRows]) -> bool:
    """Whether the modalities of every sample that has them were given with as many steps.

    Args:
        inputs: rows by modality.
    Example:
        >>> in_step({"a": [np.ones((3, 2)), None], "b": [np.ones((3, 1)), np.ones((5, 1))]})
        True
    """
    return all(len({len(x) for x in sample}) < 2 for sample in _present(inputs))


def is_aligned(inputs: Mapping[str, SampleRows]) -> bool:
    """Whether step t is the same moment in every modality.

    It is where a sample's modalities were given with as many steps, and most samples with several fill them
    up to the same one: modalities that were padded to one length alone end at different ones.

    Args:
        inputs: rows by modality.
    Example:
        >>> padded = np.array([[1.0], [2.0], [np.nan]])
        >>> is_aligned({"a": [np.ones((3, 2))], "b": [np.ones((3, 1))]})
        True
        >>> is_aligned({"a": [np.ones((3, 2))], "b": [padded]})
        False
    """
    several = [len({_end(x) for x in sample}) < 2 for sample in _present(inputs) if len(sample) > 1]
    return in_step(inputs) and (not several or 2 * sum(several) > len(several))


def ragged_of(
    inputs: Mapping[str, SampleRows], dims: Mapping[str, int], count: int, aligned: bool
) -> dict[str, Ragged]:
    """Rows without the padding at their ends; a step of NaN between others stays where it is, unobserved.

    Args:
        inputs: rows by modality; of one that is not there no sample has any.
        dims: feature size of each modality.
        count: how many samples there are.
        aligned: whether a sample's modalities keep as many steps.
    Example:
        >>> row = np.array([[1.0], [np.nan], [3.0], [np.nan]])
        >>> ragged_of({"a": [row]}, {"a": 1}, 1, aligned=True)["a"].observed.tolist()
        [True, False, True]
    """
    ends = [max((_end(x) for x in sample), default=0) for sample in _present(inputs)]
    found = {}
    for name, dim in dims.items():
        rows = [
            None if x is None else x[: end if aligned else _end(x)]
            for x, end in zip(inputs.get(name, [None] * count), ends, strict=True)
        ]
        observed = [None if x is None else _observed(x) for x in rows]
        found[name] = Ragged.from_rows(rows, dim, observed)
    return found
