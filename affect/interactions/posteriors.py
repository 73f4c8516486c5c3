"""How probable each class is given some modalities, of samples that were not learned from."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.metrics import Array

Rows: TypeAlias = NDArray[np.int64]

FOLDS, STACKED = 10, 5
"""Folds of the kernels, and of what makes one posterior of them: these are several of those together."""

_RIDGES = tuple(10.0 ** np.arange(-2, 2, 0.5))
_SOME = 1000
"""Samples that choose the ridge, which is a variance of noise and does not depend on their number."""
_WILD = 10.0  # deviations from the mean, beyond which a feature is cut
_TOGETHER = 3
"""Modalities of which one kernel is made, at most."""


class CrossFit:
    """Posteriors of any set of modalities, each sample's learned from the other folds.

    A modality has a radial kernel. A set of several has a kernel for each subset of up to three: the product
    of their centred kernels, in which functions of one modality alone have no part. Each kernel predicts the
    classes by ridge regression, and multinomial logistic regression makes one posterior of the predictions
    of all kernels. No label of a sample, or of its group, takes part in its own predictions but in the choice
    of the ridge, a single number for each kernel.

    Args:
        features: of each modality, finite; scaled here, without the labels.
        labels: the class of each sample, 0 to the number of classes less one.
        groups: what must not be on two sides of a fold, one per sample.
        seed: of the folds.
    Shapes:
        features[m]: (samples, feature), labels, groups: (samples,)
    Reference:
        Durrande et al., ANOVA kernels and RKHS of zero mean functions, J. Multivariate Analysis 2013, for the
        products of centred kernels; Ting and Witten, Issues in Stacked Generalization, JAIR 1999.
    """

    def __init__(
        self, features: Mapping[str, Array], labels: Rows, groups: NDArray[Any], seed: int = 0
    ) -> None:
        self._labels, self._truth = labels, np.eye(int(labels.max()) + 1)[labels]
        _, group = np.unique(groups, return_inverse=True)
        rng = np.random.default_rng(seed)
        order = rng.permutation(int(group.max()) + 1)
        folds = (order % min(FOLDS, len(order)))[group]
        self._folds = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
        self._some = np.sort(rng.permutation(len(labels))[:_SOME])
        self._kernels = {name: _radial(x) for name, x in features.items()}
        self._scores: dict[tuple[str, ...], Array] = {}

    def posteriors(self, modalities: Iterable[str]) -> Array:
        """(samples, classes): how probable each class is given these modalities.

        Args:
            modalities: some of those in `features`.
        """
        from sklearn.linear_model import LogisticRegression

        names = sorted(modalities)
        subsets = [
            subset
            for size in range(1, min(len(names), _TOGETHER) + 1)
            for subset in itertools.combinations(names, size)
        ]
        scores = np.concatenate([self._predicted(subset) for subset in subsets], 1)
        spread = scores.std(0)
        scores = (scores - scores.mean(0)) / np.where(spread > 0, spread, 1.0)
        found = np.zeros(self._truth.shape)
        for place in range(min(STACKED, len(self._folds))):
            held_out = np.concatenate(self._folds[place::STACKED])
            rest = np.delete(np.arange(len(scores)), held_out)
            known = np.unique(self._labels[rest])
            if len(known) == 1:
                found[held_out, known[0]] = 1.0
                continue
            model = LogisticRegression(max_iter=300, tol=1e-3).fit(scores[rest], self._labels[rest])
            found[np.ix_(held_out, known)] = model.predict_proba(scores[held_out])
        return found

    def _predicted(self, subset: tuple[str, ...]) -> Array:
        """(samples, classes): by the kernel of a set of modalities."""
        if subset not in self._scores:
            kernel = self._kernels[subset[0]]
            if len(subset) > 1:
                kernel = _centred(kernel)
                for name in subset[1:]:
                    kernel = kernel * _centred(self._kernels[name])
            place = np.full(len(kernel), -1)
            place[self._some] = np.arange(len(self._some))
            some = [place[fold][place[fold] >= 0] for fold in self._folds]
            few, truth = kernel[np.ix_(self._some, self._some)], self._truth[self._some]
            errors = [
                ((held_out_predictions(few, truth, some, ridge) - truth) ** 2).sum() for ridge in _RIDGES
            ]
            ridge = _RIDGES[int(np.argmin(errors))]
            self._scores[subset] = held_out_predictions(kernel, self._truth, self._folds, ridge)
        return self._scores[subset]


def held_out_predictions(kernel: Array, truth: Array, folds: Iterable[Rows], ridge: float) -> Array:
    """What kernel ridge regression predicts of each fold when it learns from the others, of one inverse.

    With G the inverse of kernel + 1 + ridge I, the error of a fold f that is left out is G_ff^-1 (G truth)_f.

    Args:
        kernel: of all samples.
        truth: what is predicted.
        folds: the samples of each; empty ones count for nothing.
        ridge: what is added to the diagonal.
    Shapes:
        kernel: (samples, samples), truth: (samples, outputs) -> (samples, outputs)
    Reference:
        Rifkin and Lippert, Notes on Regularized Least Squares, MIT-CSAIL-TR-2007-025, section 4, for one
        sample that is left out.
    Example:
        >>> x, truth = np.arange(4.0), np.array([[0.0], [1.0], [0.0], [1.0]])
        >>> kernel = np.exp(-((x[:, None] - x) ** 2))
        >>> folds = [np.array([0, 1]), np.array([2, 3])]
        >>> found = held_out_predictions(kernel, truth, folds, 0.1)
        >>> learned = np.linalg.solve(kernel[2:, 2:] + 1 + 0.1 * np.eye(2), truth[2:])
        >>> np.allclose(found[:2], (kernel + 1)[:2, 2:] @ learned)
        True
    """
    from scipy import linalg

    factor = linalg.cholesky(kernel + 1.0 + ridge * np.eye(len(kernel)), lower=True, check_finite=False)
    inverse, _ = linalg.lapack.dpotri(factor, lower=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    moved = inverse @ truth
    found = np.empty_like(truth)
    for fold in folds:
        if len(fold):
            block = inverse[np.ix_(fold, fold)]
            found[fold] = truth[fold] - linalg.solve(block, moved[fold], assume_a="pos")
    return found


def _radial(x: Array) -> Array:
    """exp(-|a - b|^2 / 2d) of standardised features, d of which are not constant."""
    spread = x.std(0)
    there = spread > 1e-9 * (1e-30 + np.abs(x).max(0, initial=0.0))
    scaled = np.clip((x[:, there] - x[:, there].mean(0)) / spread[there], -_WILD, _WILD)
    squares = (scaled**2).sum(1)
    apart = squares[:, None] + squares - 2 * scaled @ scaled.T
    return np.asarray(np.exp(-np.maximum(apart, 0.0) / (2 * max(1, there.sum()))))


def _centred(kernel: Array) -> Array:
    means = kernel.mean(0)
    return np.asarray(kernel - means - means[:, None] + means.mean())
