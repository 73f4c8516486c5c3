"""Signals that ask the command to stop: Ctrl-C, a scheduler's SIGTERM, and a terminal that is closed."""

from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

LINE = "stopped; the same command goes on from here"

ENDS_AFTER = 8.0
"""Seconds after which the command is over, wherever it hangs: schedulers send SIGKILL after some."""


class Stopped(KeyboardInterrupt):
    """A signal has come; others end what they do as at Ctrl-C.

    It is not Ctrl-C's own: after that in code that was given as text, as dataclasses are made, Python ends
    itself by the signal, whoever has caught it.
    """


class Stop:
    """What is known of a stop.

    Args:
        number: of the signal that came first; 0 while there is none.
    """

    def __init__(self) -> None:
        self.number = 0
        self.watched: list[int] = []
        self._lost = False

    def __call__(self, number: int, _: FrameType | None) -> None:
        """What the system calls; a second signal changes nothing."""
        if self.number and not self._lost:
            return
        if not self.number:
            self.number, self.watched = number, _watched()
            _thread.start_new_thread(self._at_once, ())  # `threading` has locks
        self._lost = False
        raise Stopped

    def unraisable(self, what: UnraisableHookArgs) -> None:
        """What Python calls where an error cannot go on, in a finaliser or a weak reference's callback.

        Each import ends with such a callback; what a signal raised there is raised again.
        """
        if not isinstance(what.exc_value, Stopped):
            sys.__unraisablehook__(what)
            return
        self._lost = True
        _thread.start_new_thread(self._again, ())

    def _again(self) -> None:
        time.sleep(0.01)
        _thread.interrupt_main(signal.Signals(self.number))

    def end(self) -> NoReturn:
        """End with a line, as the shell expects of a process that a signal has ended.

        Raises:
            SystemExit: with 128 and the number of the signal.
        """
        for number in self.watched:  # Python takes its own handlers away before it is over
            signal.signal(number, signal.SIG_IGN)
        _end_children()
        sys.stderr.write(f"{LINE}\n")
        sys.exit(128 + self.number)

    def _at_once(self) -> None:
        """End where the error that a signal raised was caught by somebody, or Python waits for a thread."""
        time.sleep(ENDS_AFTER)
        _end_children()
        with suppress(OSError):
            os.write(2, f"{LINE}\n".encode())
        os._exit(128 + self.number)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Within the block a signal that asks to stop raises, once; gives what is known of it.

    One that is ignored from outside, as under `nohup`, stays so.
    """
    stop, before, hook = Stop(), {}, sys.unraisablehook
    if threading.current_thread() is threading.main_thread():
        for number in _watched():
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, stop)
        if before and hook is sys.__unraisablehook__:
            sys.unraisablehook = stop.unraisable
    try:
        yield stop
    finally:
        if not stop.number:  # else another one must not disturb the end
            sys.unraisablehook = hook
            for number, handler in before.items():
                signal.signal(number, handler)


def _watched() -> list[int]:
    """What asks to stop; Windows lacks the last."""
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def _end_children() -> None:
    """End the processes of devices and workers; Python would wait for them."""
    for child in multiprocessing.active_children():
        with suppress(OSError, AttributeError, ValueError):  # ended meanwhile
            child.kill()
