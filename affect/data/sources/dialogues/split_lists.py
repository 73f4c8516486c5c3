"""Which list of dialogues is for training, validation and test: told from their names and sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from affect.data.corpora import folds, recognise
from affect.data.sources.dialogues.known import KNOWN

Lists = list[tuple[str, ...]]
_SESSION = re.compile(r"(Ses0\d)[FM]_")
_BOTH, _ALL = 2, 3


def splits_of(lists: Lists, public: str, labels_first: bool) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The dialogues of each split, and the note on how they were told apart.

    In this order: what is the official split of CMU-MOSI or CMU-MOSEI; the sizes of a public corpus; of
    IEMOCAP, the test has a session of its own; dialogues numbered through from training over validation to
    test; and where nothing tells, as the published code has them.

    Args:
        lists: names of dialogues, as many lists as the file has, at most three.
        public: the public corpus, where it is known.
        labels_first: whether labels stand before speakers in the file, as in GCNet's.
    Example:
        >>> splits_of([("0", "1", "2"), ("5", "6"), ("3", "4")], "", False)[0]
        {'train': ('0', '1', '2'), 'valid': ('3', '4'), 'test': ('5', '6')}
    """
    if not lists:
        return {}, []
    if len(lists) == 1:
        return {"train": lists[0]}, ["The file has one list of dialogues, which is taken for training."]
    if len(lists) == _BOTH:
        train, test = sorted(lists, key=len, reverse=True)
        order, how = [train, test], "the larger one is for training"
    else:
        order, how = _three(lists, public, labels_first)
    names = ("train", "test") if len(lists) == _BOTH else ("train", "valid", "test")
    said = ", ".join(f"{name} {len(own):,}" for name, own in zip(names, order, strict=True))
    return dict(zip(names, order, strict=True)), [
        f"The file does not name its {len(lists)} lists of dialogues, which are taken as {said}: {how}."
    ]


def _three(lists: Lists, public: str, labels_first: bool) -> tuple[Lists, str]:
    for found, how in (
        (_by_folds(lists), "they are the official ones"),
        (_by_sizes(lists, public), "such are the published sizes"),
        (_by_sessions(lists), "the test has a session of its own"),
        (_by_numbers(lists), "their dialogues are numbered in this order"),
    ):
        if found is not None:
            return found, how
    first, second, third = lists
    order = [first, second, third] if labels_first else [first, third, second]
    which = "GCNet's" if labels_first else "conv-emotion's"
    return order, f"nothing in them tells, and such is the order of {which} files"


def _by_folds(lists: Lists) -> Lists | None:
    public = recognise(one for own in lists for one in own)
    if not public:
        return None
    fold = folds()[public]
    found = {}
    for own in lists:
        of = {fold.get(one) for one in own}
        if len(of) == 1:
            found[of.pop()] = own
    return (
        [found[name] for name in ("train", "valid", "test")]
        if found.keys() >= {"train", "valid", "test"}
        else None
    )


def _by_sizes(lists: Lists, public: str) -> Lists | None:
    sizes = KNOWN[public].sizes if public in KNOWN else ()
    by_size = {len(own): own for own in lists}
    return [by_size[size] for size in sizes] if sizes and {*sizes} == by_size.keys() else None


def _by_sessions(lists: Lists) -> Lists | None:
    sessions = [{found[1] if (found := _SESSION.match(one)) else "" for one in own} for own in lists]
    if any("" in own for own in sessions):
        return None
    apart = [
        i
        for i, own in enumerate(sessions)
        if all(own.isdisjoint(o) for j, o in enumerate(sessions) if j != i)
    ]
    if len(apart) != 1:
        return None
    test = lists[apart[0]]
    train, valid = sorted((own for own in lists if own is not test), key=len, reverse=True)
    return [train, valid, test] if len(train) > len(valid) else None


def _by_numbers(lists: Lists) -> Lists | None:
    spans = [_span(own) for own in lists]
    if any(span is None for span in spans):
        return None
    order = sorted((span, i) for i, span in enumerate(spans) if span is not None)
    if any(a[0][1] >= b[0][0] for a, b in zip(order, order[1:], strict=False)):
        return None
    found = [lists[i] for _, i in order]
    return found if len(found[0]) == max(map(len, found)) else None


def _span(own: Iterable[str]) -> tuple[int, int] | None:
    numbers = [int(one) for one in own if one.isdecimal()]
    return (min(numbers), max(numbers)) if numbers and len(numbers) == len(list(own)) else None
