"""Columns of labels of utterances: their kinds, told from all splits together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from affect.data.rules.kinds import inferred
from affect.data.sources.cells import is_number
from affect.data.sources.dialogues.known import published_order
from affect.data.sources.dialogues.utterance_tables import Utterance
from affect.data.targets import MultiClass, Regression, Target

_SCALES = {"valence": (1, 9), "arousal": (1, 9)}
"""Of MUStARD++, whose labels have whole numbers."""


def kinds(
    columns: Iterable[str], rows: list[Utterance], scales: bool = False
) -> tuple[tuple[Target, ...], dict[str, NDArray[np.float64]], list[str]]:
    """The targets, the labels of every row by target (NaN where none is given), and notes.

    Only 0 and 1 is binary, other numbers are a regression, text names classes: in the order of their
    published codes where the corpus is known by them, else in that of the alphabet.

    Args:
        columns: of labels.
        rows: of all splits.
        scales: whether valence and arousal are those of MUStARD++, from 1 to 9.
    Shapes:
        -> (rows,) each
    """
    import pandas as pd

    targets, labels, notes = [], {}, []
    for column in columns:
        name = re.sub(r"\W+", "_", column.strip().lower()).strip("_")
        cells = [row.labels.get(column) for row in rows]
        given = [cell for cell in cells if cell is not None]
        if not given:
            notes.append(f"The column '{column}' is empty and is left out.")
            continue
        numeric = all(map(is_number, given))
        values: list[float | str | None] = [
            None if cell is None else float(cell) if numeric else cell for cell in cells
        ]
        series = pd.Series(values, dtype=float if numeric else object)
        found = inferred(name, series)
        if found is None:
            notes.append(f"Not read: column '{column}', whose {len(set(given)):,} texts are hardly classes.")
            continue
        target, codes, seen = found
        coded = np.where(seen, codes, np.nan).astype(np.float64)
        if isinstance(target, MultiClass):
            order = published_order(target.classes)
            places = np.array([order.index(one) for one in target.classes], np.float64)
            coded[seen] = places[codes[seen].astype(int)]
            target = replace(target, classes=order)
        if scales and isinstance(target, Regression) and name in _SCALES:
            low, high = _SCALES[name]
            target = Regression(name, low=low, high=high)
        targets.append(replace(target, per_step=True))
        labels[name] = coded
    return tuple(targets), labels, notes
