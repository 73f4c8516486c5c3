"""Two commands at once, on one folder or one file."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from experiments.faults.commands import Command
from experiments.faults.inputs import case, place
from experiments.faults.kills import undisturbed
from experiments.faults.lanes import Steps
from experiments.faults.verbs import VERBS, arguments, results
from experiments.faults.verdicts import RIGHT, Case, broken, differing, last, refused

PAIRS = (
    ("bench", "bench"), ("train", "train"), ("tune", "tune"), ("sweep", "sweep"), ("convert", "convert"),
    ("convert csd", "convert csd"), ("report", "report"), ("compare", "compare"), ("bench", "report"),
)  # fmt: skip
"""Each verb with itself, and a report of a bench that is being made."""


def cases(template: Path, scratch: Path, count: int, seed: int = 0) -> Iterator[Steps]:
    """Each pair so often, the second one begun a little later."""
    rng, right = random.Random(seed), dict[str, dict[str, str]]()
    for first, second in PAIRS:
        if first not in right:
            right[first], ended = undisturbed(template, scratch, first)
        for number in range(count):
            delay = rng.uniform(0, 0.6) * ended.seconds
            yield both(template, place(scratch, first, second, number), first, second, right[first], delay)


def both(template: Path, folder: Path, first: str, second: str, right: dict[str, str], delay: float) -> Steps:
    """One pair: both end well and the result is whole; a report may find nothing yet, and says so."""
    called = f"{first} and {second} {delay:.2f} s later"
    verb, other = VERBS[first], VERBS[second]
    alone = first == second
    case(template, folder, {*verb.needs, *(() if alone else ["tune"])})
    begun, later = Command(arguments(verb, folder), folder), list[Command]()

    def begin() -> None:
        later.append(Command(arguments(other, folder), folder))

    outcome = yield begun.after(delay, begin)
    if not later:
        time.sleep(0.01)
        begin()
    follower = yield later[0]
    for one, reads in ((outcome, False), (follower, not alone)):
        wrong = broken(one)
        if wrong is None and one.status:
            wrong = refused(one) if reads else ("status", f"{one.status}: {last(one.err)}")
        if wrong:
            return Case("together", called, *wrong, one.command)
    if (found := results(verb, folder)) != right:
        return Case("together", called, "silent", differing(found, right), outcome.command)
    shutil.rmtree(folder, ignore_errors=True)
    return Case("together", called, RIGHT, last(follower.err), outcome.command, "whole")
