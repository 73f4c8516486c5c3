"""Bayesian networks of a class and the modalities' features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from affect.baselines.base import Baseline
from affect.baselines.classes import questions
from affect.baselines.networks import DiscreteNetwork, GaussianNetwork, Network
from affect.data.corpus import Split
from affect.data.ragged import Ragged
from affect.data.targets import Target
from affect.errors import ConfigError, did_you_mean
from affect.metrics import Array

Structure: TypeAlias = Literal["naive", "tree"]
Features: TypeAlias = Literal["gaussian", "discrete"]


class BayesianNetwork(Baseline):
    """A class over the features of all modalities; the likeliest class is right.

    Each modality gives the mean and the deviation of its steps. P(class | x) is in proportion to
    P(class) * prod_j P(x_j | class, parent of x_j), with the training split's shares of the classes. In the
    structure `naive` no feature has a parent; in `tree` each has one, but for the root: the tree in which
    features tell most of each other given the class. Features are Gaussian (linear in the parent), or levels
    between quantiles of the training samples. A number is predicted through classes too: quantile bins of
    the training labels, whose means are averaged by P(bin | x). A multi-label target has two classes per
    label. Nothing is chosen on the validation split.

    Time and memory of a tree grow with the square of the features, and the time with that of `levels` too
    (1,600 features of 1,284 samples and 5 classes: 2 s Gaussian, 10 s in 5 levels, 0.5 GB).

    Args:
        dims: feature size of each modality, under any names.
        target: what to predict.
        structure: `naive` or `tree`.
        features: `gaussian` or `discrete`.
        levels: of a discrete feature; fewer where its values coincide.
        bins: for a target that is a number; fewer where its values coincide.
        smoothing: in samples. Of Gaussian features, so many of all classes' variance are added to a class's
            own; of discrete ones, each level is seen so much more often.
    Missing:
        what is missing is summed over, exactly: an absent modality, and a feature whose values are all NaN
        or infinite in a sample (`nonfinite: mean`; other steps' values of it are read). A sample without any
        gets the classes' shares. In training a feature is counted where it and its parent are known; what a
        class never shows is as in all classes, and a feature that never varies is left out.
    Raises:
        ConfigError: an unknown structure or kind of features, or a number is too small.
    Also known as:
        naive Bayes, TAN, tree-augmented naive Bayes, Chow-Liu tree.
    Reference:
        Friedman et al., Bayesian Network Classifiers, Machine Learning 1997.
        Differs: smoothing is towards equal levels, not towards a level's share; Gaussian features.
    Example:
        >>> corpus = affect.data.synthetic.additive(samples={"train": 80, "valid": 20, "test": 20})
        >>> network = BayesianNetwork(corpus.dims, corpus.target(), structure="tree").fit(corpus)
        >>> len(network.predict(corpus["test"]))
        20
    """

    reads_nan = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "structure": CategoricalDistribution(get_args(Structure)),
        "features": CategoricalDistribution(get_args(Features)),
        "levels": IntDistribution(2, 9),
        "bins": IntDistribution(2, 9),
        "smoothing": FloatDistribution(0.01, 100.0, log=True),
    }

    def __init__(
        self,
        dims: Mapping[str, int],
        target: Target,
        structure: Structure = "naive",
        features: Features = "gaussian",
        levels: int = 5,
        bins: int = 5,
        smoothing: float = 1.0,
    ) -> None:
        super().__init__(dims, target)
        for name, given, known in (
            ("structure", structure, get_args(Structure)),
            ("features", features, get_args(Features)),
        ):
            if given not in known:
                raise ConfigError(f"BayesianNetwork: {name}: no '{given}'; {did_you_mean(given, known)}")
        self.structure, self.features = structure, features
        self.levels, self.bins, self.smoothing = levels, bins, smoothing

    def learn(self, train: Split, valid: Split, seed: int) -> None:
        whole = self._pooled(train)
        mean, spread = _statistics(whole)
        self._centre, self._varies = mean, spread > 1e-7 * np.maximum(np.abs(mean), 1e-30)
        self._spread = np.where(self._varies, spread, 1.0)
        x = self._standardised(whole)
        self._edges = [_edges(column, self.levels) for column in x.T]
        x = self._features_of(x)
        kind = GaussianNetwork if self.features == "gaussian" else DiscreteNetwork
        self._questions = [*questions(self.target, self.truth(train), self.bins)]
        options: dict[str, Any] = {"tree": self.structure == "tree", "smoothing": self.smoothing}
        self.networks: list[Network] = [kind(x, one.labels, one.count, **options) for one in self._questions]

    def decide(self, split: Split) -> Array:
        x = self._features_of(self._standardised(self._pooled(split)))
        answers = [
            question.answer(question.prior + network.likelihoods(x))
            for question, network in zip(self._questions, self.networks, strict=True)
        ]
        return np.concatenate(answers, 1)

    def _pooled(self, split: Split) -> Array:
        return np.concatenate([_pooled(rows) for rows in split.modalities.values()], 1)

    def _standardised(self, x: Array) -> Array:
        return ((x - self._centre) / self._spread)[:, self._varies]

    def _features_of(self, x: Array) -> Array:
        """The standardised features, or the levels that they are in."""
        if self.features == "gaussian":
            return x
        levels = [
            np.searchsorted(own, column, side="right") for own, column in zip(self._edges, x.T, strict=True)
        ]
        return np.where(np.isnan(x), np.nan, np.stack(levels, 1) if levels else x)


def _pooled(rows: Ragged) -> Array:
    """(samples, 2 * feature): mean and deviation over the steps that are finite; NaN where there are none."""
    values = np.full((len(rows), 2 * rows.dim), np.nan)
    for i in np.flatnonzero(rows.lengths).tolist():
        values[i] = np.concatenate(_statistics(rows[i].astype(np.float64)))
    return values


def _statistics(x: Array) -> tuple[Array, Array]:
    """Mean and deviation of what is finite in each column; NaN where nothing is."""
    known = np.isfinite(x)
    n = np.where(known.any(0), known.sum(0), np.nan)
    mean = np.where(known, x, 0.0).sum(0) / n
    return mean, np.sqrt((np.where(known, x - mean, 0.0) ** 2).sum(0) / n)


def _edges(column: Array, levels: int) -> Array:
    """What lies between the levels of a standardised feature: quantiles, but for those that coincide."""
    known = column[~np.isnan(column)]
    edges = np.quantile(known, np.linspace(0, 1, levels + 1)[1:-1])
    return edges[np.diff(edges, prepend=known.min()) > 1e-8]  # as scikit-learn's KBinsDiscretizer
