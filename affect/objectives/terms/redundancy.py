"""Terms that bring modalities together without negatives: no feature may say what another one does."""

from __future__ import annotations

from typing import ClassVar

from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor
from torch.nn import functional as F

from affect.bounds import NOT_NEGATIVE
from affect.objectives.terms.base import Model
from affect.objectives.terms.projected import Counted, Projected, centred

_LEAST_VARIANCE = 1e-5


class RedundancyReduction(Projected):
    """A feature is the same in two modalities, and no other feature says it: Barlow Twins.

    With C the correlations of one modality's projected features with the other's: the mean of (C_ii - 1)^2,
    and `redundancy` times the mean of C_ij^2 of two features. There are no negatives, and so none that are
    false.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        width: of the space that modalities are brought to.
        redundancy: the weight of two features.
        anchor: a modality that every other one is compared with; any two of them by default.
        published: sums in place of both means, the second times 0.0051, and all times 0.025.
    Shapes:
        seen -> ()
    Missing:
        a sample counts for the pairs of modalities that it has; a pair that fewer than two have does not
        count.
    Raises:
        ConfigError: fewer than two modalities, or an unknown one; a number out of its range.
    Also known as:
        Barlow Twins.
    Reference:
        Zbontar et al., Barlow Twins, ICML 2021. Differs: between modalities, not between two views of an
        image.
    Example:
        >>> corpus = affect.load("synthetic:shared:aligned")
        >>> model = affect.FusionModel.for_corpus(corpus, "sentiment")
        >>> terms = {"alike": RedundancyReduction}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> 0 < run.history["term: alike"].item() < 2
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Projected.search_space,
        "redundancy": FloatDistribution(0.1, 10.0, log=True),
    }

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        width: int = 32,
        redundancy: float = 1.0,
        anchor: str | None = None,
        published: bool = False,
    ) -> None:
        super().__init__(model, ids, weight, width, anchor)
        self.without_last_bias()
        NOT_NEGATIVE.check("RedundancyReduction: redundancy", redundancy)
        self.redundancy, self.published = redundancy, published

    def of_pair(self, x: Tensor, y: Tensor, both: Tensor) -> Counted:
        count = both.sum()
        x, y = (centred(z, both) for z in (x, y))
        x, y = (z / (z.square().sum(0) / count.clamp(min=1) + _LEAST_VARIANCE).sqrt() for z in (x, y))
        correlations = x.mT @ y / count.clamp(min=1)
        same = (correlations.diagonal() - 1).square()
        other = correlations.square().sum() - correlations.diagonal().square().sum()
        if self.published:
            return 0.025 * (same.sum() + 0.0051 * other), count > 1
        return same.mean() + self.redundancy * other / max(1, self.width * (self.width - 1)), count > 1


class VarianceCovariance(Projected):
    """Two modalities' projections are near to one another, vary, and no two features vary together: VICReg.

    The mean squared distance, and for each modality `variance` times the mean of max(0, 1 - deviation) over
    features, and `covariance` times the sum of squared covariances of two features by the width, halved.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        width: of the space that modalities are brought to.
        variance: the weight of what varies too little.
        covariance: the weight of what varies together.
        anchor: a modality that every other one is compared with; any two of them by default.
        published: all times 25, and sums over the two modalities, as in the paper.
    Shapes:
        seen -> ()
    Missing:
        a sample counts for the pairs of modalities that it has; a pair that fewer than two have does not
        count.
    Raises:
        ConfigError: fewer than two modalities, or an unknown one; a number out of its range.
    Also known as:
        VICReg.
    Reference:
        Bardes et al., VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning,
        ICLR 2022. Differs: between modalities; weights are by the first one's, which is 25 there.
    Example:
        >>> corpus = affect.load("synthetic:shared:aligned")
        >>> model = affect.FusionModel.for_corpus(corpus, "sentiment")
        >>> terms = {"alike": VarianceCovariance}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: alike"].item() > 0
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Projected.search_space,
        "variance": FloatDistribution(0.1, 10.0, log=True),
        "covariance": FloatDistribution(0.004, 0.4, log=True),
    }

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        width: int = 32,
        variance: float = 1.0,
        covariance: float = 0.04,
        anchor: str | None = None,
        published: bool = False,
    ) -> None:
        super().__init__(model, ids, weight, width, anchor)
        for name, value in (("variance", variance), ("covariance", covariance)):
            NOT_NEGATIVE.check(f"VarianceCovariance: {name}", value)
        self.variance, self.covariance, self.published = variance, covariance, published

    def of_pair(self, x: Tensor, y: Tensor, both: Tensor) -> Counted:
        count = both.sum()
        distance = ((x - y).square().mean(-1) * both).sum() / count.clamp(min=1)
        own = []
        for z in (x, y):
            z = centred(z, both)
            covariance = z.mT @ z / (count - 1).clamp(min=1)
            variances = covariance.diagonal()
            together = (covariance.square().sum() - variances.square().sum()) / self.width
            own.append(
                self.variance * F.relu(1 - (variances + 1e-4).sqrt()).mean() + self.covariance * together
            )
        value = distance + (own[0] + own[1]) / (1 if self.published else 2)
        return 25 * value if self.published else value, count > 1
