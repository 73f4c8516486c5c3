"""How often the intervals hold the truth, and how often the tests raise a false alarm.

python -m experiments.coverage [--benches 2000] [--workers 2]

A bench is a test split and the seeds of two models whose expected scores are known. Truth t and prediction
p are normal; seed s predicts with correlation r_s, tanh(artanh(r) + tau z_s), z_s normal, where r is 0.7 for
the first model and 0.6 for the second. Half of the variance of the noise is the same in all seeds and both
models (a hard sample is hard for all). Seeds differ by tau = ratio / sqrt(labels): by as much as samples
alone make a correlation vary, or by three times that, or not at all. Every score is then known from r_s:
pearson r, accuracy (of the sign) 1/2 + arcsin(r) / pi, MAE 2 sqrt((1 - r) / pi); its expectation over seeds
is an integral over z.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affect.statistics import (
    bootstrap,
    combined,
    corrected_t,
    interval,
    over_seeds,
    permutation_p,
    spread,
    wilcoxon_p,
)
from affect.workers import processes

Array = NDArray[np.float64]
SCORES = ("mae", "pearson", "accuracy", "pearson, difference")
RATIOS = {"none": 0.0, "comparable": 1.0, "large": 3.0}
SEEDS = (1, 3, 5)
LABELS = (100, 400)
MODELS = (0.7, 0.6)
MOST = max(SEEDS)
INTERVALS = ("chosen", "samples alone", "seeds alone", "both by bootstrap", "seed variance corrected")


class Regime(NamedTuple):
    """What was simulated."""

    score: str
    labels: int
    seeds: int
    ratio: str


def truths(labels: int) -> Array:
    """The expected scores, (scores, ratios)."""
    z, weights = np.polynomial.hermite_e.hermegauss(80)
    found = []
    for ratio in RATIOS.values():
        one, other = (np.tanh(np.arctanh(r) + ratio / np.sqrt(labels) * z) for r in MODELS)
        every = (2 * np.sqrt((1 - one) / np.pi), one, 0.5 + np.arcsin(one) / np.pi, one - other)
        found.append([weights @ score / weights.sum() for score in every])
    return np.array(found).T


def split(rng: np.random.Generator, labels: int) -> tuple[Array, Array]:
    """Truth, (labels,), and predictions, (models, ratios, seeds, labels)."""
    truth, common = rng.normal(size=(2, labels))
    own = rng.normal(size=(len(MODELS), len(RATIOS), MOST, labels))
    ratios = np.array(list(RATIOS.values()))[:, None] / np.sqrt(labels)
    r = np.tanh(
        np.arctanh(np.array(MODELS))[:, None, None] + ratios * rng.normal(size=(len(MODELS), 1, MOST))
    )
    return truth, r[..., None] * truth + np.sqrt(1 - r[..., None] ** 2) * (common + own) / np.sqrt(2)


def covered(bench: int, labels: int, resamples: int = 1000) -> NDArray[np.bool_]:
    """Whether each interval holds the truth, (seeds, scores, ratios, intervals)."""
    rng = np.random.default_rng([labels, bench])
    truth, said = split(rng, labels)
    first = said[0].reshape(-1, labels)
    flat = said.reshape(-1, labels)
    errors, hits = np.abs(first - truth), (first > 0) == (truth > 0)
    moments = np.concatenate([errors, hits, flat, flat**2, flat * truth, [truth, truth**2]]).T.copy()
    mean_of = np.array([np.arange(MOST) < count for count in SEEDS]) / np.array(SEEDS)[:, None]

    def statistic(rows: NDArray[np.int64]) -> Array:
        means = np.bincount(rows, minlength=labels) @ moments / len(rows)
        mae, accuracy = means[:-2].reshape(8, -1)[:2]
        p, pp, pt = means[:-2].reshape(8, -1)[2:].reshape(3, -1)
        t, tt = means[-2:]
        one, other = ((pt - p * t) / np.sqrt((pp - p * p) * (tt - t * t))).reshape(2, -1)
        seeds = np.concatenate([mae, one, accuracy, one - other])
        return np.concatenate([seeds, (mean_of @ seeds.reshape(-1, MOST).T).ravel()])

    found = bootstrap(statistic, np.arange(labels), resamples=resamples, seed=bench)
    kinds = len(SCORES) * len(RATIOS)
    values = found.value[: kinds * MOST].reshape(kinds, MOST)
    draws = found.draws[:, : kinds * MOST].reshape(-1, kinds, MOST)
    expected = truths(labels).ravel()
    held = np.zeros((len(SEEDS), kinds, len(INTERVALS)), np.bool_)
    for i, count in enumerate(SEEDS):
        again = rng.integers(count, size=(resamples, count))
        for kind in range(kinds):
            column = kinds * MOST + i * kinds + kind
            own, drawn = values[kind, :count], draws[:, kind, :count]
            sampled = found.low[column], found.high[column]
            said_of_it = spread(own, drawn, sampled)
            both = interval(np.take_along_axis(drawn, again, 1).mean(1))
            ways = (
                (said_of_it["low"], said_of_it["high"]),
                sampled,
                over_seeds(own),
                both,
                corrected(own, drawn, sampled),
            )
            held[i, kind] = [low <= expected[kind] <= high for low, high in ways]
    return held.reshape(len(SEEDS), len(SCORES), len(RATIOS), len(INTERVALS))


def corrected(own: Array, drawn: Array, sampled: tuple[float, float]) -> tuple[float, float]:
    """The other way to count the interaction once: out of the seeds' variance instead of the samples'."""
    if len(own) < 2:
        return sampled
    variance, value = own.var(ddof=1), own.mean()
    interaction = (drawn - own).var(1, ddof=1).mean()
    left = np.sqrt(1 - interaction / variance) if variance > interaction else 0.0
    low, high = over_seeds(own)
    return combined(value, sampled, (value - left * (value - low), value + left * (high - value)))


def coverage(
    benches: int, workers: int = 1, labels: int = 100, resamples: int = 1000
) -> dict[Regime, dict[str, float]]:
    """The share of benches in which each interval holds the truth."""
    held = repeated(partial(covered, labels=labels, resamples=resamples), benches, workers).mean(0)
    return {
        Regime(score, labels, count, ratio): dict(zip(INTERVALS, held[i, j, k].tolist(), strict=True))
        for j, score in enumerate(SCORES)
        for k, ratio in enumerate(RATIOS)
        for i, count in enumerate(SEEDS)
    }


STRATA = {  # share of the first class, whether by design, and accuracy in each
    "shares by chance, accuracy .90 and .60": (0.3, False, (0.9, 0.6)),
    "shares by chance, accuracy .35 and .95": (0.3, False, (0.35, 0.95)),
    "shares by design, accuracy .35 and .95": (0.3, True, (0.35, 0.95)),
}


def stratified(bench: int, name: str, labels: int = 200, resamples: int = 1000) -> tuple[bool, bool]:
    """Whether the plain and the stratified interval of accuracy hold the population's."""
    share, designed, right = STRATA[name]
    rng = np.random.default_rng([bench, labels])
    first = np.arange(labels) < share * labels if designed else rng.random(labels) < share
    hits = (rng.random(labels) < np.where(first, *right)).astype(np.float64)
    expected = share * right[0] + (1 - share) * right[1]
    held = []
    for strata in (None, first):
        found = bootstrap(
            lambda rows: hits[rows].mean(keepdims=True), np.arange(labels), strata=strata, resamples=resamples
        )
        held.append(bool(found.low[0] <= expected <= found.high[0]))
    return held[0], held[1]


def of_seeds(bench: int, count: int) -> tuple[bool, bool]:
    """Whether Student's interval, and a bootstrap of the seeds, hold the mean where only seeds differ."""
    rng = np.random.default_rng([bench, count])
    values = rng.normal(size=count)
    (low, high), drawn = over_seeds(values), rng.choice(values, (1000, count)).mean(1)
    least, most = interval(drawn)
    return low <= 0 <= high, least <= 0 <= most


ALARMS = (("mae", 100), ("pearson", 100), ("accuracy", 100), ("accuracy", 400))


def permutation_alarm(bench: int, score: str, labels: int = 100, seeds: int = 3) -> bool:
    """Whether two models of one kind are told apart."""
    rng = np.random.default_rng([bench, labels])
    truth, common = rng.normal(size=(2, labels))
    said = 0.7 * truth + 0.7 * (common + rng.normal(size=(2, seeds, labels))) / np.sqrt(2)
    metric: Callable[[Array, Array], float] = {
        "mae": lambda p, t: float(np.abs(p - t).mean()),
        "pearson": lambda p, t: float((p - p.mean()) @ (t - t.mean()) / p.std() / t.std() / len(t)),
        "accuracy": lambda p, t: float(((p > 0) == (t > 0)).mean()),
    }[score]
    return permutation_p(*said, truth, metric, np.arange(labels), resamples=199, seed=bench) <= 0.05


def wilcoxon_alarm(bench: int, seeds: int = 8) -> bool:
    """Whether eight seeds of equal models are told apart."""
    return wilcoxon_p(*np.random.default_rng(bench).normal(size=(2, seeds))) <= 0.05


def folds_alarm(bench: int, labels: int = 100, folds: int = 5, repeats: int = 4) -> tuple[bool, bool]:
    """Whether regressions on two features of one kind are told apart, by the corrected and the plain test."""
    from scipy import stats

    rng = np.random.default_rng(bench)
    features = rng.normal(size=(2, labels))
    target = features.sum(0) + rng.normal(size=labels)
    differences = []
    for _ in range(repeats):
        for test in np.array_split(rng.permutation(labels), folds):
            train = np.setdiff1d(np.arange(labels), test)
            slopes = features[:, train] @ target[train] / (features[:, train] ** 2).sum(1)
            errors = ((slopes[:, None] * features[:, test] - target[test]) ** 2).mean(1)
            differences.append(errors[0] - errors[1])
    plain = stats.ttest_1samp(differences, 0).pvalue
    return corrected_t(np.array(differences), 1 / folds).p <= 0.05, bool(plain <= 0.05)


def repeated(make: Callable[[int], object], benches: int, workers: int = 1) -> Array:
    """What each bench gives, (benches, ...)."""
    import joblib

    with processes(workers):
        found = joblib.Parallel(batch_size=20)(joblib.delayed(make)(bench) for bench in range(benches))
    return np.array(found)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--benches", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    repeat = partial(repeated, benches=args.benches, workers=args.workers)
    print(f"Coverage of 95% intervals, {args.benches} benches, %\n")
    _row("score", "labels", "seeds", "seeds differ", *INTERVALS)
    _row(*["---"] * (4 + len(INTERVALS)))
    for labels in LABELS:
        for regime, found in coverage(args.benches, args.workers, labels).items():
            _row(
                regime.score, labels, regime.seeds, regime.ratio, *(f"{100 * v:.1f}" for v in found.values())
            )
    print("\nSeeds alone, scores normal: coverage, %\n")
    _row("seeds", "Student's", "bootstrap")
    _row(*["---"] * 3)
    for count in (3, 5, 10):
        _row(count, *(f"{v:.1f}" for v in 100 * repeat(partial(of_seeds, count=count)).mean(0)))
    print("\nAccuracy that depends on the class: coverage, %\n")
    _row("classes, 200 labels", "plain", "stratified")
    _row(*["---"] * 3)
    for name in STRATA:
        _row(name, *(f"{v:.1f}" for v in 100 * repeat(partial(stratified, name=name)).mean(0)))
    print("\nFalse alarms at 5%, %\n")
    _row("test", "alarms")
    _row(*["---"] * 2)
    for score, labels in ALARMS:
        alarms = 100 * repeat(partial(permutation_alarm, score=score, labels=labels)).mean()
        _row(f"permutation, {score}, {labels} labels, 3 seeds", f"{alarms:.1f}")
    _row("Wilcoxon, 8 seeds", f"{100 * repeat(wilcoxon_alarm).mean():.1f}")
    alarms = 100 * repeat(folds_alarm).mean(0)
    _row("corrected t, 5 folds, 4 repeats", f"{alarms[0]:.1f}")
    _row("plain t, 5 folds, 4 repeats", f"{alarms[1]:.1f}")


def _row(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


if __name__ == "__main__":
    main()
