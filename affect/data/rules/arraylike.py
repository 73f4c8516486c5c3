"""Whatever holds numbers -> numpy: arrays, tensors, lists, sparse matrices, Series and frames of pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from affect.data.precision import beyond
from affect.data.rules.values import floats
from affect.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_KEPT = (np.dtype(np.float32), np.dtype(np.float16))


def array(content: Any, where: str) -> NDArray[Any]:
    """An array of floating point numbers, itself where it is one; `where` begins the message.

    What is masked, or missing to pandas, is NaN.

    Raises:
        DataError: it does not hold real numbers.
    Example:
        >>> array(torch.ones(2, dtype=torch.bfloat16), "doc").tolist(), array([True, False], "doc").tolist()
        ([1.0, 1.0], [1.0, 0.0])
    """
    if is_tensor(content):
        content = _of_torch(content)
    elif isinstance(content, np.ma.MaskedArray):
        content = np.ma.filled(content.astype(np.float64), np.nan)
    elif isinstance(content, list | tuple) and any(map(is_tensor, content)):
        content = [array(one, where) for one in content]
    elif hasattr(content, "to_numpy"):
        content = _of_pandas(content)
    elif hasattr(content, "toarray"):  # a sparse matrix of scipy
        content = content.toarray()
    try:
        found = np.asarray(content)
    except (TypeError, ValueError):
        raise DataError(f"{where} must hold numbers, got {type(content).__name__}") from None
    if found.dtype.kind not in "biufOUS":
        raise DataError(f"{where} must hold real numbers, got {found.dtype}")
    try:
        return floats(found, where)
    except DataError:
        odd = next((one for one in found.ravel().tolist() if not isinstance(one, int | float)), None)
        said = f"'{odd[:50]!s}'" if isinstance(odd, str | bytes) else type(odd).__name__
        raise DataError(f"{where} must hold numbers, got {said}") from None


def narrow(values: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """The same numbers in 32 bits at most, and how many finite ones became infinite by that.

    Example:
        >>> narrow(np.array([1.0, 1e300]))
        (array([ 1., inf], dtype=float32), 1)
    """
    if values.dtype in _KEPT:
        return values, 0
    with np.errstate(over="ignore", invalid="ignore"):
        small = values.astype(np.float32)
    return small, int(beyond(values).sum()) if np.isinf(small).any() else 0


def seconds(content: Any, shape: tuple[int, ...], where: str) -> NDArray[np.float64]:
    """Start and end of every step, from both or from instants; NaN where they are not known.

    Args:
        content: of shape `shape`, or with a last axis of start and end.
        shape: (steps,) or (samples, time).
        where: begins the message.
    Raises:
        DataError: they are as many as the steps neither way, infinite, or an end comes before its start.
    Example:
        >>> seconds([0.0, 0.5], (2,), "doc").tolist()
        [[0.0, 0.0], [0.5, 0.5]]
    """
    times = np.asarray(array(content, where), dtype=np.float64)
    if times.shape == shape:
        times = np.stack([times, times], -1)
    if times.shape != (*shape, 2):
        raise DataError(
            f"{where} must have shape {(*shape, 2)} (start and end) or {shape} (instants), got {times.shape}"
        )
    if np.isinf(times).any():
        raise DataError(f"{where} must be finite, or NaN where they are not known")
    with np.errstate(invalid="ignore"):
        back = np.argwhere(times[..., 1] < times[..., 0])
    if back.size:
        start, end = times[tuple(back[0])]
        raise DataError(f"{where} has a step that ends before it begins: {start:g} to {end:g}")
    return times


def truths(content: Any, shape: tuple[int, ...], where: str) -> NDArray[np.bool_]:
    """Yes or no for every step, from booleans or 0 and 1.

    Raises:
        DataError: it has another shape, or other values.
    Example:
        >>> truths([1, 0], (2,), "doc").tolist()
        [True, False]
    """
    found = array(content, where)
    if found.shape != shape and found.shape == (*shape, 1):
        found = found[..., 0]
    if found.shape != shape:
        raise DataError(f"{where} must have shape {shape}, got {found.shape}")
    wrong = found[~np.isin(found, (0, 1))]
    if wrong.size:
        raise DataError(f"{where} must be True or False for each step, got {wrong[0]:g}")
    return np.asarray(found == 1)


def is_frame(content: object) -> TypeGuard[pd.DataFrame]:
    """Whether this is a table of pandas; pandas is not imported for it."""
    return type(content).__name__ == "DataFrame" and hasattr(content, "columns")


def is_tensor(content: object) -> bool:
    """Whether this is a tensor of torch; torch is not imported for it."""
    return hasattr(content, "detach") and hasattr(content, "untyped_storage")


def _of_torch(tensor: Any) -> Any:
    tensor = tensor.detach().cpu()
    if str(tensor.layout) != "torch.strided":
        tensor = tensor.to_dense()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return tensor.resolve_conj().resolve_neg().numpy()


def _of_pandas(content: Any) -> Any:
    """Numbers with NaN where pandas has none; what it holds otherwise."""
    try:
        return content.to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        return content.to_numpy()
