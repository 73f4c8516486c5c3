"""Padded arrays of published files -> rows of their true lengths, without copying a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.ragged import Ragged, Rows

Side: TypeAlias = Literal["front", "back", "none"]
_BLOCK = 256


def holding(values: NDArray[Any], inside: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Which steps hold anything: a step of zeros only, or of NaN only, is one at which nothing was observed.

    Args:
        values: padded features.
        inside: where to look; a step outside holds nothing.
    Shapes:
        values: (samples, time, feature) -> (samples, time)
    Example:
        >>> holding(np.array([[[0.0, 0.0], [0.0, 2.0], [np.nan, 0.0], [np.nan, np.nan]]])).tolist()
        [[False, True, True, False]]
    """
    held = np.zeros(values.shape[:2], dtype=bool)
    for begin in range(0, len(values), _BLOCK):  # few values in memory beside the file's own
        block = slice(begin, begin + _BLOCK)
        own, first = values[block], np.ascontiguousarray(values[block, :, 0])
        zero, none = first == 0, first != first
        there = ~zero if inside is None else ~zero & inside[block]
        if inside is not None:
            zero, none = zero & inside[block], none & inside[block]
        if zero.any():
            there[zero] = (own[zero] != 0).any(-1)
        if none.any():
            there[none] = ~np.isnan(own[none]).all(-1)
        held[block] = there
    return held


def extent(held: NDArray[np.bool_]) -> tuple[Rows, Rows, Side]:
    """First step and number of steps of each sample, and the side on which the padding stands.

    The side is the one with more empty steps at the edge. Empty steps at the other edge belong to the
    sample: something was there, and nothing was observed of it. A sample that holds nothing has no steps.

    Args:
        held: which steps hold anything in any modality that shares them.
    Shapes:
        held: (samples, time) -> (samples,), (samples,)
    Example:
        >>> extent(np.array([[False, True, True], [False, False, True], [False, False, False]]))
        (array([1, 2, 3]), array([2, 1, 0]), 'front')
    """
    time = held.shape[1]
    some = held.any(1)
    first = np.where(some, held.argmax(1), time)
    last = np.where(some, time - held[:, ::-1].argmax(1), time)
    front, back = int(first[some].sum()), int((time - last[some]).sum())
    if front == back == 0:
        return np.where(some, 0, time), np.where(some, time, 0), "none"
    if front > back:
        return first, time - first, "front"
    return np.where(some, 0, time), np.where(some, last, 0), "back"


def extents(held: Mapping[str, NDArray[np.bool_]]) -> dict[str, tuple[Rows, Rows, Side]]:
    """As `extent`, by split; where all have one time axis the side is one, since a small split may mislead.

    Example:
        >>> held = {"train": np.array([[False, True, True]] * 9), "test": np.array([[True, True, False]])}
        >>> {split: lengths.tolist() for split, (_, lengths, _) in extents(held).items()}
        {'train': [2, 2, 2, 2, 2, 2, 2, 2, 2], 'test': [3]}
    """
    if len({own.shape[1] for own in held.values()}) > 1:
        return {split: extent(own) for split, own in held.items()}
    begin, lengths, side = extent(np.concatenate(list(held.values())))
    cuts = np.cumsum([len(own) for own in held.values()])[:-1]
    parts = zip(held, np.split(begin, cuts), np.split(lengths, cuts), strict=True)
    return {split: (first, count, side) for split, first, count in parts}


def unpad(
    values: NDArray[Any], begin: Rows, lengths: Rows, observed: NDArray[np.bool_] | None = None
) -> Ragged:
    """Row i is `values[i, begin[i] : begin[i] + lengths[i]]`: a view of the padded array.

    Shapes:
        values: (samples, time, feature)
        begin, lengths: (samples,)
        observed: (samples, time); which steps hold something, all by default
    Example:
        >>> rows = unpad(np.arange(6.0).reshape(2, 3, 1), np.array([1, 0]), np.array([2, 1]))
        >>> rows[0].ravel().tolist(), rows[1].ravel().tolist()
        ([1.0, 2.0], [3.0])
    """
    samples, time, dim = values.shape
    flat = values.reshape(samples * time, dim)
    seen = np.ones(samples * time, dtype=bool) if observed is None else observed.reshape(-1)
    starts = np.arange(samples) * time + np.where(lengths > 0, begin, 0)
    return Ragged(starts, np.asarray(lengths, dtype=np.int64), flat, seen)


def empty_steps_note(empty: int, steps: int) -> str:
    """What users should read of steps without content, as the end of a note.

    Example:
        >>> empty_steps_note(3, 2000)
        '3 of 2,000 steps hold nothing or zeros and count as unobserved.'
    """
    return f"{empty:,} of {steps:,} steps hold nothing or zeros and count as unobserved."
