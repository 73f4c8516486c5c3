"""What a user's import path names, with a refusal in one line."""

from __future__ import annotations

from typing import Any

from affect.classes.loading import as_written
from affect.classes.paths import class_of
from affect.errors import AffectError, ConfigError


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
