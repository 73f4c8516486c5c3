"""What comes of training a configuration's model, or of fitting its baseline."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from affect.data.corpus import Corpus
from affect.errors import ConfigError, did_you_mean
from affect.model import FusionModel, ModelSpec
from affect.runs.configuration import BaselineModel, Configuration
from affect.runs.costs import (
    parameters,
    peak_memory_mb,
    sample_megaflops,
    sample_milliseconds,
)
from affect.runs.finished import fitted_baseline, load_model
from affect.runs.starting import start_from_run
from affect.training import Progress, Run, seeded
from affect.training.facts import facts_of, learning_facts
from affect.training.terms import Terms

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers import Logger

    from affect.runs.jobs import Job


@dataclass(frozen=True, eq=False)
class Outcome:
    """Tidy rows, predictions, what `run.json` says of the model, and what a torch model has beside."""

    results: pd.DataFrame
    predictions: pd.DataFrame
    facts: dict[str, Any]
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    model: FusionModel | None = None
    terms: Terms | None = None


def train_model(
    job: Job,
    parts: ModelSpec,
    configuration: Configuration,
    corpus: Corpus,
    into: Path,
    progress: Progress = False,
) -> Outcome:
    """The torch model of a run.

    Args:
        job: the run.
        parts: the configuration's model.
        configuration: of the run.
        corpus: cut into splits.
        into: the folder of checkpoints and logs.
        progress: of the epochs, as in `affect.fit`.
    """
    development = corpus.without("test")
    run = trained_run(
        parts,
        configuration,
        corpus,
        job.seed,
        teacher=job.teacher,
        init=job.init,
        name=job.name,
        fold=job.fold,
        folder=into,
        trust=job.trust,
        loggers=[make() for make in configuration.loggers],
        progress=progress,
    )
    spent = {
        "parameters": parameters(run.model),
        "epoch_seconds": statistics.median(run.history["epoch_seconds"]),
        "sample_milliseconds": sample_milliseconds(run.model, development["valid"]),
        "sample_megaflops": sample_megaflops(run.model, development["valid"]),
        "peak_memory_mb": peak_memory_mb(configuration.training.accelerator),
    }
    facts = {key: value for key, value in run.facts.items() if key != "given"}  # `learned_from` says more
    facts |= learning_facts(run.best_epoch, run.monitor, run.seconds, spent)
    return Outcome(run.results, run.predictions, facts, run.history, run.model, run.terms)


def fit_baseline(job: Job, parts: BaselineModel, configuration: Configuration, corpus: Corpus) -> Outcome:
    """The baseline of a run; nothing of it is kept but its predictions."""
    development = corpus.without("test")
    begin = time.perf_counter()
    baseline = fitted_baseline(parts, configuration, development, job.seed)
    learned = time.perf_counter()
    baseline.predict(development["valid"])
    predicted = time.perf_counter()
    facts = {
        **facts_of(corpus, baseline.target, baseline.dims, name=job.name, seed=job.seed, fold=job.fold),
        "chosen_by": baseline.chosen_by,
        "seconds": learned - begin,
        "costs": {
            "sample_milliseconds": 1000 * (predicted - learned) / len(development["valid"]),
            "peak_memory_mb": peak_memory_mb(),
        },
    }
    measured = [
        baseline.evaluate(corpus, split, name=job.name, seed=job.seed, fold=job.fold)
        for split in ("valid", "test")
        if split in corpus.splits
    ]
    results, predictions = (pd.concat(tables, ignore_index=True) for tables in zip(*measured, strict=True))
    return Outcome(results, predictions, facts)


def trained_run(
    parts: ModelSpec,
    configuration: Configuration,
    corpus: Corpus,
    seed: int,
    *,
    teacher: Path | None = None,
    init: Path | None = None,
    name: str = "",
    fold: int = 0,
    folder: Path | None = None,
    loggers: Iterable[Logger] = (),
    callbacks: Iterable[Callback] = (),
    trust: bool = False,
    progress: Progress = False,
) -> Run:
    """The model of a configuration, built and trained; what its weights begin with depends on the seed alone.

    Args:
        parts: the configuration's model.
        configuration: how it is trained, and for what.
        corpus: cut into splits; building and training are given it without `test`.
        seed: of the initial weights, of dropout and of the order of samples.
        teacher: the folder of a finished run to learn from too.
        init: the folder of a finished run whose weights to begin with.
        name: as in `affect.fit`, and so are the rest.
        fold: the same.
        folder: the same.
        loggers: the same.
        callbacks: the same.
        trust: whether the teacher's own code may be executed, though it is not known to be one's own.
        progress: as in `affect.fit`.
    """
    from affect.training.fitting import fit
    from affect.training.learner import Learner

    with seeded(seed):
        model = parts.for_corpus(corpus.without("test"), configuration.target)
    if init is not None:
        start_from_run(model, init, corpus)
    return fit(
        model,
        corpus,
        seed,
        training=configuration.training,
        objective=configuration.objective,
        teacher=None if teacher is None else load_model(teacher, trust=trust),
        name=name,
        fold=fold,
        folder=folder,
        loggers=loggers,
        callbacks=callbacks,
        learner=configuration.learner or Learner,
        terms=configuration.terms,
        stages=configuration.stages,
        progress=progress,
    )


def teacher_of(named: str | None, root: Path, seed: int, fold: int) -> Path | None:
    """The folder of the run that a configuration's `teacher` names; none where it names none.

    Raises:
        ConfigError: there is something else than `{seed}` and `{fold}` in it to be filled.
    """
    return None if named is None else root / filled(named, seed, fold)


def filled(named: str, seed: int, fold: int) -> str:
    """The path of a run that is learned from, with a seed and a fold in their places.

    Raises:
        ConfigError: there is something else than `{seed}` and `{fold}` in it to be filled.
    """
    values = {"{seed}": seed, "{fold}": fold}

    def value_of(found: re.Match[str]) -> str:
        if found[0] not in values:
            raise ConfigError(f"teacher: {named}: {did_you_mean(found[0], values)}")
        return str(values[found[0]])

    return re.sub(r"\{[^{}]*\}", value_of, named)
