"""A storage that waits: nothing that Optuna asks of a database goes past it."""

import inspect
import re
import sqlite3
from contextlib import closing

import optuna
import pytest
import servers
from optuna.storages import RDBStorage, _cached_storage
from sqlalchemy.exc import OperationalError, PendingRollbackError

from affect.errors import ConfigError
from affect.runs import studies
from affect.runs.studies import open_storage, sqlite
from affect.tuning import patience
from affect.tuning.patience import is_away, opened_patiently, patient

HARMLESS = {
    "get_heartbeat_interval",
    "get_heartbeat_stale_trial_callback",
    "record_heartbeat",
    "remove_session",
}
"""What asks no database, and signs of life, which are left the next time."""


def test_whatever_the_cache_asks_of_a_database_waits(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    plain, waiting = open_storage(url), opened_patiently(url)
    asked = set(re.findall(r"_backend\.(\w+)\(", inspect.getsource(_cached_storage))) - HARMLESS
    assert {"_get_trials", "set_trial_user_attr"} < asked
    assert {name for name in asked if name not in vars(waiting)} == set()
    assert not asked & vars(plain).keys()
    for storage in (plain, waiting):
        storage.engine.dispose()


def test_a_transaction_that_broke_with_its_connection_is_of_a_database_that_is_away():
    assert is_away(PendingRollbackError("Can't reconnect until invalid transaction is rolled back."))


@pytest.mark.parametrize(
    ("said", "away"),
    [
        ("Connection refused", True),
        ("FATAL:  the database system is starting up", True),
        ('FATAL:  password authentication failed for user "alice"', False),
        ("fe_sendauth: no password supplied", False),
        ('FATAL:  database "name" does not exist', False),
        ("(1045, \"Access denied for user 'alice'@'host'\")", False),
    ],
)
def test_a_database_that_refuses_is_not_away(said, away):
    failed = OperationalError(None, None, RuntimeError(f"connection to server failed: {said}"))
    assert is_away(failed) is away
    refused = ConfigError("storage: does not answer")
    refused.__cause__ = failed  # as `open_storage` raises it
    assert is_away(refused) is away


def test_a_redis_that_is_not_there_when_it_is_opened_is_away():
    pytest.importorskip("redis", reason="needs affect[studies]")
    with pytest.raises(ConfigError, match="does not answer") as refused:
        open_storage(f"redis://127.0.0.1:{servers.free_port()}")
    assert is_away(refused.value)


def test_a_locked_file_is_waited_for_with_a_line(tmp_path, caplog, monkeypatch):
    url = sqlite(tmp_path / "study.db")
    open_storage(url).engine.dispose()
    monkeypatch.setitem(patience._SAID, "again", 0.0)
    monkeypatch.setattr(studies, "_ATTEMPTS", 1)
    with closing(sqlite3.connect(tmp_path / "study.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(caplog.handler, "filters", [lambda _: other.rollback() or True])
        waiting = opened_patiently(url, new=True)
    with waiting.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 2000
    waiting.engine.dispose()
    assert caplog.messages == ["the database does not answer; waiting, tried again in 2 s"]


def test_a_new_storage_that_does_not_answer_is_not_waited_for():
    with pytest.raises(ConfigError, match="unable to open database file"):
        opened_patiently("sqlite:////nowhere/study.db", new=True)


def test_a_release_of_optuna_that_asks_otherwise_is_spoken_of(tmp_path, caplog, monkeypatch):
    storage = open_storage(sqlite(tmp_path / "study.db"))
    patient(storage)
    assert caplog.messages == []
    monkeypatch.delattr(RDBStorage, "_set_trial_param")
    patient(open_storage(sqlite(tmp_path / "other.db")))
    (line,) = caplog.messages
    assert line.startswith(f"Optuna {optuna.__version__} has no _set_trial_param: what it asks of ")


@pytest.mark.parametrize("revision", ["v9.9.9.a", "v1.3.0.a"])
def test_a_study_of_another_release_of_optuna_is_refused(revision, tmp_path):
    url = sqlite(tmp_path / "study.db")
    open_storage(url).engine.dispose()
    with closing(sqlite3.connect(tmp_path / "study.db")) as tables:
        tables.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        tables.commit()
    remedy = {"v9.9.9.a": "pip install -U optuna", "v1.3.0.a": "optuna storage upgrade --storage"}[revision]
    with pytest.raises(ConfigError) as refused:
        open_storage(url)
    assert str(refused.value).startswith(
        f"storage: {url}: The runtime optuna version {optuna.__version__} is no longer compatible with the table"
    )
    assert remedy in str(refused.value)
