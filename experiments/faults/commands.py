"""Commands of affect's, each in a process of its own that anything may be done to.

A fresh interpreter imports for five seconds before it does anything. So a command is a fork of this
process, which has imported what affect imports, and becomes `python -m affect` by executing that module: in
its own session, folder and standard streams. `fresh=True` starts an interpreter instead, as a user does:
where it matters what is imported from where.
"""

from __future__ import annotations

import atexit
import importlib
import io
import os
import resource
import runpy
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no stubs

PATIENCE = 120
"""Seconds after which a command hangs."""
LINGER = 5
"""Seconds in which the children of a command that has ended must be gone."""
IMPORTED = (
    "torch",
    "lightning",
    "pandas",
    "pyarrow",
    "scipy.stats",
    "sklearn.metrics",
    "h5py",
    "joblib",
    "optuna",
    "sqlalchemy",
    "plotly.graph_objects",
    "safetensors.torch",
    "rich.progress",
    "tensorboard",
    "optuna.storages._rdb.storage",
    "affect.cli",
    "affect.cli.verbs",
    "affect.data.sources",
    "affect.data.words",
    "affect.data.export",
    "affect.benchmark",
    "affect.tuning",
    "affect.runs",
    "affect.runs.studies",
    "affect.results",
    "affect.report",
    "affect.report.gathering",
    "affect.robustness.runs",
    "affect.training",
)
"""What commands import before they do anything, and later."""


@dataclass(frozen=True)
class Outcome:
    """What became of a command.

    Args:
        command: as a shell would take it.
        status: its exit status; minus the signal that ended it.
        out: what it wrote on stdout.
        err: what it wrote on stderr.
        seconds: how long it took.
        peak_mb: the most memory that it, or a child that it waited for, had.
        left: its children that were alive some seconds after it had ended.
        hung: whether it had to be killed.
    """

    command: str
    status: int
    out: str
    err: str
    seconds: float
    peak_mb: float
    left: tuple[str, ...] = ()
    hung: bool = False


def prepare() -> None:
    """Import what the commands import, once for all of them."""
    os.environ.update(
        OMP_NUM_THREADS="1", COLUMNS="120", PYTHONDONTWRITEBYTECODE="1", RAY_ENABLE_UV_RUN_RUNTIME_ENV="0"
    )
    os.environ["AFFECT_TRUST"] = os.path.join(tempfile.gettempdir(), f"affect-faults-trusted-{os.getpid()}")
    for module in IMPORTED:
        with suppress(ImportError):
            importlib.import_module(module)


class Command:
    """A verb and its arguments, at work in a folder.

    Args:
        arguments: as they stand behind `affect`.
        folder: in which it is started.
        fresh: start an interpreter, instead of forking this process.
        limits: most bytes of address space; None is without a limit.
    """

    def __init__(
        self, arguments: Collection[str], folder: Path, *, fresh: bool = False, limits: int | None = None
    ) -> None:
        self.arguments, self.folder = [*map(str, arguments)], folder
        self.said = [Path(tempfile.mkstemp(prefix="faults", suffix=kind)[1]) for kind in (".out", ".err")]
        self.begun = time.monotonic()
        self.children: set[psutil.Process] = set()
        self._ended: tuple[int, float] | None = None
        self._looked = 0.0
        self._pending: list[tuple[Callable[[], bool], Callable[[], None]]] = []
        self._killed: bool = False
        self.patience = float(PATIENCE)
        self.pid = self._start_fresh() if fresh else self._fork(limits)

    @property
    def text(self) -> str:
        """As a shell takes it."""
        return shlex.join(["affect", *self.arguments])

    def alive(self) -> bool:
        """Whether it is still at work."""
        if self._ended is None:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._ended = os.waitstatus_to_exitcode(status), used.ru_maxrss / 1024
        return self._ended is None

    def signal(self, number: int, group: bool = False) -> None:
        """Send it a signal, as a terminal (to its group) or a scheduler (to itself) does."""
        self.look()
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, number)

    def look(self) -> set[psutil.Process]:
        """Its children, and theirs."""
        with suppress(psutil.NoSuchProcess):
            self.children |= {*psutil.Process(self.pid).children(recursive=True)}
        return {child for child in self.children if child.is_running()}

    def kill(self) -> None:
        """End it with all its children, as a power cut does."""
        for process in self.look():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.signal(signal.SIGKILL, group=True)

    def when(self, condition: Callable[[], bool], action: Callable[[], None]) -> Command:
        """Do something to it as soon as something is so, once, if it is alive then; returns the command."""
        self._pending.append((condition, action))
        return self

    def after(self, seconds: float, action: Callable[[], None]) -> Command:
        """Do something to it so many seconds after it began."""
        return self.when(lambda: time.monotonic() - self.begun >= seconds, action)

    def catches(self, number: int) -> bool:
        """Whether it has begun to catch a signal: before, there is nothing to lose."""
        with suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("SigCgt"):
                    return bool(int(line.split()[1], 16) >> (number - 1) & 1)
        return False

    def going(self) -> bool:
        """Do what is due; says whether it is still at work."""
        if not self.alive():
            return False
        now = time.monotonic()
        if now > self._looked + 0.5:
            self.look()
            self._looked = now
        for one in [*self._pending]:
            if one[0]():
                self._pending.remove(one)
                one[1]()
        if now > self.begun + self.patience * slowness() and not self._killed:
            self._killed = True
            self.kill()
        return True

    def wait(self, patience: float | None = None) -> Outcome:
        """Wait for its end.

        Args:
            patience: seconds after which it hangs, and is killed.
        """
        self.patience = self.patience if patience is None else patience
        while self.going():
            time.sleep(0.01)
        hung = self._killed
        seconds = time.monotonic() - self.begun
        until = time.monotonic() + LINGER
        while (left := _living(self.children)) and time.monotonic() < until:
            time.sleep(0.1)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        out, err = (path.read_text(errors="replace") for path in self.said)
        for path in self.said:
            path.unlink()
        assert self._ended is not None
        status, peak = self._ended
        names = tuple(sorted(_named(process) for process in left))
        return Outcome(self.text, status, out, err, seconds, peak, names, hung)

    def _start_fresh(self) -> int:
        streams = [path.open("wb") for path in self.said]
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "affect", *self.arguments], cwd=self.folder, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=streams[0], stderr=streams[1],
            )  # fmt: skip
        finally:
            for stream in streams:
                stream.close()
        process.returncode = 0  # it is waited for here, not there
        return process.pid

    def _fork(self, limits: int | None) -> int:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        pid = os.fork()
        if pid == 0:
            try:
                _become(self.arguments, self.folder, self.said, limits)
            finally:
                os._exit(70)  # not reached
        return pid


def slowness() -> float:
    """How much longer everything takes than on a machine that does nothing else."""
    return min(3.0, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


def run(
    arguments: Collection[str], folder: Path, patience: float = PATIENCE, *, fresh: bool = False,
    limits: int | None = None,
) -> Outcome:  # fmt: skip
    """A command from its beginning to its end."""
    return Command(arguments, folder, fresh=fresh, limits=limits).wait(patience)


def _become(arguments: list[str], folder: Path, said: list[Path], limits: int | None) -> None:
    """Be `python -m affect` in a folder; does not return."""
    os.setsid()
    os.chdir(folder)
    for number, path in ((0, os.devnull), (1, said[0]), (2, said[1])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, "r", closefd=False))
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)))
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if limits is not None:
        resource.setrlimit(resource.RLIMIT_AS, (limits, limits))
    sys.argv = ["affect", *arguments]
    sys.path[0] = os.getcwd()
    status = 0
    try:
        runpy.run_module("affect", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = _status(end)
    except BaseException:  # what Python itself would show
        traceback.print_exc()
        status = 1
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:  # a pipe that is closed, an interrupt while it ends
        traceback.print_exc()
        status = status or 120
    os._exit(status)


def _status(end: SystemExit) -> int:
    """The exit status that Python makes of it; a text goes to stderr."""
    if isinstance(end.code, int) or end.code is None:
        return (end.code or 0) & 255
    sys.stderr.write(f"{end.code}\n")
    return 1


def _living(processes: Collection[psutil.Process]) -> list[psutil.Process]:
    living = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
    return living


def _named(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())[:120] or process.name()
    return "gone"
