"""A graph over modalities."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.fusion.base import Extras, VectorFusion
from affect.fusion.graph.layers import along_edges, graph_layers
from affect.naming import ModuleDict
from affect.pooling import Pooling
from affect.sequences import Sequence
from affect.sizes import held, of_inputs


class ModalityGraphFusion(VectorFusion):
    """A graph whose nodes are the modalities' vectors, with an edge of its own kind between every two.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: feature size of the nodes; divisible by `heads`.
        heads: attention heads.
        layers: of attention.
        dropout: rate at which the output of attention and of feed-forward parts is dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["attention"]: (batch, modality, modality it comes from), of the last layer, a mean over heads
    Missing:
        an absent modality is an absent node: it has no edges, and the mean over nodes leaves it out.
    Raises:
        ConfigError: a single modality, a width that heads do not divide, or no layers.
    Also known as:
        GATv2 over modalities.
    Reference:
        Graph attention over modalities, Brody et al., How Attentive are Graph Attention Networks?, ICLR 2022.
    Example:
        >>> fusion = ModalityGraphFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "heads": CategoricalDistribution((1, 2, 4, 8)),
        "layers": IntDistribution(1, 4),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.require(2)
        self.project = ModuleDict({m: nn.Linear(d, width) for m, d in self.dims.items()})
        kinds = len(self.dims) ** 2
        self.layers = graph_layers("ModalityGraphFusion", width, heads, layers, kinds, dropout)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, out_dim))

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        nodes = torch.stack([self.project[m](v) for m, v in vectors.items()], 1)
        there = torch.stack(list(present.values()), 1)  # (batch, modality)
        every = torch.arange(len(self.dims), device=nodes.device)
        mask = there.unsqueeze(1) & there.unsqueeze(2)
        index = every.expand(mask.shape)
        kind = (len(self.dims) * every.unsqueeze(1) + every).expand(mask.shape)
        weights = mask.to(nodes.dtype)
        for layer in self.layers:
            nodes, weights = layer(nodes, index, kind, mask)
        return self.out(Sequence(nodes, there).mean()), {"attention": weights}

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        nodes = len(self.dims)
        of_edges = along_edges(self.layers, batch * nodes**2)
        return held(self, batch * nodes) + of_edges + of_inputs(self.dims, batch, steps, self.pooling.copies)
