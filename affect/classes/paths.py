"""Classes by their import path."""

from __future__ import annotations

import sys
from typing import Any

from affect import renamed
from affect.classes.homes import module_of
from affect.classes.loading import PREFIX, as_written


def path_of(cls: type) -> str:
    """The public import path of a class: of the outermost package that has it; a user's as the user says it.

    Example:
        >>> path_of(affect.encoders.PooledEncoder)
        'affect.encoders.PooledEncoder'
    """
    rooms = cls.__module__.split(".")
    own = rooms[0] == "affect" or rooms[0].startswith(PREFIX)
    for count in range(2 if own else 1, len(rooms)):
        room = ".".join(rooms[:count])
        if getattr(sys.modules.get(room), cls.__name__, None) is cls:
            return as_written(f"{room}.{cls.__name__}")
    return as_written(f"{cls.__module__}.{cls.__qualname__}")


def class_of(path: str) -> Any:
    """The class that a full import path names; paths of an older release are known.

    Example:
        >>> class_of("affect.encoders.PooledEncoder") is affect.encoders.PooledEncoder
        True
    """
    module, _, name = renamed.path(path).rpartition(".")
    return getattr(module_of(module), name)
