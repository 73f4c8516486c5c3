"""Which runs lie in a folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from affect.errors import DataError, described
from affect.files import place_of, real
from affect.manifest import Manifest, read_facts, write_facts
from affect.runs.damage import misplaced
from affect.runs.finished import FinishedRun
from affect.runs.jobs import STARTED
from affect.runs.recorded import REMEDY, check_form, read_table
from affect.runs.standing import FAILED
from affect.training.saving import CONFIG, DONE

logger = logging.getLogger(__name__)
RUNS = "runs.json"
"""The file beside a bench's tables that lists the runs they were made of; others have other settings."""

TABLES = ("results.csv", "summary.csv", "comparisons.csv", "costs.csv", "table.md", "table.tex", "notes.txt")
"""The files of a bench beside it, which it says the digests of."""

_REMEDY = "run the bench again, or bring the file back"
_WHOLE = {CONFIG, "results.csv", "predictions.csv"}
"""What a folder holds that was a finished run, or was to be one within the second."""


def find(folders: Iterable[str | Path]) -> list[FinishedRun]:
    """The finished runs in or below the folders, in their order and then by path.

    Of what lies below a bench's folder, only those that its tables were made of; a log line says how many
    others there are. A run that is named itself is taken in any case.

    Raises:
        DataError: there is none, or two of the same corpus, target, model, seed and fold; a run that a bench
            lists is gone, or a file of a run is, or has another size.
    """
    found: dict[tuple[Any, ...], FinishedRun] = {}
    places = [Path(folder) for folder in folders]
    for folder in (folder for place in places for folder in _listed(place)):
        run = FinishedRun.read(folder)
        key = (run.facts["corpus"]["name"], run.target.name, run.name, run.seed, run.fold)
        if key in found and real(found[key].folder) != real(run.folder):
            raise DataError(
                f"{run.folder}: another run of {run.name}, seed {run.seed}, fold {run.fold} is in "
                f"{found[key].folder}; name the one that is meant"
            )
        found.setdefault(key, run)
        if (wrong := misplaced(run)) is not None:
            logger.warning("%s; it counts as that", wrong)
    if not found:
        raise DataError(
            f"no finished run in {', '.join(map(str, places))}; expected folders that hold {DONE}"
        )
    return list(found.values())


def leave_list(runs: Iterable[FinishedRun], out: Path) -> None:
    """Write down in a bench's folder which runs its tables are made of, and the digests of the tables."""
    folders = [Path(os.path.relpath(real(run.folder), real(out))).as_posix() for run in runs]
    tables = [name for name in TABLES if (out / name).is_file()]
    write_facts(out / RUNS, {"runs": sorted(folders)}, tables)


def table_of_bench(folder: Path, name: str) -> pd.DataFrame:
    """A table of a bench, as the bench wrote it.

    Args:
        folder: of the bench.
        name: of the file.
    Raises:
        DataError: it was changed or is gone, or the list of runs beside it is.
    """
    return read_table(_manifest(folder), name, ["corpus", "target", "metric"], _NUMBERS)


def notes_of_bench(folder: Path, name: str) -> list[str]:
    """The lines of a text of a bench, as the bench wrote it.

    Args:
        folder: of the bench.
        name: of the file.
    Raises:
        DataError: it was changed or is gone, or the list of runs beside it is.
    """
    try:
        return _manifest(folder).read(name).decode().splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{folder / name}: no text: {error}; {_REMEDY}") from None


_NUMBERS = (
    "mean|std|low|high|seeds|count|floor|ceiling|gain_low|gain_high|failed|difference|p|p_all|p_holm|effect"
)


def _manifest(folder: Path) -> Manifest:
    path = folder / RUNS
    if _no_more(path):
        return Manifest(folder, None, _REMEDY)
    return Manifest.of(path, _REMEDY, _list_of(path))


def _no_more(path: Path) -> bool:
    return not path.is_symlink() and not path.exists()


def _list_of(path: Path) -> dict[str, Any]:
    """What a bench's list says; that of an older release is the folders alone."""
    facts = read_facts(path, _REMEDY, list)
    facts = {"runs": facts} if isinstance(facts, list) else facts
    check_form(facts, {"runs": list}, str(path), _REMEDY)
    if not facts["runs"]:
        raise DataError(f"{path}: lists no run; {_REMEDY}")
    for name in facts["runs"]:
        if not isinstance(name, str) or "\0" in name:
            raise DataError(f"{path}: expected folders of runs, got {described(name)}; {_REMEDY}")
    return facts


def _listed(given: Path) -> Iterator[Path]:
    """The folders of runs in or below a folder, but for those that a bench above them no longer counts."""
    left_out, lists, seen = 0, dict[Path, set[Path] | None](), set[Path]()
    for folder in sorted(_folders_of_runs(given), key=lambda folder: folder / DONE):
        whole = real(folder)
        seen.add(whole)
        counted = [own for above in whole.parents if (own := _of_bench(above, lists)) is not None]
        if not counted or folder == given or whole in counted[0]:
            yield folder
        else:
            left_out += 1
    top = real(given)
    for bench, runs in lists.items():
        for gone in sorted((runs or set()) - seen):
            if gone == top or top in gone.parents:
                raise DataError(f"{bench / RUNS}: the run {gone} is missing, or has no {DONE}; {_REMEDY}")
    if left_out:
        logger.warning("%s: %d finished runs are of settings that its tables no longer have", given, left_out)


def _folders_of_runs(given: Path) -> Iterator[Path]:
    """Every folder that holds a run; one that held a run is refused, as it would be left out."""
    unfinished = 0
    for place, folders, files in os.walk(given, onerror=_refuse):
        for name in folders:
            meant = place_of(Path(place, name))
            if meant is not None and meant.name not in folders and Path(place, name, DONE).is_file():
                raise DataError(
                    f"{meant}: is being replaced, or was when it was killed; run the "
                    "command that made it again"
                )
        folders[:] = [name for name in folders if name[0] != "."]  # these are being made
        if DONE in files or DONE in folders:
            yield Path(place)
        elif {STARTED, FAILED} & {*files}:
            unfinished += 1
        elif {*files} >= _WHOLE:
            raise DataError(f"{Path(place) / DONE}: is missing; {REMEDY}")
    if unfinished:
        logger.warning("%s: %d runs failed or are not finished, and are left out", given, unfinished)


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):  # it was renamed meanwhile
        raise error


def _of_bench(folder: Path, lists: dict[Path, set[Path] | None]) -> set[Path] | None:
    """The runs of the bench in a folder; None where there is no bench."""
    if folder not in lists:
        path = folder / RUNS
        names = None if _no_more(path) else _list_of(path)["runs"]
        if names is None and all((folder / name).is_file() for name in TABLES[:3]):
            logger.warning(
                "%s is missing: every run below it counts, those of earlier settings too; %s", path, _REMEDY
            )
        lists[folder] = None if names is None else {real(folder / name) for name in names}
    return lists[folder]
