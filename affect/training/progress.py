"""A bar for the epochs of one training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from affect.training.devices import rank
from affect.training.learner import Learner

Progress: TypeAlias = bool | Callable[[int, int, str], object]
"""Whether to show a bar; or what is told instead, after every epoch: epochs that are done, epochs at most,
and the monitored value with its best."""


class EpochProgress(Callback):
    """Shows on standard error which epoch it is, the monitored value, its best, and the time that is left.

    The time is what all epochs would take: a training that stops early takes less. Where standard error is no
    terminal, nothing is shown.

    Args:
        name: begins the line.
        tell: is told instead of a bar, wherever standard error goes.
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
        console = Console(stderr=True)
        if rank() or not isinstance(pl_module, Learner):
            return
        self._tell(pl_module)
        if self.tell is not None or not console.is_terminal:
            return
        self._bar = Bar(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("epochs"),
            TextColumn("{task.fields[found]}"), TimeRemainingColumn(), console=console, transient=True,
        )  # fmt: skip
        self._bar.start()
        self._task = self._bar.add_task(
            self.name or "train", total=pl_module.options.epochs, found=self.found(pl_module)
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
        """The bar goes before what went wrong is said."""
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
