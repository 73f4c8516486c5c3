"""YAML as plain values: texts, numbers, lists, and keys that stand once; nothing endless or executable."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

LONGEST = 1_000_000
"""Bytes of a file that is read: seconds of work."""

_QUICK: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times as fast; lists within lists, tens of thousands of them, end its process."""
_OPENS = re.compile(r"[\[{]|[-?:][ \t]+[-?]\s")
"""What begins a value in another on the same line; lines that do it by blanks grow with their depth."""
_SAFE, _VALUES, _DEPTH, _DIGITS = 5_000, 100_000, 100, 100
_TAG = "tag:yaml.org,2002:"
_NUMBERS = {f"{_TAG}int", f"{_TAG}float"}
_KNOWN = {*_NUMBERS, *(f"{_TAG}{name}" for name in ("str", "bool", "null", "map", "seq", "merge"))}
_ERRORS = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError)
"""What the constructors of PyYAML raise where a value is not what its tag says."""


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Args:
        path: of the file.
    Raises:
        OSError: there is no such file.
        ValueError: as `parse_yaml`.
    """
    with path.open("rb") as file:
        return parse_yaml(file.read(LONGEST + 1))


def parse_yaml(content: bytes) -> Any:
    r"""What YAML in UTF-8 says.

    Args:
        content: of a file.
    Raises:
        ValueError: it is longer than `LONGEST`, is no YAML, has a key twice, a value of another kind than
            texts, numbers, True, False, nothing, lists and keys, or values within values without end.
    Example:
        >>> parse_yaml(b"seeds: [0, 1]")
        {'seeds': [0, 1]}
        >>> parse_yaml(b"seeds: [0, 1]\nseeds: [2]")
        Traceback (most recent call last):
        ValueError: line 2: 'seeds' stands here and above; keep one of them
    """
    if len(content) > LONGEST:
        raise ValueError(f"expected at most {LONGEST:,} bytes")
    text = content.decode()
    try:
        if len(_OPENS.findall(text)) <= _SAFE:
            try:
                return _values(text, _QUICK)
            except yaml.YAMLError:
                pass  # the other one says it better
        return _values(text, yaml.SafeLoader)
    except RecursionError:
        raise ValueError("values are too deep in each other") from None
    except _ERRORS as error:
        raise ValueError(" ".join(str(error).split())) from None


def _values(text: str, kind: Any) -> Any:
    loader = kind(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_nodes(node, loader)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_nodes(top: yaml.Node, loader: Any) -> None:
    """Refuse what is more than it looks: an alias names a list in itself; a short text, a billion values."""
    _check_scalar(top)
    heights, sizes, within = dict[int, int](), dict[int, int](), set[int]()
    todo = [(top, False)]
    while todo:
        node, left = todo.pop()
        own, inner = id(node), _inner(node)
        if left:
            within.remove(own)
            heights[own] = 1 + max((heights.get(id(one), 1) for one in inner), default=0)
            sizes[own] = 1 + sum(sizes.get(id(one), 1) for one in inner)
            if heights[own] > _DEPTH:
                raise ValueError(f"{_line(node)}: more than {_DEPTH} values in each other")
            if sizes[own] > _VALUES:
                raise ValueError(f"{_line(node)}: more than {_VALUES:,} values")
        elif own in within:
            raise ValueError(f"{_line(node)}: holds itself")
        elif own not in sizes:
            within.add(own)
            todo.append((node, True))
            for one in inner:
                _check_scalar(one)
                if not isinstance(one, yaml.ScalarNode):
                    todo.append((one, False))
            _check_keys(node, loader)


def _check_scalar(node: yaml.Node) -> None:
    """Refuse a value of a tag that plain values do not have, or a number that is none."""
    if node.tag not in _KNOWN:
        tag = node.tag.replace(_TAG, "!!")
        raise ValueError(
            f"{_line(node)}: expected a text, a number, true, false, null, a list or keys, got {tag}; a text "
            "that looks like something else stands in quotes"
        )
    if node.tag in _NUMBERS and len(node.value) > _DIGITS:
        raise ValueError(f"{_line(node)}: a number of {len(node.value):,} characters; at most {_DIGITS} are")


def _check_keys(node: yaml.Node, loader: Any) -> None:
    """Refuse a key that stands twice, however it is spelled: the last one would hide the others."""
    seen = dict[Any, yaml.Node]()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if not isinstance(key, yaml.ScalarNode):
            continue
        value = (key.tag, key.value) if key.tag == f"{_TAG}merge" else loader.construct_object(key)
        if (other := seen.setdefault(value, key)) is key:
            continue
        said = f"{_line(key)}: '{key.value[:40]}' stands here"
        if other.value == key.value:
            raise ValueError(f"{said} and above; keep one of them")
        raise ValueError(
            f"{said}, and in {_line(other)} '{other.value[:40]}', the same key; keep one of them"
        )


def _inner(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"
