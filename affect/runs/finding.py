"""Which runs lie in a folder."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from affect.errors import DataError
from affect.files import writing
from affect.runs.finished import FinishedRun
from affect.training.saving import DONE

logger = logging.getLogger(__name__)
RUNS = "runs.json"
"""The file beside a bench's tables that lists the runs they were made of; others have other settings."""


def find(folders: Iterable[str | Path]) -> list[FinishedRun]:
    """The finished runs in or below the folders, in their order and then by path.

    Of what lies below a bench's folder, only those that its tables were made of; a log line says how many
    others there are. A run that is named itself is taken in any case.

    Raises:
        DataError: there is none, or two of the same corpus, target, model, seed and fold.
    """
    found: dict[tuple[Any, ...], FinishedRun] = {}
    places = [Path(folder) for folder in folders]
    for folder in (folder for place in places for folder in _listed(place)):
        run = FinishedRun.read(folder)
        key = (run.facts["corpus"]["name"], run.target.name, run.name, run.seed, run.fold)
        if key in found and found[key].folder.resolve() != run.folder.resolve():
            raise DataError(
                f"{run.folder}: another run of {run.name}, seed {run.seed}, fold {run.fold} is in "
                f"{found[key].folder}; name the one that is meant"
            )
        found.setdefault(key, run)
    if not found:
        raise DataError(
            f"no finished run in {', '.join(map(str, places))}; expected folders that hold {DONE}"
        )
    return list(found.values())


def leave_list(runs: Iterable[FinishedRun], out: Path) -> None:
    """Write down in a bench's folder which runs its tables are made of."""
    folders = [Path(os.path.relpath(run.folder.resolve(), out.resolve())).as_posix() for run in runs]
    with writing(out / RUNS) as partial:
        partial.write_text(json.dumps(sorted(folders), indent=1), encoding="utf-8")


def _listed(given: Path) -> Iterator[Path]:
    """The folders of runs in or below a folder, but for those that a bench above them no longer counts."""
    left_out, lists = 0, dict[Path, set[Path] | None]()
    for done in sorted(given.rglob(DONE)):
        if any(part.startswith(".") for part in done.relative_to(given).parts):
            continue  # it is being made
        folder = done.parent
        counted = [own for above in folder.resolve().parents if (own := _of_bench(above, lists)) is not None]
        if not counted or folder == given or folder.resolve() in counted[0]:
            yield folder
        else:
            left_out += 1
    if left_out:
        logger.warning("%s: %d finished runs are of settings that its tables no longer have", given, left_out)


def _of_bench(folder: Path, lists: dict[Path, set[Path] | None]) -> set[Path] | None:
    """The runs of the bench in a folder; None where there is no bench."""
    if folder not in lists:
        path = folder / RUNS
        names = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        lists[folder] = None if names is None else {(folder / name).resolve() for name in names}
    return lists[folder]
