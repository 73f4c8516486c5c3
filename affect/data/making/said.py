"""Ids, groups and words as they are given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from affect.data.making.arraylike import is_tensor, seconds
from affect.data.ragged import Words
from affect.errors import DataError


def ids_of(content: Any, split: str, count: int, where: str) -> tuple[str, ...]:
    """The names of the samples; where none are given, that of the split and a number.

    Raises:
        DataError: one is empty.
    Example:
        >>> ids_of(None, "train", 2, "doc"), ids_of(np.array([7, 8]), "train", 2, "doc")
        (('train000', 'train001'), ('7', '8'))
    """
    if content is None:
        return tuple(f"{split}{i:03d}" for i in range(count))
    ids = tuple(one.strip() for one in texts_of(content, f"{where}: id"))
    if "" in ids:
        raise DataError(f"{where}: the id of sample {ids.index('')} is empty")
    return ids


def texts_of(content: Any, where: str) -> tuple[str, ...]:
    """A text for each sample, from any list or array."""
    from affect.data.sources.values import texts

    return texts(content.tolist() if is_tensor(content) else content, where)


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
    from affect.data.sources.values import text

    if said is None or (isinstance(said, float) and np.isnan(said)):
        return []
    if isinstance(said, str | bytes):
        return text(said).split()
    if not isinstance(said, Iterable) or not all(isinstance(word, str | bytes) for word in said):
        raise DataError(f"{where}: words must be a text or a list of words, got {type(said).__name__}")
    return [text(word) for word in said]
