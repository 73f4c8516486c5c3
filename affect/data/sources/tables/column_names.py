"""What columns of a table are called: known names in other letters, and what pandas makes of doubled ones."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affect.data.rules.columns import quoted
from affect.data.rules.splits import split_of
from affect.data.sources.options import DEFAULTS, Options
from affect.data.sources.tables import frames, headers
from affect.data.sources.tables.of_samples import KNOWN, SPLIT, TEXTS, TIMES, TIMESTAMP

if TYPE_CHECKING:
    import pandas as pd

_ALSO_SPLITS = ("set", "partition", "subset")
_COUNTED = re.compile(r"(.+)\.\d+", re.DOTALL)


def table(path: Path, options: Options = DEFAULTS) -> tuple[frames.Table, tuple[str, ...]]:
    r"""A table whose known columns are called as they are known, and notes on those that were not.

    A column of times in other letters is one where it holds numbers; `set`, `partition` and `subset` are
    splits where no column says them by a known name and all that stands there is the name of a split.

    Args:
        path: of the table.
        options: columns that are named there keep their names.
    Raises:
        DataError: as `affect.data.sources.tables.frames.table`.
    Example:
        >>> path = getfixture("tmp_path") / "a.csv"
        >>> _ = path.write_text("ID,set,y\n007,train,1\n008,test,0\n")
        >>> found, notes = table(path)
        >>> found.frame.id.tolist(), found.frame.split.tolist()
        (['007', '008'], ['train', 'test'])
        >>> notes
        ("Column 'ID' is read as 'id'.", "Column 'set' holds names of splits and is read as 'split'.")
    """
    cased = [name for name in headers.columns(path) if name.lower() in TEXTS]
    found = frames.table(path, {*TEXTS, *cased})
    frame = found.frame
    names = [str(name) for name in frame]
    spared = {*options.columns, *options.targets}
    changed: dict[str, str] = {}
    for name in names:
        known = name.strip().lower()
        if known not in (*KNOWN, TIMESTAMP) or name in spared or known in (*names, *changed.values()):
            continue
        if known not in (*TIMES, TIMESTAMP) or _are_known(frame[name]):
            changed[name] = known
    notes = [f"Column '{name}' is read as '{known}'." for name, known in changed.items()]
    if not {*SPLIT} & {*names, *changed.values()}:
        plain = (name for name in names if name.strip().lower() in _ALSO_SPLITS and name not in spared)
        column = next((name for name in plain if all(map(split_of, frame[name]))), None)
        if column is not None and len(frame):
            changed[column] = SPLIT[0]
            notes.append(f"Column '{column}' holds names of splits and is read as '{SPLIT[0]}'.")
    if not changed:
        return found, ()
    frame = frame.rename(columns=changed)
    for name in {*changed.values()} & {*TEXTS}:  # Parquet's columns may be numbers
        frame[name] = frame[name].astype(object).where(frame[name].notna(), "").map(str)
    return replace(found, frame=frame), tuple(notes)


def _are_known(column: pd.Series[Any]) -> bool:
    from pandas.api.types import is_numeric_dtype

    return is_numeric_dtype(column) and bool(column.notna().all())


def counted(names: Iterable[str], prefixes: Collection[str] = ()) -> tuple[str, ...]:
    """The columns that pandas numbered since another one has their name: `y.1` beside `y`.

    Args:
        names: of all columns.
        prefixes: names of modalities that a user gives; what begins with one is a feature.
    Example:
        >>> counted(["id", "y", "y.1", "y.f1", "ecg.1", "Unnamed: 0", "Unnamed: 0.1"], ["Unnamed: 0"])
        ('y.1',)
    """
    every = list(names)
    plain = {name for name in every if "." not in name}
    matched = ((name, _COUNTED.fullmatch(name)) for name in every)
    return tuple(name for name, one in matched if one and one[1] in plain and one[1] not in prefixes)


def counted_note(names: Iterable[str]) -> str:
    """The note on columns that pandas numbered.

    Example:
        >>> counted_note(["y.1"])
        "Column 'y.1' is left out: pandas numbers columns of one name so; `prefixes` makes it a feature."
    """
    said, is_one = quoted(names)
    verb, it = ("is", "it a feature") if is_one else ("are", "them features")
    return f"C{said[1:]} {verb} left out: pandas numbers columns of one name so; `prefixes` makes {it}."
