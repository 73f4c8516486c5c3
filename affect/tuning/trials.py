"""One trial: a configuration trained with several seeds, unless it is stopped before."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.trial import Trial, TrialState

from affect import metrics
from affect.data.corpus import Corpus
from affect.errors import AffectError, ConfigError, DataError, MemoryTakenError
from affect.files import of_disk
from affect.runs import fitted_baseline, teacher_of, trained_run
from affect.runs.configuration import BaselineModel, Configuration, parse
from affect.runs.finished import read_stages
from affect.runs.studies import EPOCHS, FAILURE, SECONDS, SEEDS
from affect.tuning.racing import significantly_worse
from affect.tuning.search import Task, held

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback


class InterruptedTrialError(AffectError):
    """A trial ended for a reason that is not its own, which would end the next one too: it is tried again."""


def attempt(
    trial: Trial, task: Task, corpus: Corpus, of_stages: dict[str, Corpus] | None = None
) -> tuple[float, ...]:
    """What a trial comes to, as means over its seeds; its attributes say what each seed came to.

    Args:
        trial: a running one.
        task: the search.
        corpus: as `task.corpus` gives it: there is no test split to look at.
        of_stages: the corpora that stages alone learn from, by the stages' names; those that are not there
            yet are read into it.
    Raises:
        TrialPruned: it was stopped.
        InterruptedTrialError: a disk refuses, others have taken the memory, or the corpus changed.
        Exception: it could not be done; an attribute of the trial says why.
    """
    of_stages = {} if of_stages is None else of_stages
    try:
        return _attempted(trial, task, corpus, of_stages)
    except optuna.TrialPruned:
        raise
    except Exception as error:
        if why := _not_its_own(error, [corpus, *of_stages.values()]):
            raise InterruptedTrialError(f"tune: a trial could not be trained: {why}") from error
        own = isinstance(error, AffectError)
        trial.set_user_attr(FAILURE, " ".join((str(error) if own else repr(error)).split()))
        raise


def _not_its_own(error: Exception, corpora: list[Corpus]) -> str:
    """Why a trial failed that another time would not, and what to do; nothing where the fault is its own."""
    kept = "finished trials are kept, and the same command goes on when"
    if number := of_disk(error):
        return f"{os.strerror(number).lower()}; {kept} the disk takes what is written"
    if isinstance(error, MemoryTakenError):
        return f"{error}; {kept} other processes leave more (--memory GB lets such trials fail instead)"
    try:
        for corpus in corpora:
            if corpus.files is not None:
                corpus.files.check()
    except DataError as changed:
        return str(changed)
    return ""


def _attempted(trial: Trial, task: Task, corpus: Corpus, of_stages: dict[str, Corpus]) -> tuple[float, ...]:
    begin = time.perf_counter()

    def once(name: str, path: str, read: Callable[[], Corpus]) -> Corpus:
        if name not in of_stages:
            of_stages[name] = held(path, task.stage_digests[name], read().without("test"))
        return of_stages[name]

    configuration = parse(task.space.suggest(trial), f"trial {trial.number}")
    configuration = read_stages(configuration, task.search.fold, task.path.parent, once)
    alone = task.aims[0] if len(task.aims) == 1 else None  # Optuna stops no trial that has several aims
    found: list[list[float]] = []
    from affect.tuning.watching import Spent, Watch

    spent = Spent()
    try:
        for place, seed in enumerate(task.search.seeds):
            watched = alone is not None and alone.plain and place == 0
            callbacks: list[Callback] = [spent, Watch(trial, task.aims[0])] if watched else [spent]
            with metrics.using(*configuration.measured):
                found.append(_measured(configuration, task, corpus, seed, callbacks))
            trial.set_user_attr(SEEDS, found)
            if alone is not None:
                so_far = float(np.mean(found))
                trial.report(so_far, configuration.measured_training.epochs + place)
                more = len(found) < len(task.search.seeds)
                if more and (trial.should_prune() or _behind(trial, task, found)):
                    raise optuna.TrialPruned(f"stopped after {len(found)} seeds")
    finally:
        trial.set_user_attr(EPOCHS, spent.epochs)
        trial.set_user_attr(SECONDS, round(time.perf_counter() - begin, 3))
    return tuple(float(value) for value in np.mean(found, 0))


def _measured(
    configuration: Configuration, task: Task, corpus: Corpus, seed: int, callbacks: list[Callback]
) -> list[float]:
    """What one seed comes to: a value for each aim."""
    parts = configuration.model
    if isinstance(parts, BaselineModel):
        rows, _ = fitted_baseline(parts, configuration, corpus, seed).evaluate(corpus, "valid")
        by_metric = rows.set_index("metric")["value"]
        for aim in task.aims:
            if not aim.plain:
                raise ConfigError(f"search: a baseline has no '{aim.name}'; leave it out")
        values = [float(by_metric[aim.name]) for aim in task.aims]
    else:
        root = task.path.parent
        run = trained_run(
            parts,
            configuration,
            corpus,
            seed,
            teacher=teacher_of(configuration.teacher, root, seed, task.search.fold),
            init=teacher_of(configuration.init, root, seed, task.search.fold),
            callbacks=callbacks,
            trust=task.trust,
        )
        values = [aim.of(run, corpus) for aim in task.aims]
    for aim, value in zip(task.aims, values, strict=True):
        if not math.isfinite(value):
            raise DataError(f"{aim.name} is {value} with seed {seed}")
    return values


def _behind(trial: Trial, task: Task, found: list[list[float]]) -> bool:
    """Whether what was found so far is significantly worse than the best."""
    if not task.search.racing:
        return False
    sign = 1 if task.aims[0].rises else -1
    complete = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    others = [np.ravel(other.user_attrs[SEEDS]) * sign for other in complete]
    return significantly_worse(np.ravel(found) * sign, others, task.search.racing)
