"""Training with Lightning."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from affect.data.corpus import Corpus
from affect.data.loading import batches
from affect.data.targets import Target
from affect.errors import ConfigError
from affect.model import FusionModel
from affect.objectives import Objective, objective_for
from affect.seeding import seeded
from affect.training.evaluation import EVALUATED, evaluate
from affect.training.learner import MONITOR, Learner
from affect.training.options import PRECISIONS, Training

ObjectiveFactory: TypeAlias = Callable[[Target], Objective]
"""An Objective class, or a partial of one: whatever makes an objective for a target."""


@dataclass(frozen=True, eq=False)
class Run:
    """A trained model and what was measured on it.

    Args:
        model: with the weights of the best epoch on the validation split.
        results: tidy rows, one per split and metric.
        predictions: one row per label of the validation and test splits.
        history: one row per epoch: `seconds` since training began, `epoch_seconds` of training in this epoch,
            and what was measured on the validation split.
        best_epoch: the epoch that was kept, from 0; chosen by `monitor` on the validation split.
        monitor: what chose it.
        seconds: of training.
    """

    model: FusionModel
    results: pd.DataFrame
    predictions: pd.DataFrame
    history: pd.DataFrame
    best_epoch: int
    monitor: str
    seconds: float


def fit(
    model: FusionModel,
    corpus: Corpus,
    seed: int = 0,
    *,
    training: Training | None = None,
    objective: ObjectiveFactory | None = None,
    name: str = "",
    folder: str | Path | None = None,
    loggers: Iterable[Logger] = (),
    callbacks: Iterable[Callback] = (),
    teacher: FusionModel | None = None,
) -> Run:
    """Train on the split `train`, choose the epoch on `valid`, then measure `valid` and `test`.

    Training is given the corpus without its test split, which `evaluate` alone is handed, afterwards. The
    same seed gives the same run, also when it was interrupted and resumed.

    Args:
        model: is trained in place.
        corpus: has the splits `train` and `valid`; a search hands over a corpus without `test`.
        seed: of the order of samples and of dropout. The initial weights are the model's own.
        training: how to train.
        objective: an Objective class or a partial of one; the plain one for the kind of target by default.
        name: the model's name in the results; its fusion's class by default.
        folder: where checkpoints and logs go; a training that finds its own checkpoint there resumes.
        loggers: any Lightning loggers, beside the CSV and TensorBoard logs that a folder gets.
        callbacks: any Lightning callbacks, beside the checkpoints and early stopping; `history` of the module
            that they are handed has a row per epoch.
        teacher: a trained model of the same target, with any modalities of the corpus, to learn from too.

    Raises:
        ConfigError: there is no validation split to choose the epoch on; the corruption uses the values of
            word indices; the teacher is for another target.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.TensorFusion)
        >>> run = affect.fit(model, corpus, training=Training(epochs=2))
        >>> sorted(run.results["split"].unique())
        ['test', 'valid']
    """
    target = model.head.target
    development, training = prepared(model, corpus, training or Training(), teacher)
    make = objective_for(target) if objective is None else objective
    learner = Learner(model, make(target), training, seed, teacher)
    with tempfile.TemporaryDirectory() as scratch, seeded(seed), _quiet():
        root = Path(scratch if folder is None else folder)
        checkpoint = ModelCheckpoint(
            root / "checkpoints", "best", monitor=MONITOR, mode=learner.mode, save_last=folder is not None,
            save_weights_only=folder is None, enable_version_counter=False,
        )  # fmt: skip
        stopping = EarlyStopping(MONITOR, patience=training.patience, mode=learner.mode)
        logs = list(loggers)
        if folder is not None:
            logs += [CSVLogger(root, name="", version="log"), TensorBoardLogger(root, name="", version="log")]
        trainer = lightning.Trainer(
            max_epochs=training.epochs,
            accelerator=training.accelerator,
            devices=1,
            precision=PRECISIONS[training.precision],
            gradient_clip_val=training.gradient_clip or None,
            accumulate_grad_batches=training.accumulate,
            callbacks=[checkpoint, stopping, *callbacks],
            logger=logs or False,
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        last = root / "checkpoints" / "last.ckpt"
        model.train()
        trainer.fit(
            learner,
            batches(development["train"], target.name, training.batch_size, seed),
            batches(development["valid"], target.name, EVALUATED, by_length=True),
            ckpt_path=last if last.exists() else None,
            weights_only=True,
        )
        best = torch.load(checkpoint.best_model_path, weights_only=True, map_location="cpu")
    learner.load_state_dict(best["state_dict"])
    return measured(learner, corpus, int(best["epoch"]), name)


def prepared(
    model: FusionModel, corpus: Corpus, training: Training, teacher: FusionModel | None
) -> tuple[Corpus, Training]:
    """The corpus without its test split, and the options with a corruption that knows what it may draw from.

    Raises:
        ConfigError: as `fit` says.
    """
    if "valid" not in corpus.splits:
        raise ConfigError(
            f"{corpus.name}: no split 'valid' to choose the epoch on; carve one from the training groups "
            "(affect.data.splitting.carve)"
        )
    target = model.head.target
    if teacher is not None and teacher.head.target != target:
        raise ConfigError(f"fit: the teacher is for {teacher.head.target}, and the model for {target}")
    development = corpus.without("test")
    if training.corruption is not None:
        training.corruption.check_indices(model.indices)
        training = replace(training, corruption=training.corruption.bound(development["train"]))
    return development, training


def measured(learner: Learner, corpus: Corpus, best_epoch: int, name: str) -> Run:
    """What has come of a training, whose model has the weights of its best epoch again."""
    model = learner.model.cpu().eval()
    found = [
        evaluate(model, corpus, split, name=name, seed=learner.seed)
        for split in ("valid", "test")
        if split in corpus.splits
    ]
    results, predictions = (pd.concat(parts, ignore_index=True) for parts in zip(*found, strict=True))
    return Run(
        model=model,
        results=results,
        predictions=predictions,
        history=pd.DataFrame(learner.history),
        best_epoch=best_epoch,
        monitor=learner.training_.monitor,
        seconds=learner.seconds,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning without its advice on a handful of in-memory batches and without its banners."""
    talkers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [talker.level for talker in talkers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)  # Lightning's own
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")  # frozen parts
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
        warnings.filterwarnings("ignore", message=".*Experiment logs directory.*")
        for talker in talkers:
            talker.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for talker, level in zip(talkers, levels, strict=True):
                talker.setLevel(level)
