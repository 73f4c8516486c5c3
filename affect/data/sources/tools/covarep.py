"""What COVAREP leaves: `features` and `names` in a MATLAB file, or the same as CSV with times."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from affect.data.provenance import Provenance
from affect.data.rules.columns import column_kinds
from affect.data.sources.features import Features
from affect.data.sources.tools import matlab
from affect.data.sources.tools.clock import clock, step
from affect.data.sources.tools.delimited import Header, table
from affect.data.sources.tools.tool_features import tool_features
from affect.errors import DataError

_VALUES, _NAMES, _TIME = "features", "names", "time"
_OWN = frozenset(("VUV", "NAQ", "QOQ", "H1H2", "PSP", "MDQ", "peakSlope", "Rd_conf", "MCEP_0", "HMPDM_0"))
_RATE = 100.0


def recognises(header: Header) -> bool:
    """Whether the columns of a CSV with times are COVAREP's."""
    return _TIME in header.names and _are_own(header.names)


def read(header: Header, keep: Collection[str] = (), targets: Collection[str] = ()) -> Features:
    """Steps around `time`, which COVAREP sets to their middle."""
    whole = table(header)
    middle = whole.known(_TIME)
    half = (step(middle) or 0.0) / 2
    when = clock(middle - half, middle + half)
    return tool_features(whole, column_kinds(header.names, keep, targets), "COVAREP", when, timed=[_TIME])


def matrix(file: Path, keep: Collection[str] = (), targets: Collection[str] = ()) -> Features:
    """The matrix `features` of a MATLAB file, with `names` for its columns; COVAREP's are at 100 Hz.

    Raises:
        DataError: there is no such matrix, or it has another number of columns than there are names.
    """
    found = matlab.variables(file, (_VALUES, _NAMES))
    values, names = found.get(_VALUES), found.get(_NAMES)
    if not isinstance(values, np.ndarray) or values.ndim != 2 or not values.shape[1]:
        raise DataError(f"{file}: expected COVAREP's matrix `{_VALUES}` (steps, feature), and `{_NAMES}`")
    with np.errstate(over="ignore", invalid="ignore"):
        steps = values.astype(np.float32)
    if not isinstance(names, list):
        return Features(steps)
    if len(names) != steps.shape[1]:
        raise DataError(f"{file}: {len(names)} names for {steps.shape[1]} columns of `{_VALUES}`")
    names = [name.strip() for name in names]
    features = column_kinds(names, keep, targets).features
    own = [name in features for name in names]
    is_known = _are_own(names)
    begins = np.arange(len(steps)) / _RATE
    return Features(
        values=steps[:, own],
        columns=tuple(features),
        times=np.stack([begins, (np.arange(len(steps)) + 1) / _RATE], 1) if is_known else None,
        made=Provenance("COVAREP", clock="recording", rate=_RATE) if is_known else None,
        left=tuple(name for name, is_own in zip(names, own, strict=True) if not is_own),
    )


def _are_own(names: Collection[str]) -> bool:
    return len(_OWN & set(names)) > 2
