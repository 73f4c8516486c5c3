"""Recall@1 between modalities that `Contrast` has bound, beside the best possible.

python -m experiments.binding [--seeds 5]

On `synthetic:shared:aligned`: a stage without labels, any two modalities bound, or each to text alone
(acoustic and visual have then never been compared). The next stage leaves the encoders as they are. Widths
and rates were chosen on the validation split with one seed; searches are among the 400 test samples.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from functools import partial

import torch

import affect
from affect.data.corpus import Split
from affect.data.factors import SharedFactors
from affect.encoders import PooledEncoder
from affect.objectives.terms import Contrast
from affect.training import Run, Stage, Training, seeded

CORPUS = "synthetic:shared:aligned"


def trained(corpus: affect.Corpus, seed: int, anchor: str | None) -> Run:
    """A run whose modalities are bound."""
    with seeded(seed):
        encoder = partial(PooledEncoder, layers=0)
        model = affect.FusionModel.for_corpus(corpus, encoder=encoder, width=16)
    options = Training(epochs=40, batch_size=64, learning_rate=3e-3, patience=40)
    bind = {"bind": partial(Contrast, weight=1.0, anchor=anchor)}
    stages = [Stage("pairs", options, bind, supervised=0), Stage("labels", Training(1), frozen=["encoders"])]
    return affect.fit(model, corpus, seed, stages=stages)


def recalls(run: Run, split: Split) -> dict[tuple[str, str], float]:
    """How often the nearest key is of the same sample, for each modality that another is searched with."""
    (batch,) = affect.batches(split, batch_size=len(split))
    with torch.no_grad():
        means = {m: x.mean() for m, x in run.model.eval().encode(batch.inputs).items()}
        lies = run.terms["bind"].embedded(means)
    own = torch.arange(len(split))
    return {
        (a, b): float(((lies[a] @ lies[b].T).argmax(1) == own).float().mean())
        for a, b in itertools.permutations(lies, 2)
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    corpus, best = affect.load(CORPUS), SharedFactors.named(CORPUS)
    found = {
        anchor: [recalls(trained(corpus, seed, anchor), corpus["test"]) for seed in seeds]
        for anchor in (None, "text")
    }
    print(
        "| searched with | for | best possible | any two bound | bound to text alone |\n|---|---|---|---|---|"
    )
    for a, b in itertools.permutations(sorted(corpus.dims), 2):
        possible = best.recall(a, b)
        cells = [f"{possible:.3f}"]
        for each in found.values():
            values = [one[a, b] for one in each]
            spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            mean = statistics.mean(values)
            cells.append(f"{mean:.3f}{spread} ({mean / possible:.0%})")
        print(f"| {a} | {b} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
