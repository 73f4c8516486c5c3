"""Files and folders that are whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """A path to write to, renamed to `path` when the block ends; when it fails, `path` stays as it was.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> with writing(folder / "a.txt") as partial:
        ...     _ = partial.write_text("done")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        with partial.open("r+b") as file:  # Windows flushes what can be written
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


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


def _former(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
