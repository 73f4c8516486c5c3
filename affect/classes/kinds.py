"""Whether what a configuration names is of a kind that may be called, seen before it is called.

A part is a class that derives from one of affect's, torch's or Lightning's bases. What is no class, or has no
base, is called if it was written by the user, in affect, torch, numpy, optuna or lightning; a function of
another package if it says itself that it is meant: by the name of its first argument, or by what it returns.
Python's own library holds no part, so nothing of it is imported for a name, or called.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

from affect import renamed
from affect.classes.factories import made_of
from affect.classes.following import PACKAGES, is_local
from affect.classes.homes import is_here
from affect.classes.loading import PREFIX

FIRST = {"optimizer": "params", "schedule": "optimizer"}
"""What the first argument of a function is called that makes such a part."""

CALLED = (*PACKAGES, "numpy")
"""Whose functions may be called, beside the user's own."""

MEANT = f"{', '.join(CALLED[:-1])} or {CALLED[-1]}"
"""The same in words."""


def of_python(path: str) -> bool:
    """Whether an import path leads to Python's own library, and to no module of the user's of that name.

    Example:
        >>> of_python("os.system"), of_python("affect.fusion.TensorFusion")
        (True, False)
    """
    module = renamed.path(path).rpartition(".")[0]
    return module.partition(".")[0] in sys.stdlib_module_names and not is_here(module)


def may_be_called(found: Any, path: str, first: str = "", gives: str = "") -> bool:
    """Whether a function, or another callable, may be meant where a configuration names it.

    Args:
        found: what the path names.
        path: the import path.
        first: what the first argument of a function has to be called that is not the user's.
        gives: the class that a function of any other package may say that it returns.
    Example:
        >>> import subprocess
        >>> may_be_called(subprocess.run, "subprocess.run"), may_be_called(torch.relu, "torch.relu")
        (False, True)
    """
    made = made_of(found)
    if not callable(made):
        return False
    module = _written_in(made, path)
    top = module.partition(".")[0]
    if top.startswith(PREFIX) or is_local(getattr(sys.modules.get(module), "__file__", None)):
        return True
    if top in sys.stdlib_module_names or top in ("posix", "nt"):
        return False
    if first:
        return inspect.isfunction(made) and next(iter(inspect.signature(made).parameters), "") == first
    return top in CALLED or bool(gives and inspect.isfunction(made) and _gives(made) == gives)


def _written_in(thing: Any, path: str) -> str:
    """The module that a callable was written in; of an object that is no class or function, the path's."""
    own = inspect.isclass(thing) or inspect.isroutine(thing)
    module = getattr(thing, "__module__", None) if own else None
    return module if isinstance(module, str) else renamed.path(path).rpartition(".")[0]


def _gives(function: Any) -> str:
    """The name of the class that a function says that it returns."""
    said = getattr(function, "__annotations__", {}).get("return", "")
    return (said if isinstance(said, str) else getattr(said, "__name__", "")).rpartition(".")[2]
