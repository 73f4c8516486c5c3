"""Labels of one split as they are given: numbers or names, of samples or of their steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.ragged import Rows
from affect.data.rules.arraylike import array, is_frame, is_tensor, truths
from affect.data.rules.lengths import whole
from affect.data.rules.values import text
from affect.errors import DataError


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of one split, end to end.

    Args:
        where: begins messages.
        values: numbers, NaN where there is none, (labels, columns); None where they are names.
        names: of classes; None where there is none.
        counts: labels of each sample; None: one each.
        columns: the names of the columns, where they have any.
        order: all names of classes, where they are given in an order of their own.
    """

    where: str
    values: NDArray[np.float64] | None
    names: tuple[str | None, ...] = ()
    counts: Rows | None = None
    columns: tuple[str, ...] = ()
    order: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Numbers of one label."""
        return 1 if self.values is None else int(self.values.shape[1])


def labels_of(content: Any, where: str, count: int, per_step: bool = False) -> Labels:
    """What is given of one split.

    Args:
        content: a label of each sample in any list or array, (samples, classes) for several; a list of what
            each sample's steps are labelled with; or padded `values` (samples, time) with `lengths` or a
            `mask` of the steps.
        where: begins messages.
        count: how many samples there are.
        per_step: that every step has a label; found out where the samples have different numbers of labels.
    Raises:
        DataError: it is nothing of that kind.
    Example:
        >>> labels_of([1.5, None], "doc", 2).values.tolist(), labels_of(["sad", ""], "doc", 2).names
        ([[1.5], [nan]], ('sad', None))
        >>> labels_of(np.ma.masked_less([-999.0, 1.5], 0), "doc", 2).values.tolist()
        [[nan], [1.5]]
        >>> labels_of([[1, 2], [3]], "doc", 2).counts.tolist()
        [2, 1]
    """
    if isinstance(content, Mapping):
        return _padded(content, where, count)
    columns: tuple[str, ...] = ()
    if is_frame(content):
        columns = tuple(map(str, content.columns))
        content = array(content, where)
    if isinstance(content, np.ma.MaskedArray) and content.dtype.kind not in "biuf":
        mask, content = np.ma.getmaskarray(content), content.data.astype(object)
        content[mask] = None
    if is_tensor(content) or isinstance(content, np.ma.MaskedArray):
        content = array(content, where)
    if isinstance(content, np.ndarray) and content.dtype != object:
        return replace(_array(content, where, per_step), columns=columns)
    items = list(content)
    if not any(map(_is_row, items)):
        return replace(_column(items, where), order=_order(content))
    rows = [one if _is_row(one) else [] if one is None else [one] for one in items]
    counts = np.array([len(one) for one in rows])
    if not per_step and len(set(counts)) == 1:
        return _array(np.stack([array(one, where) for one in rows]), where, per_step)
    flat = [label for one in rows for label in one]
    if not any(map(_is_row, flat)):
        return replace(_column(flat, where), counts=counts)
    wide = np.stack([array(label, where).astype(np.float64).reshape(-1) for label in flat])
    return Labels(where, wide, counts=counts)


def _array(content: NDArray[Any], where: str, per_step: bool) -> Labels:
    """A label, or a row of them, for each sample; axes of one do not count."""
    kept = content if per_step else content.reshape(len(content), *(n for n in content.shape[1:] if n != 1))
    if kept.ndim == 1:
        return _column(kept, where)
    if kept.ndim > 2 + per_step:
        raise DataError(f"{where} must have one label per sample or per step, got shape {content.shape}")
    if not per_step:
        return Labels(where, array(kept, where).astype(np.float64))
    counts = np.full(len(kept), kept.shape[1])
    if kept.ndim == 2 or kept.shape[2] == 1:
        return replace(_column(kept.reshape(-1), where), counts=counts)
    return Labels(where, array(kept, where).astype(np.float64).reshape(-1, kept.shape[2]), counts=counts)


def _padded(content: Mapping[str, Any], where: str, count: int) -> Labels:
    """Labels of steps that are padded behind."""
    if set(content) not in ({"values", "lengths"}, {"values", "mask"}):
        raise DataError(
            f"{where}: expected values with lengths or a mask, got {', '.join(map(str, content))}"
        )
    values = array(content["values"], where).astype(np.float64)
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3:
        raise DataError(
            f"{where} must have shape (samples, time) or (samples, time, classes), got {values.shape}"
        )
    time = values.shape[1]
    if "mask" in content:
        mask = truths(content["mask"], values.shape[:2], f"{where}: mask")
        lengths = np.where(mask.any(1), time - mask[:, ::-1].argmax(1), 0)
        values = np.where(mask[..., None], values, np.nan)
    else:
        given = array(content["lengths"], f"{where}: lengths").reshape(-1)
        if given.shape != (count,):
            raise DataError(f"{where}: lengths must have shape ({count},), got {given.shape}")
        lengths = whole(given, lambda i: f"{where}: the length of sample {i}", time)
    return Labels(where, values[np.arange(time) < lengths[:, None]], counts=lengths)


def _column(items: Any, where: str) -> Labels:
    """One number or one name for each label."""
    if isinstance(items, np.ndarray) and items.dtype.kind in "biuf":
        return Labels(where, items.astype(np.float64)[:, None])
    items = [None if one is np.ma.masked else one for one in items]
    plain = [
        one.item() if is_tensor(one) or isinstance(one, np.generic | np.ndarray) else one for one in items
    ]
    plain = [None if _is_missing(one) else one for one in plain]
    given = [one for one in plain if one is not None]
    if all(isinstance(one, int | float) for one in given):
        return Labels(where, np.array([np.nan if one is None else float(one) for one in plain])[:, None])
    odd = next((one for one in given if not isinstance(one, str | bytes)), None)
    if odd is not None:
        raise DataError(
            f"{where} must hold numbers or names, got {type(odd).__name__} '{str(odd)[:50]}' among names"
        )
    return Labels(where, None, tuple(None if one is None else text(one) for one in plain))


def _order(content: Any) -> tuple[str, ...]:
    """The categories of pandas in their order; none where they have none."""
    kind: Any = getattr(content, "dtype", None)
    return tuple(map(str, kind.categories)) if getattr(kind, "ordered", False) else ()


def _is_row(item: Any) -> bool:
    return item is not None and not isinstance(item, str | bytes) and np.ndim(item) > 0


def _is_missing(one: Any) -> bool:
    return one is None or type(one).__name__ in ("NAType", "NaTType") or one == "" or one != one
