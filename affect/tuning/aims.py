"""What a search looks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from affect import metrics
from affect.data.corpus import Corpus
from affect.data.targets import Target
from affect.errors import ConfigError, did_you_mean
from affect.model import FusionModel
from affect.robustness import Comparison, modality_subsets, sweep
from affect.runs.costs import parameters, sample_megaflops, sample_milliseconds
from affect.training import Run

MEASURED = ("parameters", "sample_megaflops", "sample_milliseconds")
"""Costs of a model that has learned."""

SUBSETS = ("mean subset", "worst subset")
"""Scores of what is left when modalities are missing."""


@dataclass(frozen=True)
class Aim:
    """One thing that is looked for.

    Args:
        name: what it is called in tables and pictures.
        rises: whether larger is better.
        metric: the metric that it is made of; empty for a cost.
        score: which score of the metric, where modalities are missing; empty for the metric itself.
    """

    name: str
    rises: bool
    metric: str = ""
    score: str = ""

    @property
    def plain(self) -> bool:
        """Whether it is a metric itself, which is measured after each epoch."""
        return self.name == self.metric

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """As Optuna says it."""
        return "maximize" if self.rises else "minimize"

    def of(self, run: Run, corpus: Corpus) -> float:
        """Its value for a trained model, on the validation split."""
        if self.plain:
            rows = run.results.query("split == 'valid' and metric == @self.metric")
            return float(rows["value"].iloc[0])
        if self.score:
            return _left(run.model, corpus, self.metric, self.name)
        if self.name == "parameters":
            return float(parameters(run.model))
        cost = {"sample_megaflops": sample_megaflops, "sample_milliseconds": sample_milliseconds}[self.name]
        return cost(run.model, corpus["valid"])


def aim_of(name: str, target: Target, where: str) -> Aim:
    """What a name stands for; the target's first metric where it is empty.

    Raises:
        ConfigError: it is no metric of the target, no score and no cost.
    Example:
        >>> from affect.data.targets import Regression
        >>> aim_of("mae: worst subset", Regression("y"), "doc")
        Aim(name='mae: worst subset', rises=False, metric='mae', score='worst subset')
    """
    known = [*metrics.metrics_for(target)]
    name = metrics.name_of(name) if name else known[0]
    if name in MEASURED:
        return Aim(name, rises=False)
    metric, _, score = name.partition(": ")
    if metric not in known or score not in ("", *SUBSETS):
        every = [*known, *(f"{one}: {score}" for one in known for score in SUBSETS), *MEASURED]
        raise ConfigError(f"{where}: search: no metric '{name}'; {did_you_mean(name, every)}")
    return Aim(name, metrics.higher_is_better(metric), metric, score)


def _left(model: FusionModel, corpus: Corpus, metric: str, name: str) -> float:
    """A score of what is left of a metric."""
    result = sweep(model, corpus["valid"], modality_subsets(), split_name="valid")
    scores = Comparison([result], resamples=2).scores([metric]).set_index("metric")["mean"]
    return float(scores[name])
