"""Lightning's trainer: devices, strategy and precision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.io import CheckpointIO
from lightning.pytorch.plugins.precision import DoublePrecision, HalfPrecision

from affect.errors import ConfigError
from affect.model import FusionModel
from affect.sequences import Batch
from affect.training.devices import is_launched
from affect.training.options import PRECISIONS, Training
from affect.training.processes import DeviceProcesses


def make_trainer(
    training: Training,
    callbacks: Iterable[Callback],
    loggers: Iterable[Logger],
    checkpoints: CheckpointIO | None = None,
) -> lightning.Trainer:
    """Lightning's trainer for a training.

    Args:
        training: names the machine.
        callbacks: any of Lightning's.
        loggers: any of Lightning's.
        checkpoints: what writes them; Lightning's own by default.
    Raises:
        ConfigError: there is no such accelerator, device, strategy or precision here.
    Example:
        >>> make_trainer(Training(epochs=3), [], []).max_epochs
        3
    """
    precision = PRECISIONS.get(training.precision, training.precision)
    plugin = _plugin(precision)
    strategy = strategy_of(training)
    plugins: list[Any] = [one for one in (plugin, checkpoints) if one is not None]
    if isinstance(strategy, DeviceProcesses):  # also within a job of SLURM, which Lightning would ask instead
        plugins.append(LightningEnvironment())
    try:
        return lightning.Trainer(
            max_epochs=training.epochs,
            accelerator=training.accelerator,
            devices=training.devices,
            strategy=strategy,
            gradient_clip_val=training.gradient_clip or None,
            accumulate_grad_batches=training.accumulate,
            callbacks=list(callbacks),
            logger=list(loggers) or False,
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,  # affect.training.devices shares the rows
            precision=precision if plugin is None else None,
            plugins=plugins,
        )
    except (ValueError, RuntimeError, ImportError, TypeError, MisconfigurationException) as error:
        asked = ", ".join(
            f"{key} {getattr(training, key)!r}" for key in ("accelerator", "devices", "strategy")
        )
        raise ConfigError(
            f"training: {asked}, precision {training.precision!r}: {' '.join(str(error).split())}"
        ) from error


OWN_PROCESSES: dict[str, Literal["spawn", "fork"]] = {
    "ddp": "spawn",
    "ddp_spawn": "spawn",
    "ddp_fork": "fork",
    "ddp_notebook": "fork",
}
"""How the processes of Lightning's strategies are started here."""


def strategy_of(training: Training) -> str | DeviceProcesses:
    """Lightning's strategy, or its name: for `ddp` processes that are started from this one.

    Where a launcher such as torchrun has started the processes, it is kept.

    Args:
        training: names devices and strategy.
    Example:
        >>> strategy_of(Training(devices=2)).method, strategy_of(Training())
        ('spawn', 'auto')
    """
    devices: Any = training.devices
    if devices == "auto":
        devices = 1 if training.accelerator == "cpu" else torch.cuda.device_count()
    several = (len(devices) if isinstance(devices, list) else devices) > 1
    name = "ddp" if training.strategy == "auto" and several else training.strategy
    if name == "ddp" and is_launched():
        return "ddp_find_unused_parameters_true"
    plain = name.removesuffix("_find_unused_parameters_true")
    if plain not in OWN_PROCESSES:
        return name
    return DeviceProcesses(OWN_PROCESSES[plain])


@contextmanager
def float32_after(model: FusionModel, precision: str) -> Iterator[None]:
    """Give a model float32 weights again after a training in another precision, and its scaler as it was.

    Args:
        model: that is trained within the block.
        precision: of the training.
    Example:
        >>> model = FusionModel.for_corpus(affect.load("synthetic"))
        >>> with float32_after(model, "64-true"):
        ...     model = model.double()
        >>> next(model.parameters()).dtype
        torch.float32
    """
    if _plugin(precision) is None:
        yield
        return
    scaler = None if model.scaler is None else {k: x.clone() for k, x in model.scaler.state_dict().items()}
    try:
        yield
    finally:
        model.float()
        if model.scaler is not None and scaler is not None:
            model.scaler.load_state_dict(scaler)


def _plugin(precision: str) -> Any:
    """Precisions in which all is computed: Lightning's own cannot convert a frozen batch."""
    if precision == "64-true":
        return _Double()
    if precision == "16-true":
        return _Half("16-true")
    if precision == "bf16-true":
        return _Half("bf16-true")
    return None


class _Double(DoublePrecision):
    def convert_input(self, data: Batch) -> Batch:
        return data.to(torch.float64)


class _Half(HalfPrecision):
    def convert_input(self, data: Batch) -> Batch:
        return data.to(self._desired_input_dtype)
