"""Ids, groups and words as they are given."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from affect.data.formats.room import check_room
from affect.data.ragged import Words
from affect.data.rules.arraylike import is_tensor, seconds
from affect.data.rules.values import text, texts
from affect.errors import DataError

DIGITS = 3
"""Of the numbers in ids that are made up for arrays; those for pickles have no leading zeros."""
_OF_ONE = 100
"""Bytes that an id and what else is known of its sample take, at least."""


def ids_of(content: Any, split: str, count: int, where: str) -> tuple[str, ...]:
    """The names of the samples; where none are given, that of the split and a number.

    Raises:
        DataError: one is empty, or of blanks only; they take more memory than is free.
    Example:
        >>> ids_of(None, "train", 2, "doc"), ids_of(np.array([7, 8]), "train", 2, "doc")
        (('train000', 'train001'), ('7', '8'))
    """
    if content is None:
        check_count(count, where)
        return generated_ids(split, count, DIGITS)[0]
    ids = texts_of(content, f"{where}: id")
    empty = [i for i, one in enumerate(ids) if not one.strip()]
    if empty:
        raise DataError(f"{where}: the id of sample {empty[0]} is empty")
    return ids


def check_count(count: int, where: str) -> None:
    """Refuse more samples without ids than there is room for.

    Raises:
        DataError: there are more.
    Example:
        >>> check_count(2, "doc")
    """
    check_room(count * _OF_ONE, f"{where}: {count:,} samples")


def texts_of(content: Any, where: str) -> tuple[str, ...]:
    """A text for each sample, from any list or array."""
    return texts(content.tolist() if is_tensor(content) else content, where)


def generated_ids(split: str, count: int, digits: int = 1) -> tuple[tuple[str, ...], str]:
    """Ids of samples that have none, and the note on them.

    Args:
        split: its name begins them.
        count: how many.
        digits: of a number, at least.
    Example:
        >>> generated_ids("train", 2)
        (('train0', 'train1'), 'train: there are no ids, and the samples are called train0 and so on.')
    """
    first = f"{split}{0:0{digits}d}"
    ids = tuple(f"{split}{i:0{digits}d}" for i in range(count))
    return ids, f"{split}: there are no ids, and the samples are called {first} and so on."


def groups_of(groups: list[Any], ids: Collection[str]) -> list[Any] | None:
    """The group of each sample, where any has one; a sample without is its own.

    Example:
        >>> groups_of(["x", None], ("a", "b")), groups_of([None, None], ("a", "b"))
        (['x', 'b'], None)
    """
    if given_any(groups) is None:
        return None
    return [one if group is None else group for one, group in zip(ids, groups, strict=True)]


def given_any(values: list[Any]) -> list[Any] | None:
    """What is given of each sample; None where nothing is given of any.

    Example:
        >>> given_any([None, 1]), given_any([None, None])
        ([None, 1], None)
    """
    return None if all(value is None for value in values) else values


def words_of(content: Any, times: Any, ids: tuple[str, ...], where: str) -> Words | None:
    """The words of each sample, and when they are.

    Args:
        content: for each sample a text, which is split at blanks, or a list of words; None: none are given.
        times: for each sample start and end of its words, or instants, or None; None: none are given.
        ids: of the samples.
        where: begins messages.
    Raises:
        DataError: there are times without words, or other numbers of them.
    Example:
        >>> words_of(["so good", None], None, ("a", "b"), "doc")[0]
        ['so', 'good']
    """
    if content is None and times is None:
        return None
    if content is None:
        raise DataError(
            f"{where}: times are those of words, and there are none; those of a modality stand beside its "
            "values: {'values': ..., 'times': ...}"
        )
    rows = [_words(said, f"{where}, sample {one}") for one, said in zip(ids, content, strict=True)]
    if times is None:
        return Words.from_rows(rows)
    both = zip(ids, rows, times, strict=True)
    return Words.from_rows(
        rows,
        [
            None if own is None else seconds(own, (len(row),), f"{where}, sample {one}: times of words")
            for one, row, own in both
        ],
    )


def _words(said: Any, where: str) -> list[str]:
    if said is None or (isinstance(said, float) and np.isnan(said)):
        return []
    if isinstance(said, str | bytes):
        return text(said).split()
    if not isinstance(said, Iterable) or not all(isinstance(word, str | bytes) for word in said):
        raise DataError(f"{where}: words must be a text or a list of words, got {type(said).__name__}")
    return [text(word) for word in said]
