"""A cluster of Dask's, in this process, that affect has not started and does not end."""

import os
import time

import pytest
from joblib import delayed

from affect import memory
from affect.workers import processes, work


@pytest.fixture(scope="module")
def address():
    distributed = pytest.importorskip("distributed", reason="needs affect[distributed]")
    given = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "processes": False}
    with distributed.LocalCluster(**given) as cluster:
        yield cluster.scheduler_address


def test_each_process_has_its_share_of_the_limit_while_it_works(address, monkeypatch):
    monkeypatch.delenv(memory.LIMIT, raising=False)
    with memory.within(10**9), processes(None, "dask", address):
        monkeypatch.delenv(memory.LIMIT)  # the workers are in this process
        assert work([delayed(os.getenv)(memory.LIMIT)]) == ["500000000"]
    assert memory.LIMIT not in os.environ


def endless(path):
    try:
        while True:
            path.touch()
            time.sleep(0.01)
    finally:
        path.with_name("ended").touch()


class StoppedError(BaseException):
    pass


def test_what_is_being_made_ends_when_the_command_is_stopped(address, tmp_path):
    def stop(done):
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        raise StoppedError

    with pytest.raises(StoppedError), processes(None, "dask", address):
        work([delayed(abs)(-1), delayed(endless)(tmp_path / "begun")], stop)
    end = time.monotonic() + 20
    while not (tmp_path / "ended").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    with processes(2, "dask", address):  # which goes on working for others
        assert work([delayed(abs)(-2)]) == [2]
