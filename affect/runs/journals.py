"""Studies in a journal: a file to which workers append a line of JSON for everything that happens."""

from __future__ import annotations

import logging
from pathlib import Path

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from affect.errors import ConfigError

logger = logging.getLogger(__name__)
_RECORD = b'{"op_code":'
"""What every line begins with."""


def open_journal(url: str, path: str) -> BaseStorage:
    r"""The storage in a journal.

    What is left of a record whose writer was killed is cut off, and a log line says so.

    Args:
        url: as it was named, for messages.
        path: of the file, which is made where there is none.
    Raises:
        ConfigError: it is a folder, cannot be read, or is no journal.
    Example:
        >>> path = getfixture("tmp_path") / "study.log"
        >>> open_journal(f"journal://{path}", str(path)).get_all_studies()
        []
        >>> _ = path.write_text("id,label\n")
        >>> open_journal("journal://study.log", str(path))
        Traceback (most recent call last):
        affect.errors.ConfigError: storage: journal://study.log: line 1 is no record of a study; bring the
        file back, or name a new one
    """
    if Path(path).is_dir():
        raise ConfigError(f"storage: {url} is a folder; name a file in it, as in {url}/study.log")
    try:
        _check(url, Path(path))
        lock = JournalFileSymlinkLock(path)
        backend = JournalFileBackend(path, lock)
        _cut_partial_record(url, Path(path), lock)
    except OSError as error:
        raise ConfigError(f"storage: {url}: {error.strerror}") from None
    try:
        return JournalStorage(backend)
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"storage: {url}: no journal of a study: {reason}; {_REMEDY}") from None


_REMEDY = "bring the file back, or name a new one"


def _check(url: str, path: Path) -> None:
    """Refuse a file that is something else, before anything is written into it."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            known = _RECORD if line.endswith(b"\n") else _RECORD[: len(line)]
            if not line.startswith(known):
                raise ConfigError(f"storage: {url}: line {number} is no record of a study; {_REMEDY}")


def _cut_partial_record(url: str, path: Path, lock: JournalFileSymlinkLock) -> None:
    """Optuna reads over a last line without an end, and would write the next record behind it."""
    if not _partial(path):
        return
    lock.acquire()  # whoever is writing it is done then
    try:
        if lost := _partial(path):
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size - lost)
            logger.warning("%s: the last record is cut off; its %d bytes are left out", url, lost)
    finally:
        lock.release()


def _partial(path: Path) -> int:
    """The bytes behind the last end of a line."""
    with path.open("rb") as file:
        last = b""
        for line in file:
            last = line
    return 0 if last.endswith(b"\n") else len(last)
