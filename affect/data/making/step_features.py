"""Columns that have names: which are features, and what the others say of the steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affect.data.rules.arraylike import array, seconds
from affect.data.rules.columns import column_kinds, failed
from affect.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class StepFeatures:
    """Features, and what is known of their steps.

    Args:
        values: the features; the axes before the last are those of the steps.
        times: start and end of each step.
        mask: which steps are there; None where nobody says.
        columns: the names of the features.
        left: columns that are none and were left out.
        failed: steps that the tool says it did not measure.
    Shapes:
        values: (.., feature)
        times: (.., 2)
        mask: (..)
    """

    values: NDArray[Any]
    times: NDArray[np.float64] | None = None
    mask: NDArray[np.bool_] | None = None
    columns: tuple[str, ...] | None = None
    left: tuple[str, ...] = ()
    failed: int = 0


def features_of_frame(
    frame: pd.DataFrame, where: str, chosen: tuple[str, ...] | None, targets: Collection[str]
) -> StepFeatures:
    """The features of a frame, a row for each step; arguments and refusals as in `features_of_columns`.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"timestamp": [0.0, 0.1], "success": [1, 0], "AU01_r": [0.5, 0.0]})
        >>> found = features_of_frame(frame, "doc", None, ())
        >>> found.columns, found.times[:, 0].tolist(), found.mask.tolist(), found.left
        (('AU01_r',), [0.0, 0.1], [True, False], ('success',))
    """
    names = [str(name) for name in frame.columns]
    places: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        places.setdefault(name, []).append(i)

    def column(name: str) -> NDArray[Any]:
        first, *more = places[name]
        if more:
            raise DataError(f"{where}: two columns are named '{name}'; rename one")
        return array(frame.iloc[:, first], f"{where}: column '{name}'")

    return features_of_columns(names, column, where, chosen, targets)


def features_of_columns(
    names: Iterable[str],
    column: Callable[[str], NDArray[Any]],
    where: str,
    chosen: tuple[str, ...] | None,
    targets: Collection[str],
    keep: Collection[str] = (),
) -> StepFeatures:
    """The features among columns that have names; `affect.data.rules.columns` has the rule.

    Args:
        names: of all columns.
        column: gives the values of one, of any shape.
        where: begins messages.
        chosen: the features, in this order; None: all that the rule takes for some.
        targets: names of targets; a column of that name is a label.
        keep: columns that are features whatever they are called.
    Raises:
        DataError: there are no features, one that is wanted is not there, or one holds text.
    """
    every = list(names)
    known = set(every)
    for name in chosen or ():
        if name not in known:
            raise DataError(f"{where}: no column '{name}'; {did_you_mean(name, every)}")
    found = column_kinds(every, keep if chosen is None else chosen, targets)
    features = found.features if chosen is None else chosen
    if not features:
        raise DataError(f"{where}: no features among its columns {', '.join(every)[:100]}")
    values = np.stack([column(name) for name in features], -1)
    times = None
    if found.times is not None:
        times = seconds(
            np.stack([column(name) for name in found.times], -1), values.shape[:-1], f"{where}: times"
        )
    none, _ = failed(found, column) or (np.zeros(0, dtype=bool), "")
    count = int(none.sum())
    left = found.left if chosen is None else ()
    return StepFeatures(values, times, ~none if count else None, tuple(features), left, count)
