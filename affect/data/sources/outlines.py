"""What a pickle of no known layout holds, in one short line, and which layout it is nearest to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from affect.data.rules.splits import contents
from affect.data.sources import lmf, mag, mmsa, mult
from affect.data.sources.ignored_keys import shown

_LONG, _SHOWN, _DEEP = 400, 4, 3
_KEYS = {
    "mmsa": (*mmsa.MODALITIES, mmsa.LABELS, "raw_text", "text_bert"),
    "mult": (*mult.MODALITIES, mult.LABELS),
    "lmf": (*lmf.MODALITIES, lmf.LABELS),
}
"""Keys of the splits, by layout."""

_SPLITS = "train, valid (dev, val) and test"


def describe(content: Any) -> str:
    """Type, length and the first items of it, as deep as a line has room for, and the nearest layout.

    Example:
        >>> describe([np.zeros((2, 3)), "so"])
        'list of 2 (array (2, 3) of float64, str); expected a dict of train, valid (dev, val) and test'
    """
    held = next(
        (said for depth in range(_DEEP, 0, -1) if len(said := outline(content, depth)) <= _LONG),
        outline(content, 1)[: _LONG - 1] + "…",
    )
    return f"{held}; {nearest(content)}"


def outline(content: Any, depth: int = _DEEP) -> str:
    """Type and size, and those of the first items as deep as is asked for.

    Example:
        >>> outline({"train": [(1, 2.0)], "n": None})
        "dict of 2 ('train': list of 1 (tuple of 2 (int, float)), 'n': None)"
    """
    if isinstance(content, np.ndarray):
        return f"array {content.shape} of {content.dtype}"
    if isinstance(content, dict):
        items: Iterable[str] = (
            f"{shown(key)}: {outline(own, depth - 1)}" for key, own in _first(content.items(), depth)
        )
    elif isinstance(content, list | tuple | set | frozenset):
        items = (outline(own, depth - 1) for own in _first(content, depth))
    else:
        return "None" if content is None else type(content).__name__
    held = list(items)
    more = ", ..." if held and len(content) > len(held) else ""
    inside = f" ({', '.join(held)}{more})" if held else ""
    return f"{type(content).__name__} of {len(content):,}{inside}"


def _first(items: Iterable[Any], depth: int) -> list[Any]:
    return [own for own, _ in zip(items, range(_SHOWN if depth > 0 else 0), strict=False)]


def nearest(content: Any) -> str:
    """The layout that has most in common with it, and what is not there of it.

    Example:
        >>> nearest({"train": {"audio": 1, "labels": 2, "x": 3}})
        'nearest is mult, of which its splits lack text, vision'
    """
    splits = contents(content)
    if isinstance(content, list) and content and mag.is_sample(content[0]):
        return "nearest is mag, of which it is one split: call the file train.pkl, dev.pkl or test.pkl"
    if not splits:
        name, lacking = _closest(set(map(str, content)) if isinstance(content, dict) else set())
        alike = f"nearest is {name}, whose keys stand in " if len(lacking) < len(_KEYS[name]) else "expected "
        return f"{alike}a dict of {_SPLITS}"
    odd = next((split for split in splits if not isinstance(split, dict)), None)
    if odd is not None:
        return f"nearest is mag, which has lists of {mag.RULE} for all splits, and not a {outline(odd, 1)}"
    name, lacking = _closest(set().union(*({str(key) for key in split} for split in splits)))
    return f"nearest is {name}, of which its splits lack {', '.join(lacking)}"


def _closest(keys: set[str]) -> tuple[str, tuple[str, ...]]:
    """The layout of which most keys are there, and its other keys."""
    name = max(_KEYS, key=lambda one: len(keys & set(_KEYS[one])))
    return name, tuple(key for key in _KEYS[name] if key not in keys)
