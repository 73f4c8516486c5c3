"""What terms do where the truth is known: MISA's three, and the labels that Self-MM generates.

python -m experiments.planted parts [--jobs 1] [--out results]    MISA's terms on generated corpora
python -m experiments.planted labels [--seeds 5]                  generated labels beside the true factors
python -m experiments.planted balance [--seeds 5]                 each modality in a joint training, and alone

`parts` is `affect bench experiments/parts.yaml` on each corpus, and what the histories say: each term's share
of the gradient's norm, a mean over the epochs of its stage, and its value in the epoch that was kept, as a
share of that in its first one. Weights and the 20 epochs were chosen on validation, with seeds 0 and 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

import affect
from affect.benchmark import bench
from affect.data.factors import STRENGTHS
from affect.encoders import PooledEncoder
from affect.objectives.terms import (
    GeneratedLabels,
    GradientBlending,
    GradientModulation,
    ParetoGradients,
    Prototypes,
    Term,
    UnimodalHeads,
)
from affect.runs import FinishedRun, find
from affect.training import Training, seeded

HERE = Path(__file__).parent
CORPORA = ("synthetic:shared:aligned", "synthetic:additive", "synthetic:interaction")
MISA = ("similarity", "difference", "reconstruction")


def parts(out: Path, jobs: int) -> Iterator[str]:
    """Lines of a table in Markdown."""
    yield (
        "| corpus | model | r | share of the gradient: "
        + " | ".join(MISA)
        + " | left of: "
        + " | ".join(MISA)
        + " |"
    )
    yield "|---|---|---:" + "|---:" * 6 + "|"
    for corpus in CORPORA:
        folder = out / corpus.replace(":", "_")
        bench(HERE / "parts.yaml", folder, jobs, quiet=True, corpus=corpus)
        runs = find([folder])
        for model in dict.fromkeys(run.name for run in runs):
            own = [run for run in runs if run.name == model]
            scores = [_score(run, "pearson") for run in own]
            cells = [corpus, model, f"{np.mean(scores):.3f} ± {np.std(scores, ddof=1):.3f}"]
            kept = [_of_terms(run) for run in own]
            for kind in ("share", "left"):
                for name in MISA:
                    found = [one[kind, name] for one in kept if one]
                    cells.append(f"{np.mean(found):.0%}" if found else "")
            yield f"| {' | '.join(cells)} |"


def _score(run: FinishedRun, metric: str) -> float:
    table = run.table("results")
    return float(table[(table["split"] == "test") & (table["metric"] == metric)]["value"].iloc[0])


def _of_terms(run: FinishedRun) -> dict[tuple[str, str], float]:
    """By kind and term; of a run without terms nothing."""
    history: pd.DataFrame = run.table("history").set_index("epoch")
    if f"term: {MISA[0]}" not in history:
        return {}
    kept = history[history[f"term: {MISA[0]}"].notna()]
    best = kept.loc[int(run.facts["best_epoch"])]
    return {
        **{("share", name): kept[f"gradient: {name}"].mean() for name in MISA},
        **{("left", name): best[f"term: {name}"] / kept[f"term: {name}"].iloc[0] for name in MISA},
    }


def labels(seeds: int) -> Iterator[str]:
    """Lines of a table in Markdown."""
    corpus = affect.load("synthetic:shared:aligned")
    train = corpus["train"]
    truth = {name: train.labels(name)[:, 0] for name in corpus.targets if name != "code"}
    yield (
        "| epochs | modality | what it holds of the label: generated label | label "
        "| its own factor: generated label | label |"
    )
    yield "|---:|---|---:|---:|---:|---:|"
    for epochs in (20, 60):
        found = [_generated(corpus, seed, epochs) for seed in range(seeds)]
        for m in corpus.dims:
            own = f"own_{m}"
            holds = STRENGTHS["shared"] * truth["shared"] + STRENGTHS[own] * truth[own]
            cells = []
            for what in (holds, truth[own]):
                values = [np.corrcoef(one[m], what)[0, 1] for one in found]
                cells += [
                    f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})",
                    f"{np.corrcoef(truth['sentiment'], what)[0, 1]:.2f}",
                ]
            yield f"| {epochs} | {m} | {' | '.join(cells)} |"


def _generated(corpus: affect.Corpus, seed: int, epochs: int) -> dict[str, Tensor]:
    with seeded(seed):
        encoder = partial(PooledEncoder, layers=0)
        model = affect.FusionModel.for_corpus(corpus, "sentiment", encoder=encoder, width=16)
    training = Training(epochs=epochs, patience=epochs)
    run = affect.fit(model, corpus, seed, training=training, terms={"own": GeneratedLabels})
    return run.terms["own"].generated


WAYS: dict[str, type[Term] | None] = {
    "joint, no term": None,
    "unimodal heads": UnimodalHeads,
    "gradient modulation": GradientModulation,
    "prototypes": Prototypes,
    "Pareto gradients": ParetoGradients,
    "gradient blending": GradientBlending,
}


def balance(seeds: int) -> Iterator[str]:
    """Lines of a table in Markdown."""
    yield f"| corpus | modality | alone | {' | '.join(WAYS)} |"
    yield "|---|---|---:" + "|---:" * len(WAYS) + "|"
    for name in CORPORA[:2]:
        corpus = affect.load(name)
        known = [*corpus.dims]
        runs = range(seeds)
        alone = {m: [_probed(corpus, seed, [m], None)[m] for seed in runs] for m in known}
        joint = {way: [_probed(corpus, seed, known, term) for seed in runs] for way, term in WAYS.items()}
        for m in known:
            cells = [alone[m], *([found[m] for found in every] for every in joint.values())]
            said = (f"{np.mean(own):.3f} ± {np.std(own, ddof=1):.3f}" for own in cells)
            yield f"| {name} | {m} | {' | '.join(said)} |"


def _probed(
    corpus: affect.Corpus, seed: int, modalities: list[str], term: type[Term] | None
) -> dict[str, float]:
    """The test split's r of a ridge regression on what the encoder of each modality makes of it."""
    with seeded(seed):
        model = affect.FusionModel.for_corpus(corpus, "sentiment", modalities=modalities, width=4)
    terms = None if term is None else {"each": term}
    run = affect.fit(model, corpus, seed, training=Training(epochs=40, learning_rate=3e-3), terms=terms)
    parts = {}
    for split in ("train", "test"):
        (batch,) = affect.batches(corpus[split], batch_size=len(corpus[split]))
        with torch.no_grad():
            encoded = run.model.eval().encode(batch.inputs)
        parts[split] = encoded, corpus[split].labels("sentiment")[:, 0]
    found = {}
    for m in modalities:
        probe = Ridge(1.0).fit(parts["train"][0][m].mean().numpy(), parts["train"][1])
        said = probe.predict(parts["test"][0][m].mean().numpy())
        found[m] = float(np.corrcoef(said, parts["test"][1])[0, 1])
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("parts", "labels", "balance"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/planted"))
    args = parser.parse_args()
    made = {"labels": labels, "balance": balance}
    for line in parts(args.out, args.jobs) if args.what == "parts" else made[args.what](args.seeds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
