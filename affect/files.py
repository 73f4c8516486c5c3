"""Files and folders that are whole or not there."""

from __future__ import annotations

import errno
import functools
import glob
import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from affect.errors import AffectError, behind

_REFUSALS = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE,
    errno.ENOTCONN, errno.EFBIG,
)  # fmt: skip
_SIGNS = {
    os.strerror(number).lower(): number for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
} | {"disk is full": errno.ENOSPC, "readonly database": errno.EROFS, "disk i/o error": errno.EIO}


@contextmanager
def writing(path: str | Path, flush: bool = True) -> Iterator[Path]:
    """A path to write to, renamed to `path` when the block ends; when it fails, `path` stays as it was.

    Args:
        path: of the file.
        flush: whether to wait until the disk has it, which it keeps then also where the machine goes down.
    Raises:
        OSError: the disk refuses; the error names `path`, whatever wrote there.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> with writing(folder / "a.txt") as partial:
        ...     _ = partial.write_text("done")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(_partial(path.name, os.getpid()))
    _clear(path)
    try:
        yield partial
        if flush:
            with partial.open("r+b") as file:  # Windows flushes what can be written
                os.fsync(file.fileno())
        partial.replace(path)
    except Exception as error:
        if isinstance(error, OSError) and str(error.filename) == str(partial):
            error.filename = str(path)  # the other is nobody's
        known = isinstance(error, AffectError) or (isinstance(error, OSError) and error.filename is not None)
        number = 0 if known else of_disk(error) or _full(partial)
        if number:
            raise OSError(number, os.strerror(number), str(path)) from error
        raise
    finally:
        with suppress(OSError):  # a disk that is gone has no partial file
            partial.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Delete what processes of this machine that were killed left half written of a file."""
    if os.name != "posix":  # elsewhere, to ask for a process may end it
        return
    for rest in path.parent.glob(_partial(glob.escape(path.name), "*")):
        pid = rest.name.removesuffix(".partial").rpartition("-")[2]
        with suppress(OSError):
            if pid.isdecimal() and not _lives(int(pid)):
                rest.unlink()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


@functools.cache
def _here() -> str:
    """Where a process's number says which it is: on this machine, and in this container."""
    inside = Path("/proc/self/ns/pid")
    said = f"{platform.node()} {os.readlink(inside) if inside.is_symlink() else ''}"
    return hashlib.sha256(said.encode()).hexdigest()[:8]


def _partial(name: str, process: int | str) -> str:
    """What a file is called while a process writes it."""
    return f".{name}.{_here()}-{process}.partial"


LONGEST = 255 - len(_partial("", 1 << 22))
"""Bytes in the name of a file that `writing` can write, whatever the process's number."""


@contextmanager
def scratch(beside: Path | None = None) -> Iterator[Path]:
    """A hidden folder within another, so on its disk; gone when the block ends.

    Args:
        beside: the other; where the system keeps such by default.

    Example:
        >>> with scratch(getfixture("tmp_path") / "checkpoints") as folder:
        ...     folder.parent.name, folder.is_dir()
        ('checkpoints', True)
        >>> folder.exists()
        False
    """
    if beside is not None:
        beside.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=beside, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def of_disk(error: BaseException | None) -> int:
    """The system's number of what a disk refused, wherever in an error it stands; 0 where it did not.

    Libraries that write by themselves say it in words of their own, or in an error that they hide.

    Example:
        >>> of_disk(RuntimeError("I/O error: No space left on device (os error 28)"))
        28
        >>> of_disk(ValueError("too many"))
        0
    """
    for one in behind(error):
        if isinstance(one, OSError) and one.errno in _REFUSALS:
            return int(one.errno)
        said = str(one).lower()
        if found := next((number for sign, number in _SIGNS.items() if sign in said), 0):
            return found
    return 0


def _full(partial: Path) -> int:
    """Whether a file could not be written whole because there is no room: PyTorch does not say why."""
    with suppress(OSError):
        if shutil.disk_usage(partial.parent).free < 1 << 16:
            return errno.ENOSPC
    return 0


def real(path: str | Path) -> Path:
    """Where a path leads, from the root; a link that leads back to itself stays, and nothing is there.

    Example:
        >>> link = getfixture("tmp_path") / "a"
        >>> link.symlink_to(link)
        >>> real(link).name, real(link).exists()
        ('a', False)
    """
    return Path(os.path.realpath(path))


def fresh(folder: Path) -> Path:
    """Where a folder is made that is to take the place of another; hidden, so that nobody finds it."""
    return folder.with_name(f".{folder.name}.new")


def put_in_place(folder: Path) -> None:
    """What was made at `fresh(folder)` becomes `folder`; a kill leaves what was there, or the new one.

    Example:
        >>> folder = getfixture("tmp_path") / "run"
        >>> for path in (folder, fresh(folder)):
        ...     path.mkdir()
        >>> _ = (folder / "old.txt").write_text(""), (fresh(folder) / "new.txt").write_text("")
        >>> put_in_place(folder)
        >>> [file.name for file in folder.iterdir()], [path.name for path in folder.parent.iterdir()]
        (['new.txt'], ['run'])
    """
    if folder.exists():
        shutil.rmtree(_former(folder), ignore_errors=True)
        folder.rename(_former(folder))
    fresh(folder).rename(folder)
    settle(folder)


def settle(folder: Path, whole: str = "") -> None:
    """Finish what was killed while one folder took the place of another.

    Args:
        folder: the place.
        whole: the file that a folder holds when all of it is written; without it, it does not take the place.
    """
    if not folder.exists() and whole and (fresh(folder) / whole).is_file():
        fresh(folder).rename(folder)
    if folder.exists():
        shutil.rmtree(_former(folder), ignore_errors=True)


def place_of(folder: Path) -> Path | None:
    """The place that a folder is to have, or had, while `put_in_place` is at work; None of any other.

    Example:
        >>> place_of(fresh(Path("runs/seed0"))).name, place_of(Path("runs/seed0"))
        ('seed0', None)
    """
    found = re.fullmatch(r"\.(.+)\.(?:new|old)", folder.name)
    return None if found is None else folder.with_name(found[1])


def _former(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
