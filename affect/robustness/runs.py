"""Sweeps of finished runs, kept in their folders."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pandas as pd
from filelock import FileLock

from affect import metrics, renamed
from affect.classes import within
from affect.data.contents import corpus_digest, files_in
from affect.data.corpus_files import CorpusFiles, file_digest
from affect.data.targets import Target
from affect.errors import DataError
from affect.files import fresh, put_in_place, real, settle, writing
from affect.kernels import keep_freed_memory
from affect.manifest import Manifest, read_facts, write_facts
from affect.model import ModelSpec
from affect.robustness.summary import Comparison, check_baseline, check_metric
from affect.robustness.sweeps import Grid, Sweep, sweep
from affect.runs import FinishedRun, find, prepare
from affect.runs.comparable import check_comparable
from affect.runs.configuration import kind_of
from affect.runs.finished import say_corpus
from affect.runs.recorded import check_form
from affect.spreadsheets import csv_of
from affect.training.saving import WEIGHTS
from affect.workers import processes, work
from affect.workers.crashes import traced_as
from affect.workers.dispatch import WorkerDiedError

SWEEPS = "sweeps"
"""The folder in a run's folder that holds its sweeps, one folder for each."""

TABLE = "robustness.csv"
"""The table of all runs, in the folder of a sweep."""
MADE, FILES = "made_from.json", ("conditions.csv", "results.csv", "predictions.npz")

logger = logging.getLogger(__name__)
_REMEDY = "sweep the run again, or delete this folder"


def sweep_runs(
    folders: Iterable[str | Path],
    grid: Grid,
    out: str | Path,
    *,
    split: str = "test",
    lacking: str | None = None,
    workers: int | None = None,
    backend: str = "loky",
    address: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    trust: bool = False,
    again: bool = False,
) -> list[Comparison]:
    """Sweep finished runs over a grid, and write the tidy rows of all into `robustness.csv`.

    A run's sweep stays in its folder, under `sweeps`, and is not done twice, as long as the run and the
    content of its corpus stay the same.

    Args:
        folders: of runs, or folders that hold some, such as a bench's.
        grid: makes the conditions.
        out: the folder of the table.
        split: which split.
        lacking: a modality: compare on the samples alone that never had it.
        workers: runs at the same time.
        backend: where they work (`affect.workers.processes`).
        address: of the cluster, where the backend is one.
        progress: is told how many runs are done, of how many.
        trust: whether code that the runs bring along may be executed, though it is not known to be one's own.
        again: do sweeps too that are done.
    Returns:
        the models side by side, as `side_by_side` lays them.
    Raises:
        DataError: there is no finished run of a torch model, or two of the same model, seed and fold.
            The worker of a run died, each time; the others are swept.
        ConfigError: a run brings code along that is not trusted.
    """
    import joblib

    runs = [replace(run, trust=trust) for run in runs_to_sweep(folders)]
    for run in runs:
        _ = run.configuration  # refuses here what would be refused by a worker
    found = [run.folder for run in runs]
    deaths: dict[int, WorkerDiedError] = {}
    with processes(workers, backend, address):
        sweeps: list[Sweep] = work(
            (joblib.delayed(sweep_run)(real(folder), grid, split, trust, again) for folder in found),
            None if progress is None else lambda done: progress(done, len(found)),
            keep_freed_memory,
            deaths.__setitem__,
        )
    if deaths:
        lost = "; ".join(f"{found[number]}: {error}" for number, error in deaths.items())
        raise DataError(f"{lost}; the other sweeps are kept, and the same command goes on")
    with ExitStack() as stack:
        for run in runs:
            with within(run.home):
                stack.enter_context(metrics.using(*run.configuration.measured))
        with writing(Path(out) / TABLE) as path:
            rows = pd.concat([own.results for own in sweeps], ignore_index=True)
            path.write_text(csv_of(rows), encoding="utf-8", newline="")
        return side_by_side(sweeps, lacking)


def runs_to_sweep(folders: Iterable[str | Path]) -> list[FinishedRun]:
    """The runs in or below folders that can be swept.

    Raises:
        DataError: there is no finished run of a torch model, or two of the same model, seed and fold; they
            are not comparable (`affect.runs.comparable.check_comparable`).
    """
    folders = list(folders)
    found = [run for run in find(folders) if kind_of(run.content["model"]) is ModelSpec]
    if not found:  # a baseline has no encoders to damage the input of
        raise DataError(
            f"{', '.join(map(str, folders))}: runs of baselines alone; only torch models are swept"
        )
    check_comparable(found)
    return found


def side_by_side(sweeps: Iterable[Sweep], lacking: str | None = None) -> list[Comparison]:
    """Sweeps of one corpus, target and split over the same conditions, each such lot by itself.

    A model of one modality has other subsets than the rest. What was swept over nothing is left out, where
    anything else was.

    Args:
        sweeps: of several models, seeds and folds.
        lacking: a modality: compare on the samples alone that never had it.
    """
    lots: dict[tuple[str, ...], list[Sweep]] = {}
    for own in sweeps:
        key = (own.where["corpus"], own.target.name, own.where["split"], own.conditions.to_csv())
        lots.setdefault(key, []).append(own)
    several = [lot for lot in lots.values() if len(lot[0].conditions) > 1] or list(lots.values())
    return [Comparison(lot, lacking=lacking) for lot in several]


def stored_sweeps(runs: Iterable[FinishedRun], split: str = "test") -> list[Comparison]:
    """The sweeps that lie in the folders of runs, as `side_by_side` lays them.

    Args:
        runs: finished ones.
        split: the split that was swept.
    Raises:
        DataError: a sweep is not what was written.
    """
    sweeps = [
        _stored(stored, run.target)
        for run in runs
        for stored in sorted((run.folder / SWEEPS).glob("[!.]*"))
        if any((stored / name).exists() for name in (MADE, *FILES)) and not _stale(run, stored)
    ]
    return side_by_side([own for own in sweeps if own.where["split"] == split])


@renamed.arguments(wanted="names")
def scores_of(
    compared: Iterable[Comparison], names: Iterable[str] = (), baseline: str | None = None
) -> pd.DataFrame:
    """The scores of every comparison, each of the metrics that its target has.

    Args:
        compared: the models side by side.
        names: metrics, one's own by their import path; the first of each target by default.
        baseline: the model that others are compared with, where it is among them.
    Raises:
        ConfigError: a metric that no target has; a baseline that is nowhere.
    """
    compared, names = list(compared), list(names)
    with metrics.using(*names):
        names = [metrics.name_of(metric) for metric in names]
        known = {metric for own in compared for metric in own.metrics}
        for metric in names:
            check_metric(metric, known)
        check_baseline(baseline, {model for own in compared for model in own.models})
        tables = [
            own.scores(
                [metric for metric in names if metric in own.metrics],
                baseline if baseline in own.models else None,
            )
            for own in compared
        ]
    return pd.concat(tables, ignore_index=True)


def sweep_run(
    folder: Path, grid: Grid, split: str = "test", trust: bool = False, again: bool = False
) -> Sweep:
    """The sweep of one finished run, from its folder where it was done before with the same corpus."""
    run = FinishedRun.read(folder, trust=trust)
    files = CorpusFiles.of(files_in(run.content["corpus"]))
    model, corpus_now = run.model(), corpus_digest(run.content["corpus"])
    place = hashlib.sha256(repr([split, grid(model)]).encode()).hexdigest()[:8]
    stored, target = folder / SWEEPS / place, model.head.target
    made = {"corpus": corpus_now, "run": file_digest(folder / WEIGHTS)}
    say_corpus(run, run.content["corpus"])
    if not again and _unusable(stored, made, target) is None:  # where nothing can be written, too
        return Sweep.load(stored, target)
    stored.parent.mkdir(exist_ok=True)
    with FileLock(stored.with_name(f".{place}.lock")):  # two commands may sweep one run
        settle(stored, MADE)
        if again or (found := _unusable(stored, made, target)) is not None:
            if not again and found:
                logger.warning("swept again: %s", found)
            configuration = run.configuration
            with within(run.home), metrics.using(*configuration.measured):
                corpus = prepare(configuration, run.fold, Path())
                result = traced_as(f"reading {run.content['corpus']}", sweep)(
                    model, corpus[split], grid, corpus=corpus.name, name=run.name,
                    seed=run.seed, fold=run.fold, split_name=split,
                )  # fmt: skip
            files.check()
            shutil.rmtree(fresh(stored), ignore_errors=True)
            result.save(fresh(stored))
            write_facts(fresh(stored) / MADE, made, FILES)
            if stored.is_file():
                stored.unlink()
            put_in_place(stored)
        return Sweep.load(stored, target)


def _unusable(stored: Path, made: dict[str, str | None], target: Target) -> str | None:
    """Why a stored sweep does not serve, empty where there is none; None where it does."""
    if not stored.is_dir():
        return ""
    try:
        if _made_from(stored) != made:
            return f"{stored}: made from other weights, or another content of the corpus"
        _stored(stored, target)
    except DataError as error:
        return str(error).removesuffix(f"; {_REMEDY}")
    return None


def _stored(stored: Path, target: Target) -> Sweep:
    """A sweep whose files are what was written."""
    if (stored / MADE).exists():
        manifest = Manifest.of(stored / MADE, _REMEDY)
        for name in manifest.files or ():
            manifest.check(name)
    try:
        return Sweep.load(stored, target)
    except DataError as error:
        raise DataError(f"{error}; {_REMEDY}") from None


def _made_from(stored: Path) -> dict[str, str | None] | None:
    """What a sweep was made from; None where a release has not written it."""
    path = stored / MADE
    if not path.exists() and not path.is_symlink():
        return None
    facts = read_facts(path, _REMEDY)
    check_form(facts, {"run": str}, str(path), _REMEDY)
    return {"corpus": facts.get("corpus"), "run": facts["run"]}


def _stale(run: FinishedRun, stored: Path) -> bool:
    """Whether a sweep is of other weights, or of a corpus that has other content since."""
    made, corpus = _made_from(stored), corpus_digest(run.content["corpus"])
    if made is None:
        return False
    other = corpus is not None and made["corpus"] != corpus
    return other or made["run"] != file_digest(run.folder / WEIGHTS)


__getattr__ = renamed.names(__name__, {"kept_sweeps": "stored_sweeps", "swept": "runs_to_sweep"})
