"""Sweeps of finished runs, kept in their folders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from affect.errors import DataError
from affect.files import writing
from affect.metrics import metrics_for
from affect.model import ModelSpec
from affect.robustness.summary import Comparison, check_baseline, check_metric
from affect.robustness.sweeps import Grid, Sweep, sweep
from affect.runs import FinishedRun, find, prepare
from affect.runs.configuration import kind_of
from affect.workers import processes, work

SWEEPS = "sweeps"
"""The folder in a run's folder that holds its sweeps, one folder for each."""


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
) -> list[Comparison]:
    """Sweep finished runs over a grid, and write the tidy rows of all into `robustness.csv`.

    A run's sweep stays in its folder, under `sweeps`, and is not done twice.

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
    Returns:
        the models side by side, as `side_by_side` lays them.
    Raises:
        DataError: there is no finished run of a torch model, or two of the same model, seed and fold.
    """
    import joblib

    folders = list(folders)
    found = [run.folder for run in find(folders) if kind_of(run.content["model"]) is ModelSpec]
    if not found:  # a baseline has no encoders to damage the input of
        raise DataError(
            f"{', '.join(map(str, folders))}: runs of baselines alone; only torch models are swept"
        )
    with processes(workers, backend, address):
        sweeps: list[Sweep] = work(
            (joblib.delayed(sweep_run)(folder.resolve(), grid, split) for folder in found),
            None if progress is None else lambda done: progress(done, len(found)),
        )
    tidy = pd.concat([own.results.assign(target=own.target.name) for own in sweeps], ignore_index=True)
    with writing(Path(out) / "robustness.csv") as path:
        tidy.to_csv(path, index=False)
    return side_by_side(sweeps, lacking)


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
    told = [lot for lot in lots.values() if len(lot[0].conditions) > 1] or list(lots.values())
    return [Comparison(lot, lacking=lacking) for lot in told]


def kept_sweeps(runs: Iterable[FinishedRun], split: str = "test") -> list[Comparison]:
    """The sweeps that lie in the folders of runs, as `side_by_side` lays them.

    Args:
        runs: finished ones.
        split: the split that was swept.
    """
    sweeps = [
        Sweep.load(done.parent, run.target)
        for run in runs
        for done in sorted((run.folder / SWEEPS).glob("*/predictions.npz"))
    ]
    return side_by_side([own for own in sweeps if own.where["split"] == split])


def scores_of(
    compared: Iterable[Comparison], wanted: Iterable[str] = (), baseline: str | None = None
) -> pd.DataFrame:
    """The scores of every comparison, each of the wanted metrics that its target has.

    Args:
        compared: the models side by side.
        wanted: metrics; the first of each target by default.
        baseline: the model that others are compared with, where it is among them.
    Raises:
        ConfigError: a metric that no target has; a baseline that is nowhere.
    """
    compared, wanted = list(compared), list(wanted)
    known = {metric for own in compared for metric in metrics_for(own.target)}
    for metric in wanted:
        check_metric(metric, known)
    check_baseline(baseline, {model for own in compared for model in own.models})
    tables = [
        own.scores(
            [metric for metric in wanted if metric in metrics_for(own.target)],
            baseline if baseline in own.models else None,
        )
        for own in compared
    ]
    return pd.concat(tables, ignore_index=True)


def sweep_run(folder: Path, grid: Grid, split: str = "test") -> Sweep:
    """The sweep of one finished run, from its folder where it was done before."""
    run = FinishedRun.read(folder)
    model = run.model()
    asked = hashlib.sha256(repr([split, grid(model)]).encode()).hexdigest()[:8]
    kept = folder / SWEEPS / asked
    if not (kept / "predictions.npz").is_file():
        corpus = prepare(run.configuration, run.fold, Path())
        sweep(
            model, corpus[split], grid, corpus=corpus.name, name=run.name,
            seed=run.seed, fold=run.fold, split_name=split,
        ).save(kept)  # fmt: skip
    return Sweep.load(kept, model.head.target)
