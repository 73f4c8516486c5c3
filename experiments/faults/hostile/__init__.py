"""Hostile files, folders, configurations and run folders: what they run, write, and take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from experiments.faults.hostile import configurations, corpora, neighbours, runs
from experiments.faults.hostile.building import Build
from experiments.faults.hostile.judging import one
from experiments.faults.lanes import Steps


def cases(template: Path, scratch: Path, count: int | None = None) -> Iterator[Steps]:
    """All of them, or so many, evenly drawn."""
    built = [*builds()]
    step = 1 if count is None else max(1, len(built) // count)
    for number, (name, build, fresh) in enumerate(built[::step]):
        yield one(template, scratch / f"hostile{number}", name, build, fresh)


def builds() -> Iterator[tuple[str, Build, bool]]:
    """Each one's name, how it is built, and whether it needs a fresh interpreter."""
    yield from corpora.builds()
    yield from configurations.builds()
    yield from runs.builds()
    yield from neighbours.builds()
