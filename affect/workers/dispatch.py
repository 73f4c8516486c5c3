"""Calls that are made in other processes, and made again where a process dies."""

from __future__ import annotations

import os
import pickle
import re
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from affect.errors import AffectError
from affect.terminal import escape_log
from affect.workers.crashes import hint, trace_crashes

TRIES = 3
"""How often a call is made whose process dies; the last time while no other is made."""

THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip


class WorkerDiedError(AffectError):
    """The process that made a call died, each time.

    Args:
        deaths: how, each time: a signal's name, or what else is known.
    Example:
        >>> print(WorkerDiedError(["SIGKILL"] * 3))
        worker killed by SIGKILL 3 times (out of memory?)
        >>> print(WorkerDiedError(["SIGKILL", "SIGKILL", "SIGBUS"]))
        worker killed by SIGKILL, SIGKILL, SIGBUS (out of memory? a file that it read was cut short?)
    """

    def __init__(self, deaths: Iterable[str]) -> None:
        self.deaths = list(deaths)
        kinds = list(dict.fromkeys(self.deaths))
        times = f"{kinds[0]} {len(self.deaths)} times" if len(kinds) == 1 else ", ".join(self.deaths)
        by = "killed by" if kinds[0].startswith("SIG") else "died:"
        hints = " ".join(hint(kind) for kind in kinds if hint(kind))
        super().__init__(f"worker {by} {times}" + (f" ({hints})" if hints else ""))

    def __reduce__(self) -> Any:
        return WorkerDiedError, (self.deaths,)


@dataclass(frozen=True)
class Died:
    """How the process of a call ended before the call did, and how often by now."""

    how: str
    times: int = 1


Outcome: TypeAlias = bytes | Died
"""What `made` returns, unless the process died."""


class Place(Protocol):
    """Where calls are made."""

    count: int
    """How many at the same time."""

    def begin(self, payload: bytes) -> Any:
        """Have a call made; returns what it is known by."""

    def ended(self, begun: list[Any]) -> list[tuple[Any, Outcome]]:
        """Those that have ended, after a second of waiting at most."""

    def close(self) -> None:
        """End at once what is still being made."""


@dataclass(eq=False)
class _Call:
    number: int
    payload: bytes
    achieved: int
    deaths: list[str] = field(default_factory=list)


def outcomes(
    place: Place,
    payloads: Iterable[bytes],
    ahead: int | None = None,
    ended: Callable[[int], None] | None = None,
    achieved: Callable[[], int] = lambda: 0,
) -> Iterator[Any]:
    """What the calls return, in order, or `WorkerDiedError` in the place of one that was given up.

    Args:
        place: where they are made.
        payloads: `packed` calls.
        ahead: how many are begun beyond the one whose result is awaited; None for as many as there are.
        ended: is called with how many are done.
        achieved: what long calls have come to by now: where it grows, their earlier deaths are forgotten.
    Raises:
        Exception: what a call raised; those behind it are not made.
    """
    given = (_Call(number, payload, achieved()) for number, payload in enumerate(payloads))
    again, last = deque[_Call](), deque[_Call]()
    running: dict[Any, _Call] = {}
    found: dict[int, Any] = {}
    done, begun, awaited, alone = 0, 0, 0, False
    while True:
        if last and achieved() > last[0].achieved:
            again.append(last.popleft())
            alone = False
        while len(running) < place.count and not alone:
            call = again.popleft() if again else None
            if call is None and (ahead is None or begun <= awaited + ahead):
                call = next(given, None)
                begun += call is not None
            if call is None:
                break
            running[place.begin(call.payload)] = call
        if not running and last:
            alone, call = True, last.popleft()
            running[place.begin(call.payload)] = call
        if not running:
            return
        for known_by, outcome in place.ended(list(running)):
            call, alone = running.pop(known_by), False
            if isinstance(outcome, Died):
                if (now := achieved()) > call.achieved:
                    call.achieved, call.deaths = now, [outcome.how]
                else:
                    call.deaths += [outcome.how] * outcome.times
                if len(call.deaths) < TRIES:
                    (last if len(call.deaths) == TRIES - 1 else again).append(call)
                    continue
                found[call.number] = WorkerDiedError(call.deaths)
            else:
                fine, value = pickle.loads(outcome)  # which a process of this one wrote
                if not fine:
                    raise value
                found[call.number] = value
            done += 1
            if ended is not None:
                ended(done)
        while awaited in found:
            yield found.pop(awaited)
            awaited += 1


def packed(pickler: Any, first: Callable[[], object] | None, call: Any) -> bytes:
    """A call as it is sent, with what comes before it.

    Args:
        pickler: a cloudpickle.
        first: what the process does before the call.
        call: made by `joblib.delayed`.
    """
    sent: bytes = pickler.dumps((first, *call))
    return sent


def made(payload: bytes) -> bytes:
    """Make a call: whether it returned, and what it returned or raised.

    Example:
        >>> pickle.loads(made(packed(pickle, None, (abs, (-2,), {}))))
        (True, 2)
    """
    trace_crashes()
    escape_log()
    try:
        first, function, args, options = pickle.loads(payload)
        if first is not None:
            first()
        found = True, function(*args, **options)
    except (Exception, SystemExit) as error:
        found = False, error if isinstance(error, Exception) else RuntimeError(f"SystemExit: {error}")
    from affect.workers import picklers

    try:
        answer: bytes = picklers()[0].dumps(found)
        if not found[0]:
            pickle.loads(answer)  # some cannot be made again from what they were pickled to
    except Exception as error:  # of any object's own pickling
        what = found[1] if not found[0] else error
        answer = pickle.dumps((False, RuntimeError(f"{type(what).__name__}: {what}")))
    return answer


class Processes:
    """Processes of this machine, of one thread each; each has its own executor, so that a death has one call.

    Args:
        count: as many.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._idle: list[Any] = []
        self._busy: dict[Future[bytes], Any] = {}

    def begin(self, payload: bytes) -> Future[bytes]:
        """Have a call made by a process that is there and idle, or by a new one."""
        from joblib.externals.loky.process_executor import BrokenProcessPool

        while self._idle:
            executor = self._idle.pop()
            try:
                future: Future[bytes] = executor.submit(made, payload)
            except BrokenProcessPool:  # killed while it was idle
                executor.shutdown(wait=True, kill_workers=True)
                continue
            self._busy[future] = executor
            return future
        executor = self._executor()
        future = executor.submit(made, payload)
        self._busy[future] = executor
        return future

    def ended(self, begun: list[Future[bytes]]) -> list[tuple[Future[bytes], Outcome]]:
        """Those that have ended, after a second of waiting at most."""
        found: list[tuple[Future[bytes], Outcome]] = []
        for future in wait(begun, 1, FIRST_COMPLETED).done:
            executor, error = self._busy.pop(future), future.exception()
            if error is None:
                self._idle.append(executor)
                found.append((future, future.result()))
            else:
                executor.shutdown(wait=True, kill_workers=True)
                found.append((future, Died(_how(str(error)))))
        return found

    def close(self) -> None:
        """End them at once."""
        late = time.monotonic() + 1
        while not all(call.running() or call.done() for call in self._busy) and time.monotonic() < late:
            time.sleep(0.001)  # loky's thread fails where a call is taken from it before it has looked at it
        executors = [*self._idle, *self._busy.values()]
        for executor in executors:
            executor.shutdown(wait=False, kill_workers=True)
        for executor in executors:
            executor.shutdown(wait=True, kill_workers=True)
        self._idle, self._busy = [], {}

    def _executor(self) -> Any:
        from joblib.externals.loky import ProcessPoolExecutor
        from joblib.externals.loky.backend import get_context

        begun = {"initializer": _enter, "initargs": (os.getpid(),), "env": dict.fromkeys(THREADS, "1")}
        return ProcessPoolExecutor(1, context=get_context("loky"), **begun)


def _how(message: str) -> str:
    """What joblib's loky says of the end of a process: a signal's name, or its exit code."""
    found = re.search(r"(\w+)\((-?\d+)\)", message)
    if found is None:
        return "its end is not known"
    return found[1] if int(found[2]) < 0 else f"it ended with code {found[2]}"


def _enter(home: int) -> None:
    """What a process of this machine does first.

    Ctrl-C is for `home`, which ends it; SIGTERM ends it at once, though Lightning would finish the batch;
    and it does not outlive `home`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    if sys.platform != "win32":  # where a process keeps the number of a parent that has ended
        threading.Thread(target=_watch, args=(home,), daemon=True).start()


def _end(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _watch(home: int) -> None:
    while os.getppid() == home:
        time.sleep(1)
    os._exit(1)
