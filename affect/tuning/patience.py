"""A study's storage that waits while its database does not answer."""

from __future__ import annotations

import functools
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage

from affect.errors import DataError, behind
from affect.files import of_disk
from affect.runs.studies import open_storage

GIVES_UP_AFTER = 600.0
"""Seconds that one operation waits in all."""
_LONGEST = 10.0
_SAID_AGAIN = 60.0

logger = logging.getLogger(__name__)


def patient(storage: BaseStorage, seconds: float = GIVES_UP_AFTER, silent: bool = False) -> BaseStorage:
    """Let every operation of a storage wait while its database is away, and then be done.

    A trial that is being trained meanwhile goes on where it was. What was done though its answer was lost is
    done again, which leaves at most a trial that nobody works at.

    Args:
        storage: as `affect.runs.studies.open_storage` gives it.
        seconds: that an operation waits in all, before its error is raised.
        silent: somebody else says that it waits.
    """
    for name in _BEHIND if isinstance(storage, RDBStorage) else ():
        if not hasattr(storage, name):
            logger.warning(_UNKNOWN, optuna.__version__, name)
    for name in (*vars(BaseStorage), *_BEHIND):
        operation = getattr(storage, name, None)
        if callable(operation) and (not name.startswith("_") or name in _BEHIND):
            setattr(storage, name, _waiting(operation, seconds, silent, is_away))
    return storage


_BEHIND = (
    "_create_new_trial",
    "_get_best_trial_id",
    "_get_stale_trial_ids",
    "_get_trials",
    "_set_trial_param",
)
"""What Optuna's cache before a database asks of it, though it is nobody else's."""
_UNKNOWN = (
    "Optuna %s has no %s: what it asks of a database in its place does not wait while that does not answer; "
    "another release of Optuna, or of affect, does"
)


def opened_patiently(url: str, heartbeat: int = 20, silent: bool = False, new: bool = False) -> BaseStorage:
    """A storage that did answer before, which may be away now: opened when it answers again.

    Args:
        url: as `affect.runs.studies.open_storage` takes it.
        heartbeat: seconds between signs of life.
        silent: somebody else says that it waits.
        new: whether it may never have answered: it is waited for only where another process has locked it.
    Raises:
        ConfigError: it did not answer for `GIVES_UP_AFTER`, or is new and does not answer.
    """
    opened = _waiting(open_storage, GIVES_UP_AFTER, silent, _is_locked if new else is_away)
    return patient(opened(url, heartbeat), silent=silent)


def _waiting(
    operation: Callable[..., Any],
    seconds: float,
    silent: bool,
    passes: Callable[[BaseException], bool],
) -> Callable[..., Any]:
    @functools.wraps(operation)
    def until_it_answers(*args: Any, **options: Any) -> Any:
        end, pause = time.monotonic() + seconds, 2.0
        while True:
            try:
                return operation(*args, **options)
            except Exception as error:
                if not passes(error) or getattr(_HERE, "hasty", False) or time.monotonic() + pause > end:
                    raise
            if not silent:
                say_away(pause)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST)

    return until_it_answers


def is_away(error: BaseException | None) -> bool:
    """Whether an error says that a database does not answer; a disk that is full does answer.

    So does a database that refuses the password: waiting brings none that is right.

    Example:
        >>> is_away(ConnectionRefusedError()), is_away(ValueError())
        (True, False)
    """
    if of_disk(error):
        return False
    if _is_locked(error):
        return True
    for one in behind(error):
        kind = type(one)
        if kind.__module__.partition(".")[0] == "sqlalchemy" and hasattr(one, "orig"):
            said = str(one.orig).lower()
            if _REFUSAL.search(said):
                return False
            sqlite = type(one.orig).__module__ == "sqlite3"
            if not sqlite and kind.__name__ in ("OperationalError", "InterfaceError"):
                return True
            if getattr(one, "connection_invalidated", False):
                return True
        if kind.__name__ == "PendingRollbackError":  # of a connection that broke in a transaction
            return True
        redis = kind.__module__.startswith("redis.") and kind.__name__ in _REDIS
        if redis or isinstance(one, ConnectionError | TimeoutError):
            return True
    return False


def _is_locked(error: BaseException | None) -> bool:
    """Whether another process has locked a file of SQLite's."""
    said = (one.orig for one in behind(error) if hasattr(one, "orig"))
    return any(type(one).__module__ == "sqlite3" and "locked" in str(one) for one in said)


_REFUSAL = re.compile(
    "authentication failed|no password supplied|does not exist|not permitted to log in|no pg_hba.conf entry|"
    "access denied|unknown database"
)
"""What PostgreSQL and MySQL say of a user, a password or a database that is none."""
_REDIS = ("ConnectionError", "TimeoutError", "BusyLoadingError")


def say_away(pause: float = 2.0) -> None:
    """A log line, once a minute: the database is waited for."""
    if time.monotonic() >= _SAID["again"]:
        _SAID["again"] = time.monotonic() + _SAID_AGAIN
        logger.warning("the database does not answer; waiting, tried again in %g s", pause)


_SAID = {"again": 0.0}
_HERE = threading.local()


@contextmanager
def hasty() -> Iterator[None]:
    """Within the block this thread waits for no storage."""
    _HERE.hasty = True
    try:
        yield
    finally:
        _HERE.hasty = False


@contextmanager
def failing(study: str) -> Iterator[None]:
    """Within the block, what a storage refuses is one line.

    Raises:
        DataError: it fails; what is in it is kept.
    """
    try:
        yield
    except StorageInternalError as error:
        raise storage_error(study, error) from None


def storage_error(study: str, error: Exception) -> DataError:
    """What is to be said of a storage that failed."""
    said = filter(None, (getattr(one, "orig", None) for one in behind(error)))  # by the database itself
    why = str(next(said, None) or error.__cause__ or error.__context__ or error)
    return DataError(
        f"tune: the storage of '{study}' failed: {' '.join(why.split())}; finished trials are kept, and the "
        "same command goes on"
    )
