"""Word alignment against the CMU Multimodal SDK, in one run: time, memory, and whether the two agree.

    python -m experiments.speed.alignment [--videos 93] [--repeats 3]

Needs `pip install cmu-multimodal-sdk`. Writes computational sequences in CMU-MOSI's proportions (93 videos,
about 31,000 words, 74 acoustic features at 100 Hz, 47 visual ones at 30 Hz; seeded noise) into a temporary
folder: 0.6 GB, and 3 GB for a corpus five times larger. Each measurement is a process of its own; its imports
are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from experiments.speed.memory import peak

FILES = {"words": "words.csd", "acoustic": "covarep.csd", "visual": "facet.csd"}
RATES = {"acoustic": (100, 74), "visual": (30, 47)}
METADATA = (
    "root name",
    "computational sequence description",
    "computational sequence version",
    "alignment compatible",
    "dataset name",
    "dataset version",
    "creator",
    "contact",
    "featureset bib citation",
    "dataset bib citation",
)
TOLERANCE = 1e-3
"""Seconds: that of the SDK's copy on PyPI."""


def write(folder: Path, videos: int, seed: int = 0) -> None:
    """Words back to back with pauses, frames without gaps."""
    import h5py

    rng = np.random.default_rng(seed)
    files = {name: h5py.File(folder / file, "w") for name, file in FILES.items()}
    for name, file in files.items():
        for key in METADATA:
            stored = file.create_dataset(f"{name}/metadata/{key}", (1,), dtype=h5py.special_dtype(vlen=str))
            stored[0] = json.dumps(name)
    for video, count in enumerate(rng.multinomial(31_000 * videos // 93, np.full(videos, 1 / videos))):
        length, pause = rng.exponential(0.35, count) + 0.08, rng.exponential(0.1, count)
        start = np.cumsum(length + pause) - length
        words = np.stack([start, start + length], 1)
        put(files["words"], f"words/data/v{video:04d}", words, np.full((count, 1), b"word", dtype="S12"))
        for name, (rate, dim) in RATES.items():
            at = np.arange(int(words[-1, 1] * rate)) / rate
            values = rng.normal(size=(len(at), dim)).astype(np.float32)
            put(files[name], f"{name}/data/v{video:04d}", np.stack([at, at + 1 / rate], 1), values)
    for file in files.values():
        file.close()


def put(file, key: str, intervals: np.ndarray, features: np.ndarray) -> None:
    """One video's entries."""
    group = file.create_group(key)
    group["intervals"], group["features"] = intervals, features


def read_only(folder: Path) -> None:
    """What h5py takes to read every array once."""
    import h5py

    for name, file in FILES.items():
        with h5py.File(folder / file) as opened:
            for entry in opened[f"{name}/data"].values():
                _ = entry["intervals"][:], entry["features"][:]


def with_affect(folder: Path) -> None:
    """To a corpus on disk."""
    from affect.data.words import align

    others = [(name, folder / FILES[name]) for name in RATES]
    align(folder / FILES["words"], others, folder / "affect.safetensors", tolerance=TOLERANCE)


def with_mmsdk(folder: Path) -> None:
    """To arrays in memory, as its users do; kept in a file afterwards for the comparison."""
    from mmsdk import mmdatasdk

    dataset = mmdatasdk.mmdataset({name: str(folder / file) for name, file in FILES.items()})
    dataset.align("words", collapse_functions=[mean])
    kept.update({name: dataset.computational_sequences[name].data for name in RATES})


kept: dict[str, dict] = {}


def mean(intervals: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The SDK applies it to the reference too, and words have no mean."""
    return np.average(features, axis=0) if features.dtype.kind == "f" else features


WAYS = {"read": read_only, "affect": with_affect, "mmsdk": with_mmsdk}
IMPORTS = {
    "read": ("h5py",),
    "affect": ("h5py", "scipy.sparse", "safetensors", "affect.data.words.streaming"),
    "mmsdk": ("h5py", "mmsdk.mmdatasdk"),
}


def measure(way: str, folder: Path) -> None:
    """In a process of its own: seconds and peak memory as JSON, the last line of what it prints."""
    for module in IMPORTS[way]:
        __import__(module)
    begin = time.perf_counter()
    WAYS[way](folder)
    seconds = time.perf_counter() - begin
    held = peak() / 1e6
    if kept:
        flat = {f"{n} {key}": entry["features"] for n, data in kept.items() for key, entry in data.items()}
        np.savez(folder / "mmsdk.npz", **{key.replace("/", "_"): value for key, value in flat.items()})
    print("\n" + json.dumps({"seconds": seconds, "MB": held}))


def forget(folder: Path) -> None:
    """Ask the system to drop the files from its cache, as before a first reading."""
    for file in FILES.values():
        handle = os.open(folder / file, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def run(way: str, folder: Path, cold: bool = False) -> dict[str, float]:
    """One measurement."""
    if cold:
        forget(folder)
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "experiments.speed.alignment",
        "--measure",
        way,
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def median(way: str, folder: Path, repeats: int, cold: bool = False) -> dict[str, float]:
    """Of several measurements."""
    found = [run(way, folder, cold) for _ in range(repeats)]
    return {key: float(np.median([one[key] for one in found])) for key in found[0]}


def agreement(folder: Path) -> tuple[int, float]:
    """Keys that only one of the two has, and the greatest difference."""
    from affect.data import native

    split = native.load(folder / "affect.safetensors")["all"]
    ours = {}
    for video, words in zip(split.ids, range(len(split)), strict=True):
        for name in RATES:
            rows = split.modalities[name]
            steps = slice(rows.starts[words], rows.starts[words] + rows.lengths[words])
            for i, (value, seen) in enumerate(zip(rows.values[steps], rows.observed[steps], strict=True)):
                if seen:
                    ours[f"{name} {video}[{i}]"] = value
    with np.load(folder / "mmsdk.npz") as theirs:
        apart = len(ours.keys() ^ set(theirs.files))
        return apart, max(
            float(np.abs(ours[key] - theirs[key]).max()) for key in ours.keys() & set(theirs.files)
        )


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=93)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure[0], Path(args.measure[1]))
        return
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as large:
        write(Path(small), args.videos)
        size = sum((Path(small) / file).stat().st_size for file in FILES.values()) / 1e6
        print(f"{args.videos} videos, {size:.0f} MB, {os.cpu_count()} cores, each run on one\n")
        mmsdk = run("mmsdk", Path(small))
        print("| | seconds | against reading | peak MB |\n|---|---|---|---|")
        rows = {}
        for cold in (False, True):
            rows[cold] = {way: median(way, Path(small), args.repeats, cold) for way in ("read", "affect")}
            for way, row in rows[cold].items():
                ratio = row["seconds"] / rows[cold]["read"]["seconds"]
                state = "cold" if cold else "warm"
                print(f"| {way}, {state} cache | {row['seconds']:.2f} | {ratio:.1f} | {row['MB']:.0f} |")
        ours = rows[False]["affect"]
        print(f"| mmsdk, warm cache | {mmsdk['seconds']:.1f} | | {mmsdk['MB']:.0f} |")
        apart, difference = agreement(Path(small))
        write(Path(large), 5 * args.videos, seed=1)
        bigger = run("affect", Path(large))
        print(
            f"\nmmsdk takes {mmsdk['seconds'] / ours['seconds']:.0f} times as long as affect and "
            f"{mmsdk['MB'] / ours['MB']:.1f} times its memory; a corpus 5 times larger takes affect "
            f"{bigger['seconds']:.2f} s and {bigger['MB']:.0f} MB.\n"
            f"Keys that only one has: {apart}; greatest difference {difference:.1e}."
        )


if __name__ == "__main__":
    main()
