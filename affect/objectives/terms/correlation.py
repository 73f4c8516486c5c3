"""Terms of correlation: projections of the modalities of a sample go up and down together."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor

from affect.bounds import NOT_NEGATIVE, POSITIVE
from affect.errors import ConfigError
from affect.layers import perceptron
from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Seen, Term
from affect.objectives.terms.projected import Counted, Projected, centred


class MaximalCorrelation(Projected):
    """Two modalities' projections go up and down together, and no two features of one say the same.

    The value is (tr(C_a C_b) / 2 - tr C_ab) / width, where C_ab is the covariance of two modalities'
    projections and C_a, C_b are their own: 0 where they have nothing to do with one another, -1/2 at best,
    where all features are. It takes no inverse and no decomposition, so that small batches do.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        width: of the space that modalities are brought to.
        anchor: a modality that every other one is compared with; any two of them by default.
        published: without the division by the width.
    Shapes:
        seen -> ()
    Missing:
        a sample counts for the pairs of modalities that it has; a pair that fewer than two have does not
        count.
    Raises:
        ConfigError: fewer than two modalities, or an unknown one; a number out of its range.
    Also known as:
        Soft-HGR, Hirschfeld-Gebelein-Rényi maximal correlation.
    Reference:
        Wang et al., An Efficient Approach to Informative Feature Extraction from Multimodal Data, AAAI
        2019, equation 7.
    Example:
        >>> corpus = affect.load("synthetic:shared:aligned")
        >>> model = affect.FusionModel.for_corpus(corpus, "sentiment")
        >>> terms = {"alike": MaximalCorrelation}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: alike"].item() < 0
        True
    """

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        width: int = 32,
        anchor: str | None = None,
        published: bool = False,
    ) -> None:
        super().__init__(model, ids, weight, width, anchor)
        self.without_last_bias()
        self.published = published

    def of_pair(self, x: Tensor, y: Tensor, both: Tensor) -> Counted:
        x, y, degrees = centred(x, both), centred(y, both), (both.sum() - 1).clamp(min=1)
        together = (x * y).sum() / degrees
        alone = ((x.mT @ x) * (y.mT @ y)).sum() / degrees**2
        value = alone / 2 - together
        return value if self.published else value / self.width, both.sum() > 1


class CanonicalCorrelation(Projected):
    """Two modalities' projections have the largest canonical correlations: deep CCA.

    1 less the mean of the canonical correlations of two modalities' projections over the samples that have
    both: the singular values of L_a^-1 C_ab L_b^-T, where C_a + ridge I = L_a L_a^T. Whitening by Cholesky
    factors, not by inverse roots, leaves no gradient that is divided by the distance of two eigenvalues.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        width: of the space that modalities are brought to, well below the batch size: noise correlates, too.
        ridge: what is added to variances.
        best: how many of the canonical correlations count, the largest ones; all by default.
        anchor: a modality that every other one is compared with; any two of them by default.
        published: the sum of the correlations, below zero, in place of 1 less their mean.
        autoencoder: weight of decoders that tell the mean encoded vector of each modality from its
            projection: the squared error, a mean over features, samples and modalities. The vectors are not
            pulled towards what is told.
    Shapes:
        seen -> ()
    Missing:
        a sample counts for the pairs of modalities that it has; a pair that no more samples have than
        `width` does not count.
    Raises:
        ConfigError: fewer than two modalities, or an unknown one; a number out of its range.
    Also known as:
        DCCA; DCCAE with an autoencoder.
    Reference:
        Andrew et al., Deep Canonical Correlation Analysis, ICML 2013. Differs: in batches, not of the whole
        training set. Wang et al., On Deep Multi-View Representation Learning, ICML 2015 (the autoencoder;
        there it tells the inputs).
    Example:
        >>> corpus = affect.load("synthetic:shared:aligned")
        >>> model = affect.FusionModel.for_corpus(corpus, "sentiment")
        >>> terms = {"alike": CanonicalCorrelation}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> 0 < run.history["term: alike"].item() < 1
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "width": CategoricalDistribution((2, 4, 8)),
        "ridge": FloatDistribution(1e-4, 1e-1, log=True),
    }

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        width: int = 4,
        ridge: float = 1e-3,
        best: int | None = None,
        anchor: str | None = None,
        published: bool = False,
        autoencoder: float = 0.0,
    ) -> None:
        super().__init__(model, ids, weight, width, anchor)
        POSITIVE.check("CanonicalCorrelation: ridge", ridge)
        NOT_NEGATIVE.check("CanonicalCorrelation: autoencoder", autoencoder)
        self.ridge, self.best, self.published = ridge, _best_of(self, best), published
        self.autoencoder, sizes = float(autoencoder), self.dims if autoencoder else {}
        if not autoencoder:
            self.without_last_bias()
        self.decode = ModuleDict({m: perceptron(width, d, 1, 0.0, hidden=d) for m, d in sizes.items()})

    def forward(self, seen: Seen) -> Tensor:
        value = super().forward(seen)
        if not self.autoencoder:
            return value
        errors = []
        for m, told in self.embedded(seen.vectors).items():
            square = (self.decode[m](told) - seen.vectors[m].detach().to(told)).square().mean(-1)
            errors.append(seen.mean(square, seen.present[m]))
        return value + self.autoencoder * torch.stack(errors).mean()

    def of_pair(self, x: Tensor, y: Tensor, both: Tensor) -> Counted:
        exact, enough = torch.promote_types(x.dtype, torch.float32), both.sum() > self.width
        x, y = (centred(z.to(exact), both) for z in (x, y))
        degrees = (both.sum() - 1).clamp(min=1)
        with torch.autocast(x.device.type, enabled=False):
            across = self._whiten(x, degrees) @ (x.mT @ y / degrees) @ self._whiten(y, degrees).mT
            correlations = torch.linalg.svdvals(across)[: self.best]
        value: Tensor = -correlations.sum() if self.published else 1 - correlations.mean()
        return value, enough

    def _whiten(self, x: Tensor, degrees: Tensor) -> Tensor:
        """(width, width): L^-1."""
        own = torch.eye(self.width, dtype=x.dtype, device=x.device)
        factor = torch.linalg.cholesky(x.mT @ x / degrees + self.ridge * own)
        inverse: Tensor = torch.linalg.solve_triangular(factor, own, upper=False)
        return inverse


class GeneralizedCorrelation(Projected):
    """All modalities' projections are near to a common vector of the sample, however many there are: GCCA.

    With P_m the projection onto the columns of modality m's centred features, over the samples that have
    all, the common vectors are the eigenvectors of sum_m P_m with the `best` largest eigenvalues; the value
    is 1 less the mean of these by the number of modalities. It is 0 where each common vector is a linear
    function of every modality.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        width: of the space that modalities are brought to: well below the batch size.
        ridge: what is added to variances.
        best: how many common vectors there are; the width by default.
    Shapes:
        seen -> ()
    Missing:
        a sample counts where it has all modalities; the value is 0 where no more samples than `width` do.
    Raises:
        ConfigError: fewer than two modalities; a number out of its range.
    Also known as:
        deep GCCA, MAX-VAR.
    Reference:
        Benton et al., Deep Generalized Canonical Correlation Analysis, RepL4NLP 2019.
    Example:
        >>> corpus = affect.load("synthetic:shared:aligned")
        >>> model = affect.FusionModel.for_corpus(corpus, "sentiment")
        >>> terms = {"alike": GeneralizedCorrelation}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> 0 < run.history["term: alike"].item() < 1
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = CanonicalCorrelation.search_space

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        width: int = 4,
        ridge: float = 1e-3,
        best: int | None = None,
    ) -> None:
        super().__init__(model, ids, weight, width, None)
        self.without_last_bias()
        POSITIVE.check("GeneralizedCorrelation: ridge", ridge)
        self.ridge, self.best = ridge, _best_of(self, best)

    def forward(self, seen: Seen) -> Tensor:
        lies = self.embedded(seen.vectors)
        every = torch.stack([*seen.present.values()]).all(0)
        if every.sum() <= self.width:
            return torch.stack([x.sum() for x in lies.values()]).sum() * 0
        exact = torch.promote_types(next(iter(lies.values())).dtype, torch.float32)
        with torch.autocast(every.device.type, enabled=False):
            parts = [self._orthonormal(centred(x.to(exact), every), every) for x in lies.values()]
            largest = torch.linalg.svdvals(torch.cat(parts, 1))[: self.best].square()  # eigenvalues of sum P
        value: Tensor = 1 - largest.mean() / len(parts)
        return value

    def _orthonormal(self, x: Tensor, every: Tensor) -> Tensor:
        """(batch, width): whose product with its own transpose is the projection onto the columns of x."""
        own = torch.eye(self.width, dtype=x.dtype, device=x.device)
        factor = torch.linalg.cholesky(x.mT @ x + self.ridge * (every.sum() - 1) * own)
        basis: Tensor = torch.linalg.solve_triangular(factor, x.mT, upper=False).mT
        return basis


def _best_of(term: Projected, best: int | None) -> int:
    """How many of the features of the space count."""
    if best is not None and not 1 <= best <= term.width:
        raise ConfigError(
            f"{type(term).__name__}: best must be from 1 to the width, {term.width}, got {best}; "
            "leave it out for all"
        )
    return term.width if best is None else best
