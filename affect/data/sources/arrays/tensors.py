"""What `torch.save` wrote, read without torch: tensors become arrays, and nothing else is made.

`torch.load(weights_only=True)` knows sparse, quantised and expanded tensors too, which may be far larger than
the file, and leaves it to the version of torch whether sizes are believed.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from affect.data.sources.pickle_reader import Bounded, Reader, measure
from affect.data.sources.safe_pickle import Named, RefusedError
from affect.errors import DataError

_PICKLE, _DATA = "data.pkl", "data/"
_ADVICE = "a file of tensors may hold only tensors, arrays, plain containers, strings and numbers"
TYPES = {
    "Double": "f8", "Float": "f4", "Half": "f2", "BFloat16": "u2", "Long": "i8", "Int": "i4", "Short": "i2",
    "Char": "i1", "Byte": "u1", "Bool": "u1",
}  # fmt: skip


class Storage:
    """The numbers behind tensors; of no length, so that many views of one are not counted as copies."""

    __slots__ = ("flat",)

    def __init__(self, flat: NDArray[Any]) -> None:
        self.flat = flat


class StorageType(Named):
    """The type of a storage, by its name in torch."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__(_not_called)
        self.name = name


def read(archive: zipfile.ZipFile, path: Path) -> Any:
    """What was saved, with arrays of numpy in place of tensors.

    Args:
        archive: as `archives.opened` gives it.
        path: begins messages.
    Raises:
        DataError: it holds something else than tensors, arrays, plain containers, strings and numbers, is not
            whole, or a tensor claims more than there is.
    """
    (pickled,) = [name for name in archive.namelist() if name.endswith(f"/{_PICKLE}")]
    size = path.stat().st_size
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise DataError(f"{path}: it is packed, which PyTorch never does")
    raw = archive.read(pickled)
    try:
        reader = _Archived(archive, pickled.removesuffix(_PICKLE), io.BytesIO(raw), len(raw), size)
        content = reader.load()
        measure(content, {}, 10 * size + 1_000_000)
    except RefusedError as refusal:
        raise DataError(f"{path}: {refusal}: {_ADVICE}") from None
    return content


def _build(reader: Any) -> None:
    if isinstance(reader.stack[-2], dict):  # they carry the versions of their modules
        raise RefusedError("refused to read the parameters of a model")
    reader._build()


class Tensors(Reader):
    """A reader of pickles that knows tensors; what inherits from it finds their storages."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {**Reader.dispatch, pickle.BUILD[0]: _build}

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name that is admitted, in torch too."""
        if module == "torch" and name.endswith("Storage") and name.removesuffix("Storage") in TYPES:
            return StorageType(name.removesuffix("Storage"))
        call = self._calls().get((module, name))
        return super().find_class(module, name) if call is None else Named(call)

    def _calls(self) -> dict[tuple[str, str], Callable[..., Any]]:
        return {
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
            ("torch", "Size"): _size,
        }

    def _tensor(self, storage: object, offset: object, shape: object, strides: object, *_: object) -> Any:
        """A view of a storage, inside it and no larger."""
        sizes, steps = _whole(shape), _whole(strides)
        if not isinstance(storage, Storage) or type(offset) is not int or offset < 0:
            raise RefusedError("refused to make a tensor of what is no storage")
        if len(sizes) != len(steps):
            raise ValueError("a tensor needs as many strides as axes")
        count, flat = math.prod(sizes), storage.flat
        last = offset + sum((n - 1) * by for n, by in zip(sizes, steps, strict=True))
        if count > len(flat) or (count and last >= len(flat)):
            raise ValueError(
                f"a tensor of shape {str(sizes)[:100]} has {len(flat)} numbers; save tensor.contiguous()"
            )
        self._work -= count
        if self._work < 0:
            raise RefusedError("refused to make more of the same content than the file holds")
        if not count:
            return np.zeros(sizes, flat.dtype)
        return np.lib.stride_tricks.as_strided(
            flat[offset:], sizes, [by * flat.itemsize for by in steps], writeable=False
        )


class _Archived(Tensors):
    """A reader of the pickle in an archive, whose storages are files beside it."""

    def __init__(self, archive: zipfile.ZipFile, prefix: str, file: Any, length: int, size: int) -> None:
        super().__init__(Bounded(file, length), size)
        self._archive, self._prefix = archive, prefix
        self._storages: dict[str, Storage] = {}
        order = f"{prefix}byteorder"
        self._is_big = order in archive.namelist() and archive.read(order) == b"big"

    def persistent_load(self, pid: object) -> Any:
        if not isinstance(pid, tuple) or len(pid) != 5 or not isinstance(pid[1], StorageType):
            raise RefusedError("refused to follow a persistent id that is no storage")
        _, kind, key, _, count = pid
        if not isinstance(key, str) or type(count) is not int:
            raise RefusedError("refused to read a storage without a name and a size")
        if key not in self._storages:
            self._storages[key] = Storage(self._numbers(kind.name, key, count))
        return self._storages[key]

    def _numbers(self, kind: str, key: str, count: int) -> NDArray[Any]:
        raw = self._archive.read(f"{self._prefix}{_DATA}{key}")
        dtype = np.dtype(TYPES[kind]).newbyteorder(">" if self._is_big else "<")
        if count < 0 or len(raw) != count * dtype.itemsize:
            raise ValueError(f"storage {key[:50]} claims {count} numbers and has {len(raw)} bytes")
        return decoded(np.frombuffer(raw, dtype), kind)


def decoded(flat: NDArray[Any], kind: str) -> NDArray[Any]:
    """The numbers of a storage, from how they are stored: truths as bytes, bfloat16 as the half of a float32.

    Args:
        flat: as stored, of the type in `TYPES`.
        kind: of storage, by its name in torch.
    Example:
        >>> decoded(np.array([0, 1], np.uint8), "Bool").tolist()
        [False, True]
        >>> decoded(np.array([0x3FC0], np.uint16), "BFloat16").tolist()
        [1.5]
    """
    if kind == "Bool":
        return np.asarray(flat != 0)
    return (flat.astype(np.uint32) << 16).view(np.float32) if kind == "BFloat16" else flat


def _whole(numbers: object) -> tuple[int, ...]:
    """A shape or strides."""
    if not isinstance(numbers, tuple) or len(numbers) > 32:
        raise RefusedError("refused to make a tensor without a shape and strides")
    if any(type(n) is not int or not 0 <= n < 2**48 for n in numbers):
        raise ValueError("a tensor needs a shape and strides of whole numbers")
    return numbers


def _not_called(*_: object) -> Any:
    raise RefusedError("refused to make a storage by hand")


def _parameter(data: object, *_: object) -> object:
    return data


def _size(dims: object = ()) -> object:
    if not isinstance(dims, tuple):
        raise RefusedError("refused to make a size of what is no tuple")
    return dims
