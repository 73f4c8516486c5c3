"""A cluster of Ray's or Dask's that was started before, as a place where calls are made."""

from __future__ import annotations

import ctypes
import logging
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from affect import memory
from affect.errors import ConfigError, DataError
from affect.workers.apart import elsewhere
from affect.workers.dispatch import TRIES, Died, Outcome, made

SILENCE = 25.0
"""Seconds without an answer, or without a machine that works, after which a cluster counts as gone."""


class _Cluster:
    """What both have: its address, and since when it has been silent."""

    kind = ""

    def __init__(self, address: str) -> None:
        self.address = address
        self._heard = self._looked = time.monotonic()

    def check(self) -> None:
        """Look now and then whether it is there.

        Raises:
            DataError: it was not for `SILENCE` seconds.
        """
        now = time.monotonic()
        if now - self._looked < 3:
            return
        if self.is_there():
            self._heard = time.monotonic()
        self._looked = time.monotonic()
        if self._looked - self._heard > SILENCE:
            raise self.gone()

    def is_there(self) -> bool:
        """Whether it answers and has a machine that works."""
        raise NotImplementedError

    def gone(self) -> DataError:
        """What is to be said of one that is not there any more."""
        return DataError(
            f"workers: the {self.kind} cluster at {self.address} is gone, or has no worker left; what is "
            "finished is kept, and the same command goes on once it is back"
        )


class RayCluster(_Cluster):
    """A cluster of Ray's.

    Args:
        address: of its head.
        count: calls at the same time; by default as many as it has processors.
    Raises:
        ConfigError: Ray is not installed, or nothing answers.
    """

    kind = "Ray"

    def __init__(self, address: str, count: int | None) -> None:
        super().__init__(address)
        try:
            import ray
        except ImportError:
            raise not_installed("ray") from None
        try:
            with elsewhere(), _own_handler():
                ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
        except ConnectionError as error:
            raise ConfigError(f"workers: no Ray cluster answers at {address} ({error})") from None
        self.count = count or max(1, int(ray.cluster_resources().get("CPU", 1)))
        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        self._head = host, int(port)
        self._call, self._share = ray.remote(max_retries=0)(_made), memory.share(self.count)

    def begin(self, payload: bytes) -> Any:
        """Have a call made."""
        return self._call.remote(payload, self._share)

    def ended(self, begun: list[Any]) -> list[tuple[Any, Outcome]]:
        """Those that have ended, after a second of waiting at most."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        self.check()
        found: list[tuple[Any, Outcome]] = []
        for call in ray.wait(begun, num_returns=1, timeout=1)[0]:
            try:
                found.append((call, ray.get(call)))
            except RayTaskError as error:  # what the call itself raised, or a worker that cannot make it
                raise error.cause from error
            except RayError as error:
                how = next(filter(None, (_DEATHS.get(kind.__name__) for kind in type(error).__mro__)), None)
                if how is None:
                    raise
                found.append((call, Died(how)))
        return found

    def is_there(self) -> bool:
        """Whether its head answers, without which Ray itself may never do, and a node has processors."""
        import ray

        try:
            socket.create_connection(self._head, 2).close()
        except OSError:
            return False
        return any(node["Alive"] and node["Resources"].get("CPU") for node in ray.nodes())

    def close(self) -> None:
        """Leave it; it ends what was being made."""
        import ray

        ray.shutdown()


@contextmanager
def _own_handler() -> Iterator[None]:
    """Ray puts a handler of SIGTERM in the place of the one that is there."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGTERM, handler)


_DEATHS = {
    "WorkerCrashedError": "its process crashed",
    "NodeDiedError": "its machine was lost",
    "LocalRayletDiedError": "Ray's process on its machine ended",
    "ObjectLostError": "its result was lost",
    "OutOfMemoryError": "Ray ended it, as memory was short",
}
"""How a call ended with its process or machine, by the class of Ray's error."""


class DaskCluster(_Cluster):
    """A cluster of Dask's.

    Args:
        address: of its scheduler.
        count: calls at the same time; by default as many as its workers have threads.
    Raises:
        ConfigError: Dask is not installed, or nothing answers.
    """

    kind = "Dask"

    def __init__(self, address: str, count: int | None) -> None:
        super().__init__(address)
        try:
            from dask.distributed import Client
        except ImportError:
            raise not_installed("dask") from None
        try:
            self._client = Client(address, timeout="10s")
        except (OSError, ValueError) as error:
            raise ConfigError(f"workers: no Dask cluster answers at {address} ({error})") from None
        self.count = count or max(1, sum(self._client.nthreads().values()))
        self._share, self._begun = memory.share(self.count), set[Any]()

    def begin(self, payload: bytes) -> Any:
        """Have a call made."""
        call = self._client.submit(_made, payload, self._share, pure=False)
        self._begun.add(call)
        return call

    def ended(self, begun: list[Any]) -> list[tuple[Any, Outcome]]:
        """Those that have ended, after a second of waiting at most."""
        from asyncio import CancelledError

        from distributed import KilledWorker, wait

        self.check()
        try:
            done = wait(begun, timeout=1, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            return []
        except (Exception, CancelledError) as error:
            raise self.gone() from error
        found: list[tuple[Any, Outcome]] = []
        for call in done:
            try:
                found.append((call, call.result(timeout=2)))
            except KilledWorker:  # Dask has tried on others before it says so
                found.append((call, Died("its process was killed, or its machine lost,", TRIES)))
            except (Exception, CancelledError) as error:
                if call.status == "error":  # what the call itself raised, or a worker that cannot make it
                    raise
                if not isinstance(error, TimeoutError):  # which is lost with its worker, and is made again
                    raise self.gone() from error
        self._begun -= {call for call, _ in found}
        return found

    def is_there(self) -> bool:
        """Whether its scheduler answers and has workers."""
        try:
            return self._client.status == "running" and bool(self._client.nthreads())
        except Exception:  # of any transport
            return False

    def close(self) -> None:
        """Leave it; what has not begun is not begun, and what was being made ends at its next step."""
        from asyncio import CancelledError

        if self._begun:
            with suppress(Exception, CancelledError):  # the scheduler is gone
                self._client.cancel(list(self._begun), force=True)
                self._client.run(_end, {call.key for call in self._begun}, on_error="ignore")
        self._client.close(timeout=5)


class _EndedError(BaseException):
    """Whoever wanted the result of a call is gone."""


def _end(calls: set[Any], dask_worker: Any) -> None:
    """Have these calls end in a worker of Dask's."""
    threading.Thread(target=_raise_in, args=(calls, dask_worker), daemon=True).start()


def _raise_in(calls: set[Any], worker: Any) -> None:
    """Raise in the threads that make these calls, as Dask cannot end a thread; again where it is caught."""
    for _ in range(10):
        for thread, call in worker.active_threads.copy().items():
            if call in calls:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(_EndedError)
                )
        time.sleep(1)


def _made(payload: bytes, share: int | None) -> bytes:
    """Make a call in a process that was there before, within a share of the limit that `--memory` sets."""
    with memory.within(share):
        return made(payload)


def not_installed(backend: str) -> ConfigError:
    """What brings a backend that is not there."""
    return ConfigError(f'workers: {backend} is not installed; pip install "affect[distributed]"')
