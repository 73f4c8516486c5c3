"""How the C library gives and takes memory while tensors come and go."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

_TRIM, _MMAP = -1, -3
"""glibc's numbers for M_TRIM_THRESHOLD and M_MMAP_THRESHOLD, which `mallopt` sets."""

_CHOSEN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
"""Variables by which a user sets them."""


@cache
def keep_freed_memory() -> None:
    """Have this process keep the memory that it frees, up to 2 GiB, to use it again.

    glibc gives large blocks back at once, so that the system clears every page of every step's tensors anew:
    up to a third of an epoch on a processor. Where a variable of the environment says what to do, and with
    other C libraries, nothing changes.

    Example:
        >>> keep_freed_memory()
    """
    if sys.platform != "linux" or any(name in os.environ for name in _CHOSEN):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP, 2**28)
        mallopt(_TRIM, 2**31 - 1)
