"""Processes of devices: started anew from this one, and handed what this one has."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import current_process
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from affect import errors, kernels, metrics
from affect.classes.loading import contents, install
from affect.errors import AffectError, ConfigError, DataError
from affect.files import scratch
from affect.training.devices import count, rank
from affect.training.quietness import quiet
from affect.workers import picklers
from affect.workers.crashes import hint

GUARD = "A script needs `if __name__ == '__main__':` around its calls, as each process reads it anew"

_HELD = ExitStack()
"""What holds in a process of a device until it ends."""


class HistoryFile(Callback):
    """Brings the history back from the processes of the devices, which the first of them writes.

    Args:
        path: of the file.
    Example:
        >>> HistoryFile("history.json").path.name
        'history.json'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write it."""
        if count() > 1 and rank() == 0:
            learner: Any = pl_module
            self.path.write_text(json.dumps([learner.history, learner.seconds]), encoding="utf-8")

    def read_into(self, learner: Any) -> None:
        """Give it to the learner of this process, where there is one to give."""
        if self.path.exists():
            learner.history, learner.seconds = json.loads(self.path.read_text(encoding="utf-8"))


class DeviceProcesses(DDPStrategy):
    """Lightning's `ddp` in processes that are started from this one.

    Lightning's own `ddp` starts the whole command again on every device, which would lock the run's folder,
    read the corpus and write the tables once more.

    A process that is spawned begins empty: it imports affect, which takes some seconds, and has a copy of
    the corpus. A fork is there at once and shares the corpus, but never goes on where this process has used
    threads before: their locks and pools are copied, and the threads are not. So a fork must be asked for by
    name.

    A spawned process has the users' modules, the metrics in use, the switch of the kernels and the single
    thread, where this process has one; what a script or a notebook defines is sent to it by value.

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

    def _configure_launcher(self) -> None:
        if self.method == "fork":
            super()._configure_launcher()
        else:
            self._launcher = _Launcher(self)


class _Launcher(_MultiProcessingLauncher):
    """Lightning's, which hands what it sends over in a file.

    Python writes it to a pipe whose other end this process holds too, so that it would wait for ever where
    the new process ends before it has read all: in a script without a guard, or at a class that is not found.
    """

    @property
    def is_interactive_compatible(self) -> bool:
        return True  # what a notebook defines is sent by value

    def launch(self, function: Any, *args: Any, trainer: Any = None, **options: Any) -> Any:
        if getattr(current_process(), "_inheriting", False):
            raise ConfigError(f"training: several devices: {GUARD}")
        checkpoints = getattr(getattr(trainer, "checkpoint_callback", None), "dirpath", None)
        with scratch(checkpoints and Path(checkpoints)) as folder:
            self.file = folder / "sent"
            with self.file.open("wb") as file:
                try:
                    sent = (_Surroundings(), super().__getstate__(), trainer, function, args, options)
                    picklers()[0].dump(sent, file)
                except Exception as error:  # of any object's own pickling
                    raise ConfigError(
                        "training: several devices: their processes cannot be sent the model, its objective, "
                        f"learner or callbacks ({' '.join(str(error).split())}); leave that out, or leave "
                        "devices at 1"
                    ) from error
            handle: Any = None if trainer is None else _Handle(trainer)
            return super().launch(_nothing, trainer=handle)

    def __getstate__(self) -> dict[str, Any]:
        return {"file": self.file}

    def _wrapping_function(
        self, process_idx: int, trainer: Any, function: Any, args: Any, kwargs: Any, *queue: Any
    ) -> None:
        with self.file.open("rb") as file:
            _, state, trainer, function, args, kwargs = pickle.load(file)  # which this process's parent wrote
        self.__dict__.update(state)
        self._strategy._launcher = self
        super()._wrapping_function(process_idx, trainer, function, args, kwargs, *queue)

    def _recover_results_in_main_process(self, worker_output: Any, trainer: Any) -> None:
        super()._recover_results_in_main_process(worker_output, trainer.trainer)


class _Handle:
    """A trainer that stays in this process."""

    def __init__(self, trainer: Any) -> None:
        self.trainer, self.state = trainer, trainer.state

    def __reduce__(self) -> Any:
        return _nothing, ()


def _nothing() -> None:
    """What is sent in the place of what is in the file."""


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
        who = f"training: the process of device {error.error_index}"
        if error.signal_name is not None:
            hinted = f" ({hint(error.signal_name)})" if hint(error.signal_name) else ""
            raise DataError(f"{who} was killed by {error.signal_name}{hinted}") from error
        raise ConfigError(
            f"{who} ended with code {error.exit_code}; what it wrote on standard error says why. {GUARD}"
        ) from error


class _Surroundings:
    """What a process has beside its objects: unpickled in another one, it is there too."""

    def __reduce__(self) -> Any:
        one_thread = torch.get_num_threads() == 1
        return _surround, (_Modules(), metrics.own(), kernels.is_fast(), one_thread)


class _Modules:
    """The users' modules: unpickled before the metrics that are from there."""

    def __reduce__(self) -> Any:
        return install, (contents(),)


def _surround(_: None, own: list[metrics.Given], fast: bool, one_thread: bool) -> None:
    _HELD.enter_context(metrics.using(*own))
    _HELD.enter_context(quiet())
    kernels.fast(fast)
    if one_thread:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # else Lightning takes a share of the processors
        torch.set_num_threads(1)
