"""One row per corpus, target, model and metric."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from affect import metrics, renamed
from affect.errors import ConfigError, did_you_mean, listed
from affect.metrics import Stored
from affect.results.answers import Answers, say_stored
from affect.results.parts import lacking, part_of, split_name
from affect.statistics import Difference, fold_tests, measure, pairwise_tests, spread

logger = logging.getLogger(__name__)

LEVEL = 0.05
"""How often a test may find a difference where there is none."""

ONE_SEED = "one seed: for these weights only"
"""What is said of a model of which nothing is known for another seed."""

Spread: TypeAlias = dict[str, float]
"""What `affect.statistics.spread` says."""
Pair: TypeAlias = tuple[str, str]


@renamed.arguments(wanted="names")
def summarise(
    answers: Iterable[Answers],
    names: Iterable[str] = (),
    failed: Mapping[tuple[str, str], int] | None = None,
) -> pd.DataFrame:
    """One row per corpus, target, model and metric.

    Columns: `mean` and `std` over seeds; `low` and `high`, a 95% interval for what to expect of a new seed on
    new samples (`affect.statistics.spread`); `seeds`; `count`, labels that the metric was computed on;
    `floor`, the best constant prediction's value; `ceiling`, the best possible value where it is known;
    `reference`, the best model of a single modality, and `gain_low` and `gain_high`, the interval of the
    difference to it, positive where the model is better; `tie`, whether the best model is not significantly
    better, for new seeds on new samples, corrected for all pairs (`affect.statistics.pairwise_tests`, and
    `fold_tests` where there are folds); `one_seed`, whether all that is said is of these weights, as nothing
    is known of another seed: then nothing is best and nothing ties; `by_group`, whether whole groups of
    samples were drawn; `failed`, how many runs were lost.

    Args:
        answers: of one or more corpora and targets.
        names: of metrics, one's own by their import path, those that a target does not have left out; all of
            each target by default. `f1.CLASS` is F1 of one class against all others. `METRIC: shift` is a
            metric on the utterances of a conversation whose label is another than that of the same party's
            last one, `METRIC: no shift` on those whose label is the same (`affect.metrics.emotion_shifts`);
            dialogues that have none are not drawn.
        failed: how many runs failed, by target and model.
    Raises:
        ConfigError: no target has a metric of that name; of no target's utterances it is known who speaks.
    """
    failed, names = failed or {}, listed("summarise: names", names)
    rows = []
    with metrics.using(*names):
        for own, mine in asked(answers, names):
            for metric in mine if names else own.metrics:
                found = _rows(own, metric)
                rows += [
                    {**row, "failed": failed.get((own.target.name, row["model"]), 0)}
                    for row in [*found, *_lost(own, found, failed)]
                ]
    return pd.DataFrame(rows)


def asked(answers: Iterable[Answers], names: Iterable[str]) -> list[tuple[Answers, list[str]]]:
    """For each target the named metrics that it has.

    Args:
        answers: of one or more corpora and targets.
        names: of metrics.
    Raises:
        ConfigError: no target has one of them; of no target's labels a part is known that is named.
    """
    answers, names = list(answers), [metrics.name_of(metric) for metric in names]
    known = {metric for own in answers for metric in own.metrics}
    for metric in names:
        base, _ = split_name(metric)
        if base not in known:
            raise ConfigError(f"results: no target has the metric '{base}'; {did_you_mean(base, known)}")
        why = [lacking(own, metric) for own in answers if base in own.metrics]
        if all(why):
            raise ConfigError(f"results: '{metric}': {why[0]}")
        for reason in filter(None, why):
            logger.warning("results: '%s' is left out: %s", metric, reason)
    return [
        (own, [m for m in names if split_name(m)[0] in own.metrics and not lacking(own, m)])
        for own in answers
    ]


def _rows(own: Answers, metric: str) -> list[dict[str, Any]]:
    """The rows of one metric, models in their order."""
    own, base = part_of(own, metric)
    function = own.metrics[base]
    if isinstance(function, Stored):
        return [*_stored(own, metric)]
    sign = 1 if metrics.higher_is_better(metric) else -1
    means = {
        name: sign * np.mean([function(prediction, own.truth) for prediction in seeds.values()])
        for name, seeds in own.predictions.items()
    }
    single = [name for name in own.predictions if len(own.run_of(name).facts["shape"]["dims"]) == 1]
    reference = max(single, key=lambda name: means[name], default="")
    found, tests = values_and_tests(own, base)
    best = max(means, key=lambda name: means[name])
    folds = len({*own.folds.tolist()}) > 1
    same = {
        "count": metrics.count(base, own.truth),
        "floor": metrics.constant_baselines(own.target, own.truth)[base],
        "ceiling": own.runs[0].facts["corpus"].get("ceiling", {}).get(metric, np.nan),
        "reference": reference or None,
    }
    rows = []
    for name in own.predictions:
        row = {"corpus": own.corpus, "target": own.target.name, "model": name, "metric": metric}
        gain, apart = difference(tests, name, reference), difference(tests, best, name)
        rows.append(
            {
                **row,
                **found[name],
                **same,
                "gain_low": np.nan if gain is None else gain.low,
                "gain_high": np.nan if gain is None else gain.high,
                "tie": apart is not None and bool(apart.p_all >= LEVEL),
                "one_seed": len(own.predictions[name]) == 1 and not folds,
                "by_group": own.by_group,
            }
        )
    return rows


def _stored(own: Answers, metric: str) -> Iterator[dict[str, Any]]:
    """The rows of a metric that cannot be computed here: what the runs say of it."""
    say_stored(metric, own)
    for name in own.predictions:
        values = np.array([*own.stored(metric, name).values()])
        if len(values):
            yield {
                "corpus": own.corpus, "target": own.target.name, "model": name, "metric": metric,
                "mean": values.mean(), "std": values.std(ddof=1) if len(values) > 1 else np.nan,
                "low": np.nan, "high": np.nan, "seeds": len(values), "count": len(own.truth),
                "floor": np.nan, "ceiling": np.nan, "reference": None, "gain_low": np.nan,
                "gain_high": np.nan, "tie": False, "one_seed": len(values) == 1, "by_group": False,
            }  # fmt: skip


def values_and_tests(
    own: Answers, metric: str, pairs: Iterable[Pair] | None = None
) -> tuple[dict[str, Spread], dict[Pair, Difference]]:
    """What `spread` says of each model; and of pairs, how much better the first is than the second.

    Where the corpus was cut into folds, pairs are tested by the folds (`affect.statistics.fold_tests`);
    otherwise by seeds and samples (`affect.statistics.pairwise_tests`).

    Args:
        own: of one target.
        metric: one of its metrics.
        pairs: the family that the tests are corrected for; all pairs by default.
    """
    function, every = own.metrics[metric], own.every()
    samples, sign = len(np.unique(own.units)), 1 if metrics.higher_is_better(metric) else -1
    measured = measure(function, every, own.truth, own.units)
    found = {name: measured[name] for name in every}
    spreads = {
        name: spread(*one, bounds=metrics.bounds(metric), samples=samples) for name, one in found.items()
    }
    if len(folds := np.unique(own.folds)) > 1:
        rows = [np.flatnonzero(own.folds == fold) for fold in folds]
        scores = {
            name: np.array(
                [np.mean([function(seed[part], own.truth[part]) for seed in seeds]) for part in rows]
            )
            for name, seeds in every.items()
        }
        tests = fold_tests(scores, 1 / len(folds), pairs)
    elif samples > 1:
        tests = pairwise_tests(found, samples, pairs, correlation=metrics.is_correlation(metric))
    else:
        tests = {}
    return spreads, tests if sign > 0 else {pair: turned(one) for pair, one in tests.items()}


def difference(tests: Mapping[Pair, Difference], one: str, other: str) -> Difference | None:
    """How much better one model is than another, whichever way they were tested; None where they were not."""
    if (one, other) in tests:
        return tests[one, other]
    return turned(tests[other, one]) if (other, one) in tests else None


def turned(found: Difference) -> Difference:
    """The same of the second model and the first."""
    return Difference(-found.value, -found.high, -found.low, found.p, found.p_all)


def _lost(
    own: Answers, found: list[dict[str, Any]], failed: Mapping[tuple[str, str], int]
) -> list[dict[str, Any]]:
    """Rows of models of which no run is left."""
    if not found:
        return []
    same = {
        key: found[0][key] for key in ("corpus", "target", "metric", "count", "floor", "ceiling", "reference")
    }
    return [
        {**same, "model": model, "seeds": 0, "tie": False, "one_seed": False, "by_group": own.by_group}
        for target, model in failed
        if target == own.target.name and model not in own.predictions
    ]
