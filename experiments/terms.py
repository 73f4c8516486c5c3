"""Every term beside the model without it, on real data; as many settings of each, chosen on validation.

python -m experiments.terms mustard|mmmo|mosi_context|mosi_finetuned [--only TERM ...] [--seeds 5]
    [--jobs 1] [--out results]

The corpus, the encoders and the training are those of the experiment file of that name. A term has three
weights, its default and a third and three times of it; a model without terms has three rates of its encoders'
dropout, the experiment's, and 0.2 less and more. The setting with the best validation score, on average over
seeds, is chosen, in each fold anew; the others' test scores are not looked at. With `mosi_finetuned`, whose
runs take minutes, each has one setting, the default.

Terms that need shared and private parts are terms of `SharedPrivateFusion`, all others of
`ConcatenationFusion`. Each is compared with its own model; p is corrected for all terms of a table.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from affect.benchmark import bench
from affect.files import writing
from affect.objectives import terms
from affect.results import Answers, gather
from affect.results.summary import values_and_tests
from affect.runs import FinishedRun, find
from affect.runs.configuration import merged, read

HERE = Path(__file__).parent
FUSIONS = {"concatenation": "ConcatenationFusion", "shared and private": "SharedPrivateFusion"}
TERMS = {
    "concatenation": (
        "Contrast", "MomentumContrast", "SupervisedContrast", "Matching", "PredictiveCoding",
        "MutualInformation", "ContrastiveUpperBound", "InformationBottleneck", "GeneratedLabels",
        "MaskedSteps", "MaskedClusters", "Consistency", "UnimodalHeads", "GradientModulation",
        "MaximalCorrelation", "CanonicalCorrelation", "GeneralizedCorrelation", "RedundancyReduction",
        "VarianceCovariance", "MaskedWords", "Prototypes", "ParetoGradients", "GradientBlending",
        "DistillationGraph", "Translation", "SharedLatent", "Regeneration", "Completeness",
    ),
    "shared and private": (
        "Similarity", "MaximumMeanDiscrepancy", "CorrelationAlignment", "DomainConfusion", "Difference",
        "Reconstruction", "FactorisedCodes",
    ),
}  # fmt: skip
DAMAGE, OF_DAMAGE = "modalities dropped", ("Consistency", "Regeneration", "Completeness")
"""Without a term, from what these learn too."""
CORPORA: dict[str, dict[str, Any]] = {
    "mustard": {"target": "valence", "metrics": ["pearson", "mae"]},
    "mmmo": {"metrics": ["pearson", "mae"]},
    "mosi_context": {"metrics": ["f1_weighted", "accuracy"]},
    "mosi_finetuned": {
        "metrics": ["pearson", "mae"],
        "training": {
            "epochs": 3,
            "batch_size": 32,
            "learning_rate": 0.001,
            "weight_decay": 0.01,
            "patience": 2,
        },
        "model": {
            "modalities": ["acoustic", "tokens"],
            "encoder": {"class_path": "PooledEncoder", "init_args": {"dropout": 0.3}},
            "encoders": {
                "tokens": {
                    "class_path": "PretrainedEncoder",
                    "init_args": {
                        "model": "experiments/corpora/text_model",
                        "learning_rate": 5e-5,
                        "trained": 3,
                    },
                }
            },
            "width": 64,
        },
    },
}
"""What is changed in the experiment; the first metric chooses."""
ONE_SETTING = ("mosi_finetuned",)
"""A run there takes minutes: the default weight alone, and the experiment's dropout."""
MIDDLES = {"mustard": 5.0, "mmmo": 3.0}
"""Of the scale of labels."""
WORDS = "no encoder here has a vocabulary"
LEFT_OUT = {
    "mustard": {"MaskedWords": WORDS},
    "mmmo": {"MaskedWords": WORDS},
    "mosi_finetuned": {"Translation": "one modality alone has features there"},
    "mosi_context": {
        "MaskedWords": WORDS,
        "GeneratedLabels": "it generates numbers, one for each sample",
        "SupervisedContrast": "it compares samples by one label of each",
        **dict.fromkeys(("Prototypes", "DistillationGraph"), "one label of each sample is what it is for"),
        **dict.fromkeys(
            ("shared and private", *TERMS["shared and private"]), "parts are of a sample, not of an utterance"
        ),
    },
}


def dropped(rate: float) -> dict[str, Any]:
    """A training that whole modalities are missing from."""
    return {"training": {"corruption": {"class_path": "ModalityDropout", "init_args": {"rate": rate}}}}


def settings(term: str, usual: float, middle: float) -> Iterator[tuple[float, dict[str, Any]]]:
    """Three of a term, or of the model that has none: a number, and what is changed."""
    if term in FUSIONS:
        for rate in (usual - 0.2, usual, usual + 0.2):
            yield round(rate, 1), {"encoder": {"init_args": {"dropout": round(rate, 1)}}}
    elif term == DAMAGE:
        for rate in (0.1, 0.3, 0.5):
            yield rate, dropped(rate)
    else:
        weight = inspect.signature(getattr(terms, term)).parameters["weight"].default
        for factor in (1 / 3, 1, 3):
            one = float(f"{factor * weight:.2g}")
            given = {"weight": one, **({"middle": middle} if term == "GeneratedLabels" else {})}
            own = {"terms": {"own": {"class_path": term, "init_args": given}}}
            yield one, {**own, **(dropped(0.3) if term in OF_DAMAGE else {})}


def rows(corpus: str, only: tuple[str, ...] = ()) -> dict[str, str]:
    """Each row of the table, and the row that it is compared with; of the terms `only` these, if any."""
    return {
        row: plain
        for plain, those in TERMS.items()
        for row in (plain, *((DAMAGE,) if plain == "concatenation" else ()), *those)
        if row not in LEFT_OUT.get(corpus, {}) and (not only or row in (*FUSIONS, *only))
    }


def experiment(corpus: str, seeds: int, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """The bench of all settings; its models are called `row: number`."""
    content = merged(read(HERE / f"{corpus}.yaml"), CORPORA[corpus])
    content |= {"seeds": [*range(seeds)], "corpus": str(HERE / content["corpus"])}
    content.pop("published", None)
    shared, models = content["model"], {}
    usual = shared["encoder"]["init_args"]["dropout"]
    for row, plain in rows(corpus, only).items():
        fusion: Any = FUSIONS[plain]
        if shared.get("fusion") == "PerStep":
            fusion = {"class_path": "PerStep", "init_args": {"fusion": fusion}}
        tried = [*settings(row, usual, MIDDLES.get(corpus, 0.0))]
        for number, changes in tried[1:2] if corpus in ONE_SETTING else tried:
            if "encoder" in changes:
                changes["encoder"] = merged(shared["encoder"], changes["encoder"])
            models[f"{row}: {number:g}"] = {"fusion": fusion, **changes}
    return {**content, "models": models}


def chosen(runs: list[FinishedRun], metric: str) -> dict[tuple[str, int], str]:
    """The number with the best validation score, by row and fold."""
    found: dict[tuple[str, int], dict[str, list[float]]] = {}
    for run in runs:
        row, number = run.name.split(": ")
        table = run.table("results")
        own = table[(table["split"] == "valid") & (table["metric"] == metric)]["value"]
        found.setdefault((row, run.fold), {}).setdefault(number, []).append(float(own.iloc[0]))
    return {key: max(own, key=lambda number: np.mean(own[number])) for key, own in found.items()}


def answers(runs: list[FinishedRun], best: dict[tuple[str, int], str]) -> Answers:
    """Those of the chosen settings, under the names of the rows; folds, whose settings differ, are joined."""
    kept: dict[int, list[FinishedRun]] = {}
    for run in runs:
        row, number = run.name.split(": ")
        if best[row, run.fold] == number:
            kept.setdefault(run.fold, []).append(replace(run, facts={**run.facts, "name": row}))
    parts = [gather(kept[fold])[0] for fold in sorted(kept)]
    return replace(
        parts[0],
        **{key: np.concatenate([getattr(one, key) for one in parts]) for key in ("steps", "folds", "truth")},
        **{key: sum((getattr(one, key) for one in parts), ()) for key in ("samples", "grouped", "runs")},
        predictions={
            row: {seed: np.concatenate([one.predictions[row][seed] for one in parts]) for seed in seeds}
            for row, seeds in parts[0].predictions.items()
        },
    )


def table(
    corpus: str, found: Answers, best: dict[tuple[str, int], str], only: tuple[str, ...] = ()
) -> Iterator[str]:
    """Lines of Markdown."""
    names, against = CORPORA[corpus]["metrics"], rows(corpus, only)
    pairs = [(row, plain) for row, plain in against.items() if row != plain]
    every = {metric: values_and_tests(found, metric, pairs) for metric in names}
    yield "| | " + " | ".join(f"{name} | against without [95%] | p" for name in names) + " | chosen |"
    yield "|---" + "|---:|---|---:" * len(names) + "|---|"
    for row, plain in against.items():
        cells = []
        for values, tests in every.values():
            own = values[row]
            cells.append(f"{own['mean']:.3f} ± {own['std']:.3f}")
            if row == plain:
                cells += ["", ""]
            else:
                test = tests[row, plain]
                cells += [f"{test.value:+.3f} [{test.low:+.3f}, {test.high:+.3f}]", f"{test.p_all:.2f}"]
        numbers = [number for (name, _), number in sorted(best.items()) if name == row]
        yield f"| {row} | {' | '.join(cells)} | {', '.join(numbers)} |"


def main() -> None:
    """Train what is not trained, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", choices=CORPORA)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=(), help="these terms alone, and what they are beside")
    parser.add_argument("--out", type=Path, default=Path("results"))
    args = parser.parse_args()
    folder = args.out / f"terms_{args.corpus}"
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder / "experiment.yaml") as path:
        path.write_text(
            yaml.safe_dump(experiment(args.corpus, args.seeds, tuple(args.only)), sort_keys=False)
        )
    bench(folder / "experiment.yaml", folder, args.jobs, quiet=True)
    runs = find([folder])
    best = chosen(runs, CORPORA[args.corpus]["metrics"][0])
    print("\n".join(table(args.corpus, answers(runs, best), best, tuple(args.only))))
    apart = LEFT_OUT.get(args.corpus, {})
    for why in dict.fromkeys(apart.values()):
        print(f"\nLeft out: {', '.join(term for term in apart if apart[term] == why)} ({why}).")


if __name__ == "__main__":
    main()
