"""How much memory is free, and weights that are refused before it is gone."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from affect.bounds import POSITIVE
from affect.errors import ConfigError, MemoryTakenError

LIMIT = "AFFECT_MEMORY"
"""Variable of the environment: bytes that this process may have, and each that it starts."""
SMALL = 2**26
"""Bytes that are always free: nobody is asked."""
SIDE = 256
"""Sizes up to this one make no tensor of three axes that is larger than `SMALL`."""
TENSORS = 50_000
"""Tensors of weights in one part: more are a mistake, and would take minutes to make."""


def limit(gigabytes: float | None) -> None:
    """Let this process, and all that it starts together, have so much memory; `--memory` on the command line.

    What would take more is refused before it begins: a model's weights, a training, a prediction.

    Args:
        gigabytes: of 10^9 bytes; None takes the limit away.
    Raises:
        ConfigError: it is no number above zero.
    Example:
        >>> limit(4)
        >>> limit(None)
    """
    if gigabytes is None:
        os.environ.pop(LIMIT, None)
        return
    POSITIVE.check("memory: gigabytes", gigabytes)
    os.environ[LIMIT] = str(int(gigabytes * 1e9))


def free(alone: bool = False) -> int | None:
    """Bytes that this process can still take, as far as the system says: None where it does not.

    The least of what the machine has, what its control groups and its limit of addresses leave, and what
    `limit` or a worker's share leaves.

    Args:
        alone: as if no other process had taken any.
    Example:
        >>> free() is None or free() >= 0
        True
    """
    known = [*_of_machine(alone), *_of_groups(alone), *_of_addresses(), *_of_limit()]
    return max(0, min(known) + _kept()) if known else None


@contextmanager
def shared(count: int) -> Iterator[None]:
    """Within the block, each process that is started may have one part in `count` of what is free now.

    Example:
        >>> with shared(2):
        ...     LIMIT in os.environ
        True
    """
    room = free() if count > 1 else None
    with within(None if room is None else room // count):
        yield


@contextmanager
def within(most: int | None) -> Iterator[None]:
    """Within the block, this process, and each that it starts, may have so many bytes.

    Args:
        most: None changes nothing.
    Example:
        >>> with within(10**9):
        ...     os.environ[LIMIT]
        '1000000000'
    """
    before = os.environ.get(LIMIT)
    if most is not None:
        os.environ[LIMIT] = str(most)
    try:
        yield
    finally:
        if most is not None:
            os.environ.pop(LIMIT, None)
            os.environ.update({} if before is None else {LIMIT: before})


def share(count: int) -> int | None:
    """Bytes that each of so many processes on other machines may have: of the limit, where one was set.

    Example:
        >>> with within(10**9):
        ...     share(4)
        250000000
    """
    limited = os.environ.get(LIMIT, "")
    return int(limited) // count if limited.isdecimal() else None


def in_gigabytes(size: float) -> str:
    """A size for a line.

    Example:
        >>> in_gigabytes(412e9), in_gigabytes(2.34e9), in_gigabytes(3e6)
        ('412 GB', '2.3 GB', '0.003 GB')
    """
    billions = size / 1e9
    return f"{billions:,.0f} GB" if billions >= 10 else f"{billions:.2g} GB"


def refusal(message: str, size: float, room: int | None) -> ConfigError:
    """What refuses a size: `MemoryTakenError` where other processes have taken what it lacks.

    Args:
        message: of the error.
        size: bytes that are asked for.
        room: bytes that would be free if no other process had taken any (`free`).
    Example:
        >>> type(refusal("too large", 10, room=20)).__name__, type(refusal("too large", 30, room=20)).__name__
        ('MemoryTakenError', 'ConfigError')
    """
    return (MemoryTakenError if room is not None and size <= room else ConfigError)(message)


def remedy() -> str:
    """What raises the limit, where one was set.

    Example:
        >>> remedy()
        ''
    """
    return " (--memory GB raises the limit)" if LIMIT in os.environ else ""


@contextmanager
def weighed(who: str, *given: Any) -> Iterator[None]:
    """Within the block, refuse a tensor that is larger than what is free, and weights that are together.

    Each new tensor is looked at, which makes small modules slower by half, unless what they are made from is
    seen to be small: then what is registered is.

    Args:
        who: begins the message.
        given: what is called in the block, and its arguments.
    Raises:
        ConfigError: they are, or there are more than `TENSORS` of them.
    Example:
        >>> from torch import nn
        >>> with weighed("FusionModel: fusion: Wide"):
        ...     nn.Linear(10**6, 10**9)
        Traceback (most recent call last):
        affect.errors.ConfigError: FusionModel: fusion: Wide takes 4,000,000 GB for its weights, and ... GB
        are free; give it smaller sizes, or fewer layers or modalities
    """
    from torch.nn.modules.module import register_module_parameter_registration_hook as on_parameter

    count = held = 0
    room: int | None = None

    def refuse(size: float) -> None:
        nonlocal room
        if size > SMALL and room is None and (now := free()) is not None:
            room = now + held  # which is there already
        if size > SMALL and room is not None and size > room:
            raise refusal(
                f"{who} takes {in_gigabytes(size)} for its weights, and {in_gigabytes(room)} are free; "
                f"give it smaller sizes, or fewer layers or modalities{remedy()}",
                size - held,
                free(alone=True),
            )

    def registered(module: Any, name: str, parameter: Any) -> None:
        nonlocal count, held
        size = 0 if parameter is None else parameter.numel() * parameter.element_size()
        count += 1
        if count > TENSORS:
            raise ConfigError(
                f"{who} has more than {TENSORS:,} tensors of weights; give it fewer layers or modalities"
            )
        refuse(held + size)
        held += size

    handle = on_parameter(registered)
    try:
        with nullcontext() if given and all(map(_small, given)) else _sized(refuse):
            yield
    finally:
        handle.remove()


def _small(given: Any) -> bool:
    """Whether a part of affect's, or an argument, holds no size above `SIDE`; of what else, nobody knows."""
    if isinstance(given, partial):
        return all(map(_small, (given.func, *given.args, *given.keywords.values())))
    if isinstance(given, Mapping | list | tuple):
        each = given.values() if isinstance(given, Mapping) else given
        return len(given) <= SIDE and all(map(_small, each))
    if isinstance(given, int | float | str | None):
        return not isinstance(given, int | float) or given <= SIDE
    kind = given if isinstance(given, type) else type(given)
    return kind.__module__.startswith("affect.")


def _sized(refuse: Callable[[float], None]) -> AbstractContextManager[Any]:
    """A mode of torch's in which `refuse` hears the bytes of a new tensor before it is made."""
    import torch
    from torch.overrides import TorchFunctionMode

    shaped = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}

    class Sized(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            given = kwargs or {}
            if func in shaped:
                sizes = given.get("size", args[0] if args else ())
                sizes = args if isinstance(sizes, int) else sizes
                refuse(4.0 * math.prod(sizes) if isinstance(sizes, tuple | list) else 0)
            elif func is torch.eye and args:
                refuse(4.0 * args[0] * (args[1] if len(args) > 1 else args[0]))
            return func(*args, **given)

    return Sized()


def _of_machine(alone: bool) -> Iterator[int]:
    """What Linux says that can be had without swapping, or psutil on other systems, if it is installed."""
    with suppress(OSError):
        found = re.search(
            rf"Mem{'Total' if alone else 'Available'}:\s+(\d+) kB", _text(Path("/proc/meminfo"))
        )
        if found:
            yield (int(found[1]) << 10) - (_status("RssAnon") if alone else 0)
            return
    with suppress(ImportError):
        import psutil  # type: ignore[import-untyped]  # it has no stubs

        machine = psutil.virtual_memory()
        yield int(machine.total - psutil.Process().memory_info().rss if alone else machine.available)


def _of_groups(alone: bool) -> Iterator[int]:
    """What the control groups of this process leave, those around them too, of version 1 and 2.

    Files that were read and can be forgotten again count as free.
    """
    with suppress(OSError):
        for line in _text(Path("/proc/self/cgroup")).splitlines():
            _, kinds, path = line.split(":", 2)
            for most, used, files, folders in _GROUPS["" if not kinds else "memory"]:
                if not kinds or "memory" in kinds.split(","):
                    own = Path(path.lstrip("/"))
                    for group in (Path(folders) / part for part in (own, *own.parents)):
                        with suppress(OSError, ValueError):  # "max" where there is no limit
                            room = int(_text(group / most))
                            if alone:
                                yield room - _status("RssAnon")
                                continue
                            kept = re.search(rf"^{files} (\d+)$", _text(group / "memory.stat"), re.MULTILINE)
                            yield room - int(_text(group / used)) + (int(kept[1]) if kept else 0)


_NEW = ("memory.max", "memory.current", "inactive_file")
_GROUPS = {
    "": [(*_NEW, "/sys/fs/cgroup"), (*_NEW, "/sys/fs/cgroup/unified")],
    "memory": [
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "/sys/fs/cgroup/memory")
    ],
}
"""Files of a control group that say its limit, its use, and the key of files in its statistics; and where
groups are: those of version 2, and those of version 1."""


def _of_addresses() -> Iterator[int]:
    """What the limit of this process's addresses leaves (`ulimit -v`)."""
    with suppress(ImportError, OSError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most != resource.RLIM_INFINITY:
            yield most - _status("VmSize")


def _of_limit() -> Iterator[int]:
    """What this process's own limit leaves: files that it has mapped do not count."""
    with suppress(KeyError, ValueError):
        most = int(os.environ[LIMIT])
        try:
            yield most - _status("RssAnon")
        except OSError:
            yield most


def _kept() -> int:
    """Bytes that were freed in this process and that the C library keeps, where it is glibc and says so."""
    import ctypes

    class Info(ctypes.Structure):  # its `struct mallinfo2`
        _fields_ = [(name, ctypes.c_size_t) for name in (*"abcdefgh", "free", "top")]

    try:
        ask = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return 0
    ask.restype = Info
    return int(ask().free)


def _status(name: str) -> int:
    """Bytes that Linux says of this process under a name."""
    found = re.search(rf"{name}:\s+(\d+) kB", _text(Path("/proc/self/status")))
    return int(found[1]) << 10 if found else 0


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
