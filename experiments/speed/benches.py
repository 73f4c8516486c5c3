"""A bench with two jobs beside one, and one that is killed.

python -m experiments.speed.benches [--experiment experiments/speed/bench.yaml] [--models ...] [--kills 10]

Six models, five seeds: done with one job, then with two; then with two and killed (SIGKILL, the whole process
group) at random moments and begun again, until it is done. All three must leave the same tables to the byte.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TABLES = ("results.csv", "summary.csv", "comparisons.csv")


def command(args: argparse.Namespace, out: Path, jobs: int) -> list[str]:
    """The bench, with some jobs."""
    asked = ["--out", str(out), "--jobs", str(jobs), *(["--models", *args.models] if args.models else [])]
    return [sys.executable, "-m", "affect", "bench", args.experiment, *asked]


def seconds(args: argparse.Namespace, out: Path, jobs: int) -> float:
    """How long the whole command takes, tables and report too."""
    begin = time.perf_counter()
    subprocess.run(command(args, out, jobs), check=True, capture_output=True)
    return time.perf_counter() - begin


def killed(args: argparse.Namespace, out: Path, until: float, rng: random.Random) -> int:
    """Begin, kill at a random moment, and look at what is left: how many runs were done by then."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command(args, out, 2), start_new_session=True, **quiet)
    try:
        process.wait(rng.uniform(3, until))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return len(list(out.rglob("run.json")))


def main() -> None:
    """One job, two jobs, ten kills."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", default="experiments/speed/bench.yaml")
    parser.add_argument("--models", nargs="+", help="some of the experiment's alone")
    parser.add_argument("--kills", type=int, default=10)
    args = parser.parse_args()
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        one, two, cut = (Path(folder) / name for name in ("one", "two", "cut"))
        alone, together = seconds(args, one, 1), seconds(args, two, 2)
        print(
            f"| one job, s | two jobs, s | ratio |\n|---|---|---|\n| {alone:.0f} | {together:.0f} | ", end=""
        )
        print(f"{alone / together:.2f} |\n", flush=True)
        left = [killed(args, cut, 2 * together / args.kills, rng) for _ in range(args.kills)]
        print(f"runs done after each of {args.kills} kills: {', '.join(map(str, left))}")
        seconds(args, cut, 2)
        for table in TABLES:
            same = {(path / table).read_bytes() for path in (one, two, cut)}
            print(f"{table}: {'the same bytes in all three' if len(same) == 1 else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
