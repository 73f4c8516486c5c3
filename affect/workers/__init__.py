"""Work side by side, on this machine or on a cluster that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from typing import Any

from affect import memory
from affect.bounds import COUNT
from affect.classes.loading import packages
from affect.errors import ConfigError
from affect.workers.apart import processes_apart
from affect.workers.clusters import DaskCluster, RayCluster
from affect.workers.dispatch import Place, Processes, WorkerDiedError, outcomes, packed

BACKENDS = ("loky", "ray", "dask")
"""Processes of this machine, or a cluster of Ray's or Dask's."""


@contextmanager
def processes(count: int | None = None, backend: str = "loky", address: str | None = None) -> Iterator[None]:
    """Within the block, `work` has `count` processes of one thread each; none outlives it.

    On this machine joblib's own `Parallel` has as many.

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
    if count is not None:
        COUNT.check("workers", count)
    if backend not in BACKENDS:
        raise ConfigError(f"workers: no backend '{backend}'; known: {', '.join(BACKENDS)}")
    if backend == "loky" and address is not None:
        raise ConfigError("workers: loky has no address; leave it out")
    if backend != "loky" and address is None:
        raise ConfigError(f"workers: {backend} needs the address of a cluster that was started")
    _send_by_value()
    with processes_apart(), ExitStack() as stack:
        place: Place | None
        if backend == "loky":
            place = _local(1 if count is None else count, stack)
        elif backend == "ray":
            place = RayCluster(str(address), count)
        else:
            place = DaskCluster(str(address), count)
        if place is not None:
            stack.callback(place.close)
        _PLACES.append(place)
        stack.callback(_PLACES.pop)
        yield


def work(
    calls: Iterable[Any],
    progress: Callable[[int], None] | None = None,
    first: Callable[[], object] | None = None,
    died: Callable[[int, WorkerDiedError], Any] | None = None,
    achieved: Callable[[], int] = lambda: 0,
) -> list[Any]:
    """What joblib's delayed calls return, one at a time to each process of the block around.

    A call whose process dies is made again by a new one, up to `affect.workers.dispatch.TRIES` times in all,
    and the last time while no other is.

    Args:
        calls: made by `joblib.delayed`.
        progress: is called with how many are done.
        first: what a worker process does before each call, such as `affect.kernels.keep_freed_memory`; a call
            that is made in this process goes without.
        died: is called with the number of a call that was given up, and why; what it returns stands in the
            place of the result.
        achieved: what long calls have come to by now: where it has grown since a call's process died, that
            death is forgotten.
    Raises:
        WorkerDiedError: a call was given up, and there is no `died`; all others are made.
        Exception: what a call raised; those behind it are not made.
    Example:
        >>> from joblib import delayed
        >>> with processes(1):
        ...     work((delayed(abs)(x) for x in (-1, -2)), progress=print)
        1
        2
        [1, 2]
    """
    found, given_up = [], list[WorkerDiedError]()
    for number, value in enumerate(_values(calls, progress, first, achieved=achieved)):
        if isinstance(value, WorkerDiedError):
            if died is None:
                given_up.append(value)
            else:
                value = died(number, value)
        found.append(value)
    if given_up:
        raise given_up[0]
    return found


def work_through(calls: Iterable[Any]) -> Iterator[Any]:
    """The same, one result after the other, in order: no more are begun than there is work for.

    Args:
        calls: made by `joblib.delayed`.
    Raises:
        WorkerDiedError: a call was given up.
        Exception: what a call raised.
    Example:
        >>> from joblib import delayed
        >>> list(work_through(delayed(abs)(x) for x in (-1, -2)))
        [1, 2]
    """
    for value in _values(calls, ahead=2 * count_workers()):
        if isinstance(value, WorkerDiedError):
            raise value
        yield value


def count_workers() -> int:
    """How many calls are made at the same time by `work`, in the block around.

    Example:
        >>> with processes(3):
        ...     count_workers()
        3
    """
    place = _PLACES[-1] if _PLACES else None
    return 1 if place is None else place.count


def _values(
    calls: Iterable[Any],
    progress: Callable[[int], None] | None = None,
    first: Callable[[], object] | None = None,
    ahead: int | None = None,
    achieved: Callable[[], int] = lambda: 0,
) -> Iterator[Any]:
    place = _PLACES[-1] if _PLACES else None
    if place is None:
        for done, (function, args, options) in enumerate(calls, 1):
            value = function(*args, **options)
            if progress is not None:
                progress(done)
            yield value
    else:
        payloads = (packed(picklers()[0], first, call) for call in calls)
        yield from outcomes(place, payloads, ahead, progress, achieved)


_PLACES: list[Place | None] = []
"""The blocks around, the innermost last; None stands for this process."""


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


def _local(count: int, stack: ExitStack) -> Place | None:
    """Processes of this machine, for joblib's own calls too; None where this one is enough."""
    import joblib

    stack.enter_context(joblib.parallel_config("loky", n_jobs=count, inner_max_num_threads=1))
    count = joblib.effective_n_jobs(count)
    if count == 1:
        return None
    stack.callback(_end_joblibs)
    stack.enter_context(memory.shared(count))
    return Processes(count)


def _end_joblibs() -> None:
    """End the processes that joblib began by itself, if it began any."""
    from joblib.externals.loky import reusable_executor

    if reusable_executor._executor is not None:
        reusable_executor.get_reusable_executor(reuse=True).shutdown(wait=True)


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
