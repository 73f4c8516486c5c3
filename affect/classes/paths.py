"""Classes by their import path."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from affect import renamed


def path_of(cls: type) -> str:
    """The public import path of a class: of the outermost package that has it.

    Example:
        >>> path_of(affect.encoders.PooledEncoder)
        'affect.encoders.PooledEncoder'
    """
    rooms = cls.__module__.split(".")
    for count in range(2 if rooms[0] == "affect" else 1, len(rooms)):
        room = ".".join(rooms[:count])
        if getattr(sys.modules.get(room), cls.__name__, None) is cls:
            return f"{room}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def class_of(path: str) -> Any:
    """The class that a full import path names; paths of an older release are known.

    Example:
        >>> class_of("affect.encoders.PooledEncoder") is affect.encoders.PooledEncoder
        True
    """
    module, _, name = renamed.path(path).rpartition(".")
    return getattr(importlib.import_module(module), name)
