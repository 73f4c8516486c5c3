"""A run is a folder: what was asked, what came out, and what it ran on.

config.yaml         the resolved configuration, ready for `affect train`
results.csv         tidy rows
predictions.csv     one row per label
history.csv         one row per epoch
model.safetensors   weights of the kept epoch, the scaler's statistics among them
    run.json            what it ran on and was built for; it is written last

A baseline has neither a history nor weights: it is fitted again from its corpus when it is asked to predict.
"""

from __future__ import annotations

import hashlib
import json
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import torch
import yaml
from filelock import FileLock

from affect.baselines import Baseline
from affect.configuration import BaselineModel, Configuration, Model, parse, read
from affect.data import splitting, targets
from affect.data.corpus import Corpus
from affect.data.scaling import Scaler
from affect.data.sources import load as load_corpus
from affect.errors import ConfigError, DataError
from affect.files import writing
from affect.model import FusionModel
from affect.training import fit, seeded
from affect.training import predict as predict_split

DONE = "run.json"
_SPEAKS_FOR = ("torch", "lightning", "numpy", "scipy", "scikit-learn", "pandas")


@dataclass(frozen=True)
class Job:
    """One run that is to be done: a configuration, one of its seeds, one of its folds.

    Args:
        content: the configuration's plain values, classes by their full import path.
        name: the model's name in tables.
        seed: of the initial weights, of dropout and of the order of samples.
        fold: which fold is the test split; 0 where the corpus has official splits.
        root: the folder that a relative corpus path starts from.
        folder: where the run goes.
    """

    content: Mapping[str, Any]
    name: str
    seed: int
    fold: int
    root: Path
    folder: Path

    @property
    def done(self) -> bool:
        """Whether the run was finished."""
        return (self.folder / DONE).is_file()

    def run(self) -> Path:
        """Do it, unless it is done; an interrupted run is taken up where its last epoch ended."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):  # a worker may outlive a bench that was killed
            if not self.done:
                self._run()
        return self.folder

    def _run(self) -> None:
        configuration = parse(self.content, str(self.folder / "config.yaml"))
        corpus = prepare(configuration, self.fold, self.root)
        if isinstance(configuration.model, BaselineModel):
            results, predictions, facts = self._fit(configuration.model, configuration, corpus)
        else:
            results, predictions, facts = self._train(configuration.model, configuration, corpus)
        content = {
            **self.content,
            "corpus": corpus_path(configuration.corpus, self.root),
            "seeds": [self.seed],
        }
        if configuration.teacher is not None:
            content["teacher"] = str((self.root / configuration.teacher).resolve())
        with writing(self.folder / "config.yaml") as path:
            path.write_text(yaml.safe_dump(content, sort_keys=False))
        for table, rows in (("results", results), ("predictions", predictions)):
            _write(rows.assign(fold=self.fold), self.folder / f"{table}.csv")
        facts = {
            "name": self.name,
            "seed": self.seed,
            "fold": self.fold,
            **facts,
            "corpus": {"name": corpus.name, "notes": corpus.notes, "sha256": _sha256(content["corpus"])},
            "ran_on": _environment(configuration.training.accelerator),
        }
        with writing(self.folder / DONE) as path:
            path.write_text(json.dumps(facts, indent=1))
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)

    def _train(self, parts: Model, configuration: Configuration, corpus: Corpus) -> _Outcome:
        """A torch model; its history and its weights lie in the folder."""
        with seeded(self.seed):
            model = parts.build(corpus, configuration.target)
        run = fit(
            model,
            corpus,
            self.seed,
            training=configuration.training,
            objective=configuration.objective,
            teacher=self._teacher(configuration),
            name=self.name,
            folder=self.folder,
            loggers=[make() for make in configuration.loggers],
        )
        _write(run.history, self.folder / "history.csv")
        with writing(self.folder / "model.safetensors") as path:
            _save_weights(run.model, path)
        facts = {
            "best_epoch": run.best_epoch,
            "chosen_by": f"{run.monitor} on valid",
            "seconds": run.seconds,
            "parameters": sum(p.numel() for p in run.model.parameters()),
            "shape": {
                "dims": {name: corpus.dims[name] for name in run.model.encoders},
                "aligned": corpus.aligned,
                "target": targets.to_json(run.model.head.target),
                "scaled": sorted(run.model.scaler.dims) if run.model.scaler else [],
            },
        }
        return run.results, run.predictions, facts

    def _teacher(self, configuration: Configuration) -> FusionModel | None:
        if configuration.teacher is None:
            return None
        return load_model(self.root / configuration.teacher.format(seed=self.seed, fold=self.fold))

    def _fit(self, parts: BaselineModel, configuration: Configuration, corpus: Corpus) -> _Outcome:
        """A baseline; nothing of it is kept but what it said."""
        begin = time.perf_counter()
        baseline = _fitted(parts, configuration, corpus, self.seed)
        facts = {
            "chosen_by": baseline.chosen_by,
            "seconds": time.perf_counter() - begin,
            "shape": {
                "dims": baseline.dims,
                "aligned": corpus.aligned,
                "target": targets.to_json(baseline.target),
            },
        }
        measured = [
            baseline.evaluate(corpus, split, name=self.name, seed=self.seed)
            for split in ("valid", "test")
            if split in corpus.splits
        ]
        results, predictions = (
            pd.concat(tables, ignore_index=True) for tables in zip(*measured, strict=True)
        )
        return results, predictions, facts


_Outcome: TypeAlias = tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]
"""Tidy rows, predictions, and what `run.json` says of the model."""


def _fitted(parts: BaselineModel, configuration: Configuration, corpus: Corpus, seed: int) -> Baseline:
    return parts.build(corpus, configuration.target).fit(
        corpus,
        seed,
        monitor=configuration.training.monitor,
        scaling=parts.scaling,
        nonfinite=parts.nonfinite,
    )


def prepare(configuration: Configuration, fold: int, root: Path) -> Corpus:
    """The corpus of a configuration, cut into the splits that training needs."""
    corpus = load_corpus(corpus_path(configuration.corpus, root))
    if configuration.folds:
        return splitting.fold(corpus, fold, configuration.folds, configuration.valid_share)
    if "train" not in corpus.splits:
        raise ConfigError(
            f"{corpus.name}: no split 'train', only {', '.join(corpus.splits)}; give `folds` to cut it"
        )
    return corpus if "valid" in corpus.splits else splitting.carve(corpus, configuration.valid_share)


def corpus_path(corpus: str, root: Path) -> str:
    """A generated corpus by its name; a file by its whole path."""
    return corpus if corpus.partition(":")[0] == "synthetic" else str((root / corpus).resolve())


def digest(content: Mapping[str, Any]) -> str:
    """Eight letters that change with the content, so that results of another configuration stay apart."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def predict(folder: str | Path, source: str | Path, split: str | None = None) -> pd.DataFrame:
    """What a finished run says of a corpus that has its modalities; columns as in `affect.training.predict`.

    A baseline is fitted again, from the corpus that it was made with.

    Args:
        folder: the run.
        source: a corpus in any format, or a generated one.
        split: the split `test` by default, or the first one where there is none.
    Raises:
        DataError: the folder is not a finished run; a baseline's corpus is gone or was changed.
        ConfigError: the corpus lacks a modality, has another feature size, or is not aligned as it must be.
    """
    configuration, facts = finished(folder)
    corpus = load_corpus(source)
    helpers = getattr(configuration.model, "helpers", ())  # a baseline has none
    for name, dim in facts["shape"]["dims"].items():
        if name not in helpers and corpus.dims.get(name) != dim:
            raise ConfigError(
                f"{source}: {folder} needs {name} with feature size {dim}, "
                f"got {corpus.dims.get(name, 'no such modality')}"
            )
    rows = corpus[split or ("test" if "test" in corpus.splits else next(iter(corpus.splits)))]
    model: FusionModel | Baseline
    if isinstance(configuration.model, BaselineModel):
        model = _fitted_again(folder, configuration.model, configuration, facts)
        say = model.predict
    else:
        model = load_model(folder)
        say = partial(predict_split, model, aligned=corpus.aligned)
    if model.needs_alignment and not corpus.aligned:
        raise ConfigError(f"{source}: {folder} needs aligned sequences, and the corpus is not aligned")
    return say(rows)


def load_model(folder: str | Path) -> FusionModel:
    """The model of a finished run, in eval mode.

    Raises:
        DataError: the folder is not a finished run.
        ConfigError: the run is a baseline's, which has no weights.
    """
    from safetensors.torch import load_file

    configuration, facts = finished(folder)
    parts, shape = configuration.model, facts["shape"]
    if isinstance(parts, BaselineModel):
        raise ConfigError(f"{folder}: a baseline has no weights to load; affect.runs.predict fits it again")
    model = FusionModel.for_shape(
        shape["dims"],
        targets.from_json(shape["target"], str(Path(folder) / DONE)),
        shape["aligned"],
        encoder={name: parts.encoder_of(name) for name in shape["dims"]},
        aligner=parts.aligner,
        imputer=parts.imputer,
        helpers=parts.helpers,
        fusion=parts.fusion,
        head=parts.head,
        width=parts.width,
        out_dim=parts.out_dim,
    )
    if shape["scaled"]:
        dims = {name: shape["dims"][name] for name in shape["scaled"]}
        model.scaler = Scaler(dims, parts.scaling, parts.nonfinite)
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"))
    return model.eval()


def _fitted_again(
    folder: str | Path, parts: BaselineModel, configuration: Configuration, facts: Mapping[str, Any]
) -> Baseline:
    """The baseline of a finished run, which is what its corpus, its settings and its seed make it."""
    if _sha256(configuration.corpus) != facts["corpus"]["sha256"]:
        raise DataError(
            f"{folder}: a baseline is fitted again to predict, but {configuration.corpus} is gone or is not "
            "the file that the run was made with; put that file back, or train again"
        )
    return _fitted(parts, configuration, prepare(configuration, facts["fold"], Path()), facts["seed"])


def finished(folder: str | Path) -> tuple[Configuration, dict[str, Any]]:
    """The configuration of a finished run, and what its `run.json` says.

    Raises:
        DataError: the folder is not a finished run.
    """
    folder = Path(folder)
    if not (folder / DONE).is_file():
        raise DataError(f"{folder}: not a finished run; expected a folder that holds {DONE}")
    configuration = parse(read(folder / "config.yaml"), str(folder / "config.yaml"))
    return configuration, json.loads((folder / DONE).read_text())


def _save_weights(model: FusionModel, path: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: x.contiguous() for name, x in model.state_dict().items()}, path)


def _write(rows: pd.DataFrame, path: Path) -> None:
    with writing(path) as partial:
        rows.to_csv(partial, index=False)


def _sha256(corpus: str) -> str | None:
    """Of the corpus file; a generated corpus has none."""
    if not Path(corpus).is_file():
        return None
    with Path(corpus).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _environment(accelerator: str) -> dict[str, Any]:
    """What a figure depends on beside the configuration."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "affect": version("affect"),
        "commit": commit or None,
        "python": platform.python_version(),
        **{name: version(name) for name in _SPEAKS_FOR},
        "machine": platform.platform(),
        "accelerator": accelerator,
        "threads": torch.get_num_threads(),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        // (1 if sys.platform == "darwin" else 1024),
    }
