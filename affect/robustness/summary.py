"""Sweeps of several models, side by side: scores and curves with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect import metrics, renamed
from affect.bounds import COUNT
from affect.data.targets import Target
from affect.errors import ConfigError, described, did_you_mean, few, listed
from affect.metrics import Array, Measure
from affect.robustness.joining import laid_together, without
from affect.robustness.samples import sample_contributions
from affect.robustness.scores import area, effective_robustness, retained_share
from affect.robustness.sweeps import ONLY, Sweep
from affect.statistics import Measured, pairwise_tests, resampled, spread, units

_Score = Callable[[Array, Array], Array]
"""From the values under all conditions, (..., conditions), and the baseline's, to a score, (...)."""

_Seeds = tuple[Array, Array]
"""A value of each seed, (seeds,), and on each resample, (resamples, seeds)."""


class Comparison:
    """What several models keep under the same conditions.

    Draws of one condition are averaged, and so are seeds; the folds of a seed are laid together before.
    Intervals are of 95%, for a new seed on new samples (`affect.statistics.spread`, and of differences
    `affect.statistics.pairwise_tests`), all on the same bootstrap resamples of the samples. Where a model has
    one seed, they are for its weights alone.

    Args:
        sweeps: of several models, seeds and folds, over one grid and one split.
        resamples: bootstrap resamples.
        lacking: a modality: look at the samples alone that never had it.
    Raises:
        DataError: there is no sweep, the sweeps are not over the same conditions and samples, or no sample
            lacks the modality.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.TensorFusion)
        >>> result = affect.robustness.sweep(model, corpus["test"], affect.robustness.modality_subsets())
        >>> Comparison([result], resamples=10).scores(["pearson"])["metric"].tolist()
        ['pearson: clean', 'pearson: mean subset', 'pearson: worst subset']
    """

    def __init__(self, sweeps: Iterable[Sweep], resamples: int = 500, lacking: str | None = None) -> None:
        if isinstance(sweeps, Sweep) or not isinstance(sweeps, Iterable):
            raise ConfigError(f"Comparison: expected a list of Sweep, got {described(sweeps)}; write [sweep]")
        COUNT.check("Comparison: resamples", resamples)
        self._models = laid_together(sweeps)
        if lacking is not None:
            self._models = {
                name: [without(lacking, own) for own in seeds] for name, seeds in self._models.items()
            }
        self._first = next(iter(self._models.values()))[0]
        self._resamples = resamples
        self._measured: dict[str, dict[str, _Values]] = {}
        self._known = metrics.metrics_for(self.target)

    def __repr__(self) -> str:
        conditions = len(self._first.conditions)
        models = few(self.models)
        return f"Comparison({self.corpus or '?'}, {self.target.name}: {models}; {conditions} conditions)"

    @property
    def target(self) -> Target:
        """What was predicted."""
        return self._first.target

    @property
    def models(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._models)

    @property
    def corpus(self) -> str:
        """The corpus's name."""
        return str(self._first.where["corpus"])

    @property
    def split(self) -> str:
        """The split that was swept."""
        return str(self._first.where["split"])

    @property
    def labels(self) -> int:
        """How many labels it has."""
        return len(self._first.truth)

    @property
    def seeds(self) -> dict[str, int]:
        """How many seeds of each model were swept."""
        return {name: len(own) for name, own in self._models.items()}

    @property
    def samples(self) -> tuple[str, ...]:
        """The id of the sample that each label belongs to."""
        return self._first.samples

    @property
    def present(self) -> dict[str, NDArray[np.bool_]]:
        """For each modality, whether the sample of each label has it before any damage."""
        return self._first.present

    @property
    def metrics(self) -> dict[str, Measure]:
        """What can be measured: the target's metrics, and those of one's own that were or are in use."""
        return {**self._known, **metrics.metrics_for(self.target)}

    @renamed.arguments(wanted="names")
    def scores(self, names: Iterable[str] = (), baseline: str | None = None) -> pd.DataFrame:
        """One row per model and score, in the columns that `affect.report` prints.

        A score of a metric is named `metric: score`:

        - clean;
        - mean subset, worst subset: over the subsets of modalities that are neither empty nor whole;
        - for each curve, `mean, CURVE` over its levels; `retained, CURVE`, the share that is left on average
          of what the clean model is better than the best constant (`retained_share`); `area, CURVE` under it,
          where levels are rates (`area`); and `effective, CURVE` against the baseline, where there is one
          (`effective_robustness`).

        `gain_low` and `gain_high` are the interval of the difference to the baseline, positive where the
        model is better.

        Args:
            names: metrics; by default the first that is measured.
            baseline: the model that others are compared with; none by default.
        Raises:
            ConfigError: an unknown metric or baseline.
        """
        check_baseline(baseline, self._models)
        chosen = tuple(listed("scores: names", names)) or tuple(metrics.metrics_for(self.target))[:1]
        return pd.DataFrame([row for metric in chosen for row in self._scores(metric, baseline)])

    def curves(self, metric: str, baseline: str | None = None) -> pd.DataFrame:
        """The points of every curve of every model, and of every subset: what pictures are drawn from.

        Columns: `model`, `condition`, `level`; `mean` with its interval, `low` to `high`; `one_seed`, whether
        that is for these weights alone. With a baseline `gain` too, the difference of the means, positive
        where the model is better whichever way the metric points, with its interval, `gain_low` to
        `gain_high`; of the baseline itself all three are 0.

        Args:
            metric: in which.
            baseline: the model that others are compared with; none by default.
        Shapes:
            one row for each model, condition and level
        Raises:
            ConfigError: an unknown metric or baseline.
        Example:
            >>> corpus = affect.load("synthetic")
            >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.TensorFusion)
            >>> subsets = affect.robustness.modality_subsets()
            >>> swept = [affect.robustness.sweep(model, corpus["test"], subsets, name=name) for name in "ab"]
            >>> points = Comparison(swept, resamples=10).curves("mae", baseline="a")
            >>> points.loc[points["condition"] == "clean", ["model", "gain"]].values.tolist()
            [['a', 0.0], ['b', 0.0]]
        """
        check_baseline(baseline, self._models)
        measured, rises, rows = self._values(metric), metrics.higher_is_better(metric), []
        for name, values in measured.items():
            for (condition, level), places in self._points.items():
                own = values.at(places)
                found = spread(*own, bounds=metrics.bounds(metric), samples=self._independent)
                row: dict[str, object] = {"model": name, "condition": condition, "level": level}
                row |= {key: found[key] for key in ("mean", "low", "high")} | {"one_seed": len(own[0]) == 1}
                if baseline is not None:
                    base = measured[baseline].at(places)
                    gain = (0.0, 0.0, 0.0) if name == baseline else self._gain(own, base, rises)
                    row |= dict(zip(("gain", "gain_low", "gain_high"), gain, strict=True))
                rows.append(row)
        return pd.DataFrame(rows)

    def sample_contributions(self, model: str) -> pd.DataFrame:
        """What each modality contributes to a model's prediction of each sample: exact Shapley values.

        The predictions of all subsets of the modalities are the values of `affect.robustness.contributions`.
        That of none is no part of a sweep; the best constant takes its place: the mean label of the samples,
        or the share of the labels that have the class.

        Columns: `sample`; `label`, its place among the labels, of which a sample has several where the target
        is per step; `output`, the class whose probability is predicted, empty where the target has none;
        `seed`; `modality`; `contribution`; and, the same for every modality, `baseline`, the constant, and
        `prediction`, with all modalities. The contributions of a label, output and seed sum to the
        prediction minus the baseline.

        Args:
            model: its name.
        Missing:
            NaN where the sample lacks one of the model's modalities.
        Raises:
            ConfigError: there is no such model; not all subsets of its modalities were swept; there are more
                than six.
        Reference:
            Shapley, A Value for n-Person Games, 1953. Lundberg and Lee, A Unified Approach to Interpreting
            Model Predictions, NeurIPS 2017. Differs: modalities, not features, are the players, and the model
            itself says what it predicts without them.
        Example:
            >>> corpus = affect.load("synthetic")
            >>> fusion = affect.fusion.TensorFusion
            >>> model = affect.FusionModel.for_corpus(corpus, seed=0, fusion=fusion)
            >>> result = affect.robustness.sweep(model, corpus["test"], affect.robustness.modality_subsets())
            >>> rows = Comparison([result]).sample_contributions("TensorFusion")
            >>> rows["modality"].unique().tolist()
            ['acoustic', 'text', 'visual']
            >>> first = rows[rows["label"] == 0]
            >>> beyond = (first["prediction"] - first["baseline"]).iloc[0]
            >>> bool(np.isclose(first["contribution"].sum(), beyond))
            True
        """
        check_baseline(model, self._models)
        return sample_contributions(self._models[model])

    def floor(self, metric: str) -> float:
        """The value of the best constant prediction."""
        return metrics.constant_baselines(self.target, self._first.truth)[metric]

    def _scores(self, metric: str, baseline: str | None) -> Iterable[dict[str, object]]:
        measured, rises = self._values(metric), metrics.higher_is_better(metric)
        for score, make in self._kinds(rises, self.floor(metric)).items():
            if baseline is None and score.startswith("effective"):
                continue
            found = {name: _scored(make, own, measured[baseline or name]) for name, own in measured.items()}
            like_the_metric = score.startswith(_LIKE_THE_METRIC)
            bounds = metrics.bounds(metric) if like_the_metric else (-np.inf, np.inf)
            for name, (seeds, draws) in found.items():
                row: dict[str, object] = {
                    "corpus": self.corpus,
                    "target": self.target.name,
                    "model": name,
                    "metric": f"{metric}: {score}",
                    **spread(seeds, draws, bounds=bounds, samples=self._independent),
                    "count": metrics.count(metric, self._first.truth),
                    "floor": self.floor(metric) if like_the_metric else np.nan,
                    "ceiling": np.nan,
                    "reference": baseline,
                    "one_seed": len(seeds) == 1,
                    "by_group": len({*self._first.grouped}) > 1,
                }
                if baseline not in (None, name):
                    upward = metrics.higher_is_better(f"{metric}: {score}")
                    _, low, high = self._gain(found[name], found[str(baseline)], upward)
                    row |= {"gain_low": low, "gain_high": high}
                yield row

    def _gain(self, own: _Seeds, base: _Seeds, rises: bool) -> tuple[float, float, float]:
        """How much better a model is than the baseline, with the interval of that."""
        if self._independent < 2:
            return (1 if rises else -1) * float(own[0].mean() - base[0].mean()), np.nan, np.nan
        pair = ("model", "baseline") if rises else ("baseline", "model")
        both = {"model": Measured(*own, (np.nan, np.nan)), "baseline": Measured(*base, (np.nan, np.nan))}
        return pairwise_tests(both, self._independent, [pair])[pair][:3]

    def _values(self, metric: str) -> dict[str, _Values]:
        """A metric of every model; measured once."""
        known = self.metrics
        check_metric(metric, known)
        if metric not in self._measured:
            self._measured[metric] = {
                name: _measured(sweeps, known[metric], self._resamples)
                for name, sweeps in self._models.items()
            }
        return self._measured[metric]

    @cached_property
    def _independent(self) -> int:
        """How many samples, or groups of them, are drawn whole."""
        return len({*units(self._first.samples, self._first.grouped).tolist()})

    @cached_property
    def _points(self) -> dict[tuple[str, float], list[int]]:
        """The places of each point of a curve: its draws."""
        found: dict[tuple[str, float], list[int]] = {}
        conditions = self._first.conditions
        for place, point in enumerate(zip(conditions["condition"], conditions["level"], strict=True)):
            found.setdefault(point, []).append(place)
        return found

    def _kinds(self, rises: bool, floor: float) -> dict[str, _Score]:
        """Every score that there is for these conditions."""
        clean = self._points["clean", 0.0]
        found: dict[str, _Score] = {"clean": lambda own, _: own[..., clean].mean(-1)}
        subsets = [places for (name, _), places in self._points.items() if name.startswith(ONLY)]
        if subsets:
            found["mean subset"] = lambda own, _: _heights(own, subsets).mean(-1)
            worst = np.min if rises else np.max
            found["worst subset"] = lambda own, _: worst(_heights(own, subsets), axis=-1)
        curves: dict[str, list[float]] = {}
        for name, level in self._points:
            curves.setdefault(name, []).append(level)
        for name, levels in curves.items():
            if len(levels) > 1:
                levels = sorted(levels)
                places = [self._points[name, level] for level in levels]
                found[f"mean, {name}"] = partial(_mean, places=places)
                found[f"retained, {name}"] = partial(_retained, places=places, clean=clean, floor=floor)
                if levels[0] >= 0 and levels[-1] <= 1:  # rates; an area over dB says nothing
                    found[f"area, {name}"] = partial(_area, places=places, levels=levels)
                found[f"effective, {name}"] = partial(_effective, places=[clean, *places], rises=rises)
        return found


def check_metric(metric: str, known: Iterable[str]) -> None:
    """Refuse a metric that is not measured."""
    if metric not in (known := set(known)):
        raise ConfigError(f"robustness: no metric '{metric}'; {did_you_mean(metric, known)}")


def check_baseline(baseline: str | None, models: Iterable[str]) -> None:
    """Refuse a model that is not among the models; None is none."""
    if baseline is not None and baseline not in (models := set(models)):
        raise ConfigError(f"robustness: no model '{baseline}'; {did_you_mean(baseline, models)}")


_LIKE_THE_METRIC = ("clean", "mean", "worst")


@dataclass(frozen=True, eq=False)
class _Values:
    """A metric of one model under every condition.

    Shapes:
        clean: (seeds, conditions), draws: (resamples, seeds, conditions)
    """

    clean: Array
    draws: Array

    def at(self, places: list[int]) -> _Seeds:
        """The mean over some conditions."""
        return self.clean[:, places].mean(1), self.draws[..., places].mean(2)


def _measured(sweeps: list[Sweep], metric: Measure, resamples: int) -> _Values:
    """A metric of one model's seeds under every condition; the same answers are measured once."""
    predictions = np.stack([own.predictions for own in sweeps])  # (seeds, conditions, labels, outputs)
    truth = sweeps[0].truth
    _, different, same = np.unique(
        predictions.transpose(1, 0, 2, 3).reshape(predictions.shape[1], -1),
        axis=0,
        return_index=True,
        return_inverse=True,
    )
    groups = units(sweeps[0].samples, sweeps[0].grouped)
    found = [resampled(metric, own[different], truth, groups, resamples) for own in predictions]
    clean, draws = (np.stack(parts, -2)[..., same.ravel()] for parts in zip(*found, strict=True))
    return _Values(clean, draws)


def _scored(make: _Score, own: _Values, baseline: _Values) -> _Seeds:
    """A score; the baseline's is of its mean seed."""
    base = baseline.draws.mean(1, keepdims=True)
    return make(own.clean, baseline.clean.mean(0)), make(own.draws, base)


def _heights(values: Array, points: list[list[int]]) -> Array:
    """(..., points): the mean over the draws of each point."""
    return np.stack([values[..., places].mean(-1) for places in points], -1)


def _mean(own: Array, _: Array, places: list[list[int]]) -> Array:
    return np.asarray(_heights(own, places).mean(-1))


def _retained(own: Array, _: Array, places: list[list[int]], clean: list[int], floor: float) -> Array:
    return retained_share(_heights(own, places).mean(-1), own[..., clean].mean(-1), floor)


def _area(own: Array, _: Array, places: list[list[int]], levels: list[float]) -> Array:
    return area(levels, _heights(own, places))


def _effective(own: Array, base: Array, places: list[list[int]], rises: bool) -> Array:
    return effective_robustness(_heights(own, places), _heights(base, places), rises)
