"""A run is a folder: what was asked, what came out, and what it ran on.

config.yaml         the resolved configuration, ready for `affect train`
results.csv         tidy rows
predictions.csv     one row per label
history.csv         one row per epoch
model.safetensors   weights of the kept epoch, the scaler's statistics among them
    run.json            what it ran on and was built for; it is written last
"""

from __future__ import annotations

import hashlib
import json
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from filelock import FileLock

from affect.configuration import Configuration, parse, read
from affect.data import splitting, targets
from affect.data.corpus import Corpus
from affect.data.scaling import Scaler
from affect.data.sources import load as load_corpus
from affect.errors import ConfigError, DataError
from affect.files import writing
from affect.model import FusionModel
from affect.training import fit, seeded

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
        with seeded(self.seed):
            model = configuration.model.build(corpus, configuration.target)
        run = fit(
            model,
            corpus,
            self.seed,
            training=configuration.training,
            objective=configuration.objective,
            name=self.name,
            folder=self.folder,
            loggers=[make() for make in configuration.loggers],
        )
        content = {
            **self.content,
            "corpus": corpus_path(configuration.corpus, self.root),
            "seeds": [self.seed],
        }
        with writing(self.folder / "config.yaml") as path:
            path.write_text(yaml.safe_dump(content, sort_keys=False))
        for table, rows in (("results", run.results), ("predictions", run.predictions)):
            _write(rows.assign(fold=self.fold), self.folder / f"{table}.csv")
        _write(run.history, self.folder / "history.csv")
        with writing(self.folder / "model.safetensors") as path:
            _save_weights(run.model, path)
        facts = {
            "name": self.name,
            "seed": self.seed,
            "fold": self.fold,
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
            "corpus": {"name": corpus.name, "notes": corpus.notes, "sha256": _sha256(content["corpus"])},
            "ran_on": _environment(configuration.training.accelerator),
        }
        with writing(self.folder / DONE) as path:
            path.write_text(json.dumps(facts, indent=1))
        shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)


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


def load_model(folder: str | Path) -> FusionModel:
    """The model of a finished run, in eval mode.

    Raises:
        DataError: the folder is not a finished run.
    """
    from safetensors.torch import load_file

    folder = Path(folder)
    if not (folder / DONE).is_file():
        raise DataError(f"{folder}: not a finished run; expected a folder that holds {DONE}")
    shape = json.loads((folder / DONE).read_text())["shape"]
    configuration = parse(read(folder / "config.yaml"), str(folder / "config.yaml"))
    target = targets.from_json(shape["target"], str(folder / DONE))
    parts = configuration.model
    model = FusionModel.for_shape(
        shape["dims"],
        target,
        shape["aligned"],
        encoder={name: parts.encoder_of(name) for name in shape["dims"]},
        aligner=parts.aligner,
        fusion=parts.fusion,
        head=parts.head,
        width=parts.width,
        out_dim=parts.out_dim,
    )
    if shape["scaled"]:
        dims = {name: shape["dims"][name] for name in shape["scaled"]}
        model.scaler = Scaler(dims, parts.scaling, parts.nonfinite)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()


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
