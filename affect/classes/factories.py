"""What makes a part: a class, a partial of one, or another callable; never the part itself, or its name."""

from __future__ import annotations

import functools
import inspect
import sys
import traceback
from types import FrameType
from typing import Any, TypeVar

from affect.classes.paths import path_of
from affect.classes.plain import GIVEN
from affect.errors import ConfigError, described, did_you_mean
from affect.memory import weighed

_Part = TypeVar("_Part")


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
    made = made_of(factory)
    wrong = isinstance(made, base) or not callable(made)
    if isinstance(made, type):
        wrong = not issubclass(made, base) or made is base
    if wrong:
        raise ConfigError(
            f"{who}: {key}: expected {_article(base.__name__)} class or functools.partial of one, "
            f"got {described(made)}{_remedy(made, base)}"
        )


def made_by(key: str, factory: Any, base: type[_Part], *given: Any, who: str = "FusionModel") -> _Part:
    """The part that a factory makes.

    Args:
        key: what the part is called.
        factory: is called.
        base: what the part has to be.
        given: the sizes that it is for.
        who: begins the message.
    Raises:
        ConfigError: the factory does not take these, lacks one of its own arguments or has one of another
            kind; something else comes of it.
    Example:
        >>> make = functools.partial(affect.fusion.LowRankFusion, rnk=3)
        >>> made_by("fusion", make, affect.Fusion, {"text": 4}, 8)
        Traceback (most recent call last):
        affect.errors.ConfigError: FusionModel: fusion: LowRankFusion cannot be made: unexpected keyword
        argument 'rnk'; it has: dropout, pooling, rank
    """
    name = getattr(made_of(factory), "__name__", type(factory).__name__)
    if problem := _unfit(factory, given):
        raise ConfigError(f"{who}: {key}: {name} cannot be made: {problem}")
    try:
        with weighed(f"{who}: {key}: {name}", _plain(factory), *given):
            part = factory(*given)
    except TypeError as error:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        if not (isinstance(factory, functools.partial) and _own(frames[-1])):
            raise  # what somebody's own part does is told in full
        raise ConfigError(f"{who}: {key}: {name} cannot be made: {error}") from error
    if not isinstance(part, base):
        raise ConfigError(
            f"{who}: {key}: expected {name} to make {_article(base.__name__)}, got {described(part)}"
        )
    return part


def made_of(factory: Any) -> Any:
    """What a factory calls in the end.

    Example:
        >>> made_of(functools.partial(dict, a=1))
        <class 'dict'>
    """
    while isinstance(factory, functools.partial):
        factory = _plain(factory).func
    return factory


def _plain(factory: Any) -> Any:
    """A factory without the functions that jsonargparse puts in front of what it calls."""
    if not isinstance(factory, functools.partial):
        return factory
    function, args = factory.func, [*factory.args]
    while args and getattr(function, "__module__", "").partition(".")[0] == "jsonargparse":
        function, *args = args
    return functools.partial(function, *args, **{name: _plain(x) for name, x in factory.keywords.items()})


def _own(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in ("affect", "torch")


def _unfit(factory: Any, given: tuple[Any, ...]) -> str:
    """Why a factory cannot be called so; empty where it can, or does not say."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        made, keywords = made_of(factory), getattr(factory, "keywords", {})
        try:
            inspect.signature(made).bind(*given, **keywords)
        except (TypeError, ValueError) as error:
            own = [name for name in inspect.signature(made).parameters if name not in GIVEN]
            return f"{str(error).removeprefix('got an ')}; it has: {', '.join(sorted(own))}"
        return ""
    try:
        signature.bind(*given)
    except TypeError as error:
        return f"{error}; it is given {len(given)} arguments, and those that a functools.partial holds"
    return ""


def _remedy(given: Any, base: type) -> str:
    room = path_of(base).rpartition(".")[0]
    known = {
        name
        for name, found in vars(sys.modules[room]).items()
        if isinstance(found, type) and issubclass(found, base) and found is not base
    }
    if isinstance(given, str):
        return f"; give {room}.{given}" if given in known else f"; {did_you_mean(given, known)}"
    if isinstance(given, base) and base.__module__.startswith("torch."):
        return f"; write functools.partial({type(given).__name__}, ...), with its arguments but the first"
    if isinstance(given, base):
        return f"; give the class {type(given).__name__} itself: it is called with the sizes that it is for"
    return ""


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
