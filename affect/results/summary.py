"""One row per corpus, target, model and metric."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from affect import metrics, renamed
from affect.errors import ConfigError, did_you_mean, listed
from affect.metrics import Array, Measure, Stored
from affect.results.answers import Answers, say_stored
from affect.statistics import holm, measure, permutation_p, spread

LEVEL = 0.05
"""How often a test may find a difference where there is none."""

Spread: TypeAlias = dict[str, float]
"""What `affect.statistics.spread` says."""


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
    better (paired permutation tests, Holm's correction); `failed`, how many runs were lost.

    Args:
        answers: of one or more corpora and targets.
        names: of metrics, one's own by their import path, those that a target does not have left out; all of
            each target by default.
        failed: how many runs failed, by target and model.
    Raises:
        ConfigError: no target has a metric of that name.
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
        ConfigError: no target has one of them.
    """
    answers, names = list(answers), [metrics.name_of(metric) for metric in names]
    known = {metric for own in answers for metric in own.metrics}
    for metric in names:
        if metric not in known:
            raise ConfigError(f"results: no target has the metric '{metric}'; {did_you_mean(metric, known)}")
    return [(own, [m for m in names if m in own.metrics]) for own in answers]


def _rows(own: Answers, metric: str) -> list[dict[str, Any]]:
    """The rows of one metric, models in their order."""
    function = own.metrics[metric]
    if isinstance(function, Stored):
        return [*_stored(own, metric)]
    sign = 1 if metrics.higher_is_better(metric) else -1
    means = {
        name: sign * np.mean([function(prediction, own.truth) for prediction in seeds.values()])
        for name, seeds in own.predictions.items()
    }
    single = [name for name in own.predictions if len(own.run_of(name).facts["shape"]["dims"]) == 1]
    reference = max(single, key=lambda name: means[name], default="")
    pairs = [(name, reference) for name in own.predictions if reference not in ("", name)]
    found, gains = values_and_gains(own, metric, pairs)
    ties = _ties(own, function, max(means, key=lambda name: means[name]))
    same = {
        "count": metrics.count(metric, own.truth),
        "floor": metrics.constant_baselines(own.target, own.truth)[metric],
        "ceiling": own.runs[0].facts["corpus"].get("ceiling", {}).get(metric, np.nan),
        "reference": reference or None,
    }
    rows = []
    for name in own.predictions:
        row = {"corpus": own.corpus, "target": own.target.name, "model": name, "metric": metric}
        gain = gains.get((name, reference), {"low": np.nan, "high": np.nan})
        gain = {"gain_low": gain["low"], "gain_high": gain["high"]}
        rows.append({**row, **found[name], **same, **gain, "tie": ties[name]})
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
                "gain_high": np.nan, "tie": False,
            }  # fmt: skip


def values_and_gains(
    own: Answers, metric: str, pairs: Iterable[tuple[str, str]]
) -> tuple[dict[str, Spread], dict[tuple[str, str], Spread]]:
    """What `spread` says of each model, and of how much better the first of each pair is than the second.

    Nothing of pairs where the models share no seed.

    Args:
        own: of one target.
        metric: one of its metrics.
        pairs: names of models.
    """
    rises, function = metrics.higher_is_better(metric), own.metrics[metric]
    turned = {pair: pair if rises else pair[::-1] for pair in pairs if own.shared}
    whole = own.every()
    same = all(len(own_seeds) == len(own.shared) for own_seeds in whole.values())
    found = measure(function, whole, own.truth, own.groups, pairs=turned.values() if same else ())
    if turned and not same:
        found |= {
            asked: value
            for asked, value in measure(
                function, own.every(own.shared), own.truth, own.groups, pairs=turned.values()
            ).items()
            if not isinstance(asked, str)
        }
    return {name: spread(*found[name], bounds=metrics.bounds(metric)) for name in whole}, {
        pair: spread(*found[asked]) for pair, asked in turned.items()
    }


def differing(own: Answers, metric: Measure, pairs: Iterable[tuple[str, str]]) -> tuple[Array, Array]:
    """How likely so great a difference is between equal models; and corrected for the number of pairs.

    Args:
        own: of one target.
        metric: the function.
        pairs: names of models.
    Shapes:
        -> (pairs,) and (pairs,)
    """
    pairs, predictions = list(pairs), own.every(own.shared)
    swaps = max(1000, round(2 * len(pairs) / LEVEL))  # few enough could never be sure after Holm's correction
    p = [
        permutation_p(predictions[a], predictions[b], own.truth, metric, own.groups, resamples=swaps)
        for a, b in pairs
    ]
    return np.array(p), holm(np.array(p))


def _ties(own: Answers, metric: Measure, best: str) -> dict[str, bool]:
    """Whether the best model is not significantly better than each."""
    others = [name for name in own.predictions if name != best]
    if not own.shared or not others:
        return dict.fromkeys(own.predictions, False)
    _, p = differing(own, metric, [(best, name) for name in others])
    return {best: False, **{name: bool(value >= LEVEL) for name, value in zip(others, p, strict=True)}}


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
        {**same, "model": model, "seeds": 0, "tie": False}
        for target, model in failed
        if target == own.target.name and model not in own.predictions
    ]
