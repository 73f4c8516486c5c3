"""Reading MMSA's pickles safely against a bare `pickle.load`, in one run: time, memory, native file.

    python -m experiments.speed.pickles [--repeats 5]

Writes a pickle in MMSA's unaligned layout and MOSI's proportions (2,199 samples, 0.45 GB, seeded noise)
into a temporary folder. Each measurement is a process of its own, in turns; its imports are not counted.
"""

from __future__ import annotations

import argparse
import json
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from experiments.speed.memory import peak

SHAPES = {"text": (50, 768), "audio": (375, 5), "vision": (500, 20)}
SIZES = {"train": 1284, "valid": 229, "test": 686}


def write(path: Path, seed: int = 0) -> float:
    """The file; returns which share of its features is padding."""
    rng = np.random.default_rng(seed)
    content, filled, whole = {}, 0, 0
    for name, count in SIZES.items():
        words = np.clip(rng.gamma(2.2, 5.5, count).astype(int), 3, 50)
        split = {
            "raw_text": np.array([" ".join(["word"] * n) for n in words]),
            "id": np.array([f"{name}{i // 20}$_${i % 20}" for i in range(count)]),
            "regression_labels": rng.uniform(-3, 3, count).astype(np.float32),
        }
        inside = np.arange(50) < words[:, None]
        split["text_bert"] = np.stack([1012 * inside, inside, 0 * inside], 1).astype(np.float32)
        for key, (time_, dim) in SHAPES.items():
            lengths = np.minimum(words * time_ // 50, time_)
            values = rng.normal(size=(count, time_, dim)).astype(np.float32)
            values[np.arange(time_) >= lengths[:, None]] = 0
            split[key] = values
            filled, whole = filled + int(lengths.sum()) * dim, whole + values.size
            if key != "text":
                split[f"{key}_lengths"] = lengths.tolist()
        content[name] = split
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=4)
    return 1 - filled / whole


def measure(way: str, path: Path) -> None:
    """In a process of its own: seconds and the memory that the reading took, as JSON."""
    if way == "affect":
        from affect.data.sources import fet, layouts, load, mag, mmsa, mult, pickles

        del fet, layouts, mag, mmsa, mult, pickles  # imported, so that the reading alone is timed
    elif way == "native":
        from affect.data.native import load
    else:

        def load(path):
            with path.open("rb") as file:
                return pickle.load(file)  # noqa: S301  # what users do today, on a file made here

    before = peak()
    begin = time.perf_counter()
    corpus = load(path)
    seconds = time.perf_counter() - begin
    memory = peak() - before
    print(
        json.dumps({"seconds": seconds, "memory": memory, "splits": len(getattr(corpus, "splits", corpus))})
    )


def run(way: str, path: Path) -> dict[str, float]:
    """One measurement."""
    command = [sys.executable, "-m", "experiments.speed.pickles", "--measure", way, str(path)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure[0], Path(args.measure[1]))
        return
    from affect.data import native
    from affect.data.sources import load

    with tempfile.TemporaryDirectory() as folder:
        path, kept = Path(folder) / "unaligned_50.pkl", Path(folder) / "unaligned_50.safetensors"
        padding = write(path)
        native.save(load(path), kept)
        found: dict[str, list[dict[str, float]]] = {"pickle.load": [], "affect": [], "native": []}
        for _ in range(args.repeats):
            for way, rows in found.items():
                rows.append(run(way, kept if way == "native" else path))
        size = path.stat().st_size
        print("| | seconds | against pickle.load | memory / file |\n|---|---|---|---|")
        bare = statistics.median(row["seconds"] for row in found["pickle.load"])
        for way, rows in found.items():
            seconds = statistics.median(row["seconds"] for row in rows)
            memory = statistics.median(row["memory"] for row in rows)
            print(f"| {way} | {seconds:.3f} | {seconds / bare:.2f} | {memory / size:.2f} |")
        print(
            f"\n{size / 1e6:.0f} MB, of which {padding:.1%} of the features are padding; the native file has "
            f"{kept.stat().st_size / 1e6:.0f} MB, {1 - kept.stat().st_size / size:.1%} less."
        )


if __name__ == "__main__":
    main()
