"""Signals that ask the command to stop: Ctrl-C, a scheduler's SIGTERM, and a terminal that is closed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

LINE = "stopped; the same command goes on from here"

PATIENCE = 8.0
"""Seconds after which the command is over, wherever it hangs: schedulers send SIGKILL after some."""


class Stopped(BaseException):
    """A signal other than Ctrl-C's has come."""


class Stop:
    """What is known of a stop.

    Args:
        number: of the signal that came first; 0 while there is none.
    """

    def __init__(self) -> None:
        self.number = 0
        self.watched: list[int] = []

    def __call__(self, number: int, _: FrameType | None) -> None:
        """What the system calls; a second signal changes nothing."""
        if self.number:
            return
        self.number, self.watched = number, _watched()
        timer = threading.Timer(PATIENCE, self._at_once)
        timer.daemon = True
        timer.start()
        raise KeyboardInterrupt if number == signal.SIGINT else Stopped

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
        _end_children()
        with suppress(OSError):
            os.write(2, f"{LINE}\n".encode())
        os._exit(128 + self.number)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Within the block a signal that asks to stop raises, once; gives what is known of it.

    One that is ignored from outside, as under `nohup`, stays so.
    """
    stop, before = Stop(), {}
    if threading.current_thread() is threading.main_thread():
        for number in _watched():
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.signal(number, stop)
    try:
        yield stop
    finally:
        if not stop.number:  # else another one must not disturb the end
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
