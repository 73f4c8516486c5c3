"""Hidden Markov models of the steps."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from optuna.distributions import BaseDistribution, IntDistribution

from affect.baselines.base import Baseline
from affect.baselines.classes import Question, questions
from affect.data.corpus import Split
from affect.data.ragged import Ragged
from affect.data.targets import Target
from affect.errors import ConfigError
from affect.metrics import Array

ROUNDS = 20  # of expectation maximisation, at most


class HiddenMarkov(Baseline):
    """A hidden Markov model with Gaussian states for each class and modality; the likeliest class is right.

    P(class | x) is in proportion to P(class) * prod_m P(x_m | class), with the training split's shares of
    the classes and one model with diagonal covariances per modality and class. A number is predicted
    through classes too: quantile bins of the training labels, whose means are averaged by P(bin | x). A
    multi-label target has two classes per label. Nothing is chosen on the validation split.

    Args:
        dims: feature size of each modality, under any names.
        target: what to predict, one label per sample.
        states: of each model; fewer where a class has fewer steps.
        bins: for a target that is a number; fewer where its values coincide.
    Missing:
        steps that were not observed are left out, and the rest moves together; an absent modality says
        nothing, so that a sample without any gets the classes' shares. A class that the training split never
        shows with a modality borrows the model of all classes.
    Raises:
        ConfigError: labels are per step, hmmlearn is not installed, or a number is too small.
    Also known as:
        HMM.
    Reference:
        Rabiner, A Tutorial on Hidden Markov Models and Selected Applications in Speech Recognition, Proc.
        IEEE 1989; hmmlearn.
        Differs: a hundredth of a step is added to every transition, as a state may be seen only at an end.
    Example:
        >>> corpus = affect.data.synthetic.additive(samples={"train": 60, "valid": 10, "test": 20})
        >>> model = HiddenMarkov({"text": 8}, corpus.target(), states=1, bins=2).fit(corpus)
        >>> len(model.predict(corpus["test"]))
        20
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "states": IntDistribution(1, 8),
        "bins": IntDistribution(2, 9),
    }

    def __init__(self, dims: Mapping[str, int], target: Target, states: int = 3, bins: int = 5) -> None:
        super().__init__(dims, target)
        if target.per_step:
            raise ConfigError(
                f"HiddenMarkov: needs one label per sample, and target '{target.name}' has one per step; "
                "use KernelSVM or MultipleKernelSVM"
            )
        _hmmlearn()
        self.states, self.bins = states, bins

    def learn(self, train: Split, valid: Split, seed: int) -> None:
        with _quiet():
            self._questions = [
                _Answers(question, train, self.states, seed)
                for question in questions(self.target, self.truth(train), self.bins)
            ]

    def decide(self, split: Split) -> Array:
        return np.concatenate([question.answer(split) for question in self._questions], 1)


class _Answers:
    """What the models of a question's classes say."""

    def __init__(self, question: Question, train: Split, states: int, seed: int) -> None:
        self.question = question
        self.models: dict[str, list[Any]] = {}
        for name, rows in train.modalities.items():
            if not rows.total:
                continue
            own = [rows.take(np.flatnonzero(question.labels == c)) for c in range(question.count)]
            self.models[name] = [_model(part if part.total else rows, states, seed) for part in own]

    def answer(self, split: Split) -> Array:
        """(samples, outputs)."""
        logs = np.tile(self.question.prior, (len(split), 1))
        for name, models in self.models.items():
            rows = split.modalities[name]
            for i in np.flatnonzero(rows.lengths).tolist():
                steps = rows[i].astype(np.float64)
                logs[i] += [model.score(steps) for model in models]
        return self.question.answer(logs)


def _model(rows: Ragged, states: int, seed: int) -> Any:
    """A model of all rows that have steps."""
    rows = rows.flat()
    model = _hmmlearn().GaussianHMM(
        min(states, rows.total),
        covariance_type="diag",
        transmat_prior=1.01,
        n_iter=ROUNDS,
        random_state=seed,
    )
    return model.fit(rows.values.astype(np.float64), rows.lengths[rows.lengths > 0])


def _hmmlearn() -> Any:
    try:
        return importlib.import_module("hmmlearn.hmm")
    except ModuleNotFoundError:
        raise ConfigError(
            'HiddenMarkov: needs hmmlearn, which is not installed; pip install "affect[baselines]"'
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without advice on what is meant: rounds are few, and classes may have few steps, or equal ones."""
    from sklearn.exceptions import ConvergenceWarning

    talker = logging.getLogger("hmmlearn")
    level = talker.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        talker.setLevel(logging.ERROR)
        try:
            yield
        finally:
            talker.setLevel(level)
