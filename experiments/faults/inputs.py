"""What the commands are given: a corpus of 52 samples, two configurations, three computational sequences."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from experiments.faults.commands import run

MODEL: dict[str, Any] = {
    "encoder": {"class_path": "PooledEncoder", "init_args": {"layers": 0}},
    "fusion": "TensorFusion",
    "width": 4,
}
BASE = {"corpus": "tiny.safetensors", "training": {"epochs": 2, "learning_rate": 0.01}}
CONFIGURATIONS = {
    "mini.yaml": {
        **BASE,
        "seeds": [0, 1],
        "models": {"tensor": MODEL, "joined": {**MODEL, "fusion": "ConcatenationFusion"}},
    },
    "small.yaml": {
        **BASE,
        "seeds": [0],
        "model": MODEL,
        "search": {
            "seeds": [0],
            "fresh": [1],
            "pruner": "NopPruner",
            # what a killed trial had comes again, so the best one is the same
            "sampler": "BruteForceSampler",
            "space": {"*": "fixed", "training.learning_rate": [0.001, 0.01, 0.1]},
        },
    },
}
"""The experiment and the search."""
STEPS = 6
"""Words in each of the videos."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards: in memory where there is such a place, since thousands are copied."""
    memory = Path("/dev/shm")
    within = memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30 else None
    folder = Path(tempfile.mkdtemp(prefix="affect-faults-", dir=within))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write(folder: Path) -> Path:
    """The corpus, the configurations and the sequences: a folder to copy from."""
    from affect.data import synthetic
    from affect.data.native import save

    folder.mkdir(parents=True, exist_ok=True)
    dims = {"text": 4, "acoustic": 3, "visual": 2}
    save(
        synthetic.additive(samples={"train": 24, "valid": 12, "test": 16}, dims=dims),
        folder / "tiny.safetensors",
    )
    for name, content in CONFIGURATIONS.items():
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False))
    _sequences(folder)
    return folder


def make(template: Path, made: Collection[str]) -> None:
    """What other verbs begin with, in the template too: `bench`, `tune`, `runs`, `sweep`.

    Raises:
        RuntimeError: a command that nothing disturbs fails.
    """
    verbs = {
        "bench": ["bench", "mini.yaml", "--out", "bench"],
        "tune": ["tune", "small.yaml", "--out", "tune", "--trials", "3"],
        "runs": ["train", "small.yaml", "--out", "runs"],
        "sweep": ["sweep", "bench", "--out", "sweep", "--draws", "1"],
    }
    for name, arguments in verbs.items():
        if name in made:
            ended = run(arguments, template)
            if ended.status:
                raise RuntimeError(f"{ended.command}: {ended.err}")


def place(scratch: Path, *named: object) -> Path:
    """A folder of a case, without blanks in its name."""
    return scratch / "-".join(str(one).replace(" ", "-") for one in named)


def case(template: Path, folder: Path, taken: Collection[str] | None = None) -> Path:
    """A copy of the template, or of what is taken of it."""
    folder.mkdir(parents=True)
    for path in template.iterdir():
        if taken is None or path.name in taken or path.is_file():
            if path.is_dir():
                shutil.copytree(path, folder / path.name)
            else:
                shutil.copy2(path, folder / path.name)
    return folder


def _sequences(folder: Path) -> None:
    """Words, a modality and labels, as the SDK writes them."""
    import h5py
    import numpy as np

    rng = np.random.default_rng(0)
    videos = [f"video{number}" for number in range(12)]
    times = np.arange(STEPS + 1.0)
    steps = np.stack([times[:-1], times[1:]], axis=1)
    files = {
        "words": {v: (steps, np.array([[b"good"]] * STEPS)) for v in videos},
        "COVAREP": {v: (steps, rng.normal(size=(STEPS, 3))) for v in videos},
        "labels": {v: (np.array([[0.0, STEPS]]), rng.uniform(-3, 3, (1, 1))) for v in videos},
    }
    names = {"labels": "Opinion Segment Labels"}
    for file, entries in files.items():
        root = names.get(file, file)
        with h5py.File(folder / f"{file}.csd", "w") as stored:
            for video, (intervals, features) in entries.items():
                group = stored.create_group(f"{root}/data/{video}")
                group["intervals"], group["features"] = intervals, features
            for key in METADATA:
                text = stored.create_dataset(f"{root}/metadata/{key}", (1,), dtype=h5py.string_dtype())
                text[0] = json.dumps(root)


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
"""What the SDK asks of every file."""
