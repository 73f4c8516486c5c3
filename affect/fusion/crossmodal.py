"""Crossed attention between every two modalities."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.fusion.base import ProjectedFusion
from affect.layers import Dropout, TransformerStack
from affect.pooling import MeanPooling, Pooling
from affect.sequences import Sequence


class CrossModalTransformer(ProjectedFusion):
    """For every ordered pair of modalities, the steps of one attend to those of the other, layer upon layer.

    What a modality learned from each other one then stands side by side, attends to itself, and is pooled.
    Needs no alignment, and memory does not grow with the product of two modalities' steps.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: feature size of a direction's steps; divisible by `heads`.
        heads: attention heads.
        layers: of each direction.
        own_layers: of each modality's self-attention behind its directions.
        dropout: rate at which the output of attention and of feed-forward parts is dropped.
        key_dropout: rate at which whole attended steps are lost in training. (Losing single attention weights
            would put attention on PyTorch's slow path, which holds the matrices.)
        pooling: how a modality's steps become a vector; the mean by default.
        local: whether the heads of directions lean to the same moment (`affect.layers.Attention`).
        kernel: steps that a modality's first projection spans, odd; with 1 it is a linear layer.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        nothing comes from an absent modality, and its own part of the fused vector is zero; unobserved steps
        are never attended to.
    Raises:
        ConfigError: a single modality, a width that heads do not divide, or an even `kernel`.
    Reference:
        Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019, section 3.
        Differs: the residual path is not normed; by default linear maps in place of convolutions, the mean
        over steps, and heads that lean to a moment (`kernel=3`, `LastPooling` and `local=False` are the
        paper's); key masks; dropout of keys, not weights.
    Example:
        >>> fusion = CrossModalTransformer({"text": 3, "visual": 2}, out_dim=4, width=8)
        >>> fusion({m: Sequence.full(torch.ones(5, 7 * d, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "heads": CategoricalDistribution((1, 2, 4, 8)),
        "layers": IntDistribution(1, 4),
        "own_layers": IntDistribution(1, 3),
        "dropout": FloatDistribution(0.0, 0.5),
        "key_dropout": FloatDistribution(0.0, 0.3),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        own_layers: int = 1,
        dropout: float = 0.1,
        key_dropout: float = 0.0,
        pooling: Pooling | None = None,
        local: bool = True,
        kernel: int = 1,
    ) -> None:
        super().__init__(dims, out_dim, width, heads, kernel)
        self.require(2)
        self.pooling = MeanPooling() if pooling is None else pooling
        wide = (len(self.dims) - 1) * width
        self.directions = nn.ModuleDict(
            {
                pair: TransformerStack(width, heads, layers, dropout, key_dropout, crossed=True, local=local)
                for pair in self.ordered_pairs
            }
        )
        self.own = nn.ModuleDict(
            {m: TransformerStack(wide, heads, own_layers, dropout, key_dropout) for m in self.dims}
        )
        size = len(self.dims) * wide * self.pooling.factor
        self.residual = nn.Sequential(
            nn.Linear(size, size), nn.ReLU(), Dropout(dropout), nn.Linear(size, size)
        )
        self.out = nn.Linear(size, out_dim)

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        projected = self.project(inputs)
        learned: dict[str, list[Tensor]] = {m: [] for m in self.dims}
        for pair, (source, to) in self.ordered_pairs.items():
            learned[to].append(self.directions[pair](projected[to], projected[source]).values)
        vectors = [
            self.pooling(
                self.own[m](x.with_values(torch.cat(learned[m], -1)), wanted=self.pooling.reads(x.mask))
            )
            for m, x in projected.items()
        ]
        fused = torch.cat(vectors, -1)
        return Sequence.vector(self.out(fused + self.residual(fused)))
