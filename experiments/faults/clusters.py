"""Clusters of Ray and Dask on this machine, of which a part can be killed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # it has no stubs

PATIENCE = 120


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def quietly(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """A program that was begun; what it says is not kept."""
    begun: subprocess.Popen[bytes] = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    return begun


@contextmanager
def dask() -> Iterator[tuple[str, Callable[[], list[psutil.Process]]]]:
    """A scheduler and two workers with nannies: its address, and the processes that work."""
    port = free_port()
    begun = [
        _python(
            "distributed.cli.dask_scheduler", "--port", str(port), "--host", "127.0.0.1", "--no-dashboard"
        )
    ]
    address = f"tcp://127.0.0.1:{port}"
    try:
        for _ in range(2):
            begun.append(_python("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"))
        yield address, lambda: _children(begun[1:], "spawn_main")
    finally:
        _end(begun)


@contextmanager
def ray() -> Iterator[tuple[str, Callable[[], list[psutil.Process]]]]:
    """Two nodes of one core: the address, and the raylet of the second one."""
    program = shutil.which("ray", path=os.path.dirname(sys.executable))
    if program is None:
        raise RuntimeError("Ray is not installed")
    port, folder = free_port(), tempfile.mkdtemp(prefix="ray")
    address = f"127.0.0.1:{port}"
    every = [
        program,
        "start",
        "--disable-usage-stats",
        "--num-cpus=1",
        "--object-store-memory=80000000",
        "--block",
    ]
    begun: list[subprocess.Popen[bytes]] = []
    try:
        for kind in (
            ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}"],
            [f"--address={address}"],
        ):
            begun.append(quietly([*every, *kind], start_new_session=True))
            _until(program, address, len(begun))
        yield address, lambda: _children(begun[1:], "raylet")
    finally:
        _end(begun)
        shutil.rmtree(folder, ignore_errors=True)


def _until(program: str, address: str, nodes: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        asked = subprocess.run(
            [program, "status", "--address", address], capture_output=True, text=True, check=False
        )
        if asked.stdout.count(" node_") >= nodes:
            return
        time.sleep(0.5)
    raise RuntimeError(f"Ray: node {nodes} did not start in {PATIENCE} seconds")


def _python(module: str, *given: str) -> subprocess.Popen[bytes]:
    return quietly([sys.executable, "-m", module, *given], start_new_session=True, cwd=Path("/"))


def _children(begun: list[subprocess.Popen[bytes]], named: str) -> list[psutil.Process]:
    """Processes below those that were begun whose command line has a word."""
    found = []
    for process in begun:
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if named in " ".join(child.cmdline()):
                        found.append(child)
    return found


def _end(begun: list[subprocess.Popen[bytes]]) -> None:
    for process in reversed(begun):
        with suppress(psutil.NoSuchProcess):
            for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        process.wait()
