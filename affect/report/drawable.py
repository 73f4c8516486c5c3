"""Optuna studies whose names and choices can stand in a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from affect.report.figures import shown
from affect.runs.studies import objectives, quietly

LEAST = 8
"""Of fewer complete trials no importances are given: they would be chance."""

MOST = 1000
"""Trials that are looked at where the cost of each is high: for importances, and where each is a line."""

_LONG = 30  # letters of a part of a name


@dataclass(frozen=True, eq=False)
class Drawable:
    """One objective of a study, whose names and choices can stand in a picture.

    Args:
        study: a copy in memory: names are short, and plotly shows them to the letter.
        name: the objective's.
        labels: how each parameter is called in the copy.
    """

    study: optuna.Study
    name: str
    labels: Mapping[str, str]

    @property
    def rises(self) -> bool:
        """Whether larger is better."""
        return self.study.direction == StudyDirection.MAXIMIZE

    @property
    def title(self) -> str:
        """Its name, for an axis."""
        return shown(_shortened(self.name))

    @property
    def complete(self) -> list[FrozenTrial]:
        """The trials that have a finite value."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [trial for trial in trials if np.isfinite(trial.value or 0.0)]

    @cached_property
    def best(self) -> FrozenTrial:
        """The first of the best."""
        sign = 1 if self.rises else -1
        return max(self.complete, key=lambda trial: sign * (trial.value or 0.0))

    @cached_property
    def common(self) -> dict[str, float] | None:
        """The `importances` of the parameters that all complete trials have."""
        return importances(self, [n for n in self.best.params if all(n in t.params for t in self.complete)])

    @cached_property
    def branch(self) -> dict[str, float] | None:
        """The `importances` of the best trial's parameters, among the trials that have them all."""
        return importances(self, [*self.best.params])

    @cached_property
    def ranked(self) -> list[str]:
        """Every parameter: those of the best trial first, by their importance, as far as it is known."""
        known = self.branch or self.common or {}
        mine = sorted(self.best.params, key=lambda name: -known.get(name, 0.0))
        return [*mine, *sorted({name for trial in self.complete for name in trial.params} - {*mine})]


def drawable(study: optuna.Study) -> list[Drawable]:
    """Each objective, ready to be drawn."""
    names = {name: None for trial in study.get_trials(deepcopy=False) for name in trial.params}
    labels = {name: shown(short) for name, short in short_names(names).items()}
    return [
        Drawable(copied(study, labels, [place]), name, labels) for place, name in enumerate(objectives(study))
    ]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """The last parts of each name, two at least, that no other name ends with.

    Example:
        >>> short_names(["model.fusion.LowRankFusion.rank", "model.width"])
        {'model.fusion.LowRankFusion.rank': 'LowRankFusion.rank', 'model.width': 'model.width'}
    """
    parts = {name: name.split(".") for name in names}
    short = {}
    for name, own in parts.items():
        others = [other for other in parts.values() if other is not own]
        count = next((n for n in range(2, len(own)) if not any(o[-n:] == own[-n:] for o in others)), len(own))
        short[name] = ".".join(map(_shortened, own[-count:]))
    return short if len({*short.values()}) == len(short) else {name: name for name in parts}


def importances(own: Drawable, params: list[str]) -> dict[str, float] | None:
    """The share of the values' variance that each parameter explains (fANOVA), the largest first.

    Args:
        own: what is asked.
        params: of these, among the complete trials that have them all, at most `MOST` of them; those that
            never differ are left out.
    Returns:
        None where it cannot be said: there are fewer than `LEAST` trials, or nothing differs.
    Reference:
        Hutter et al., An Efficient Approach for Assessing Hyperparameter Importance, ICML 2014.
    """
    trials = [trial for trial in own.complete if trial.params.keys() >= {*params}]
    study = own.study if len(trials) <= MOST else study_of(own, trials := thinned(trials))
    params = [name for name in params if len({trial.params[name] for trial in trials}) > 1]
    if not params or len(trials) < LEAST or len({trial.value for trial in trials}) < 2:
        return None
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    try:
        with quietly():
            found = optuna.importance.get_param_importances(study, evaluator=evaluator, params=params)
    except (ValueError, RuntimeError):  # Optuna refuses: there are trees without any split
        return None
    return {str(name): float(share) for name, share in found.items()}


def thinned(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """At most `MOST` trials, evenly spaced; the first and the last are among them.

    Example:
        >>> [len(thinned([*range(count)])) for count in (10, 5000)]
        [10, 1000]
    """
    if len(trials) <= MOST:
        return trials
    return [trials[place] for place in np.linspace(0, len(trials) - 1, MOST).round().astype(int)]


def study_of(own: Drawable, trials: Iterable[FrozenTrial]) -> optuna.Study:
    """Some trials of an objective as a study in memory, numbered anew.

    Args:
        own: whose they are.
        trials: in their order.
    """
    with quietly():
        study = optuna.create_study(directions=own.study.directions)
        study.set_metric_names(objectives(own.study))
        study.add_trials(trials)
    return study


def copied(study: optuna.Study, labels: Mapping[str, str], places: Iterable[int]) -> optuna.Study:
    """Some objectives of a study in memory, all names and choices ready for plotly."""
    places = [*places]
    with quietly():
        copy = optuna.create_study(directions=[study.directions[place] for place in places])
        copy.set_metric_names([shown(objectives(study)[place]) for place in places])
        for trial in study.get_trials(deepcopy=False):
            copy.add_trial(_renamed(trial, labels, places))
    return copy


def _renamed(trial: FrozenTrial, labels: Mapping[str, str], places: list[int]) -> FrozenTrial:
    params: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}
    for name, value in trial.params.items():
        distribution, label = trial.distributions[name], labels[name]
        if isinstance(distribution, CategoricalDistribution):
            choices = _choices(distribution.choices)
            value = choices[int(distribution.to_internal_repr(value))]
            distribution = CategoricalDistribution(choices)
        params[label], distributions[label] = value, distribution
    return optuna.trial.create_trial(
        state=trial.state, values=[trial.values[place] for place in places] if trial.values else None,
        params=params, distributions=distributions, intermediate_values=trial.intermediate_values,
    )  # fmt: skip


def _choices(choices: Iterable[Any]) -> list[Any]:
    """Choices as plotly shows them; long ones are shortened where they stay different."""
    choices = [*choices]
    short = [_Text(shown(_shortened(one))) if isinstance(one, str) else one for one in choices]
    if len({str(one) for one in short}) == len(choices):
        return short
    return [_Text(shown(one)) if isinstance(one, str) else one for one in choices]


def _shortened(text: str) -> str:
    half = _LONG // 2 - 1
    return text if len(text) <= _LONG else f"{text[:half]}…{text[-half:]}"


class _Text(str):
    """A choice without the quotes that Optuna's pictures would put around it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
