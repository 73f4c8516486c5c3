"""What makes a part: a class, a partial of one, or another callable; never the part itself, or its name."""

from __future__ import annotations

import functools
import sys
from typing import Any

from affect.classes.paths import path_of
from affect.errors import ConfigError, described, did_you_mean


def check_factory(who: str, key: str, factory: Any, base: type) -> None:
    """Refuse what cannot make a part; `who` and `key` begin the message.

    Args:
        who: what was called.
        key: what the part is called there.
        factory: what was given for it.
        base: what the part has to be.
    Raises:
        ConfigError: it is a text, an object that was made already, a class of another kind, or no callable.
    Example:
        >>> check_factory("FusionModel", "fusion", "TensorFusion", affect.Fusion)
        Traceback (most recent call last):
        affect.errors.ConfigError: FusionModel: fusion: expected a Fusion class or functools.partial of one,
        got the text 'TensorFusion'; give affect.fusion.TensorFusion
    """
    made = factory
    while isinstance(made, functools.partial):
        made = made.func
    wrong = isinstance(made, base) or not callable(made)
    if isinstance(made, type):
        wrong = not issubclass(made, base) or made is base
    if wrong:
        raise ConfigError(
            f"{who}: {key}: expected {_article(base.__name__)} class or functools.partial of one, "
            f"got {described(made)}{_remedy(made, base)}"
        )


def _remedy(given: Any, base: type) -> str:
    room = path_of(base).rpartition(".")[0]
    known = {
        name
        for name, found in vars(sys.modules[room]).items()
        if isinstance(found, type) and issubclass(found, base) and found is not base
    }
    if isinstance(given, str):
        return f"; give {room}.{given}" if given in known else f"; {did_you_mean(given, known)}"
    if isinstance(given, base):
        return f"; give the class {type(given).__name__} itself: it is called with the sizes that it is for"
    return ""


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
