"""Work side by side, on this machine or on a cluster that is there."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from affect.classes.loading import packages
from affect.errors import ConfigError

BACKENDS = ("loky", "ray", "dask")
"""Processes of this machine, or a cluster of Ray's or Dask's."""


@contextmanager
def processes(count: int | None = None, backend: str = "loky", address: str | None = None) -> Iterator[None]:
    """Within the block, joblib works in `count` processes of one thread each; none outlives it.

    Left alone, joblib's own processes end by themselves after five idle minutes, and one that is asked for
    more in that moment may never answer.

    Args:
        count: how many work at the same time; by default one on this machine, and as many as a cluster has.
        backend: `loky`, this machine; or `ray` or `dask`, a cluster that was started before, whose machines
            have affect and see the same folders.
        address: of the cluster.
    Raises:
        ConfigError: the backend is unknown or not installed, or its address is missing or does not answer.
    Example:
        >>> from joblib import Parallel, delayed
        >>> with processes(2):
        ...     Parallel()(delayed(abs)(x) for x in (-1, -2))
        [1, 2]
    """
    if backend not in BACKENDS:
        raise ConfigError(f"workers: no backend '{backend}'; known: {', '.join(BACKENDS)}")
    if backend == "loky" and address is not None:
        raise ConfigError("workers: loky has no address; leave it out")
    if backend != "loky" and address is None:
        raise ConfigError(f"workers: {backend} needs the address of a cluster that was started")
    if backend == "loky":
        block = _local(1 if count is None else count)
    else:
        block = {"ray": _ray, "dask": _dask}[backend](str(address), -1 if count is None else count)
    with block:
        yield


def work(
    calls: Iterable[Any],
    progress: Callable[[int], None] | None = None,
    first: Callable[[], object] | None = None,
) -> list[Any]:
    """What joblib's delayed calls return, one at a time to each process of the block around.

    Args:
        calls: made by `joblib.delayed`.
        progress: is called with how many are done.
        first: what a worker process does before each call, such as `affect.kernels.keep_freed_memory`; a call
            that is made in this process goes without.
    Example:
        >>> from joblib import delayed
        >>> with processes(1):
        ...     work((delayed(abs)(x) for x in (-1, -2)), progress=print)
        1
        2
        [1, 2]
    """
    import joblib

    counted = 0

    class Counted(joblib.Parallel):
        def print_progress(self) -> None:
            nonlocal counted
            done: int = self.n_completed_tasks  # type: ignore[attr-defined]  # the stubs lack it
            if progress is not None and done > counted:
                progress(counted := done)

    if first is not None:
        calls = ((_begin, (os.getpid(), first, *call), {}) for call in calls)
    return list(Counted(batch_size=1)(calls))


def _begin(
    home: int,
    first: Callable[[], object],
    function: Callable[..., Any],
    args: tuple[Any, ...],
    options: dict[str, Any],
) -> Any:
    """A call, and in another process than `home` what comes before it."""
    if os.getpid() != home:
        first()
    return function(*args, **options)


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block torch and linear algebra have one thread: how many there are must not change a sum.

    Example:
        >>> with one_thread():
        ...     torch.get_num_threads()
        1
    """
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _local(count: int) -> Iterator[None]:
    import joblib
    from joblib.externals.loky import get_reusable_executor

    _send_by_value()
    try:
        with joblib.parallel_config("loky", n_jobs=count, inner_max_num_threads=1):
            yield
    finally:
        if count != 1:
            get_reusable_executor(reuse=True).shutdown(wait=True)


def picklers() -> list[Any]:
    """The cloudpickles that there are, the one that was installed first: joblib brought its own before 1.6.

    Example:
        >>> all(hasattr(pickler, "dump") for pickler in picklers())
        True
    """
    found = []
    for name in ("cloudpickle", "joblib.externals.cloudpickle"):
        with suppress(ImportError):
            found.append(import_module(name))
    return found


def _send_by_value() -> None:
    """Other processes cannot import users' modules, whose names are of this process alone."""
    for module in packages():
        for pickler in picklers():
            pickler.register_pickle_by_value(module)


@contextmanager
def _ray(address: str, count: int) -> Iterator[None]:
    import joblib

    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise _not_installed("ray") from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise ConfigError(f"workers: no Ray cluster answers at {address} ({error})") from None
    register_ray()
    try:
        with joblib.parallel_config("ray", n_jobs=count):
            yield
    finally:
        ray.shutdown()


@contextmanager
def _dask(address: str, count: int) -> Iterator[None]:
    import joblib

    try:
        from dask.distributed import Client
    except ImportError:
        raise _not_installed("dask") from None
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise ConfigError(f"workers: no Dask cluster answers at {address} ({error})") from None
    try:
        with joblib.parallel_config("dask", n_jobs=count):
            yield
    finally:
        client.close()


def _not_installed(backend: str) -> ConfigError:
    return ConfigError(f'workers: {backend} is not installed; pip install "affect[distributed]"')
