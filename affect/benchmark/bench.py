"""All runs of an experiment, and what is made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from affect import metrics, training
from affect.benchmark.experiment import Experiment, jobs, load
from affect.benchmark.figures import NO_FIGURES, published
from affect.classes import beside, within
from affect.data.sources.options import model_path
from affect.errors import DataError
from affect.files import real, writing
from affect.kernels import keep_freed_memory
from affect.results import Answers, compare, costs, gather, summarise
from affect.results.parts import check_measurable, split_name
from affect.results.tables import Table, frame_table, summary_tables, write_tables
from affect.robustness.protocols import protocol
from affect.robustness.runs import scores_of, sweep_runs
from affect.robustness.tables import write_scores
from affect.runs import FinishedRun, Job, check_jobs, due, is_generated
from affect.runs.configuration import metrics_in
from affect.runs.costs import COSTS
from affect.runs.finding import leave_list
from affect.runs.standing import say_changes
from affect.workers import one_thread, processes, work

SUMMARY, COMPARISONS, NOTES = "summary.csv", "comparisons.csv", "notes.txt"
"""What a bench leaves beside its runs, so that a report need not make it again."""


def bench(
    path: str | Path,
    out: str | Path,
    workers: int | None = None,
    quiet: bool = False,
    *,
    corpus: str | None = None,
    tokens: str | None = None,
    seeds: Iterable[int] | None = None,
    epochs: int | None = None,
    models: Iterable[str] | None = None,
    backend: str = "loky",
    address: str | None = None,
    again: bool = False,
    trust: bool = False,
) -> pd.DataFrame:
    """Do every run of an experiment that is not done, and write its tables.

    `affect.report.write_pages` makes a page of them.

    `results.csv` holds every run's tidy rows, `summary.csv` what `affect.results.summarise` makes of them and
    the published figures, `comparisons.csv` who is better than whom, `costs.csv` what each model costs,
    `table.md` and `table.tex` the same to read, and `robustness/` what the experiment's protocols showed.

    A finished run is used again where its configuration, the user's modules and the corpus are what they
    were; log lines say how many are, and what changed otherwise.

    Each run has one thread of its own, so that the number of workers changes no figure. A bench that was
    killed goes on where it was. A run that fails is recorded in its folder, and the tables say so; the same
    bench tries it again.

    Args:
        path: the experiment file.
        out: the folder of results and runs; on a cluster, one that every machine sees.
        workers: runs at the same time; one by default, and as many as a cluster has.
        quiet: no progress bar.
        corpus: another corpus of the same modalities and targets, such as `synthetic:mosi_unaligned`;
            published figures stand beside none that is generated. Papers have the settings for it.
        tokens: the pretrained encoder whose sub-words are read, other than the experiment's.
        seeds: other seeds than the experiment's.
        epochs: at most, other than the experiment's.
        models: some of the experiment's alone.
        backend: where runs are done: `loky`, this machine, or `ray` or `dask`, a cluster that is there.
        address: of the cluster.
        again: do the runs too that are done.
        trust: whether runs that models learn from may execute code that is not known to be one's own.
    Returns:
        the summary: one row per target, model and metric; `failed` says how many runs of a model did.
    Raises:
        ConfigError: the experiment cannot be run as it stands.
        DataError: every run failed, or every run for one of several targets; the tables of the others are
            written.
    """
    path, out = Path(path), real(out)
    whole = load(path, None if tokens is None else model_path(tokens, Path.cwd()), corpus)
    figures = published(whole, path)
    if corpus is not None and is_generated(corpus):
        figures = figures.head(0)  # they are of the corpus that was left out
    experiment = whole.changed(corpus, seeds, epochs, models)
    todo = [replace(job, trust=trust) for job in jobs(experiment, path, out)]
    own = [name for job in todo for name in metrics_in(job.content)]
    seen = check_jobs(todo, path)
    if seen is not None:
        with within(beside(path.parent)), metrics.using(*own):
            targets = {seen.target(job.content["target"]) for job in todo}
            check_measurable(experiment.metrics, seen, targets, str(path))
    run_jobs(todo, workers, backend, address, quiet, again)
    with within(beside(path.parent)), metrics.using(*own):
        made = _measured(
            experiment, path, todo, out, figures,
            workers=workers, backend=backend, address=address, trust=trust, again=again,
        )  # fmt: skip
    answered = {own.target.name for own in made.answers} | {None}
    failed = [job for job in todo if job.failed]
    if silent := [job for job in failed if job.content["target"] not in answered]:
        raise _all_lost(out, f"every run for {silent[0].content['target']}", silent)
    return made.summary


def _measured(
    experiment: Experiment,
    path: Path,
    todo: list[Job],
    out: Path,
    figures: pd.DataFrame,
    **sweeping: Any,
) -> BenchResult:
    """The tables of a bench and of its sweeps."""
    names = [metrics.name_of(metric) for metric in experiment.metrics]
    made = tables_of(todo, out, names, experiment.notes, figures)
    if experiment.protocols:
        compared = sweep_runs(
            [job.folder for job in todo if not job.failed],
            protocol(experiment.protocols),
            out / "robustness",
            **sweeping,
        )
        scores = scores_of(compared, dict.fromkeys(split_name(name)[0] for name in names))
        beside = made.figures[made.figures["metric"].isin(scores["metric"])]
        write_scores(out / "robustness", pd.concat([scores, beside], ignore_index=True))
    return made


@dataclass(frozen=True, eq=False)
class BenchResult:
    """What was made of runs.

    Args:
        answers: their predictions.
        summary: one row per target, model and metric, with published figures.
        comparisons: pairs of models.
        figures: all published figures, those of sweeps too.
    """

    answers: list[Answers]
    summary: pd.DataFrame
    comparisons: pd.DataFrame
    figures: pd.DataFrame


def tables_of(
    todo: list[Job],
    out: Path,
    names: list[str],
    notes: Iterable[str] = (),
    figures: pd.DataFrame | None = None,
) -> BenchResult:
    """Make the tables of runs, and write them.

    Args:
        todo: the runs, those that failed among them; a log line says what was edited since they were made.
        out: the folder of the tables.
        names: metrics; all by default.
        notes: what must stand beside every figure.
        figures: published ones, as `affect.benchmark.published` reads them.
    Raises:
        DataError: every run failed.
    """
    failed, made = ([job for job in todo if job.failed is lost] for lost in (True, False))
    done = [FinishedRun.read(job.folder) for job in made]
    say_changes(made)
    if not done:
        raise _all_lost(out, "every run", failed)
    only = done[0].target.name  # where the experiment names none
    figures = NO_FIGURES if figures is None else figures
    figures = figures.assign(
        corpus=done[0].facts["corpus"]["name"], target=figures["target"].replace("", only)
    )
    lost = Counter((str(job.content.get("target") or only), job.name) for job in failed)
    with one_thread():
        answers = gather(done)
        summary, pairs = summarise(answers, names, lost), compare(answers, names)
    own = figures["metric"].map(lambda name: ":" not in split_name(name)[0])
    plain = figures[own.astype(bool)]  # those of sweeps stand beside sweeps
    summary = pd.concat([summary, plain], ignore_index=True)
    why = (f"{job.name}, seed {job.seed}, fold {job.fold} failed: {job.failure}" for job in failed)
    _write(out, done, summary, pairs, [*notes, *why])
    return BenchResult(answers, summary, pairs, figures)


def _all_lost(out: Path, what: str, failed: list[Job]) -> DataError:
    return DataError(f"{out}: {what} failed, the first one so: {failed[0].failure} ({failed[0].folder})")


def run_jobs(
    todo: list[Job],
    workers: int | None = None,
    backend: str = "loky",
    address: str | None = None,
    quiet: bool = False,
    again: bool = False,
) -> None:
    """Do what is not done, with a progress bar and the time that is left; arguments as in `bench`.

    A run whose worker dies is done again by another one; the folder of one that is given up says that it
    failed.
    """
    import joblib

    from affect.training.progress import progress_bar

    missing = due(todo, again)
    with (
        progress_bar(quiet=quiet) as progress,
        processes(workers, backend, address),
    ):
        already = len(todo) - len(missing)
        bar = progress.add_task("runs", total=len(todo), completed=already)
        epochs = progress.add_task("epochs", total=None, visible=False)
        here = backend == "loky" and workers in (None, 1)  # in this process, which can be told

        def tell(done: int, total: int, found: str) -> None:
            progress.update(epochs, completed=done, total=total, description=found or "epochs", visible=True)

        work(
            (joblib.delayed(_alone)(job, again, tell if here else False) for job in missing),
            lambda done: progress.update(bar, completed=already + done),
            keep_freed_memory,
            lambda number, error: missing[number].fail(error),
        )


def _alone(job: Job, again: bool, progress: training.Progress) -> bool:
    with one_thread():
        return job.attempt(again, progress)


def _write(
    out: Path, done: list[FinishedRun], summary: pd.DataFrame, pairs: pd.DataFrame, notes: Iterable[str]
) -> None:
    """Every table of the bench."""
    spent = costs(done)
    results = [run.table("results") for run in done]
    frames = {
        "results.csv": pd.concat(results, ignore_index=True),
        SUMMARY: summary,
        COMPARISONS: pairs,
        "costs.csv": spent,
    }
    for name, frame in frames.items():
        write_tables(out / name, [], frame)
    tables = [*summary_tables(summary), *_costs(spent)]
    for form in ("md", "tex"):
        write_tables(out / f"table.{form}", tables, summary)
    with writing(out / NOTES) as partial:
        partial.write_text("\n".join(notes), encoding="utf-8")
    leave_list(done, out)


def _costs(spent: pd.DataFrame) -> list[Table]:
    """A table of costs per target."""
    return [
        frame_table(own[["model", *COSTS]].rename(columns=COSTS), f"{corpus} · {target}: cost")
        for (corpus, target), own in spent.groupby(["corpus", "target"], sort=False)
    ]
