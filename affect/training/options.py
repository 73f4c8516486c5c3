"""How a model is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import Optimizer

from affect import metrics, renamed
from affect.bounds import COUNT, NATURAL, NOT_NEGATIVE, POSITIVE, Bounds
from affect.classes.factories import check_factory
from affect.corruption import Corruption
from affect.errors import ConfigError, described, did_you_mean
from affect.objectives.weights import ClassWeights, check_class_weights

OF_PARTS = ("term", "loss", "gradient")
"""What the history says of each part of the loss where there are terms, as `term: NAME` and so on: its mean
in training, and its shares of the loss and of the gradient's norm."""

Progress: TypeAlias = bool | Callable[[int, int, str], object]
"""Whether to show a bar; or what is called instead after every epoch, with the epochs that are done, the
epochs at most, and the monitored value with its best."""
Precision: TypeAlias = Literal[
    "float32", "bfloat16", "64-true", "32-true", "16-mixed", "16-true", "bf16-mixed", "bf16-true",
    "transformer-engine", "transformer-engine-float16",
]  # fmt: skip
"""Of what is computed in training: two plain names, and Lightning's."""

PRECISIONS: dict[str, Any] = {"float32": "32-true", "bfloat16": "bf16-mixed"}
"""The plain names by Lightning's."""

OptimizerFactory: TypeAlias = Callable[[Any], Optimizer]
"""An optimiser's class, a partial of one, or a function: whatever makes one for groups of parameters."""

ScheduleFactory: TypeAlias = Callable[[Optimizer], LRScheduler]
"""A scheduler's class, a partial of one, or a function: whatever makes one for an optimiser."""

Interval: TypeAlias = Literal["epoch", "step"]
"""How often a schedule is stepped."""


@renamed.arguments(ramp="warmup_epochs")
@dataclass(frozen=True)
class Training:
    """How a model is trained.

    Args:
        epochs: at most; training stops earlier when the monitored value no longer improves.
        batch_size: samples per batch, on each device.
        learning_rate: of the optimiser; a module that has a `learning_rate` learns at its own.
        weight_decay: handed to the optimiser where it takes it: decoupled in AdamW, the default; an L2
            penalty in SGD and Adam.
        optimizer: an optimiser's class, a partial of one, or a function from groups of parameters (with their
            `lr`) to an optimiser. It is given `lr` and `weight_decay` where it has such arguments; they
            cannot be set here too. AdamW takes its step in one fused pass unless it says otherwise.
        gradient_clip: largest norm of the gradient; 0 does not clip.
        accumulate: batches over which gradients are averaged for one step of the weights: as batches of so
            many times the size, in the memory of one. The last step of an epoch may have fewer, and then a
            gradient that is the smaller for it.
        patience: epochs without improvement after which training stops.
        monitor: what chooses the epoch, measured on the validation split: `loss` or the name of a metric.
        schedule: a torch scheduler class, a partial of one, or a function from an optimiser to a scheduler.
            One that asks for the monitored value (ReduceLROnPlateau) is given it. `num_training_steps` or
            `total_steps`, where it has such an argument that was not given, is how often it is stepped in all
            `epochs`; `num_warmup_steps` is the share `learning_rate_warmup` of that.
        schedule_interval: when the schedule is stepped: after every `epoch`, or every `step` of the
            optimiser.
        learning_rate_warmup: share, from 0 to 1, of all steps of the optimiser in `epochs` over which the
            learning rate grows evenly from 0 to what the schedule makes of it: of w such steps, the i-th
            takes i/w of it. (`warmup_epochs` is the corruption's.)
        class_weights: how much a label counts in training by its class: `balanced`, a weight by class, or a
            list with one for each class; see `affect.objectives.class_weights`. Validation, and so the
            monitored loss, is never weighted.
        accelerator: where to train: `cpu`, `gpu`, `auto` and others that Lightning knows.
        devices: how many devices, a list of their numbers, or `auto`, as in Lightning. Each has `batch_size`
            samples of a batch that is as many times as large.
        strategy: how several devices work together, by Lightning's names. `ddp` (and `auto` where there are
            several) starts their processes anew from this one, for which a script needs
            `if __name__ == "__main__":`; where torchrun has started them, they are kept. `ddp_fork` forks:
            at once and without a copy of the corpus, but it hangs where this process has computed with
            several threads before. Those that share out a model's weights (`fsdp`, `deepspeed`) are refused.
        precision: of what is computed in training: float32, or bfloat16 where PyTorch's autocast holds it to
            be safe, or one of Lightning's (`16-mixed`, `bf16-true`, `64-true`). Afterwards the weights are
            float32 and so is what is measured at the end.
        compile: whether torch compiles the model; that takes a C++ compiler, and time that a long training of
            a model without recurrent parts, whose steps are compiled one by one, wins back.
        corruption: what happens to the training samples, otherwise in every epoch; nothing by default.
        warmup_epochs: epochs over which the corruption grows from nothing to all of it.
            (`learning_rate_warmup` is the learning rate's.)
        consistency: weight of how far the prediction for the damaged view lies from that for the clean one,
            from which the model then learns too; 0 looks at the damaged view alone.
        imputation: weight of an imputer's own error.
        distillation: weight of how far the prediction lies from a teacher's, who sees the clean view.
    Raises:
        ConfigError: a value is of another kind, or out of its range.
    Example:
        >>> Training(optimizer=torch.optim.SGD, learning_rate=0.1, learning_rate_warmup=0.1).epochs
        60
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "batch_size": CategoricalDistribution((16, 32, 64)),
        "weight_decay": FloatDistribution(1e-4, 0.3, log=True),
    }

    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    gradient_clip: float = 1.0
    accumulate: int = 1
    patience: int = 10
    monitor: str = "loss"
    schedule: ScheduleFactory | None = None
    accelerator: str = "cpu"
    precision: Precision = "float32"
    compile: bool = False
    corruption: Corruption | None = None
    warmup_epochs: int = 0
    consistency: float = 0.0
    imputation: float = 1.0
    distillation: float = 1.0
    optimizer: OptimizerFactory = torch.optim.AdamW
    schedule_interval: Interval = "epoch"
    learning_rate_warmup: float = 0.0
    class_weights: ClassWeights | None = None
    devices: int | str | list[int] = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        for one in fields(self):  # numpy's numbers are Python's from here on: Lightning takes no others
            if isinstance(value := getattr(self, one.name), np.generic | np.ndarray | torch.Tensor):
                object.__setattr__(self, one.name, value.tolist())
        for name, bounds in _NUMBERS.items():
            bounds.check(f"training: {name}", getattr(self, name))
        for name, known in (("precision", get_args(Precision)), ("schedule_interval", get_args(Interval))):
            if (given := getattr(self, name)) not in known:
                raise ConfigError(f"training: no {name} '{given}'; {did_you_mean(str(given), known)}")
        if self.monitor != "loss":
            metrics.higher_is_better(self.monitor)  # refuses what is no metric
        check_class_weights(self.class_weights)
        self._check_parts()
        self._check_machine()

    def _check_parts(self) -> None:
        check_factory("training", "optimizer", self.optimizer, Optimizer)
        given = getattr(self.optimizer, "keywords", {})
        for name, own in (("lr", "learning_rate"), ("weight_decay", "weight_decay")):
            if name in given:
                raise ConfigError(
                    f"training: optimizer: {name} is the training's own; write {own} = {given[name]!r} "
                    "beside optimizer, and leave it out there"
                )
        if self.schedule is not None:
            check_factory("training", "schedule", self.schedule, LRScheduler)
        if self.corruption is not None and not isinstance(self.corruption, Corruption):
            raise ConfigError(
                "training: corruption: expected a Corruption that was made, got "
                f"{described(self.corruption)}; write affect.corruption.ModalityDropout(rate=0.3)"
            )
        if self.consistency and self.corruption is None:
            raise ConfigError("training: consistency needs a corruption; name one, or leave out consistency")
        if self.warmup_epochs and self.corruption is None:
            raise ConfigError(
                "training: warmup_epochs needs a corruption, which is what grows over them; name one, or "
                "write learning_rate_warmup, a share of all steps, where the learning rate is meant"
            )

    def _check_machine(self) -> None:
        for name in ("accelerator", "strategy"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"training: {name}: expected a name, got {described(getattr(self, name))}")
        if any(name in self.strategy.lower() for name in ("fsdp", "deepspeed", "model_parallel", "xla")):
            raise ConfigError(
                f"training: strategy: '{self.strategy}' shares out a model's weights, and checkpoints and "
                "gradient_clip need them whole; write strategy: ddp"
            )
        if not isinstance(self.compile, bool):
            raise ConfigError(f"training: compile: expected True or False, got {described(self.compile)}")
        devices = self.devices if isinstance(self.devices, list) else [self.devices]
        lowest = 0 if isinstance(self.devices, list) else 1
        whole = [isinstance(x, int) and not isinstance(x, bool) and lowest <= x < 10**6 for x in devices]
        if self.devices != "auto" and (not devices or not all(whole)):
            raise ConfigError(
                "training: devices: expected how many, at least 1, a list of their numbers, or 'auto', got "
                f"{self.devices if isinstance(self.devices, list) else described(self.devices)}"
            )


_NUMBERS = {
    **dict.fromkeys(("epochs", "batch_size", "accumulate", "patience"), COUNT),
    "learning_rate": POSITIVE,
    "warmup_epochs": NATURAL,
    **dict.fromkeys(
        ("weight_decay", "gradient_clip", "consistency", "imputation", "distillation"), NOT_NEGATIVE
    ),
    "learning_rate_warmup": Bounds("from 0 to 1, a share of all steps", 0, 1),
}
