"""A cluster of Dask's, in this process, that affect has not started and does not end."""

import os
import time

import pytest
from joblib import delayed

from affect import memory
from affect.workers import clusters, processes, work
from affect.workers.clusters import RayCluster
from affect.workers.dispatch import Died


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


def lacks_affect(payload, share):
    raise ModuleNotFoundError("No module named 'affect'")


def test_what_a_call_raises_is_no_cluster_that_is_gone(address, monkeypatch):
    monkeypatch.setattr(clusters, "_made", lacks_affect)
    with pytest.raises(ModuleNotFoundError, match="'affect'"), processes(1, "dask", address):
        work([delayed(abs)(-1)])


class NoCluster(RayCluster):
    """One that has not to be there."""

    def __init__(self):
        pass

    def check(self):
        pass


def test_what_a_call_raises_on_ray_is_no_machine_that_was_lost(monkeypatch):
    ray = pytest.importorskip("ray", reason="needs affect[distributed]")
    from ray import exceptions

    def ended(error):
        def get(call):
            raise error

        monkeypatch.setattr(ray, "get", get)
        return NoCluster().ended(["call"])

    monkeypatch.setattr(ray, "wait", lambda begun, **_: (begun, []))
    own = ModuleNotFoundError("No module named 'affect'")
    with pytest.raises(ModuleNotFoundError) as refused:
        ended(exceptions.RayTaskError("_made", "Traceback", own).as_instanceof_cause())
    assert refused.value is own
    with pytest.raises(exceptions.RuntimeEnvSetupError, match="no such package"):
        ended(exceptions.RuntimeEnvSetupError("no such package"))
    assert ended(exceptions.WorkerCrashedError()) == [("call", Died("its process crashed"))]
    assert ended(exceptions.NodeDiedError("gone")) == [("call", Died("its machine was lost"))]


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
