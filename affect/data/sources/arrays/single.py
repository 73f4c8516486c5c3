"""The steps of one sample in one modality, from arrays and what stands beside them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from affect.data.making.step_features import StepFeatures, features_of_columns
from affect.data.precision import BEYOND
from affect.data.provenance import Provenance
from affect.data.rules.arraylike import array, narrow, seconds, truths
from affect.data.rules.columns import UNSURE, unique
from affect.data.rules.observed import observed
from affect.data.rules.values import texts
from affect.data.sources.arrays.archives import contents, kind
from affect.data.sources.arrays.by_name import Fields, is_text, leaves
from affect.data.sources.arrays.roles import role_of
from affect.data.sources.features import Features
from affect.errors import DataError

_RATES = ("fps", "rate")


def steps(file: Path, keep: Collection[str] = (), targets: Collection[str] = ()) -> Features:
    """One sample's steps of one modality, for a folder of files for each modality.

    Args:
        file: an array (steps, feature), (1, steps, feature) or (feature,), alone or as `values` or
            `features`; beside it `times`, `mask`, and `columns` or `feature_names`, of which some may be no
            features (`affect.data.rules.columns`). A single number `fps` or `rate` is the steps per second,
            from which the times follow where none are given.
        keep: columns that are features whatever they are called.
        targets: names of targets, which no features are called by.
    Raises:
        DataError: the file is damaged, holds objects, or several arrays that may be meant.
    Example:
        >>> path = getfixture("tmp_path") / "a.npz"
        >>> np.savez(path, values=np.ones((2, 3)), times=[0.0, 0.5])
        >>> found = steps(path)
        >>> found.values.shape, found.times.tolist()
        ((2, 3), [[0.0, 0.0], [0.5, 0.5]])
    """
    if not kind(file):
        raise DataError(f"{file}: neither an .npy, nor an .npz, nor a .pt file")
    fields: Fields = {}
    unnamed: dict[str, Any] = {}
    unread: list[str] = []
    rate = 0.0
    for key, value in leaves(contents(file)):
        role = role_of(key)
        if role.kind == "shared" or (role.kind == "modality" and role.field != "values"):
            fields[role.field] = value
        elif key.lower() in _RATES and not rate and _is_rate(value):
            rate = float(np.ravel(value)[0])
        elif isinstance(value, np.ndarray | list) and not is_text(value) and np.ndim(value):
            unnamed[key] = value
        else:
            unread.append(key)
    chosen = [key for key in unnamed if key.lower() in ("values", "features", "feature")] or list(unnamed)
    if len(chosen) != 1:
        said = ", ".join(chosen) or "none"
        raise DataError(f"{file}: expected one array of features, got {said}; call it `values`")
    found = sample_features(unnamed[chosen[0]], fields, str(file), keep, targets)
    values, beyond = narrow(found.values)
    mask = found.mask
    if mask is not None and found.failed:
        mask = mask & observed(values)
    times = found.times
    computed = bool(rate) and times is None
    if computed:
        times = seconds(np.arange(len(values)) / rate, (len(values),), f"{file}: times")
    unread += [key for key in unnamed if key != chosen[0]]
    notes = {
        **{f"arrays '{key[:50]}' that were not read": 1 for key in unread},
        "files whose times follow from their steps per second": int(computed),
        f"steps that were not measured ({UNSURE})": found.failed,
        BEYOND: beyond,
    }
    return Features(
        np.ascontiguousarray(values, dtype=np.float32),
        found.columns,
        times,
        mask,
        Provenance(rate=rate) if rate else None,
        left=found.left,
        notes=tuple((said, count) for said, count in notes.items() if count),
    )


def _is_rate(value: Any) -> bool:
    """Whether this is a single number above zero."""
    found = np.ravel(value)
    return found.size == 1 and found.dtype.kind in "iuf" and bool(0 < found[0] < np.inf)


def sample_features(
    content: Any, fields: Fields, where: str, keep: Collection[str] = (), targets: Collection[str] = ()
) -> StepFeatures:
    """One sample's steps of one modality; arguments and refusals as in `steps`.

    Args:
        content: the features.
        fields: `times`, `mask` and `columns`, where they are given.
        where: begins messages.
        keep: columns that are features.
        targets: names of targets.
    """
    values = array(content, where)
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    values = values[None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.shape[1]:
        raise DataError(
            f"{where}: expected numbers of shape (steps, feature) or (feature,), got {np.shape(content)}"
        )
    found = columns_of(StepFeatures(values), fields, where, keep, targets)
    times, mask, count = found.times, found.mask, (len(values),)
    if fields.get("times") is not None:
        times = seconds(fields["times"], count, f"{where}: times")
    if fields.get("mask") is not None:
        mask = truths(fields["mask"], count, f"{where}: mask")
    return StepFeatures(found.values, times, mask, found.columns, found.left, found.failed)


def columns_of(
    found: StepFeatures, fields: Fields, where: str, keep: Collection[str], targets: Collection[str]
) -> StepFeatures:
    """The features among columns that have names; themselves where they have none.

    Raises:
        DataError: there are more names or fewer, or one is there twice.
    """
    if fields.get("columns") is None:
        return found
    names = list(texts(fields["columns"], f"{where}: columns"))
    if len(names) != found.values.shape[-1]:
        raise DataError(f"{where}: {found.values.shape[-1]} features and {len(names)} names of columns")
    unique(names, where)
    return features_of_columns(
        names, lambda name: found.values[..., names.index(name)], where, None, targets, keep
    )
