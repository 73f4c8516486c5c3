"""What a user's import path names, with a refusal in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from affect.classes.kinds import MEANT, may_be_called, of_python
from affect.classes.loading import as_written
from affect.classes.paths import class_of
from affect.errors import AffectError, ConfigError, described


def object_of(path: str, what: str, known: str = "") -> Any:
    """The class, object or function that an import path names.

    Args:
        path: such as `my_metrics.Near`.
        what: it is to be, as the message says it.
        known: what there is instead, at the end of the message.
    Raises:
        ConfigError: there is no such thing, or its module cannot be executed.
    Example:
        >>> object_of("affect.metrics.mea", "metric")
        Traceback (most recent call last):
        affect.errors.ConfigError: no metric 'affect.metrics.mea' (module 'affect.metrics' has no attribute
        'mea')
    """
    if of_python(path):
        raise ConfigError(f"no {what} '{path}' (Python's own library has none){known and f'; {known}'}")
    try:
        return class_of(path)
    except AffectError:
        raise
    except (ImportError, AttributeError) as error:
        why = " ".join(as_written(str(error)).split())
        raise ConfigError(f"no {what} '{path}' ({why}){known and f'; {known}'}") from None
    except SyntaxError as error:
        raise ConfigError(f"{what} {path}: {error.filename}, line {error.lineno}: {error.msg}") from None
    except Exception as error:  # of somebody else's code
        why = " ".join(f"{type(error).__name__}: {as_written(str(error))}".split())
        raise ConfigError(f"{what} {path}: its module cannot be executed ({why})") from error


def function_of(path: str, what: str, gives: str) -> Callable[..., Any]:
    """The function that an import path names, where it may be meant.

    Args:
        path: such as `my_readers.read_deap`.
        what: it is to be, as the message says it.
        gives: the name of the class that a function of somebody else's package says that it returns.
    Raises:
        ConfigError: there is none, or it is none that may be called.
    Example:
        >>> function_of("joblib.load", "reader", "Corpus")
        Traceback (most recent call last):
        affect.errors.ConfigError: reader joblib.load: expected a function of a module of yours, of affect,
        torch, optuna, lightning or numpy, or one that is annotated to return Corpus; write one that calls it
    """
    found = object_of(path, what)
    if not callable(found):
        raise ConfigError(f"{what} {path}: expected a function, got {described(found)}")
    if not may_be_called(found, path, gives=gives):
        raise ConfigError(
            f"{what} {path}: expected a function of a module of yours, of {MEANT}, or one that is annotated "
            f"to return {gives}; write one that calls it"
        )
    return cast("Callable[..., Any]", found)
