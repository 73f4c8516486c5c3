"""Processes of devices: started anew from this one, and handed what this one has."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import reduction
from traceback import walk_tb
from typing import Any, Literal

import torch
from lightning.pytorch.strategies import DDPStrategy
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from affect import errors, kernels, metrics
from affect.classes.loading import contents, install
from affect.errors import AffectError, ConfigError
from affect.training.quietness import quiet

_HELD = ExitStack()
"""What holds in a process of a device until it ends."""


class DeviceProcesses(DDPStrategy):
    """Lightning's `ddp` in processes that are started from this one.

    Lightning's own `ddp` starts the whole command again on every device, which would lock the run's folder,
    read the corpus and write the tables once more.

    A process that is spawned begins empty: it imports affect, which takes some seconds, and has a copy of
    the corpus. A fork is there at once and shares the corpus, but never goes on where this process has used
    threads before: their locks and pools are copied, and the threads are not. So a fork must be asked for by
    name.

    A spawned process has the users' modules, the metrics in use, the switch of the kernels and the single
    thread, where this process has one.

    Args:
        method: how they are started.
    Example:
        >>> DeviceProcesses().method
        'spawn'
    """

    def __init__(self, method: Literal["spawn", "fork"] = "spawn") -> None:
        # an absent modality's encoder takes no part in a step
        super().__init__(start_method=method, find_unused_parameters=True)
        self.method = method

    def __getstate__(self) -> dict[str, Any]:
        return {"surroundings": _Surroundings(), **self.__dict__}  # the first that is unpickled


@contextmanager
def one_line() -> Iterator[None]:
    """What a process of a device refuses is refused here, in the same line; and why one could not begin."""
    try:
        yield
    except ProcessRaisedException as error:
        found = re.search(r"^affect\.errors\.(\w+): (.*)$", str(error), re.MULTILINE)
        kind = getattr(errors, found[1], None) if found else None
        if found and isinstance(kind, type) and issubclass(kind, AffectError):
            raise kind(found[2]) from None
        raise
    except ProcessExitedException as error:
        raise ConfigError(
            f"training: the process of device {error.error_index} ended with code {error.exit_code}; what it "
            "wrote on standard error says why. A script needs `if __name__ == '__main__':` around its "
            "calls, and classes must be defined in a file that can be imported"
        ) from error
    except Exception as error:
        frames = walk_tb(error.__traceback__)
        if any(frame.f_code is reduction.dump.__code__ for frame, _ in frames):
            raise ConfigError(
                "training: several devices: their processes cannot be sent the model, its objective, learner "
                f"or callbacks ({' '.join(str(error).split())}); define classes and functions at the top of "
                "a file, or leave devices at 1"
            ) from error
        raise


def check_script() -> None:
    """Refuse to start processes from a notebook or an interactive session.

    Raises:
        ConfigError: this is one.
    Example:
        >>> check_script()
    """
    if hasattr(sys, "ps1") or sys.flags.interactive:
        raise ConfigError(
            "training: several devices: their processes cannot import what a notebook or an interactive "
            "session defines; write a script, or leave devices at 1. strategy='ddp_fork' forks this process "
            "instead, which needs Linux, no GPU in use, and OMP_NUM_THREADS=1 from its start"
        )


class _Surroundings:
    """What a process has beside its objects: unpickled in another one, it is there too."""

    def __reduce__(self) -> Any:
        one_thread = torch.get_num_threads() == 1
        return _surround, (_Modules(), metrics.own(), kernels.is_fast(), one_thread)


class _Modules:
    """The users' modules: unpickled before the metrics that are from there."""

    def __reduce__(self) -> Any:
        return install, (contents(),)


def _surround(_: None, own: list[metrics.Metric], fast: bool, one_thread: bool) -> None:
    _HELD.enter_context(metrics.using(*own))
    _HELD.enter_context(quiet())
    kernels.fast(fast)
    if one_thread:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # else Lightning takes a share of the processors
        torch.set_num_threads(1)
