"""Lightning's trainer: devices, strategy and precision."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.precision import DoublePrecision, HalfPrecision
from torch.multiprocessing import get_all_start_methods
from torch.multiprocessing.spawn import ProcessRaisedException

from affect import errors
from affect.errors import AffectError, ConfigError
from affect.model import FusionModel
from affect.sequences import Batch
from affect.training.options import PRECISIONS, Training


def make_trainer(
    training: Training, callbacks: Iterable[Callback], loggers: Iterable[Logger]
) -> lightning.Trainer:
    """Lightning's trainer for a training.

    Raises:
        ConfigError: there is no such accelerator, device, strategy or precision here.
    Example:
        >>> make_trainer(Training(epochs=3), [], []).max_epochs
        3
    """
    precision = PRECISIONS.get(training.precision, training.precision)
    plugin = _plugin(precision)
    how: dict[str, Any] = {"precision": precision} if plugin is None else {"plugins": [plugin]}
    try:
        return lightning.Trainer(
            max_epochs=training.epochs,
            accelerator=training.accelerator,
            devices=training.devices,
            strategy=strategy_of(training),
            gradient_clip_val=training.gradient_clip or None,
            accumulate_grad_batches=training.accumulate,
            callbacks=list(callbacks),
            logger=list(loggers) or False,
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,  # affect.training.devices shares the rows
            **how,
        )
    except (ValueError, RuntimeError, ImportError, TypeError) as error:
        asked = ", ".join(
            f"{key} {getattr(training, key)!r}" for key in ("accelerator", "devices", "strategy")
        )
        raise ConfigError(
            f"training: {asked}, precision {training.precision!r}: {' '.join(str(error).split())}"
        ) from error


def strategy_of(training: Training) -> str:
    """The name of Lightning's strategy: `ddp` in processes that are started from this one.

    Lightning's own `ddp` starts the whole command again on every device, which would lock the run's folder,
    read the corpus and write the tables once more. Where a launcher such as torchrun has started the
    processes, it is kept.

    Example:
        >>> strategy_of(Training(devices=2, strategy="ddp")), strategy_of(Training())
        ('ddp_fork_find_unused_parameters_true', 'auto')
    """
    devices: Any = training.devices
    if devices == "auto":
        devices = 1 if training.accelerator == "cpu" else torch.cuda.device_count()
    several = (len(devices) if isinstance(devices, list) else devices) > 1
    if training.strategy != "ddp" and not (training.strategy == "auto" and several):
        return training.strategy
    # an absent modality's encoder takes no part in a step
    if "LOCAL_RANK" in os.environ or "SLURM_PROCID" in os.environ:
        return "ddp_find_unused_parameters_true"
    forks = "fork" in get_all_start_methods() and not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch's
    return f"ddp_{'fork' if forks else 'spawn'}_find_unused_parameters_true"


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning without its advice on a handful of in-memory batches and without its banners."""
    talkers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [talker.level for talker in talkers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)  # Lightning's own
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")  # frozen parts
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
        warnings.filterwarnings("ignore", message=".*Experiment logs directory.*")
        warnings.filterwarnings("ignore", message=".*sync_dist=True.*")  # every device has measured all rows
        # processes of devices are forks, which live no longer than the training
        warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork.*")
        for talker in talkers:
            talker.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for talker, level in zip(talkers, levels, strict=True):
                talker.setLevel(level)


@contextmanager
def passing_tensors(training: Training) -> Iterator[None]:
    """Hand tensors to processes that are started anew by file: by descriptor there can be too many.

    Example:
        >>> with passing_tensors(Training(devices=2, strategy="ddp_spawn")):
        ...     torch.multiprocessing.get_sharing_strategy()
        'file_system'
    """
    sharing: Any = torch.multiprocessing
    before = sharing.get_sharing_strategy()
    if "spawn" in strategy_of(training):
        sharing.set_sharing_strategy("file_system")
    try:
        yield
    finally:
        sharing.set_sharing_strategy(before)


@contextmanager
def one_line() -> Iterator[None]:
    """What a process of a device refuses is refused here, in the same line."""
    try:
        yield
    except ProcessRaisedException as error:
        found = re.search(r"^affect\.errors\.(\w+): (.*)$", str(error), re.MULTILINE)
        kind = getattr(errors, found[1], None) if found else None
        if found and isinstance(kind, type) and issubclass(kind, AffectError):
            raise kind(found[2]) from None
        raise


@contextmanager
def float32_after(model: FusionModel, precision: str) -> Iterator[None]:
    """Give a model float32 weights again after a training in another precision, and its scaler as it was.

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
