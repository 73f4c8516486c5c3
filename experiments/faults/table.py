"""The record of each row, and the table of all of them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments.faults.verdicts import RIGHT, Case

RECORDS = Path(__file__).parent / "results"
"""One JSON file for each row that was run."""
PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
HEAD = """# Faults

    python -m experiments.faults

Each fault comes from outside the process: signals, disks of tmpfs, truncated files, a killed raylet, a
stopped server. affect itself is used through its commands alone, and nothing in it is replaced. A case is
right where the result is equal to the byte to that of a command that nothing disturbed, or where the command
ends with one line on stderr that names what is wrong and the status 1 (130 of Ctrl-C, 143 of SIGTERM, 129 of
SIGHUP, 2 where a flag is refused), leaves nothing half written, and the same command goes on when the fault
is over. Silent is a figure that differs without a word.

Not compared are times and peak memory (columns of seconds and milliseconds, costs, logs), the times in
databases, and numbers of trials that were tried twice.

"""
ABOUT = {
    "kills": "SIGKILL of a command and all its children at a random moment; then the same command",
    "signals": "SIGINT, SIGTERM, SIGHUP at random moments; no child lives 5 s later; then the same command",
    "disks": "tmpfs of sizes from one page to enough; read-only; taken away in the middle; then with room",
    "damaged": "one file of a run, bench, sweep or study truncated, emptied, garbled, lost, or with another "
    "figure, under each command that reads it",
    "workers": "a worker killed in the middle of a bench: loky (SIGKILL, SIGBUS, SIGSEGV), Dask, a raylet",
    "together": "two commands at once on one folder or one file",
    "away": "PostgreSQL stopped in the middle of a search and started again",
    "sizes": "models and batches that no memory holds: without a limit, under `ulimit -v`, under `--memory`",
    "hostile": "hostile corpora, configurations, run folders and neighbours: nothing ran, nothing was "
    "written outside `--out`, nothing hung",
}
"""Each row, in the order of the table."""


def record(row: str, cases: Iterable[Case], seconds: float, records: Path = RECORDS) -> dict[str, Any]:
    """Write what became of a row's cases; gives it back."""
    stored = [case.stored() for case in cases]
    facts = {"row": row, "date": time.strftime("%Y-%m-%d"), "seconds": round(seconds), "cases": stored}
    records.mkdir(parents=True, exist_ok=True)
    (records / f"{row}.json").write_text(json.dumps(facts, indent=1, ensure_ascii=True) + "\n")
    return facts


def read(records: Path = RECORDS) -> list[dict[str, Any]]:
    """What is known of each row that was run."""
    return [
        json.loads((records / f"{row}.json").read_text())
        for row in ABOUT
        if (records / f"{row}.json").is_file()
    ]


def line(facts: dict[str, Any]) -> str:
    """A row of the table."""
    counted = Counter(case["verdict"] for case in facts["cases"])
    right, total = counted.pop(RIGHT, 0), len(facts["cases"])
    injected = total - counted.get("not injected", 0)
    others = ", ".join(
        f"{count} {kind}" for kind, count in counted.most_common() if kind not in {"traceback", "silent"}
    )
    figures = [f"{right:,} of {injected:,}", str(counted["traceback"]), str(counted["silent"]), others]
    return f"| {facts['row']} | {ABOUT[facts['row']]} | {' | '.join(figures)} |"


def page(found: list[dict[str, Any]]) -> str:
    """The whole page."""
    lines = ["| row | what is done | right | tracebacks | silent | other |", "|---|---|---:|---:|---:|---|"]
    lines += [line(facts) for facts in found]
    listed = [
        f"- {facts['row']}: {case['name']}: {case['verdict']}: `{case['detail'][:160]}`"
        for facts in found
        for case in facts["cases"]
        if case["verdict"] not in {RIGHT, "not injected"}
    ]
    details = ["", "## What is not right", "", *listed] if listed else []
    times = ", ".join(f"{facts['row']} {facts['seconds']:,} s ({facts['date']})" for facts in found)
    return HEAD + "\n".join([*lines, "", f"Times: {times}.", *details, ""])
