"""Where the steps of the modalities stand in MMSA's padded arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.ragged import Ragged, Rows
from affect.data.rules.lengths import PaddedModality, Place, agreed, places, span
from affect.data.rules.padding import empty_steps_note, holding, unpad
from affect.data.rules.padding import extents as found_extents

_MASK = "the mask of text_bert"
_TEXT = "text"


@dataclass(frozen=True, eq=False)
class Padded:
    """The padded arrays of one split.

    Args:
        ids: of the samples.
        where: the file and the split.
        values: features by modality, (samples, time, feature).
        lengths: what the file says of a modality by its own key, (samples,), within the time axis.
        keys: what the file calls the modalities.
        tokens: indices of the tokens of the text, (samples, time), of no steps where the file has none.
        mask: which of them are there, (samples, time).
    """

    ids: tuple[str, ...]
    where: str
    values: dict[str, NDArray[Any]]
    lengths: dict[str, Rows]
    keys: dict[str, str]
    tokens: NDArray[Any]
    mask: NDArray[np.bool_]

    def is_masked(self, modality: str, aligned: bool) -> bool:
        """Whether the mask of the tokens says which steps of a modality are there."""
        return (
            modality not in self.lengths
            and (modality == _TEXT or aligned)
            and self.mask.shape[1] == self.values[modality].shape[1]
        )

    def given(self, modality: str) -> PaddedModality:
        """A modality with its own lengths, or else with those of the mask."""
        values = self.values[modality]
        if modality in self.lengths:
            lengths, source = self.lengths[modality], f"{self.keys[modality]}_lengths"
            return PaddedModality(
                modality, values, np.zeros_like(lengths), lengths, self.ids, self.where, source
            )
        return PaddedModality(modality, values, *span(self.mask), self.ids, self.where, _MASK)


@dataclass(frozen=True, eq=False)
class _Extent:
    """First step and number of steps of each sample, and steps to which observation is confined."""

    begin: Rows
    lengths: Rows
    inside: NDArray[np.bool_] | None = None

    def steps(self, time: int) -> NDArray[np.bool_]:
        """(samples, time): which steps belong to a sample."""
        return _steps(self.begin, self.lengths, time)


@dataclass
class _Found:
    """Extents by split and modality, and what is to be said of them."""

    extents: dict[str, dict[str, _Extent]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, split: str, modality: str, extent: _Extent) -> None:
        self.extents.setdefault(split, {})[modality] = extent


def rows(
    parts: Mapping[str, Padded], aligned: bool, tokens: bool
) -> tuple[dict[str, dict[str, Ragged]], list[str]]:
    """The modalities of every split as views of the padded arrays, and notes on what was found.

    Lengths that the file gives are believed once nothing stands outside them; where everything stands at the
    other side of the time axis, so do the steps. Without lengths the padding is found.

    Args:
        parts: by split.
        aligned: whether step t is the same moment in every modality.
        tokens: whether the indices of the tokens are a modality too.
    Raises:
        DataError: there is content outside the lengths.
    """
    found = _Found()
    names = list(dict.fromkeys(m for part in parts.values() for m in part.values))
    for m in names:
        own = {
            split: part.given(m) for split, part in parts.items() if m in part.lengths and m in part.values
        }
        where = places(own)
        for split, place in where.items():
            found.put(split, m, _Extent(own[split].at(place), own[split].lengths))
        front = [split for split, place in where.items() if place == "mirrored"]
        if front:
            found.notes.append(
                f"{m}: the content shows that the padding stands in front, in {', '.join(front)}."
            )
    _by_mask(parts, aligned, found)
    _by_content(parts, aligned, names, found)
    kept: dict[str, dict[str, Ragged]] = {split: {} for split in parts}
    for split, part in parts.items():
        for m, values in part.values.items():
            extent = found.extents[split][m]
            inside = extent.steps(values.shape[1])
            held = holding(values, inside if extent.inside is None else inside & extent.inside)
            empty, steps = int(inside.sum() - held.sum()), int(inside.sum())
            if empty and extent.inside is None:
                found.notes.append(f"{split}, {m}: {empty_steps_note(empty, steps)}")
            kept[split][m] = unpad(values, extent.begin, extent.lengths, held)
        if tokens and part.tokens.size:
            shared = found.extents[split].get(_TEXT) if aligned and _TEXT in part.values else None
            begin, lengths = span(part.mask)
            if shared is not None and (shared.lengths != lengths).any():
                begin, lengths = shared.begin, shared.lengths
            kept[split]["tokens"] = unpad(part.tokens[..., None], begin, lengths, part.mask)
    return kept, found.notes


def _by_mask(parts: Mapping[str, Padded], aligned: bool, found: _Found) -> None:
    """The extents of modalities that the mask of the tokens is of."""
    given: dict[str, dict[str, PaddedModality]] = {}
    for split, part in parts.items():
        own = {m: part.given(m) for m in part.values if part.is_masked(m, aligned)}
        if own:
            given[split] = own
            found.notes += _holes(split, part)
    options: dict[str, tuple[Place, ...]] = {}
    filled = set()
    for split, own in given.items():
        options[split] = _options(own.values())
        if not options[split] and _TEXT in own:
            text = own[_TEXT]
            options[split] = _options([text])
            if not options[split]:
                if not _is_filled(text):
                    raise text.refusal()
                filled.add(split)
        options[split] = options[split] or ("given",)
    for split, place in agreed(options).items():
        own = given[split]
        if place == "mirrored":
            found.notes.append(f"{split}: {_MASK} is mirrored, since the content stands on the other side.")
        first = next(iter(own.values()))
        extent = _Extent(first.at(place), first.lengths)
        wide = _widened(split, own, extent, place, found.notes)
        for m in own:
            found.put(split, m, wide)
        if split in filled:
            text = own[_TEXT]
            time = text.values.shape[1]
            inside = extent.steps(time)
            left = int((~inside[text.outside(place)]).sum())
            found.notes.append(
                f"{split}, {_TEXT}: {left:,} steps outside {_MASK} hold features of padding, and are left "
                "out."
            )
            found.put(split, _TEXT, replace(wide, inside=inside))


def _options(given: Any) -> tuple[Place, ...]:
    """Places that will do for all modalities."""
    both: tuple[Place, ...] = ("given", "mirrored")
    return tuple(place for place in both if all(own.fits(place) for own in given))


def _is_filled(given: PaddedModality) -> bool:
    """Whether the samples with content outside their steps have some in every step: features of padding."""
    return bool(holding(given.values[given.outside("given")]).all())


def _widened(
    split: str, given: Mapping[str, PaddedModality], extent: _Extent, place: Place, notes: list[str]
) -> _Extent:
    """The extent, so far that the content of all modalities but the text is inside."""
    begin, end = extent.begin.copy(), extent.begin + extent.lengths
    for m, own in given.items():
        if m == _TEXT or own.fits(place):
            continue
        held = holding(own.values)
        some = held.any(1)
        first, last = held.argmax(1), held.shape[1] - held[:, ::-1].argmax(1)
        empty = begin == end
        begin = np.where(some, np.where(empty, first, np.minimum(begin, first)), begin)
        end = np.where(some, np.maximum(end, last), end)
        notes.append(
            f"{split}, {m}: {int(own.outside(place).sum()):,} samples hold content outside {_MASK}, which is "
            "kept: the steps of these samples are more than the mask says."
        )
    return _Extent(begin, end - begin)


def _holes(split: str, part: Padded) -> list[str]:
    """The note on masked tokens between others."""
    inside = _steps(*span(part.mask), part.mask.shape[1])
    holes = inside & ~part.mask
    if not holes.any():
        return []
    return [
        f"{split}: {_MASK} leaves out {int(holes.sum()):,} steps between others, in "
        f"{int(holes.any(1).sum()):,} samples; they count as steps, observed where they hold anything."
    ]


def _by_content(parts: Mapping[str, Padded], aligned: bool, names: list[str], found: _Found) -> None:
    """The extents of modalities without lengths: the padding is found."""
    held: dict[str, dict[str, NDArray[np.bool_]]] = {}
    for split, part in parts.items():
        left = [m for m in part.values if m not in found.extents.get(split, {})]
        shared = part.values if aligned else left
        own = {m: holding(part.values[m]) for m in (shared if left else ())}
        together = np.any(list(own.values()), axis=0) if aligned and own else None
        for m in left:
            held.setdefault(m, {})[split] = own[m] if together is None else together
    for m in names:
        for split, (begin, lengths, side) in found_extents(held[m]).items() if m in held else ():
            where = "no padding was found" if side == "none" else f"the padding found stands in {side}"
            time, why = parts[split].mask.shape[1], "the file gives no lengths"
            if m == _TEXT and time:
                why = f"{_MASK} has {time} steps and text {parts[split].values[m].shape[1]}"
            found.notes.append(f"{split}, {m}: {why}; {where}.")
            found.put(split, m, _Extent(begin, lengths))


def _steps(begin: Rows, lengths: Rows, time: int) -> NDArray[np.bool_]:
    steps = np.arange(time) - begin[:, None]
    inside: NDArray[np.bool_] = (steps >= 0) & (steps < lengths[:, None])
    return inside
