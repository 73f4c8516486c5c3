"""MATLAB's files of level 5, without its objects: matrices of numbers, texts, and cells of texts.

scipy reads them too, but makes room for what a file claims: 408 bytes took 3 GB.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.formats.room import check_room
from affect.errors import DataError

_BEGINS = b"MATLAB 5.0 MAT-file"
_BEGINS_LATER = b"MATLAB 7.3 MAT-file"
_HEADER = 128
_COMPRESSED, _MATRIX = 15, 14
_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_WIDE, _ORDERS = (4, 17, 18), {"<": "-le", ">": "-be"}
_CELL, _TEXT, _NUMBERS = 1, 4, range(6, 16)
_COMPLEX = 0x0800
_CELLS, _PEEK, _AXES = 1 << 16, 1 << 10, 32
_RATIO, _SMALL = 100, 1 << 26
"""Features shrink by far less than deflate can."""

Value: TypeAlias = "NDArray[np.float64] | str | list[str]"


class _DamagedError(Exception):
    """What is wrong with the bytes."""


def recognises(begin: bytes) -> bool:
    """Whether a file that begins so is one of MATLAB's, of level 5 or of 7.3."""
    return begin.startswith((_BEGINS, _BEGINS_LATER))


def variables(file: Path, wanted: Collection[str]) -> dict[str, Value]:
    """The variables of these names that are numbers, text or a cell of texts.

    Raises:
        DataError: the file is of another level, is damaged, or claims more than it holds.
    """
    check_room(file.stat().st_size, str(file))
    raw = file.read_bytes()
    if raw.startswith(_BEGINS_LATER):
        raise DataError(f"{file}: a MATLAB 7.3 file; save it again with save(..., '-v7')")
    order = {b"IM": "<", b"MI": ">"}.get(raw[126:_HEADER], "")
    found: dict[str, Value] = {}
    try:
        if not order:
            raise _DamagedError("no order of bytes")
        for kind, content in _elements(memoryview(raw)[_HEADER:], order):
            is_packed = kind == _COMPRESSED
            if not is_packed and kind != _MATRIX:
                continue
            peek = zlib.decompressobj().decompress(content, _PEEK)[8:] if is_packed else content
            name = _begin(_elements(memoryview(peek), order), order)[2]
            if name in wanted and name not in found:
                value = _value(_unpacked(content, file, len(raw), order) if is_packed else content, order)
                if value is not None:
                    found[name] = value
    except StopIteration:
        raise DataError(f"{file}: not a whole MATLAB file (a variable without content)") from None
    except (_DamagedError, zlib.error, UnicodeDecodeError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise DataError(f"{file}: not a whole MATLAB file ({said})") from None
    return found


def _unpacked(content: memoryview, file: Path, size: int, order: str) -> memoryview:
    """The variable in a compressed element."""
    room = max(_SMALL, _RATIO * size)
    said = zlib.decompressobj().decompress(content, 8)
    claimed = int(np.frombuffer(said, order + "u4", 1, 4)[0]) if len(said) == 8 else 0
    check_room(min(claimed, room), str(file), 3)  # packed out, as numbers, and as what they are kept in
    unpacker = zlib.decompressobj()
    whole = unpacker.decompress(content, room)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise _DamagedError(f"a variable is cut short, or larger than {room / 1e6:,.0f} MB")
    kind, variable = next(_elements(memoryview(whole), order))
    if kind != _MATRIX:
        raise _DamagedError(f"an element of kind {kind}")
    return variable


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """The kind and the bytes of every element."""
    at = 0
    while at + 8 <= len(content):
        kind, size = np.frombuffer(content, order + "u4", 2, at).tolist()
        begin = at + 8
        if kind >> 16:  # four bytes or fewer stand beside their kind
            kind, size, begin, at = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            if size > 4:
                raise _DamagedError(f"{size:,} bytes in the place of 4")
        else:
            at = begin + size + (0 if kind == _COMPRESSED else -size % 8)
        if begin + size > len(content):
            raise _DamagedError(f"{size:,} bytes are claimed and {len(content) - begin:,} are there")
        yield kind, content[begin : begin + size]


def _begin(parts: Iterator[tuple[int, memoryview]], order: str) -> tuple[int, list[int], str]:
    """The kind of a variable with its flags, its sizes and its name."""
    flags = int(np.frombuffer(next(parts)[1], order + "u4", 1)[0])
    said = np.frombuffer(next(parts)[1], order + "i4")
    if len(said) > _AXES:  # their product would be as long a number
        raise _DamagedError(f"{len(said):,} dimensions")
    sizes = said.tolist()
    if min(sizes, default=-1) < 0:
        raise _DamagedError(f"sizes {sizes}")
    return flags, sizes, bytes(next(parts)[1]).decode("latin-1")


def _value(content: memoryview, order: str, is_inside: bool = False) -> Value | None:
    """Numbers, a text, or texts in a cell; None for all else."""
    parts = _elements(content, order)
    flags, sizes, name = _begin(parts, order)
    kind, size = flags & 0xFF, math.prod(sizes)
    if kind == _CELL and not is_inside:
        inside = [_value(one, order, True) for _, one in islice(parts, min(size, _CELLS) + 1)]
        if len(inside) != size:
            raise _DamagedError(f"'{name}' claims {size:,} cells")
        return [one for one in inside if isinstance(one, str)]
    if kind == _TEXT:
        code, said = next(parts)
        return bytes(said).decode(_TEXTS.get(code, "latin-1") + (_ORDERS[order] if code in _WIDE else ""))
    if kind in _NUMBERS and not flags & _COMPLEX:
        code, said = next(parts)
        values = np.frombuffer(said, order + _KINDS.get(code, "u1"))
        if code not in _KINDS or size != len(values):
            raise _DamagedError(f"'{name}' claims {size:,} numbers and has {len(values):,}")
        return values.astype(np.float64).reshape(sizes, order="F")
    return None
