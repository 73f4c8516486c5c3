"""A model under training."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.optimizer import Optimizer

from affect import metrics
from affect.errors import ConfigError, did_you_mean
from affect.model import FusionModel
from affect.objectives import Objective
from affect.objectives.terms import Seen
from affect.sequences import Batch, Output, Sequence
from affect.training import devices
from affect.training.optimisation import Mode, make_optimizer, make_schedule, warms_up
from affect.training.options import OF_PARTS, Training
from affect.training.terms import Terms, made_terms, norms
from affect.training.unlabelled import probe, vectors

MONITOR = "valid/monitor"
"""What chooses the epoch, as Lightning knows it."""

SUPERVISED = "supervised"
"""What the objective is called among the parts of the loss."""


class Learner(lightning.LightningModule):
    """A model under training: the one place where losses are averaged.

    A learner of your own derives from it, and `affect.fit(..., learner=MyLearner)` or `learner:
    my_module.MyLearner` in a configuration trains with it. Arguments of its own are keyword-only, and come
    from `functools.partial` or `init_args`.

    Write:
        `training_step(batch)`: the loss of a batch, a number; `look`, `parts`, `predict`, `supervised`,
            `shown` and `mean` are the pieces that it is made of here. `log(name, value)` writes to the
            loggers.
        `shown(batch)`: what the model is shown in training: corrupted inputs, here.
        `supervised(output, batch)`: the loss of every sample, here the objective's with the class weights.
            What is learned beside it is better a term (`affect.objectives.terms.Term`) than a learner.
        `configure_optimizers()`: any that Lightning takes. `parameter_groups()`: what learns, and at which
            rate.
        `on_...`: any hook of Lightning; call `super()` in it, as this class has some of them too.
    Leave alone:
        `validation_step`, `on_validation_epoch_end`: they measure the objective alone, without weights,
            choose the epoch and keep `history`; `fit`, a search and the progress bar read them.
        `optimizer_step`: it lets the learning rate grow. `configure_gradient_clipping`: it clips.
        `model`, `objective`, `options`, `seed`, `mode`, `history`, `seconds`, `label_weight`: to be read.

    Args:
        model: learns.
        objective: of its target.
        training: how to train; `options` from then on.
        seed: of dropout and of damage.
        teacher: a trained model of the same target, which terms may look at.
        class_weights: (target.size, classes), as `affect.objectives.class_weights` makes them.
        terms: what is learned beside the label; by default what the options ask for.
    Example:
        >>> class Calm(Learner):
        ...     def __init__(self, *given, calm: float = 0.01, **named):
        ...         super().__init__(*given, **named)
        ...         self.calm = calm
        ...
        ...     def supervised(self, output, batch):
        ...         size = output.prediction.square().mean((1, 2))
        ...         return super().supervised(output, batch) + self.calm * size
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> run = affect.fit(model, corpus, training=Training(epochs=1), learner=Calm)
        >>> len(run.history)
        1
    """

    def __init__(
        self,
        model: FusionModel,
        objective: Objective,
        training: Training,
        seed: int,
        *,
        teacher: FusionModel | None = None,
        class_weights: Tensor | None = None,
        terms: Terms | None = None,
    ) -> None:
        super().__init__()
        self.model, self.objective, self.options, self.seed = model, objective, training, seed
        self.terms = made_terms(model, (), {}, training, teacher) if terms is None else terms
        self.register_buffer("class_weights", class_weights, persistent=False)
        # in a list: it neither learns nor is saved
        self._teachers = [] if teacher is None else [teacher.eval()]
        rises = training.monitor != "loss" and metrics.higher_is_better(training.monitor)
        self.mode: Mode = "max" if rises else "min"
        self.predict = self._forward()
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0
        self._began = self._epoch_seconds = 0.0
        self._validated: list[tuple[Tensor, ...]] = []
        self._asked: list[Batch] = []
        self.label_weight = 1.0
        self.last_stage = True
        self._seen: Seen | None = None
        self._parts: dict[str, list[float]] = {}
        self._norms: dict[str, float] = {}
        self._critics: dict[str, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        # compiled, it cannot be sent to another process; what was seen has no need to be
        return {**super().__getstate__(), "predict": None, "_seen": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch's
        self.predict = self._forward()

    def training_step(self, batch: Batch) -> Tensor:
        """The mean loss over the batch's labels, and the terms."""
        seen = self.look(batch)
        self.terms.teach(seen)
        parts = self.parts(seen)
        if self.terms:
            self._seen = seen
            for name, value in parts.items():
                self._parts.setdefault(name, []).append(value.detach().item())
            if not self._norms:  # of the first batch of an epoch
                self._norms = norms(self._weighted(parts), self.model)
        return torch.stack([*self._weighted(parts).values()]).sum()

    def look(self, batch: Batch) -> Seen:
        """What the model makes of a batch, as terms see it."""
        inputs = self.shown(batch)
        seen = self._as_seen(batch, inputs, self.predict(inputs))
        if batch.auxiliary is None:
            return seen
        return replace(seen, auxiliary=self.look(batch.auxiliary))

    def _as_seen(self, batch: Batch, inputs: dict[str, Sequence], output: Output) -> Seen:
        epoch = self.current_epoch if self.training else 0  # what is drawn in validation is always the same
        return Seen(
            self.model,
            batch,
            output,
            inputs,
            objective=lambda output: self.mean(self.supervised(output, batch), batch),
            teacher=next(iter(self._teachers), None),
            epoch=epoch,
            draw=hash((self.seed, epoch)),
            total=devices.share_of_total,
            label_weight=self.label_weight,
        )

    def parts(self, seen: Seen) -> dict[str, Tensor]:
        """The parts of the loss, without their weights: the supervised one, and every term."""
        return {SUPERVISED: seen.objective(seen.output), **self.terms.measured(seen)}

    def shown(self, batch: Batch) -> dict[str, Sequence]:
        """What the model is shown: other damage in every epoch, and the same when a run is resumed."""
        corruption, warmup_epochs = self.options.corruption, self.options.warmup_epochs
        inputs = {name: batch.inputs[name] for name in self.model.encoders}
        if corruption is None:
            return inputs
        if self.current_epoch < warmup_epochs:
            corruption = corruption.weakened(self.current_epoch / warmup_epochs)
        return corruption(inputs, batch.ids, hash((self.seed, self.current_epoch)))

    def supervised(self, output: Output, batch: Batch) -> Tensor:
        """(batch,): the objective, in which each class has its weight."""
        if self.class_weights is None:
            losses: Tensor = self.objective(output, batch.target)
        else:
            losses = self.objective(output, batch.target, self.class_weights)
        return losses

    def mean(self, losses: Tensor, batch: Batch) -> Tensor:
        """The mean over the labels of the batch, that of all devices, of losses per sample, (batch,)."""
        labels = batch.target.lengths
        return (losses * labels).sum() / devices.share_of_total(labels.sum())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimiser and the schedule of the options."""
        self.terms.configure(self.options, self._critics)
        optimizer = make_optimizer(self.options, self.parameter_groups())
        if self.options.schedule is None:
            return optimizer
        schedule = make_schedule(self.options, optimizer, self._steps(), MONITOR, self.mode)
        both: Any = {"optimizer": optimizer, "lr_scheduler": schedule}
        return both  # type: ignore[no-any-return]  # Lightning's own types ask for a class of its own

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What learns, by its rate: that of the innermost module that has one, or else the training's."""
        rates = dict.fromkeys(self.parameters(), self.options.learning_rate)
        for module in self.modules():
            if isinstance(rate := getattr(module, "learning_rate", None), float):
                rates.update(dict.fromkeys(module.parameters(), rate))
        learning = {parameter: rate for parameter, rate in rates.items() if parameter.requires_grad}
        return [
            {"params": [p for p, own in learning.items() if own == rate], "lr": rate}
            for rate in dict.fromkeys(learning.values())
        ]

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None
    ) -> None:
        """Take a step, at a share of the rate while that grows; the schedule sees the whole rate."""
        before = self.terms.before(self.model)
        self._whole_step(epoch, batch_idx, optimizer, optimizer_closure)
        if before and self._seen is not None:
            with self.trainer.precision_plugin.train_step_context():
                self.terms.shorten(self._seen, before)

    def _whole_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any) -> None:
        if not warms_up(self.options):
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
            return
        growing = math.ceil(self.options.learning_rate_warmup * self._steps())
        share = min(1.0, (self.global_step + 1) / max(1, growing))
        rates = [group["lr"] for group in optimizer.param_groups]
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = share * rate
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """By the norm; Lightning's own refuses fused optimizers in bfloat16, which needs no scaling."""
        if gradient_clip_val:
            scaled = getattr(optimizer, "_step_supports_amp_scaling", False)
            if scaled and self.options.precision == "16-mixed":
                raise ConfigError(
                    "training: gradient_clip: a fused optimizer does not clip in 16-mixed; leave fused out, "
                    "or set gradient_clip to 0"
                )
            torch.nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def on_train_start(self) -> None:
        """A training that had stopped when it was interrupted does not start again."""
        stopped = (c for c in self.trainer.early_stopping_callbacks if c.stopped_epoch)
        self.trainer.should_stop = any(stopped)

    def on_train_epoch_start(self) -> None:
        """Dropout depends on the seed, the epoch and the device alone, so that a resumed run repeats."""
        rank = devices.rank()
        torch.manual_seed(hash((self.seed, self.current_epoch, *([rank] if rank else []))))
        self._began = time.perf_counter()
        if self.terms.learn_before_epochs:
            self._teach_before_epoch()

    def _teach_before_epoch(self) -> None:
        """Critics whose rhythm is `epoch` meet all batches that are to come, and the model as it is."""
        precision, strategy = self.trainer.precision_plugin, self.trainer.strategy
        loader: Any = self.trainer.train_dataloader
        for batch in loader:
            here = strategy.batch_to_device(precision.convert_input(batch))
            with precision.train_step_context():
                with torch.no_grad():
                    seen = self.look(here)
                self.terms.teach(seen, "epoch")

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Terms look at what was learned from."""
        if self._seen is not None:
            self.terms.observe(self._seen)
            self._seen = None

    def on_validation_epoch_start(self) -> None:
        """The training part of the epoch is over."""
        self._epoch_seconds = time.perf_counter() - self._began

    def validation_step(self, batch: Batch) -> None:
        """Keep what the end of the epoch needs."""
        output, target = self.model(batch.inputs), batch.target
        if not self.label_weight:
            self._asked.append(batch)
            self._validated.append(self.terms.judged(self._as_seen(batch, dict(batch.inputs), output)))
            return
        if self.terms.validate_too:
            self.terms.validated(self._as_seen(batch, dict(batch.inputs), output))
        losses: Tensor = self.objective(output, target)
        decided = self.model.head.decide(output.prediction)[target.mask]
        self._validated.append((losses, target.lengths, decided, target.values[target.mask]))

    def on_validation_epoch_end(self) -> None:
        """Log the loss and every metric of the validation split."""
        found = self._measured() if self.label_weight else self._probed()
        if self.options.monitor not in found:
            raise ConfigError(
                f"training: monitor '{self.options.monitor}' is not measured for target "
                f"'{self.model.head.target.name}'; {did_you_mean(self.options.monitor, found)}"
            )
        if math.isnan(found[self.options.monitor]) and (why := metrics.failure(self.options.monitor)):
            raise ConfigError(f"training: monitor '{self.options.monitor}' has no value: {why}")
        self.terms.end_epoch()
        self.log_dict({f"valid/{name}": value for name, value in found.items()})
        self.log(MONITOR, found[self.options.monitor], logger=False)
        self.seconds += time.perf_counter() - self._began
        self.history.append(
            {
                "epoch": self.current_epoch,
                "seconds": self.seconds,
                "epoch_seconds": self._epoch_seconds,
                **found,
                **self._of_terms(),
            }
        )

    def _measured(self) -> dict[str, float]:
        """The objective and every metric."""
        losses, labels, decided, truth = self._whole()
        scores = metrics.score(self.model.head.target, decided.numpy(), truth.numpy())
        loss = ((losses * labels).sum() / labels.sum().clamp(min=1)).item()
        return {"loss": loss, **{name: x.value for name, x in scores.items()}}

    def _probed(self) -> dict[str, float]:
        """The terms, and what a linear probe makes of the fused vectors."""
        values, counts = self._whole()
        asked, self._asked = self._asked, []
        known: Any = self.trainer.train_dataloader
        scores = probe(self.model.head.target, vectors(self.model, known), vectors(self.model, asked))
        loss = ((values * counts).sum() / counts.sum()).item()
        return {"loss": loss, **{f"probe: {name}": value for name, value in scores.items()}}

    def _whole(self) -> list[Tensor]:
        """What validation has kept, of all batches and devices."""
        found = devices.gathered(
            [torch.cat(parts).double().cpu() for parts in zip(*self._validated, strict=True)]
        )
        self._validated.clear()
        return found

    def _of_terms(self) -> dict[str, float]:
        """By part of the loss: its mean in training, its share of the loss, and of the gradient's norm."""
        means = {name: sum(values) / len(values) for name, values in self._parts.items()}
        sizes = {name: abs(value) for name, value in self._weighted(means).items()}
        found = {
            f"{kind}: {name}": value / (1.0 if own is means else sum(own.values()) or 1.0)
            for kind, own in zip(OF_PARTS, (means, sizes, self._norms), strict=True)
            for name, value in own.items()
        }
        self._parts, self._norms = {}, {}
        self.log_dict({f"train/{name}": value for name, value in found.items()})
        return found

    def _weighted(self, parts: dict[str, Any]) -> dict[str, Any]:
        return {
            name: (self.label_weight if name == SUPERVISED else self.terms[name].weight) * value
            for name, value in parts.items()
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history with the weights."""
        checkpoint["history"], checkpoint["seconds"] = self.history, self.seconds
        checkpoint["critics"] = self.terms.states()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the history of the interrupted training."""
        self.history, self.seconds = checkpoint["history"], checkpoint["seconds"]
        self._critics = checkpoint.get("critics")

    def _forward(self) -> Any:
        """The model's forward pass, compiled where the options say so."""
        forward = self.model.forward
        return torch.compile(forward, dynamic=True) if self.options.compile else forward

    def _steps(self) -> int:
        """Steps of the optimiser in all epochs; without a trainer, as if an epoch had one."""
        trainer = self._trainer
        return self.options.epochs if trainer is None else int(trainer.estimated_stepping_batches)
