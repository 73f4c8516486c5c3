"""Training epochs of ten models, beside MMSA's own at the same shapes, widths and batch sizes.

python -m experiments.speed.mmsa --mmsa PYTHON [--lengths mosi full] [--models tfn lmf ...] [--repeats 3]
                                 [--precision bfloat16]
python -m experiments.speed.mmsa --mmsa PYTHON --quality [--lengths mosi] [--epochs 10]
                                 [--seeds 3] [--first-seed 0]

PYTHON is that of an environment with MMSA 2.2.1 and the same PyTorch:

    python -m venv mmsa && mmsa/bin/pip install -c constraints.txt torch==2.13.0 MMSA==2.2.1

Both read the same generated pickles in CMU-MOSI's shape (`experiments.speed.shaped`); affect converts its own
to its native file before. Each model of each side has a process; they train epoch by epoch in turn, with
their validation, and the other one waits. The first epoch does not count. The cross-modal transformer's
epochs are without validation on both sides, and its median batch stands for all where they are alike: MMSA's
always, affect's at full length.

Seven are trained by the label alone. MISA, Self-MM and MMIM (`experiments.speed.whole`) are trained with
their terms, without BERT on both sides; a third process trains affect's model without terms, in turn.

--quality: mean absolute error on the validation split after as many epochs, over seeds. The cross-modal
transformer is given fewer frames there, or MMSA would take a day.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import torch
from lightning.pytorch.callbacks import Callback

import affect
from affect.data import native
from affect.data.export.mmsa import to_mmsa
from affect.kernels import keep_freed_memory
from affect.training import Precision
from experiments.speed.mmsa_worker import Pace
from experiments.speed.models import ALIGNED, MODELS, settings
from experiments.speed.shaped import FRAMES, SIZES, shaped
from experiments.speed.whole import WHOLE, WHOLE_ALIGNED, whole_settings

SHORT = {"text": 50, "acoustic": 60, "visual": 80}


def train(
    model: str, corpus: Path, seed: int, threads: int, batches: bool, bare: bool, precision: Precision
) -> None:
    """Train as `mmsa_worker` does, as long as there are lines."""
    pace = Pace()
    keep_freed_memory()
    torch.set_num_threads(threads)
    setting, shaped_corpus = {**settings(), **whole_settings()}[model], affect.load(corpus)

    class Paced(Callback):
        def on_validation_end(self, trainer: Any, module: Any) -> None:
            pace(mae=module.history[-1]["mae"])

    class PacedBatches(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            pace()

        def on_validation_start(self, *_: Any) -> None:
            pace.stop()

        def on_validation_end(self, *_: Any) -> None:
            pace.start()

    built = setting.build(shaped_corpus, seed)
    options = setting.training(epochs=10**6, patience=10**6, precision=precision)
    pace()
    callbacks = [PacedBatches() if batches else Paced()]
    affect.fit(
        built,
        shaped_corpus,
        seed,
        training=options,
        objective=setting.objective,
        terms={} if bare else setting.terms,
        callbacks=callbacks,
    )


class EndedEarlyError(RuntimeError):
    """A process that is no more; its second argument is the last line that it wrote."""


class Worker:
    """A process that trains a model at the pace that it is told."""

    def __init__(self, command: list[str]) -> None:
        self.log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )

    def go(self) -> dict[str, float]:
        """One epoch, or one batch."""
        with suppress(BrokenPipeError):  # then it has said why
            print(file=self.process.stdin, flush=True)
        return self._said()

    def end(self) -> float:
        """Peak memory in bytes."""
        with self.log, self.process:
            self.process.stdin.close()
            return self._said()["peak"]

    def _said(self) -> dict[str, float]:
        if not (line := self.process.stdout.readline()):
            with self.log, self.process:
                self.log.seek(0)
                *_, last = self.log.read().strip().splitlines() or [""]
            raise EndedEarlyError(f"{' '.join(map(str, self.process.args))}: ended early: {last}", last)
        return json.loads(line)


class Sides:
    """How both sides are begun."""

    def __init__(
        self, python: Path, folder: Path, threads: int, precision: Precision, scale: float = 1.0
    ) -> None:
        self.python, self.folder, self.threads = python, folder, threads
        self.precision, self.scale = precision, scale

    def write(self, lengths: str, aligned: bool, frames: dict[str, int] = FRAMES) -> str:
        """The name of a corpus that is there, as a pickle and as a native file."""
        name = f"{lengths}_{'aligned' if aligned else 'x'.join(map(str, frames.values()))}_{self.scale:g}"
        if not (self.folder / f"{name}.safetensors").exists():
            corpus = shaped(lengths, aligned, frames, self.scale)
            to_mmsa(corpus, self.folder / f"{name}.pkl")
            native.save(corpus, self.folder / f"{name}.safetensors")
        return name

    def begin(self, side: str, model: str, corpus: str, seed: int = 0, batches: bool = False) -> Worker:
        """A process that waits; `bare` is affect without terms."""
        options = ["--seed", str(seed), "--threads", str(self.threads), *["--batches"] * batches]
        if side == "MMSA":
            command = [str(self.python), "-m", "experiments.speed.mmsa_worker", model]
            aligned = ["--aligned"] * (model in WHOLE_ALIGNED)
            return Worker([*command, f"{self.folder / corpus}.pkl", *options, *aligned])
        command = [sys.executable, "-m", "experiments.speed.mmsa", "--train", model]
        options += ["--corpus", f"{self.folder / corpus}.safetensors", "--precision", self.precision]
        options += ["--bare"] * (side == "bare")
        return Worker([*command, *options])


def times(sides: Sides, lengths: str, models: list[str], repeats: int) -> None:
    """Seconds of an epoch, and peak memory, as a table."""
    print(f"\n### {lengths} lengths\n", flush=True)
    print(
        "| model | affect, s | MMSA, s | ratio | affect, MB | MMSA, MB |\n|---|---|---|---|---|---|",
        flush=True,
    )
    ratios = []
    for model in models:
        corpus = sides.write(lengths, model in ALIGNED)
        slow = model == "mult"
        steps = -(-round(sides.scale * SIZES["train"]) // settings()[model].batch_size)
        alike = {"affect": lengths == "full", "MMSA": True}
        workers = {side: sides.begin(side, model, corpus, batches=slow) for side in alike}
        seconds: dict[str, list[float]] = {side: [] for side in alike}
        for _ in range(1 + repeats):
            for side, worker in workers.items():
                at_once = steps if slow and not alike[side] else 1
                seconds[side].append(sum(worker.go()["seconds"] for _ in range(at_once)))
        peak = {side: worker.end() / 1e6 for side, worker in workers.items()}
        epoch = {
            side: statistics.median(found[1:]) * (steps if slow and alike[side] else 1)
            for side, found in seconds.items()
        }
        ratios.append(epoch["MMSA"] / epoch["affect"])
        print(
            f"| {model} | {epoch['affect']:.2f} | {epoch['MMSA']:.2f} | {ratios[-1]:.2f} "
            f"| {peak['affect']:.0f} | {peak['MMSA']:.0f} |",
            flush=True,
        )
    print(f"\ngeometric mean of the ratios: {statistics.geometric_mean(ratios):.2f}", flush=True)


def times_whole(sides: Sides, lengths: str, models: list[str], repeats: int, clock: str) -> None:
    """Seconds of an epoch and quotients of those that stand side by side, as a table."""
    print(f"\n### {lengths} lengths\n", flush=True)
    pairs_of = "MMSA / affect, of pairs: min | median | max"
    print(f"| model | affect, s | MMSA, s | {pairs_of} | without terms, s | with / without |", flush=True)
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for model in models:
        corpus = sides.write(lengths, model in ALIGNED + WHOLE_ALIGNED)
        workers = {side: sides.begin(side, model, corpus) for side in ("affect", "MMSA", "bare")}
        seconds: dict[str, list[float]] = {side: [] for side in workers}
        for _ in range(1 + repeats):
            for side, worker in workers.items():
                seconds[side].append(worker.go()[clock])
        for worker in workers.values():
            worker.end()
        own, theirs, bare = (found[1:] for found in seconds.values())
        pairs = [b / a for a, b in zip(own, theirs, strict=True)]
        cost = statistics.median(a / b for a, b in zip(own, bare, strict=True))
        cells = [
            statistics.median(own),
            statistics.median(theirs),
            min(pairs),
            statistics.median(pairs),
            max(pairs),
        ]
        cells += [statistics.median(bare), cost]
        print(f"| {model} | {' | '.join(f'{x:.2f}' for x in cells)} |", flush=True)


def quality(sides: Sides, lengths: str, models: list[str], seeds: range, epochs: int) -> None:
    """The validation error after as many epochs, as a table."""
    print(f"\n### {lengths} lengths\n", flush=True)
    print("| model | affect | MMSA | difference | standard error |\n|---|---|---|---|---|", flush=True)
    for model in models:
        corpus = sides.write(lengths, model in ALIGNED + WHOLE_ALIGNED, SHORT if model == "mult" else FRAMES)
        errors: dict[str, list[float]] = {"affect": [], "MMSA": []}
        for seed in seeds:
            for side, found in errors.items():
                worker = sides.begin(side, model, corpus, seed)
                found.append([worker.go()["mae"] for _ in range(epochs)][-1])
                worker.end()
        mean = {side: statistics.mean(found) for side, found in errors.items()}
        noise = (sum(statistics.variance(found) / len(seeds) for found in errors.values())) ** 0.5
        said = [f"{mean[side]:.3f} ± {statistics.stdev(found):.3f}" for side, found in errors.items()]
        print(
            f"| {model} | {' | '.join(said)} | {mean['affect'] - mean['MMSA']:+.3f} | {noise:.3f} |",
            flush=True,
        )


def main() -> None:
    """Times, or quality."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mmsa", type=Path, help="Python of an environment with MMSA")
    parser.add_argument("--lengths", nargs="+", choices=("mosi", "full"), default=["mosi", "full"])
    parser.add_argument("--models", nargs="+", choices=MODELS + WHOLE, default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="times CMU-MOSI's number of samples")
    parser.add_argument("--precision", choices=get_args(Precision), default="float32", help="of affect")
    parser.add_argument(
        "--clock",
        choices=("seconds", "cpu_seconds"),
        default="seconds",
        help="of models with terms: cpu_seconds (of all threads) where others work on the machine too",
    )
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="keeps the generated corpora")
    for hidden in ("--train", "--corpus", "--seed"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    for hidden in ("--batches", "--bare"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        corpus, seed = Path(args.corpus), int(args.seed)
        train(args.train, corpus, seed, args.threads, args.batches, args.bare, args.precision)
        return
    if args.mmsa is None:
        parser.error("--mmsa: expected the Python of an environment with MMSA")
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        sides = Sides(Path(os.path.abspath(args.mmsa)), folder, args.threads, args.precision, args.scale)
        for lengths in args.lengths:
            if args.quality:
                seeds = range(args.first_seed, args.first_seed + args.seeds)
                quality(sides, lengths, args.models, seeds, args.epochs)
                continue
            if plain := [model for model in args.models if model in MODELS]:
                times(sides, lengths, plain, args.repeats)
            if whole := [model for model in args.models if model in WHOLE]:
                times_whole(sides, lengths, whole, args.repeats, args.clock)


if __name__ == "__main__":
    main()
