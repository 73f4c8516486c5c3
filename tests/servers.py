"""Servers that tests begin on this machine, each in a folder of its own, and end."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE = 120
"""Seconds that a test waits for what must happen: machines are slow, and shared."""


def until(happened, what, alive=lambda: True):
    """Wait until something is so, and return it.

    Args:
        happened: returns what is true in the end.
        what: says what was waited for.
        alive: whether whoever must do it still can.
    """
    end = time.monotonic() + PATIENCE
    while not (found := happened()):
        assert time.monotonic() < end, f"{what}: not in {PATIENCE} seconds"
        assert alive(), f"{what}: whoever had to do it ended"
        time.sleep(0.25)
    return found


def free_port():
    """A port of this machine that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(port):
    """Whether somebody listens at a port of this machine."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


class PostgreSQL:
    """A server with one empty database, which can be stopped and started again.

    Args:
        folder: what it keeps, and nobody else may read.
        options: of the processes that it is made of.
    """

    def __init__(self, folder, **options):
        self.data, self.options, self.port = folder / "data", {"cwd": folder, **options}, free_port()
        self.url = f"postgresql://tester@127.0.0.1:{self.port}"
        self.process = None
        subprocess.run(
            [_postgresql("initdb"), "-D", self.data, "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8"],
            check=True, capture_output=True, **self.options,
        )  # fmt: skip

    def start(self):
        """Begin, and wait until it answers."""
        self.process = subprocess.Popen(
            [_postgresql("postgres"), "-D", self.data, "-p", str(self.port), "-h", "127.0.0.1", "-k", "", "-F"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.options,
        )  # fmt: skip
        until(self._ready, "PostgreSQL", lambda: self.process.poll() is None)

    def stop(self):
        """End at once, whoever is connected."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(PATIENCE)

    def create(self, name):
        """A database that is empty: its URL."""
        import psycopg

        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{self.url}/{name}"

    def _ready(self):
        import psycopg

        try:
            psycopg.connect(f"{self.url}/postgres").close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgresql():
    """PostgreSQL, which has begun."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    options, owner = {}, os.getuid()
    if owner == 0:  # PostgreSQL refuses root
        try:
            entry = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("we are root, PostgreSQL refuses root, and there is no user postgres")
        options, owner = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}, entry.pw_uid
    _postgresql("initdb")
    folder = Path(tempfile.mkdtemp(prefix="postgres"))  # pytest's own are closed to other users
    os.chown(folder, owner, -1)
    server = PostgreSQL(folder, **options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@contextmanager
def redis():
    """Redis that keeps nothing; gives its URL."""
    pytest.importorskip("redis", reason="the Python package redis is not installed")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server")
    port = free_port()
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: answers(port), "Redis", lambda: server.poll() is None)
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(PATIENCE)


def _postgresql(name):
    """A program of PostgreSQL's, which Debian keeps in a folder of its own."""
    found = shutil.which(name) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    if found is None:
        pytest.skip(f"PostgreSQL is not installed: there is no {name}")
    return found
