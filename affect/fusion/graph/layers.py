"""Graph attention, and layers of it."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affect.attention import check_heads, feedforward
from affect.errors import ConfigError, check_flag
from affect.layers import Dropout, softmax_over
from affect.sequences import observed_first


class GraphAttention(nn.Module):
    """Each node attends to its neighbours along typed edges.

    With i a node, j a neighbour and t the kind of the edge between them, in every head the score of j is
    a . leaky_relu(W_s x_j + W_t x_i + e_t), and sum_j softmax_j(score) W_s x_j comes out.

    Args:
        dim: feature size; divisible by `heads`.
        heads: attention heads.
        kinds: of edges.
    Shapes:
        nodes: (batch, node, dim), index, kind, mask: (batch, node, edge) -> (batch, node, dim), and the
        weights (batch, node, edge, heads)
    Missing:
        an edge whose mask is False does not exist; a node without edges gets zeros.
    Raises:
        ConfigError: `dim` is not divisible by `heads`.
    Reference:
        Brody et al., How Attentive are Graph Attention Networks?, ICLR 2022, eq. 7, with edge features.
    Example:
        >>> edges = torch.tensor([[[0, 1], [0, 1]]])
        >>> out, weights = GraphAttention(4, heads=2)(torch.randn(1, 2, 4), edges, edges * 0, edges >= 0)
        >>> out.shape, weights.shape
        (torch.Size([1, 2, 4]), torch.Size([1, 2, 2, 2]))
    """

    def __init__(self, dim: int, heads: int, kinds: int = 1) -> None:
        super().__init__()
        check_heads("GraphAttention", dim, heads)
        self.source, self.target = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.kinds = nn.Parameter(torch.randn(kinds, dim) / dim**0.5)
        self.score = nn.Parameter(torch.randn(heads, dim // heads) / dim**0.5)

    def forward(self, nodes: Tensor, index: Tensor, kind: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend along the edges from the nodes `index`."""
        batch, count, edges = index.shape
        at = index.reshape(batch, -1, 1).expand(-1, -1, nodes.shape[-1])
        sources = self.source(nodes).gather(1, at).view(batch, count, edges, *self.score.shape)
        heard = self.target(nodes).unsqueeze(2) + self.kinds[kind]  # (batch, node, edge, dim)
        heard = F.leaky_relu(sources + heard.view(sources.shape), 0.2)
        weights = softmax_over((heard * self.score).sum(-1), mask.unsqueeze(-1), 2)
        return (weights.unsqueeze(-1) * sources).sum(2).flatten(2), weights


class _Layer(nn.Module):
    """Graph attention and a feed-forward part, each after a norm and added to what it read."""

    def __init__(self, dim: int, heads: int, kinds: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = GraphAttention(dim, heads, kinds)
        self.feedforward = feedforward(dim)
        self.dropout = Dropout(dropout)

    def forward(self, nodes: Tensor, index: Tensor, kind: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        found, weights = self.attention(self.norm(nodes), index, kind, mask)
        nodes = nodes + self.dropout(found)
        return nodes + self.dropout(self.feedforward(nodes)), weights.mean(-1)


def along_edges(layers: nn.ModuleList, edges: int) -> int:
    """A bound on the numbers that graph attention holds for edges of all samples together."""
    attention = cast("_Layer", layers[0]).attention
    many = 7 * len(layers) if torch.is_grad_enabled() else 7
    return many * edges * (attention.score.numel() + len(attention.score)) + 8 * edges


def graph_layers(who: str, dim: int, heads: int, layers: int, kinds: int, dropout: float) -> nn.ModuleList:
    """The layers of the graph `who`, which needs at least one."""
    check_heads(who, dim, heads)
    if layers < 1:
        raise ConfigError(f"{who}: layers must be at least 1, got {layers}")
    return nn.ModuleList(_Layer(dim, heads, kinds, dropout) for _ in range(layers))


def window_edges(observed: Tensor, past: int, future: int) -> tuple[Tensor, Tensor]:
    """Each observed step's edges from the observed steps around it: their origins, and which there are.

    Args:
        observed: which steps are.
        past: observed steps before a step that it has edges from.
        future: the same behind it.
    Shapes:
        observed: (batch, time) -> (batch, time, past + 1 + future), twice
    Example:
        >>> index, there = window_edges(torch.tensor([[True, False, True]]), past=1, future=0)
        >>> index[0, 2], there[0, :, 0]
        (tensor([0, 2]), tensor([False, False,  True]))
    """
    offset = torch.arange(-past, future + 1, device=observed.device)
    order = observed_first(observed)
    at = (observed.cumsum(1) - 1).unsqueeze(-1) + offset
    there = (at >= 0) & (at < observed.sum(1)[:, None, None]) & observed.unsqueeze(-1)
    known = at.clamp(0, observed.shape[1] - 1)
    return order.gather(1, known.flatten(1)).view(at.shape), there


def check_causal(who: str, causal: bool, future: int) -> None:
    """Refuse edges from later steps to a graph that is to read none.

    Raises:
        ConfigError: there are, or `causal` is neither True nor False.
    Example:
        >>> check_causal("ContextGraphFusion", True, 2)
        Traceback (most recent call last):
        affect.errors.ConfigError: ContextGraphFusion: causal, it has no edges from later steps, got future 2;
        set future to 0
    """
    check_flag(f"{who}: causal", causal)
    if causal and future:
        raise ConfigError(
            f"{who}: causal, it has no edges from later steps, got future {future}; set future to 0"
        )
