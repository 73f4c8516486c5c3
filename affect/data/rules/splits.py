"""What splits are called, in whatever file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from affect.errors import DataError

SPLITS = {
    "train": "train", "training": "train", "valid": "valid", "val": "valid", "dev": "valid",
    "validation": "valid", "test": "test", "testing": "test", "all": "all",
}  # fmt: skip
"""The name of a split here, by what it is called in small letters."""

ORDER = ("train", "valid", "test", "all")
EXPECTED = "expected train, valid (dev, val) or test"
"""What a refusal says of the name of a split."""


def split_of(name: object) -> str:
    """The split that a name means; empty where it means none.

    Example:
        >>> split_of("Train"), split_of("dev"), split_of("config")
        ('train', 'valid', '')
    """
    return SPLITS.get(str(name).strip().lower(), "")


def contents(content: object) -> list[Any]:
    """What a dictionary holds of splits, in its own order; nothing where it is none.

    Example:
        >>> contents({"config": 1, "dev": [2], "Train": [3]})
        [[2], [3]]
    """
    return [own for name, own in content.items() if split_of(name)] if isinstance(content, dict) else []


def named(content: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """What a dictionary holds of each split, by its name here and in the order of training.

    Args:
        content: by whatever the splits are called; other keys are left out.
        where: begins messages.
    Raises:
        DataError: two keys mean the same split.
    Example:
        >>> named({"TEST": 1, "dev": 2, "config": 3}, "doc")
        {'valid': 2, 'test': 1}
    """
    keys: dict[str, Any] = {}
    for key in content:
        split = split_of(key)
        if split and split in keys:
            raise DataError(
                f"{where}: the keys '{keys[split]}' and '{key}' both mean the split {split}; keep one of them"
            )
        if split:
            keys[split] = key
    return {split: content[keys[split]] for split in ORDER if split in keys}
