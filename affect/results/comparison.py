"""Who is better than whom, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from affect import metrics, renamed
from affect.errors import ConfigError, did_you_mean, listed
from affect.metrics import Array, Stored
from affect.results.answers import Answers, say_stored
from affect.results.parts import part_of
from affect.results.summary import LEVEL, ONE_SEED, asked, difference, values_and_tests
from affect.statistics import Difference, cohens_d, superiority

MOST = 12
"""Models of which every pair is compared; of more, each with the best."""

BETTER = "better"
EQUAL = "not distinguishable"
UNTESTED = "not tested: the metric's code is not here"


@renamed.arguments(wanted="names")
def compare(
    answers: Iterable[Answers],
    names: Iterable[str] = (),
    baseline: str | None = None,
) -> pd.DataFrame:
    """One row per pair of models and metric: which is better, by how much, and how sure that is.

    Every test and interval is for new seeds on new samples (`affect.statistics.pairwise_tests`); where the
    corpus was cut into folds, for new folds (`affect.statistics.fold_tests`). Columns:

    - `better`, `worse`: the models;
    - `difference`: of their means over seeds, positive; `low` and `high`, its 95% interval;
    - `p`: of this pair alone; `p_all`, corrected for all pairs of the metric, or for those with the baseline;
    - `effect`: Cohen's d of the samples' errors, paired; `superiority`, how often a seed of the one beats a
      seed of the other;
    - `verdict`: "better" where `p_all` is below 5%; of a model with one seed nothing can be said but for its
      weights: there is no p, and the interval is over samples alone.

    Args:
        answers: of one or more corpora and targets.
        names: of metrics, as in `affect.results.summarise`; the first of each target by default. Of one that
            a run was measured with, and whose code is not here, there are the means of the runs, without
            intervals and tests.
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
    "corpus", "target", "metric", "better", "worse", "difference", "low", "high", "p", "p_all", "effect",
    "superiority", "verdict",
]  # fmt: skip


def _pairs(own: Answers, metric: str, baseline: str | None) -> list[dict[str, Any]]:
    own, base = part_of(own, metric)
    function, rises = own.metrics[base], metrics.higher_is_better(metric)
    known = not isinstance(function, Stored)
    if known:
        values = {
            name: np.array([function(one, own.truth) for one in seeds]) for name, seeds in own.every().items()
        }
    else:
        values = _stored(own, metric)
    ranked = sorted(values, key=lambda name: values[name].mean() * (-1 if rises else 1))
    middle = baseline if baseline in values else ranked[0] if len(ranked) > MOST else None
    pairs = [pair for pair in combinations(ranked, 2) if middle is None or middle in pair]
    family = pairs if baseline in values else None  # the best one of many was chosen among all pairs
    tests = values_and_tests(own, base, family)[1] if known else {}
    rows = []
    for better, worse in pairs:
        apart = (values[better].mean() - values[worse].mean()) * (1 if rises else -1)
        found = difference(tests, better, worse) or Difference(apart, np.nan, np.nan, np.nan, np.nan)
        rows.append(
            {
                "corpus": own.corpus,
                "target": own.target.name,
                "metric": metric,
                "better": better,
                "worse": worse,
                "difference": found.value,
                "low": found.low,
                "high": found.high,
                "p": found.p,
                "p_all": found.p_all,
                "effect": cohens_d(own.errors(worse), own.errors(better)),
                "superiority": superiority(*(values[n] * (1 if rises else -1) for n in (better, worse))),
                "verdict": _verdict(found, known),
            }
        )
    return rows


def _verdict(found: Difference, known: bool) -> str:
    if not known:
        return UNTESTED
    if np.isnan(found.p_all):
        return EQUAL if np.isnan(found.value) else ONE_SEED
    return BETTER if found.p_all < LEVEL else EQUAL


def _stored(own: Answers, metric: str) -> dict[str, Array]:
    """What the runs say of a metric that cannot be computed here, by model."""
    say_stored(metric, own)
    found = {name: own.stored(metric, name) for name in own.predictions}
    return {name: np.array([*values.values()]) for name, values in found.items() if values}
