"""Classes and their arguments as plain values, as a configuration file holds them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affect.classes.paths import path_of
from affect.errors import ConfigError, described

GIVEN = ("self", "dims", "in_dim", "out_dim", "target", "optimizer", "split")
"""Arguments of parts that no configuration holds: they are given when the part is made."""

_OPTIMIZER = ("params", "lr", "weight_decay")
"""The same of optimisers, which are known by their first argument, `params`."""

_TERM = ("model", "ids")
"""The same of terms, which are known by both of them."""

_LEARNER = ("model", "objective", "training", "seed", "teacher", "class_weights", "terms")
"""The same of learners, which are known by the first four."""

_MORE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def arguments_of(cls: type) -> dict[str, inspect.Parameter]:
    """The arguments of a part that a configuration may hold, by name.

    Example:
        >>> list(arguments_of(affect.fusion.LowRankFusion))
        ['rank', 'dropout', 'pooling']
        >>> "lr" in arguments_of(torch.optim.SGD), "momentum" in arguments_of(torch.optim.SGD)
        (False, True)
    """
    found = dict(inspect.signature(cls).parameters)
    given = (*GIVEN, *_OPTIMIZER) if "params" in found else GIVEN
    given = (*given, *_TERM) if found.keys() >= {*_TERM} else given
    given = (*given, *_LEARNER) if found.keys() >= {*_LEARNER[:4]} else given
    return {name: one for name, one in found.items() if name not in given and one.kind not in _MORE}


def named(cls: type, arguments: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """A class with all its arguments: those that were left out have the values that they default to.

    Said in full, a run can be repeated when a default has changed, and jsonargparse cannot hand on arguments
    of a default class to the class that is named in its place.

    Args:
        cls: the class.
        arguments: plain values, by name.
        path: what the class is called, where that is not its own path.
    Example:
        >>> named(affect.fusion.LowRankFusion, {"rank": 8})["init_args"]["rank"]
        8
    """
    defaults: dict[str, Any] = {}
    for name, parameter in arguments_of(cls).items():
        value = parameter.default
        if inspect.isclass(value) and value is not parameter.empty:
            defaults[name] = named(value, {})
        elif isinstance(value, tuple):
            defaults[name] = list(value)
        elif isinstance(value, int | float | str | None):
            defaults[name] = value
    return {"class_path": path or path_of(cls), "init_args": {**defaults, **arguments}}


def plain(value: Any, where: str) -> Any:
    """A value as a configuration file holds it: classes, partials and objects by class and arguments.

    Args:
        value: text, numbers, lists, dictionaries of these; classes, `functools.partial` of them, dataclasses,
            and objects whose constructor's arguments are attributes of the same names.
        where: begins the message where a value cannot be written so.
    Raises:
        ConfigError: it cannot: a class of a notebook or of a function, a function, an object.
    Example:
        >>> plain(functools.partial(affect.fusion.LowRankFusion, rank=8), "fusion")["init_args"]["rank"]
        8
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(entry, f"{where}: {key}") for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry, where) for entry in value]
    if isinstance(value, type):
        return named(_importable(value, where), {})
    if isinstance(value, functools.partial):
        return _partial(value, where)
    if dataclasses.is_dataclass(value):
        names = [entry.name for entry in dataclasses.fields(value) if entry.init]
    elif inspect.isroutine(value):
        raise ConfigError(
            f"{where}: {getattr(value, '__name__', 'a function')} is a function, which a configuration "
            "cannot name; give a class, or functools.partial of one"
        )
    else:
        names = list(arguments_of(type(value)))
    cls = _importable(type(value), where)
    if lacking := [name for name in names if not hasattr(value, name)]:
        raise ConfigError(
            f"{where}: {described(value)} does not say what '{lacking[0]}' it was made with; "
            f"give functools.partial of its class, or keep the argument as its attribute '{lacking[0]}'"
        )
    return named(cls, {name: plain(getattr(value, name), f"{where}: {name}") for name in names})


def _partial(value: functools.partial[Any], where: str) -> dict[str, Any]:
    if not isinstance(value.func, type):
        return plain(value.func, where)  # type: ignore[no-any-return]  # it refuses
    cls = _importable(value.func, where)
    names = list(inspect.signature(cls).parameters)  # of all arguments: positions count them
    keywords = {**dict(zip(names, value.args, strict=False)), **value.keywords}
    return named(cls, {name: plain(entry, f"{where}: {name}") for name, entry in keywords.items()})


def _importable(cls: type, where: str) -> type:
    """The class, if another process can import it."""
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        home = "this script or notebook" if cls.__module__ == "__main__" else "a function"
        raise ConfigError(
            f"{where}: {cls.__name__} is defined in {home}, where no other process finds it; "
            "move it into a module (my_parts.py) and import it from there"
        )
    return cls


def classes_of(value: Any) -> set[type]:
    """The classes that a value of Python names, as `plain` writes them.

    Example:
        >>> [cls.__name__ for cls in classes_of({"fusion": functools.partial(affect.fusion.LowRankFusion)})]
        ['LowRankFusion']
    """
    if isinstance(value, type):
        return {value}
    if isinstance(value, functools.partial):
        return classes_of([value.func, *value.args, *value.keywords.values()])
    if isinstance(value, Mapping):
        return classes_of(list(value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return {cls for entry in value for cls in classes_of(entry)}
    if value is None or isinstance(value, bool | int | float | str | Path):
        return set()
    return {type(value)} | classes_of(list(vars(value).values()) if dataclasses.is_dataclass(value) else [])
