"""Who is better than whom, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from affect import metrics, renamed
from affect.errors import ConfigError, did_you_mean, listed
from affect.metrics import Array, Measure, Stored
from affect.results.answers import Answers, say_stored
from affect.results.summary import LEVEL, asked, differing, values_and_gains
from affect.statistics import cohens_d, corrected_t, superiority, wilcoxon_p

MOST = 12
"""Models of which every pair is compared; of more, each with the best."""

BETTER = "better"
LUCKY = "better in these runs; another seed may differ"
EQUAL = "not distinguishable"
UNTESTED = "not tested: the metric's code is not here"


@renamed.arguments(wanted="names")
def compare(
    answers: Iterable[Answers],
    names: Iterable[str] = (),
    baseline: str | None = None,
) -> pd.DataFrame:
    """One row per pair of models and metric: which is better, by how much, and how sure that is.

    Models are compared with the seeds that all of them have. Columns:

    - `better`, `worse`: the models;
    - `difference`: of their means over seeds, positive; `low` and `high`, its 95% interval for new seeds and
      new samples;
    - `p`: of the paired permutation test over test samples, for these seeds; `p_holm`, corrected for all
      pairs of the metric;
    - `p_seeds`: of Wilcoxon's signed-rank test over seeds, which cannot be below 0.05 with fewer than 6; or,
      where the corpus was cut into folds, of the corrected t-test over folds (Nadeau and Bengio);
    - `effect`: Cohen's d of the samples' errors, paired; `superiority`, how often a seed of the one beats a
      seed of the other;
    - `verdict`: "better" where the corrected permutation test finds a difference (5%) and the interval is
      above zero.

    Args:
        answers: of one or more corpora and targets.
        names: of metrics, one's own by their import path, those that a target does not have left out; the
            first of each target by default. Of one that a run was measured with, and whose code is not here,
            there are the means of the runs, without intervals and tests.
        baseline: compare the others with it alone; by default all pairs of up to 12 models, and of more each
            with the one that has the best mean.
    Raises:
        ConfigError: there is no such baseline, or no target has such a metric.
    """
    answers = list(answers)
    models = {name for own in answers for name in own.predictions}
    if baseline is not None and baseline not in models:
        raise ConfigError(f"compare: no model '{baseline}'; {did_you_mean(baseline, models)}")
    names = listed("compare: names", names)
    with metrics.using(*names):
        rows = [
            row
            for own, mine in asked(answers, names)
            for metric in mine or list(own.metrics)[:1]
            for row in _pairs(own, metric, baseline)
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


COLUMNS = [
    "corpus", "target", "metric", "better", "worse", "difference", "low", "high", "p", "p_holm", "p_seeds",
    "effect", "superiority", "verdict",
]  # fmt: skip


def _pairs(own: Answers, metric: str, baseline: str | None) -> list[dict[str, Any]]:
    function, rises = own.metrics[metric], metrics.higher_is_better(metric)
    if not own.shared:
        return []
    known = not isinstance(function, Stored)
    if known:
        values = {
            name: np.array([function(one, own.truth) for one in seeds])
            for name, seeds in own.every(own.shared).items()
        }
    else:
        values = _stored(own, metric)
    ranked = sorted(values, key=lambda name: values[name].mean() * (-1 if rises else 1))
    middle = baseline if baseline in values else ranked[0] if len(ranked) > MOST else None
    pairs = [pair for pair in combinations(ranked, 2) if middle is None or middle in pair]
    nothing = np.full(len(pairs), np.nan)
    gains = values_and_gains(own, metric, pairs)[1] if known else _apart(values, pairs, rises)
    p, corrected = differing(own, function, pairs) if known else (nothing, nothing)
    rows = []
    for (better, worse), one, held in zip(pairs, p, corrected, strict=True):
        gain = gains[better, worse]
        sure = BETTER if gain["low"] > 0 else LUCKY
        rows.append(
            {
                "corpus": own.corpus,
                "target": own.target.name,
                "metric": metric,
                "better": better,
                "worse": worse,
                "difference": gain["mean"],
                "low": gain["low"],
                "high": gain["high"],
                "p": one,
                "p_holm": held,
                "p_seeds": _over_seeds(own, function, better, worse) if known else np.nan,
                "effect": cohens_d(own.errors(worse), own.errors(better)),
                "superiority": superiority(*(values[n] * (1 if rises else -1) for n in (better, worse))),
                "verdict": (sure if held < LEVEL else EQUAL) if known else UNTESTED,
            }
        )
    return rows


def _stored(own: Answers, metric: str) -> dict[str, Array]:
    """What the runs say of a metric that cannot be computed here, by model, of the seeds that all share."""
    say_stored(metric, own)
    found = {name: own.stored(metric, name) for name in own.predictions}
    return {
        name: np.array([values[seed] for seed in own.shared])
        for name, values in found.items()
        if all(seed in values for seed in own.shared)
    }


def _apart(
    values: dict[str, Array], pairs: Iterable[tuple[str, str]], rises: bool
) -> dict[tuple[str, str], dict[str, float]]:
    """How far means are apart, without intervals."""
    sign = 1 if rises else -1
    return {
        (a, b): {"mean": sign * float(values[a].mean() - values[b].mean()), "low": np.nan, "high": np.nan}
        for a, b in pairs
    }


def _over_seeds(own: Answers, metric: Measure, a: str, b: str) -> float:
    """How likely so great a difference is between equal models, by their seeds or folds."""
    folds = np.unique(own.folds)
    rows = [np.flatnonzero(own.folds == fold) for fold in folds]
    values = {
        name: np.array(
            [
                [metric(own.predictions[name][seed][part], own.truth[part]) for part in rows]
                for seed in own.shared
            ]
        )
        for name in (a, b)
    }
    if len(folds) > 1:  # every seed has the same folds
        return corrected_t((values[a] - values[b]).mean(0), 1 / len(folds)).p
    return wilcoxon_p(values[a].ravel(), values[b].ravel())
