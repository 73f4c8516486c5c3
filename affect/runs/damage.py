"""Whether a finished run is still what was written, for those who would use it again."""

from __future__ import annotations

import re
from pathlib import Path

from affect.errors import AffectError
from affect.manifest import QUICK
from affect.runs.configuration import BaselineModel, kind_of
from affect.runs.finished import FinishedRun
from affect.runs.recorded import REMEDY
from affect.training.saving import TABLES, WEIGHTS
from affect.training.weights import read_weights

_PLACE = re.compile(r"\.?seed(\d+)-fold(\d+)(\.new)?")


def damage(folder: Path) -> str | None:
    """What is wrong with a finished run, in a few words that name the file; None where nothing is.

    Every file is compared with its digest, of weights above 64 MB the size alone. The run of an older release
    is read and checked by its form. Nothing of it is executed.

    Args:
        folder: of the run, which holds `run.json`.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> _ = (folder / "run.json").write_text("[]")
        >>> damage(folder)
        '.../run.json: expected keys and values, got a list'
    """
    try:
        run = FinishedRun.read(folder)
        for name in run.manifest.files or ():
            run.manifest.check(name, QUICK)
        _ = run.content, run.target, run.metrics
        if run.manifest.files is None:
            _check_form(run)
    except AffectError as error:
        return str(error).removesuffix(f"; {REMEDY}")
    return misplaced(run)


def misplaced(run: FinishedRun) -> str | None:
    """That a run lies in the folder of another seed or fold; None where it does not.

    Args:
        run: the finished one.
    """
    placed = _PLACE.fullmatch(run.folder.name)
    if placed and (int(placed[1]), int(placed[2])) != (run.seed, run.fold):
        return f"{run.folder}: holds the run of seed {run.seed}, fold {run.fold}"
    return None


def _check_form(run: FinishedRun) -> None:
    """Refuse a run without a manifest of which a file is gone or cannot be read."""
    for name in TABLES:
        run.table(name)
    for name in ("results.csv", "predictions.csv"):
        run.manifest.check(name)
    if kind_of(run.content["model"]) is not BaselineModel:
        weights = run.manifest.check(WEIGHTS)
        if weights.stat().st_size <= QUICK:
            read_weights(weights)
