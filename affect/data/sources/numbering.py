"""The ids of files that may name nothing but the videos of their samples: numbered where they recur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

_SHOWN = 3


def numbered(ids: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Ids that stand for one sample each, and the note on those that did not.

    In a split in which an id recurs, all are numbered, `video[0]`, `video[1]`; in another split, those that
    recur elsewhere. Numbers go on from split to split.

    Args:
        ids: as they are, by split.
    Example:
        >>> found, notes = numbered({"train": ("a", "a", "b"), "test": ("a", "c")})
        >>> found
        {'train': ('a[0]', 'a[1]', 'b[0]'), 'test': ('a[2]', 'c')}
        >>> notes
        ["1 ids occur more than once, such as 'a': they are numbered, 'a[0]' and so on."]
    """
    counts = Counter(one for own in ids.values() for one in own)
    twice = [one for one, count in counts.items() if count > 1]
    if not twice:
        return dict(ids), []
    numbers, taken = Counter[str](), set(counts)
    found: dict[str, tuple[str, ...]] = {}
    for split, own in ids.items():
        recurs = len(set(own)) < len(own)
        given = []
        for one in own:
            if recurs or counts[one] > 1:
                while (name := f"{one}[{numbers[one]}]") in taken:
                    numbers[one] += 1
                taken.add(name)
            else:
                name = one
            given.append(name)
        found[split] = tuple(given)
    shown = ", ".join(f"'{one}'" for one in twice[:_SHOWN]) + (", ..." if len(twice) > _SHOWN else "")
    said = f"{len(twice):,} ids occur more than once, such as {shown}: they are numbered"
    return found, [f"{said}, '{twice[0]}[0]' and so on."]
