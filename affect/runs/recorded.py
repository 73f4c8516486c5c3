"""What a run's files say, each checked when it is read: against the manifest, and by its form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affect.classes import FOLDER
from affect.errors import DataError, described
from affect.manifest import Manifest, read_facts
from affect.spreadsheets import frame_of
from affect.training.saving import CONFIG, DONE
from affect.yaml_files import parse_yaml

if TYPE_CHECKING:
    import pandas as pd

REMEDY = "train it again, or bring the file back"
"""What to do about a run that is not what was written."""

_NUMBER = (int, float)
_NAMES = {
    str: "a text", int: "a whole number", bool: "True or False", dict: "keys and values", list: "a list",
    _NUMBER: "a number",
}  # fmt: skip
_FACTS: dict[str, Any] = {
    "name": str,
    "seed": int,
    "fold": int,
    "shape": {
        "dims": {"*": int},
        "aligned": bool,
        "target": {"kind": str, "name": str},
        "columns?": {"*": list},
        "provenance?": {"*": dict},
        "scaled?": list,
    },
    "corpus": {"name": str, "notes": list, "ceiling??": {"*": _NUMBER}},
    "stage_corpora?": {"*": {"name": str, "notes": list, "content??": str}},
    "metrics?": {"*": {"bounds": list, "higher_is_better": bool}},
    "modules??": {"digest": str, "files": {"*": str}},
    "learned_from?": dict,
    "frozen?": {"*": {"weights": str}},
    "costs?": dict,
    "ran_on?": dict,
    "best_epoch?": int,
    "chosen_by?": str,
    "seconds?": _NUMBER,
}
_CONTENT: dict[str, Any] = {"corpus": str, "model": dict, "training?": dict}
_COLUMNS: dict[str, tuple[list[str], str]] = {
    "results": (["model", "split", "metric", "value"], "value"),
    "predictions": (["id", "step", "split", "fold"], r"step|fold|prediction.*|truth.*"),
    "history": (["epoch"], "(?!stage$).*"),
}
"""Of each table the columns that it must have, and those that hold numbers."""


def facts_of_run(folder: Path) -> dict[str, Any]:
    """What `run.json` says, once every file of its manifest is seen to be there in its size.

    The user's modules are left to their own check (`affect.runs.FinishedRun.configuration`).

    Args:
        folder: of the run.
    Raises:
        DataError: a file is gone or has another size; `run.json` is no JSON, was changed, or says no run.
    """
    path = folder / DONE
    facts: dict[str, Any] = read_facts(path, REMEDY)
    check_form(facts, _FACTS, str(path))
    if unknown := sorted({*map(str, facts["shape"].get("scaled", ()))} - facts["shape"]["dims"].keys()):
        raise DataError(f"{path}: shape.scaled: no modality '{unknown[0]}'; {REMEDY}")
    manifest_of(folder, facts).check_sizes(without=FOLDER)
    return facts


def manifest_of(folder: Path, facts: Mapping[str, Any]) -> Manifest:
    """The files of a run as they were written.

    Args:
        folder: of the run.
        facts: what its `run.json` says.
    Raises:
        DataError: the manifest has another form.
    """
    return Manifest.of(folder / DONE, REMEDY, facts)


def content_of_run(manifest: Manifest) -> dict[str, Any]:
    """The plain values of a run's configuration.

    Args:
        manifest: of the run.
    Raises:
        DataError: the file was edited, is no YAML, or has another form.
    """
    path = str(manifest.folder / CONFIG)
    try:
        content = parse_yaml(manifest.read(CONFIG))
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{path}: not YAML: {error}; {REMEDY}") from None
    check_form(content, _CONTENT, path)
    return dict(content)


def table_of_run(manifest: Manifest, name: str) -> pd.DataFrame:
    """A table of a run: results, predictions or history; empty where it was made without.

    Args:
        manifest: of the run.
        name: of the table.
    Raises:
        DataError: the file was changed or is gone, is no table, lacks a column, or holds text or nothing
            where a number belongs.
    """
    import pandas as pd

    file = f"{name}.csv"
    if not manifest.has(file):
        path = manifest.folder / file
        needed = manifest.files is None and name != "history"
        if needed or path.exists() or path.is_symlink():  # a folder, or a link to nothing
            manifest.read(file)
        return pd.DataFrame()
    columns, numbers = _COLUMNS[name]
    rows = read_table(manifest, file, columns, numbers)
    if manifest.files is None:  # a digest says as much, and more
        if not manifest.read(file).endswith(b"\n"):
            raise DataError(f"{manifest.folder / file}: is cut off: its last line has no end; {REMEDY}")
        if name == "predictions":
            _check_predictions(rows, manifest.folder / file)
    return rows


def read_table(manifest: Manifest, name: str, columns: list[str], numbers: str) -> pd.DataFrame:
    """A table in a folder.

    Args:
        manifest: of the folder.
        name: of the file.
        columns: that it must have.
        numbers: a pattern that matches the names of all columns that hold numbers.
    Raises:
        DataError: the file was changed or is gone, is no table, lacks a column, or holds text where a number
            belongs.
    """
    import pandas as pd

    path, content = manifest.folder / name, manifest.read(name)
    try:
        rows = frame_of(content)
    except (ValueError, OverflowError, RecursionError) as error:
        raise DataError(f"{path}: no table: {' '.join(str(error).split())}; {manifest.remedy}") from None
    if not isinstance(rows.index, pd.RangeIndex):
        raise DataError(f"{path}: rows have more cells than there are columns; {manifest.remedy}")
    for column in columns:
        if column not in rows:
            raise DataError(f"{path}: no column '{column}'; {manifest.remedy}")
    kinds = rows.dtypes.to_dict() if len(rows) else {}
    for column in [str(name) for name, dtype in kinds.items() if dtype.kind not in "iuf"]:
        if re.fullmatch(numbers, column):
            wrong = pd.to_numeric(rows[column], errors="coerce").isna() & rows[column].notna()
            got = f", got {str(rows[column][wrong].iloc[0])[:40]!r}" if wrong.any() else ""
            raise DataError(f"{path}: column '{column}': expected numbers{got}; {manifest.remedy}")
    return rows


def check_form(found: Any, form: Mapping[str, Any], where: str, remedy: str = REMEDY) -> None:
    """Refuse plain values that do not have a form.

    Args:
        found: the values.
        form: of each key its type or its own form; `*` for any key, `key?` for one that may be left out,
            `key??` for one that may be nothing too.
        where: begins the message.
        remedy: ends it.
    Raises:
        DataError: as said.
    Example:
        >>> check_form({"seed": "0"}, {"seed": int}, "run.json")
        Traceback (most recent call last):
        affect.errors.DataError: run.json: seed: expected a whole number, got the text '0'; train it again,
        or bring the file back
    """
    for wrong in _wrong(found, form, ""):
        raise DataError(f"{where}: {wrong}; {remedy}")


def _wrong(found: Any, form: Any, place: str) -> Iterator[str]:
    wanted = dict if isinstance(form, Mapping) else form
    fits = isinstance(found, wanted) and (wanted is bool or not isinstance(found, bool))
    if not fits:
        yield f"{place and place + ': '}expected {_NAMES[wanted]}, got {described(found)}"
    elif isinstance(form, Mapping):
        for key, inner in form.items():
            name = key.rstrip("?")
            if key == "*":
                for own, value in found.items():
                    yield from _wrong(value, inner, f"{place}.{own}".lstrip("."))
            elif name in found:
                if found[name] is not None or not key.endswith("??"):
                    yield from _wrong(found[name], inner, f"{place}.{name}".lstrip("."))
            elif key == name:
                yield f"{f'{place}.{name}'.lstrip('.')}: is missing"


def _check_predictions(rows: pd.DataFrame, path: Path) -> None:
    """Refuse what no release has written."""
    made = rows.columns[rows.columns.str.match("prediction")]
    if not len(made) or not len(rows):
        raise DataError(f"{path}: no predictions; {REMEDY}")
    if (empty := rows[made].isna().any(axis=1)).any():
        raise DataError(f"{path}: sample {rows['id'][empty].iloc[0]} has no prediction; {REMEDY}")
    if (twice := rows.duplicated(["split", "id", "step"])).any():
        raise DataError(f"{path}: sample {rows['id'][twice].iloc[0]} stands in it twice; {REMEDY}")
