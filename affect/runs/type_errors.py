"""Where a value of a configuration does not fit its type, in one line; jsonargparse says whether it fits."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from affect.classes import class_of
from affect.classes.plain import arguments_of
from affect.errors import did_you_mean

_Entry: TypeAlias = tuple[Any, Any, str]  # a value, its type, and where it stands


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
    inner = [entries for one in options_of(hint) if (entries := _entries(value, one, where)) is not None]
    if inner:
        found = [next(filter(None, (wrong_value(*entry) for entry in own)), None) for own in inner]
        return (None if None in found else found[0]) or _lacking(value, where)
    if _fits(value, hint):
        return None
    if get_origin(hint) is Literal and isinstance(value, str):
        return f"{where}: no '{value}'; {did_you_mean(value, map(str, get_args(hint)))}"
    return f"{where}: expected {_called(hint)}, got {_shown(value)}"


def without_names(message: str) -> str:
    r"""What jsonargparse says of anything else, on one line and without its own names of things.

    Args:
        message: its.
    Example:
        >>> without_names("Parser key \"model\": Expected a <class 'int'>. Got value: many")
        'model: expected int; got value: many'
    """
    line = re.sub(r'Parser key "([^"]+)":\s*', r"\1: ", " ".join(message.split()))
    line = re.sub(r"<class '([\w.]+)'>", r"\1", line).replace("Expected a ", "expected ")
    return line.replace(". Got value:", "; got value:").removesuffix(".")


def options_of(hint: Any) -> tuple[Any, ...]:
    """The types of which a value has to have one.

    Example:
        >>> options_of(int | None)
        (<class 'int'>, <class 'NoneType'>)
    """
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _entries(value: Any, hint: Any, where: str) -> list[_Entry] | None:
    """The values within a value, where it has the form that the type asks for; None where it has not."""
    kind, args = get_origin(hint) or hint, get_args(hint)
    if isinstance(value, Mapping) and "class_path" in value:
        known = names_class(hint) or dataclasses.is_dataclass(hint)
        return [*_arguments(value, where)] if known else None
    if isinstance(value, Mapping) and dataclasses.is_dataclass(hint):
        if not value.keys() <= (fields := {one.name: one for one in dataclasses.fields(hint)}).keys():
            return None
        hints, place = _hints(hint), f"{where}." if where else ""
        return [
            (entry, hints.get(key, Any), f"{place}{key}")
            for key, entry in value.items()
            if entry is not fields[key].default
        ]
    if isinstance(value, Mapping) and _is_a(kind, Mapping) and len(args) == 2:
        return [(entry, args[1], f"{where}.{key}") for key, entry in value.items()]
    if isinstance(value, list | tuple) and args and _is_list(kind):
        hints_of = args if kind is tuple and args[-1] is not ... else args[:1] * len(value)
        return [
            (one, own, f"{where}[{i}]") for i, (one, own) in enumerate(zip(value, hints_of, strict=False))
        ]
    return None


def _arguments(value: Mapping[str, Any], where: str) -> Iterator[_Entry]:
    """Those of a class that differ from their defaults."""
    known, hints = signature_of(value)
    for name, entry in (value.get("init_args") or {}).items():
        if name not in known or entry is not known[name].default:
            yield entry, hints.get(name, Any), f"{where}: {name}"


def _lacking(value: Any, where: str) -> str | None:
    """The first argument that a class needs and has not been given."""
    if not isinstance(value, Mapping) or "class_path" not in value:
        return None
    known, hints = signature_of(value)
    for name, one in known.items():
        any_number = one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        if one.default is one.empty and not any_number and name not in (value.get("init_args") or {}):
            kind = f" ({_called(hints[name])})" if name in hints else ""
            cls = value["class_path"].rpartition(".")[2]
            return f"{where}: {cls} needs '{name}'{kind}; give it under init_args"
    return None


def signature_of(value: Mapping[str, Any]) -> tuple[Mapping[str, inspect.Parameter], dict[str, Any]]:
    """A class's arguments and their types; none where somebody's module fails, which says it itself later.

    Args:
        value: with `class_path`.
    Example:
        >>> "rank" in signature_of({"class_path": "affect.fusion.LowRankFusion"})[0]
        True
    """
    try:
        cls = class_of(str(value["class_path"]))
        plain = inspect.isclass(cls) and not dataclasses.is_dataclass(cls)
        return arguments_of(cls), _hints(cls.__init__ if plain else cls)
    except Exception:
        return {}, {}


def _fits(value: Any, hint: Any) -> bool:
    from jsonargparse import ArgumentError, ArgumentParser

    options = options_of(hint)
    if Any in options or type(value) in options:
        return True
    if value is None:  # jsonargparse takes it for nothing
        return False
    if any(map(names_class, options)) and isinstance(value, str):
        return True
    parser = ArgumentParser(exit_on_error=False)
    try:
        parser.add_argument("--value", type=hint)
    except ValueError:  # no type that it knows
        return True
    try:
        parser.parse_object({"value": value})
    except ArgumentError:
        return False
    return True


def names_class(hint: Any) -> bool:
    """Whether a configuration names a class there, or a function.

    Example:
        >>> names_class(Callable), names_class(int)
        (True, False)
    """
    kind = get_origin(hint) or hint
    if kind in (Callable, type):
        return True
    plain = ("builtins", "collections.abc", "typing")
    named = inspect.isclass(kind) and kind.__module__ not in plain and not dataclasses.is_dataclass(kind)
    return named and not issubclass(kind, Path | Mapping)


def _is_a(kind: Any, base: type) -> bool:
    return inspect.isclass(kind) and issubclass(kind, base)


def _is_list(kind: Any) -> bool:
    return _is_a(kind, Iterable) and not _is_a(kind, Mapping) and kind is not str


def _hints(thing: Any) -> dict[str, Any]:
    """The types of a dataclass's fields, or of a function's arguments; none where they are not known.

    A name that is imported for type checkers alone stands for any type.
    """
    unknown: dict[str, Any] = {}
    while True:
        try:
            return get_type_hints(thing, localns=unknown or None)
        except NameError as error:
            if not error.name or error.name in unknown:
                return {}
            unknown[error.name] = Any
        except (AttributeError, TypeError):
            return {}


def _called(hint: Any) -> str:
    """A type as a user of YAML calls it."""
    kind, args = get_origin(hint) or hint, get_args(hint)
    if kind is Literal:
        return "one of " + ", ".join(map(str, args))
    if len(options_of(hint)) > 1:
        return " or ".join(map(_called, args))
    if names_class(hint):
        return "a class"
    if dataclasses.is_dataclass(kind) or _is_a(kind, Mapping):
        return "keys and values"
    if _is_list(kind):
        return f"a list of {_called(args[0])}" if args and args[0] is not Any else "a list"
    return "null" if kind is type(None) else str(getattr(kind, "__name__", kind))


def _shown(value: Any) -> str:
    """A value as it stands in YAML, short."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, Mapping) and "class_path" in value:
        return f"the class {str(value['class_path']).rpartition('.')[2]}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
