"""A model under training."""

from __future__ import annotations

import time
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from affect import metrics
from affect.errors import ConfigError, did_you_mean
from affect.model import FusionModel
from affect.objectives import Objective, disagreement
from affect.sequences import Batch, Output, Sequence
from affect.training.options import Training

MONITOR = "valid/monitor"
"""What chooses the epoch, as Lightning knows it."""


class Learner(lightning.LightningModule):
    """A model under training: the one place where losses are averaged."""

    def __init__(
        self,
        model: FusionModel,
        objective: Objective,
        training: Training,
        seed: int,
        teacher: FusionModel | None = None,
    ) -> None:
        super().__init__()
        self.model, self.objective, self.training_, self.seed = model, objective, training, seed
        self.teacher = (
            [] if teacher is None else [teacher.eval()]
        )  # in a list: it neither learns nor is saved
        rises = training.monitor != "loss" and metrics.higher_is_better(training.monitor)
        self.mode = "max" if rises else "min"
        self._see = torch.compile(model.forward, dynamic=True) if training.compile else model.forward
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0
        self.pieces: list[tuple[Tensor, ...]] = []

    def training_step(self, batch: Batch) -> Tensor:
        """The mean loss over the batch's labels."""
        options, inputs = self.training_, self._damaged(batch)
        output = self._see(inputs)
        losses = self.objective(output, batch.target)
        if options.consistency:
            clean = self._see(batch.inputs)
            losses = (losses + self.objective(clean, batch.target)) / 2
            losses = losses + options.consistency * self._apart(output, clean, self.model, batch)
        for teacher in self.teacher:
            with torch.no_grad():
                said = teacher.to(self.device)(batch.inputs)
            losses = losses + options.distillation * self._apart(output, said, teacher, batch)
        if "imputation" in output.extras:
            losses = losses + options.imputation * output.extras["imputation"]
        return _mean(losses, batch.target.lengths)

    def on_train_start(self) -> None:
        """A training that had stopped when it was interrupted does not start again."""
        stopped = (c for c in self.trainer.early_stopping_callbacks if c.stopped_epoch)
        self.trainer.should_stop = any(stopped)

    def on_train_epoch_start(self) -> None:
        """Dropout depends on the seed and the epoch alone, so that a resumed run repeats."""
        torch.manual_seed(hash((self.seed, self.current_epoch)))
        self.begin = time.perf_counter()

    def on_validation_epoch_start(self) -> None:
        """The training part of the epoch is over."""
        self.trained = time.perf_counter() - self.begin

    def validation_step(self, batch: Batch) -> None:
        """Keep what the end of the epoch needs."""
        losses, labels, prediction = self._losses(batch)
        said = self.model.head.decide(prediction)[batch.target.mask]
        self.pieces.append((losses, labels, said, batch.target.values[batch.target.mask]))

    def on_validation_epoch_end(self) -> None:
        """Log the loss and every metric of the validation split."""
        losses, labels, said, truth = (
            torch.cat(parts).double().cpu() for parts in zip(*self.pieces, strict=True)
        )
        self.pieces.clear()
        scores = metrics.score(self.model.head.target, said.numpy(), truth.numpy())
        found = {"loss": _mean(losses, labels).item(), **{name: x.value for name, x in scores.items()}}
        if self.training_.monitor not in found:
            raise ConfigError(
                f"training: monitor '{self.training_.monitor}' is not measured for target "
                f"'{self.model.head.target.name}'; {did_you_mean(self.training_.monitor, found)}"
            )
        self.log_dict({f"valid/{name}": value for name, value in found.items()})
        self.log(MONITOR, found[self.training_.monitor], logger=False)
        self.seconds += time.perf_counter() - self.begin
        self.history.append(
            {"epoch": self.current_epoch, "seconds": self.seconds, "epoch_seconds": self.trained, **found}
        )

    def configure_optimizers(self) -> Any:
        """AdamW and the schedule; a module's own `learning_rate` is that of its parameters."""
        options = self.training_
        optimizer = torch.optim.AdamW(
            self.groups(), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
        )
        if options.schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": options.schedule(optimizer)}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """By the norm; Lightning's own refuses fused optimizers in bfloat16, which needs no scaling."""
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def groups(self) -> list[dict[str, Any]]:
        """What learns, by its rate: that of the innermost module that has one, or else the training's."""
        rates = dict.fromkeys(self.parameters(), self.training_.learning_rate)
        for module in self.modules():
            if isinstance(rate := getattr(module, "learning_rate", None), float):
                rates.update(dict.fromkeys(module.parameters(), rate))
        learning = {parameter: rate for parameter, rate in rates.items() if parameter.requires_grad}
        return [
            {"params": [p for p, own in learning.items() if own == rate], "lr": rate}
            for rate in dict.fromkeys(learning.values())
        ]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history with the weights."""
        checkpoint["history"], checkpoint["seconds"] = self.history, self.seconds

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the history of the interrupted training."""
        self.history, self.seconds = checkpoint["history"], checkpoint["seconds"]

    def _damaged(self, batch: Batch) -> dict[str, Sequence]:
        """What the model is shown: other damage in every epoch, and the same when a run is resumed."""
        corruption, warmup_epochs = self.training_.corruption, self.training_.warmup_epochs
        inputs = {name: batch.inputs[name] for name in self.model.encoders}
        if corruption is None:
            return inputs
        if self.current_epoch < warmup_epochs:
            corruption = corruption.weakened(self.current_epoch / warmup_epochs)
        return corruption(inputs, batch.ids, hash((self.seed, self.current_epoch)))

    def _apart(self, output: Output, other: Output, sayer: FusionModel, batch: Batch) -> Tensor:
        """(batch,): how far a prediction lies from what `sayer` decided."""
        said = sayer.head.decide(other.prediction.detach())
        apart = disagreement(self.model.head.target, output.prediction, said)
        return batch.target.with_values(apart.unsqueeze(-1)).mean().squeeze(-1)

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Loss and number of labels of each sample, and the prediction."""
        output = self.model(batch.inputs)
        return self.objective(output, batch.target), batch.target.lengths, output.prediction


def _mean(losses: Tensor, labels: Tensor) -> Tensor:
    """The mean over labels of per-sample losses."""
    return (losses * labels).sum() / labels.sum().clamp(min=1)
