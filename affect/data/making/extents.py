"""Where the samples of padded modalities begin and end: together where the modalities are in step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.making.modalities import ModalityInput
from affect.data.ragged import Ragged, Rows
from affect.data.rules.lengths import PaddedModality as Told
from affect.data.rules.lengths import places, span
from affect.data.rules.padding import extents, holding, unpad
from affect.data.steps import differing, guess_alignment


@dataclass(frozen=True, eq=False)
class ModalityRows:
    """The rows of every modality of every split.

    Args:
        rows: by split and modality; a modality that no sample of a split has is not there.
        aligned: whether step t is the same moment in every modality.
        empty: steps without content, and all steps, by modality.
        notes: what was found, and what was guessed.
    """

    rows: dict[str, dict[str, Ragged]]
    aligned: bool
    empty: dict[str, tuple[int, int]]
    notes: tuple[str, ...]


_Extents: TypeAlias = dict[str, tuple[Rows, Rows, str]]
"""By split: first step and number of steps of each sample, and the side of the padding."""


def find_rows(
    given: Mapping[str, Mapping[str, ModalityInput]], ids: Mapping[str, tuple[str, ...]], aligned: bool | None
) -> ModalityRows:
    """The rows of all modalities, once their padding is found.

    Args:
        given: by split and modality.
        ids: of the samples of each split.
        aligned: as in `Corpus`; None: modalities are in step where no sample has two of different lengths, or
            where all are padded to one time axis and most samples fill the same steps of it.
    Raises:
        DataError: there is content outside the lengths that are given.
    """
    names = dict.fromkeys(m for parts in given.values() for m in parts)
    padded = {
        m: {split: parts[m] for split, parts in given.items() if m in parts and parts[m].padded is not None}
        for m in names
    }
    held = {m: {split: _held(x) for split, x in own.items()} for m, own in padded.items()}
    found = {m: _extents(m, own, held[m], ids) for m, own in padded.items()}
    lengths = {
        split: {
            m: found[m][split][1] if x.rows is None else x.rows.lengths
            for m, x in parts.items()
            if x.dim is not None
        }
        for split, parts in given.items()
    }
    one_axis = all(_is_one_axis(parts.values()) for parts in given.values())
    notes: list[str] = []
    if aligned is None:
        sides = [{own[split][2] for own in found.values() if split in own} - {"none"} for split in given]
        aligned, notes = guess_alignment(lengths, ids, one_axis and all(len(own) < 2 for own in sides))
    if aligned and one_axis and any(differing(own.values()).any() for own in lengths.values()):
        both = _together(padded, held, ids)
        found = {m: {split: both[split] for split in own} for m, own in found.items()}
    rows: dict[str, dict[str, Ragged]] = {split: {} for split in given}
    empty: dict[str, tuple[int, int]] = {}
    for split, parts in given.items():
        for m, x in parts.items():
            if x.rows is not None:
                rows[split][m], none, steps = x.rows, x.empty, x.steps
            elif x.padded is not None:
                rows[split][m], none, steps = _rows(x, held[m][split], *found[m][split][:2])
            else:
                continue
            before = empty.get(m, (0, 0))
            empty[m] = before[0] + none, before[1] + steps
    for m, own in padded.items():
        bare = {found[m][split][2] for split, x in own.items() if x.lengths is None and x.mask is None}
        if bare:
            notes.append(f"{m}: no lengths are given; {_found(bare - {'none'})}.")
    return ModalityRows(rows, aligned, empty, tuple(notes))


def _extents(
    name: str,
    given: Mapping[str, ModalityInput],
    held: Mapping[str, NDArray[np.bool_]],
    ids: Mapping[str, tuple[str, ...]],
) -> _Extents:
    """Where the steps of one modality stand: by its mask, by its lengths, or by what it holds.

    Raises:
        DataError: there is content outside the lengths, whichever side the padding is on.
    """
    found: _Extents = {}
    told: dict[str, Told] = {}
    bare: dict[str, NDArray[np.bool_]] = {}
    for split, x in given.items():
        count, time = held[split].shape
        if not time:
            found[split] = np.zeros(count, np.int64), np.zeros(count, np.int64), "none"
        elif x.lengths is not None:
            content = held[split][..., None].astype(np.float32)
            kept = np.minimum(x.lengths, time)
            told[split] = Told(
                name,
                content,
                np.zeros_like(kept),
                kept,
                ids[split],
                x.where.removesuffix(f": {name}"),
                "its lengths",
            )
        elif x.mask is not None:
            found[split] = (*span(x.mask), "none")
        else:
            bare[split] = held[split]
    for split, place in places(told).items():
        found[split] = told[split].at(place), told[split].lengths, "none"
    return {**found, **(extents(bare) if bare else {})}


def _held(given: ModalityInput) -> NDArray[np.bool_]:
    """Steps of a padded array that are there: those of its mask, or that hold more than zeros and NaN."""
    if given.mask is not None:
        return given.mask
    values: Any = given.padded
    return holding(values)


def _together(
    padded: Mapping[str, Mapping[str, ModalityInput]],
    held: Mapping[str, Mapping[str, NDArray[np.bool_]]],
    ids: Mapping[str, tuple[str, ...]],
) -> _Extents:
    """One extent for all modalities: from the first to the last step that holds anything in any of them."""
    every: dict[str, ModalityInput] = {}
    union: dict[str, NDArray[np.bool_]] = {}
    for m, own in padded.items():
        for split, x in own.items():
            first = every.setdefault(split, x)
            if first.lengths is None and x.lengths is not None:
                every[split] = x
            union[split] = union.get(split, held[m][split]) | held[m][split]
    bare = {split: x if x.lengths is not None else replace(x, mask=None) for split, x in every.items()}
    return _extents("all modalities", bare, union, ids)


def _rows(
    given: ModalityInput, held: NDArray[np.bool_], begin: Rows, lengths: Rows
) -> tuple[Ragged, int, int]:
    """The rows as views of the padded array; how many steps are empty, and how many there are."""
    values: Any = given.padded
    steps = np.arange(values.shape[1]) - begin[:, None]
    inside = (steps >= 0) & (steps < lengths[:, None])
    seen = held if given.mask is not None or values.shape[2] > 1 else ~np.isnan(values[..., 0])
    rows = unpad(values, begin, lengths, seen)
    if given.times is not None:
        rows = Ragged(rows.starts, rows.lengths, rows.values, rows.observed, given.times.reshape(-1, 2))
    total = int(inside.sum())
    return rows, (0 if given.mask is not None else total - int((seen & inside).sum())), total


def _is_one_axis(parts: Iterable[ModalityInput]) -> bool:
    """Whether all modalities are padded to one length, and no two give other lengths."""
    some = [x for x in parts if x.dim is not None]
    padded = [x.padded for x in some if x.padded is not None]
    told = [x.lengths for x in some if x.lengths is not None]
    return (
        len(padded) == len(some)
        and len({x.shape[1] for x in padded}) <= 1
        and all(np.array_equal(one, told[0]) for one in told)
    )


def _found(sides: set[str]) -> str:
    return f"the padding found stands in {' and '.join(sorted(sides))}" if sides else "no padding was found"
