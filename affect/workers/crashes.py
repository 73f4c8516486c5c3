"""What is said when the system ends a process: which corpus it was at, and what the signal means."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable
from contextlib import suppress
from types import FunctionType
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Returned = TypeVar("Returned")


def traced_as(name: str, function: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """The same function, called below a frame of that name: a trace says it, also that of a crash.

    Args:
        name: such as `the corpus /data/mosi.affect`.
        function: any.
    Example:
        >>> import traceback
        >>> traced_as("the corpus a.csv", lambda: traceback.extract_stack()[-2].name)()
        'the corpus a.csv'
    """

    def call(*args: Given.args, **options: Given.kwargs) -> Returned:
        return function(*args, **options)

    code = call.__code__.replace(co_name=name, co_qualname=name)
    own: Callable[Given, Returned] = FunctionType(code, call.__globals__, name, None, call.__closure__)
    return own


def trace_crashes() -> None:
    """Have a signal that ends the process write on standard error where it was, if anything can be written.

    Example:
        >>> trace_crashes()
    """
    if not faulthandler.is_enabled():
        with suppress(AttributeError, OSError, ValueError):  # what stands in for stderr has no number
            faulthandler.enable()


def hint(name: str) -> str:
    """What a signal that has ended a process mostly comes from; nothing where that is not known.

    Args:
        name: of the signal.
    Example:
        >>> hint("SIGKILL"), hint("SIGTERM")
        ('out of memory?', '')
    """
    return _HINTS.get(name, "")


_HINTS = {"SIGKILL": "out of memory?", "SIGBUS": "a file that it read was cut short?"}
