"""Whether what a file claims has room in memory, asked before it is read."""

from __future__ import annotations

from affect import memory
from affect.errors import DataError


def check_room(size: float, where: str, times: float = 1) -> None:
    """Refuse what takes more memory than is free.

    Args:
        size: bytes that a file says it holds, unpacked.
        where: begins the message.
        times: how many times these bytes its reading takes.
    Raises:
        DataError: it takes more.
    Example:
        >>> check_room(10**6, "c.npz")
        >>> with memory.within(10**9):
        ...     check_room(10**13, "c.npz")
        Traceback (most recent call last):
        affect.errors.DataError: c.npz: reading takes 10,000 GB of memory, and ... GB are free; read it where
        there is more, or make it smaller (--memory GB raises the limit)
    """
    need = size * times
    if need <= memory.SMALL:
        return
    room, write = memory.free(), memory.in_gigabytes
    if room is not None and need > room:
        raise DataError(
            f"{where}: reading takes {write(need)} of memory, and {write(room)} are free; "
            f"read it where there is more, or make it smaller{memory.remedy()}"
        )
