"""How time and memory grow: an epoch against samples, steps and width; memory against a corpus's size.

    python -m experiments.speed.growth [--only samples memory] [--repeats 3] [--folder KEPT] [--picture PATH]

The corpora are generated with a planted signal (sentiment = 0.85 text * acoustic + 0.15 visual, one latent
per modality, noise at every step), a block of samples at a time, and trained on from affect's native
memory-mapped file. `samples`, `memory`: 768, 74 and 35 features; words as in MOSI (median 11, at most 50),
ten acoustic and 7.5 visual frames to each (at most 500 and 375); validation and test splits in CMU-MOSEI's
proportion to the training split, whose 16,326 samples are the largest size. `steps`, `width`: 128 training
samples with 32 features in each modality, and as many steps in each.

Time is `epoch_seconds` of `Run.history`: making the batches, forward and backward passes, and the optimiser,
without validation, checkpoints and logs; beside it, the seconds of a processor in the same part of the epoch,
which others on the machine disturb less. The first epoch, which warms up, is left out; a process reports the
median of the others. Every process measures one size; sizes take turns, in the other direction every second
time, and the table holds medians over the turns. The slope is that of log(seconds) on log(size) by least
squares, with its standard error. Beside it stands that of the last two sizes alone, where what is constant
weighs least.

Memory is sampled every 5 ms: anonymous pages (RssAnon), which are the process's own, and pages of files
(RssFile), which the system takes back when it needs them; the peak of both together is VmHWM, which is what
`ru_maxrss` says of a process whose parent was smaller. Large files: 7 GB of disk for the default sizes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments.speed.memory import peak

DIMS = {"text": 768, "acoustic": 74, "visual": 35}
NARROW = dict.fromkeys(DIMS, 32)
FRAMES = {"text": 1.0, "acoustic": 10.0, "visual": 7.5}  # to a word
MOSEI = {"train": 16326, "valid": 1871, "test": 4659}
SAMPLES = (1284, 2568, 5136, 10272, 16326)
STEPS = (25, 50, 100, 200, 400, 800, 1600)
WIDTHS = (16, 32, 64, 128, 256, 512)
BLOCK = 256  # samples
LEARNED = {"samples": ("pooled", "lstm"), "steps": ("pooled", "lstm", "crossmodal")}
LEARNED |= {"width": LEARNED["steps"], "memory": LEARNED["samples"], "epochs": LEARNED["samples"]}
PHASES = ("imports", "opening", "scaling", "training", "evaluating")
WHAT = {
    "train": "",
    "processor": ", processor's seconds",
    "validated": ", with validation",
    "opened": ", opening and scaling",
}


def corpus(train: int, steps: int = 0) -> dict[str, Any]:
    """What `write` needs; of `steps` in every modality, or of MOSI-like lengths."""
    share = train / MOSEI["train"]
    return {
        "samples": {split: max(16, round(share * count)) for split, count in MOSEI.items()},
        "dims": NARROW if steps else DIMS,
        "steps": steps,
    }


def write(path: str, samples: dict[str, int], dims: dict[str, int], steps: int) -> dict[str, float]:
    """A corpus with a planted signal; no more than a block of it is in memory."""
    from affect.data.corpus import Split
    from affect.data.ragged import Ragged
    from affect.data.targets import Regression
    from affect.data.writer import CorpusWriter

    rng = np.random.default_rng(0)
    directions = {m: rng.normal(size=dim) for m, dim in dims.items()}
    edge = math.sqrt(3.0)

    def block(split: str, begin: int, count: int) -> Split:
        words = np.clip(rng.gamma(2.2, 5.8, count).round(), 2, 50)
        latent = {m: rng.uniform(-edge, edge, count) for m in dims}
        rows = {}
        for m, direction in directions.items():
            lengths = (
                np.full(count, steps) if steps else np.maximum(words * FRAMES[m], 1 if m == "text" else 3)
            )
            ends = np.concatenate([[0], np.cumsum(lengths.astype(np.int64))])
            values = rng.standard_normal((ends[-1], dims[m]), dtype=np.float32)
            along = (direction / np.linalg.norm(direction)).astype(np.float32)
            for i, (start, end) in enumerate(itertools.pairwise(ends)):
                values[start:end] += np.float32(latent[m][i]) * along
            rows[m] = Ragged.from_offsets(values, ends)
        truth = 0.85 * latent["text"] * latent["acoustic"] + 0.15 * latent["visual"]
        ids = tuple(f"{split}{i:05d}" for i in range(begin, begin + count))
        return Split(ids, rows, {"sentiment": Ragged.vectors(truth)})

    begun = time.perf_counter()
    with CorpusWriter(path, "experiments.speed.growth") as growing:
        for split, count in samples.items():
            for begin in range(0, count, BLOCK):
                growing.append(split, block(split, begin, min(BLOCK, count - begin)))
        growing.finish("growth", {"sentiment": Regression("sentiment", low=-3.0, high=3.0)})
    return {"seconds": time.perf_counter() - begun, "peak": peak()}


def options(model: str, width: int) -> dict[str, Any]:
    """The model's parts, as `FusionModel.for_corpus` takes them."""
    from functools import partial

    from affect.encoders import LSTMEncoder, PooledEncoder, StepEncoder
    from affect.fusion import CrossModalTransformer, LowRankFusion

    parts: dict[str, Any] = {"width": width, "out_dim": width, "fusion": LowRankFusion}
    if model == "lstm":
        parts["encoder"] = {m: LSTMEncoder if m == "text" else PooledEncoder for m in DIMS}
    if model == "crossmodal":
        parts["encoder"] = StepEncoder
        parts["fusion"] = partial(CrossModalTransformer, width=width, heads=2, layers=1)
    return parts


class Watch(threading.Thread):
    """The most anonymous and file pages of this process, in bytes, by phase.

    Args:
        phase: the first one; assign `phase` when the next begins.
    """

    def __init__(self, phase: str) -> None:
        super().__init__(daemon=True)
        self.phase, self.most = phase, dict[str, dict[str, int]]()

    def run(self) -> None:
        while True:
            most = self.most.setdefault(self.phase, {})
            for kind, size in pages().items():
                most[kind] = max(size, most.get(kind, 0))
            time.sleep(0.005)


def pages() -> dict[str, int]:
    """Bytes of this process in memory: its own (`anon`) and those of mapped files (`file`)."""
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    found = {line[0]: int(line[1]) * 1024 for line in lines if line and line[0].startswith("Rss")}
    return {"anon": found["RssAnon:"], "file": found["RssFile:"]}


def measure(
    path: str, model: str, width: int, epochs: int, batch_size: int, threads: int, watched: bool
) -> dict[str, Any]:
    """Train in this process. With `watched`: memory, and the test split too; else time alone."""
    import torch
    from lightning.pytorch.callbacks import LambdaCallback

    import affect
    from affect.kernels import keep_freed_memory
    from affect.training import Training

    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    built = options(model, width)
    watch, held = Watch("imports"), []
    if watched:
        watch.start()
        time.sleep(0.05)
    begun = time.perf_counter()
    watch.phase = "opening"
    corpus = affect.load(path) if watched else affect.load(path).without("test")
    watch.phase = "scaling"
    learner = affect.FusionModel.for_corpus(corpus, **built)
    opened = time.perf_counter() - begun
    clock: list[float] = []

    def begin(*_: object) -> None:
        watch.phase = "training"
        clock.append(time.process_time())

    def end(*_: object) -> None:
        watch.phase = "evaluating"
        held.append(pages()["anon"])
        clock.append(time.process_time())

    keep = LambdaCallback(on_train_epoch_start=begin, on_validation_start=end)
    training = Training(epochs=epochs, patience=epochs, batch_size=batch_size)
    run = affect.fit(learner, corpus, training=training, callbacks=[keep])
    history = run.history
    return {
        "train": float(history["epoch_seconds"][1:].median()),
        "processor": statistics.median(
            after - before for before, after in zip(clock[2::2], clock[3::2], strict=True)
        ),
        "validated": float(history["seconds"].diff()[1:].median()),
        "opened": opened,
        "pearson": float(history["pearson"].max()),
        "peak": peak(),
        "held": held,
        "most": watch.most,
    }


def process(way: str, **arguments: Any) -> dict[str, Any]:
    """`write` or `measure` in a process of its own."""
    command = [sys.executable, "-m", "experiments.speed.growth", "--way", way, json.dumps(arguments)]
    said: dict[str, Any] = json.loads(
        subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    )
    return said


class Bench:
    """Corpora in a folder and measurements on them.

    Args:
        folder: corpora that are there are not written again.
        args: as given on the command line.
    """

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self.folder, self.args, self.written = folder, args, dict[str, dict[str, float]]()

    def path(self, train: int, steps: int = 0) -> Path:
        """The corpus of that size."""
        path = self.folder / f"growth_{train}_{steps}.safetensors"
        if not path.exists():
            self.written[path.name] = process("write", path=str(path), **corpus(train, steps))
        return path

    def train(self, path: Path, model: str, width: int, epochs: int, watched: bool) -> dict[str, Any]:
        """One measurement."""
        print(f"{path.name}, {model}, width {width}", file=sys.stderr)
        return process(
            "measure", path=str(path), model=model, width=width, epochs=epochs, watched=watched,
            batch_size=32 if "_0." in path.name else 16, threads=self.args.threads,
        )  # fmt: skip

    def times(self, axis: str) -> dict[str, dict[int, float]]:
        """Seconds by size for each line of the axis's table, which is printed."""
        sizes = getattr(self.args, "sizes" if axis == "samples" else axis)
        narrow = self.args.narrow
        found: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for repeat in range(self.args.repeats):
            for model, size in itertools.product(LEARNED[axis], sizes[:: -1 if repeat % 2 else 1]):
                train, steps = (size, 0) if axis == "samples" else (narrow, size if axis == "steps" else 50)
                width = size if axis == "width" else 16 if axis == "steps" else 32
                said = self.train(self.path(train, steps), model, width, self.args.epochs, watched=False)
                found.setdefault((model, size), []).append(said)
        lines = {
            f"{model}{note}": {
                size: statistics.median(row[what] for row in found[model, size]) for size in sizes
            }
            for model in LEARNED[axis]
            for what, note in WHAT.items()
            if axis == "samples" or what in ("train", "processor")
        }
        print(f"\n| {axis} | " + " | ".join(f"{size:,}" for size in sizes) + " | slope | last two |")
        print("|---" * (len(sizes) + 3) + "|")
        for name, line in lines.items():
            cells = " | ".join(f"{seconds:.3g}" for seconds in line.values())
            last = dict(list(line.items())[-2:])
            print(f"| {name} | {cells} | {'{:.3f} +- {:.3f}'.format(*slope(line))} | {slope(last)[0]:.2f} |")
        return lines

    def memory(self) -> None:
        """Peaks against the corpus's size."""
        columns = ["samples", "file", "model", "r", *PHASES, "own pages", "files' pages", "both"]
        print(f"\nMB\n\n| {' | '.join(columns)} |")
        print("|---" * len(columns) + "|")
        for train, model in itertools.product(self.args.sizes, LEARNED["memory"]):
            path = self.path(train)
            said = self.train(path, model, 32, 2, watched=True)
            own = [said["most"].get(phase, {"anon": 0})["anon"] for phase in PHASES]
            sizes = [*own, max(own), max(most["file"] for most in said["most"].values()), said["peak"]]
            cells = [
                f"{sum(corpus(train)['samples'].values()):,}",
                f"{path.stat().st_size / 1e6:,.0f}",
                model,
            ]
            cells += [f"{said['pearson']:.2f}", *(f"{size / 1e6:,.0f}" for size in sizes)]
            print(f"| {' | '.join(cells)} |", flush=True)
        for name, said in self.written.items():
            print(f"\n{name}: written in {said['seconds']:.1f} s, peak {said['peak'] / 1e6:.0f} MB")

    def epochs(self) -> None:
        """Whether memory grows from epoch to epoch: own pages at the end of each, and their slope."""
        from scipy.stats import linregress

        print("\n| model | epochs | own pages after 10, MB | after the last | slope, kB per epoch |")
        print("|---" * 5 + "|")
        for model in LEARNED["epochs"]:
            said = self.train(self.path(min(self.args.sizes)), model, 32, self.args.many, watched=True)
            held = np.array(said["held"])
            fit = linregress(np.arange(10, len(held)), held[10:] / 1e3)
            print(
                f"| {model} | {len(held)} | {held[9] / 1e6:.1f} | {held[-1] / 1e6:.1f} | "
                f"{fit.slope:.1f} +- {fit.stderr:.1f} |"
            )


def slope(line: dict[int, float]) -> tuple[float, float]:
    """Of log(seconds) on log(size), and its standard error."""
    from scipy.stats import linregress

    fit = linregress(np.log(list(line)), np.log(list(line.values())))
    return float(fit.slope), float(fit.stderr)


def draw(found: dict[str, dict[str, dict[int, float]]], path: Path) -> None:
    """One panel per axis, both scales logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(found), 3.6), layout="constrained")
    for panel, (axis, lines) in zip(
        figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True
    ):
        for name, line in lines.items():
            if name in LEARNED[axis]:
                label = f"{name}, {slope(line)[0]:.2f}"
                panel.loglog(list(line), list(line.values()), marker="o", label=label)
        panel.set(xlabel=axis, ylabel="seconds per epoch")
        panel.legend(title="model, slope", frameon=False)
    figure.savefig(path)


def main() -> None:
    """The tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=LEARNED, default=list(LEARNED))
    parser.add_argument("--sizes", type=int, nargs="+", default=SAMPLES, help="training samples")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--width", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--narrow", type=int, default=128, help="training samples behind steps and width")
    parser.add_argument("--epochs", type=int, default=4, help="of which the first is not counted")
    parser.add_argument("--many", type=int, default=60, help="epochs over which memory is followed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="two disturb each other where others work too")
    parser.add_argument("--folder", type=Path, help="where corpora are kept; a temporary one by default")
    parser.add_argument("--picture", type=Path, help="SVG, PNG or PDF; needs affect[report]")
    parser.add_argument("--way", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        print(json.dumps({"write": write, "measure": measure}[args.way[0]](**json.loads(args.way[1]))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(args.folder or Path(scratch), args)
        found = {axis: bench.times(axis) for axis in ("samples", "steps", "width") if axis in args.only}
        if "memory" in args.only:
            bench.memory()
        if "epochs" in args.only:
            bench.epochs()
    if args.picture and found:
        draw(found, args.picture)


if __name__ == "__main__":
    main()
