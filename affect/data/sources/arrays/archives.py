"""Arrays that a stranger stored: `.npy`, `.npz` and `.pt` are told apart by content; nothing is executed."""

from __future__ import annotations

import math
import sys
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.formats.room import check_room
from affect.errors import AffectError, DataError

Kind: TypeAlias = Literal["npy", "npz", "pt", ""]
_NPY = b"\x93NUMPY"
_ZIP = b"PK\x03\x04"
_ENTRY, _TENSORS = ".npy", "/data.pkl"
_RATIO = 1100
"""Deflate cannot shrink more than 1032 times: what claims to be larger holds nothing."""

_SMALL = 1 << 20
_BLOCK = 1 << 22
_ZEROS = bytes(_BLOCK)
_TIMES = 1.5
"""What is packed is in memory once, and its largest part again as float32, or as less."""


def kind(path: Path) -> Kind:
    """What a file of arrays is; empty where it is none. Never raises.

    Example:
        >>> path = getfixture("tmp_path") / "a.bin"
        >>> with path.open("wb") as file:
        ...     np.savez(file, text=np.ones(2))
        >>> kind(path)
        'npz'
    """
    try:
        if not path.is_file():  # a pipe would be waited for
            return ""
        with path.open("rb") as file:
            start = file.read(len(_NPY))
        if start == _NPY:
            return "npy"
        if not start.startswith(_ZIP):
            return ""
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # whatever a damaged directory leads to
        return (
            "npz" if path.suffix.lower() == ".npz" else "pt" if path.suffix.lower() in (".pt", ".pth") else ""
        )
    if any(name.endswith(_TENSORS) for name in names):
        return "pt"
    return "npz" if any(name.endswith(_ENTRY) for name in names) else ""


def contents(path: Path) -> Any:
    """What a file of arrays holds: an array, arrays by name, or what was saved as tensors.

    Of an `.npz` file, what is no array is None. Arrays of an `.npy` file stay on disk.

    Raises:
        DataError: the file is damaged, holds objects, or claims more than it has.
    Example:
        >>> path = getfixture("tmp_path") / "a.npz"
        >>> np.savez(path, text=np.ones((2, 3)), id=np.array(["a", "b"]))
        >>> {name: array.shape for name, array in contents(path).items()}
        {'text': (2, 3), 'id': (2,)}
    """
    found = kind(path)
    try:
        if found == "npy":
            return _mapped(path)
        with opened(path) as archive:
            if found == "pt":
                from affect.data.sources.arrays.tensors import read

                return read(archive, path)
            return {
                info.filename.removesuffix(_ENTRY): _stored(archive, info, path)
                for info in archive.infolist()
                if not info.is_dir()
            }
    except AffectError:
        raise
    except Exception as error:  # whatever the bytes lead to, the answer is the same
        said = ascii(" ".join(str(error).split())[:200])[1:-1]
        raise DataError(
            f"{path}: not a whole .{found or 'npz'} file ({type(error).__name__}: {said})"
        ) from None


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip archive of which nothing claims to be larger than it can be.

    Raises:
        DataError: an entry does, is there twice, or cannot be read without a password.
    """
    with zipfile.ZipFile(path) as archive:
        size, names, stored = path.stat().st_size, set[str](), 0
        for info in archive.infolist():
            where = f"{path}: entry '{ascii(info.filename)[1:-1][:100]}'"
            stored += info.compress_size
            if info.filename in names:
                raise DataError(f"{where} is there twice; keep one")
            names.add(info.filename)
            if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(f"{where} is encrypted, or packed in another way than numpy and PyTorch do")
            packed = info.compress_type == zipfile.ZIP_DEFLATED
            if info.file_size > (max(_SMALL, _RATIO * info.compress_size) if packed else info.compress_size):
                raise DataError(f"{where} claims {info.file_size / 1e6:,.0f} MB that are not in the file")
            if stored > size:
                raise DataError(f"{where} lies over others: together they claim more than the file holds")
        check_room(sum(info.file_size for info in archive.infolist()), str(path), _TIMES)
        yield archive


def _stored(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray[Any] | None:
    if not info.filename.endswith(_ENTRY):
        return None
    where = f"{path}: '{info.filename.removesuffix(_ENTRY)}'"
    with archive.open(info) as file:
        dtype, shape, fortran = _header(file, info.file_size, where)
        raw = np.zeros(math.prod(shape) * dtype.itemsize, np.uint8)
        for at in range(0, len(raw), _BLOCK):  # whole, it would be in memory twice
            part = raw[at : at + _BLOCK]
            if len(block := file.read(len(part))) != len(part):
                raise EOFError("it ends early")
            if block != _ZEROS[: len(block)]:  # of which none takes memory that nobody writes to
                part[:] = np.frombuffer(block, np.uint8)
        if file.read(1):
            raise EOFError("it goes on")
    raw.flags.writeable = False
    flat = raw.view(dtype)
    return _checked(flat.reshape(shape, order="F" if fortran else "C"), where)


def _mapped(path: Path) -> NDArray[Any]:
    """An `.npy` file as it lies on the disk."""
    with path.open("rb") as file:
        dtype, shape, fortran = _header(file, path.stat().st_size, str(path))
        begin = file.tell()
    if 0 in shape:
        return np.zeros(shape, dtype)
    return _checked(np.memmap(path, dtype, "r", begin, shape, "F" if fortran else "C"), str(path))


def _header(file: IO[bytes], size: int, where: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Type and shape of an array, once they are as large as what follows them.

    Raises:
        DataError: they are not, or it holds something else than numbers and text.
    """
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 2 wrote it
            shape, fortran, dtype = read(file)
    except Exception as error:  # whatever the header leads to, the answer is the same
        said = ascii(" ".join(str(error).split())[:200])[1:-1]
        raise DataError(f"{where} is not a whole array of numpy ({said})") from None
    if dtype.hasobject:
        raise DataError(
            f"{where} is an array of objects, which numpy keeps as a pickle, and none is run; save numbers "
            "with their lengths, or a file for each sample"
        )
    if dtype.kind not in "biufUS" or not dtype.itemsize:
        raise DataError(f"{where} must hold numbers or text, got {str(dtype)[:100]}")
    if any(n < 0 for n in shape) or (0 in shape and max(shape) > 10 * size + _SMALL):
        raise DataError(f"{where} has no possible shape, got {str(shape)[:100]}")
    claimed, left = math.prod(shape) * dtype.itemsize, size - file.tell()
    if claimed != left:
        raise DataError(
            f"{where} claims {claimed:,} bytes for {dtype} of shape {str(shape)[:100]}, and has {left:,}"
        )
    return dtype, shape, fortran


def _checked(array: NDArray[Any], where: str) -> NDArray[Any]:
    """The same array, whose truths are 0 or 1 and whose text is text."""
    if array.dtype.kind == "b":
        return np.asarray(array.view(np.uint8) != 0)
    if array.dtype.kind == "U":
        points = (
            np.ascontiguousarray(array)
            .reshape(-1)
            .view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        )
        if any(points[at : at + _BLOCK].max() > sys.maxunicode for at in range(0, len(points), _BLOCK)):
            raise DataError(f"{where} holds text of what is no character")  # numpy makes strings that crash
    return array
