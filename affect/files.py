"""Files and folders that are whole or not there."""

from __future__ import annotations

import errno
import functools
import glob
import hashlib
import logging
import os
import platform
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from affect.errors import AffectError, ConfigError, behind

logger = logging.getLogger(__name__)

_REFUSALS = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE,
    errno.ENOTCONN, errno.EFBIG,
)  # fmt: skip
_SQLITE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_IOERR: errno.EIO,
}
_POSTGRESQL = {"53100": errno.ENOSPC, "58030": errno.EIO}
_QUOTED = {
    "safetensors": re.compile(r"\(os error (\d+)\)"),
    "torch": re.compile(r"^OSError: \[Errno (\d+)\]", re.MULTILINE),  # the traceback of a device's process
}
"""How libraries whose errors have no number quote that of the system."""


@contextmanager
def writing(path: str | Path, flush: bool = True) -> Iterator[Path]:
    """A path to write to, renamed to `path` when the block ends; when it fails, `path` stays as it was.

    Args:
        path: of the file.
        flush: whether to wait until the disk has it, which it keeps then also where the machine goes down.
    Raises:
        ConfigError: `path` is a device or a pipe, which a file is not to replace.
        OSError: the disk refuses; the error names `path`, whatever wrote there.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> with writing(folder / "a.txt") as partial:
        ...     _ = partial.write_text("done")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    path = check_replaceable(Path(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(_during(path.name, os.getpid(), "partial"))
    for rest in _left(path.parent, glob.escape(path.name), "partial"):
        with suppress(OSError):
            rest.unlink()
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


def check_replaceable(path: Path) -> Path:
    """The path, if a file can be renamed to it: not where a device or a pipe is, which would be gone.

    Raises:
        ConfigError: as said.
    Example:
        >>> check_replaceable(Path(os.devnull))
        Traceback (most recent call last):
        affect.errors.ConfigError: /dev/null is a device or a pipe; name a file
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ConfigError(f"{path} is a device or a pipe; name a file")
    return path


def _left(folder: Path, name: str, end: str) -> Iterator[Path]:
    """What processes of this machine that were killed left in a folder, under a pattern of names."""
    if os.name != "posix":  # elsewhere, to ask for a process may end it
        return
    for rest in folder.glob(_during(name, "*", end)):
        pid = rest.name.removesuffix(f".{end}").rpartition("-")[2]
        if pid.isdecimal() and not _lives(int(pid)):
            yield rest


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


def _during(name: str, process: int | str, end: str) -> str:
    """What is called so while a process of this machine writes it."""
    return f".{name}.{_here()}-{process}.{end}"


LONGEST = 255 - len(_during("", 1 << 22, "partial"))
"""Bytes in the name of a file that `writing` can write, whatever the process's number."""


@contextmanager
def scratch(beside: Path | None = None) -> Iterator[Path]:
    """A hidden folder within another, so on its disk; gone when the block ends.

    Those that processes which were killed left there are deleted first, and a log line says so.

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
        for rest in _left(beside, "*", "scratch"):
            logger.info("%s is deleted: a process that was killed left it", rest)
            shutil.rmtree(rest, ignore_errors=True)
    named = {"prefix": ".", "suffix": _during("", os.getpid(), "scratch")[1:]}
    with TemporaryDirectory(**named, dir=beside, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def of_disk(error: BaseException | None) -> int:
    """The system's number of what a disk refused, wherever in an error it stands; 0 where it did not.

    Libraries that write by themselves have numbers of their own, or quote the system's.

    Example:
        >>> of_disk(OSError(28, "No space left on device"))
        28
        >>> of_disk(ValueError("no space left on device"))
        0
    """
    return next(filter(None, map(_refused, behind(error))), 0)


def _refused(error: BaseException) -> int:
    """The system's number of what a disk refused, as one error says it; 0 where it does not."""
    if isinstance(error, OSError):
        of_socket = error.errno == errno.ENOTCONN and error.filename is None
        return error.errno if error.errno in _REFUSALS and not of_socket else 0
    if isinstance(error, sqlite3.Error):
        return _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, 0)  # the rest says more of it
    if isinstance(state := getattr(error, "sqlstate", None), str):
        return _POSTGRESQL.get(state, 0)
    quoted = _QUOTED.get(type(error).__module__.partition(".")[0])
    found = quoted and quoted.search(str(error))
    return int(found[1]) if found and int(found[1]) in _REFUSALS else 0


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
