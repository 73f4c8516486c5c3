"""The rows of a table as steps of one modality, by the one rule for columns."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affect.data.precision import BEYOND
from affect.data.rules.arraylike import narrow
from affect.data.rules.columns import column_kinds, failed
from affect.data.rules.observed import observed
from affect.data.sources.features import Features
from affect.data.sources.tables.of_samples import numbers

if TYPE_CHECKING:
    import pandas as pd

_EMPTY = "steps that hold nothing or zeros"


def steps(
    frame: pd.DataFrame,
    path: Path,
    keep: Collection[str] = (),
    targets: Collection[str] = (),
    prefix: str = "",
    judged: pd.DataFrame | None = None,
) -> Features:
    """The steps of a modality; a time that is missing is NaN.

    Args:
        frame: its columns; a row is a step.
        path: begins messages.
        keep: columns that are features whatever they are called.
        targets: names of targets; a column of that name is a label.
        prefix: stands before the names of all columns.
        judged: `success`, and `confidence` where it is there, of the same rows; they count where the modality
            has no `success` of its own.
    Raises:
        DataError: what should be numbers is text.
    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"frame": [1, 2], "success": [1, 0], "AU01_r": [0.5, 0.0]})
        >>> found = steps(frame, Path("a.csv"))
        >>> found.columns, found.observed.tolist(), found.left
        (('AU01_r',), [True, False], ('frame', 'success'))
    """
    names = [str(name)[len(prefix) :] for name in frame.columns.tolist()]
    parted = column_kinds(names, keep, targets)
    matrix = frame.to_numpy()
    if matrix.dtype.kind != "f":
        needed = (*parted.features, *(parted.times or ()), parted.success, parted.confidence)
        own = [i for i, name in enumerate(names) if name in needed]
        names, matrix = [names[i] for i in own], numbers(frame.iloc[:, own], path).to_numpy(np.float64)
    at = {name: i for i, name in enumerate(names)}

    def column(name: str) -> NDArray[np.float64]:
        return np.asarray(matrix[:, at[name]], np.float64)

    values, wild = narrow(matrix[:, [at[name] for name in parted.features]])
    values = values.astype(np.float32, copy=False)
    times = None if parted.times is None else np.stack([column(name) for name in parted.times], 1)
    seen, notes = None, [(BEYOND, wild)]
    unmeasured = failed(parted, column)
    if judged is not None and not parted.success:
        unmeasured = failed(column_kinds(map(str, judged)), lambda name: judged[name].to_numpy(np.float64))
    if unmeasured is not None:
        none, why = unmeasured
        seen = ~none & observed(values)
        notes += [
            (f"steps that were not measured ({why})", int(none.sum())),
            (_EMPTY, int((~none & ~seen).sum())),
        ]
    return Features(
        values=values,
        columns=parted.features,
        times=times,
        observed=seen,
        left=parted.left,
        notes=tuple((said, count) for said, count in notes if count),
    )
