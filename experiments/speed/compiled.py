"""Trainings that torch compiles, beside the same ones that it does not, and the epoch at which they are even.

python -m experiments.speed.compiled [--epochs 8] [--repeats 2] [--threads 2] [--models tensor low-rank ...]

A generated corpus of 1,284 training samples with 768, 74 and 47 features, one, three and two steps to a word,
as in word-aligned CMU-MOSI; batches of 32. Both ways take turns, every time with nothing compiled before. An
epoch is one of training and of validation, the median of all after the first three: the first ones are
compiled in. What they take more than three such epochs, and more than the other way's first ones do, is won
back at the epoch of the last column, or never.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from functools import partial

os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"

import numpy as np
import torch

import affect
from affect.data import synthetic
from affect.encoders import PooledEncoder, StepEncoder
from affect.fusion import CrossModalTransformer, LowRankFusion, TensorFusion
from affect.kernels import keep_freed_memory
from affect.seeding import seeded
from affect.training import Training

DIMS = {"text": 768, "acoustic": 74, "visual": 47}
MODELS = {
    "tensor": {"encoder": PooledEncoder, "fusion": TensorFusion, "width": 16},
    "low-rank": {"encoder": PooledEncoder, "fusion": LowRankFusion},
    "cross-modal": {"encoder": StepEncoder, "fusion": partial(CrossModalTransformer, width=32, layers=2)},
}
FIRST = 3
"""Epochs that may compile something."""


def generated() -> affect.Corpus:
    """The corpus that is trained on."""
    return synthetic.additive(samples={"train": 1284, "valid": 229, "test": 32}, dims=DIMS)


def built(corpus: affect.Corpus, parts: dict[str, object]) -> affect.FusionModel:
    """A model, always with the same weights."""
    with seeded(0):
        return affect.FusionModel.for_corpus(corpus, **parts)


def spent(name: str, corpus: affect.Corpus, training: Training) -> tuple[float, float]:
    """Seconds of the first epochs beyond what they take later on, and of an epoch then."""
    torch.compiler.reset()
    run = affect.fit(built(corpus, MODELS[name]), corpus, 0, training=training)
    ends = np.array(run.history["seconds"])
    epoch = statistics.median(np.diff(ends)[FIRST - 1 :])
    return ends[FIRST - 1] - FIRST * epoch, epoch


def main() -> None:
    """Each model in both ways, in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    args = parser.parse_args()
    if args.epochs <= FIRST:
        parser.error(f"--epochs: expected more than {FIRST}, got {args.epochs}")
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    corpus = generated()
    print("| model | epoch, s | compiled, s | ratio | compiling, s | even at epoch |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in args.models:
        found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        for _ in range(args.repeats):
            for compiled, ways in found.items():
                training = Training(epochs=args.epochs, patience=args.epochs, compile=compiled)
                ways.append(spent(name, corpus, training))
        (begin, plain), (later, epoch) = (
            [statistics.median(figures) for figures in zip(*ways, strict=True)] for ways in found.values()
        )
        even = math.ceil((later - begin) / (plain - epoch)) if epoch < plain else "never"
        print(
            f"| {name} | {plain:.2f} | {epoch:.2f} | {plain / epoch:.2f} | {later - begin:.1f} | {even} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
