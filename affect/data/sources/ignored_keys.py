"""The note on what a file holds that is not read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from affect.data.rules.splits import split_of

_LIKE = re.compile(r"train|val(?!ue|ence)|dev(?!ice)|test|eval|fold|unlabel|holdout", re.IGNORECASE)
_SHOWN, _LONG = 12, 40


def ignored_keys(
    content: Mapping[Any, Any],
    beside: Collection[str],
    splits: Mapping[str, Mapping[Any, Any]],
    known: Collection[str],
) -> tuple[str, ...]:
    """A note that names the keys beside the splits and inside them that no reader looks at; none without any.

    Args:
        content: by the names of splits and what stands beside them.
        beside: keys beside the splits that are read.
        splits: what each split holds.
        known: keys inside them that are read.
    Example:
        >>> ignored_keys({"train": {"id": 1, "x": 2}, "test_b": {}}, (), {"train": {"id": 1, "x": 2}}, ["id"])
        ("Not read: 'test_b', which looks like a split; 'x' in train.",)
    """
    found = []
    for key, own in content.items():
        if not split_of(key) and key not in beside:
            like = isinstance(own, dict | list | tuple) and _LIKE.search(str(key))
            found.append(shown(key) + (", which looks like a split" if like else ""))
    inside: dict[Any, list[str]] = {}
    for split, own in splits.items():
        for key in own:
            if key not in known:
                inside.setdefault(key, []).append(split)
    for key, where in inside.items():
        found.append(shown(key) + ("" if len(where) == len(splits) > 1 else f" in {', '.join(where)}"))
    more = f"; {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return (f"Not read: {'; '.join(found[:_SHOWN])}{more}.",) if found else ()


def shown(key: object) -> str:
    r"""A key as it may stand in a message: short, on one line, and without control characters.

    Example:
        >>> shown("a\nb"), shown("x" * 50)
        ("'a\\nb'", "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'")
    """
    said = str(key)
    said = said if len(said) <= _LONG else f"{said[: _LONG - 1]}…"
    return f"'{''.join(c if c.isprintable() else ascii(c)[1:-1] for c in said)}'"
