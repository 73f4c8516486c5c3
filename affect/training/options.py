"""How a model is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import Optimizer

from affect import metrics, renamed
from affect.corruption import Corruption
from affect.errors import ConfigError, did_you_mean

Precision: TypeAlias = Literal["float32", "bfloat16"]
"""Of what is computed in training."""

PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bfloat16": "bf16-mixed"}
"""By Lightning's names."""


@renamed.arguments(ramp="warmup_epochs")
@dataclass(frozen=True)
class Training:
    """How a model is trained.

    Args:
        epochs: at most; training stops earlier when the monitored value no longer improves.
        batch_size: samples per batch.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        gradient_clip: largest norm of the gradient; 0 does not clip.
        accumulate: batches over which gradients are averaged for one step of the weights: as batches of so
            many times the size, in the memory of one. The last step of an epoch may have fewer, and then a
            gradient that is the smaller for it.
        patience: epochs without improvement after which training stops.
        monitor: what chooses the epoch, measured on the validation split: `loss` or the name of a metric.
        schedule: a torch scheduler class, or a partial of one, stepped once per epoch.
        accelerator: where to train: `cpu`, `gpu`, `auto` and others that Lightning knows.
        precision: of what is computed in training: float32, or bfloat16 where PyTorch's autocast holds it to
            be safe; weights, losses and what is measured at the end stay float32.
        compile: whether torch compiles the model; that takes a C++ compiler, and time that a long training of
            a model without recurrent parts, whose steps are compiled one by one, wins back.
        corruption: what happens to the training samples, otherwise in every epoch; nothing by default.
        warmup_epochs: epochs over which the corruption grows from nothing to all of it.
        consistency: weight of how far the prediction for the damaged view lies from that for the clean one,
            from which the model then learns too; 0 looks at the damaged view alone.
        imputation: weight of an imputer's own error.
        distillation: weight of how far the prediction lies from a teacher's, who sees the clean view.
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
    schedule: Callable[[Optimizer], LRScheduler] | None = None
    accelerator: str = "cpu"
    precision: Precision = "float32"
    compile: bool = False
    corruption: Corruption | None = None
    warmup_epochs: int = 0
    consistency: float = 0.0
    imputation: float = 1.0
    distillation: float = 1.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"training: {name} must be at least 1, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ConfigError(f"training: learning_rate must be positive, got {self.learning_rate}")
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"training: no precision '{self.precision}'; {did_you_mean(self.precision, PRECISIONS)}"
            )
        if self.monitor != "loss":
            metrics.higher_is_better(self.monitor)  # refuses what is no metric
        for name in ("warmup_epochs", "consistency", "imputation", "distillation"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"training: {name} must be at least 0, got {getattr(self, name)}")
        for name in ("warmup_epochs", "consistency"):
            if getattr(self, name) and self.corruption is None:
                raise ConfigError(f"training: {name} needs a corruption; name one, or leave out {name}")
