"""Tensors of torch inside a pickle, and files that `torch.save` wrote before it wrote archives.

A tensor that `pickle.dump` writes holds its numbers as bytes, which are a file of that old kind themselves.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from affect.data.sources.arrays.tensors import TYPES, Storage, StorageType, Tensors, decoded
from affect.data.sources.pickle_reader import Bounded, Reader
from affect.data.sources.safe_pickle import RefusedError

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How a file of the old kind begins."""

_COUNT = struct.Struct("<q")


class TensorReader(Tensors):
    """A reader of pickles that knows tensors whose numbers are in the pickle itself."""

    def _calls(self) -> dict[tuple[str, str], Callable[..., Any]]:
        return {**super()._calls(), ("torch.storage", "_load_from_bytes"): _storage}


class _Placed(Tensors):
    """A reader of the old kind's content, whose storages stand behind it."""

    def __init__(self, file: Bounded, size: int, storages: dict[str, Storage] | None) -> None:
        super().__init__(file, size)
        self._storages = {} if storages is None else storages
        self._is_final = storages is not None
        self.announced: dict[str, tuple[str, int]] = {}

    def persistent_load(self, pid: object) -> Any:
        if not isinstance(pid, tuple) or len(pid) != 6 or not isinstance(pid[1], StorageType):
            raise RefusedError("refused to follow a persistent id that is no storage")
        _, kind, key, _, count, view = pid
        if not isinstance(key, str | bytes) or type(count) is not int or view is not None:
            raise RefusedError("refused to read a storage without a name and a size")
        name = key if isinstance(key, str) else key.decode("latin-1")
        if not 0 <= count <= self._size:
            raise ValueError(
                f"storage {name[:50]} claims {count} numbers, and the file has {self._size} bytes"
            )
        if self.announced.setdefault(name, (kind.name, count)) != (kind.name, count):
            raise ValueError(f"storage {name[:50]} is announced as two")
        if not self._is_final:
            return Storage(np.zeros(0))
        return self._storages[name]

    def _tensor(self, *parts: Any) -> Any:
        return super()._tensor(*parts) if self._is_final else np.zeros(0)


def read_old(raw: bytes) -> Any:
    """What a file of the old kind holds, with arrays in place of tensors; they are views of its bytes.

    Raises:
        RefusedError: it holds what no corpus needs.
        ValueError: it is not whole.
    """
    size, at = len(raw), 0
    for expected in (_MAGIC, _PROTOCOL, None):
        found, at = _next(raw, at, lambda file: Reader(file, size))
        if expected is not None and found != expected:
            raise ValueError("a file of tensors must begin as one")
    if not isinstance(found, dict) or found.get("little_endian") is not True:
        raise ValueError("a file of tensors must say its byte order, which must be little")
    begin, first = at, list[_Placed]()

    def announcing(file: Bounded) -> _Placed:
        first.append(_Placed(file, size, None))
        return first[0]

    _, at = _next(raw, begin, announcing)
    keys, at = _next(raw, at, lambda file: Reader(file, size))
    announced = first[0].announced
    if not isinstance(keys, list) or sorted(map(_name, keys)) != sorted(announced):
        raise ValueError("a file of tensors must list its storages")
    storages: dict[str, Storage] = {}
    for key in map(_name, keys):
        kind, count = announced[key]
        dtype = np.dtype(TYPES[kind]).newbyteorder("<")
        end = at + _COUNT.size + count * dtype.itemsize
        if end > size or _COUNT.unpack_from(raw, at)[0] != count:
            raise ValueError(f"storage {key[:50]} claims {count} numbers that are not there")
        storages[key] = Storage(decoded(np.frombuffer(raw, dtype, count, at + _COUNT.size), kind))
        at = end
    content, _ = _next(raw, begin, lambda file: _Placed(file, size, storages))
    return content


def _storage(raw: object) -> Storage:
    """The numbers of one tensor, from bytes that are a file of the old kind."""
    if not isinstance(raw, bytes) or not raw.startswith(MAGIC):
        raise RefusedError("refused to read a storage of unknown form")
    found = read_old(raw)
    if not isinstance(found, Storage):
        raise RefusedError("refused to read a storage that is none")
    return found


def _next(raw: bytes, at: int, reader: Callable[[Bounded], Any]) -> tuple[Any, int]:
    """One of several pickles in a row, and where the next begins."""
    file: Any = io.BytesIO(raw)
    file.seek(at)
    bounded = Bounded(file, len(raw) - at)
    content = reader(bounded).load()
    return content, len(raw) - bounded.left


def _name(key: object) -> str:
    if not isinstance(key, str | bytes):
        raise ValueError("a storage must have a name")
    return key if isinstance(key, str) else key.decode("latin-1")
