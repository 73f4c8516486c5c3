"""What kind of labels a column holds, told from what stands in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affect.data.targets import Binary, MultiClass, Regression, Target

if TYPE_CHECKING:
    import pandas as pd

LABELS = {
    "label": "sentiment",
    "label_T": "sentiment_text",
    "label_A": "sentiment_acoustic",
    "label_V": "sentiment_visual",
}
_MANY = 20
"""So many classes are believed of a column of text; of more, each must recur."""


def inferred(
    name: str, column: pd.Series[Any]
) -> tuple[Target, NDArray[np.float32], NDArray[np.bool_]] | None:
    """What a column of labels is, its labels, and which are given; None where it is no label.

    Only 0 and 1 is binary, other numbers are a regression, text names classes, without the blanks around it.

    Args:
        name: of the target.
        column: numbers or text, NaN where none is given.
    Shapes:
        (rows,) -> (rows,), (rows,)
    Example:
        >>> import pandas as pd
        >>> target, values, seen = inferred("mood", pd.Series(["sad", None, "happy"]))
        >>> target.classes, values.tolist(), seen.tolist()
        (('happy', 'sad'), [1.0, 0.0, 0.0], [True, False, True])
    """
    from pandas.api.types import is_numeric_dtype

    seen = column.notna().to_numpy().copy()
    values = np.zeros(len(column), np.float32)
    if not name or not seen.any() or name.startswith("__index_level_"):
        return None
    if is_numeric_dtype(column):  # yes and no among them
        with np.errstate(over="ignore", invalid="ignore"):
            values[seen] = column[seen].to_numpy(np.float64)
        target = Binary(name) if np.isin(values[seen], (0, 1)).all() else Regression(name)
        return target, values, seen
    seen &= column.map(lambda one: str(one).strip() != "").to_numpy()
    said = [str(one).strip() for one in column[seen]]
    classes = {one: i for i, one in enumerate(sorted(set(said)))}
    if len(classes) > max(_MANY, len(said) // 2):
        return None
    values[seen] = [classes[one] for one in said]
    return MultiClass(name, classes=tuple(classes)), values, seen


def texts(frame: pd.DataFrame) -> list[int]:
    """The places of the columns that do not hold numbers.

    Example:
        >>> import pandas as pd
        >>> texts(pd.DataFrame({"x": [1.5], "mood": ["sad"], "smiles": [True]}))
        [1]
    """
    from pandas.api.types import is_numeric_dtype

    kinds = list(frame.dtypes)
    others = {kind for kind in set(kinds) if not is_numeric_dtype(kind)}
    return [i for i, kind in enumerate(kinds) if kind in others] if others else []
