"""Models and batches that no memory holds: refused before it is gone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from experiments.faults.commands import Command
from experiments.faults.inputs import BASE, MODEL, case, place
from experiments.faults.lanes import Steps
from experiments.faults.verdicts import RIGHT, Case, broken, last, refused

MOST_MB = 1_500
"""What a refusal may take; 450 MB of it are what is imported."""
GUARD = 12 << 30
"""Bytes of address space where nothing else limits it, so that a failure takes no machine with it."""
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "20,000 steps, contextual attention": (
        "long.safetensors",
        {"encoder": "ConvolutionalEncoder", "fusion": "ContextualAttentionFusion"},
    ),
    "20,000 steps, a transformer": ("long.safetensors", {"encoder": "TransformerEncoder"}),
    "20,000 steps, a tensor": (
        "long.safetensors",
        {
            "encoder": "LSTMEncoder",
            "fusion": {"class_path": "PerStep", "init_args": {"fusion": "TensorFusion"}},
        },
    ),
    "a width of 10^9": ("tiny.safetensors", {"width": 10**9}),
    "an output of 10^9": ("tiny.safetensors", {"out_dim": 10**9}),
    "a rank of 10^9": (
        "tiny.safetensors",
        {"fusion": {"class_path": "LowRankFusion", "init_args": {"rank": 10**9}}},
    ),
    "10^6 layers": (
        "tiny.safetensors",
        {"width": 512, "encoder": {"class_path": "PooledEncoder", "init_args": {"layers": 10**6}}},
    ),
    "1,000 modalities through a tensor": ("many.safetensors", {}),
    "1,000 modalities, bilinear": ("many.safetensors", {"fusion": "LowRankBilinearFusion"}),
}
"""What each is, its corpus, and what of the model is another."""
LIMITS: dict[str, tuple[int, list[str]]] = {
    "": (GUARD, []),
    "ulimit -v 4 GB": (4 << 30, []),
    "--memory 2": (GUARD, ["--memory", "2"]),
}


def cases(template: Path, scratch: Path, count: int | None = None) -> Iterator[Steps]:
    """Each size under each limit."""
    _corpora(template)
    every = [(name, limit) for limit in LIMITS for name in MODELS]
    for number, (name, limit) in enumerate(every[:count]):
        yield one(template, place(scratch, "size", number), name, limit)


def one(template: Path, folder: Path, name: str, limit: str) -> Steps:
    """One training that cannot be."""
    corpus, changes = MODELS[name]
    most, flags = LIMITS[limit]
    case(template, folder, ())
    model = {**MODEL, **changes}
    content = {**BASE, "corpus": corpus, "seeds": [0], "model": model}
    (folder / "big.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(content))))
    command = Command(["train", "big.yaml", "--out", "runs", *flags], folder, limits=most)
    command.patience = 60
    outcome = yield command
    shutil.rmtree(folder, ignore_errors=True)
    called = f"{name}{', ' if limit else ''}{limit}"
    if outcome.hung and outcome.peak_mb < most >> 20:  # it fits, and takes its time
        return Case("sizes", called, RIGHT, ended="at work")
    wrong = broken(outcome)
    if wrong is None and outcome.status:
        wrong = refused(outcome)
        if wrong is None and outcome.peak_mb > MOST_MB:
            wrong = "memory", f"{outcome.peak_mb:,.0f} MB; {last(outcome.err)}"
    if wrong:
        return Case("sizes", called, *wrong, outcome.command)
    ended = "refused" if outcome.status else "whole"
    return Case("sizes", called, RIGHT, last(outcome.err), outcome.command, ended)


def _corpora(folder: Path) -> None:
    """Eight samples of 20,000 steps, and eight of a thousand modalities of one feature."""
    import numpy as np

    import affect
    from affect.data.native import save

    rng = np.random.default_rng(0)
    kinds = {"long": (["text", "acoustic", "visual"], 20_000), "many": ([f"m{n}" for n in range(1000)], 1)}
    for name, (modalities, steps) in kinds.items():
        splits = {
            split: {
                **{m: rng.normal(size=(8, steps, 4)).astype("float32") for m in modalities},
                "sentiment": rng.uniform(-3, 3, 8),
            }
            for split in ("train", "valid", "test")
        }
        save(affect.Corpus.from_arrays(splits, ["sentiment"], aligned=True), folder / f"{name}.safetensors")
