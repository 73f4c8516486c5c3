"""Late fusion: every modality decides, and the decisions become one."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.fusion.base import Extras, VectorFusion
from affect.layers import Activation, PresenceWeights, perceptron
from affect.naming import ModuleDict
from affect.pooling import Pooling
from affect.sequences import Sequence


class LateFusion(VectorFusion):
    """Each modality decides alone; the decisions are averaged, with learned weights or plainly.

    A decision is the vector that the head reads. The head is linear, so the head of the average is the
    average of the heads: no modality sees another one before its decision is made.

    Args:
        dims: feature size of each modality.
        out_dim: size of a decision.
        layers: hidden layers of each modality's expert.
        dropout: rate at which hidden values are dropped.
        weighted: whether the weights are learned; else all that are there count alike.
        pooling: how the steps of a modality become a vector; the mean by default.
        activation: of hidden layers.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["weights"]: (batch, modality), in alphabetical order
    Missing:
        an absent modality has no vote; with nothing there the decision is zero.
    Also known as:
        late fusion, decision-level fusion, LF-DNN, LF-LSTM.
    Reference:
        Late fusion as in Baltrusaitis et al., Multimodal Machine Learning, TPAMI 2019, section 7.1.
    Example:
        >>> fusion = LateFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layers": IntDistribution(0, 2),
        "dropout": FloatDistribution(0.0, 0.5),
        "weighted": CategoricalDistribution((False, True)),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        layers: int = 1,
        dropout: float = 0.1,
        weighted: bool = True,
        pooling: Pooling | None = None,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.experts = ModuleDict(
            {m: perceptron(d, out_dim, layers, dropout, activation=activation) for m, d in self.dims.items()}
        )
        self.weigh = PresenceWeights(len(self.dims), weighted)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        decisions = torch.stack([self.experts[m](v) for m, v in vectors.items()], 1)
        weights = self.weigh(torch.stack(list(present.values()), 1))
        return torch.einsum("bmo,bm->bo", decisions, weights), {"weights": weights}


class HybridFusion(VectorFusion):
    """Late fusion with one more expert that sees all modalities side by side.

    Args:
        dims: feature size of each modality.
        out_dim: size of a decision.
        layers: hidden layers of every expert.
        dropout: rate at which hidden values are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
        activation: of hidden layers.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["weights"]: (batch, modality + 1), in alphabetical order, the joint expert last
    Missing:
        an absent modality has no vote, and is zero to the joint expert; the joint expert votes
        where anything is there.
    Also known as:
        hybrid fusion.
    Reference:
        Hybrid fusion as in Baltrusaitis et al., Multimodal Machine Learning, TPAMI 2019, section 7.1.
    Example:
        >>> fusion = HybridFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layers": IntDistribution(0, 2),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        layers: int = 1,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.experts = ModuleDict(
            {m: perceptron(d, out_dim, layers, dropout, activation=activation) for m, d in self.dims.items()}
        )
        self.joint = perceptron(sum(self.dims.values()), out_dim, layers, dropout, activation=activation)
        self.weigh = PresenceWeights(len(self.dims) + 1)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        decisions = [self.experts[m](v) for m, v in vectors.items()]
        decisions.append(self.joint(torch.cat(list(vectors.values()), -1)))
        there = torch.stack(list(present.values()), 1)
        weights = self.weigh(torch.cat([there, there.any(1, keepdim=True)], 1))
        return torch.einsum("bmo,bm->bo", torch.stack(decisions, 1), weights), {"weights": weights}


class ProductOfExpertsFusion(VectorFusion):
    """Each modality decides and says how sure it is: decisions are averaged by their precision.

    Every expert gives each value of the decision a normal density, with mean mu_m and precision t_m > 0;
    their product with a standard normal prior has the mean sum_m t_m mu_m / (1 + sum_m t_m), which comes out.

    Args:
        dims: feature size of each modality.
        out_dim: size of a decision.
        layers: hidden layers of each modality's expert.
        dropout: rate at which hidden values are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
        activation: of hidden layers.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["precisions"]: (batch, modality, out_dim), in alphabetical order
    Missing:
        an absent modality is not in the product; with nothing there the prior's mean, zero, comes out.
    Also known as:
        PoE, MVAE.
    Reference:
        Wu and Goodman, Multimodal Generative Models for Scalable Weakly-Supervised Learning, NeurIPS 2018,
        section 2.2.
        Differs: densities of a decision, not of a latent that is decoded.
    Example:
        >>> fusion = ProductOfExpertsFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = HybridFusion.search_space

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        layers: int = 1,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.experts = ModuleDict(
            {
                m: perceptron(d, 2 * out_dim, layers, dropout, activation=activation)
                for m, d in self.dims.items()
            }
        )

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        mean, raw = torch.stack([self.experts[m](v) for m, v in vectors.items()], 1).chunk(2, -1)
        precision = F.softplus(raw) * torch.stack(list(present.values()), 1).unsqueeze(-1)
        return (precision * mean).sum(1) / (1 + precision.sum(1)), {"precisions": precision}


class StackingFusion(VectorFusion):
    """Each modality decides alone; a second level reads all decisions and corrects their mean.

    No gradient passes from the second level to the experts: they learn to decide alone, and it learns how far
    each is to be trusted, whatever the others say.

    Args:
        dims: feature size of each modality.
        out_dim: size of a decision.
        layers: hidden layers of each modality's expert, and of the second level.
        dropout: rate at which hidden values are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
        activation: of hidden layers.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        an absent modality is not in the mean; a learned decision, zero until trained, takes its place before
        the second level.
    Also known as:
        stacked generalization.
    Reference:
        Wolpert, Stacked Generalization, Neural Networks 1992.
        Differs: both levels learn at the same time, the second not on held-out decisions.
    Example:
        >>> fusion = StackingFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = HybridFusion.search_space

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        layers: int = 1,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.experts = ModuleDict(
            {m: perceptron(d, out_dim, layers, dropout, activation=activation) for m, d in self.dims.items()}
        )
        self.absent = nn.Parameter(torch.zeros(len(self.dims), out_dim))
        self.second = perceptron(len(self.dims) * out_dim, out_dim, layers, dropout, activation=activation)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        there = torch.stack(list(present.values()), 1)
        decisions = Sequence(torch.stack([self.experts[m](v) for m, v in vectors.items()], 1), there)
        votes = torch.where(there.unsqueeze(-1), decisions.values.detach(), self.absent)
        corrected: Tensor = decisions.mean() + self.second(votes.flatten(1))
        return corrected
