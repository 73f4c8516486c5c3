"""Runs that are to be done."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import statistics
import subprocess
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import torch
import yaml
from filelock import FileLock
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from affect.data import provenance, targets
from affect.data.corpus import Corpus
from affect.errors import AffectError
from affect.files import writing
from affect.model import FusionModel, ModelSpec
from affect.runs.configuration import BaselineModel, Configuration, importable, parse
from affect.runs.costs import (
    forget_peak_memory,
    parameters,
    peak_memory_mb,
    sample_megaflops,
    sample_milliseconds,
)
from affect.runs.finished import DONE, anchored, fitted, load_model, prepare, sha256
from affect.training import Run, fit, seeded

FAILED = "failed.txt"
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

    @property
    def failure(self) -> str:
        """The last line of why the last attempt failed; empty where none did."""
        failed = self.folder / FAILED
        return "" if self.done or not failed.is_file() else failed.read_text().rstrip().rpartition("\n")[2]

    @property
    def teacher(self) -> Path | None:
        """The run that this one learns from too."""
        return teacher_of(self.content.get("teacher"), self.root, self.seed, self.fold)

    def run(self) -> Path:
        """Do it, unless it is done; an interrupted run is taken up where its last epoch ended."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):  # a worker may outlive a bench that was killed
            if not self.done:
                self._run()
        return self.folder

    def attempt(self) -> bool:
        """Do it; where it fails, `failed.txt` in its folder says why.

        Returns:
            whether it is done.
        """
        try:
            self.run()
        except Exception as error:
            own = isinstance(error, AffectError)
            with writing(self.folder / FAILED) as path:
                path.write_text(f"{type(error).__name__}: {error}" if own else traceback.format_exc())
        else:
            (self.folder / FAILED).unlink(missing_ok=True)
        return self.done

    def _run(self) -> None:
        forget_peak_memory()
        importable(self.root)
        configuration = parse(self.content, str(self.folder / "config.yaml"))
        corpus = prepare(configuration, self.fold, self.root)
        if isinstance(configuration.model, BaselineModel):
            results, predictions, facts = self._fit(configuration.model, configuration, corpus)
        else:
            results, predictions, facts = self._train(configuration.model, configuration, corpus)
        content = {**anchored(self.content, self.root), "seeds": [self.seed]}
        with writing(self.folder / "config.yaml") as path:
            path.write_text(yaml.safe_dump(content, sort_keys=False))
        for table, rows in (("results", results), ("predictions", predictions)):
            _write(rows.assign(fold=self.fold), self.folder / f"{table}.csv")
        facts = {
            "name": self.name,
            "seed": self.seed,
            "fold": self.fold,
            **facts,
            "corpus": {
                "name": corpus.name,
                "notes": corpus.notes,
                "citation": corpus.citation,
                "ceiling": corpus.ceiling,
                "sha256": sha256(content["corpus"]),
            },
            "ran_on": _environment(configuration.training.accelerator),
        }
        with writing(self.folder / DONE) as path:
            path.write_text(json.dumps(facts, indent=1))
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)

    def _train(self, parts: ModelSpec, configuration: Configuration, corpus: Corpus) -> _Outcome:
        """A torch model; its history and its weights lie in the folder."""
        development = corpus.without("test")
        run = trained(
            parts,
            configuration,
            corpus,
            self.seed,
            teacher=self.teacher,
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
            "costs": {
                "parameters": parameters(run.model),
                "epoch_seconds": statistics.median(run.history["epoch_seconds"]),
                "sample_milliseconds": sample_milliseconds(run.model, development["valid"]),
                "sample_megaflops": sample_megaflops(run.model, development["valid"]),
                "peak_memory_mb": peak_memory_mb(configuration.training.accelerator),
            },
            "shape": {
                "dims": {name: corpus.dims[name] for name in run.model.encoders},
                **_origins(corpus, run.model.encoders),
                "aligned": corpus.aligned,
                "target": targets.to_json(run.model.head.target),
                "scaled": sorted(run.model.scaler.dims) if run.model.scaler else [],
            },
        }
        return run.results, run.predictions, facts

    def _fit(self, parts: BaselineModel, configuration: Configuration, corpus: Corpus) -> _Outcome:
        """A baseline; nothing of it is kept but what it said."""
        development = corpus.without("test")
        begin = time.perf_counter()
        baseline = fitted(parts, configuration, development, self.seed)
        learned = time.perf_counter()
        baseline.predict(development["valid"])
        told = time.perf_counter()
        facts = {
            "chosen_by": baseline.chosen_by,
            "seconds": learned - begin,
            "costs": {
                "sample_milliseconds": 1000 * (told - learned) / len(development["valid"]),
                "peak_memory_mb": peak_memory_mb(),
            },
            "shape": {
                "dims": baseline.dims,
                **_origins(corpus, baseline.dims),
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


def trained(
    parts: ModelSpec,
    configuration: Configuration,
    corpus: Corpus,
    seed: int,
    *,
    teacher: Path | None = None,
    name: str = "",
    folder: Path | None = None,
    loggers: Iterable[Logger] = (),
    callbacks: Iterable[Callback] = (),
) -> Run:
    """The model of a configuration, built and trained; what its weights begin with depends on the seed alone.

    Args:
        parts: the configuration's model.
        configuration: how it is trained, and for what.
        corpus: cut into splits; building and training are given it without `test`.
        seed: of the initial weights, of dropout and of the order of samples.
        teacher: the folder of a finished run to learn from too.
        name: as in `affect.fit`, and so are the rest.
        folder: the same.
        loggers: the same.
        callbacks: the same.
    """
    with seeded(seed):
        model = parts.for_corpus(corpus.without("test"), configuration.target)
    return fit(
        model,
        corpus,
        seed,
        training=configuration.training,
        objective=configuration.objective,
        teacher=None if teacher is None else load_model(teacher),
        name=name,
        folder=folder,
        loggers=loggers,
        callbacks=callbacks,
    )


def teacher_of(named: str | None, root: Path, seed: int, fold: int) -> Path | None:
    """The folder of the run that a configuration's `teacher` names; none where it names none."""
    return None if named is None else root / named.format(seed=seed, fold=fold)


_Outcome: TypeAlias = tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]
"""Tidy rows, predictions, and what `run.json` says of the model."""


def _origins(corpus: Corpus, modalities: Iterable[str]) -> dict[str, Any]:
    """Which features were learned from: their names and who made them, where the corpus says it."""
    known = set(modalities)
    return {
        "columns": {m: list(names) for m, names in corpus.columns.items() if m in known},
        "provenance": {m: provenance.to_json(made) for m, made in corpus.provenance.items() if m in known},
    }


def _save_weights(model: FusionModel, path: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: x.contiguous() for name, x in model.state_dict().items()}, path)


def _write(rows: pd.DataFrame, path: Path) -> None:
    with writing(path) as partial:
        rows.to_csv(partial, index=False)


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
    }


def digest(content: Mapping[str, Any]) -> str:
    """Eight letters that change with the content, so that results of another configuration stay apart."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
