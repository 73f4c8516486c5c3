"""Runs that are done: what they hold, and what they say of new data."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from affect.baselines import Baseline
from affect.data import provenance, splitting, targets
from affect.data.corpus import Corpus
from affect.data.ragged import Ragged
from affect.data.sources import load as load_corpus
from affect.data.sources import read as read_corpus
from affect.data.sources.options import Options
from affect.data.targets import Target
from affect.errors import ConfigError, DataError
from affect.model import FusionModel
from affect.runs.configuration import BaselineModel, Configuration, parse, read
from affect.scaling import Scaler
from affect.training import predict as predict_split

logger = logging.getLogger(__name__)
DONE = "run.json"
"""The file that a run's folder holds when it is done."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run.

    Args:
        folder: where it lies.
        facts: what its `run.json` says.
    """

    folder: Path
    facts: dict[str, Any] = field(hash=False)

    @classmethod
    def read(cls, folder: str | Path) -> FinishedRun:
        """The run in a folder.

        Raises:
            DataError: the folder is not a finished run.
        """
        folder = Path(folder)
        if not (folder / DONE).is_file():
            raise DataError(f"{folder}: not a finished run; expected a folder that holds {DONE}")
        return cls(folder, json.loads((folder / DONE).read_text()))

    @property
    def name(self) -> str:
        """The model's name in tables."""
        return str(self.facts["name"])

    @property
    def seed(self) -> int:
        """What it drew from."""
        return int(self.facts["seed"])

    @property
    def fold(self) -> int:
        """Which fold was its test split."""
        return int(self.facts["fold"])

    @cached_property
    def target(self) -> Target:
        """What it predicts."""
        return targets.from_json(self.facts["shape"]["target"], str(self.folder / DONE))

    @cached_property
    def content(self) -> dict[str, Any]:
        """The plain values of its configuration."""
        return read(self.folder / "config.yaml")

    @cached_property
    def configuration(self) -> Configuration:
        """What was asked for."""
        return parse(self.content, str(self.folder / "config.yaml"))

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch; none where it has no epochs."""
        return self.table("history")

    def model(self) -> FusionModel:
        """Its model, in eval mode.

        Raises:
            ConfigError: it is a baseline's run, which has no weights.
        """
        from safetensors.torch import load_file

        parts, shape = self.configuration.model, self.facts["shape"]
        if isinstance(parts, BaselineModel):
            raise ConfigError(
                f"{self.folder}: a baseline has no weights to load; affect.runs.predict fits it again"
            )
        model = parts.for_shape(shape["dims"], self.target, shape["aligned"])
        if shape["scaled"]:
            dims = {name: shape["dims"][name] for name in shape["scaled"]}
            model.scaler = Scaler(dims, parts.scaling, parts.nonfinite)
        model.load_state_dict(load_file(self.folder / "model.safetensors"))
        return model.eval()

    def table(self, name: str) -> pd.DataFrame:
        """One of its tables: results, predictions or history; empty where it has none."""
        path = self.folder / f"{name}.csv"
        return pd.read_csv(path, dtype={"id": str}) if path.is_file() else pd.DataFrame()


def find(folders: Iterable[str | Path]) -> list[FinishedRun]:
    """The finished runs in or below the folders, in their order and then by path.

    Raises:
        DataError: there is none, or two of the same corpus, target, model, seed and fold.
    """
    found: dict[tuple[Any, ...], FinishedRun] = {}
    folders = list(folders)
    for given in folders:
        for done in sorted(Path(given).rglob(DONE)):
            run = FinishedRun.read(done.parent)
            key = (run.facts["corpus"]["name"], run.target.name, run.name, run.seed, run.fold)
            if key in found and found[key].folder.resolve() != run.folder.resolve():
                raise DataError(
                    f"{run.folder}: another run of {run.name}, seed {run.seed}, fold {run.fold} is in "
                    f"{found[key].folder}; name the one that is meant"
                )
            found.setdefault(key, run)
    if not found:
        raise DataError(
            f"no finished run in {', '.join(map(str, folders))}; expected folders that hold {DONE}"
        )
    return list(found.values())


def predict(folder: str | Path, source: str | Path, split: str | None = None, **reading: Any) -> pd.DataFrame:
    """What a finished run says of a corpus that has its modalities; columns as in `affect.training.predict`.

    The corpus needs no labels. A modality that it does not have at all is absent from every sample, as long
    as it has some other; a warning says so. A baseline is fitted again, from the corpus that it was made
    with.

    Args:
        folder: the run.
        source: a corpus in any format, or a generated one.
        split: the split `test` by default, or the first one where there is none.
        reading: how the corpus is to be read, as in `affect.load`; by default as that of the run was, as far
            as the file has its columns and prefixes. Either of these takes the place of both.
    Raises:
        DataError: the folder is not a finished run; a baseline's corpus is gone or was changed.
        ConfigError: the corpus has none of the modalities, has features of another size, of other names or by
            another extractor, or is not aligned as it must be.
    """
    run = FinishedRun.read(folder)
    configuration = run.configuration
    named = bool({"columns", "prefixes"} & reading.keys())
    kept = ("duplicates",) if named else ("duplicates", "columns", "prefixes")  # labels are not needed
    said = {key: configuration.reading[key] for key in kept}
    options = replace(Options.of(**{**said, **reading}), required=named)
    corpus = _with_all(run, read_corpus(source, options), str(source))
    rows = corpus[split or ("test" if "test" in corpus.splits else next(iter(corpus.splits)))]
    model: FusionModel | Baseline
    if isinstance(configuration.model, BaselineModel):
        model = _fitted_again(run, configuration.model)
        say = model.predict
    else:
        model = run.model()
        say = partial(predict_split, model)
    if model.needs_alignment and not corpus.aligned:
        raise ConfigError(f"{source}: {folder} needs aligned sequences, and the corpus is not aligned")
    return say(rows)


def load_model(folder: str | Path) -> FusionModel:
    """The model of a finished run, in eval mode.

    Raises:
        DataError: the folder is not a finished run.
        ConfigError: the run is a baseline's, which has no weights.
    """
    return FinishedRun.read(folder).model()


def _with_all(run: FinishedRun, corpus: Corpus, source: str) -> Corpus:
    """The corpus with every modality that a run reads; those that it has are what the run learned from."""
    shape = run.facts["shape"]
    training_only = getattr(run.configuration.model, "training_only", ())  # a baseline has none
    wanted = {name: dim for name, dim in shape["dims"].items() if name not in training_only}
    if not wanted.keys() & corpus.dims.keys():
        raise ConfigError(
            f"{source}: {run.folder} needs {', '.join(wanted)}, got {', '.join(corpus.dims) or 'no modality'}"
        )
    if not corpus.targets:
        logger.warning("%s: it has no labels, so there are predictions alone", source)
    for name, dim in wanted.items():
        if name not in corpus.dims:
            logger.warning(
                "%s: it has no %s, which is absent from every sample of the predictions", source, name
            )
            rows = {part: Ragged.from_rows([None] * len(split), dim) for part, split in corpus.splits.items()}
            corpus = corpus.with_modality(name, rows)
            continue
        if corpus.dims[name] != dim:
            raise ConfigError(
                f"{source}: {run.folder} needs {name} with feature size {dim}, got {corpus.dims[name]}"
            )
        learned, made = shape.get("columns", {}).get(name), shape.get("provenance", {}).get(name)
        other = provenance.difference(
            None if learned is None else tuple(learned),
            corpus.columns.get(name),
            None if made is None else provenance.from_json(made, str(run.folder / DONE)),
            corpus.provenance.get(name),
        )
        if other:
            raise ConfigError(f"{source}: {name} is not what {run.folder} learned from: {other}")
    return corpus


def _fitted_again(run: FinishedRun, parts: BaselineModel) -> Baseline:
    """The baseline of a finished run, which is what its corpus, its settings and its seed make it."""
    configuration = run.configuration
    if sha256(configuration.corpus) != run.facts["corpus"]["sha256"]:
        raise DataError(
            f"{run.folder}: a baseline is fitted again to predict, but {configuration.corpus} is gone or is "
            "not the file that the run was made with; put that file back, or train again"
        )
    return fitted(parts, configuration, prepare(configuration, run.fold, Path()), run.seed)


def prepare(configuration: Configuration, fold: int, root: Path) -> Corpus:
    """The corpus of a configuration, cut into the splits that training needs."""
    corpus = load_corpus(corpus_path(configuration.corpus, root), **configuration.reading)
    if configuration.folds:
        return splitting.fold(corpus, fold, configuration.folds, configuration.valid_share)
    if "train" not in corpus.splits:
        raise ConfigError(
            f"{corpus.name}: no split 'train', only {', '.join(corpus.splits)}; give `folds` to cut it"
        )
    return corpus if "valid" in corpus.splits else splitting.carve(corpus, configuration.valid_share)


def corpus_path(corpus: str, root: Path) -> str:
    """A generated corpus by its name; a file by its whole path."""
    return corpus if is_generated(corpus) else str((root / corpus).resolve())


def anchored(content: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """A configuration's plain values for use from any folder: what they name has its whole path.

    Args:
        content: the values.
        root: the folder that what they name is relative to.
    """
    teacher = content.get("teacher")
    return {
        **content,
        "corpus": corpus_path(content["corpus"], root),
        **({} if teacher is None else {"teacher": str((root / teacher).resolve())}),
    }


def is_generated(corpus: str) -> bool:
    """Whether this is the name of a generated corpus, not a file."""
    return corpus.partition(":")[0] == "synthetic"


def fitted(parts: BaselineModel, configuration: Configuration, corpus: Corpus, seed: int) -> Baseline:
    """The baseline of a configuration, fitted."""
    return parts.for_corpus(corpus, configuration.target).fit(
        corpus,
        seed,
        monitor=configuration.training.monitor,
        scaling=parts.scaling,
        nonfinite=parts.nonfinite,
    )


def sha256(corpus: str) -> str | None:
    """Of the corpus file; a generated corpus has none."""
    if not Path(corpus).is_file():
        return None
    with Path(corpus).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
