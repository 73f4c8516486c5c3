"""A storage that waits: nothing that Optuna asks of a database goes past it."""

import inspect
import re

from optuna.storages import _cached_storage
from sqlalchemy.exc import PendingRollbackError

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
