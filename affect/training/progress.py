"""A bar for the epochs of one training."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from affect.errors import escaped
from affect.training.devices import rank
from affect.training.learner import Learner


def progress_bar(*between: str, quiet: bool = False, transient: bool = False) -> Bar:
    """A progress bar on standard error: what it counts, how many are done, and the time that is left.

    Where standard error is no terminal there is none: a file or a log has no use for it.

    Args:
        between: further columns, as rich's `TextColumn` writes them.
        quiet: show nothing.
        transient: whether it goes when it is over.
    Example:
        >>> with progress_bar(quiet=True) as progress:
        ...     progress.add_task("runs", total=3)
        0
    """
    columns = (BarColumn(), MofNCompleteColumn(), *map(TextColumn, between), TimeRemainingColumn())
    console = Console(stderr=True)
    return Bar(
        TextColumn("{task.description}"), *columns,
        console=console, disable=quiet or not console.is_terminal, transient=transient,
    )  # fmt: skip


class EpochLines:
    """What `EpochProgress` calls in a process of a device: writes a line for the process that started it.

    A file holds no lock, which a process that is ended could keep for ever.

    Args:
        path: of the file.
    Example:
        >>> EpochLines(getfixture("tmp_path") / "epochs")(1, 60, "loss 0.5")
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, *found: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")


@contextmanager
def heard(path: Path, tell: Callable[[int, int, str], object]) -> Iterator[EpochLines]:
    """Within the block, `tell` is called here with what processes of devices call.

    Args:
        path: of a file in between.
        tell: is called in a thread of this process.
    Raises:
        Exception: what `tell` raised, at the end of the block.
    Example:
        >>> with heard(getfixture("tmp_path") / "epochs", print) as call:
        ...     call(1, 60, "loss 0.5")
        1 60 loss 0.5
    """
    over, raised = threading.Event(), list[Exception]()
    path.touch()

    def listen() -> None:
        rest = ""
        with path.open(encoding="utf-8") as file:
            try:
                while True:
                    last = over.wait(0.2)
                    *lines, rest = (rest + file.read()).split("\n")
                    for line in lines:
                        tell(*json.loads(line))
                    if last:
                        return
            except Exception as error:
                raised.append(error)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield EpochLines(path)
    finally:
        over.set()
        listener.join()
    if raised:
        raise raised[0]


class EpochProgress(Callback):
    """Shows on standard error which epoch it is, the monitored value, its best, and the time that is left.

    The time is what all epochs would take: a training that stops early takes less. Where standard error is no
    terminal, nothing is shown.

    Args:
        name: begins the line.
        tell: is called instead of showing a bar, wherever standard error goes.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> training = affect.training.Training(epochs=1)
        >>> run = affect.fit(model, corpus, training=training, callbacks=[EpochProgress()])
    """

    def __init__(self, name: str = "", tell: Callable[[int, int, str], object] | None = None) -> None:
        self.name, self.tell = name, tell
        self._bar: Bar | None = None
        self._task = TaskID(0)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin, at the epoch that an interrupted training goes on with."""
        if rank() or not isinstance(pl_module, Learner):
            return
        self._tell(pl_module)
        if self.tell is not None or not Console(stderr=True).is_terminal:
            return
        self._bar = progress_bar("epochs", "{task.fields[found]}", transient=True)
        self._bar.start()
        self._task = self._bar.add_task(
            escape(escaped(self.name)) or "train", total=pl_module.options.epochs, found=self.found(pl_module)
        )
        self._bar.update(self._task, completed=len(pl_module.history))

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """One more epoch is done."""
        if rank() == 0 and isinstance(pl_module, Learner):
            self._tell(pl_module)
        if self._bar is not None and isinstance(pl_module, Learner):
            self._bar.update(self._task, completed=len(pl_module.history), found=self.found(pl_module))

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """The bar goes."""
        self._stop()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """The bar goes before the error's message comes."""
        self._stop()

    @staticmethod
    def found(learner: Learner) -> str:
        """The monitored value, and the best that it has been."""
        monitor = learner.options.monitor
        values = [row[monitor] for row in learner.history]
        if not values:
            return ""
        best = (max if learner.mode == "max" else min)(values, key=lambda x: (x == x, x))
        return f"{monitor} {values[-1]:.4f}, best {best:.4f}"

    def _tell(self, learner: Learner) -> None:
        if self.tell is not None:
            self.tell(len(learner.history), learner.options.epochs, self.found(learner))

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
