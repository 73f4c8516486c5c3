"""Search between the modalities of finished runs; their embeddings stay in their folders."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from affect.classes import within
from affect.data.contents import corpus_digest
from affect.data.corpus_files import file_digest
from affect.data.targets import MultiClass
from affect.errors import ConfigError, DataError, listed
from affect.files import writing
from affect.model import ModelSpec
from affect.retrieval.embeddings import Embeddings, NoSharedSpaceError, embed, term_with_embeddings
from affect.retrieval.summary import MEAN, Searched, summarise, tidy
from affect.retrieval.zero_shot import zero_shot
from affect.runs import FinishedRun, find, prepare
from affect.runs.comparable import check_comparable
from affect.runs.configuration import kind_of
from affect.runs.finished import say_corpus
from affect.spreadsheets import csv_of
from affect.statistics import measure, spread, units
from affect.training.saving import TERMS, WEIGHTS
from affect.training.terms import joined

logger = logging.getLogger(__name__)

RETRIEVAL = "retrieval"
"""The folder in a run's folder that holds embeddings, a file for each split."""
TABLE = "retrieval.csv"
"""The values of all runs, in the folder of a search."""

_DAMAGED = (OSError, ValueError, LookupError, EOFError, BadZipFile, zlib.error)


def retrieve_runs(
    runs: Iterable[FinishedRun],
    out: str | Path,
    *,
    split: str = "test",
    term: str | None = None,
    again: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Search between the modalities of finished runs; the values of each are written into `retrieval.csv`.

    A run whose vectors have no space in common is left out where there are others, and a log line says so.

    Args:
        runs: finished ones, as `runs_to_search` finds them.
        out: the folder of the table.
        split: whose samples are searched.
        term: the name of the term whose embeddings are searched, where several have some.
        again: embed anew what was embedded before.
        progress: is told how many runs are done, of how many.
    Returns:
        the summary (`affect.retrieval.summarise`).
    Raises:
        ConfigError: no run can be searched; a run brings code along that is not trusted.
    """
    runs, found, refused = [*runs], [], []
    for done, run in enumerate(runs):
        if progress is not None:
            progress(done, len(runs))
        try:
            found.append(search_run(run, split, term, again=again))
        except NoSharedSpaceError as error:
            refused.append(f"{run.folder}: {str(error).removeprefix('retrieval: ')}")
    if not found:
        raise ConfigError(refused[0])
    for line in refused:
        logger.warning("%s; left out", line)
    with writing(Path(out) / TABLE) as path:
        path.write_text(csv_of(tidy(found)), encoding="utf-8", newline="")
    return summarise(found)


def runs_to_search(folders: Iterable[str | Path], *, trust: bool = False) -> list[FinishedRun]:
    """The runs in or below folders that have encoders; a log line says how many others there are.

    Args:
        folders: of runs, or folders that hold some, such as a bench's.
        trust: whether code that the runs bring along may be executed, though it is not known to be one's own.
    Raises:
        DataError: there is no finished run of a torch model, or two of the same model, seed and fold; they
            are not comparable (`affect.runs.comparable.check_comparable`).
    """
    folders = list(folders)
    every = find(folders)
    found = [run for run in every if kind_of(run.content["model"]) is ModelSpec]
    if not found:
        raise DataError(f"{', '.join(map(str, folders))}: runs of baselines alone, which have no encoders")
    if len(found) < len(every):
        logger.warning("%d runs of baselines have no encoders, and are left out", len(every) - len(found))
    check_comparable(found)
    return [replace(run, trust=trust) for run in found]


def search_run(
    run: FinishedRun, split: str = "test", term: str | None = None, *, again: bool = False
) -> Searched:
    """The embeddings of a finished run, from its folder where it, and its corpus, are the same since.

    Args:
        run: the finished one.
        split: whose samples are embedded.
        term: the name of the term whose embeddings are meant, where several have some.
        again: embed anew what was embedded before.
    Raises:
        ConfigError: it is a baseline's; it brings code along that is not trusted; there is no such term or
            split, or no space in common.
    """
    path = run.folder / RETRIEVAL / f"{split}.npz"
    made = [*_made_from(run), term or ""]
    if not again and path.is_file():
        try:
            stored, known = _read(run, path)
        except DataError as error:
            logger.warning("embedded again: %s", error)
        else:
            if known == made:
                return stored
    model = run.model()
    terms = run.terms(model)
    say_corpus(run, run.content["corpus"])
    with within(run.home):
        name = term_with_embeddings(dict(terms.items()), term)
        rows = prepare(run.configuration, run.fold, Path())[split]
        found = embed(model, rows, None if name is None else terms[name], name=name or "")
    note = "" if name is None else _moved(name, run, model.modalities)
    if note:
        logger.warning("%s: %s", run.folder, note)
    held: dict[str, Any] = {
        "ids": np.array(found.ids),
        "groups": np.array(found.groups, dtype=str),
        "told": np.array([found.source, found.anchor, note]),
        "made_from": np.array(made),
    }
    for m, vectors in found.vectors.items():
        held[f"vectors.{m}"], held[f"present.{m}"] = vectors.astype(np.float32), found.present[m]
    with writing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **held)
    return _read(run, path)[0]  # so that what is read later is what was measured now


def label_run(
    run: FinishedRun,
    labels: Iterable[str],
    split: str = "test",
    term: str | None = None,
    query: Iterable[str] | None = None,
) -> tuple[pd.DataFrame, dict[str, float]]:
    """The nearest of several label texts to each sample of a finished run (`affect.retrieval.zero_shot`).

    Args:
        run: the finished one.
        labels: the texts.
        split: whose samples are compared.
        term: the name of the term whose embeddings are meant, where several have some.
        query: the modalities that are compared with the texts; by default all but the text.
    Returns:
        the table; and where the run's target has these classes, the accuracy: `mean`, its 95% interval for
        these weights on new samples, `low` and `high`, `count`, and `floor`, of the most frequent class.
    Raises:
        ConfigError: as `search_run` and `zero_shot` say.
        DataError: the same.
    """
    texts = listed("labels", labels)
    found = search_run(run, split, term).embeddings
    model = run.model()
    own = run.terms(model)
    with within(run.home):
        name = term_with_embeddings(dict(own.items()), term)
        table = zero_shot(model, found, texts, None if name is None else own[name], query)
    target = run.target
    if not isinstance(target, MultiClass) or target.per_step or {*target.classes} != {*texts}:
        return table, {}
    truth = run.table("predictions").query("split == @split").set_index("id")["truth"]
    place = {name: at for at, name in enumerate(target.classes)}
    both = table[table["id"].isin(truth.index)]
    known = truth[both["id"]].to_numpy(np.float64)
    hits = (both["label"].map(place).to_numpy() == known).astype(np.float64)
    groups = [found.groups[found.ids.index(one)] for one in both["id"]] if found.groups else ()
    drawn = units(both["id"], groups)
    measured = measure(MEAN, {"accuracy": hits[None]}, known, drawn)["accuracy"]
    accuracy = spread(*measured, bounds=(0.0, 1.0), samples=len(np.unique(drawn)))
    return table, {
        **accuracy,
        "count": len(known),
        "floor": np.unique(known, return_counts=True)[1].max() / len(known),
    }


def stored_searches(runs: Iterable[FinishedRun], split: str = "test") -> list[Searched]:
    """What `search_run` left in the folders of runs, where the run and the corpus are the same since.

    Args:
        runs: finished ones; none of their code is executed.
        split: the split that was embedded.
    Raises:
        DataError: a file is not what was written.
    """
    found = []
    for run in runs:
        path = run.folder / RETRIEVAL / f"{split}.npz"
        if path.exists():
            stored, known = _read(run, path)
            corpus, *rest = _made_from(run)
            if known[1:3] == rest and corpus in ("None", known[0]):
                found.append(stored)
    return found


def _made_from(run: FinishedRun) -> list[str]:
    """The content of the corpus, and the digests of the weights and of the terms."""
    corpus = corpus_digest(run.content["corpus"])
    return [str(corpus), *(str(file_digest(run.folder / name)) for name in (WEIGHTS, TERMS))]


def _read(run: FinishedRun, path: Path) -> tuple[Searched, list[str]]:
    """The embeddings in a file, and what they were made from."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            kinds = {
                kind: {name.removeprefix(kind): held[name] for name in held if name.startswith(kind)}
                for kind in ("vectors.", "present.")
            }
            source, anchor, note = map(str, held["told"])
            embeddings = Embeddings(
                ids=tuple(held["ids"].tolist()),
                vectors={m: v.astype(np.float64) for m, v in kinds["vectors."].items()},
                present=kinds["present."],
                source=source,
                groups=tuple(held["groups"].tolist()),
                anchor=anchor,
            )
            made = [str(one) for one in held["made_from"]]
    except _DAMAGED as error:
        raise DataError(
            f"{path}: no embeddings: {error}; search the run again, or delete this file"
        ) from None
    corpus = run.facts["corpus"]["name"]
    found = Searched(
        corpus, run.target.name, run.name, path.stem, embeddings, seed=run.seed, fold=run.fold, note=note
    )
    return found, made


def _moved(name: str, run: FinishedRun, modalities: Iterable[str]) -> str:
    """What is to be said of a term that encoders have left behind; nothing of any other."""
    parts, stages = [f"encoders.{m}" for m in modalities], run.configuration.stages
    whole = run.configuration.terms
    own = [place for place, stage in enumerate(stages) if joined(whole, stage.terms).get(name) is not None]
    later = stages[own[-1] + 1 :] if own else []
    after = [
        stage.name for stage in later if "encoders" not in stage.frozen and not {*parts} <= {*stage.frozen}
    ]
    if not after:
        return ""
    return (
        f"'{name}' was learned in the stage '{stages[own[-1]].name}', and encoders learned on without it in "
        f"'{', '.join(after)}'; freeze them there to search as it was learned"
    )
