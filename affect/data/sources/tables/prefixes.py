"""Which modality a column of a table belongs to: what stands before its name says it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from affect.data.rules.columns import is_row_number
from affect.data.rules.kinds import LABELS
from affect.data.sources.tables.of_samples import KNOWN, named
from affect.errors import ConfigError, DataError, did_you_mean

_APART = re.compile(r"(?<!\d)\.|\.(?!\d)")
"""A dot that is not the point of a number: `F0semitoneFrom27.5Hz`."""


@dataclass(frozen=True)
class Prefixed:
    """The columns of one modality.

    Args:
        prefix: what stands before the names of its features, with the separator.
        columns: their full names.
    """

    prefix: str
    columns: tuple[str, ...]


def modalities(
    names: Iterable[str],
    path: Path,
    separator: str = ".",
    prefixes: Iterable[str] = (),
    required: bool = True,
) -> tuple[dict[str, Prefixed], tuple[str, ...]]:
    """The columns of every modality, and notes on what was guessed.

    The longest of `prefixes` that a name begins with is its modality, as it is called there; without, what
    stands before the first separator.

    Args:
        names: of all columns.
        path: begins messages.
        separator: what stands between modality and feature.
        prefixes: names of modalities that a user gives.
        required: whether one that no column has is refused.
    Raises:
        DataError: two modalities would become one.
        ConfigError: no column begins with a prefix that is given.
    Example:
        >>> found, notes = modalities(["id", "audio.f0", "wav2vec2.0.f1"], Path("a.csv"), ".", ["wav2vec2.0"])
        >>> {m: one.columns for m, one in found.items()}
        {'wav2vec2.0': ('wav2vec2.0.f1',), 'acoustic': ('audio.f0',)}
    """
    given = sorted(prefixes, key=len, reverse=True)
    columns: dict[str, list[str]] = {}
    guessed: dict[str, list[str]] = {}
    for name in names:
        prefix = next((one for one in given if name.startswith(one + separator)), "")
        first, _, feature = name.partition(separator)
        if len(name) > len(prefix + separator) and prefix:
            columns.setdefault(prefix, []).append(name)
        elif first and feature and name not in (*KNOWN, *LABELS) and not is_row_number(name):
            guessed.setdefault(first, []).append(name)
    for prefix in given:
        if required and prefix not in columns:
            raise ConfigError(
                f"{path}: prefixes: no column begins with '{prefix}{separator}'; "
                f"{did_you_mean(prefix, {*columns, *guessed})}"
            )
    found = {m: Prefixed(m + separator, tuple(own)) for m, own in columns.items()}
    notes: list[str] = []
    for first, own in guessed.items():
        m = named(first)
        if m in found:
            other = found[m].columns[0]
            raise DataError(
                f"{path}: columns '{other}' and '{own[0]}' would be of one modality, {m}; rename one, or "
                f"name the modalities in `prefixes`: {found[m].prefix.removesuffix(separator)}, {first}"
            )
        if separator == ".":
            notes += _second(own, first, path)
        found[m] = Prefixed(first + separator, tuple(own))
    return found, tuple(notes)


def _second(names: list[str], first: str, path: Path) -> list[str]:
    """A note where all columns share a longer prefix.

    Raises:
        DataError: all have a second one, and those differ.
    """
    rests = [_APART.split(name[len(first) + 1 :], maxsplit=1) for name in names]
    if not all(len(rest) > 1 and all(rest) for rest in rests):
        return []
    longer = dict.fromkeys(f"{first}.{rest[0]}" for rest in rests)
    if len(longer) == 1:
        (whole,) = longer
        return [
            f"{named(first)}: all its columns begin with '{whole}.'; the first dot ends the name of the "
            f"modality, `prefixes: [{whole}]` makes it {whole}."
        ]
    one, other, *more = longer
    at = next(i for i, rest in enumerate(rests) if f"{first}.{rest[0]}" == other)
    listed = ", ".join([one, other, *(["..."] if more else [])])
    raise DataError(
        f"{path}: columns '{names[0]}' and '{names[at]}' would be of one modality, {named(first)}; name the "
        f"modalities in `prefixes`: {listed}; or {first} if it is one"
    )
