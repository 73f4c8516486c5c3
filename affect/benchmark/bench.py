"""All runs of an experiment, and what is made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from affect.benchmark.experiment import jobs, load
from affect.benchmark.figures import NO_FIGURES, published
from affect.errors import DataError
from affect.files import writing
from affect.report import Table, frame_table, summary_tables, write_report, write_robustness, write_tables
from affect.report.gathering import NOTES, contents_of
from affect.results import Answers, compare, costs, gather, summarise
from affect.robustness.protocols import protocol
from affect.robustness.runs import scores_of, sweep_runs
from affect.runs import FinishedRun, Job, is_generated, prepare
from affect.runs.configuration import parse
from affect.runs.costs import COSTS
from affect.workers import one_thread, processes, work


def bench(
    path: str | Path,
    out: str | Path,
    workers: int | None = None,
    quiet: bool = False,
    *,
    corpus: str | None = None,
    seeds: Iterable[int] | None = None,
    epochs: int | None = None,
    models: Iterable[str] | None = None,
    backend: str = "loky",
    address: str | None = None,
) -> pd.DataFrame:
    """Do every run of an experiment that is not done; write the tables and `report.html`.

    `results.csv` holds every run's tidy rows, `summary.csv` what `affect.results.summarise` makes of them and
    the published figures, `comparisons.csv` who is better than whom, `costs.csv` what each model costs,
    `table.md` and `table.tex` the same to read, and `robustness/` what the experiment's protocols showed.

    Each run has one thread of its own, so that the number of workers changes no figure. A bench that was
    killed goes on where it was. A run that fails is recorded in its folder, and the tables say so; the same
    bench tries it again.

    Args:
        path: the experiment file.
        out: the folder of results and runs; on a cluster, one that every machine sees.
        workers: runs at the same time; one by default, and as many as a cluster has.
        quiet: no progress bar.
        corpus: another corpus of the same modalities and targets, such as `synthetic:mosi_unaligned`;
            published figures stand beside none that is generated.
        seeds: other seeds than the experiment's.
        epochs: at most, other than the experiment's.
        models: some of the experiment's alone.
        backend: where runs are done: `loky`, this machine, or `ray` or `dask`, a cluster that is there.
        address: of the cluster.
    Returns:
        the summary: one row per target, model and metric; `failed` says how many runs of a model did.
    Raises:
        ConfigError: the experiment cannot be run as it stands.
        DataError: every run failed, or every run for one of several targets; the tables of the others are
            written.
    """
    path, out = Path(path), Path(out).resolve()
    whole = load(path)
    figures = published(whole, path)
    if corpus is not None and is_generated(corpus):
        figures = figures.head(0)  # they are of the corpus that was left out
    experiment = whole.changed(corpus, seeds, epochs, models)
    todo = jobs(experiment, path, out)
    _check(todo, path)
    run_jobs(todo, workers, backend, address, quiet)
    made = tables_of(todo, out, experiment.metrics, experiment.notes, figures)
    if experiment.protocols:
        compared = sweep_runs(
            [job.folder for job in todo if job.done], protocol(experiment.protocols), out / "robustness",
            workers=workers, backend=backend, address=address,
        )  # fmt: skip
        scores = scores_of(compared, experiment.metrics)
        beside = made.figures[made.figures["metric"].isin(scores["metric"])]
        write_robustness(out / "robustness", compared, pd.concat([scores, beside], ignore_index=True))
    contents = contents_of(path.stem, made.answers, made.summary, made.comparisons, experiment.notes)
    write_report(out / "report.html", contents)
    told = {own.target.name for own in made.answers} | {None}
    failed = [job for job in todo if not job.done]
    if silent := [job for job in failed if job.content["target"] not in told]:
        raise _all_lost(out, f"every run for {silent[0].content['target']}", silent)
    return made.summary


@dataclass(frozen=True, eq=False)
class BenchResult:
    """What was made of runs.

    Args:
        answers: what they said.
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
    wanted: list[str],
    notes: Iterable[str] = (),
    figures: pd.DataFrame | None = None,
) -> BenchResult:
    """Make the tables of runs, and write them.

    Args:
        todo: the runs, those that failed among them.
        out: the folder of the tables.
        wanted: metrics; all by default.
        notes: what must stand beside every figure.
        figures: published ones, as `affect.benchmark.published` reads them.
    Raises:
        DataError: every run failed.
    """
    done = [FinishedRun.read(job.folder) for job in todo if job.done]
    failed = [job for job in todo if not job.done]
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
        summary, pairs = summarise(answers, wanted, lost), compare(answers, wanted[:1])
    plain = figures[~figures["metric"].str.contains(":")]  # those of sweeps stand beside sweeps
    summary = pd.concat([summary, plain], ignore_index=True)
    _write(out, done, summary, pairs, notes)
    return BenchResult(answers, summary, pairs, figures)


def _all_lost(out: Path, what: str, failed: list[Job]) -> DataError:
    return DataError(f"{out}: {what} failed, the first one so: {failed[0].failure} ({failed[0].folder})")


def _check(todo: list[Job], path: Path) -> None:
    """What cannot be run is refused here, not in the runs."""
    each = [parse(job.content, str(path)) for job in {job.folder.parent: job for job in todo}.values()]
    corpus = prepare(each[0], todo[0].fold, todo[0].root).without("test")  # all models have one corpus
    for configuration in each:
        configuration.model.for_corpus(corpus, configuration.target)
    for job in todo:
        if job.teacher is not None:
            FinishedRun.read(job.teacher)


def run_jobs(
    todo: list[Job],
    workers: int | None = None,
    backend: str = "loky",
    address: str | None = None,
    quiet: bool = False,
) -> None:
    """Do what is not done, with a progress bar and the time that is left; arguments as in `bench`."""
    import joblib
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    missing = [job for job in todo if not job.done]
    with Progress(*columns, disable=quiet) as progress, processes(workers, backend, address):
        already = len(todo) - len(missing)
        bar = progress.add_task("runs", total=len(todo), completed=already)
        work(
            (joblib.delayed(_alone)(job) for job in missing),
            lambda done: progress.update(bar, completed=already + done),
        )


def _alone(job: Job) -> bool:
    with one_thread():
        return job.attempt()


def _write(
    out: Path, done: list[FinishedRun], summary: pd.DataFrame, pairs: pd.DataFrame, notes: Iterable[str]
) -> None:
    """Every table of the bench."""
    spent = costs(done)
    results = [run.table("results").assign(target=run.target.name) for run in done]
    frames = {
        "results": pd.concat(results, ignore_index=True),
        "summary": summary,
        "comparisons": pairs,
        "costs": spent,
    }
    for name, frame in frames.items():
        write_tables(out / f"{name}.csv", [], frame)
    tables = [*summary_tables(summary), *_costs(spent)]
    for form in ("md", "tex"):
        write_tables(out / f"table.{form}", tables, summary)
    with writing(out / NOTES) as partial:
        partial.write_text("\n".join(notes), encoding="utf-8")


def _costs(spent: pd.DataFrame) -> list[Table]:
    """A table of costs per target."""
    return [
        frame_table(own[["model", *COSTS]].rename(columns=COSTS), f"{corpus} · {target}: cost")
        for (corpus, target), own in spent.groupby(["corpus", "target"], sort=False)
    ]
