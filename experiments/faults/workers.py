"""Workers that die in the middle of a bench: of loky, of Dask, and a node of Ray's."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no stubs
import yaml

from experiments.faults import clusters
from experiments.faults.commands import Command, run
from experiments.faults.inputs import CONFIGURATIONS, case, place
from experiments.faults.lanes import Steps
from experiments.faults.verbs import VERBS, results
from experiments.faults.verdicts import RIGHT, Case, broken, differing, last, lines

LONG = {
    **CONFIGURATIONS["mini.yaml"],
    "seeds": [0, 1, 2, 3],
    "training": {"epochs": 60, "learning_rate": 0.001, "patience": 60},
}
"""Eight runs of a second and more: there is a middle of them."""
ASKED = ("bench", "long.yaml", "--out", "bench", "--jobs", "2")
SIGNALS = (signal.SIGKILL, signal.SIGBUS, signal.SIGSEGV)
PATIENCE = 300
Processes = Callable[[], list[psutil.Process]]


def cases(template: Path, scratch: Path, count: int, seed: int = 0) -> Iterator[Steps]:
    """So many kills of each backend's workers."""
    rng = random.Random(seed)
    (template / "long.yaml").write_text(yaml.safe_dump(LONG, sort_keys=False))
    folder = case(template, scratch / "right-workers", ())
    ended = run(ASKED[:-2], folder, PATIENCE)
    if ended.status:
        raise RuntimeError(f"{ended.command}: {ended.err}")
    right = results(VERBS["bench"], folder)
    for number in range(count):
        kind = SIGNALS[number % len(SIGNALS)]
        yield killed(
            template, place(scratch, "loky", number), right, "loky", [], None, kind, rng.uniform(0, 2)
        )
    for name, begin in (("dask", clusters.dask), ("ray", clusters.ray)):
        for number in range(count):
            with begin() as (address, working):
                more = ["--backend", name, "--address", address]
                yield killed(
                    template,
                    place(scratch, name, number),
                    right,
                    name,
                    more,
                    working,
                    signal.SIGKILL,
                    rng.uniform(0, 2),
                )


def killed(
    template: Path,
    folder: Path,
    right: dict[str, str],
    name: str,
    more: list[str],
    working: Processes | None,
    kind: signal.Signals,
    delay: float,
) -> Steps:
    """One worker killed, some time after the first run began."""
    called = f"{name}, {kind.name} {delay:.1f} s after the first run began"
    case(template, folder, ())
    command = Command([*ASKED, *more], folder)
    command.patience = PATIENCE
    begun: list[float] = []

    def middle() -> bool:
        if not begun and any((folder / "bench").glob("runs/*/.seed*")) and workers():
            begun.append(time.monotonic())
        return bool(begun) and time.monotonic() > begun[0] + delay and bool(workers())

    def workers() -> list[psutil.Process]:
        if working is not None:
            return working()
        return [one for one in command.look() if _is_loky(one)]

    hit: list[int] = []

    def kill() -> None:
        for one in workers()[-1:]:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(kind)
                hit.append(one.pid)

    outcome = yield command.when(middle, kill)
    if wrong := broken(outcome):
        return Case("workers", called, *wrong, outcome.command)
    if not hit:
        return Case("workers", called, "not injected", last(outcome.err), outcome.command)
    found = results(VERBS["bench"], folder)
    if outcome.status == 0:
        same = found == right
        shutil.rmtree(folder, ignore_errors=True)
        return Case(
            "workers",
            called,
            RIGHT if same else "silent",
            "" if same else differing(found, right),
            outcome.command,
            "whole",
        )
    said = lines(outcome)
    again = yield Command([*ASKED[:-2]], folder)
    found = results(VERBS["bench"], folder)
    if again.status or found != right:
        return Case(
            "workers", called, "does not go on", last(again.err) or differing(found, right), outcome.command
        )
    if len(said) != 1 or outcome.status != 1:
        return Case(
            "workers", called, "not one line", f"{outcome.status}: {' | '.join(said)[:300]}", outcome.command
        )
    return Case("workers", called, RIGHT, said[0], outcome.command, "went on")


def _is_loky(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        line = " ".join(process.cmdline())
        return "loky" in line and "resource_tracker" not in line
    return False
