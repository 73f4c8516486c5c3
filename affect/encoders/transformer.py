"""Transformer encoders."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import nn

from affect.attention import TransformerLayer, check_heads, not_later
from affect.encoders.base import Gate, LayeredEncoder
from affect.errors import check_flag
from affect.layers import Activation, sinusoids
from affect.sequences import Sequence, extent
from affect.sizes import weights_of_attention


class TransformerEncoder(LayeredEncoder):
    """Self-attention over the observed steps, pre-norm by default.

    Args:
        in_dim: feature size of the modality.
        out_dim: width, and feature size of the encoded steps; divisible by `heads`.
        layers: how many are stacked.
        heads: attention heads.
        dropout: rate at which the output of attention and of the feed-forward part is dropped.
        activation: of the feed-forward part.
        hidden: size of its hidden layer; four times `out_dim` by default.
        post_norm: norm what comes out of each part, with what it read, instead of what it reads; there is no
            norm behind the last layer then.
        causal: whether a step attends to none that is later; all weights are held then.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim)
    Missing:
        unobserved steps are never a key; positions count from the first observed step.
    Raises:
        ConfigError: `out_dim` is not divisible by `heads`, or `causal` is neither True nor False.
    Reference:
        Vaswani et al., Attention Is All You Need, NeurIPS 2017.
        Differs: norm before each part (Xiong et al., ICML 2020) and GELU, unless `post_norm` and `activation`
        say otherwise; the key has no bias, which would shift all scores of a query alike.
    Example:
        >>> TransformerEncoder(3, 8)(Sequence.full(torch.ones(2, 7, 3))).values.shape
        torch.Size([2, 7, 8])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layers": IntDistribution(1, 4),
        "heads": CategoricalDistribution((1, 2, 4, 8)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        activation: Activation = "gelu",
        hidden: int | None = None,
        post_norm: bool = False,
        causal: bool = False,
    ) -> None:
        super().__init__(in_dim, out_dim)
        check_heads("TransformerEncoder", out_dim, heads)
        check_flag("TransformerEncoder: causal", causal)
        self.project = nn.Linear(in_dim, out_dim)
        self.layers = nn.ModuleList(
            TransformerLayer(
                out_dim, heads, dropout, hidden=hidden, activation=activation, post_norm=post_norm
            )
            for _ in range(layers)
        )
        self.norm: nn.Module = nn.Identity() if post_norm else nn.LayerNorm(out_dim)
        self.width, self.depth, self.heads, self.causal = out_dim, layers, heads, causal

    def activations(self, batch: int, steps: int) -> int:
        kept = self.depth * weights_of_attention(self.heads, batch, steps, steps)
        if self.causal:  # which steps each layer may read
            kept += self.depth * batch * steps * steps
        return super().activations(batch, steps) + kept

    def encode_with(self, x: Sequence, gate: Gate | None, layer: int, others: list[Sequence]) -> Sequence:
        # steps since the first observed one: what is padded in front shifts nothing
        places = torch.arange(x.time, device=x.mask.device) - extent(x.mask)[0]
        h = x.with_values(self.project(x.values) + sinusoids(places.to(x.values.dtype), self.out_dim))
        allowed = not_later(x.mask, x.mask) if self.causal else None
        for part in self.layers[:layer]:
            h = part(h, allowed=allowed)
        if gate is not None:
            h = gate(h, others)
        for part in self.layers[layer:]:
            h = part(h, allowed=allowed)
        return h.with_values(self.norm(h.values))
