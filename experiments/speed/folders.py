"""Reading a folder of feature files against a loop of `pandas.read_csv` over the same files.

    python -m experiments.speed.folders [--repeats 7]

241 CSV files of 24 MB in all, 200 steps of 60 features and a timestamp each, seeded noise: as a table that
nobody knows, and with the columns of OpenFace. Pairs in turn in one process, after one of each; the files are
in the system's cache.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from affect.data.sources import folders

FILES, STEPS, FEATURES = 241, 200, 60


def write(folder: Path, seed: int = 0) -> None:
    """A table of labels and the files of one modality."""
    rng = np.random.default_rng(seed)
    ids = [f"v{i:03d}" for i in range(FILES)]
    (folder / "visual").mkdir(parents=True)
    labels = pd.DataFrame({"id": ids, "label": rng.uniform(-3, 3, FILES)})
    labels.to_csv(folder / "labels.csv", index=False)
    is_tool = folder.name == "OpenFace"
    names = [f"AU{i:02d}_r" if is_tool else f"f{i}" for i in range(FEATURES)]
    for one in ids:
        frame = pd.DataFrame(rng.normal(size=(STEPS, FEATURES)).round(5), columns=names)
        frame.insert(0, "timestamp", np.arange(STEPS) / 25)
        if is_tool:
            frame.insert(1, "confidence", 0.98)
            frame.insert(2, "success", 1)
        frame.to_csv(folder / "visual" / f"{one}.csv", index=False)


def seconds(run: Callable[[], object]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    print("| files | MB | pandas.read_csv, s | affect, s | ratio of pairs: min | median | max |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as root:
        for kind in ("plain", "OpenFace"):
            folder = Path(root) / kind
            write(folder)
            files = sorted((folder / "visual").iterdir())
            size = sum(file.stat().st_size for file in files)

            def bare(files: list[Path] = files) -> None:
                for file in files:
                    pd.read_csv(file)

            def ours(folder: Path = folder) -> None:
                folders.read(folder)

            bare(), ours()
            pairs = [(seconds(bare), seconds(ours)) for _ in range(args.repeats)]
            ratios = sorted(own / other for other, own in pairs)
            middle = [statistics.median(column) for column in zip(*pairs, strict=True)]
            print(
                f"| {kind} | {size / 1e6:.1f} | {middle[0]:.2f} | {middle[1]:.2f} | {ratios[0]:.2f} | "
                f"{statistics.median(ratios):.2f} | {ratios[-1]:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
