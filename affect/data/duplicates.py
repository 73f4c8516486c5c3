"""Ids that occur more than once: damage, pairing and predictions hang on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from affect.data.corpus import Corpus
from affect.errors import DataError

_SHOWN = 3


def unique(corpus: Corpus, duplicates: str = "refuse") -> Corpus:
    """The same corpus, in which every id stands for one sample; itself where it does already.

    Args:
        corpus: any.
        duplicates: `refuse`; `number` calls them `id[0]`, `id[1]` in the order of splits and samples; `first`
            leaves all but the first out; `keep` leaves them as they are.
    Raises:
        DataError: an id occurs more than once, inside a split or across splits, and is to be refused; or
            nothing would be left of a split.
    Example:
        >>> split = affect.load("synthetic")["test"].take(np.array([0, 1, 0]))
        >>> corpus = unique(affect.Corpus("c", {"all": split}, affect.load("synthetic").targets), "number")
        >>> [one.rpartition("[")[2] for one in corpus["all"].ids][::2], len(corpus.notes)
        (['0]', '1]'], 1)
    """
    counts = Counter(one for split in corpus.splits.values() for one in split.ids)
    twice = [one for one, count in counts.items() if count > 1]
    if not twice or duplicates == "keep":
        return corpus
    first = ", ".join(f"'{one}'" for one in twice[:_SHOWN]) + (", ..." if len(twice) > _SHOWN else "")
    if duplicates == "refuse":
        where = [
            f"{name} ({count})"
            for name, split in corpus.splits.items()
            if (count := split.ids.count(twice[0]))
        ]
        raise DataError(
            f"{corpus.name}: {len(twice):,} ids occur more than once: {first}; '{twice[0]}' in "
            f"{', '.join(where)}; make them unique, or choose duplicates: number, or first"
        )
    if duplicates == "first":
        met: set[str] = set()
        splits = {}
        for name, split in corpus.splits.items():
            rows = []
            for i, one in enumerate(split.ids):
                if one not in met:
                    met.add(one)
                    rows.append(i)
            if not rows:
                raise DataError(
                    f"{corpus.name}, {name}: all its ids occur before; nothing is left of the split"
                )
            splits[name] = split.take(np.array(rows))
        left = counts.total() - len(counts)
        became = f"{left:,} samples behind the first of each are left out"
        return _noted(replace(corpus, splits=splits), len(twice), first, became)
    number, taken = Counter[str](), set(counts)
    splits = {}
    for name, split in corpus.splits.items():
        ids = []
        for one in split.ids:
            if counts[one] > 1:
                given = _free(one, number, taken)
                taken.add(given)
                one = given
            ids.append(one)
        splits[name] = replace(split, ids=tuple(ids))
    became = f"they are numbered, '{twice[0]}[0]' and so on"
    return _noted(replace(corpus, splits=splits), len(twice), first, became)


def _noted(corpus: Corpus, count: int, first: str, became: str) -> Corpus:
    note = f"{count:,} ids occur more than once, such as {first}: {became}."
    return replace(corpus, notes=(*corpus.notes, note))


def _free(one: str, number: Counter[str], taken: set[str]) -> str:
    """The next number of an id that no other id has already."""
    while (given := f"{one}[{number[one]}]") in taken:
        number[one] += 1
    number[one] += 1
    return given
