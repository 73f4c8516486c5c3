"""What is wrong with a value of a configuration, in words of one kind."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from affect.classes import class_of
from affect.classes.plain import arguments_of
from affect.errors import did_you_mean


def wrong_value(value: Any, hint: Any, where: str = "") -> str | None:
    """The first value that does not fit its type, and where it stands; None where all fit.

    Args:
        value: plain, as YAML gives it; classes as `class_path` and `init_args`.
        hint: its type: a dataclass stands for a section with its fields as keys.
        where: the keys that lead to it.
    Example:
        >>> wrong_value({"epochs": "many"}, affect.training.Training, "training")
        "training.epochs: expected int, got 'many'"
        >>> fusion = {"class_path": "affect.fusion.LowRankFusion", "init_args": {"rank": 2.5}}
        >>> wrong_value(fusion, Callable, "model.fusion")
        'model.fusion: rank: expected int, got 2.5'
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _of_union(value, args, where)
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping) and "class_path" not in value:
        return _of_section(value, hint, where)
    named = dataclasses.is_dataclass(hint) and isinstance(value, Mapping)  # a class that is a dataclass
    if named or _is_class(hint, origin):
        return _of_class(value, where)
    if _fits(value, hint, origin):
        return _within(value, origin or hint, args, where)
    if origin is Literal and isinstance(value, str):
        return f"{where}: no '{value}'; {did_you_mean(value, map(str, args))}"
    return f"{where}: expected {_called(hint)}, got {_shown(value)}"


def without_names(message: str) -> str:
    r"""What jsonargparse says of anything else, on one line and without its own names of things.

    Example:
        >>> without_names("Parser key \"model\": Expected a <class 'int'>. Got value: many")
        'model: expected int; got value: many'
    """
    line = re.sub(r'Parser key "([^"]+)":\s*', r"\1: ", " ".join(message.split()))
    line = re.sub(r"<class '([\w.]+)'>", r"\1", line).replace("Expected a ", "expected ")
    return line.replace(". Got value:", "; got value:").removesuffix(".")


def _of_union(value: Any, hints: tuple[Any, ...], where: str) -> str | None:
    found = [wrong_value(value, hint, where) for hint in hints]
    if None in found:
        return None
    within = [one for one in found if one is not None and not one.startswith(f"{where}: expected ")]
    if within and isinstance(value, Mapping | list):  # what is wrong in the class, section or list itself
        return min(within, key=lambda one: _UNKNOWN in one)
    return f"{where}: expected {' or '.join(_called(hint) for hint in hints)}, got {_shown(value)}"


def _of_section(value: Mapping[Any, Any], kind: Any, where: str) -> str | None:
    hints = _hints(kind)
    for key, entry in value.items():
        usual = getattr(kind, str(key), inspect.Parameter.empty)  # what a field defaults to fits
        place = f"{where}.{key}" if where else str(key)
        if str(key) not in hints:
            return f"{place}{_UNKNOWN}"
        wrong = None if entry is usual else wrong_value(entry, hints.get(str(key), Any), place)
        if wrong is not None:
            return wrong
    return None


_UNKNOWN = ": no such key"


def _of_class(value: Any, where: str) -> str | None:
    """A class, alone or with arguments: the first of these that does not fit."""
    if isinstance(value, str):
        return None
    if not isinstance(value, Mapping) or "class_path" not in value:
        return f"{where}: expected a class, got {_shown(value)}"
    try:
        cls = class_of(str(value["class_path"]))
        plain = inspect.isclass(cls) and not dataclasses.is_dataclass(cls)
        hints = _hints(cls.__init__ if plain else cls)
        known = arguments_of(cls)
    except Exception:  # of somebody's own module, which says it itself where it is used
        return None
    arguments = value.get("init_args") or {}
    for name, entry in arguments.items():
        usual = known[name].default if name in known else None
        wrong = None if entry is usual else wrong_value(entry, hints.get(name, Any), f"{where}: {name}")
        if wrong is not None:
            return wrong
    for name, parameter in known.items():
        needed = parameter.default is parameter.empty and parameter.kind not in _ANY
        if needed and name not in arguments:
            kind = f" ({_called(hints[name])})" if name in hints else ""
            return f"{where}: {cls.__name__} needs '{name}'{kind}; give it under init_args"
    return None


_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _within(value: Any, kind: Any, args: tuple[Any, ...], where: str) -> str | None:
    """The first entry of a list or of keys and values that does not fit."""
    if isinstance(value, Mapping) and len(args) == 2:
        entries = [(f"{where}.{key}", entry, args[1]) for key, entry in value.items()]
    elif isinstance(value, list | tuple) and args and kind is not Literal:
        hints = args if kind is tuple and args[-1] is not ... else args[:1] * len(value)
        entries = [
            (f"{where}[{i}]", one, hint) for i, (one, hint) in enumerate(zip(value, hints, strict=False))
        ]
    else:
        return None
    return next((wrong for place, one, hint in entries if (wrong := wrong_value(one, hint, place))), None)


def _fits(value: Any, hint: Any, origin: Any) -> bool:
    """Whether a value is of a type, its entries apart; a text is what YAML makes of it, too."""
    if origin is Literal:
        return value in get_args(hint)
    kind = origin or hint
    if hint is Any or not inspect.isclass(kind):
        return True
    if hint is type(None):
        return value is None
    if isinstance(value, str) and kind in (int, float, bool):
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            return False
        return not isinstance(value, str) and _fits(value, hint, origin)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind in (bool, str):
        return isinstance(value, kind)
    if issubclass(kind, Path):
        return isinstance(value, str)
    if issubclass(kind, Mapping):
        return isinstance(value, Mapping)
    if kind in (list, tuple, set, frozenset) or kind.__module__ == "collections.abc":
        return isinstance(value, list | tuple)
    return not dataclasses.is_dataclass(hint) or isinstance(value, Mapping)


def _is_class(hint: Any, origin: Any) -> bool:
    """Whether a configuration names a class there."""
    if hint is Callable or origin in (Callable, type) or getattr(origin, "__name__", "") == "Callable":
        return True
    plain = (int, float, bool, str, bytes, list, tuple, dict, set, frozenset, object, type(None))
    return (
        inspect.isclass(hint)
        and hint not in plain
        and not dataclasses.is_dataclass(hint)
        and not issubclass(hint, Path | Mapping)
        and hint.__module__ not in ("collections.abc", "typing")
    )


def _hints(thing: Any) -> dict[str, Any]:
    """The types of a dataclass's fields, or of a function's arguments; none where they cannot be told."""
    try:
        return get_type_hints(thing)
    except (AttributeError, NameError, TypeError):
        return {}


def _called(hint: Any) -> str:
    """A type as a user of YAML calls it."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is type(None):
        return "null"
    if origin in (Union, types.UnionType):
        return " or ".join(map(_called, args))
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if _is_class(hint, origin):
        return "a class"
    kind = origin or hint
    if inspect.isclass(kind) and issubclass(kind, Mapping) or dataclasses.is_dataclass(hint):
        return "keys and values"
    if kind in (list, tuple, set, frozenset) or getattr(kind, "__module__", "") == "collections.abc":
        return f"a list of {_called(args[0])}" if args and args[0] is not Any else "a list"
    return str(getattr(kind, "__name__", kind))


def _shown(value: Any) -> str:
    """A value as it stands in YAML, short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping) and "class_path" in value:
        return f"the class {str(value['class_path']).rpartition('.')[2]}"
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."
