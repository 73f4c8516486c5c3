"""A search: many trials, by any number of workers; then what was found is trained anew, and tested."""

from __future__ import annotations

import importlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import yaml
from optuna.storages import BaseStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from affect import metrics
from affect.benchmark import run_jobs, tables_of
from affect.configuration import importable, part_of
from affect.errors import ConfigError, DataError
from affect.files import writing
from affect.report import write_report
from affect.report.gathering import gathered
from affect.runs import Job, corpus_path, digest
from affect.studies import (
    FAILURE,
    RETRIES,
    SEARCH,
    STUDY,
    finished,
    keep,
    load,
    open_storage,
    quietly,
    sqlite,
    trials_table,
)
from affect.tuning.search import Search, Task, task_of
from affect.tuning.trials import attempt
from affect.workers import one_thread, processes, work

DEFAULT, BEST = "default", "best"
"""What the configuration, and what was found, are called in tables."""

_BEGUN = "begun"  # of a study: its first trials were queued


@dataclass(frozen=True, eq=False)
class Found:
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
    **changes: Any,
) -> Found:
    """Search a configuration on its validation split, then train what was found with fresh seeds and test it.

    The same command, started again or on other machines with the same storage, joins the study, until it has
    as many trials as were asked for. A trial whose worker died is given to the next one. A configuration that
    was changed begins a study of its own.

    In the folder: `study.db`, the trials; `trials.csv`, the same as a table; `best.yaml`, for `affect train`
    (`front/` for several aims); `runs`, `results.csv`, `summary.csv`, `comparisons.csv` and `costs.csv`, what
    was found beside the configuration itself, with fresh seeds; `report.html`.

    Args:
        path: the configuration.
        out: the folder of results.
        trials: how many the study shall have.
        timeout: seconds after which no further trial begins.
        storage: where the study is kept (`affect.studies`); `study.db` in the folder by default.
        resume: the study is there, and nobody else works at it: trials that were interrupted begin again now.
        workers: trials at the same time.
        backend: where they work (`affect.workers.processes`).
        address: of the cluster, where the backend is one.
        quiet: no progress bar.
        changes: `corpus`, `epochs`, and keys of the section `search`, other than the file says.
    Raises:
        ConfigError: the configuration cannot be searched as it stands; there is no study to resume.
        DataError: no trial could be done.
    """
    task, out = task_of(path, **changes), Path(out).resolve()
    if trials < 1:
        raise ConfigError(f"tune: trials must be at least 1, got {trials}")
    out.mkdir(parents=True, exist_ok=True)
    kept_in = storage or sqlite(out / STUDY)
    name = f"{task.path.stem}-{digest(_asked(task))}"
    study, alone = _opened(open_storage(kept_in, task.search.heartbeat), name, task, resume)
    end = time.time() + timeout if timeout is not None else None
    with _watched(study, trials, quiet):
        _search(task, kept_in, study, alone, trials, end, workers, backend, address)
    if storage is not None:
        keep(study, out)
    chosen = _chosen(study, task)
    files = _write(study, task, chosen, out)
    summary = _tested(task, chosen, out, workers, backend, address, quiet)
    write_report(out / "report.html", gathered([out], task.path.stem))
    return Found(study, chosen, summary, files)


def _asked(task: Task) -> dict[str, Any]:
    """What makes a study another one: the configuration, what varies, and what is looked for."""
    search = task.search
    space = [
        [parameter.name, str(parameter.distribution), str(when)] for parameter, when in task.space.every()
    ]
    return {
        "content": task.content,
        "space": space,
        "aims": [aim.name for aim in task.aims],
        "seeds": search.seeds,
        "fold": search.fold,
    }


def _opened(storage: BaseStorage, name: str, task: Task, resume: bool) -> tuple[optuna.Study, bool]:
    """The study, begun if it is not there; and whether nobody else works at it."""
    with quietly():
        if resume:
            if name not in optuna.get_all_study_names(storage):
                raise ConfigError(
                    f"tune: no study '{name}' to resume; the configuration or the storage is another one, "
                    "or it was not begun: leave --resume out"
                )
            study = load(storage, name)
            _take_up(study)
            return study, True
        try:
            study = optuna.create_study(
                study_name=name, storage=storage, directions=[aim.direction for aim in task.aims]
            )
        except optuna.exceptions.DuplicatedStudyError:
            study = load(storage, name)
            for _ in range(50):  # whoever began it is about to queue its first trials
                if _BEGUN in study.user_attrs:
                    return study, False
                time.sleep(0.1)
            mine = False
        else:
            study.set_metric_names([aim.name for aim in task.aims])
            mine = True
        for called, values in task.starts.items():
            study.enqueue_trial(values, user_attrs={"start": called}, skip_if_exists=True)
        study.set_user_attr(_BEGUN, True)
        return study, mine


def _take_up(study: optuna.Study) -> None:
    """Trials that were running begin again."""
    again = RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        again(study, trial)


def _search(
    task: Task,
    storage: str,
    study: optuna.Study,
    alone: bool,
    trials: int,
    end: float | None,
    workers: int | None,
    backend: str,
    address: str | None,
) -> None:
    """Work until there are enough trials; workers that were killed are replaced while there is progress."""
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    before = -1
    while (done := len(finished(study))) > before:
        before = done
        with processes(workers, backend, address):
            count = joblib.effective_n_jobs(None)  # type: ignore[arg-type]  # what the block around says
            calls = [
                joblib.delayed(_worker)(task, storage, study.study_name, place, alone, trials, end)
                for place in range(count)
            ]
            try:
                work(calls)
            except TerminatedWorkerError:
                continue
            return
    raise DataError(
        f"tune: workers are killed again and again, perhaps for want of memory; {done} trials are kept, and "
        "the same command goes on"
    )


def _worker(
    task: Task, storage: str, name: str, place: int, alone: bool, trials: int, end: float | None
) -> None:
    """Try one configuration after the other."""
    search = task.search
    importable(task.path.parent)
    with quietly(), one_thread():
        study = load(open_storage(storage, search.heartbeat), name)
        entropy = [search.seed, place, len(study.get_trials(deepcopy=False))]
        if not alone:
            entropy += [os.getpid(), abs(hash(socket.gethostname())), time.time_ns()]
        study.sampler = sampler_of(search, int(np.random.SeedSequence(entropy).generate_state(1)[0]))
        study.pruner = pruner_of(search)
        corpus = task.corpus()
        while end is None or time.time() < end:
            missing = trials - len(finished(study))
            if missing <= 0:
                return
            running = len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
            if running >= missing:  # others are at it; should one die, its trial is for us
                optuna.storages.fail_stale_trials(study)
                time.sleep(1)
                continue
            with suppress(optuna.exceptions.UpdateFinishedTrialError):  # it was given to another meanwhile
                study.optimize(lambda trial: attempt(trial, task, corpus), n_trials=1, catch=(Exception,))


def sampler_of(search: Search, seed: int) -> optuna.samplers.BaseSampler:
    """The sampler that a search asks for."""
    with quietly():
        if search.sampler is None:
            return optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)
        part = part_of(search.sampler, "sampler", "search")
        if part["init_args"].get("seed", 0) is None:
            part["init_args"]["seed"] = seed
        sampler: optuna.samplers.BaseSampler = _built(part)
        return sampler


def pruner_of(search: Search) -> optuna.pruners.BasePruner:
    """The pruner that a search asks for."""
    with quietly():
        if search.pruner is None:
            return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
        pruner: optuna.pruners.BasePruner = _built(part_of(search.pruner, "pruner", "search"))
        return pruner


def _built(part: Mapping[str, Any]) -> Any:
    """An object from its class and arguments, which may be such parts themselves."""
    module, _, name = part["class_path"].rpartition(".")
    arguments = {
        key: _built(value) if isinstance(value, Mapping) and "class_path" in value else value
        for key, value in part["init_args"].items()
    }
    try:
        return getattr(importlib.import_module(module), name)(**arguments)
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError(f"search: {name}: {' '.join(str(error).split())}") from None


def _chosen(study: optuna.Study, task: Task) -> dict[str, FrozenTrial]:
    """The best trial, or the Pareto front, by what they are called in tables."""
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    if not complete:
        failed = [t for t in study.get_trials(deepcopy=False) if FAILURE in t.user_attrs]
        why = f"the first one so: {failed[0].user_attrs[FAILURE]}" if failed else "give it more time"
        raise DataError(f"tune: no trial of '{study.study_name}' is complete; {why}")
    if len(task.aims) == 1:
        return {BEST: study.best_trial}
    return {f"trial {trial.number}": trial for trial in study.best_trials}


def _write(study: optuna.Study, task: Task, chosen: Mapping[str, FrozenTrial], out: Path) -> dict[str, Path]:
    """The table of trials, and the configurations that were found: their files."""
    with writing(out / "trials.csv") as path:
        trials_table(study).to_csv(path, index=False)
    files = {
        label: f"{BEST}.yaml" if label == BEST else f"front/{label.replace(' ', '')}.yaml" for label in chosen
    }
    for label, trial in chosen.items():
        content = {**_ready(task.space.suggest(trial), task), "seeds": task.search.fresh or [0]}
        reached = ", ".join(
            f"{aim.name} {value:.6g}" for aim, value in zip(task.aims, trial.values, strict=True)
        )
        with writing(out / files[label]) as path:
            path.write_text(
                f"# Trial {trial.number} of {study.study_name}: {reached} on the validation split.\n"
                f"# PYTHONPATH={task.path.parent} affect train {out / files[label]}\n"
                + yaml.safe_dump(content, sort_keys=False)
            )
    numbers = {label: trial.number for label, trial in chosen.items()}
    kept = {"study": study.study_name, "chosen": numbers, "files": files}
    with writing(out / SEARCH) as path:
        path.write_text(json.dumps(kept, indent=1))
    return {label: out / name for label, name in files.items()}


def _ready(content: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """A configuration that can be used from any folder."""
    root = task.path.parent
    ready = {**content, "corpus": corpus_path(content["corpus"], root)}
    if ready.get("teacher") is not None:
        ready["teacher"] = str(root / ready["teacher"])
    return ready


def _tested(
    task: Task,
    chosen: Mapping[str, FrozenTrial],
    out: Path,
    workers: int | None,
    backend: str,
    address: str | None,
    quiet: bool,
) -> pd.DataFrame:
    """What was found, beside the configuration itself: trained with fresh seeds, and tested once."""
    search = task.search
    contents = {DEFAULT: task.content} | {label: task.space.suggest(trial) for label, trial in chosen.items()}
    todo = [
        Job(content, label, seed, search.fold, task.path.parent, folder / f"seed{seed}-fold{search.fold}")
        for label, content in contents.items()
        for folder in [out / "runs" / f"{label}-{digest(content)}"]
        for seed in search.fresh
    ]
    if not todo:
        return pd.DataFrame()
    run_jobs(todo, workers, backend, address, quiet)
    looked_for = [aim.metric for aim in task.aims if aim.metric]
    wanted = list(dict.fromkeys([*looked_for, *metrics.metrics_for(task.target)]))
    return tables_of(todo, out, wanted, [_note(task)]).summary


def _note(task: Task) -> str:
    """What must stand beside the figures."""
    search = task.search
    aims = " and ".join(aim.name for aim in task.aims)
    fold = f" of fold {search.fold}" if task.content.get("folds") else ""
    return (
        f"The search looked at {aims} on the validation split{fold}, with the seeds "
        f"{', '.join(map(str, search.seeds))}. Here are other seeds, and the test split, which was read "
        "once for each run, after the search."
    )


@contextmanager
def _watched(study: optuna.Study, trials: int, quiet: bool) -> Iterator[None]:
    """A progress bar that looks at the study, whoever works at it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    over = threading.Event()
    with Progress(*columns, disable=quiet) as progress:
        bar = progress.add_task("trials", total=trials)

        def look() -> None:
            done = finished(study)
            stopped = sum(trial.state == TrialState.PRUNED for trial in done)
            failed = sum(trial.state == TrialState.FAIL for trial in done)
            said = f"trials ({stopped} stopped early{f', {failed} failed' if failed else ''})"
            progress.update(bar, completed=len(done), description=said)

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
