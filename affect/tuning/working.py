"""Work at a study: who begins it, who joins it, and what becomes of the trials of those who die."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState

from affect.classes import class_of, modules_in, within
from affect.data.corpus import Corpus
from affect.errors import ConfigError, DataError
from affect.kernels import keep_freed_memory
from affect.runs import digest
from affect.runs.parts import part_of
from affect.runs.sameness import differences
from affect.runs.studies import (
    DIFFERS,
    SECONDS,
    START,
    finished_trials,
    load,
    quietly,
    retry_interrupted,
    retry_of,
)
from affect.tuning.patience import opened_patiently, storage_error
from affect.tuning.search import Search, Task
from affect.tuning.trials import InterruptedTrialError, attempt
from affect.workers import count_workers, one_thread, processes, work
from affect.workers.dispatch import WorkerDiedError

_BEGUN = "begun"  # of a study: its first trials were queued
_FACTS = "asked"  # of a study: what its trials are made from
logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class WorkerTask:
    """What a worker must know.

    Args:
        task: the search.
        storage: the URL of where the study is kept.
        study: its name.
        alone: whether nobody else works at it: then the sampler's seed says all.
        trials: how many the study shall have.
        end: the time, in seconds since 1970, after which no trial begins; None for no end.
        master: the number of the process that the workers of this machine belong to: when it is gone, they
            begin no trial. None on a cluster.
    """

    task: Task
    storage: str
    study: str
    alone: bool
    trials: int
    end: float | None
    master: int | None

    @property
    def over(self) -> bool:
        """Whether no further trial begins."""
        orphan = self.master not in (None, os.getpid(), os.getppid())
        return orphan or (self.end is not None and time.time() >= self.end)


def begin_or_join(
    storage: BaseStorage, task: Task, resume: bool = False, again: bool = False
) -> tuple[optuna.Study, bool]:
    """The study, begun if it is not there; and whether nobody else works at it.

    Args:
        storage: where it is kept.
        task: the search; one that is changed has another study.
        resume: it is there, nobody works at it, and its running trials begin again.
        again: it is begun anew, if it is there.
    Raises:
        ConfigError: there is none to resume.
    """
    facts = _facts_of(task)
    name = f"{task.path.stem}-{digest(facts)}"
    with quietly():
        if again and name in optuna.get_all_study_names(storage):
            optuna.delete_study(study_name=name, storage=storage)
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
            mine = True
            _say_other(storage, study, facts)
        study.set_metric_names([aim.name for aim in task.aims])
        for called, start in task.starts.items():
            known = {START: called, DIFFERS: start.differs}
            study.enqueue_trial(start.values, user_attrs=known, skip_if_exists=True)
        study.set_user_attr(_BEGUN, True)
        return study, mine


def _say_other(storage: BaseStorage, study: optuna.Study, facts: dict[str, Any]) -> None:
    """A log line where a study begins though there is one of the same file: what changed since."""
    study.set_user_attr(_FACTS, facts)
    stem = study.study_name.rpartition("-")[0]
    others = [name for name in optuna.get_all_study_names(storage) if name.rpartition("-")[0] == stem]
    before = [load(storage, name).user_attrs.get(_FACTS) for name in others if name != study.study_name]
    if not before:
        return
    then = before[-1] or {}
    changes = differences(then["content"], facts["content"]) if then else []
    for place in dict.fromkeys([*then.get("code", {}).get("files", {}), *facts["code"]["files"]]):
        if then.get("code", {}).get("files", {}).get(place) != facts["code"]["files"].get(place):
            changes.append(f"{place} was edited")
    if then.get("corpus") != facts["corpus"]:
        changes.append("the corpus has other content")
    if then.get("corpora of stages") != facts.get("corpora of stages"):
        changes.append("a corpus of a stage has other content")
    why = "; ".join(changes) or "the search is another one"
    logger.warning("%s: a new study begins beside one of the same file: %s", study.study_name, why)


def _take_up(study: optuna.Study) -> None:
    """Trials that were running begin again."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        retry_interrupted(study, trial)


def work_at(worker_task: WorkerTask, workers: int | None, backend: str, address: str | None) -> None:
    """Work until there are enough trials and none that was interrupted waits.

    Workers that were killed are replaced as long as trials are finished between their deaths.

    Args:
        worker_task: what every worker must know.
        workers: as many; one by default, and as many as a cluster has.
        backend: where they work (`affect.workers.processes`).
        address: of the cluster, where the backend is one.
    Raises:
        DataError: all workers are killed without end, or the storage fails.
    """
    import joblib

    study = load(opened_patiently(worker_task.storage), worker_task.study)
    deaths: dict[int, WorkerDiedError] = {}

    def done() -> int:
        return len(finished_trials(study))

    with processes(workers, backend, address):
        count = count_workers()
        calls = (joblib.delayed(_worker)(worker_task, place) for place in range(count))
        work(calls, first=keep_freed_memory, died=deaths.__setitem__, achieved=done)
    if len(deaths) == count:  # any other worker ended when there were enough trials
        raise DataError(f"tune: {deaths[0]}; {done()} trials are kept, and the same command goes on")


def _worker(worker_task: WorkerTask, place: int) -> None:
    """Try one configuration after the other."""
    task, search = worker_task.task, worker_task.task.search
    with quietly(), one_thread(), within(task.home):
        silent = worker_task.master not in (None, os.getpid())  # the bar of the first process says it
        storage = opened_patiently(worker_task.storage, search.heartbeat, silent)
        study = load(storage, worker_task.study)
        entropy = [search.seed, place, len(study.get_trials(deepcopy=False))]
        if not worker_task.alone:
            entropy.append(secrets.randbits(64))
        study.sampler = sampler_of(search, int(np.random.SeedSequence(entropy).generate_state(1)[0]))
        study.pruner = pruner_of(search, task.epochs)
        corpus, of_stages = task.corpus(), dict[str, Corpus]()
        waited, interrupted = 0, dict[int, InterruptedTrialError]()

        def objective(trial: optuna.Trial) -> tuple[float, ...]:
            try:
                return attempt(trial, task, corpus, of_stages)
            except InterruptedTrialError as error:
                interrupted[trial.number] = error
                raise

        while not worker_task.over:
            try:
                missing = worker_task.trials - len(finished_trials(study))
                if missing <= 0 and not _retry_waits(study):
                    return
                running = len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
                signs = isinstance(storage, RDBStorage)
                if running >= missing and signs and waited < _patience(study, search.heartbeat):
                    optuna.storages.fail_stale_trials(study)  # should another die, its trial is for this one
                    time.sleep(1)
                    waited += 1
                    continue
                waited = 0
                interrupted.clear()  # of a trial that was given away
                study.optimize(objective, n_trials=1, catch=(Exception,))
                for number in interrupted:
                    retry_interrupted(study, study.get_trials(deepcopy=False)[number])
            except Exception as error:  # those of the trial are caught
                if _given_away(error):
                    continue
                raise storage_error(worker_task.study, error) from None
            if interrupted:
                raise DataError(str(*interrupted.values()))


def _retry_waits(study: optuna.Study) -> bool:
    """Whether the next trial to begin is one that was interrupted."""
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    return bool(waiting) and retry_of(waiting[0]) is not None


def _patience(study: optuna.Study, heartbeat: int) -> float:
    """Seconds that a worker waits for others: one that died before its first sign of life never shows it."""
    took = [trial.user_attrs.get(SECONDS, 0) for trial in finished_trials(study)]
    return 3 * heartbeat + 2 * max(took, default=0)


def _given_away(error: Exception) -> bool:
    """Whether a trial was given to another worker, because its own was asleep."""
    refused = isinstance(error, ValueError) and str(error).startswith("Cannot tell a ")
    return refused or isinstance(error, optuna.exceptions.UpdateFinishedTrialError)


def sampler_of(search: Search, seed: int = 0) -> optuna.samplers.BaseSampler:
    """The sampler that a search asks for."""
    with quietly():
        if search.sampler is None:
            return optuna.samplers.TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)
        sampler: optuna.samplers.BaseSampler = _built(search.sampler, "sampler", seed=seed)
        return sampler


def pruner_of(search: Search, epochs: int = 0) -> optuna.pruners.BasePruner:
    """The pruner that a search asks for; by default one that lets a quarter of the epochs go by.

    Those that learn slowly are often the best in the end: on CMU-MOSI a pruner that looked after three epochs
    stopped them all (`experiments.searching`).
    """
    with quietly():
        if search.pruner is None:
            return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=epochs // 4)
        pruner: optuna.pruners.BasePruner = _built(search.pruner, "pruner")
        return pruner


def _built(given: Any, room: str, **drawn: int) -> Any:
    """An object from its class and arguments, which may be such parts themselves.

    Args:
        given: the class, alone or with arguments.
        room: what it is.
        drawn: values of arguments that were left open.
    """
    part = part_of(given, room, "search")
    cls = class_of(part["class_path"])
    arguments = {
        key: _built(value, room) if isinstance(value, Mapping) and "class_path" in value else value
        for key, value in part["init_args"].items()
    }
    arguments |= {key: value for key, value in drawn.items() if arguments.get(key, 0) is None}
    try:
        return cls(**arguments)
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError(f"search: {cls.__name__}: {' '.join(str(error).split())}") from None


def _facts_of(task: Task) -> dict[str, Any]:
    """What makes a study another one: what its trials are made from, what varies, and what is looked for."""
    search = task.search
    space = [
        [parameter.name, str(parameter.distribution), str(when)] for parameter, when in task.space.every()
    ]
    branches = [
        branch.content for parameter, _ in task.space.every() for branch in parameter.branches.values()
    ]
    with within(task.home):
        code = modules_in([task.content, branches])
    return {
        "content": task.content,
        "code": code.facts(),
        "corpus": task.digest,
        **({"corpora of stages": task.stage_digests} if task.stage_digests else {}),
        "space": space,
        "aims": [aim.name for aim in task.aims],
        "seeds": search.seeds,
        "fold": search.fold,
    }
