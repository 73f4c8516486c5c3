"""Which words mattered to finished runs, kept in their folders."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from affect.classes import within
from affect.data.contents import corpus_digest
from affect.data.corpus import Split
from affect.data.corpus_files import file_digest
from affect.data.ragged import Words
from affect.data.targets import MultiClass, MultiLabel, Target
from affect.errors import ConfigError, DataError
from affect.explain import step_importances
from affect.files import writing
from affect.metrics import Array
from affect.runs.finished import FinishedRun, prepare, say_corpus
from affect.training.saving import WEIGHTS

IMPORTANCES = "importances"
"""The folder in a run's folder that holds them, a file for each split."""

_DAMAGED = (OSError, ValueError, LookupError, EOFError, BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class WordImportances:
    """How much each word mattered to a run.

    Args:
        run: the finished one.
        words: of each sample, by its id.
        values: by modality and sample, a number for each word; NaN where its step was not observed.
    """

    run: FinishedRun
    words: dict[str, list[str]]
    values: dict[str, dict[str, Array]]


def explain_run(folder: str | Path, split: str = "test", *, trust: bool = False) -> Path:
    """Write how much each word mattered to what a finished run predicts (`affect.explain`).

    Explained is the prediction; of several classes the logit of the label's.

    Args:
        folder: of the run.
        split: which split; its words must be known, and some modality have a step for each.
        trust: whether code that the run brings along may be executed, though it is not known to be one's own.
    Returns:
        the file that was written, in the run's folder.
    Raises:
        DataError: the folder is not a finished run; the split has no words, or no modality a step for each.
        ConfigError: the run is a baseline's, brings code that is not trusted, or has a target of several
            labels per sample.
    """
    run = FinishedRun.read(folder, trust=trust)
    if isinstance(run.target, MultiLabel):
        raise ConfigError(
            f"{run.folder}: '{run.target.name}' has several labels; words are explained for one"
        )
    model, corpus_now = run.model(), corpus_digest(run.content["corpus"])
    say_corpus(run, run.content["corpus"])
    with within(run.home):
        rows = prepare(run.configuration, run.fold, Path())[split]
        rows = rows.take(np.flatnonzero(rows.targets[run.target.name].lengths))
        words, named = _with_words(rows, model.modalities, f"{run.folder}: {split}")
        found = step_importances(model, rows, outputs=_outputs(rows, run.target))
    path = run.folder / IMPORTANCES / f"{split}.npz"
    held = {
        "ids": np.array(rows.ids),
        "words": np.array([word for place in range(len(rows)) for word in words[place]]),
        "lengths": words.lengths,
        "made_from": np.array([str(corpus_now), file_digest(run.folder / WEIGHTS)]),
    }
    for name in named:
        own = [
            row if len(row) else np.full(n, np.nan) for row, n in zip(found[name], words.lengths, strict=True)
        ]
        held[f"modality.{name}"] = np.concatenate(own).astype(np.float32)
    with writing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **held)  # type: ignore[arg-type]  # numpy takes names for its options
    return path


def stored_importances(runs: Iterable[FinishedRun], split: str = "test") -> list[WordImportances]:
    """What `explain_run` left in the folders of runs, where the weights and the corpus are the same since.

    Args:
        runs: finished ones.
        split: the split that was explained.
    Raises:
        DataError: a file is not what was written.
    """
    paths = [(run, run.folder / IMPORTANCES / f"{split}.npz") for run in runs]
    found = [_read(run, path) for run, path in paths if path.exists()]
    return [own for own in found if own is not None]


def _read(run: FinishedRun, path: Path) -> WordImportances | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            corpus, weights = map(str, held["made_from"])
            now = corpus_digest(run.content["corpus"])
            if weights != file_digest(run.folder / WEIGHTS) or now is not None and corpus != str(now):
                return None
            ids, ends = held["ids"].tolist(), np.cumsum(held["lengths"])[:-1]
            words = [part.tolist() for part in np.split(held["words"], ends)]
            values = {
                name.removeprefix("modality."): dict(zip(ids, np.split(held[name], ends), strict=True))
                for name in held
                if name.startswith("modality.")
            }
            return WordImportances(run, dict(zip(ids, words, strict=True)), values)
    except _DAMAGED as error:
        raise DataError(
            f"{path}: no importances: {error}; explain the run again, or delete this file"
        ) from None


def _with_words(rows: Split, modalities: Iterable[str], who: str) -> tuple[Words, list[str]]:
    """The words, and the modalities that have a step for each in every sample that has them."""
    if (words := rows.words) is None:
        raise DataError(f"{who}: no words are known; affect.explain.step_importances explains any steps")
    lengths = words.lengths
    steps = {name: rows.modalities[name].lengths for name in modalities}
    named = [name for name, own in steps.items() if ((own == lengths) | (own == 0)).all()]
    if not named:
        raise DataError(
            f"{who}: no modality has a step for each word; affect.explain.step_importances explains any steps"
        )
    return words, named


def _outputs(rows: Split, target: Target) -> NDArray[np.int64] | None:
    """The class of each label, where there are several."""
    return rows.labels(target.name)[:, 0].astype(np.int64) if isinstance(target, MultiClass) else None
