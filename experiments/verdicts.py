"""How often equal models are told apart, unequal ones are, and intervals hold the truth.

python -m experiments.verdicts [--benches 2000] [--workers 2]

A bench is a test split and the seeds of several models. Truth is like CMU-MOSI's: normal, clipped to [-3, 3].
A model predicts gain * truth + offset + error. Half of the error is the same in all models (a hard sample is
hard for all), half a weighted sum of four parts of the model's own; all have heavy tails (Student's t, 4
degrees of freedom). A seed moves gain, offset and every weight by ratio / sqrt(labels): not at all, as much
as samples do, or widely. Models are equal in expectation; a false positive is a bench in which any pair is
told apart at 5%, corrected for all pairs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affect.metrics import ccc, mae, pearson
from affect.statistics import fold_tests, measure, pairwise_tests, spread
from experiments.coverage import RATIOS, Array, repeated

DRAWS = 500
SEEDS = (2, 3, 5, 20)


class Setting(NamedTuple):
    """What is simulated.

    Args:
        models: equal ones, but for `worse`.
        seeds: of each.
        ratio: how far seeds move, in units of 1 / sqrt(labels).
        labels: in the test split.
        videos: the labels come in so many, each with an error of its own; 0 for none.
        icc: the share of the errors' variance that a video has in common.
        worse: what the error of all models but the first has beside.
        scale: what the predictions of every second model are multiplied with.
    """

    models: int = 2
    seeds: int = 3
    ratio: float = 1.0
    labels: int = 100
    videos: int = 0
    icc: float = 0.0
    worse: float = 0.0
    scale: float = 1.0


def split(
    rng: np.random.Generator, setting: Setting, labels: int = 0
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Truth, (labels,), predictions, (models, seeds, labels), and the video of each label."""
    own = setting
    count = labels or own.labels
    of = np.arange(count) * own.videos // count if own.videos and not labels else np.arange(count)

    def errors(*shape: int) -> Array:
        each = rng.standard_t(4, size=(*shape, count))
        shared = rng.standard_t(4, size=(*shape, of.max() + 1))[..., of]
        return (np.sqrt(1 - own.icc) * each + np.sqrt(own.icc) * shared) / 2

    tau = own.ratio / np.sqrt(own.labels)
    truth = np.clip(1.6 * rng.normal(size=count), -3, 3)
    weights = 0.5 + tau * rng.normal(size=(own.models, own.seeds, 4))
    gain = 0.75 * (1 + tau * rng.normal(size=(own.models, own.seeds, 1)))
    offset = tau * rng.normal(size=(own.models, own.seeds, 1))
    said = gain * truth + offset + errors() + np.einsum("msp,mpl->msl", weights, errors(own.models, 4))
    said[1:] += own.worse * 2 * errors(own.models - 1, 1)
    said[1::2] *= own.scale
    return truth, said, of


def told(bench: int, setting: Setting, score: str = "mae") -> tuple[float, float, float]:
    """The smallest corrected p of all pairs; the first two models' difference, and its own p."""
    truth, said, of = split(np.random.default_rng([bench, setting.labels]), setting)
    metric = {"mae": mae, "pearson": pearson, "ccc": ccc}[score]
    models = {str(number): own for number, own in enumerate(said)}
    found = pairwise_tests(
        measure(metric, models, truth, of, resamples=DRAWS),
        len({*of.tolist()}),
        draws=DRAWS,
        correlation=metric.correlation,
    )
    first = found["0", "1"]
    return min(own.p_all for own in found.values()), first.value, first.p


def by_folds(bench: int, models: int, labels: int = 100, folds: int = 5, features: int = 20) -> float:
    """The smallest corrected p of least squares on features of one kind, each model's its own."""
    rng = np.random.default_rng([bench, models])
    inputs = rng.normal(size=(models, labels, features))
    target = inputs.sum((0, 2)) / np.sqrt(features) + rng.normal(size=labels)
    scores = np.zeros((models, folds))
    for fold, test in enumerate(np.array_split(rng.permutation(labels), folds)):
        train = np.setdiff1d(np.arange(labels), test)
        for number, own in enumerate(inputs):
            weights = np.linalg.lstsq(own[train], target[train], rcond=None)[0]
            scores[number, fold] = np.abs(own[test] @ weights - target[test]).mean()
    found = fold_tests({str(n): own for n, own in enumerate(scores)}, 1 / folds, draws=DRAWS)
    return min(own.p_all for own in found.values())


@cache
def expected(setting: Setting) -> float:
    """The expected MAE of a new seed on new samples."""
    rng, many = np.random.default_rng(0), setting._replace(models=1, seeds=400, icc=0.0)
    found = []
    for _ in range(20):
        truth, said, _ = split(rng, many, 10_000)
        found.append(np.abs(said - truth).mean())
    return float(np.mean(found))


def held(bench: int, setting: Setting) -> bool:
    """Whether the interval of one model's MAE holds what is expected of it."""
    truth, said, of = split(np.random.default_rng([bench, setting.labels]), setting._replace(models=1))
    found = measure(mae, {"one": said[0]}, truth, of, resamples=DRAWS)["one"]
    own = spread(*found, samples=len({*of.tolist()}))
    return own["low"] <= expected(setting) <= own["high"]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--benches", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    run = partial(repeated, benches=args.benches, workers=args.workers)

    def alarms(make: Callable[[int], object]) -> str:
        found = run(make).reshape(args.benches, -1)[:, 0]
        return f"{100 * (found <= 0.05).mean():.1f}"

    print(f"False positives at 5%, {args.benches} benches, %: MAE, 100 labels\n")
    _row("models", "seeds", *(f"seeds differ: {name}" for name in RATIOS))
    _row(*["---"] * (2 + len(RATIOS)))
    for models in (2, 8):
        for seeds in SEEDS:
            settings = [Setting(models, seeds, ratio) for ratio in RATIOS.values()]
            _row(models, seeds, *(alarms(partial(told, setting=own)) for own in settings))
    print("\nElsewhere, seeds comparable, %\n")
    _row("what", "2 models", "8 models")
    _row(*["---"] * 3)
    for name, score, changes in ROWS:
        settings = [Setting(models)._replace(**changes) for models in (2, 8)]
        _row(name, *(alarms(partial(told, setting=own, score=score)) for own in settings))
    _row("5 folds, 20 features each, MAE", *(alarms(partial(by_folds, models=models)) for models in (2, 8)))
    print("\nPower for one pair, %: the test, and one that knows both variances\n")
    _row("seeds", *(f"seeds differ: {name}" for name in RATIOS))
    _row(*["---"] * (1 + len(RATIOS)))
    for seeds in SEEDS:
        _row(seeds, *(_power(run, Setting(2, seeds, ratio, worse=0.6)) for ratio in RATIOS.values()))
    found = run(partial(told, setting=Setting(2, 5, worse=1.5, scale=0.2), score="pearson"))[:, 0]
    print(f"\nPearson r of models of other scales that differ: {100 * (found <= 0.05).mean():.1f}%")
    for seeds in (3, 5):
        print(f"\nCoverage of a model's 95% interval, MAE, {seeds} seeds, %\n")
        _row("test split", *(f"seeds differ: {name}" for name in RATIOS))
        _row(*["---"] * (1 + len(RATIOS)))
        for name, changes in SPLITS:
            settings = [Setting(1, seeds, ratio)._replace(**changes) for ratio in RATIOS.values()]
            _row(name, *(f"{100 * run(partial(held, setting=own)).mean():.1f}" for own in settings))


ROWS: list[tuple[str, str, dict[str, float]]] = [
    ("MAE, 20 labels", "mae", {"labels": 20}),
    ("MAE, 30 videos of 4, ICC .3", "mae", {"labels": 120, "videos": 30, "icc": 0.3}),
    ("Pearson r", "pearson", {}),
    ("Pearson r, every second model of a third of the scale", "pearson", {"scale": 1 / 3}),
    ("Pearson r, the same, 5 seeds", "pearson", {"scale": 1 / 3, "seeds": 5}),
    ("CCC, 5 seeds", "ccc", {"seeds": 5}),
]
SPLITS: list[tuple[str, dict[str, float]]] = [
    *((f"{labels} labels", {"labels": labels}) for labels in (20, 30, 50, 100)),
    *(
        (f"{videos} videos of 4, ICC {icc}", {"labels": 4 * videos, "videos": videos, "icc": icc})
        for videos in (30, 60)
        for icc in (0.0, 0.1, 0.3)
    ),
]


def _power(run: Callable[..., Array], setting: Setting) -> str:
    found = run(partial(told, setting=setting))
    known = np.abs(found[:, 1]) / found[:, 1].std() > 1.96
    return f"{100 * (found[:, 2] <= 0.05).mean():.1f} of {100 * known.mean():.1f}"


def _row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


if __name__ == "__main__":
    main()
