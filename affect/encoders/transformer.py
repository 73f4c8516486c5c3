"""Transformer encoders."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.encoders.base import Encoder
from affect.errors import ConfigError
from affect.sequences import Sequence


def positions(x: Sequence, dim: int) -> Tensor:
    """Sinusoids of each step's distance from the sample's first observed step, (batch, time, dim).

    Steps before the first observed one, padding in front included, do not shift the others.
    """
    steps = torch.arange(x.time, device=x.mask.device)
    first = torch.where(x.mask, steps, x.time).amin(1, keepdim=True)
    rates = torch.exp(
        torch.arange(0, dim, 2, device=steps.device, dtype=x.values.dtype) * (-math.log(10000.0) / dim)
    )
    angles = (steps - first).to(x.values.dtype).unsqueeze(-1) * rates  # (batch, time, dim / 2, rounded up)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[..., :dim]


class Attention(nn.Module):
    """Multi-head attention of a sequence over its own observed steps."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # the key's bias shifts every score of a query alike and cannot learn; only query and value have one
        self.query_value = nn.Linear(dim, 2 * dim)
        self.key = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Sequence) -> Tensor:
        """(batch, time, dim) -> (batch, time, dim); a sample without observed steps attends to zeros."""
        query, value = self.query_value(x.values).chunk(2, -1)
        query, key, value = (
            t.view(*t.shape[:-1], self.heads, -1).transpose(1, 2) for t in (query, self.key(x.values), value)
        )  # (batch, heads, time, dim / heads)
        seen = x.mask | ~x.present.unsqueeze(1)  # a softmax over nothing would be NaN
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen[:, None, None, :])
        mixed = mixed.transpose(1, 2).flatten(-2)  # (batch, time, dim)
        out: Tensor = self.out(mixed)
        return out


class TransformerEncoder(Encoder):
    """Pre-norm self-attention over the observed steps.

    Args:
        in_dim: feature size of the modality.
        out_dim: width, and feature size of the encoded steps; divisible by `heads`.
        layers: how many are stacked.
        heads: attention heads.
        dropout: rate at which the output of attention and of the feed-forward part is dropped. Attention
            weights are not dropped: that would cost the fast path of scaled_dot_product_attention.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim)
    Missing:
        unobserved steps are never a key; positions count from the first observed step.
    Raises:
        ConfigError: `out_dim` is not divisible by `heads`.
    Reference:
        Vaswani et al., Attention Is All You Need, NeurIPS 2017.
        Differs: norm before each part (Xiong et al., ICML 2020), and the key has no bias.
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
        self, in_dim: int, out_dim: int, layers: int = 2, heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__(in_dim, out_dim)
        if out_dim % heads:
            raise ConfigError(
                f"TransformerEncoder: out_dim must be divisible by heads, got {out_dim} and {heads}"
            )
        self.project = nn.Linear(in_dim, out_dim)
        self.norms = nn.ModuleList(nn.LayerNorm(out_dim) for _ in range(2 * layers))
        self.attentions = nn.ModuleList(Attention(out_dim, heads) for _ in range(layers))
        self.feedforwards = nn.ModuleList(
            nn.Sequential(nn.Linear(out_dim, 4 * out_dim), nn.GELU(), nn.Linear(4 * out_dim, out_dim))
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(out_dim)
        self.dropout = nn.Dropout(dropout)

    def encode(self, x: Sequence) -> Sequence:
        h = x.with_values(self.project(x.values) + positions(x, self.out_dim))
        for i, (attention, feedforward) in enumerate(zip(self.attentions, self.feedforwards, strict=True)):
            h = h.with_values(h.values + self.dropout(attention(h.with_values(self.norms[2 * i](h.values)))))
            h = h.with_values(h.values + self.dropout(feedforward(self.norms[2 * i + 1](h.values))))
        return h.with_values(self.norm(h.values))
