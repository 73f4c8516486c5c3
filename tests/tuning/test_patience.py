"""A storage that waits: nothing that Optuna asks of a database goes past it."""

import inspect
import re

import pytest
import servers
from optuna.storages import _cached_storage
from sqlalchemy.exc import OperationalError, PendingRollbackError

from affect.errors import ConfigError
from affect.runs.studies import open_storage
from affect.tuning.patience import is_away, opened_patiently

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


def test_a_locked_file_is_spoken_of_within_seconds(tmp_path):
    waiting = opened_patiently(f"sqlite:///{tmp_path / 'study.db'}")
    with waiting.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 2000
    waiting.engine.dispose()
