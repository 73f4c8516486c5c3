"""Tables that a page's script fills, sorts and searches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd


def column(label: str, values: Iterable[Any], **how: Any) -> dict[str, Any]:
    """A column of `records`; numbers have a `form`."""
    values = list(values)
    if values and not isinstance(values[0], str):
        how = {"form": "number", "digits": 3} | how
        values = numbers(values)
    return {"label": label, "first": "ascending", **how, "values": values}


def records(
    noun: str,
    columns: list[dict[str, Any]],
    searched: list[int],
    choose: int | None = None,
    order: Any = None,
    caption: str = "",
) -> dict[str, Any]:
    """A table of rows that the page's script sorts, searches and shows fifty at a time."""
    how = {"searched": searched, "choose": choose, "order": order, "caption": caption}
    return {"noun": noun, "columns": columns, **how}


def numbers(values: Iterable[Any]) -> list[float | None]:
    """As few digits as are shown: a page of thousands of samples stays small."""
    return [
        None if pd.isna(value) else float(f"{value:.9g}" if abs(value) >= 1000 else f"{value:.4g}")
        for value in values
    ]


def number(value: Any) -> Any:
    """JSON and templates have no NaN."""
    return None if isinstance(value, float) and np.isnan(value) else value
