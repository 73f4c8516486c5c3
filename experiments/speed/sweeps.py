"""Sweeps, beside plain evaluations of the same model.

python -m experiments.speed.sweeps [--repeats 5] [--threads 2]

A generated split of 686 samples with 768, 74 and 47 features, one, three and two steps to a word. The
subset sweep: every non-empty subset of three modalities, LSTM encoders and tensor fusion. The rate sweep: 11
rates, 5 draws, each modality by itself, pooling encoders and tensor fusion. Medians, in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

import affect
from affect.corruption import StepDropout
from affect.data import synthetic
from affect.encoders import LSTMEncoder, PooledEncoder
from affect.fusion import TensorFusion
from affect.model import FusionModel
from affect.robustness import Condition, levels, modality_subsets, sweep

DIMS = {"text": 768, "acoustic": 74, "visual": 47}


def rates(model: FusionModel) -> list[Condition]:
    """11 rates, 5 draws, each modality by itself."""
    grid = levels("steps", StepDropout(), draws=5, each=True)
    return [condition for condition in grid(model) if condition.name != "steps"]


def main() -> None:
    """Both sweeps, in turn with plain evaluations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    corpus = synthetic.additive(samples={"train": 100, "valid": 20, "test": 686}, dims=DIMS)
    print("| sweep | conditions | evaluation, s | sweep, s | ratio | to as many evaluations |")
    print("|---|---|---|---|---|---|")
    for name, encoder, grid in (
        ("subsets, LSTM encoders", LSTMEncoder, modality_subsets()),
        ("rates, pooling encoders", PooledEncoder, rates),
    ):
        model = FusionModel.for_corpus(corpus, encoder=encoder, fusion=TensorFusion)
        conditions = 1 + sum(condition.draws for condition in grid(model))
        plain, swept = [], []
        for _ in range(args.repeats):
            plain.append(seconds(lambda model=model: affect.evaluate(model, corpus, "test")))
            swept.append(seconds(lambda model=model, grid=grid: sweep(model, corpus["test"], grid).results))
        one, whole = statistics.median(plain), statistics.median(swept)
        ratio = whole / one
        print(
            f"| {name} | {conditions} | {one:.2f} | {whole:.2f} | {ratio:.2f} | {ratio / conditions:.2f} |",
            flush=True,
        )


def seconds(run: Callable[[], object]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
