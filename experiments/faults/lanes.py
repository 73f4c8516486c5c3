"""Several cases at once."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator

from experiments.faults.commands import Command, Outcome
from experiments.faults.verdicts import Case

Steps = Generator[Command, Outcome, Case]
"""A case: gives one command after the other, is sent what became of each, and returns the verdict."""


def go(cases: Iterable[Steps], lanes: int = 2) -> Iterator[Case]:
    """Do the cases, so many at once; gives each as it ends.

    Args:
        cases: begun one after the other.
        lanes: how many at once.
    """
    waiting, at_work = iter(cases), list[tuple[Steps, Command]]()
    try:
        while True:
            while len(at_work) < lanes and (case := next(waiting, None)) is not None:
                try:
                    at_work.append((case, next(case)))
                except StopIteration as end:
                    yield end.value
            if not at_work:
                return
            for place, (case, command) in enumerate([*at_work]):
                if command.going():
                    continue
                try:
                    at_work[place] = case, case.send(command.wait())
                except StopIteration as end:
                    at_work.remove((case, command))
                    yield end.value
                    break
            time.sleep(0.005)
    finally:
        for case, command in at_work:
            command.kill()
            command.wait()
            case.close()


def alone(case: Steps) -> Case:
    """Do one case."""
    return next(go([case]))
