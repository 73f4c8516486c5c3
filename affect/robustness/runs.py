"""Sweeps of finished runs, kept in their folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from affect.errors import DataError
from affect.files import writing
from affect.metrics import metrics_for
from affect.robustness.summary import Comparison, check_metric
from affect.robustness.sweeps import Grid, Sweep, sweep
from affect.runs import DONE, finished, load_model, prepare
from affect.workers import processes


def sweep_runs(
    folders: Iterable[str | Path],
    grid: Grid,
    out: str | Path,
    *,
    split: str = "test",
    lacking: str | None = None,
    workers: int = 1,
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
        progress: is told how many runs are done, of how many.
    Returns:
        the models side by side, for each target.
    Raises:
        DataError: there is no finished run of a torch model, or two of the same model, seed and fold.
    """
    import joblib

    found = _runs(folders)
    sweeps: list[Sweep] = []
    with processes(workers):
        for own in joblib.Parallel(return_as="generator")(
            joblib.delayed(sweep_run)(f, grid, split) for f in found
        ):
            sweeps.append(own)
            if progress is not None:
                progress(len(sweeps), len(found))
    tidy = pd.concat([own.results.assign(target=own.target.name) for own in sweeps], ignore_index=True)
    with writing(Path(out) / "robustness.csv") as path:
        tidy.to_csv(path, index=False)
    return [
        Comparison([own for own in sweeps if own.target.name == target], workers=workers, lacking=lacking)
        for target in dict.fromkeys(own.target.name for own in sweeps)
    ]


def scores_of(
    compared: Iterable[Comparison], wanted: Iterable[str] = (), baseline: str | None = None
) -> pd.DataFrame:
    """The scores of every comparison, each of the wanted metrics that its target has.

    Args:
        compared: the models side by side, for each target.
        wanted: metrics; the first of each target by default.
        baseline: the model that others are compared with.
    Raises:
        ConfigError: a metric that no target has; an unknown baseline.
    """
    compared, wanted = list(compared), list(wanted)
    known = {metric for own in compared for metric in metrics_for(own.target)}
    for metric in wanted:
        check_metric(metric, known)
    tables = [
        own.scores([metric for metric in wanted if metric in metrics_for(own.target)], baseline)
        for own in compared
    ]
    return pd.concat(tables, ignore_index=True)


def sweep_run(folder: Path, grid: Grid, split: str = "test") -> Sweep:
    """The sweep of one finished run, from its folder where it was done before."""
    configuration, facts = finished(folder)
    model = load_model(folder)
    where = {key: facts[key] for key in ("seed", "fold")} | {
        "corpus": facts["corpus"]["name"],
        "model": facts["name"],
        "split": split,
    }
    asked = hashlib.sha256(repr([split, grid(model)]).encode()).hexdigest()[:8]
    kept = folder / "sweeps" / asked
    if not (kept / "predictions.npz").is_file():
        corpus = prepare(configuration, facts["fold"], Path())
        sweep(
            model, corpus[split], grid, aligned=corpus.aligned, corpus=corpus.name, name=facts["name"],
            seed=facts["seed"], fold=facts["fold"], split_name=split,
        ).save(kept)  # fmt: skip
    return Sweep.load(kept, model.head.target, where)


def _runs(folders: Iterable[str | Path]) -> list[Path]:
    """The finished runs of torch models in or below the folders, by target, name, seed and fold."""
    found: dict[tuple[str, str, int, int], Path] = {}
    for given in folders:
        for done in sorted(Path(given).rglob(DONE)):
            facts = json.loads(done.read_text())
            if "parameters" not in facts:  # a baseline has no encoders to damage the input of
                continue
            key = (facts["shape"]["target"]["name"], facts["name"], facts["seed"], facts["fold"])
            if key in found:
                raise DataError(
                    f"{done.parent}: another run of {facts['name']}, seed {facts['seed']}, "
                    f"fold {facts['fold']} is in {found[key]}; name the one that is meant"
                )
            found[key] = done.parent
    if not found:
        raise DataError(
            f"{', '.join(map(str, folders)) or 'sweep'}: no finished run of a torch model; "
            f"expected folders that hold {DONE}"
        )
    return [found[key] for key in sorted(found)]
