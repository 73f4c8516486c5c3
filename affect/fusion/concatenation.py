"""Early fusion: the vectors side by side, or added with weights."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.fusion.base import Extras, VectorFusion
from affect.layers import Activation, Dropout, PresenceWeights, activation_of, perceptron, softmax_over
from affect.naming import ModuleDict, ParameterDict
from affect.pooling import Pooling


class ConcatenationFusion(VectorFusion):
    """The vectors of all modalities side by side, then a perceptron.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        layers: hidden layers of size `out_dim`; 0 makes the fusion linear.
        dropout: rate at which hidden values are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
        activation: of hidden layers.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        a learned vector, zero until trained, takes the place of an absent modality.
    Also known as:
        early fusion, feature-level fusion, concatenation.
    Reference:
        Early fusion as in Baltrusaitis et al., Multimodal Machine Learning, TPAMI 2019, section 7.1.
    Example:
        >>> fusion = ConcatenationFusion({"text": 3, "visual": 2}, out_dim=4)
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
        layers: int = 0,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.absent = ParameterDict({m: nn.Parameter(torch.zeros(d)) for m, d in self.dims.items()})
        self.layers = perceptron(sum(self.dims.values()), out_dim, layers, dropout, activation=activation)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        filled = [torch.where(present[m].unsqueeze(-1), v, self.absent[m]) for m, v in vectors.items()]
        fused: Tensor = self.layers(torch.cat(filled, -1))
        return fused


class WeightedSumFusion(VectorFusion):
    """Every modality projected to one space and added with a learned weight.

    fused = V gelu(sum_m w_m (P_m h_m + p_m)) + b, where w is a softmax over the modalities that are there.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        dropout: rate at which values of the sum are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
        activation: of the sum, `gelu` in the formula.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["weights"]: (batch, modality), in alphabetical order
    Missing:
        the weights of the others grow to sum to one; with nothing there the sum is zero.
    Example:
        >>> fusion = WeightedSumFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {"dropout": FloatDistribution(0.0, 0.5)}

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.project = ModuleDict({m: nn.Linear(d, out_dim) for m, d in self.dims.items()})
        self.weigh = PresenceWeights(len(self.dims))
        self.layers = nn.Sequential(activation_of(activation), Dropout(dropout), nn.Linear(out_dim, out_dim))

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        projected = torch.stack([self.project[m](v) for m, v in vectors.items()], 1)
        weights = self.weigh(torch.stack(list(present.values()), 1))
        return self.layers(torch.einsum("bmo,bm->bo", projected, weights)), {"weights": weights}


class AttentionSumFusion(VectorFusion):
    """Every modality projected to one space and added with weights that are drawn from all of them.

    With u_m = relu(P_m h_m + p_m), a perceptron of all u_m side by side gives a weight a_m for each modality,
    and fused = sum_m a_m u_m. The weights are as they come, of either sign; with `softmax` they sum to one.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector, and of the perceptron's hidden layers.
        layers: hidden layers of the perceptron.
        softmax: whether weights are positive and sum to one over the modalities that are there.
        dropout: rate at which values of the projections, and hidden ones, are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["weights"]: (batch, modality), in alphabetical order
    Missing:
        an absent modality is zeros to the perceptron and has no weight; with nothing there the sum is zero.
    Also known as:
        the attention fusion of MERTools and MERBench.
    Reference:
        Lian et al., MERBench: A Unified Evaluation Benchmark for Multimodal Emotion Recognition, 2024.
        Differs: the perceptron has GELU, not ReLU.
    Example:
        >>> fusion = AttentionSumFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layers": IntDistribution(0, 2),
        "softmax": CategoricalDistribution((False, True)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        layers: int = 2,
        softmax: bool = False,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.softmax = softmax
        self.project = ModuleDict({m: nn.Linear(d, out_dim) for m, d in self.dims.items()})
        self.dropout = Dropout(dropout)
        self.weigh = perceptron(len(self.dims) * out_dim, len(self.dims), layers, dropout, out_dim)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        there = torch.stack(list(present.values()), 1)  # (batch, modality)
        projected = torch.stack([self.project[m](v).relu() for m, v in vectors.items()], 1)
        projected = self.dropout(projected * there.unsqueeze(-1))
        scores = self.weigh(projected.flatten(1))
        weights = softmax_over(scores, there, 1) if self.softmax else scores * there
        return torch.einsum("bmo,bm->bo", projected, weights), {"weights": weights}
