"""Support vector machines on pooled features, with one kernel or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution

from affect.baselines.base import Baseline
from affect.bounds import POSITIVE
from affect.data.corpus import Split
from affect.data.pooled import PooledFeatures
from affect.data.targets import MultiClass, Regression, Target
from affect.errors import ConfigError, did_you_mean
from affect.metrics import Array

Present: TypeAlias = NDArray[np.bool_]
Blocks: TypeAlias = dict[str, tuple[Array, Present]]
"""Features by name, (samples, feature), and which samples have them, (samples,)."""

Machine: TypeAlias = Callable[[Array], Array]
"""Kernel values (samples, training samples) -> predictions (samples, outputs)."""

Weighting: TypeAlias = Literal["average", "alignment"]


class KernelSVM(Baseline):
    """A support vector machine with one RBF kernel on the pooled features of all modalities, side by side.

    Each modality gives the mean and the deviation of its steps, and a column that says whether the sample
    has it. Numbers are predicted by epsilon regression on the standardised target, classes by SVC, and a
    multi-label target by one SVC per label. Probabilities are the sigmoid or the softmax of the decision
    values: they name the machine's own decision, and are not calibrated.

    C and gamma are those that are best on the validation split; of equals the smoother. Memory for the
    kernel grows with the square of the training samples (16,000: 2 GB).

    Args:
        dims: feature size of each modality, under any names.
        target: what to predict.
        costs: values of C to choose from.
        gammas: values of gamma to choose from, in units of one over the total variance of the kernel's
            training features (scikit-learn's "scale").
    Missing:
        an absent modality's features are the training mean, and its column of presence is zero.
    Raises:
        ConfigError: there is nothing to choose from, or a value is not positive.
    Also known as:
        SVM.
    Reference:
        Cortes and Vapnik, Support-Vector Networks, Machine Learning 1995; libsvm, in scikit-learn.
    Example:
        >>> corpus = affect.data.synthetic.additive(samples={"train": 80, "valid": 20, "test": 20})
        >>> machine = KernelSVM(corpus.dims, corpus.target(), costs=(1, 10), gammas=(0.1,)).fit(corpus)
        >>> sorted(machine.chosen), len(machine.predict(corpus["test"]))
        (['C', 'gamma'], 20)
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        target: Target,
        costs: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0),
        gammas: tuple[float, ...] = (0.01, 0.1, 1.0),
    ) -> None:
        super().__init__(dims, target)
        for name, values in (("costs", costs), ("gammas", gammas)):
            if not values:
                raise ConfigError(f"{type(self).__name__}: {name} must be positive numbers, got []")
            for value in values:
                POSITIVE.check(f"{type(self).__name__}: {name}", value)
        self.costs, self.gammas = tuple(sorted(costs)), tuple(sorted(gammas))

    def learn(self, train: Split, valid: Split, seed: int) -> dict[str, Any]:
        self._features = {name: PooledFeatures(rows) for name, rows in train.modalities.items()}
        self._train = self.blocks(train)
        self._spread = {name: _total_variance(x[there]) for name, (x, there) in self._train.items()}
        truth, seen, best = self.truth(train), self.blocks(valid), -np.inf
        chosen: dict[str, Any] = {}
        for gamma in self.gammas:
            kernels = self._kernels(self._train, gamma)
            weights = self.weigh(kernels, {n: there for n, (_, there) in self._train.items()}, truth)
            rows = self._summed(self._train, kernels, weights)
            valid_rows = self._summed(seen, self._kernels(seen, gamma), weights)
            for cost in self.costs:
                machine = _machine(self.target, rows, truth, cost)
                merit = self.merit(machine(valid_rows), valid)
                if not chosen or merit > best:
                    best, chosen = merit, {"C": cost, "gamma": gamma}
                    self.weights, self._machine, self._gamma = weights, machine, gamma
        return chosen

    def decide(self, split: Split) -> Array:
        blocks = self.blocks(split)
        return self._machine(self._summed(blocks, self._kernels(blocks, self._gamma), self.weights))

    def blocks(self, split: Split) -> Blocks:
        """What each kernel reads: here one kernel reads everything."""
        columns = []
        for name, rows in split.modalities.items():
            columns += [self._features[name](rows), rows.present[:, None].astype(np.float64)]
        return {"all": (np.concatenate(columns, 1), np.ones(len(split), dtype=bool))}

    def weigh(self, kernels: dict[str, Array], present: dict[str, Present], truth: Array) -> dict[str, float]:
        """The weight of each training kernel in the sum; they sum to one."""
        return {name: 1 / len(kernels) for name in kernels}

    def _kernels(self, blocks: Blocks, gamma: float) -> dict[str, Array]:
        """(samples, training samples) for each block."""
        from sklearn.metrics.pairwise import rbf_kernel

        return {
            name: rbf_kernel(x, self._train[name][0], gamma / self._spread[name])
            for name, (x, _) in blocks.items()
        }

    def _summed(self, blocks: Blocks, kernels: dict[str, Array], weights: dict[str, float]) -> Array:
        rows, columns = ({n: there for n, (_, there) in part.items()} for part in (blocks, self._train))
        return weighted_kernel(kernels, weights, rows, columns)


class MultipleKernelSVM(KernelSVM):
    """A support vector machine on a weighted sum of RBF kernels, one per modality, on its pooled features.

    k(i, j) = sum_m w_m k_m(i, j) / sqrt(s_i s_j), where the sum runs over the modalities that both samples
    have, and s_i is the sum of the weights of those that sample i has: every kernel value of a sample with
    itself is one. The rest is as in KernelSVM. A sum of the modalities' kernels holds sums of functions of
    single modalities, and no product of two.

    Args:
        dims: feature size of each modality, under any names.
        target: what to predict.
        weighting: `average`, all weights equal; or `alignment`, in proportion to the centred alignment of
            the modality's training kernel with that of the labels.
        costs: values of C to choose from.
        gammas: values of gamma to choose from, one for all kernels, each in its own modality's unit.
    Missing:
        an absent modality's kernel is left out of the sample's sum, and the sum is scaled to what is left;
        a sample without any gets the machine's constant. Alignment is measured on the training samples that
        have the modality.
    Raises:
        ConfigError: an unknown weighting; there is nothing to choose from, or a value is not positive.
    Also known as:
        MKL, MKL-SVM.
    Reference:
        Cortes et al., Algorithms for Learning Kernels Based on Centered Alignment, JMLR 2012: the
        independent alignment-based algorithm (align).
        Differs: classes are aligned to the kernel of their indicator vectors; kernels of absent modalities.
    Example:
        >>> corpus = affect.data.synthetic.additive(samples={"train": 80, "valid": 20, "test": 20})
        >>> machine = MultipleKernelSVM(corpus.dims, corpus.target(), weighting="alignment").fit(corpus)
        >>> max(machine.weights, key=machine.weights.get)
        'text'
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "weighting": CategoricalDistribution(get_args(Weighting))
    }

    def __init__(
        self,
        dims: Mapping[str, int],
        target: Target,
        weighting: Weighting = "average",
        costs: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0),
        gammas: tuple[float, ...] = (0.01, 0.1, 1.0),
    ) -> None:
        super().__init__(dims, target, costs, gammas)
        if weighting not in get_args(Weighting):
            known = did_you_mean(weighting, get_args(Weighting))
            raise ConfigError(f"MultipleKernelSVM: no weighting '{weighting}'; {known}")
        self.weighting = weighting

    def blocks(self, split: Split) -> Blocks:
        return {name: (self._features[name](rows), rows.present) for name, rows in split.modalities.items()}

    def weigh(self, kernels: dict[str, Array], present: dict[str, Present], truth: Array) -> dict[str, float]:
        if self.weighting == "average":
            return super().weigh(kernels, present, truth)
        labels = _indicators(self.target, truth)
        found = {
            name: alignment(kernel[np.ix_(present[name], present[name])], labels[present[name]])
            for name, kernel in kernels.items()
        }
        total = sum(found.values())
        return {n: a / total for n, a in found.items()} if total else super().weigh(kernels, present, truth)


def alignment(kernel: Array, labels: Array) -> float:
    """Centred alignment of a kernel matrix (n, n) with that of labels (n, size); 0 where one is constant.

    <K, L> / (|K| |L|) in Frobenius's product, with K and L = Y Y' centred in their feature spaces.

    Example:
        >>> labels = np.array([[1.0], [-1.0], [1.0]])
        >>> round(alignment(labels @ labels.T, labels), 12), alignment(np.ones((3, 3)), labels)
        (1.0, 0.0)
    """
    if len(labels) < 2:
        return 0.0
    labels = labels - labels.mean(0)
    kernel = kernel - kernel.mean(0) - kernel.mean(1, keepdims=True) + kernel.mean()
    size = np.sqrt((kernel**2).sum() * ((labels.T @ labels) ** 2).sum())  # |Y Y'| is |Y' Y|
    return float(np.sum(labels * (kernel @ labels)) / size) if size > 1e-12 else 0.0


def weighted_kernel(
    kernels: Mapping[str, Array],
    weights: Mapping[str, float],
    rows: Mapping[str, Present],
    columns: Mapping[str, Present],
) -> Array:
    """The weighted sum of kernels (n, k) over what both samples have, scaled to the weights each has.

    Example:
        >>> kernels = {"ecg": np.ones((1, 1)), "eeg": np.ones((1, 1))}
        >>> both = {"ecg": np.array([True]), "eeg": np.array([True])}
        >>> one = {"ecg": np.array([True]), "eeg": np.array([False])}
        >>> weighted_kernel(kernels, {"ecg": 0.5, "eeg": 0.5}, one, both).round(4).tolist()
        [[0.7071]]
    """
    summed = sum(weights[m] * k * np.outer(rows[m], columns[m]) for m, k in kernels.items())
    left, above = (sum(weights[m] * side[m] for m in kernels) for side in (rows, columns))
    scale = np.sqrt(np.outer(left, above))
    return np.asarray(np.divide(summed, scale, out=np.zeros(scale.shape), where=scale > 0))


def _total_variance(features: Array) -> float:
    """Of standardised features, so that it is one or more unless nothing varies."""
    return max(float(features.var(0).sum()), 1.0) if len(features) else 1.0


def _indicators(target: Target, truth: Array) -> Array:
    """Labels as numbers that a kernel may compare, (n, size)."""
    return np.eye(target.outputs)[truth[:, 0].astype(int)] if isinstance(target, MultiClass) else truth


def _machine(target: Target, kernel: Array, truth: Array, cost: float) -> Machine:
    """A machine trained on a kernel matrix (n, n) and labels (n, target.size)."""
    if isinstance(target, Regression):
        return _regression(kernel, truth[:, 0], cost)
    if isinstance(target, MultiClass):
        return _classes(kernel, truth[:, 0].astype(int), cost, target.outputs)
    parts = [_yes(kernel, column, cost) for column in truth.T]
    return lambda rows: np.stack([part(rows) for part in parts], 1)


def _regression(kernel: Array, truth: Array, cost: float) -> Machine:
    from sklearn.svm import SVR

    centre, scale = truth.mean(), truth.std() or 1.0  # so that C and epsilon mean the same on any scale
    machine = SVR(kernel="precomputed", C=cost).fit(kernel, (truth - centre) / scale)
    return lambda rows: np.asarray(machine.predict(rows) * scale + centre)[:, None]


def _yes(kernel: Array, truth: Array, cost: float) -> Machine:
    """(n,): the probability of yes."""
    from scipy.special import expit
    from sklearn.svm import SVC

    if np.ptp(truth) == 0:  # one side alone was seen
        return lambda rows: np.full(len(rows), truth[0])
    machine = SVC(kernel="precomputed", C=cost).fit(kernel, truth)
    return lambda rows: np.asarray(expit(machine.decision_function(rows)))


def _classes(kernel: Array, truth: NDArray[np.int64], cost: float, count: int) -> Machine:
    """(n, count): one against one, as the votes are counted in `decision_function`."""
    from scipy.special import softmax
    from sklearn.svm import SVC

    seen = np.unique(truth)
    if len(seen) == 1:
        return lambda rows: np.tile(np.eye(count)[seen[0]], (len(rows), 1))
    machine = SVC(kernel="precomputed", C=cost).fit(kernel, truth)

    def say(rows: Array) -> Array:
        scores = np.full((len(rows), count), -np.inf)  # a class that was never seen has probability zero
        values = machine.decision_function(rows)
        scores[:, seen] = values if len(seen) > 2 else np.stack([np.zeros(len(rows)), values], 1)
        return np.asarray(softmax(scores, axis=1))

    return say
