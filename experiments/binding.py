"""Recall@1 between modalities that `Contrast` has bound, beside the best possible.

python -m experiments.binding [--seeds 5]
python -m experiments.binding --coverage

On `synthetic:shared:aligned`: a stage without labels, any two modalities bound, or each to text alone
(acoustic and visual have then never been compared). The next stage leaves the encoders as they are. Widths
and rates were chosen on the validation split with one seed; searches are among the 400 test samples.

With `--coverage`: how often the interval of recall@1 of one seed holds the recall that is expected of other
samples, of which there are as many. Samples are drawn from normal factors, each modality with its own noise.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np

import affect
from affect import retrieval
from affect.data.factors import SharedFactors
from affect.encoders import PooledEncoder
from affect.objectives.terms import Contrast
from affect.retrieval.ranks import normalised
from affect.training import Run, Stage, Training, seeded

CORPUS = "synthetic:shared:aligned"
MODELS = {"any two bound": None, "bound to text alone": "text"}


def trained(corpus: affect.Corpus, seed: int, anchor: str | None) -> Run:
    """A run whose modalities are bound."""
    with seeded(seed):
        encoder = partial(PooledEncoder, layers=0)
        model = affect.FusionModel.for_corpus(corpus, encoder=encoder, width=16)
    options = Training(epochs=40, batch_size=64, learning_rate=3e-3, patience=40)
    bind = {"bind": partial(Contrast, weight=1.0, anchor=anchor)}
    stages = [Stage("pairs", options, bind, supervised=0), Stage("labels", Training(1), frozen=["encoders"])]
    return affect.fit(model, corpus, seed, stages=stages)


def searched(corpus: affect.Corpus, seed: int, model: str) -> retrieval.Searched:
    """Where the test samples lie."""
    run = trained(corpus, seed, MODELS[model])
    found = retrieval.embed(run.model, corpus["test"], run.terms["bind"], name="bind")
    return retrieval.Searched(corpus.name, "sentiment", model, "test", found, seed)


def coverage(samples: int, noise: float, repeats: int = 400) -> tuple[float, float]:
    """The expected recall@1, and how often an interval of 95% holds it."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(repeats):
        factors = rng.normal(size=(samples, 6))
        vectors = {m: normalised(factors + noise * rng.normal(size=factors.shape)) for m in ("a", "b")}
        here = dict.fromkeys(vectors, np.ones(samples, bool))
        found = retrieval.Embeddings(tuple(map(str, range(samples))), vectors, here)
        summary = retrieval.summarise([retrieval.Searched("c", "t", "m", "test", found)], resamples=400)
        rows.append(summary[summary["metric"] == "recall@1"].iloc[0][["mean", "low", "high"]])
    mean, low, high = np.array(rows, float).T
    return float(mean.mean()), float(((low <= mean.mean()) & (mean.mean() <= high)).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--coverage", action="store_true")
    asked = parser.parse_args()
    if asked.coverage:
        print("| samples | expected recall@1 | the interval of 95% holds it |\n|---|---|---|")
        for samples, noise in ((100, 0.35), (100, 0.8), (400, 0.5)):
            expected, held = coverage(samples, noise)
            print(f"| {samples} | {expected:.3f} | {held:.1%} |")
        return
    corpus, best = affect.load(CORPUS), SharedFactors.named(CORPUS)
    summary = retrieval.summarise(
        searched(corpus, seed, model) for model in MODELS for seed in range(asked.seeds)
    )
    print(
        "| searched with | for | best possible | any two bound | bound to text alone |\n|---|---|---|---|---|"
    )
    rows = summary[summary["metric"] == "recall@1"].groupby(["query", "key"], sort=False)
    for (query, key), own in rows:
        possible = best.recall(query, key) if query in corpus.dims else None
        cells = ["" if possible is None else f"{possible:.3f}"]
        for row in own.to_dict("records"):
            cells.append(f"{row['mean']:.3f} ± {row['std']:.3f} [{row['low']:.3f}, {row['high']:.3f}]")
            if possible is not None:
                cells[-1] += f" ({row['mean'] / possible:.0%})"
            elif row["gain_low"] > 0:
                cells[-1] += f" (+{row['gain']:.3f} to {row['reference']})"
        print(f"| {query} | {key} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
