"""Tables as CSV files: every text comes back as it was, and no spreadsheet takes one for a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd

FORMULA: Final = re.compile(r"'*[=@\t\r+-]")
"""How a text begins that a spreadsheet may take for a formula."""
HARMLESS: Final = re.compile(r"'*[+-][\w.$\[\]-]*|[+-]?[\d.]+[eE][+-]?\d+")
"""Ids of videos begin with a hyphen, and numbers with a sign: without brackets, bars and blanks they call
nothing."""

_NAMES: Final = {"id", "corpus", "target", "model", "split", "condition", "metric"}
"""Columns that hold a text in every row; an empty one too, and "NA" is one."""
_TEXTS: Final = {*_NAMES, "reference", "source", "beside", "differs", "better", "worse", "verdict"}


def csv_of(frame: pd.DataFrame) -> str:
    r"""A table as the text of a CSV file, without its index; `frame_of` reads it.

    Args:
        frame: of any values.
    Example:
        >>> import pandas as pd
        >>> csv_of(pd.DataFrame({"id": ["a\rb", "=1"], "mae": [0.5, None]}))
        '"id","mae"\n"a\rb",0.5\n"\'=1",""\n'
    """
    frame = guarded(frame)
    text: str = frame.to_csv(index=False, lineterminator="\n")
    if "\r" in text:  # which ends a line where it stands without quotes
        text = frame.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return text


def frame_of(content: bytes) -> pd.DataFrame:
    r"""The table in a CSV file that `csv_of` has written, or an older release.

    Args:
        content: of the file.
    Raises:
        ValueError: it is no table.
    Example:
        >>> frame_of(b"id,mae\nNA,0.5\n007,\n")["id"].tolist()
        ['NA', '007']
    """
    import pandas as pd

    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    try:
        columns = next(csv.reader(lines), [])
    except csv.Error as error:
        raise ValueError(str(error)) from None
    rows = pd.read_csv(
        io.BytesIO(content),
        dtype=dict.fromkeys(_TEXTS.intersection(columns), str),
        keep_default_na=False,
        na_values={name: [""] for name in columns if name not in _NAMES},
        low_memory=False,
        **exactly(),
    )
    return unguarded(rows) if b"'" in content else rows


def exactly() -> dict[str, Any]:
    r"""What makes `pandas.read_csv` read each number to its last digit: before 3.1 it may miss that.

    Example:
        >>> import io, pandas as pd
        >>> float(pd.read_csv(io.StringIO("a\n0.17259860038757324"), **exactly())["a"][0])
        0.17259860038757324
    """
    import pandas as pd

    release = tuple(map(int, pd.__version__.split(".")[:2]))
    return {"float_precision": "round_trip"} if release < (3, 1) else {}


def guarded(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose texts no spreadsheet takes for formulas: an apostrophe stands before those that it would.

    Such begin with `=`, `@`, a tab or a carriage return, or with `+` or `-` and are no mere name. Names of
    columns are texts too. Numbers, and all other texts, stay as they are. `unguarded` takes the apostrophes
    away.

    Args:
        frame: of any values.
    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"id": ["=1+1", "-3g5yACwYnA[3]"], "mae": [-1.0, 0.5]})
        >>> print(guarded(table).to_csv(index=False), end="")
        id,mae
        '=1+1,-1.0
        -3g5yACwYnA[3],0.5
    """
    return _each(frame, lambda text: f"'{text}" if _opens(text) else text)


def unguarded(frame: pd.DataFrame) -> pd.DataFrame:
    """A table as it was before it was `guarded`.

    Args:
        frame: as it was read.
    Example:
        >>> import pandas as pd
        >>> unguarded(guarded(pd.DataFrame({"id": ["=1", "'=1", "'a"]})))["id"].tolist()
        ['=1', "'=1", "'a"]
    """
    return _each(frame, lambda text: text[1:] if text[:1] == "'" and _opens(text) else text)


def _opens(text: str) -> bool:
    return FORMULA.match(text) is not None and HARMLESS.fullmatch(text) is None


def _each(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """The table with every text changed, in the names of its columns too; itself where none is."""
    names = frame.columns.map(lambda name: change(name) if isinstance(name, str) else name)
    changed = {}
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if column.dtype.kind == "O":
            known = {x: new for x in set(map(_text, column)) if x is not None and (new := change(x)) != x}
            if known:
                changed[place] = [known.get(x, x) if isinstance(x, str) else x for x in column]
    if not changed and names.equals(frame.columns):
        return frame
    frame = frame.copy()
    frame.columns = names
    for place, values in changed.items():
        frame.isetitem(place, values)
    return frame


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
