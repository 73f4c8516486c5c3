"""Late fusion: every modality decides, and the decisions are averaged."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.fusion.base import Extras, VectorFusion
from affect.layers import PresenceWeights, perceptron
from affect.pooling import Pooling


class LateFusion(VectorFusion):
    """Each modality decides alone; the decisions are averaged with learned weights.

    A decision is the vector that the head reads. The head is linear, so the head of the average is the
    average of the heads: no modality sees another one before its decision is made.

    Args:
        dims: feature size of each modality.
        out_dim: size of a decision.
        layers: hidden layers of each modality's expert.
        dropout: rate at which hidden values are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["weights"]: (batch, modality), in alphabetical order
    Missing:
        an absent modality has no vote; with nothing there the decision is zero.
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
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        layers: int = 1,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.experts = nn.ModuleDict(
            {m: perceptron(d, out_dim, layers, dropout) for m, d in self.dims.items()}
        )
        self.weigh = PresenceWeights(len(self.dims))

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
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["weights"]: (batch, modality + 1), in alphabetical order, the joint expert last
    Missing:
        an absent modality has no vote, and is zero to the joint expert; the joint expert votes
        where anything is there.
    Reference:
        Hybrid fusion as in Baltrusaitis et al., Multimodal Machine Learning, TPAMI 2019, section 7.1.
    Example:
        >>> fusion = HybridFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = LateFusion.search_space

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        layers: int = 1,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.experts = nn.ModuleDict(
            {m: perceptron(d, out_dim, layers, dropout) for m, d in self.dims.items()}
        )
        self.joint = perceptron(sum(self.dims.values()), out_dim, layers, dropout)
        self.weigh = PresenceWeights(len(self.dims) + 1)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        decisions = [self.experts[m](v) for m, v in vectors.items()]
        decisions.append(self.joint(torch.cat(list(vectors.values()), -1)))
        there = torch.stack(list(present.values()), 1)
        weights = self.weigh(torch.cat([there, there.any(1, keepdim=True)], 1))
        return torch.einsum("bmo,bm->bo", torch.stack(decisions, 1), weights), {"weights": weights}
