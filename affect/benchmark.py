"""An experiment file -> many runs -> one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect import metrics
from affect.configuration import check_keys, merged, parse, read, resolve
from affect.data.corpus import Corpus
from affect.errors import ConfigError
from affect.files import writing
from affect.metrics import Array
from affect.runs import Job, digest, prepare
from affect.statistics import interval, resample, spread
from affect.workers import processes


@dataclass
class Experiment:
    """Models that are compared on one corpus.

    Args:
        corpus: a file, relative to the experiment's own folder, or a generated corpus.
        models: what is compared: a name, and what its model has that `model` has not; under `training` there,
            how its training differs, and under `teacher` the run that it learns from too.
        target: what is predicted, or several, one after the other; the corpus's only one by default.
        metrics: which stand in the table; all by default.
        model: what all models share; a baseline takes of it what it can read.
        training: how all are trained; a baseline reads its `monitor` alone.
        objective: the plain loss of the kind of target by default; by target where there are several.
        loggers: any Lightning loggers, beside the CSV and TensorBoard logs in the run folders.
        seeds: one run each.
        folds: for a corpus without official splits, into how many to cut it.
        valid_share: share of the training samples that validate, where the corpus has no validation split.
        published: figures to stand beside ours, with their source.
        notes: what must stand beside every figure.
    """

    corpus: str
    models: dict[str, dict[str, Any]]
    target: str | list[str] | None = None
    metrics: list[str] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    objective: Any = None
    loggers: list[Any] = field(default_factory=list)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    folds: int = 0
    valid_share: float = 0.2
    published: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def load(path: str | Path) -> Experiment:
    """Read and check an experiment file.

    Raises:
        ConfigError: it is not YAML, or has an unknown key, class or argument.
    """
    content = read(path)
    check_keys(content, Experiment, str(path))
    for key in ("corpus", "models"):
        if not content.get(key):
            raise ConfigError(f"{path}: {key} is missing or empty")
    if not isinstance(content["models"], Mapping):
        raise ConfigError(f"{path}: models: expected a name and a model for each, got {content['models']!r}")
    experiment = Experiment(**content)
    for metric in experiment.metrics:
        metrics.higher_is_better(metric)  # refuses what is not one
    for name, own in experiment.models.items():
        parse(_content(experiment, own or {}, None), f"{path}: models: {name}")
    return experiment


def jobs(experiment: Experiment, path: Path, out: Path) -> list[Job]:
    """Every run of an experiment, the same ones in the same folders each time."""
    wanted = experiment.target if isinstance(experiment.target, list) else [experiment.target]
    found = []
    for target in wanted:
        for name, own in experiment.models.items():
            content = resolve(_content(experiment, own or {}, target), f"{path}: models: {name}")
            base = out / "runs" / f"{target + '-' if target else ''}{name}-{digest(content)}"
            found += [
                Job(content, name, seed, fold, path.parent, base / f"seed{seed}-fold{fold}")
                for fold in range(experiment.folds or 1)
                for seed in experiment.seeds
            ]
    return found


def bench(path: str | Path, out: str | Path, workers: int = 1, quiet: bool = False) -> pd.DataFrame:
    """Do every run of an experiment that is not done; write the tables and `report.html`.

    `results.csv` holds every run's tidy rows, `summary.csv` what `summarise` makes of them, and `table.md`
    the same to read.

    Each run has one thread of its own, so that the number of workers changes no figure. A bench that was
    killed goes on where it was.

    Args:
        path: the experiment file.
        out: the folder of results and runs.
        workers: runs at the same time.
        quiet: no progress bar.
    Returns:
        the summary: one row per target, model and metric.
    """
    from affect.report import to_markdown, write_report

    path, out = Path(path), Path(out)
    experiment = load(path)
    todo = jobs(experiment, path, out)
    for job in {job.folder.parent: job for job in todo}.values():  # refused here, not in the runs
        configuration = parse(job.content, str(path))
        corpus = prepare(configuration, job.fold, path.parent)
        configuration.model.build(corpus, configuration.target)
    figures = published(experiment, path)
    _run(todo, workers, quiet)
    tables = [pd.read_csv(job.folder / "results.csv").assign(target=_target(corpus, job)) for job in todo]
    summary = pd.concat([summarise(experiment, corpus, todo), figures], ignore_index=True)
    for name, table in (("results", pd.concat(tables, ignore_index=True)), ("summary", summary)):
        with writing(out / f"{name}.csv") as partial:
            table.to_csv(partial, index=False)
    with writing(out / "table.md") as partial:
        partial.write_text(to_markdown(summary), encoding="utf-8")
    write_report(out / "report.html", path.stem, corpus, experiment.notes, summary)
    return summary


def summarise(experiment: Experiment, corpus: Corpus, done: list[Job]) -> pd.DataFrame:
    """One row per target, model and metric: mean and deviation over seeds, interval over samples.

    The folds of a seed are laid together before a metric is computed: each sample is in one test split.

    Columns: `mean` and `std` over seeds; `low` and `high`, a 95% bootstrap interval over test samples (whole
    samples, each with all its labels) of the mean over seeds; `count`, labels the metric was computed
    on; `floor`, the best constant prediction's value; `ceiling`, the best possible value where it is
    known; `reference`, the best model of a single modality, and `gain_low` and `gain_high`, the
    interval of the difference to it on the same resamples, positive where the model is better.
    """
    rows = []
    for target in sorted({_target(corpus, job) for job in done}):
        kind = corpus.target(target)
        mine = [job for job in done if _target(corpus, job) == target]
        tests = {name: _predictions([job for job in mine if job.name == name]) for name in experiment.models}
        truth, samples = _truth(next(iter(tests.values())))
        known = metrics.metrics_for(kind)
        floors = metrics.floors(kind, truth)
        for metric in experiment.metrics or known:
            if metric not in known:
                continue
            sign = 1 if metrics.higher_is_better(metric) else -1
            values, draws = {}, {}
            for name, test in tests.items():
                said = np.stack([_prediction(frame) for _, frame in test.groupby("seed")])
                values[name] = np.array([known[metric](one, truth) for one in said])
                draws[name] = resample(said, truth, known[metric], samples)
            single = [
                n for n, own in experiment.models.items() if len((own or {}).get("modalities", ())) == 1
            ]
            reference = max(single, key=lambda n: sign * values[n].mean(), default=None)
            for name in experiment.models:
                row = {
                    "target": target,
                    "model": name,
                    "metric": metric,
                    **spread(values[name], draws[name]),
                    "count": metrics.count(metric, truth),
                    "floor": floors[metric],
                    "ceiling": corpus.ceiling.get(metric, np.nan),
                    "reference": reference,
                }
                if reference not in (None, name):
                    gain = interval(sign * (draws[name] - draws[reference]))
                    row |= {"gain_low": gain[0], "gain_high": gain[1]}
                rows.append(row)
    return pd.DataFrame(rows)


def published(experiment: Experiment, path: Path) -> pd.DataFrame:
    """The published figures that an experiment names, as rows of a summary with their source."""
    figures = path.parent / "published.csv"
    found = []
    for wanted in experiment.published:
        wanted = dict(wanted)
        ours = wanted.pop("as", None)
        table = pd.read_csv(figures)
        unknown = wanted.keys() - set(table.columns)
        if unknown:
            raise ConfigError(f"{path}: published: no column {sorted(unknown)} in {figures}")
        rows = table[np.logical_and.reduce([table[key] == value for key, value in wanted.items()])]
        if rows.empty:
            raise ConfigError(f"{path}: published: {figures} has no figure for {wanted}")
        found.append(
            pd.DataFrame(
                {
                    "target": experiment.target if isinstance(experiment.target, str) else "",
                    "model": rows["model"] + ", published",
                    "metric": ours or rows["metric"],
                    "mean": rows["value"],
                    "source": rows["setting"] + "; " + rows["source"],
                }
            )
        )
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _content(experiment: Experiment, own: Mapping[str, Any], target: str | None) -> dict[str, Any]:
    """The configuration of one of an experiment's models."""
    objective = experiment.objective
    if isinstance(objective, Mapping) and "class_path" not in objective:
        objective = objective.get(target)
    own = dict(own)
    training = {**experiment.training, **(own.pop("training", None) or {})}
    teacher = own.pop("teacher", None)
    return {
        "corpus": experiment.corpus,
        "target": target,
        "model": merged(experiment.model, own),
        "training": training,
        "objective": objective,
        "loggers": experiment.loggers,
        **({"teacher": teacher} if teacher else {}),
        "folds": experiment.folds,
        "valid_share": experiment.valid_share,
    }


def _run(todo: list[Job], workers: int, quiet: bool) -> None:
    """Do what is not done, with a progress bar and the time that is left."""
    import joblib
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    missing = [job for job in todo if not job.done]
    with (
        Progress(*columns, disable=quiet) as progress,
        processes(workers),
    ):
        bar = progress.add_task("runs", total=len(todo), completed=len(todo) - len(missing))
        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1)
        for _ in parallel(joblib.delayed(_alone)(job) for job in missing):
            progress.advance(bar)


def _alone(job: Job) -> None:
    """A run with one thread: how many run side by side must not change how sums are rounded."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        job.run()
    finally:
        torch.set_num_threads(threads)


def _target(corpus: Corpus, job: Job) -> str:
    return corpus.target(job.content["target"]).name


def _predictions(done: list[Job]) -> pd.DataFrame:
    """Predictions for the test splits of all seeds, the folds of a seed laid together, in one order."""
    frames = [pd.read_csv(job.folder / "predictions.csv", dtype={"id": str}) for job in done]
    test = pd.concat(frames).query("split == 'test'")
    return test.sort_values(["seed", "id", "step"], ignore_index=True)


def _truth(test: pd.DataFrame) -> tuple[Array, NDArray[np.int64]]:
    """The labels of one seed, (labels, size), and the number of the sample that each belongs to."""
    one = test[test["seed"] == test["seed"].iloc[0]]
    return one.filter(regex=r"^truth").to_numpy(np.float64), pd.factorize(one["id"])[0]


def _prediction(frame: pd.DataFrame) -> Array:
    return frame.filter(regex=r"^prediction").to_numpy(np.float64)
