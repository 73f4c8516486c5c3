"""What is given for one modality of one split: arrays, tensors, lists or frames, told apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.making.masks import MaskCounts, count_masked
from affect.data.making.step_features import StepFeatures, features_of_frame
from affect.data.ragged import Ragged, Rows
from affect.data.rules.arraylike import array, is_frame, is_tensor, narrow, seconds, truths
from affect.data.rules.lengths import LONGEST, whole
from affect.data.rules.observed import observed
from affect.data.samples import Steps
from affect.errors import DataError, did_you_mean

_VALUES, _LENGTHS, _MASK, _TIMES = "values", "lengths", "mask", "times"
_KEYS = (_VALUES, _LENGTHS, _MASK, _TIMES)


@dataclass(frozen=True, eq=False)
class ModalityInput:
    """One modality of one split.

    Args:
        where: begins messages.
        rows: its rows, where their lengths are known; None where it is padded, or where no sample has it.
        padded: values whose padding is still to be found, (samples, time, feature).
        lengths: steps of each sample of `padded`, where they are given.
        mask: which steps of `padded` are there, where that is given.
        times: start and end of the steps of `padded`, (samples, time, 2).
        columns: the names of the features, where it has them.
        left: columns that are no features.
        beyond: finite values that are infinite in 32 bits.
        failed: steps that a tool says it did not measure.
        empty: steps without content, where nobody says which were observed, among `steps`.
        steps: of all rows.
        masked: what the masks that are given keep and leave out.
        untimed: samples with steps that have no times, where others have some.
    """

    where: str
    rows: Ragged | None = None
    padded: NDArray[Any] | None = None
    lengths: Rows | None = None
    mask: NDArray[np.bool_] | None = None
    times: NDArray[np.float64] | None = None
    columns: tuple[str, ...] | None = None
    left: tuple[str, ...] = ()
    beyond: int = 0
    failed: int = 0
    empty: int = 0
    steps: int = 0
    masked: MaskCounts = MaskCounts()
    untimed: int = 0

    @property
    def dim(self) -> int | None:
        """Feature size; None where no sample has the modality."""
        if self.padded is not None:
            return int(self.padded.shape[2])
        return None if self.rows is None else self.rows.dim


def count_of(content: Any, where: str) -> int:
    """For how many samples something is given.

    Raises:
        DataError: it is a single value.
    """
    if isinstance(content, Mapping):
        if _VALUES not in content:
            raise DataError(f"{where}: expected 'values' among its keys, got {', '.join(map(str, content))}")
        lengths = content.get(_LENGTHS)
        return count_of(content[_VALUES] if lengths is None else lengths, where)
    content = content.values if isinstance(content, StepFeatures) else content
    if not isinstance(content, str | bytes):
        if getattr(content, "shape", ()):
            return int(content.shape[0])
        if hasattr(content, "__len__") and getattr(content, "ndim", None) != 0:
            return len(content)
    raise DataError(f"{where} must have an entry for each sample, got {type(content).__name__}")


def read_modality(
    content: Any,
    where: str,
    ids: tuple[str, ...],
    chosen: tuple[str, ...] | None = None,
    targets: Collection[str] = (),
) -> ModalityInput:
    """One modality of one split, as far as it can be read without the others.

    Args:
        content: an array or a tensor of shape (samples,), (samples, feature) or (samples, time, feature); a
            frame of a row for each sample; a list of what each sample has (`Steps`, (steps, feature),
            (feature,), a frame of a row for each step, None); rows as they are; or `values` as any of these,
            with `lengths`, `mask` or `times` beside them.
        where: begins messages.
        ids: of the samples.
        chosen: the columns of a frame that are features.
        targets: names of targets, which no features are called by.
    Raises:
        DataError: it is none of these, or its parts do not fit together.
    """
    if isinstance(content, Ragged):
        return ModalityInput(where, content)
    beside: dict[str, Any] = dict(content) if isinstance(content, Mapping) else {_VALUES: content}
    for key in beside:
        if key not in _KEYS:
            raise DataError(f"{where}: no key '{key}' beside values; {did_you_mean(str(key), _KEYS)}")
    values = beside.pop(_VALUES)
    beside = {key: value for key, value in beside.items() if value is not None}
    if is_list(values):
        return _of_list(list(values), beside, where, ids, chosen, targets)
    if isinstance(values, StepFeatures):
        found = values
    elif is_frame(values):
        found = features_of_frame(values, where, chosen, targets)
    else:
        found = StepFeatures(_numbers(values, where))
    return _of_array(found, beside, where, len(ids))


def _numbers(values: Any, where: str) -> NDArray[Any]:
    """An array of numbers; of texts it is said what else they may be."""
    try:
        return array(values, where)
    except DataError as refusal:
        if any(isinstance(one, str | bytes) for one in np.asarray(values, dtype=object).ravel()):
            raise DataError(f"{refusal}; name it in `targets`, or call it `group` or `words`") from None
        raise


def is_list(content: Any) -> bool:
    """Whether this lists what each sample has, and is not one array of numbers."""
    if isinstance(content, np.ndarray) or type(content).__name__ == "Series":
        return bool(content.dtype == object)
    if not isinstance(content, list | tuple):
        return False
    return any(
        one is None or isinstance(one, Steps | StepFeatures) or is_frame(one) or np.ndim(one)
        for one in content
    )


def _of_list(
    content: list[Any],
    beside: dict[str, Any],
    where: str,
    ids: tuple[str, ...],
    chosen: tuple[str, ...] | None,
    targets: Collection[str],
) -> ModalityInput:
    """A list of what each sample has."""
    if _LENGTHS in beside:
        raise DataError(f"{where}: a list has its own lengths; leave them out")
    for key, value in beside.items():
        if count_of(value, f"{where}: {key}") != len(ids):
            raise DataError(f"{where}: {key} has {len(value)} entries, expected {len(ids)}")
    found: list[StepFeatures | None] = []
    beyond = empty = 0
    masked = MaskCounts()
    for i, (one, item) in enumerate(zip(ids, content, strict=True)):
        at = f"{where}, sample {one}"
        own = _of_sample(item, at, chosen, targets)
        if own is not None:
            steps = (len(own.values),)
            if _TIMES in beside and beside[_TIMES][i] is not None:
                own = replace(own, times=seconds(beside[_TIMES][i], steps, f"{at}: times"))
            if _MASK in beside and beside[_MASK][i] is not None:
                own = replace(own, mask=truths(beside[_MASK][i], steps, f"{at}: mask"))
            values, wild = narrow(own.values)
            if own.mask is not None and (_MASK in beside or not own.failed):
                masked += count_masked(values, own.mask)
            seen, none = _seen(values, own.mask, own.failed)
            empty += none
            beyond += wild
            own = replace(own, values=values, mask=seen)
        found.append(own)
    some = [(one, own) for one, own in zip(ids, found, strict=True) if own is not None]
    if not some:
        return ModalityInput(where)
    first, expected = some[0]
    columns = next((own.columns for _, own in some if own.columns), None)
    for one, own in some:
        if own.values.shape[1] != expected.values.shape[1]:
            raise DataError(
                f"{where}: sample {first} has {expected.values.shape[1]} features and sample {one} "
                f"{own.values.shape[1]}; a modality has one size"
            )
        if own.columns is not None and own.columns != columns:
            raise DataError(f"{where}: samples {first} and {one} have other columns or another order of them")
    rows = Ragged.from_rows(
        [None if own is None else own.values for own in found],
        expected.values.shape[1],
        observed=[None if own is None else own.mask for own in found],
        times=[None if own is None else own.times for own in found],
    )
    left = tuple(dict.fromkeys(name for _, own in some for name in own.left))
    return ModalityInput(
        where,
        rows,
        columns=columns,
        left=left,
        beyond=beyond,
        failed=sum(own.failed for _, own in some),
        empty=empty,
        steps=rows.total,
        masked=masked,
        untimed=0
        if rows.times is None
        else sum(own.times is None and len(own.values) > 0 for _, own in some),
    )


def _of_sample(
    item: Any, where: str, chosen: tuple[str, ...] | None, targets: Collection[str]
) -> StepFeatures | None:
    """What one sample has; None where it has nothing of which the size is known."""
    if item is None:
        return None
    if isinstance(item, StepFeatures):
        return item
    if is_frame(item):
        return features_of_frame(item, where, chosen, targets)
    if isinstance(item, Steps):
        found = StepFeatures(item.values, item.times, item.observed)
    else:
        values = array(item, where)
        if values.ndim < 2:
            values = values.reshape(1, -1) if values.size else np.zeros((0, 0))
        if values.ndim != 2:
            raise DataError(f"{where} must have shape (steps, feature) or (feature,), got {values.shape}")
        found = StepFeatures(values)
    return found if found.values.shape[1] else None


def _of_array(found: StepFeatures, beside: dict[str, Any], where: str, count: int) -> ModalityInput:
    """An array of all samples: one step each, padded, or all steps end to end."""
    values, beyond = narrow(found.values)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim not in (2, 3):
        raise DataError(
            f"{where} must have shape (samples, feature) or (samples, time, feature), got {values.shape}"
        )
    if not values.shape[-1]:
        raise DataError(f"{where} needs at least one feature, got shape {values.shape}")
    about = ModalityInput(where, columns=found.columns, left=found.left, beyond=beyond, failed=found.failed)
    steps = values.shape[:-1]
    times, mask = found.times, found.mask
    if _TIMES in beside:
        times = seconds(beside[_TIMES], steps, f"{where}: times")
    if _MASK in beside:
        mask = truths(beside[_MASK], steps, f"{where}: mask")
        about = replace(about, masked=count_masked(values, mask))
    lengths = _lengths(beside[_LENGTHS], where, count) if _LENGTHS in beside else None
    if values.ndim == 3:
        return replace(about, padded=values, lengths=lengths, mask=mask, times=times)
    if lengths is None:
        lengths = np.ones(count, dtype=np.int64)
    elif len(values) != lengths.sum() and len(values) == count and lengths.max(initial=0) <= 1:
        mask = (lengths > 0) & (True if mask is None else mask)
        lengths = np.ones(count, dtype=np.int64)
    if len(values) != lengths.sum():
        raise DataError(
            f"{where}: {lengths.sum()} steps by its lengths, got values of shape {values.shape}; "
            "expected (samples, time, feature), or all steps end to end"
        )
    seen, empty = _seen(values, mask, found.failed)
    rows = Ragged.from_offsets(values, np.cumsum([0, *lengths]), seen, times)
    return replace(about, rows=rows, empty=empty, steps=len(values))


def _seen(values: NDArray[Any], mask: NDArray[np.bool_] | None, failed: int) -> tuple[NDArray[np.bool_], int]:
    """Which steps (steps, feature) were observed, and how many of them not for want of content.

    A mask that is given is believed; where a tool only says which steps failed, others may be empty too.
    """
    if mask is not None and not failed:
        return mask, 0
    held = observed(values)
    told = np.ones(len(values), dtype=bool) if mask is None else mask
    return held & told, int((told & ~held).sum())


def _lengths(content: Any, where: str, count: int) -> Rows:
    """Steps of each sample."""
    found = np.asarray(content) if not is_tensor(content) else array(content, f"{where}: lengths")
    found = array(found, f"{where}: lengths").astype(np.float64)
    found = found.reshape(count, -1)[:, 0] if found.shape == (count, 1) else found
    if found.shape != (count,):
        raise DataError(f"{where}: lengths must have shape ({count},), got {found.shape}")
    return whole(found, lambda i: f"{where}: the length of sample {i}", LONGEST)
