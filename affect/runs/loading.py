"""A finished run as it was when it was trained."""

from __future__ import annotations

from pathlib import Path

from affect.classes import FOLDER, Modules
from affect.errors import DataError
from affect.files import real
from affect.runs.finished import FinishedRun
from affect.runs.recorded import REMEDY
from affect.training import Run
from affect.training.saving import DONE


def load_run(folder: str | Path, *, trust: bool = False) -> Run:
    """The run in a folder, made by `run.save`, `affect train` or `affect bench`, as `affect.fit` returned it.

    Args:
        folder: of the run.
        trust: whether classes that the run brings with it may be executed, though they are not your own.
    Raises:
        DataError: the folder is not a finished run, or a file of it was changed; frozen pretrained weights
            are not what they were.
        ConfigError: the run is a baseline's, which has no weights; it brings classes that are not trusted.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1))
        >>> affect.load_run(run.save(getfixture("tmp_path") / "run")).best_epoch
        0
    """
    stored = FinishedRun.read(folder, trust=trust)
    model, facts = stored.model(), stored.facts
    for key in ("best_epoch", "chosen_by", "seconds"):
        if key not in facts:
            raise DataError(f"{stored.folder / DONE}: {key}: is missing; {REMEDY}")
    return Run(
        model=model,
        results=stored.table("results"),
        predictions=stored.table("predictions"),
        history=stored.history,
        best_epoch=int(facts["best_epoch"]),
        monitor=str(facts["chosen_by"]).removesuffix(" on valid"),
        seconds=float(facts["seconds"]),
        asked=stored.content,
        facts=facts,
        terms=stored.terms(model),
        modules=Modules.read(real(stored.folder) / FOLDER),
    )
