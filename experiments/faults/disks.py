"""Disks that are full, read-only, or gone: each is a tmpfs that is mounted for one case."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from experiments.faults.commands import Command, Outcome
from experiments.faults.inputs import case, place
from experiments.faults.kills import undisturbed
from experiments.faults.lanes import Steps
from experiments.faults.verbs import VERBS, arguments, results
from experiments.faults.verdicts import RIGHT, Case, broken, differing, last, refused

PAGE = 4096
"""Bytes in which a tmpfs counts."""
ENOUGH = 64 << 20


def mounting() -> bool:
    """Whether this user may mount a tmpfs."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="affect-faults-") as folder:
        if not _mounted(Path(folder), ENOUGH):
            return False
        unmount(Path(folder))
        return True


def unmount(folder: Path, lazily: bool = False) -> None:
    """Take a disk away: at once, from under whoever writes to it."""
    subprocess.run(["umount", *(["-l"] if lazily else []), folder], capture_output=True, check=False)


def cases(template: Path, scratch: Path, count: int, seed: int = 0) -> Iterator[Steps]:
    """Each verb on so many sizes between nothing and enough; read-only; and taken away in the middle."""
    rng = random.Random(seed)
    for name, verb in VERBS.items():
        right, ended = undisturbed(template, scratch, name)
        folder = place(scratch, "right", name)
        given = sum(_taken(template / one) for one in ("", *verb.needs))
        needed = _taken(folder) + sum(_taken(path) for path in folder.rglob("*") if path.is_dir()) - given
        steps = sorted({PAGE * (1 + max(2, needed // PAGE) * step // count) for step in range(count)})
        for size in (0, *steps):
            yield full(template, place(scratch, name, size), name, right, size)
        yield read_only(template, place(scratch, name, "read-only"), name, right)
        moment = rng.uniform(0.2, 0.9) * ended.seconds
        yield gone(template, place(scratch, name, "gone"), name, right, moment)


def full(template: Path, folder: Path, name: str, right: dict[str, str], size: int) -> Steps:
    """A disk with so much room; then with enough."""
    called = f"{name}, {size // 1024:,} KiB"
    asked = _begin(template, folder, name)
    disk = folder / "disk"
    _mounted(disk, size or PAGE)  # one of size 0 has no bound
    filled = disk / "filled"
    if not size:
        filled.write_bytes(bytes(PAGE))
    try:
        outcome = yield Command(asked, folder)
        filled.unlink(missing_ok=True)
        if outcome.status and (case_ := _wrong(called, name, disk, right, outcome)):
            return case_
        _mounted(disk, ENOUGH, again=True)
        again = yield Command(asked, folder)
        ended = "whole" if not outcome.status else "refused"
        return _again(called, name, disk, right, again, ended, last(outcome.err))
    finally:
        unmount(disk)
        shutil.rmtree(folder, ignore_errors=True)


def read_only(template: Path, folder: Path, name: str, right: dict[str, str]) -> Steps:
    """A disk that nothing may be written to; then it may."""
    called = f"{name}, read-only"
    asked = _begin(template, folder, name)
    disk = folder / "disk"
    _mounted(disk, ENOUGH, "ro")
    try:
        outcome = yield Command(asked, folder)
        if case_ := _wrong(called, name, disk, right, outcome):
            return case_
        _mounted(disk, ENOUGH, again=True)
        again = yield Command(asked, folder)
        return _again(called, name, disk, right, again, "refused", last(outcome.err))
    finally:
        unmount(disk)
        shutil.rmtree(folder, ignore_errors=True)


def gone(template: Path, folder: Path, name: str, right: dict[str, str], moment: float) -> Steps:
    """A disk that is full and unmounted while the command is at work; another one is put in its place."""
    called = f"{name}, taken away after {moment:.2f} s"
    asked = _begin(template, folder, name)
    disk = folder / "disk"
    _mounted(disk, ENOUGH)

    def away() -> None:
        unmount(disk, lazily=True)
        disk.chmod(0o500)
        _mounted(disk, PAGE, "ro")

    try:
        command = Command(asked, folder)
        outcome = yield command.after(moment, away)
        if outcome.status and (case_ := _wrong(called, name, disk, right, outcome)):
            return case_
        unmount(disk, lazily=True)
        unmount(disk, lazily=True)
        _mounted(disk, ENOUGH)
        again = yield Command(asked, folder)
        return _again(called, name, disk, right, again, "refused", last(outcome.err))
    finally:
        unmount(disk, lazily=True)
        shutil.rmtree(folder, ignore_errors=True)


def _begin(template: Path, folder: Path, name: str) -> list[str]:
    """Inputs in a folder of their own, and the command with its output on the disk."""
    verb = VERBS[name]
    case(template, folder, verb.needs)
    (folder / "disk").mkdir()
    return arguments(verb, folder, "disk/")


def _wrong(called: str, name: str, disk: Path, right: dict[str, str], outcome: Outcome) -> Case | None:
    """What is wrong with a refusal, and whether what is written is whole; a refused flag ends with 2."""
    wrong = broken(outcome) or refused(outcome, status=2 if outcome.status == 2 else 1)
    if wrong is None:
        found = results(VERBS[name], disk)
        half = [one for one, what in found.items() if right.get(one) != what]
        left = [path.name for path in disk.rglob(".*.partial")]
        wrong = ("half written", ", ".join([*half, *left])[:200]) if half or left else None
    return Case("disks", called, *wrong, outcome.command) if wrong else None


def _again(
    called: str, name: str, disk: Path, right: dict[str, str], again: Outcome, ended: str, detail: str
) -> Case:
    """The verdict on the same command, now that there is room."""
    found = results(VERBS[name], disk)
    if wrong := broken(again):
        return Case("disks", called, *wrong, again.command)
    if again.status:
        return Case("disks", called, "does not go on", f"{again.status}: {again.err[-300:]}", again.command)
    if found != right:
        return Case("disks", called, "silent", differing(found, right), again.command)
    return Case("disks", called, RIGHT, detail, again.command, ended)


def _mounted(folder: Path, size: int, *options: str, again: bool = False) -> bool:
    """Mount a tmpfs of a size, or give the one that is there another size."""
    given = ",".join([*(["remount"] if again else []), f"size={size}", *(options or ["rw"])])
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", given, "tmpfs", folder], capture_output=True, check=False
    )
    return done.returncode == 0


def _taken(folder: Path) -> int:
    """Bytes that a folder's own files take on a tmpfs."""
    with suppress(FileNotFoundError):
        return sum(-(-path.stat().st_size // PAGE) * PAGE for path in folder.iterdir() if path.is_file())
    return 0
