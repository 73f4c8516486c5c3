"""What readers of untyped content share: numbers and text, or a refusal that says where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.errors import DataError


def floats(content: object, where: str, axes: int | None = None) -> NDArray[Any]:
    """An array of floating point numbers, itself where it is one; `where` begins the message.

    Raises:
        DataError: it does not hold numbers, or has another number of axes.
    Example:
        >>> floats([1, 2], "doc").tolist()
        [1.0, 2.0]
    """
    try:
        array = np.asarray(content)
        if array.dtype.kind not in "biuf":
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{where} must hold numbers, got {type(content).__name__}") from None
    if array.dtype.kind != "f":
        array = array.astype(np.float32)
    if axes is not None and array.ndim != axes:
        raise DataError(f"{where} must have {axes} axes, got shape {array.shape}")
    return array


def count(content: object) -> int:
    """How many things a key names: 0 for None, 1 for what is no row.

    Example:
        >>> count(None), count([]), count(np.zeros((2, 3))), count(5)
        (0, 0, 2, 1)
    """
    if isinstance(content, np.ndarray):
        return len(content) if content.ndim else 1
    return len(content) if isinstance(content, list | tuple) else int(content is not None)


def text(item: object) -> str:
    """A string, also from the bytes that Python 2 left.

    Example:
        >>> text(b"so"), text(np.str_("good"))
        ('so', 'good')
    """
    if isinstance(item, bytes):
        try:
            return item.decode()
        except UnicodeDecodeError:
            return item.decode("latin-1")
    return str(item).encode(errors="replace").decode()  # halves of characters cannot be written again


def texts(content: Any, where: str) -> tuple[str, ...]:
    """Strings, one for each item; `where` begins the message.

    Raises:
        DataError: it is not a row of items.
    """
    if isinstance(content, np.ndarray):
        content = (
            content.reshape(len(content) if content.ndim else 1, -1)[:, 0].tolist() if content.size else []
        )
    if not isinstance(content, Iterable) or isinstance(content, str | bytes | dict):
        raise DataError(f"{where} must be a list of strings, got {type(content).__name__}")
    return tuple(map(text, content))
