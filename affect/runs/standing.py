"""Which runs are to be done, and what is said of those that were done before."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from affect.errors import AffectError
from affect.runs.finished import FinishedRun
from affect.runs.sameness import Origin, changed_values
from affect.training.environment import versions
from affect.training.saving import DONE

if TYPE_CHECKING:
    from affect.runs.jobs import Job

logger = logging.getLogger(__name__)
FAILED = "failed.txt"
"""The file in a run's folder that says why the last attempt failed."""


def due(jobs: Iterable[Job], again: bool = False) -> list[Job]:
    """The runs that are to be done; log lines say how many were finished before, and what changed since.

    Args:
        jobs: all that the command asks for.
        again: do those too that are done.
    """
    jobs = list(jobs)
    todo: list[Job] = []
    finished: list[Job] = []
    reasons: dict[str, None] = {}
    for job in jobs:
        origin = job.origin
        origin.trust()
        changes = job.changes(origin)
        if changes == []:
            finished.append(job)
            (job.folder / FAILED).unlink(missing_ok=True)  # an attempt with something else failed since
            todo += [job] if again else []
            continue
        todo.append(job)
        before = _earlier(job, origin) if changes is None else changes
        if before:
            reasons[f"{job.name}: {'; '.join(before)}"] = None
    for reason in reasons:
        logger.warning("%s", reason)
    logger.warning("%d runs finished before, %d to do", len(finished), len(todo))
    for line in [] if again else _other_versions(finished):
        logger.warning("%s", line)
    return todo


def say_changes(jobs: Iterable[Job]) -> None:
    """A log line where finished runs would be made from something else now: tables hold them as they are.

    Args:
        jobs: whose runs are finished.
    """
    reasons: dict[str, int] = {}
    for job in jobs:
        try:
            reason = "; ".join(job.changes() or [])
        except AffectError as error:
            reason = str(error)
        if reason:
            reasons[f"{job.name}: {reason}"] = reasons.get(f"{job.name}: {reason}", 0) + 1
    for reason, count in reasons.items():
        logger.warning(
            "%s (since %s made; the tables hold what was made)",
            reason,
            "the run was" if count == 1 else f"its {count} runs were",
        )


def _earlier(job: Job, origin: Origin) -> list[str]:
    """How the newest run of the same model, seed and fold in a folder beside differs in its configuration."""
    own = job.folder.parent
    stem, mark, _ = own.name.rpartition("-")
    if not mark:
        return []
    runs = [
        folder / job.folder.name / DONE
        for folder in own.parent.glob("*")
        if folder != own and folder.name.rpartition("-")[0] == stem
    ]
    runs = [run for run in runs if run.is_file()]
    if not runs:
        return []
    try:
        newest = FinishedRun.read(max(runs, key=lambda run: run.stat().st_mtime_ns).parent)
        return changed_values(newest, origin, job.home)
    except (AffectError, OSError, ValueError, KeyError):  # what is told of it is a kindness
        return []


def _other_versions(finished: list[Job]) -> list[str]:
    """What to say of runs that another version or commit of affect has made."""
    now = versions()
    counts: dict[str, int] = {}
    for job in finished:
        then: dict[str, Any] = FinishedRun.read(job.folder).facts.get("ran_on", {})
        known = {key: then.get(key) for key in now}
        if known != now and any(value is not None and value != now[key] for key, value in known.items()):
            counts[_version(known)] = counts.get(_version(known), 0) + 1
    return [
        f"{count} of the finished runs were made by {then}; this is {_version(now)}: --again does them anew"
        for then, count in counts.items()
    ]


def _version(facts: dict[str, Any]) -> str:
    commit = facts.get("affect_commit")
    return f"affect {facts.get('affect')}{f' at {commit}' if commit else ''}"
