"""The standard streams of a process that was started without one, as by `affect list fusions >&-`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def open_streams() -> None:
    """Open those that are closed: the next file that is opened would else be one, and take what is printed.

    What is written on such a stdout is refused as by a reader that has gone.

    Example:
        >>> open_streams()
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  # stays open
    if sys.stdout is None:
        reader, number = os.pipe()
        os.close(reader)
        if not _is_open(1):
            os.dup2(number, 1)
            os.close(number)
            number = 1
        sys.stdout = os.fdopen(number, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # stays open


def _is_open(number: int) -> bool:
    with suppress(OSError):
        os.fstat(number)
        return True
    return False
