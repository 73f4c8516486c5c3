"""Reading HDF5 that a stranger wrote: nothing outside the file is opened, nothing absurd is allocated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.formats.room import check_room
from affect.data.rules.values import text
from affect.errors import AffectError, DataError

Memory: TypeAlias = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]
_RATIO = 1100
"""Deflate cannot shrink more than 1032 times: what claims to be larger holds nothing."""
_SMALL = 1 << 20
_CHUNK = 1 << 24
"""A chunk is read whole, however little of it is asked for: a small dataset has none that is larger."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An HDF5 file, read-only.

    Raises:
        DataError: it is not one, or what is read of it is damaged.
    """
    import h5py

    if not path.exists():
        raise DataError(f"{path}: no such file")
    if not path.is_file():  # a pipe would be waited for
        raise DataError(f"{path}: not a file")
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except AffectError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeDecodeError, MemoryError) as error:
        said = " ".join(str(error).strip("'").split())
        raise DataError(f"{path}: not a whole HDF5 file ({said})") from None


def names(parent: Any) -> list[str]:
    """What stands in a group, but for names that are not text."""
    return [name for name in parent if isinstance(name, str)]


def group(parent: Any, name: str) -> Any:
    """The group of that name in this file; None where there is none."""
    import h5py

    found = _inside(parent, name)
    return h5py.Group(found) if isinstance(found, h5py.h5g.GroupID) else None


def dataset(parent: Any, name: str, where: str) -> Any:
    """A dataset that stands in this file and is as large as it says, by its low-level id: many are opened.

    Args:
        parent: the group, or the file.
        name: of the dataset in it.
        where: begins the message.
    Raises:
        DataError: there is none, it points out of the file, or it claims more than the file holds.
    """
    import h5py

    found = _inside(parent, name)
    if found is None:
        raise DataError(f"{where}: no dataset '{name}' in the file itself")
    if not isinstance(found, h5py.h5d.DatasetID) or found.shape is None:
        raise DataError(f"{where}: '{name}' is not a dataset with a shape")
    made = found.get_create_plist()
    layout = made.get_layout()
    if layout == h5py.h5d.VIRTUAL or made.get_external_count():
        raise DataError(f"{where}: '{name}' stands in another file; only what is in this one is read")
    item = found.dtype.itemsize
    size = math.prod(found.shape) * item
    if size > _SMALL and size > _RATIO * found.get_storage_size():
        raise DataError(f"{where}: '{name}' claims {size / 1e6:,.0f} MB that are not in the file")
    chunk = item * math.prod(made.get_chunk() if layout == h5py.h5d.CHUNKED else ())
    if chunk > max(_CHUNK, 4 * size):
        raise DataError(f"{where}: '{name}' holds {size / 1e6:,.1f} MB in chunks of {chunk / 1e6:,.0f} MB")
    return found


def numbers(parent: Any, name: str, where: str, memory: Memory | None = None) -> NDArray[Any]:
    """A numeric dataset, whole.

    Args:
        parent: the group, or the file.
        name: of the dataset in it.
        where: begins the message.
        memory: gives the array to read into, from shape and type; a new one by default.
    Raises:
        DataError: as `dataset`, or it does not hold numbers.
    """
    found = dataset(parent, name, where)
    if found.dtype.kind not in "biuf":
        raise DataError(f"{where}: '{name}' must hold numbers, got {found.dtype}")
    return _whole(found, memory or np.empty, f"{where}: '{name}'")


def strings(parent: Any, name: str, where: str) -> tuple[str, ...]:
    """A dataset of strings, of fixed or variable length, flat; what is not UTF-8 is read as Latin-1.

    Raises:
        DataError: as `dataset`, or it does not hold strings.
    """
    import h5py

    found = dataset(parent, name, where)
    if h5py.check_string_dtype(found.dtype) is None:
        raise DataError(f"{where}: '{name}' must hold strings, got {found.dtype}")
    if found.dtype.kind == "S":
        return tuple(map(text, _whole(found, np.empty, f"{where}: '{name}'").ravel().tolist()))
    found = h5py.Dataset(found)
    limit, said, kept = max(16 * found.file.id.get_filesize(), _SMALL), 0, list[str]()
    for begin in range(0, found.size, 256):  # strings of variable length may all be the same long one
        for item in np.asarray(found[begin : begin + 256] if found.ndim else [found[()]]).ravel():
            kept.append(text(item))
            said += len(kept[-1])
        if said > limit:
            raise DataError(f"{where}: '{name}' holds more text than the file; it repeats itself")
    return tuple(kept)


def _whole(found: Any, memory: Memory, where: str) -> NDArray[Any]:
    import h5py

    check_room(math.prod(found.shape) * found.dtype.itemsize, where)
    out = memory(found.shape, found.dtype)
    if out.size:
        found.read(h5py.h5s.ALL, h5py.h5s.ALL, out)
    return out


def _inside(parent: Any, name: str) -> Any:
    """What has that name, by its low-level id; None where a step of it is missing, or a link to elsewhere."""
    import h5py

    at = parent.id
    try:
        for part in name.encode().split(b"/"):
            if at.links.get_info(part).type != h5py.h5l.TYPE_HARD:
                return None
            at = h5py.h5o.open(at, part)
    except (AttributeError, RuntimeError):  # a dataset where a group should be, or no such link
        return None
    return at
