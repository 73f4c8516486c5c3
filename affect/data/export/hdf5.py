"""HDF5 files on disks that may be full."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py


class _Forgiving(io.RawIOBase):
    """A file that takes whatever is written, and remembers that the disk did not.

    Where HDF5 is refused a write, what it still holds has no place to go: it fails again when the file is
    closed, and a third time when Python ends, and then it takes the process with it.
    """

    def __init__(self, path: Path) -> None:
        self.refused: OSError | None = None
        self._file = io.FileIO(path, "w+")
        self._at = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset if whence == 0 else self._end() + offset if whence == 2 else self._at + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        whole = memoryview(data).cast("B")
        done = 0
        while self.refused is None and done < len(whole):
            try:
                self._file.seek(self._at + done)
                done += self._file.write(whole[done:])
            except OSError as error:
                self.refused = error
        self._at += len(whole)
        return len(whole)

    def readinto(self, into: Any) -> int:
        whole = memoryview(into).cast("B")
        self._file.seek(self._at)
        count = self._file.readinto(whole) or 0
        whole[count:] = bytes(len(whole) - count)
        self._at += len(whole)
        return len(whole)

    def truncate(self, size: int | None = None) -> int:
        size = self._at if size is None else size
        if self.refused is None:
            try:
                self._file.truncate(size)
            except OSError as error:
                self.refused = error
        return size

    def close(self) -> None:
        self._file.close()
        super().close()

    def _end(self) -> int:
        return self._file.seek(0, 2)


@contextmanager
def hdf5(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file to write.

    Raises:
        OSError: the disk did not take it; it is not whole then.
    """
    import h5py

    with _Forgiving(path) as under:
        try:
            with h5py.File(under, "w") as file:
                yield file
        except Exception:
            if under.refused is None:
                raise
        if under.refused is not None:
            raise under.refused
