"""Decimal commas: which columns of a table are numbers that were written with them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affect.data.rules.columns import quoted
from affect.data.rules.kinds import texts
from affect.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_NUMBER = re.compile(r"[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


def pointed(
    frame: pd.DataFrame, path: Path, text: Collection[str] = ()
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The same frame, its decimal commas read, and the columns that had any.

    A comma is a decimal mark where all of a column is a number by it, where in some cell it cannot stand
    between thousands, and where no column has decimal points.

    Args:
        frame: columns of text may be numbers with commas.
        path: begins messages.
        text: columns that are text whatever stands in them.
    Raises:
        DataError: commas may be decimal marks or stand between thousands, or points are decimal marks too.
    Example:
        >>> import pandas as pd
        >>> found, names = pointed(pd.DataFrame({"x": ["0,5", "2"], "kind": ["a", "b"]}), Path("a.csv"))
        >>> found.x.tolist(), names
        ([0.5, 2.0], ('x',))
    """
    places = dict.fromkeys(texts(frame))
    names = [str(frame.columns[i]) for i in places]
    said = {name: _cells(frame[name]) for name in names if name not in text}
    commas = {name: cells for name, cells in said.items() if any("," in one for one in cells)}
    if not commas:
        return frame, ()
    first = next(iter(commas))
    cell = next(one for one in commas[first] if "," in one)
    others = (name for i, name in enumerate(frame) if i not in places)
    point = next((name for name in others if _has_fraction(frame[name])), None)
    if point is not None:
        raise DataError(
            f"{path}: column '{first}' holds '{cell}', but column '{point}' has decimal points; write all "
            "numbers with points, and lists with blanks"
        )
    if all(_THOUSANDS.fullmatch(one) for cells in commas.values() for one in cells if "," in one):
        raise DataError(
            f"{path}: column '{first}' holds '{cell}', which may be {cell.replace(',', '.')} or "
            f"{cell.replace(',', '')}; write numbers with decimal points, and nothing between thousands"
        )
    return frame.assign(**{name: _numbers(frame[name]) for name in commas}), tuple(commas)


def _cells(column: pd.Series[Any]) -> set[str]:
    """What a column holds, if it is all numbers by their commas; else nothing."""
    cells: set[str] = set()
    for one in column.dropna():
        cell = str(one).strip()
        if not _NUMBER.fullmatch(cell):
            return set()
        cells.add(cell)
    return cells


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    given = column.astype(object).where(column.notna(), "nan")
    return given.map(lambda cell: float(str(cell).strip().replace(",", "."))).astype(np.float64)


def _has_fraction(column: pd.Series[Any]) -> bool:
    values = column.to_numpy(np.float64)
    values = values[np.isfinite(values)]
    return bool((values != np.rint(values)).any())


def note(columns: Iterable[str]) -> str:
    """The note on columns whose decimal commas were read.

    Example:
        >>> note(["x", "y"])
        "Columns 'x' and 'y' have decimal commas: 1,5 is read as 1.5."
    """
    said, is_one = quoted(columns)
    return f"C{said[1:]} {'has' if is_one else 'have'} decimal commas: 1,5 is read as 1.5."
