"""Fusion in spaces that modalities share and that each has for itself."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn

from affect.attention import TransformerLayer, check_heads
from affect.fusion.base import Extras, VectorFusion
from affect.layers import Activation
from affect.naming import ModuleDict
from affect.pooling import Pooling
from affect.sequences import Sequence
from affect.sizes import held, weights_of_attention


class SharedPrivateFusion(VectorFusion):
    """Every modality has a part in a shared space and a part of its own; all parts attend to each other.

    With u_m the vector of modality m brought to `width`, s_m = S(u_m) through one encoder for all, and p_m =
    P_m(u_m) through one of its own. What keeps shared parts alike and private ones apart are auxiliary losses
    on the extras.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: size of the spaces; divisible by `heads`.
        heads: attention heads.
        dropout: rate at which the output of attention and of the feed-forward part is dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
        activation: of attention's feed-forward part.
        hidden: size of its hidden layer; four times `width` by default.
        post_norm: norm what comes out of attention, and of its feed-forward part, with what they read,
            instead of what they read.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["projected"], extras["shared"], extras["private"]: (batch, modality, width), in alphabetical
        order
    Missing:
        an absent modality has no part in attention, and zeros in the extras and in the fused vector.
    Raises:
        ConfigError: a width that heads do not divide.
    Also known as:
        MISA.
    Reference:
        Hazarika et al., MISA: Modality-Invariant and -Specific Representations for Multimodal Sentiment
        Analysis, ACM Multimedia 2020, section 3.
        Differs: by default norms before attention and before its feed-forward part, which has GELU, not ReLU,
        and is narrower; `post_norm: true, activation: relu, hidden: 2048` is the authors'. A linear layer
        reads the parts; a hidden one is the head's (`layers: 1`).
    Example:
        >>> fusion = SharedPrivateFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> inputs = {m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}
        >>> {name: tuple(extra.shape) for name, extra in fusion.with_extras(inputs)[1].items()}
        {'projected': (5, 2, 32), 'shared': (5, 2, 32), 'private': (5, 2, 32)}
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64, 128)),
        "heads": CategoricalDistribution((1, 2, 4, 8)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        heads: int = 2,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
        activation: Activation = "gelu",
        hidden: int | None = None,
        post_norm: bool = False,
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        check_heads("SharedPrivateFusion", width, heads)
        self.width = width
        self.project = ModuleDict(
            {
                m: nn.Sequential(nn.Linear(d, width), nn.ReLU(), nn.LayerNorm(width))
                for m, d in self.dims.items()
            }
        )
        self.shared = nn.Sequential(nn.Linear(width, width), nn.Sigmoid())
        self.private = ModuleDict(
            {m: nn.Sequential(nn.Linear(width, width), nn.Sigmoid()) for m in self.dims}
        )
        self.attention = TransformerLayer(
            width, heads, dropout, hidden=hidden, activation=activation, post_norm=post_norm
        )
        self.out = nn.Linear(2 * len(self.dims) * width, out_dim)

    @property
    def offers(self) -> dict[str, int]:
        return dict.fromkeys(("projected", "shared", "private"), self.width)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        there = torch.stack(list(present.values()), 1)  # (batch, modality)
        projected = {m: self.project[m](v) for m, v in vectors.items()}
        parts = {
            "projected": list(projected.values()),
            "shared": [self.shared(u) for u in projected.values()],
            "private": [self.private[m](u) for m, u in projected.items()],
        }
        extras = {name: Sequence(torch.stack(part, 1), there).values for name, part in parts.items()}
        spaces = Sequence(torch.cat([extras["shared"], extras["private"]], 1), there.repeat(1, 2))
        return self.out(self.attention(spaces).values.flatten(1)), extras

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        spaces = 2 * len(self.dims)
        kept = weights_of_attention(self.attention.attention.heads, batch, spaces, spaces)
        return super().activations(batch, steps) + held(self.attention, batch * spaces) + kept
