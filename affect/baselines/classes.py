"""The classes that a target is asked for by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.targets import MultiClass, Regression, Target
from affect.metrics import Array

Labels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Question:
    """Which of some classes a sample is of.

    Args:
        labels: the class of each training sample, (samples,), counted from 0 among those that were seen.
        prior: the logarithm of each class's share of them, (classes,).
        worth: what each class is worth as a prediction, (classes, outputs).
    """

    labels: Labels
    prior: Array
    worth: Array

    @classmethod
    def of(cls, labels: Labels, worth: Array) -> Self:
        """A question about all classes, of which some may never be seen."""
        seen, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
        return cls(own, np.log(counts / len(labels)), worth[seen])

    @property
    def count(self) -> int:
        """Classes that were seen."""
        return len(self.prior)

    def answer(self, logs: Array) -> Array:
        """What the classes are worth, weighted by their posterior probabilities.

        Args:
            logs: the logarithm of P(class, sample), but for what is the same for all classes.
        Shapes:
            logs: (samples, classes) -> (samples, outputs)
        Example:
            >>> question = Question.of(np.array([0, 1, 1, 1]), np.eye(2))
            >>> question.answer(question.prior[None]).round(2).tolist()
            [[0.25, 0.75]]
        """
        from scipy.special import softmax

        return np.asarray(softmax(logs, axis=1) @ self.worth)


def questions(target: Target, truth: Array, bins: int) -> Iterator[Question]:
    """The questions whose answers, side by side, are a prediction: one for each label of several.

    A number is asked for through classes too: quantile bins of the training labels, worth their means.

    Args:
        target: what is predicted.
        truth: the training labels, (samples, target.size).
        bins: of a number; fewer where its values coincide.
    Example:
        >>> (question,) = questions(Regression("y"), np.array([[1.0], [3.0], [10.0], [20.0]]), bins=2)
        >>> question.labels.tolist(), question.worth.tolist()
        ([0, 0, 1, 1], [[2.0], [15.0]])
    """
    if isinstance(target, Regression):
        edges = np.quantile(truth[:, 0], np.linspace(0, 1, bins + 1)[1:-1])
        _, labels = np.unique(np.searchsorted(edges, truth[:, 0], side="right"), return_inverse=True)
        means = np.bincount(labels, truth[:, 0]) / np.bincount(labels)
        yield Question.of(labels, means[:, None])
    elif isinstance(target, MultiClass):
        yield Question.of(truth[:, 0].astype(np.int64), np.eye(target.outputs))
    else:
        yield from (Question.of(column.astype(np.int64), np.array([[0.0], [1.0]])) for column in truth.T)
