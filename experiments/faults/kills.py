"""Kills and signals at random moments, and the same command again."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from experiments.faults.commands import Command, Outcome, run
from experiments.faults.inputs import case, place
from experiments.faults.lanes import Steps
from experiments.faults.verbs import VERBS, Verb, arguments, results
from experiments.faults.verdicts import RIGHT, STOPPED, Case, broken, differing, lines

PATIENCE = 5
"""Seconds in which a command has begun to catch signals."""
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
"""What a command that was ended by a signal ends with."""


def undisturbed(template: Path, scratch: Path, name: str) -> tuple[dict[str, str], Outcome]:
    """A verb's results, and how long it takes.

    Raises:
        RuntimeError: it fails, or makes nothing.
    """
    verb = VERBS[name]
    folder = case(template, place(scratch, "right", name), verb.needs)
    ended = run(arguments(verb, folder), folder)
    if ended.status or not (right := results(verb, folder)):
        raise RuntimeError(f"{ended.command}: {ended.err or 'nothing made'}")
    return right, ended


def kills(template: Path, scratch: Path, count: int, seed: int = 0) -> Iterator[Steps]:
    """Each verb, killed so often with all its children, at moments between its beginning and its end."""
    rng = random.Random(seed)
    for name in VERBS:
        right, ended = undisturbed(template, scratch, name)
        for number in range(count):
            moment = rng.uniform(0, 0.95 * ended.seconds)
            yield killed(template, place(scratch, name, number), name, right, moment)


def killed(template: Path, folder: Path, name: str, right: dict[str, str], moment: float) -> Steps:
    """One kill, and the same command again."""
    verb = VERBS[name]
    asked = arguments(verb, case(template, folder, verb.needs))
    first = Command(asked, folder)
    outcome = yield first.after(moment, first.kill)
    called = f"{name} after {moment:.2f} s"
    if outcome.status >= 0:  # it was quicker
        called += " (had ended)"
    if torn := torn_results(verb, folder, right):
        return Case("kills", called, "half written", torn, outcome.command)
    again = yield Command(asked, folder)
    return _went_on("kills", called, verb, folder, right, again)


def signals(
    template: Path, scratch: Path, count: int, seed: int = 0, verbs: Collection[str] = tuple(VERBS)
) -> Iterator[Steps]:
    """Each verb and signal, so often: to the group, as a terminal does it, or to the process alone."""
    rng = random.Random(seed)
    for name in verbs:
        right, ended = undisturbed(template, scratch, name)
        for number in range(count):
            for kind in STATUS:
                moment = rng.uniform(0.1, 0.95) * ended.seconds
                yield signalled(template, place(scratch, name, kind.name, number), name, right, kind, moment)


def signalled(
    template: Path, folder: Path, name: str, right: dict[str, str], kind: signal.Signals, moment: float
) -> Steps:
    """One signal: the status, one line, no children; and the same command again."""
    verb = VERBS[name]
    asked = arguments(verb, case(template, folder, verb.needs))
    first = Command(asked, folder)

    def due() -> bool:
        late = time.monotonic() - first.begun - moment
        return late >= 0 and (late >= PATIENCE or first.catches(signal.SIGTERM))

    outcome = yield first.when(due, lambda: first.signal(kind, group=kind == signal.SIGINT))
    called = f"{name} {kind.name} after {moment:.2f} s"
    if wrong := broken(outcome):
        return Case("signals", called, *wrong, outcome.command)
    if outcome.status:
        if outcome.status != STATUS[kind]:
            return Case(
                "signals",
                called,
                "status",
                f"{outcome.status} instead of {STATUS[kind]}: {outcome.err[-200:]}",
                outcome.command,
            )
        if lines(outcome) != [STOPPED]:
            return Case("signals", called, "not one line", outcome.err[-300:], outcome.command)
    else:
        called += " (had ended)"
    if torn := torn_results(verb, folder, right):
        return Case("signals", called, "half written", torn, outcome.command)
    again = yield Command(asked, folder)
    return _went_on("signals", called, verb, folder, right, again)


def torn_results(verb: Verb, folder: Path, right: dict[str, str]) -> str:
    """Results that are there and not whole; the tables of a bench or a search grow while it goes on."""
    found = results(verb, folder)
    grows = verb.arguments[0] in {"bench", "tune"}
    return ", ".join(
        name
        for name, one in found.items()
        if name in right and right[name] != one and not (grows and name.count("/") == 1)
    )


def _went_on(row: str, called: str, verb: Verb, folder: Path, right: dict[str, str], again: Outcome) -> Case:
    """The verdict on the command that was given again."""
    found = results(verb, folder)
    if wrong := broken(again):
        return Case(row, called, *wrong, again.command)
    if again.status:
        return Case(row, called, "does not go on", f"{again.status}: {again.err[-300:]}", again.command)
    if found != right:
        return Case(row, called, "silent", differing(found, right), again.command)
    left = [
        p.relative_to(folder).as_posix()
        for p in folder.rglob(".*")
        if p.name.endswith((".partial", ".new", ".old"))
    ]
    shutil.rmtree(folder, ignore_errors=True)
    return Case(row, called, RIGHT, f"left: {', '.join(left)}" if left else "", again.command, "went on")
