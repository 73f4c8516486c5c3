"""A database that is stopped in the middle of a search, and started again."""

from __future__ import annotations

import csv
import os
import pwd
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.faults.clusters import free_port, quietly
from experiments.faults.commands import Command
from experiments.faults.inputs import case, place
from experiments.faults.lanes import Steps
from experiments.faults.verdicts import RIGHT, Case, broken, last

AWAY = 6
"""Seconds without the database."""
TRIALS = 3


def program(name: str) -> str | None:
    """A program of PostgreSQL's, which Debian keeps in a folder of its own."""
    return shutil.which(name) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)


class Server:
    """PostgreSQL with an empty database, begun by whoever may."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.options = folder, free_port(), dict[str, Any](cwd=folder)
        self.process: subprocess.Popen[bytes] | None = None
        self.asked = 0.0
        if os.getuid() == 0:  # it refuses root
            owner = pwd.getpwnam("postgres")
            self.options |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            os.chown(folder, owner.pw_uid, -1)
        given = ["-D", str(folder / "data"), "-U", "judge", "--auth=trust", "--no-sync", "-E", "UTF8"]
        subprocess.run([str(program("initdb")), *given], check=True, capture_output=True, **self.options)

    @property
    def url(self) -> str:
        """Of its database."""
        return f"postgresql://judge@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Begin, and wait until it answers."""
        import psycopg

        given = ["-D", str(self.folder / "data"), "-p", str(self.port), "-h", "127.0.0.1", "-k", "", "-F"]
        self.process = quietly([str(program("postgres")), *given], **self.options)
        for _ in range(240):
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.25)
        raise RuntimeError("PostgreSQL does not answer")

    def has_trials(self) -> bool:
        """Whether a search has begun in its database; asked twice a second at most."""
        import psycopg

        if time.monotonic() < self.asked + 0.5:
            return False
        self.asked = time.monotonic()
        with psycopg.connect(self.url) as connection:
            (known,) = connection.execute("SELECT to_regclass('trials') IS NOT NULL").fetchone() or (False,)
            if not known:
                return False
            (count,) = connection.execute("SELECT count(*) FROM trials").fetchone() or (0,)
            return bool(count)

    def stop(self) -> None:
        """End at once, whoever is connected."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()


@contextmanager
def server() -> Iterator[Server]:
    """A server that has begun."""
    folder = Path(tempfile.mkdtemp(prefix="faults-postgres"))
    begun = Server(folder)
    try:
        begun.start()
        yield begun
    finally:
        begun.stop()
        shutil.rmtree(folder, ignore_errors=True)


def cases(template: Path, scratch: Path, count: int, seed: int = 0) -> Iterator[Steps]:
    """So many searches, each with a database of its own that goes away."""
    rng = random.Random(seed)
    for number in range(count):
        with server() as begun:
            yield stopped(template, place(scratch, "away", number), begun, rng.uniform(0, 0.5))


def stopped(template: Path, folder: Path, begun: Server, moment: float) -> Steps:
    """One search: it waits with a line, goes on, and has all its trials."""
    called = f"tune, PostgreSQL stopped for {AWAY} s after {moment:.1f} s"
    case(template, folder, ())
    asked = ["tune", "small.yaml", "--out", "tune", "--trials", str(TRIALS), "--storage", begun.url]
    command = Command(asked, folder)
    was = list[float]()

    def stop() -> None:
        begun.stop()
        was.append(time.monotonic())

    def soon() -> None:
        command.after(time.monotonic() - command.begun + moment, stop)

    command.when(begun.has_trials, soon)
    command.when(lambda: bool(was) and time.monotonic() > was[0] + AWAY, begun.start)
    outcome = yield command
    text = outcome.command.replace(begun.url, "postgresql://...")
    if wrong := broken(outcome):
        return Case("away", called, *wrong, text)
    if not was:
        return Case("away", called, "not injected", f"it took {outcome.seconds:.1f} s", text)
    if outcome.status:
        return Case("away", called, "does not go on", f"{outcome.status}: {last(outcome.err)}", text)
    with (folder / "tune" / "trials.csv").open(newline="") as file:
        complete = sum(row["state"] == "complete" for row in csv.DictReader(file))
    if complete < TRIALS:
        return Case("away", called, "silent", f"{complete} of {TRIALS} trials are complete", text)
    shutil.rmtree(folder, ignore_errors=True)
    return Case("away", called, RIGHT, last(outcome.err), text, "went on")
