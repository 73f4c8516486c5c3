"""The steps of one modality from all its files, and what is said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from affect.data.provenance import Provenance
from affect.data.rules.columns import left_out, quoted
from affect.data.rules.observed import observed, unobserved
from affect.data.sources.features import Features

_LIKE = 0.01
"""Rates that differ by less are one: they are computed from rounded times."""


@dataclass(frozen=True)
class Modality:
    """Steps whose features are the same in all files.

    Args:
        values: by file.
        observed: by file.
        times: by file, None where a file has none; None where no file has any.
        columns: the names of the features, where all files have them.
        made: who made them, where that is one for all files.
        notes: what was left out, guessed and counted.
    Shapes:
        values: (steps, feature) each
        observed: (steps,) each
        times: (steps, 2) each
    """

    values: tuple[NDArray[np.float32], ...]
    observed: tuple[NDArray[np.bool_], ...]
    times: tuple[NDArray[np.float64] | None, ...] | None
    columns: tuple[str, ...] | None
    made: Provenance | None
    notes: tuple[str, ...]


def together(name: str, files: Iterable[Features], keep: Collection[str] = (), where: str = "") -> Modality:
    """The steps of all files, once columns without anything in them are left out.

    Args:
        name: of the modality.
        files: have features of one size, and of the same columns where they have names.
        keep: columns that are features though nothing is in them.
        where: the files as notes call them: `in 30 files `.
    Example:
        >>> one = Features(np.array([[1.0, np.nan]], np.float32), ("F0", "class"))
        >>> found = together("acoustic", [one])
        >>> found.columns, found.notes
        (('F0',), ("acoustic: column 'class' is missing throughout and is no feature.",))
    """
    every = list(files)
    columns = every[0].columns if all(one.columns is not None for one in every) else None
    notes: list[str] = []
    left = tuple(dict.fromkeys(column for one in every for column in one.left))
    if left:
        notes.append(left_out(name, left))
    if columns is not None:
        blank = _blank(every, columns, keep)
        if blank:
            notes.append(_missing(name, [columns[i] for i in blank]))
            kept = [i for i in range(len(columns)) if i not in blank]
            columns = tuple(columns[i] for i in kept)
            every = [replace(one, values=one.values[:, kept]) for one in every]
    said: Counter[str] = Counter()
    for one in every:
        said.update(dict(one.notes))
    notes += [f"{name}: {where}there are {count:,} {what}." for what, count in said.items()]
    times, note = _times(name, every)
    made, others = _made(name, [one.made for one in every])
    notes += [*note, *others]
    seen = [observed(one.values) if one.observed is None else one.observed for one in every]
    judged = [own for own, one in zip(seen, every, strict=True) if one.observed is not None]
    zeros = [own for own, one in zip(seen, every, strict=True) if one.observed is None]
    hidden, total = sum(int((~own).sum()) for own in judged), sum(map(len, judged))
    if hidden:
        notes.append(f"{name}: {hidden:,} of {total:,} steps were not measured and count as unobserved.")
    if any(not own.all() for own in zeros):
        notes.append(unobserved(name, np.concatenate(zeros)))
    return Modality(tuple(one.values for one in every), tuple(seen), times, columns, made, tuple(notes))


def _blank(files: Iterable[Features], columns: tuple[str, ...], keep: Collection[str]) -> list[int]:
    """Columns in which no file has anything; none where that would be all."""
    blank = np.array([name not in keep for name in columns])
    for one in files:
        if not blank.any():
            break
        blank[blank] = np.isnan(one.values[:, blank]).all(0)
    return [] if blank.all() else np.flatnonzero(blank).tolist()


def _missing(name: str, columns: Iterable[str]) -> str:
    said, is_one = quoted(columns)
    verb, what = ("is", "no feature") if is_one else ("are", "no features")
    return f"{name}: {said} {verb} missing throughout and {verb} {what}."


def _times(
    name: str, files: Iterable[Features]
) -> tuple[tuple[NDArray[np.float64] | None, ...] | None, tuple[str, ...]]:
    """The times of the files whose times are all known, and the note on those that lack some."""
    every = [one.times for one in files]
    if all(own is None for own in every):
        return None, ()
    times = tuple(None if own is None or not np.isfinite(own).all() else own for own in every)
    none = sum(own is None for own in every)
    holed = sum(own is None for own in times) - none
    if not none + holed:
        return times, ()
    if len(every) == 1:
        return None, (f"{name}: a time is missing, so no times are kept.",)
    said = [(none, "lack times"), (holed, "have times that are missing")]
    notes = tuple(
        f"{name}: {count:,} of {len(every):,} files {what}, and no times of theirs are kept."
        for count, what in said
        if count
    )
    return None if none + holed == len(every) else times, notes


def _made(name: str, made: Iterable[Provenance | None]) -> tuple[Provenance | None, tuple[str, ...]]:
    """Who made all files; none, with a note, where they differ."""
    every = [Provenance() if one is None else one for one in made]
    first = every[0]
    if any(one.maker != first.maker for one in every):
        makers = dict.fromkeys(map(_called, every))
        return None, (f"{name}: its files were made by {' and '.join(makers)}; no provenance is kept.",)
    clock = first.clock if all(one.clock == first.clock for one in every) else ""
    rates = [one.rate for one in every if one.rate is not None]
    if not rates or max(rates) - min(rates) <= _LIKE * max(rates):
        rate = round(float(np.median(rates)), 3) if rates else None
        found = replace(first, clock=clock, rate=rate)
        return None if found == Provenance() else found, ()
    return replace(first, clock=clock, rate=None), (
        f"{name}: its files have {min(rates):g} to {max(rates):g} steps per second, so no rate is kept.",
    )


def _called(made: Provenance) -> str:
    named = " ".join(part for part in (made.extractor, made.version) if part) or "an unknown tool"
    settings = ", ".join(f"{key} {value}" for key, value in made.arguments.items())
    return f"{named} ({settings})" if settings else named
