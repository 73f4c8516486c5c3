"""Ids that occur more than once: damage, pairing and predictions hang on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
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
    if duplicates == "refuse":
        where = [
            f"{name} ({count})"
            for name, split in corpus.splits.items()
            if (count := split.ids.count(twice[0]))
        ]
        raise DataError(
            f"{corpus.name}: {_recurring(twice)}; '{twice[0]}' in {', '.join(where)}; make them unique, or "
            "choose duplicates: number, or first"
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
        note = f"{_recurring(twice, 'such as ')}: {left:,} samples behind the first of each are left out."
        return replace(corpus, splits=splits, notes=(*corpus.notes, note))
    ids, notes = numbered({name: split.ids for name, split in corpus.splits.items()}, whole=False)
    splits = {name: replace(split, ids=ids[name]) for name, split in corpus.splits.items()}
    return replace(corpus, splits=splits, notes=(*corpus.notes, *notes))


def numbered(
    ids: Mapping[str, tuple[str, ...]], whole: bool = True
) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Ids that occur more than once, numbered from split to split, `video[0]`, `video[1]`; and a note on it.

    Args:
        ids: as they are, by split.
        whole: in a split in which an id recurs, number all: ids of such files name nothing but videos.
    Example:
        >>> found, notes = numbered({"train": ("a", "a", "b"), "test": ("a", "c")})
        >>> found
        {'train': ('a[0]', 'a[1]', 'b[0]'), 'test': ('a[2]', 'c')}
        >>> notes
        ["1 id occurs more than once, such as 'a': they are numbered, 'a[0]' and so on."]
    """
    counts = Counter(one for own in ids.values() for one in own)
    twice = [one for one, count in counts.items() if count > 1]
    if not twice:
        return dict(ids), []
    number, taken = Counter[str](), set(counts)
    found: dict[str, tuple[str, ...]] = {}
    for split, own in ids.items():
        recurs = whole and len(set(own)) < len(own)
        given = []
        for one in own:
            given.append(_free(one, number, taken) if recurs or counts[one] > 1 else one)
            taken.add(given[-1])
        found[split] = tuple(given)
    return found, [f"{_recurring(twice, 'such as ')}: they are numbered, '{twice[0]}[0]' and so on."]


def _recurring(twice: list[str], such: str = "") -> str:
    """How many ids occur more than once, and the first of them."""
    first = ", ".join(f"'{one}'" for one in twice[:_SHOWN]) + (", ..." if len(twice) > _SHOWN else "")
    verb = "id occurs" if len(twice) == 1 else "ids occur"
    return f"{len(twice):,} {verb} more than once{', ' if such else ': '}{such}{first}"


def _free(one: str, number: Counter[str], taken: set[str]) -> str:
    """The next number of an id that no other id has already."""
    while (given := f"{one}[{number[one]}]") in taken:
        number[one] += 1
    number[one] += 1
    return given
