"""Optuna studies: where they are kept, and what came out of them.

A study is kept by any storage of Optuna's: `sqlite:///study.db`, `postgresql://user@host/name`,
`mysql+pymysql://...`, `journal:///folder/study.log` (a file that several machines may share) or
`redis://host:6379`.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
import pandas as pd
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalRedisBackend
from optuna.trial import FrozenTrial, TrialState

from affect import renamed
from affect.errors import ConfigError, DataError
from affect.files import of_disk, real, writing
from affect.manifest import FILES, Manifest, read_facts
from affect.runs.journals import open_journal
from affect.runs.recorded import check_form

STUDY = "study.db"
"""The file in a search's folder that holds its study, or a copy where another storage has it."""

SEARCH = "search.json"
"""The file beside it that says which study it is, and which of its trials were chosen."""

SEEDS, EPOCHS, SECONDS, FAILURE = "seeds", "epochs", "seconds", "failure"
"""Attributes of a trial: what each seed came to, what all of them took, and why it failed."""

START, DIFFERS = "start", "differs"
"""Attributes of a trial that did not come from the sampler: what it is called, and what it cannot say."""

CONFIGURATION = "the configuration"
"""What the first trial is called."""


def open_storage(url: str, heartbeat: int = 20) -> BaseStorage:
    """The storage that a URL names.

    In a database a running trial leaves a sign of life every `heartbeat` seconds; one that left none for
    three times as long is given to the next worker. Optuna has no such signs in a journal or in Redis.

    Args:
        url: a database that SQLAlchemy knows, `journal:///path` or `redis://host`.
        heartbeat: seconds.
    Raises:
        ConfigError: the URL is none, its driver is not installed, or nothing answers there.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> storage = open_storage(f"sqlite:///{folder}/study.db")
        >>> optuna.get_all_study_names(storage)
        []
    """
    scheme, _, rest = url.partition("://")
    with quietly():
        if scheme == "journal":
            return open_journal(url, rest)
        if scheme in ("redis", "rediss"):
            return _redis(url)
        return _database(url, heartbeat)


@dataclass(frozen=True, eq=False)
class StoredStudy:
    """A search that lies in a folder.

    Args:
        study: its trials.
        chosen: the numbers of those that were chosen, by what they are called in tables.
        configurations: those, as `affect train` reads them.
    """

    study: optuna.Study
    chosen: dict[str, int]
    configurations: dict[str, str]


def open_study(folder: Path) -> StoredStudy:
    """The search whose results lie in a folder.

    Raises:
        DataError: it holds no search, a part of one is gone, or is not what was written.
    """
    for name in (SEARCH, STUDY):
        if not (folder / name).is_file():
            raise DataError(f"{folder}: not a search; expected a folder that holds {SEARCH} and {STUDY}")
    path = folder / SEARCH
    facts = read_facts(path, _REMEDY)
    form = {"study": str, "chosen": {"*": int}, "configurations?": {"*": str}}
    check_form(facts, form, str(path), _REMEDY)
    labels = facts.get("configurations") or facts.get(FILES)  # of a release without a manifest
    check_form(labels, {"*": str}, str(path), _REMEDY)
    for name in labels.values():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DataError(f"{path}: {name} is not below {folder}; {_REMEDY}")
    manifest = Manifest.of(path, _REMEDY, facts if "configurations" in facts else {})
    try:
        configurations = {label: manifest.read(name).decode() for label, name in labels.items()}
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: a configuration is no text: {error}; {_REMEDY}") from None
    _check_database(folder / STUDY)
    try:
        study = load(open_storage(sqlite(folder / STUDY)), facts["study"])
        known = {trial.number for trial in study.get_trials(deepcopy=False) if trial.values}
    except (ConfigError, KeyError, ValueError, StorageInternalError) as error:
        raise DataError(f"{folder / STUDY}: no study: {' '.join(str(error).split())}; {_REMEDY}") from None
    for label, number in facts["chosen"].items():
        if number not in known or label not in labels:
            raise DataError(f"{folder / STUDY}: {label} is missing, which {SEARCH} names; {_REMEDY}")
    return StoredStudy(study, facts["chosen"], configurations)


_REMEDY = "run affect tune again with --resume, or bring the file back"


def _check_database(path: Path) -> None:
    """Refuse an SQLite file that is damaged, before anything is written into it."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(real(path)))}?mode=ro", uri=True)) as held:
            (found,) = held.execute("PRAGMA quick_check(1)").fetchone()
            empty = not held.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except sqlite3.DatabaseError as error:
        raise DataError(f"{path}: no study: {error}; {_REMEDY}") from None
    if found != "ok" or empty:
        why = "it is empty" if empty else " ".join(str(found).split())
        raise DataError(f"{path}: no study: {why}; {_REMEDY}")


def load(storage: BaseStorage, name: str) -> optuna.Study:
    """A study that is there."""
    with quietly():
        return optuna.load_study(study_name=name, storage=storage)


def sqlite(path: Path) -> str:
    """The URL of an SQLite file.

    Raises:
        ConfigError: its path has a question mark, with which the options of a URL begin.
    """
    if "?" in str(real(path)):
        raise ConfigError(f"{real(path)}: SQLite takes no path with a question mark; name another folder")
    return f"sqlite:///{real(path)}"


def keep(study: optuna.Study, folder: Path) -> None:
    """Leave a copy of a study in a folder, so that a report needs no server."""
    with quietly(), writing(folder / STUDY) as partial:
        optuna.copy_study(
            from_study_name=study.study_name, from_storage=study._storage, to_storage=sqlite(partial)
        )


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that are over and will not be tried again: done, stopped early, or impossible."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return [t for t in ended if t.state != TrialState.FAIL or FAILURE in t.user_attrs]


def retry_of(trial: FrozenTrial) -> int | None:
    """The number of the trial that this one tries again, as that was interrupted; None for others."""
    number: int | None = trial.system_attrs.get("failed_trial")
    return number


def retry_interrupted(study: optuna.Study, trial: FrozenTrial) -> None:
    """Have a trial that was interrupted begin again, three times at most."""
    with quietly():
        again = RetryHeartbeatStaleTrialCallback(max_retry=3)
    again(study, trial)


def objectives(study: optuna.Study) -> list[str]:
    """What a study's objectives are called."""
    several = [f"value {place}" for place in range(len(study.directions))]
    return study.metric_names or (several if len(several) > 1 else ["value"])


def trials_table(study: optuna.Study) -> pd.DataFrame:
    """One row per trial, in the order they began.

    Columns: `trial`, `state`, a column for each objective, `seeds` that were trained, `epochs` and `seconds`
    of all of them, `start` and `differs` where it was named before, `retry_of`, `failure`, and a column for
    each parameter.
    """
    rows = []
    names = objectives(study)
    for trial in study.get_trials(deepcopy=False):
        values = dict(zip(names, trial.values or [], strict=False))
        attributes = trial.user_attrs
        rows.append(
            {
                "trial": trial.number,
                "state": trial.state.name.lower(),
                **{name: values.get(name) for name in names},
                SEEDS: len(attributes.get(SEEDS, [])),
                EPOCHS: attributes.get(EPOCHS),
                SECONDS: attributes.get(SECONDS),
                START: attributes.get(START),
                DIFFERS: attributes.get(DIFFERS) or None,
                "retry_of": retry_of(trial),
                FAILURE: attributes.get(FAILURE),
                **trial.params,
            }
        )
    return pd.DataFrame(rows)


@contextmanager
def quietly() -> Iterator[None]:
    """Optuna without its log, and without saying that what it has had for years may change."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _database(url: str, heartbeat: int) -> BaseStorage:
    """A database; several workers may make its tables in the same moment, so it is tried again."""
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError, DBAPIError

    try:
        database = sqlalchemy.engine.make_url(url).database
    except (ArgumentError, ValueError):  # the latter for a port that is none
        raise _no_storage(url) from None
    shown = _hidden(url)
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.startswith("sqlite"):
        if database in (None, "", ":memory:"):
            raise ConfigError(f"storage: {url} names no file; workers share one, as in sqlite:///study.db")
        options["connect_args"] = {"timeout": 2}  # seconds that it waits in silence for another process
    for attempt in range(_ATTEMPTS):
        try:
            return _Database(
                url,
                engine_kwargs=options,
                heartbeat_interval=heartbeat,
                grace_period=3 * heartbeat,
                heartbeat_stale_trial_callback=retry_interrupted,
            )
        except (ArgumentError, RuntimeError) as error:  # the latter where another release made the tables
            raise ConfigError(f"storage: {shown}: {' '.join(str(error).split())}") from None
        except ImportError as error:
            raise ConfigError(
                f"storage: {shown}: its driver is not installed ({error.__cause__ or error}); "
                'pip install "affect[studies]" brings that of PostgreSQL'
            ) from None
        except DBAPIError as error:
            if number := of_disk(error):
                raise OSError(number, os.strerror(number), shown) from None
            if attempt == _ATTEMPTS - 1:
                reason = str(error.orig).strip().splitlines()[0]
                raise ConfigError(f"storage: {shown} does not answer: {reason}") from error
            time.sleep(0.3 * (attempt + 1))
    raise AssertionError


_ATTEMPTS = 4


class _Database(RDBStorage):
    """Optuna's, in which a sign of life that could not be left is left the next time.

    Optuna gives no more of them after the first failure, and the trial, which goes on, to somebody else.
    """

    def record_heartbeat(self, trial_id: int) -> None:
        with suppress(StorageInternalError):
            super().record_heartbeat(trial_id)


def _no_storage(url: str) -> ConfigError:
    """What is to be said of a URL that cannot be read."""
    return ConfigError(
        f"storage: '{_hidden(url)}' is no storage; expected one such as sqlite:///study.db, "
        "postgresql://user@host/name, journal:///folder/study.log or redis://host:6379"
    )


def _hidden(url: str) -> str:
    """A URL without what may be its password, whatever is in that."""
    return re.sub(r"^((?:[^:/@]*://)?[^:/]*:)(?!//).*@", r"\1***@", url, flags=re.DOTALL)


def _redis(url: str) -> BaseStorage:
    try:
        import redis
    except ImportError:
        raise ConfigError('storage: redis is not installed; pip install "affect[studies]"') from None
    try:
        redis.Redis.from_url(url).ping()
    except ValueError:  # which may say a part of the password
        raise _no_storage(url) from None
    except redis.exceptions.RedisError as error:
        raise ConfigError(f"storage: Redis does not answer: {error}") from error
    return optuna.storages.JournalStorage(JournalRedisBackend(url))


__getattr__ = renamed.names(
    __name__, {"Kept": "StoredStudy", "finished": "finished_trials", "kept": "open_study"}
)
