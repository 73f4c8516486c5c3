"""A search: many trials, by any number of workers; then what was found is trained anew, and tested."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import yaml
from optuna.trial import FrozenTrial, TrialState

from affect import metrics
from affect.benchmark import BenchResult, run_jobs, tables_of
from affect.bounds import COUNT, POSITIVE
from affect.classes import FOLDER, modules_in, within
from affect.classes.strangers import strange
from affect.classes.trust import mark_trusted
from affect.errors import ConfigError, DataError
from affect.files import real, writing
from affect.manifest import write_facts
from affect.runs import Job, digest, with_absolute_paths
from affect.runs.configuration import metrics_in
from affect.runs.studies import (
    FAILURE,
    SEARCH,
    STUDY,
    finished_trials,
    keep,
    sqlite,
    trials_table,
)
from affect.spreadsheets import csv_of
from affect.tuning.patience import failing, hasty, is_away, opened_patiently, say_away
from affect.tuning.search import Task, task_of
from affect.tuning.working import WorkerTask, begin_or_join, pruner_of, sampler_of, work_at

logger = logging.getLogger(__name__)
DEFAULT = "default"
"""What the configuration is called in tables; what was found is called by its trial."""


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search came to.

    Args:
        study: all its trials.
        chosen: the best trial, or the Pareto front, by what they are called in tables.
        summary: one row per model and metric on the test split, of fresh seeds; empty where there were none.
        files: the configurations that were found, for `affect train`, by the same names.
    """

    study: optuna.Study
    chosen: dict[str, FrozenTrial]
    summary: pd.DataFrame
    files: dict[str, Path]


def tune(
    path: str | Path,
    out: str | Path,
    *,
    trials: int = 50,
    timeout: float | None = None,
    storage: str | None = None,
    resume: bool = False,
    workers: int | None = None,
    backend: str = "loky",
    address: str | None = None,
    quiet: bool = False,
    again: bool = False,
    trust: bool = False,
    **changes: Any,
) -> SearchResult:
    """Search a configuration on its validation split, then train what was found with fresh seeds and test it.

    The same command, started again or on other machines with the same storage, joins the study, until it has
    as many trials as were asked for. A trial whose worker died is given to the next one. A configuration that
    was changed begins a study of its own; so do edited modules of the user's, or other content of the corpus.

    Of a corpus that is cut into folds, a search sees all but the test split of one, and what was found is
    tested on that one alone. A nested search is one for each fold.

    In the folder: `study.db`, the trials; `trials.csv`, the same as a table; `best.yaml`, for `affect train`
    (`front/` for several aims), with `modules`, the user's modules that it names; `runs`, `results.csv`,
    `summary.csv`, `comparisons.csv` and `costs.csv`, what was found beside the configuration itself, with
    fresh seeds. `affect.report.write_pages` makes a page of it.

    Args:
        path: the configuration.
        out: the folder of results.
        trials: how many the study shall have.
        timeout: seconds after which no further trial begins.
        storage: where the study is kept (`affect.runs.studies`); `study.db` in the folder by default.
        resume: the study is there, and nobody else works at it: trials that were interrupted begin again now.
        workers: trials at the same time.
        backend: where they work (`affect.workers.processes`).
        address: of the cluster, where the backend is one.
        quiet: no progress bar.
        again: begin the study anew, and do the runs too that are done.
        trust: whether runs that it learns from may execute code that is not known to be one's own.
        changes: `corpus`, `tokens`, `epochs`, and keys of the section `search`, other than the file says.
    Raises:
        ConfigError: the configuration cannot be searched as it stands; there is no study to resume.
        DataError: no trial could be done.
    """
    COUNT.check("tune: trials", trials)
    if timeout is not None:
        POSITIVE.check("tune: timeout", timeout)
    task, out = task_of(path, trust=trust, **changes), real(out)
    if again and resume:
        raise ConfigError("tune: resume goes on with the study, and again begins it anew; leave one out")
    with within(task.home):
        for refused_here in (sampler_of, pruner_of):  # and not by a worker
            refused_here(task.search)
    out.mkdir(parents=True, exist_ok=True)
    url = storage or sqlite(out / STUDY)
    with failing(task.path.stem):
        kept_in = opened_patiently(url, task.search.heartbeat, new=True)
        study, alone = begin_or_join(kept_in, task, resume, again)
        end = None if timeout is None else time.time() + timeout
        master = os.getpid() if backend == "loky" else None
        with _watched(study, trials, quiet):
            worker_task = WorkerTask(task, url, study.study_name, alone, trials, end, master)
            work_at(worker_task, workers, backend, address)
        if storage is not None:
            keep(study, out)
        chosen = _chosen(study, task)
        files = _write(study, task, chosen, out)
    if folds := task.content.get("folds"):
        logger.warning(
            "%s: searched on fold %d of %d; what was found is trained and tested on that fold alone, as the "
            "search saw the test samples of the others",
            study.study_name, task.search.fold, folds,
        )  # fmt: skip
    with within(task.home), metrics.using(*metrics_in(task.content)):
        made = _tested(task, chosen, out, workers, backend, address, quiet, again)
    return SearchResult(study, chosen, made.summary, files)


def _chosen(study: optuna.Study, task: Task) -> dict[str, FrozenTrial]:
    """The best trial, or the Pareto front, by what they are called in tables."""
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    if not complete:
        failed = [t for t in study.get_trials(deepcopy=False) if FAILURE in t.user_attrs]
        why = f"the first one so: {failed[0].user_attrs[FAILURE]}" if failed else "give it more time"
        raise DataError(f"tune: no trial of '{study.study_name}' is complete; {why}")
    best = [study.best_trial] if len(task.aims) == 1 else study.best_trials
    return {f"trial {trial.number}": trial for trial in best}


def _write(study: optuna.Study, task: Task, chosen: Mapping[str, FrozenTrial], out: Path) -> dict[str, Path]:
    """The table of trials, and the configurations that were found: their files."""
    with writing(out / "trials.csv") as path:
        path.write_text(csv_of(trials_table(study)), encoding="utf-8", newline="")
    alone = len(task.aims) == 1
    files = {label: "best.yaml" if alone else f"front/trial{t.number}.yaml" for label, t in chosen.items()}
    for label, trial in chosen.items():
        content = with_absolute_paths(task.found(trial), task.path.parent)
        reached = ", ".join(
            f"{aim.name} {value:.6g}" for aim, value in zip(task.aims, trial.values, strict=True)
        )
        with within(task.home):
            modules = modules_in(content)
        modules.write((out / files[label]).parent / FOLDER)
        mark_trusted(modules, strange(content, modules))
        with writing(out / files[label]) as path:
            path.write_text(
                f"# Trial {trial.number} of {study.study_name}: {reached} on {task.looked_at}.\n"
                f"# affect train {out / files[label]}\n"
                + yaml.safe_dump({**content, "seeds": task.search.fresh or [0]}, sort_keys=False),
                encoding="utf-8",
            )
    numbers = {label: trial.number for label, trial in chosen.items()}
    facts = {"study": study.study_name, "chosen": numbers, "configurations": files}
    write_facts(out / SEARCH, facts, files.values())
    return {label: out / name for label, name in files.items()}


def _tested(
    task: Task,
    chosen: Mapping[str, FrozenTrial],
    out: Path,
    workers: int | None,
    backend: str,
    address: str | None,
    quiet: bool,
    again: bool,
) -> BenchResult:
    """What was found, beside the configuration itself: trained with fresh seeds, and tested once."""
    search = task.search
    contents = {DEFAULT: task.content} | {label: task.found(trial) for label, trial in chosen.items()}
    todo = [
        Job(
            content,
            label,
            seed,
            search.fold,
            task.path.parent,
            folder / f"seed{seed}-fold{search.fold}",
            task.trust,
        )
        for label, content in contents.items()
        for folder in [out / "runs" / f"{label.replace(' ', '')}-{digest(content)}"]
        for seed in search.fresh
    ]
    if not todo:
        return BenchResult([], pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    run_jobs(todo, workers, backend, address, quiet, again)
    looked_for = [aim.metric for aim in task.aims if aim.metric]
    metric_names = list(dict.fromkeys([*looked_for, *metrics.metrics_for(task.target)]))
    return tables_of(todo, out, metric_names, [_note(task)])


def _note(task: Task) -> str:
    """What must stand beside the figures."""
    search = task.search
    aims = " and ".join(aim.name for aim in task.aims)
    return (
        f"The search looked at {aims} on {task.looked_at}, with the seeds "
        f"{', '.join(map(str, search.seeds))}. Here are other seeds, and the test split, which was read "
        "once for each run, after the search."
    )


@contextmanager
def _watched(study: optuna.Study, trials: int, quiet: bool) -> Iterator[None]:
    """A progress bar that looks at the study, whoever works at it."""
    from affect.training.progress import progress_bar

    over = threading.Event()
    with progress_bar(quiet=quiet) as progress:
        bar = progress.add_task("trials", total=trials)

        def look() -> None:
            try:
                with hasty():
                    done = finished_trials(study)
            except Exception as error:  # of any storage's; whoever works at it says so
                if is_away(error):
                    say_away()
                return
            stopped = sum(trial.state == TrialState.PRUNED for trial in done)
            failed = sum(trial.state == TrialState.FAIL for trial in done)
            description = f"trials ({stopped} stopped early{f', {failed} failed' if failed else ''})"
            progress.update(bar, completed=len(done), description=description)

        def keep_looking() -> None:
            while not over.wait(2):
                look()

        watcher = threading.Thread(target=keep_looking, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            look()
