"""What a run survives, and what it lets in: one table, each fault injected from outside.

python -m experiments.faults [ROW ...] [--count N] [--quick] [--lanes 2] [--seed 0] [--out FOLDER]

Rows: kills, signals, disks, damaged, workers, together, away, sizes, hostile. Each writes its own record
to experiments/faults/results; the table in docs/faults.md is made of all records. Whoever may not mount a
tmpfs, or has no PostgreSQL, runs the other rows.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.faults import away, damaged, disks, hostile, inputs, kills, sizes, table, together, workers
from experiments.faults.commands import prepare
from experiments.faults.lanes import Steps, go
from experiments.faults.verdicts import RIGHT, Case


@dataclass(frozen=True)
class Row:
    """How a row is made.

    Args:
        cases: from the template, a folder, how many, and a seed.
        count: how many: what it counts is the row's own affair.
        quick: how many in a hurry; 0 leaves the row out.
        lanes: whether several at once are right.
    """

    cases: Callable[[Path, Path, int, int], Iterator[Steps]]
    count: int
    quick: int
    lanes: bool = True


ROWS = {
    "kills": Row(kills.kills, 20, 1),
    "signals": Row(kills.signals, 2, 0),
    "disks": Row(disks.cases, 12, 1),
    "damaged": Row(damaged.cases, 1000, 21),
    "workers": Row(workers.cases, 6, 0, lanes=False),
    "together": Row(together.cases, 3, 0, lanes=False),
    "away": Row(away.cases, 3, 0, lanes=False),
    "sizes": Row(
        lambda template, scratch, count, seed: sizes.cases(template, scratch, count), 99, 2, lanes=False
    ),
    "hostile": Row(lambda template, scratch, count, seed: hostile.cases(template, scratch, count), 999, 20),
}


def run_row(name: str, template: Path, scratch: Path, count: int, lanes: int, seed: int) -> list[Case]:
    """Do a row's cases, and say what is not right as it comes."""
    found = []
    for case in go(ROWS[name].cases(template, scratch, count, seed), lanes if ROWS[name].lanes else 1):
        found.append(case)
        if len(found) % 50 == 0:
            print(f"{name}: {len(found):,} done", flush=True)
        if case.verdict != RIGHT:
            print(f"{name}: {case.verdict}: {case.name}: {case.detail}\n    {case.command}", flush=True)
    return found


def main(given: list[str] | None = None) -> None:
    """Some rows, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("rows", metavar="ROW", nargs="*", help=f"some of {', '.join(ROWS)} (default: all)")
    parser.add_argument("--count", type=int, help="instead of the row's own")
    parser.add_argument("--quick", action="store_true", help="a few of each, in minutes; changes no record")
    parser.add_argument("--lanes", type=int, default=2, help="how many at once (default: 2)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where records and the page go, instead of here and docs")
    args = parser.parse_args(given)
    if unknown := [row for row in args.rows if row not in ROWS]:
        parser.error(f"no row '{unknown[0]}'; known: {', '.join(ROWS)}")
    asked = [row for row in args.rows or ROWS if not (args.quick and not ROWS[row].quick and not args.rows)]
    if "disks" in asked and not disks.mounting():
        print("disks: nobody but root may mount a tmpfs; left out", flush=True)
        asked.remove("disks")
    if "away" in asked and away.program("postgres") is None:
        print("away: PostgreSQL is not installed; left out", flush=True)
        asked.remove("away")
    signal.signal(
        signal.SIGTERM, lambda number, frame: sys.exit(143)
    )  # folders are taken away, disks unmounted
    prepare()
    made, wrong = [], 0
    with inputs.scratch() as scratch:
        template = inputs.write(scratch / "template")
        inputs.make(template, ("bench", "tune", "runs", "sweep"))
        for name in asked:
            row, begun = ROWS[name], time.monotonic()
            count = args.count or (row.quick or 1 if args.quick else row.count)
            (scratch / name).mkdir()
            found = run_row(name, template, scratch / name, count, args.lanes, args.seed)
            wrong += sum(case.verdict != RIGHT for case in found)
            records = args.out or (scratch / "records" if args.quick else table.RECORDS)
            made.append(table.record(name, found, time.monotonic() - begun, records))
            print(table.line(made[-1]), flush=True)
        if not args.quick or args.out:
            path = args.out / "faults.md" if args.out else table.PAGE
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(table.page(table.read(args.out or table.RECORDS)))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
