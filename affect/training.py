"""Training with Lightning, and evaluation."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import Optimizer

from affect import metrics
from affect.allocation import keep_freed_memory
from affect.corruption import Corruption
from affect.data.corpus import Corpus, Split
from affect.data.loading import batches
from affect.data.targets import Target
from affect.errors import ConfigError, did_you_mean
from affect.metrics import Array
from affect.model import FusionModel
from affect.objectives import Objective, disagreement, objective_for
from affect.outputs import Output
from affect.sequences import Batch, Sequence

ObjectiveFactory: TypeAlias = Callable[[Target], Objective]
"""An Objective class, or a partial of one: whatever makes an objective for a target."""

Precision: TypeAlias = Literal["float32", "bfloat16"]
"""Of what is computed in training."""

_PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bfloat16": "bf16-mixed"}
"""By Lightning's names."""

EVALUATED = 32
"""Samples of a batch in validation, of like length: larger ones are padded more."""

MONITOR = "valid/monitor"
COLUMNS = ("corpus", "model", "seed", "fold", "split", "condition", "level", "metric", "value", "count")
"""Columns of the tidy table; `count` is how many labels a metric was computed on."""


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
        ramp: epochs over which the corruption grows from nothing to all of it.
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
    ramp: int = 0
    consistency: float = 0.0
    imputation: float = 1.0
    distillation: float = 1.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"training: {name} must be at least 1, got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ConfigError(f"training: learning_rate must be positive, got {self.learning_rate}")
        if self.precision not in _PRECISIONS:
            raise ConfigError(
                f"training: no precision '{self.precision}'; {did_you_mean(self.precision, _PRECISIONS)}"
            )
        if self.monitor != "loss":
            metrics.higher_is_better(self.monitor)  # refuses what is no metric
        for name in ("ramp", "consistency", "imputation", "distillation"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"training: {name} must be at least 0, got {getattr(self, name)}")
        for name in ("ramp", "consistency"):
            if getattr(self, name) and self.corruption is None:
                raise ConfigError(f"training: {name} needs a corruption; name one, or leave out {name}")


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
    same seed gives the same run, also when it was interrupted and resumed. On Linux the process keeps memory
    that it frees from then on (`affect.allocation`).

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
        ConfigError: there is no validation split to choose the epoch on; the corruption reckons with numbers
            of words; the teacher is for another target.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.TensorFusion)
        >>> run = affect.fit(model, corpus, training=Training(epochs=2))
        >>> sorted(run.results["split"].unique())
        ['test', 'valid']
    """
    keep_freed_memory()
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
            precision=_PRECISIONS[training.precision],
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
            batches(development["train"], target.name, training.batch_size, seed, corpus.aligned),
            batches(development["valid"], target.name, EVALUATED, aligned=corpus.aligned, by_length=True),
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


def evaluate(
    model: FusionModel,
    corpus: Corpus,
    split: str,
    *,
    name: str = "",
    seed: int = 0,
    batch_size: int = EVALUATED,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure a model on one split: its tidy rows, and one row per label.

    Args:
        model: in eval mode afterwards.
        corpus: has the model's target and modalities.
        split: the name of the split.
        name: the model's name in the results; its fusion's class by default.
        seed: as it stands in the results.
        batch_size: samples per batch; does not change the figures beyond rounding.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> results, predictions = evaluate(affect.FusionModel.for_corpus(corpus), corpus, "test")
        >>> len(predictions), results.loc[0, "count"].item()
        (400, 400)
    """
    target = model.head.target
    predictions = _predict(model, corpus[split], corpus.aligned, batch_size, target.name)
    truth = corpus[split].labels(target.name)
    return tidy(
        predictions, truth, target, corpus=corpus.name, model=name or type(model.fusion).__name__,
        split=split, seed=seed,
    )  # fmt: skip


def tidy(
    predictions: pd.DataFrame, truth: Array, target: Target, *, corpus: str, model: str, split: str, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tidy rows of predictions for one split, and the predictions with the truth beside them.

    Args:
        predictions: one row per label, as `predict` makes them.
        truth: (labels, target.size).
        target: what was predicted.
        corpus: its name in the results.
        model: its name in the results.
        split: the name of the split.
        seed: as it stands in the results.
    Example:
        >>> import pandas as pd
        >>> from affect.data.targets import Regression
        >>> said = pd.DataFrame({"id": ["a", "b"], "step": 0, "prediction": [0.0, 2.0]})
        >>> target, where = Regression("y"), {"corpus": "c", "model": "m", "split": "test", "seed": 0}
        >>> rows, _ = tidy(said, np.array([[1.0], [2.0]]), target, **where)
        >>> rows.set_index("metric").loc["mae", "value"].item()
        0.5
    """
    scores = metrics.score(target, predictions.filter(regex=r"^prediction").to_numpy(), truth)
    row = {"corpus": corpus, "model": model, "seed": seed, "fold": 0}
    where = {"split": split, "condition": "clean", "level": 0.0}
    results = [
        {**row, **where, "metric": metric, "value": score.value, "count": score.count}
        for metric, score in scores.items()
    ]
    beside = dict(zip(columns("truth", target, target.size), truth.T, strict=True))
    predictions = predictions.assign(**beside, split=split, seed=seed, fold=0)
    return pd.DataFrame(results, columns=list(COLUMNS)), predictions


def predict(
    model: FusionModel, split: Split, aligned: bool = False, batch_size: int = EVALUATED
) -> pd.DataFrame:
    """What a model says of every sample, and of every observed step where it predicts per step.

    Columns: `id`, `step`, and `prediction` or, with classes, `prediction.CLASS`: a value on the target's
    scale, or a probability. The split needs no labels.

    Example:
        >>> corpus = affect.load("synthetic")
        >>> predict(affect.FusionModel.for_corpus(corpus), corpus["test"]).columns.tolist()
        ['id', 'step', 'prediction']
    """
    return _predict(model, split, aligned, batch_size, None)


def _predict(
    model: FusionModel, split: Split, aligned: bool, batch_size: int, labels: str | None
) -> pd.DataFrame:
    """Predictions for every step that has one of `labels`; without them, for every step that was observed."""
    target = model.head.target
    model.eval()
    device = next(model.parameters()).device
    rows: list[pd.DataFrame] = []
    loader = batches(split, labels, batch_size, aligned=aligned, by_length=True)
    with torch.inference_mode():
        for own, batch in zip(loader.batch_sampler or (), loader, strict=True):
            output = model(batch.to(device).inputs)
            said = model.head.decide(output.prediction).double().cpu()
            wanted = torch.ones(said.shape[:2], dtype=torch.bool)
            if target.per_step:
                wanted = output.fused.mask.cpu()
            if labels is not None:
                wanted = batch.target.mask
            row, step = wanted.nonzero(as_tuple=True)
            frame = pd.DataFrame(said[wanted].numpy(), columns=columns("prediction", target, target.outputs))
            frame.insert(0, "id", [batch.ids[i] for i in row.tolist()])
            frame.insert(1, "step", step.numpy())
            frame.index = pd.Index([own[i] for i in row.tolist()])
            rows.append(frame)
    return pd.concat(rows).sort_index(kind="stable").reset_index(drop=True)


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
        corruption, ramp = self.training_.corruption, self.training_.ramp
        inputs = {name: batch.inputs[name] for name in self.model.encoders}
        if corruption is None:
            return inputs
        if self.current_epoch < ramp:
            corruption = corruption.weakened(self.current_epoch / ramp)
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


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` within the block, and leave the caller's random state as it was.

    Example:
        >>> with seeded(1):
        ...     a = torch.rand(1)
        >>> with seeded(1):
        ...     b = torch.rand(1)
        >>> bool(a == b)
        True
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


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


def _mean(losses: Tensor, labels: Tensor) -> Tensor:
    """The mean over labels of per-sample losses."""
    return (losses * labels).sum() / labels.sum().clamp(min=1)


def columns(kind: str, target: Target, size: int) -> list[str]:
    """The columns of predictions or of truth: one per class where there is a number for each."""
    classes = getattr(target, "classes", ())
    return [f"{kind}.{name}" for name in classes] if size == len(classes) > 0 else [kind]
