"""Seeds trained at once, beside the same seeds one after the other.

python -m experiments.speed.together [--device cuda] [--seeds 5] [--epochs 5] [--repeats 3] [--threads 2]

A generated corpus of 1,284 training samples with 768, 74 and 47 features, one, three and two steps to a word,
as in word-aligned CMU-MOSI; batches of 32. One seed by itself, all of them one after the other, and all of
them as one stack, in turn; medians. Nothing stops early, and building the models does not count.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

import affect
from affect.data import synthetic
from affect.encoders import PooledEncoder, StepEncoder
from affect.fusion import CrossModalTransformer, LowRankFusion, TensorFusion
from affect.model import FusionModel
from affect.together import fit_together
from affect.training import Training, seeded

DIMS = {"text": 768, "acoustic": 74, "visual": 47}
MODELS = {
    "tensor": {"encoder": PooledEncoder, "fusion": TensorFusion, "width": 16},
    "low-rank": {"encoder": PooledEncoder, "fusion": LowRankFusion},
    "cross-modal": {"encoder": StepEncoder, "fusion": partial(CrossModalTransformer, width=32, layers=2)},
}


def main() -> None:
    """Each model in the three ways, in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--samples", type=int, default=1284)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    corpus = generated(args.samples)
    training = Training(epochs=args.epochs, patience=args.epochs, accelerator=args.device)
    own = f"{platform.processor() or platform.machine()}, {args.threads} threads"
    device = torch.cuda.get_device_name() if args.device == "cuda" else own
    print(f"{device}, torch {torch.__version__}, {args.samples} samples, {args.epochs} epochs\n", flush=True)
    many = f"{args.seeds} seeds"
    print(f"| model | one seed, s | {many} in turn, s | {many} together, s | to one seed | to in turn |")
    print("|---|---|---|---|---|---|")
    for name in args.models:
        ways: dict[str, Callable[[list[FusionModel]], object]] = {
            "one": lambda models: in_turn(models[:1], corpus, training),
            "in turn": lambda models: in_turn(models, corpus, training),
            "together": lambda models: fit_together(models, corpus, range(len(models)), training=training),
        }
        took: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(args.repeats):
            for way, run in ways.items():
                models = [built(seed, corpus, MODELS[name]) for seed in range(args.seeds)]
                begin = time.perf_counter()
                run(models)
                took[way].append(time.perf_counter() - begin)
        one, turn, together = (statistics.median(times) for times in took.values())
        figures = (one, turn, together, together / one, together / turn)
        print(f"| {name} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |", flush=True)


def generated(samples: int = 1284) -> affect.Corpus:
    """The corpus that is trained on."""
    return synthetic.additive(samples={"train": samples, "valid": 229, "test": 32}, dims=DIMS)


def built(seed: int, corpus: affect.Corpus, parts: dict[str, object]) -> FusionModel:
    """A model with the weights that its seed begins with."""
    with seeded(seed):
        return FusionModel.for_corpus(corpus, **parts)


def in_turn(models: list[FusionModel], corpus: affect.Corpus, training: Training) -> None:
    """Each by itself."""
    for seed, model in enumerate(models):
        affect.fit(model, corpus, seed, training=training)


if __name__ == "__main__":
    main()
