"""What looks at a trial's training."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import lightning
import optuna
from lightning.pytorch.callbacks import Callback
from optuna.trial import Trial

from affect.training.learner import Learner
from affect.tuning.aims import Aim


@dataclass(eq=False)
class Spent(Callback):
    """Counts epochs."""

    epochs: int = 0

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.epochs += 1


@dataclass(eq=False)
class Watch(Callback):
    """Tells Optuna after each epoch what the epoch that would be kept has come to, and stops when it says so.

    Of a training in stages these are the epochs of the last one, the one that is measured.

    A training that ends by itself stands at its best from there on, so that later ones are compared with it
    at every epoch.
    """

    trial: Trial
    aim: Aim

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Learner)
        if not pl_module.last_stage:
            return
        epoch = len(pl_module.history) - 1
        self._tell(pl_module, [epoch])
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"stopped after {epoch + 1} epochs")

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Learner)
        if pl_module.last_stage:
            self._tell(pl_module, range(len(pl_module.history), pl_module.options.epochs))

    def _tell(self, learner: Learner, epochs: Iterable[int]) -> None:
        """Report what the best epoch so far has come to; nothing where none could be measured."""
        monitor = learner.options.monitor
        rows = [row for row in learner.history if math.isfinite(row[monitor])]
        if rows:
            best = (max if learner.mode == "max" else min)(rows, key=lambda row: row[monitor])
            for epoch in epochs:
                self.trial.report(best[self.aim.metric], epoch)
