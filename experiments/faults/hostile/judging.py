"""What a command on something hostile ran, wrote, took and said."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
import stat
from pathlib import Path

from experiments.faults.commands import Command, Outcome
from experiments.faults.hostile.building import Build
from experiments.faults.inputs import case
from experiments.faults.lanes import Steps
from experiments.faults.verdicts import RIGHT, Case, broken, last, lines

PATIENCE = 60
"""Seconds after which a command hangs."""
MOST_MB = 2_000
"""Memory that nothing small needs: 450 MB of it are what is imported."""


def one(template: Path, folder: Path, name: str, build: Build, fresh: bool) -> Steps:
    """One command on something hostile."""
    marker, work = folder / "marker", folder / "work"
    case(template, work)
    outside = folder / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret-7731")
    asked = build(work, marker).split()
    before = seen(folder)
    command = Command(asked, work, fresh=fresh)
    command.patience = PATIENCE
    outcome = yield command
    verdict, detail = verdict_on(outcome, folder, before)
    shutil.rmtree(folder, ignore_errors=True)
    return Case(
        "hostile", name, verdict, detail, outcome.command, "whole" if outcome.status == 0 else "refused"
    )


def verdict_on(outcome: Outcome, folder: Path, before: dict[str, str]) -> tuple[str, str]:
    """What it ran, wrote, took and said.

    Args:
        outcome: the command's.
        folder: of the case: `work`, where it was given, `outside`, and `marker`.
        before: what was there, as `seen` says it.
    """
    if (folder / "marker").exists():
        return "ran code", last(outcome.err)
    after = {
        name: what
        for name, what in seen(folder).items()
        if not name.startswith(("work/out", "work/bench/", "work/runs/"))
    }
    strange = [name for name, what in after.items() if before.get(name) != what]
    gone = [name for name in before if name not in seen(folder)]
    above = [
        path
        for path in ("/tmp/affect-escape", "/tmp/affect-escaped.npy", "/tmp/escape")
        if os.path.lexists(path)
    ]
    if strange or gone or above:
        return "wrote outside", ", ".join([*strange, *gone, *above])[:300]
    if wrong := broken(outcome):
        return wrong
    if outcome.peak_mb > MOST_MB:
        return "memory", f"{outcome.peak_mb:,.0f} MB"
    if "\x1b" in outcome.err or ("\x1b" in outcome.out and not _is_table(outcome.command)):
        return "ran code", "ESC reaches the terminal"
    if "secret-7731" in outcome.out + outcome.err + _written(folder / "work"):
        return "ran code", "a file from outside was read"
    if outcome.status not in {0, 1, 2}:
        return "status", f"{outcome.status}: {last(outcome.err)}"
    if outcome.status and len(lines(outcome)) != 1:
        return "not one line", " | ".join(lines(outcome))[:300]
    if formula := _formula(folder / "work"):
        return "ran code", f"a formula in a table: {formula[:60]!r}"
    if "<script>alert(7)" in _written(folder / "work", ".html"):
        return "ran code", "a name is a script in the page"
    return RIGHT, last(outcome.err)


def seen(folder: Path) -> dict[str, str]:
    """Every file below, and what it holds; links are not followed."""
    found = {}
    for above, folders, files in os.walk(folder):
        for name in [*files, *(one for one in folders if (Path(above) / one).is_symlink())]:
            path = Path(above) / name
            mode = path.lstat().st_mode
            kept = stat.S_ISREG(mode) and path.lstat().st_size < 1 << 24
            what = hashlib.sha256(path.read_bytes()).hexdigest() if kept else str(mode)
            found[path.relative_to(folder).as_posix()] = what
    return {name: what for name, what in found.items() if not name.endswith(".lock")}


def _is_table(command: str) -> bool:
    """Whether it prints a table, which a pipe is given to the letter, as a file is."""
    return command.split()[1:2] == ["predict"] and "--out" not in command.split()


def _written(work: Path, *kinds: str) -> str:
    """All text of some kinds, or of all, that the command wrote where it may."""
    found = [path for path in work.glob("out*") if path.is_file()] + [*(work / "out").rglob("*.html")]
    return "".join(
        path.read_text(errors="replace")
        for path in found
        if path.suffix in (kinds or {".csv", ".html", ".md"})
    )


def _formula(work: Path) -> str:
    """The first cell of its tables that a spreadsheet would compute."""
    for path in work.glob("out*.csv"):
        with path.open(newline="") as file:
            for row in csv.reader(file):
                for cell in row:
                    if re.match(r"[=+\-@\t\r]", cell) and not re.fullmatch(
                        r"[-+]?(\d[\d.e+-]*|inf|nan)", cell
                    ):
                        return cell
    return ""
