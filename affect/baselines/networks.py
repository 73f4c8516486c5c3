"""Bayesian networks of a class and its features, in which every feature has one other parent, or none."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.metrics import Array

Numbers: TypeAlias = NDArray[np.int64]

FLOOR = 1e-9  # of variances, in units of the largest one, as in scikit-learn's GaussianNB
_BLOCK = 64  # features whose tables with all others are held at a time


class Network(Protocol):
    """What says how likely a sample is in each class."""

    def likelihoods(self, x: Array) -> Array:
        """The logarithm of P(what is known of x | class).

        Args:
            x: features; what is NaN is missing, and summed over.
        Shapes:
            x: (samples, feature) -> (samples, classes)
        """
        ...


def chow_liu(information: Array) -> tuple[Numbers, Numbers]:
    """The tree whose edges hold the most information in all.

    Args:
        information: between every two features, (feature, feature), symmetric and not negative.
    Returns:
        parents, (feature,), -1 for the root, which is the first feature; and the features, parents first.
    Reference:
        Chow and Liu, Approximating Discrete Probability Distributions with Dependence Trees, IEEE
        Transactions on Information Theory 1968.
    Example:
        >>> parents, order = chow_liu(np.array([[0, 1, 3], [1, 0, 2], [3, 2, 0]]))
        >>> parents.tolist(), order.tolist()
        ([-1, 2, 0], [0, 2, 1])
    """
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    most = information.max() or 1.0  # edges of cost zero would be none
    tree = minimum_spanning_tree(np.triu(2 * most - information, 1))
    visited, before = breadth_first_order(tree, 0, directed=False)
    parents: Numbers = np.array(before, dtype=np.int64)
    order: Numbers = np.array(visited, dtype=np.int64)
    parents[0] = -1
    return parents, order


class GaussianNetwork:
    """Features that are numbers: x_j | class, parent ~ N(intercept + slope * x_parent, variance).

    Args:
        x: features of the training samples, (samples, feature); what is missing is NaN. Each feature is known
            of one sample at least, and varies.
        labels: their classes, (samples,).
        count: how many classes there are.
        tree: whether features have parents.
        smoothing: to how many samples of a class its variances are drawn to those of all samples.
    Example:
        >>> x = np.array([[0.0], [2.0], [10.0], [12.0]])
        >>> network = GaussianNetwork(x, np.array([0, 0, 1, 1]), 2, tree=False, smoothing=1e-9)
        >>> network.likelihoods(np.array([[1.0], [np.nan]])).round(2).tolist()
        [[-0.92, -50.92], [0.0, 0.0]]
    """

    def __init__(self, x: Array, labels: Numbers, count: int, *, tree: bool, smoothing: float) -> None:
        known = ~np.isnan(x)
        x = np.where(known, x, 0.0)
        self._smoothing, self._overall = smoothing, _moments(x, known)[2]
        self._floor = FLOOR * self._overall.max(initial=0.0)
        members = [labels == c for c in range(count)]
        features = x.shape[1]
        self.parents, self.order = np.full(features, -1), np.arange(features)
        if tree and features > 1:
            information = _gaussian_information([self._pairs(x[rows], known[rows]) for rows in members])
            self.parents, self.order = chow_liu(information)
        self.intercept, self.slope = np.zeros((count, features)), np.zeros((count, features))
        self.variance = np.zeros((count, features))
        for c, rows in enumerate(members):
            self._fit(c, x, known, rows)

    def _fit(self, c: int, x: Array, known: NDArray[np.bool_], rows: NDArray[np.bool_]) -> None:
        """The parameters of a class; what it never shows is as in all of them."""
        n, mean, variance = _moments(x[rows], known[rows])
        whole = _moments(x, known)[1]
        self.intercept[c] = np.where(n > 0, mean, whole)
        self.variance[c] = np.where(n > 0, self._smoothed(variance, n, self._overall), self._overall)
        child = np.flatnonzero(self.parents >= 0)
        if not child.size:
            return
        parent = self.parents[child]
        both = known[np.ix_(rows, child)] & known[np.ix_(rows, parent)]
        own, other = (np.where(both, x[np.ix_(rows, of)], 0.0) for of in (child, parent))
        n, mean, variance = _moments(own, both)
        _, other_mean, other_variance = _moments(other, both)
        together = np.where(both, (own - mean) * (other - other_mean), 0.0).sum(0)
        variance = self._smoothed(variance, n, self._overall[child])
        other_variance = self._smoothed(other_variance, n, self._overall[parent])
        covariance = together / (n + self._smoothing)
        slope = covariance / other_variance
        fits = n > 0
        self.slope[c, child] = np.where(fits, slope, 0.0)
        self.intercept[c, child] = np.where(fits, mean - slope * other_mean, self.intercept[c, child])
        self.variance[c, child] = np.where(fits, variance - slope * covariance, self.variance[c, child])

    def _smoothed(self, variance: Array, n: Array, overall: Array) -> Array:
        return np.asarray((n * variance + self._smoothing * overall) / (n + self._smoothing) + self._floor)

    def _pairs(self, x: Array, known: NDArray[np.bool_]) -> tuple[Array, Array]:
        """(feature, feature): samples that have both, and the square of their smoothed correlation."""
        there = known.astype(np.float64)
        n = there.T @ there
        least = np.maximum(n, 1)
        mean = x.T @ there / least  # of the first, where the second is known
        square = (x**2).T @ there / least
        variance = self._smoothed(np.maximum(square - mean**2, 0), n, self._overall[:, None])
        covariance = (x.T @ x - n * mean * mean.T) / (n + self._smoothing)
        return n, covariance**2 / (variance * variance.T)

    def likelihoods(self, x: Array) -> Array:
        """The logarithm of P(what is known of x | class), (samples, classes); messages go up to the roots."""
        known = ~np.isnan(x)
        x = np.where(known, x, 0.0)
        total = np.zeros((len(x), len(self.slope)))
        # of a feature that is missing, what its children say: exp(linear * x - square * x**2 / 2)
        heard: dict[int, tuple[Array, Array]] = {}
        for j in self.order[::-1].tolist():
            parent = int(self.parents[j])
            intercept, slope, variance = self.intercept[:, j], self.slope[:, j], self.variance[:, j]
            seen, value = known[:, [j]], x[:, [j]]
            square, linear = heard.pop(j, (np.zeros_like(total), np.zeros_like(total)))
            mean = intercept + slope * x[:, [parent]]  # at zero where the parent is missing
            spread = 1 + variance * square
            total += np.where(
                seen,
                -((value - mean) ** 2) / (2 * variance) - np.log(2 * np.pi * variance) / 2,
                (2 * linear * mean + variance * linear**2 - square * mean**2) / (2 * spread)
                - np.log(spread) / 2,
            )
            if parent >= 0 and not known[:, parent].all():
                above = heard.setdefault(parent, (np.zeros_like(total), np.zeros_like(total)))
                missing = ~known[:, [parent]]
                told = np.where(seen, slope / variance, square * slope / spread) * slope
                moved = np.where(seen, (value - intercept) / variance, (linear - square * intercept) / spread)
                above[0][:] += missing * told
                above[1][:] += missing * moved * slope
        return total


class DiscreteNetwork:
    """Features that are levels, counted from 0: P(x_j | class, parent) is a smoothed table.

    Args:
        x: features of the training samples, (samples, feature), whole numbers; what is missing is NaN. Each
            feature is known of one sample at least.
        labels: their classes, (samples,).
        count: how many classes there are.
        tree: whether features have parents.
        smoothing: to how many samples each level of a table was seen more often.
    Example:
        >>> x = np.array([[0.0], [0.0], [1.0], [1.0]])
        >>> network = DiscreteNetwork(x, np.array([0, 0, 1, 1]), 2, tree=False, smoothing=1.0)
        >>> np.exp(network.likelihoods(np.array([[0.0], [np.nan]]))).round(2).tolist()
        [[0.75, 0.25], [1.0, 1.0]]
    """

    def __init__(self, x: Array, labels: Numbers, count: int, *, tree: bool, smoothing: float) -> None:
        codes = _codes(x)
        self.levels = codes.max(0, initial=0) + 1
        features = x.shape[1]
        self.parents, self.order = np.full(features, -1), np.arange(features)
        if tree and features > 1:
            self.parents, self.order = chow_liu(discrete_information(codes, labels, count))
        self.tables = [
            self._table(codes, labels, count, j, int(parent), smoothing)
            for j, parent in enumerate(self.parents)
        ]

    def _table(
        self, codes: Numbers, labels: Numbers, count: int, j: int, parent: int, smoothing: float
    ) -> Array:
        """(classes, the parent's levels or 1, levels): logarithms of probabilities."""

        def counted(above: int) -> Array:
            told = codes[:, above] if above >= 0 else np.zeros(len(codes), np.int64)
            found = np.zeros((count, self.levels[above] if above >= 0 else 1, self.levels[j]))
            rows = (codes[:, j] >= 0) & (told >= 0)
            np.add.at(found, (labels[rows], told[rows], codes[rows, j]), 1.0)
            return found

        alone = counted(-1)
        never = alone.sum((1, 2)) == 0  # such a class is as all of them
        alone[never] = alone.sum(0)
        found = counted(parent) if parent >= 0 else alone
        found = np.where(found.sum((1, 2), keepdims=True) > 0, found, alone) + smoothing
        return np.asarray(np.log(found / found.sum(2, keepdims=True)))

    def likelihoods(self, x: Array) -> Array:
        """The logarithm of P(what is known of x | class), (samples, classes); messages go up to the roots.

        A level that the training samples do not have is the nearest one that they have.
        """
        from scipy.special import logsumexp

        codes = np.minimum(_codes(x), self.levels - 1)
        count = len(self.tables[0]) if self.tables else 1
        total = np.zeros((len(x), count))
        heard: dict[int, Array] = {}  # of a feature that is missing, what its children say of its levels
        for j in self.order[::-1].tolist():
            table, parent, seen = self.tables[j], int(self.parents[j]), codes[:, j] >= 0
            message = np.zeros((len(x), *table.shape[:2]))
            message[seen] = np.moveaxis(table[:, :, codes[seen, j]], 2, 0)
            if j in heard:
                below = heard.pop(j)[~seen][:, :, None, :]
                message[~seen] = logsumexp(table + below, axis=3)
            told = codes[:, parent] >= 0 if parent >= 0 else np.ones(len(x), bool)
            level = codes[told, parent] if parent >= 0 else np.zeros(len(x), np.int64)
            total[told] += message[told, :, level]
            if not told.all():
                above = heard.setdefault(parent, np.zeros((len(x), count, int(self.levels[parent]))))
                above[~told] += message[~told]
        return total


def discrete_information(codes: Numbers, labels: Numbers, count: int) -> Array:
    """Information between every two features given the class, in nats, over the samples that have both.

    Args:
        codes: levels, (samples, feature), counted from 0; -1 where missing.
        labels: classes, (samples,).
        count: how many classes there are.
    Example:
        >>> codes = np.array([[0, 0], [1, 1], [0, 0], [1, 1]])
        >>> discrete_information(codes, np.array([0, 0, 1, 1]), 2)[0, 1].round(4)  # one bit
        np.float64(0.6931)
    """
    from scipy.special import xlogy

    features, most = codes.shape[1], int(codes.max(initial=0)) + 1
    found, samples = np.zeros((features, features)), np.zeros((features, features))
    for c in range(count):
        hot = (codes[labels == c, :, None] == np.arange(most)).astype(np.float32)
        flat = hot.reshape(len(hot), -1)
        for begin in range(0, features, _BLOCK):
            block = hot[:, begin : begin + _BLOCK]
            joint = (block.reshape(len(hot), -1).T @ flat).astype(np.float64)
            joint = joint.reshape(block.shape[1], most, features, most)
            own, other, n = joint.sum(3), joint.sum(1), joint.sum((1, 3))
            entropies = xlogy(joint, joint).sum((1, 3)) - xlogy(own, own).sum(1) - xlogy(other, other).sum(2)
            found[begin : begin + _BLOCK] += entropies + xlogy(n, n)
            samples[begin : begin + _BLOCK] += n
    return np.asarray(np.maximum(found / np.maximum(samples, 1), 0.0))


def _gaussian_information(pairs: list[tuple[Array, Array]]) -> Array:
    """The same for numbers: -log(1 - r**2) / 2 in each class, weighted by its samples that have both."""
    samples: Any = sum(n for n, _ in pairs)
    found: Any = sum(n * -np.log1p(-np.minimum(r, 1 - 1e-12)) / 2 for n, r in pairs)
    information: Array = found / np.maximum(samples, 1)
    np.fill_diagonal(information, 0.0)
    return information


def _moments(x: Array, known: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """How many values each column has, their mean and their variance; zeros where there are none."""
    n = known.sum(0).astype(np.float64)
    mean = x.sum(0) / np.maximum(n, 1)
    return n, mean, np.where(known, (x - mean) ** 2, 0.0).sum(0) / np.maximum(n, 1)


def _codes(x: Array) -> Numbers:
    """Levels as whole numbers; -1 where missing."""
    return np.where(np.isnan(x), -1, x).astype(np.int64)
