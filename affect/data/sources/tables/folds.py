"""Splits that a table numbers: folds of a cross-validation, or 0, 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_WHOLE = re.compile(r"(\d{1,4})(\.0*)?")
_FOLD = "fold"
_THREE = {"0": "train", "1": "valid", "2": "test"}


@dataclass(frozen=True)
class Numbered:
    """What numbers in a column of splits mean.

    Args:
        splits: of each sample, by name.
        groups: the fold of each sample, where the numbers are folds.
        note: how they were read.
    """

    splits: tuple[str, ...]
    groups: tuple[str, ...] | None
    note: str


def by_number(said: Iterable[str], column: str, grouped: str = "") -> Numbered | None:
    """The splits that numbers mean; None where they are no numbers, or others than 0, 1 and 2.

    Args:
        said: what stands in the column, by sample.
        column: its name; numbers in `fold` are folds.
        grouped: the column that groups the samples otherwise.
    Example:
        >>> by_number(["0", "1", "2", "0"], "split").splits
        ('train', 'valid', 'test', 'train')
        >>> found = by_number(["0", "1", "2", "3.0"], "fold", "speaker")
        >>> found.splits, found.groups
        (('all', 'all', 'all', 'all'), ('0', '1', '2', '3'))
        >>> found.note
        "Column 'fold' numbers 4 folds and is read as groups, in place of 'speaker': `folds: 4` with
        `valid_share: 0.333` cuts along them, the largest first."
    """
    matched = [_WHOLE.fullmatch(one) for one in said]
    numbers = [str(int(one[1])) for one in matched if one]
    if not numbers or len(numbers) < len(matched):
        return None
    if column == _FOLD:
        count = len(set(numbers))
        note = f"Column '{column}' numbers {count} folds and is read as groups"
        note += f", in place of '{grouped}'" if grouped else ""
        if count > 2:  # one tests, and the others must leave some to train on beside those that validate
            share = f"{1 / (count - 1):.3g}"
            note += f": `folds: {count}` with `valid_share: {share}` cuts along them, the largest first"
        return Numbered(("all",) * len(numbers), tuple(numbers), f"{note}.")
    if set(numbers) != set(_THREE):
        return None
    note = f"Column '{column}' holds 0, 1 and 2, which are read as train, valid and test."
    return Numbered(tuple(_THREE[one] for one in numbers), None, note)
