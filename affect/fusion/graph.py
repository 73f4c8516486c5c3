"""Graphs over steps, over modalities, and over what modalities say together."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import ClassVar, TypeAlias

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.errors import ConfigError
from affect.fusion.base import Extras, Fusion, VectorFusion
from affect.layers import Dropout, check_heads, feedforward, perceptron, softmax_over
from affect.naming import ModuleDict
from affect.pooling import Pooling
from affect.sequences import Sequence, join, observed_first, place

Set: TypeAlias = tuple[str, ...]
"""Modalities by name."""


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


def _layers(who: str, dim: int, heads: int, layers: int, kinds: int, dropout: float) -> nn.ModuleList:
    """The layers of the graph `who`, which needs at least one."""
    check_heads(who, dim, heads)
    if layers < 1:
        raise ConfigError(f"{who}: layers must be at least 1, got {layers}")
    return nn.ModuleList(_Layer(dim, heads, kinds, dropout) for _ in range(layers))


class TemporalGraphFusion(Fusion):
    """A graph over the observed steps of all modalities, with edges by modality and by time.

    A step has edges from the step of every modality, its own included, that is nearest in time, and from the
    `reach` observed steps before and after that one; modalities and past, present or future make the kind of
    an edge. Time is a step's relative place (`affect.sequences.place`), so nothing need be aligned, and cost
    grows with the steps, not with their square. After each layer but the last the edges of least weight are
    pruned.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: feature size of the nodes; divisible by `heads`.
        heads: attention heads.
        layers: of attention.
        reach: steps before and after the nearest one.
        keep: share of a node's edges that outlive a layer, in (0, 1].
        dropout: rate at which the output of attention and of feed-forward parts is dropped.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["attention"]: (batch, steps of all modalities, edges), of the last layer, a mean over heads
    Missing:
        an unobserved step is no node, and past and future count observed steps alone; an absent modality's
        part of the fused vector is zero.
    Raises:
        ConfigError: a width that heads do not divide, no layers, a negative reach, or a share not in (0, 1].
    Reference:
        Yang et al., MTAG: Modal-Temporal Attention Graph for Unaligned Human Multimodal Language Sequences,
        NAACL 2021. Differs: attention is GATv2's; edges reach so many steps, not all; a share of each node's
        edges is pruned, not of all; each modality's nodes are averaged.
    Example:
        >>> fusion = TemporalGraphFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7 * d, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "heads": CategoricalDistribution((1, 2, 4, 8)),
        "layers": IntDistribution(1, 4),
        "reach": IntDistribution(0, 8),
        "keep": FloatDistribution(0.4, 1.0),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        reach: int = 2,
        keep: float = 0.8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim)
        if reach < 0 or not 0 < keep <= 1:
            raise ConfigError(
                "TemporalGraphFusion: reach must be 0 or more and keep within (0, 1], "
                f"got reach={reach}, keep={keep}"
            )
        self.reach, self.keep = reach, keep
        self.project = ModuleDict({m: nn.Linear(d, width) for m, d in self.dims.items()})
        kinds = 3 * len(self.dims) ** 2
        self.layers = _layers("TemporalGraphFusion", width, heads, layers, kinds, dropout)
        self.out = nn.Sequential(
            nn.LayerNorm(len(self.dims) * width), nn.Linear(len(self.dims) * width, out_dim)
        )

    def fuse(self, inputs: dict[str, Sequence]) -> tuple[Sequence, Extras]:
        steps = {m: x.with_values(self.project[m](x.values)) for m, x in inputs.items()}
        index, kind, mask = self.edges(inputs)
        nodes = join(steps.values()).values
        weights = mask.to(nodes.dtype)
        for place_, layer in enumerate(self.layers):
            if place_:
                mask = _heaviest(weights, mask, self.keep)
            nodes, weights = layer(nodes, index, kind, mask)
        parts = torch.split(nodes, [x.time for x in inputs.values()], 1)
        means = [x.with_values(part).mean() for x, part in zip(inputs.values(), parts, strict=True)]
        return Sequence.vector(self.out(torch.cat(means, -1))), {"attention": weights}

    def edges(self, inputs: dict[str, Sequence]) -> tuple[Tensor, Tensor, Tensor]:
        """Origins, kinds and existence of each step's edges, (batch, step, edge) each.

        Steps are those of all modalities one after the other. Types are 3 (modalities a + b) + 0, 1 or 2 for
        past, present and future, with a the place of the step's modality among all, and b that of the edge's
        origin.
        """
        starts = [0, *itertools.accumulate(x.time for x in inputs.values())]
        offset = torch.arange(-self.reach, self.reach + 1, device=next(iter(inputs.values())).mask.device)
        when = offset.sign() + 1
        found = []
        for a, x in enumerate(inputs.values()):
            index: list[Tensor] = []
            kind: list[Tensor] = []
            mask: list[Tensor] = []
            for b, other in enumerate(inputs.values()):
                order = observed_first(other.mask)
                at = _nearest(x.mask, other.mask, order).unsqueeze(-1) + offset
                there = (at >= 0) & (at < other.lengths[:, None, None]) & x.mask.unsqueeze(-1)
                known = at.clamp(0, other.time - 1).flatten(1)
                index.append(starts[b] + order.gather(1, known).view(at.shape))
                kind.append((3 * (len(inputs) * a + b) + when).expand(at.shape))
                mask.append(there)
            found.append([torch.cat(part, -1) for part in (index, kind, mask)])
        whole = [torch.cat(part, 1) for part in zip(*found, strict=True)]
        return whole[0], whole[1], whole[2]


def _nearest(mask: Tensor, other: Tensor, order: Tensor) -> Tensor:
    """(batch, time): for every step, the number among the other's observed steps of the nearest."""
    ours, theirs = place(mask, torch.float64), place(other, torch.float64)
    observed = other.gather(1, order)
    theirs = torch.where(observed, theirs.gather(1, order), torch.inf)
    right = torch.searchsorted(theirs, ours).clamp(max=other.shape[1] - 1)
    left = (right - 1).clamp(min=0)
    nearer = ours - theirs.gather(1, left) <= theirs.gather(1, right) - ours
    return torch.where(nearer, left, right)


def _heaviest(weights: Tensor, mask: Tensor, keep: float) -> Tensor:
    """Of each node's edges in `mask`, the share `keep` with the greatest weights, rounded up."""
    order = torch.argsort(weights.detach().masked_fill(~mask, -1), dim=-1, descending=True, stable=True)
    kept: Tensor = mask & (order.argsort(-1) < (keep * mask.sum(-1, keepdim=True)).ceil())
    return kept


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
        self.layers = _layers("ModalityGraphFusion", width, heads, layers, kinds, dropout)
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


class DynamicGraphFusion(VectorFusion):
    """A vertex for every set of modalities, made from those of its parts by how much each matters.

    The vertex of a modality is its vector, projected; that of a larger set is what a network of its own makes
    of the vertices of all its proper subsets; the fused vector is made of all vertices. One network says from
    the single modalities how much comes through each edge (its efficacy, a sigmoid).

    Args:
        dims: feature size of each modality, six modalities at most: there are 2^modalities - 1 vertices.
        out_dim: size of the fused vector.
        width: size of a vertex.
        dropout: rate at which hidden values of the networks are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["efficacies"]: (batch, edge), by the sets that edges go to, the fused vector last
    Missing:
        nothing comes from a vertex that has an absent modality in its set: its efficacies are zero.
    Raises:
        ConfigError: a single modality, or more than six.
    Reference:
        Zadeh et al., Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic
        Fusion Graph, ACL 2018, section 4.1. Differs: on pooled vectors; `PerStep` puts it at each step.
    Example:
        >>> fusion = DynamicGraphFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        check_vertices(self)
        self.project = ModuleDict({m: nn.Linear(d, width) for m, d in self.dims.items()})
        self.networks, self.efficacy = graph_networks(self.dims, width, dropout)
        self.out = nn.Linear(len(vertices_of(self.dims)) * width, out_dim)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        singles = {m: self.project[m](x) for m, x in vectors.items()}
        vertices, efficacies = grown(singles, present, self.networks, self.efficacy)
        return self.out(vertices), {"efficacies": efficacies}


def check_vertices(fusion: Fusion) -> None:
    """Refuse a single modality, or more than six, to a fusion with a vertex for every set of them.

    Raises:
        ConfigError: the fusion has fewer than two modalities or more than six.
    """
    fusion.require(2)
    if len(fusion.dims) > 6:
        raise ConfigError(
            f"{type(fusion).__name__}: needs 2 to 6 modalities, got {len(fusion.dims)}, which would make "
            f"{2 ** len(fusion.dims) - 1} vertices"
        )


def vertices_of(names: Iterable[str]) -> list[Set]:
    """Every set of modalities but the empty one, the small ones first.

    Example:
        >>> vertices_of("ab")
        [('a',), ('b',), ('a', 'b')]
    """
    names = list(names)
    return [part for size in range(1, len(names) + 1) for part in itertools.combinations(names, size)]


def parts_of(names: Iterable[str]) -> dict[Set, list[Set]]:
    """The proper subsets of every set of two modalities or more.

    Example:
        >>> parts_of("ab")
        {('a', 'b'): [('a',), ('b',)]}
    """
    vertices = vertices_of(names)
    return {v: [u for u in vertices if set(u) < set(v)] for v in vertices if len(v) > 1}


def graph_networks(names: Iterable[str], width: int, dropout: float) -> tuple[ModuleDict, nn.Sequential]:
    """A network for every vertex of two modalities or more, by its name; and the one of the efficacies."""
    names = list(names)
    parts = parts_of(names)
    networks = {str(v): perceptron(len(own) * width, width, 1, dropout) for v, own in parts.items()}
    edges = sum(len(own) for own in parts.values()) + len(vertices_of(names))
    return ModuleDict(networks), perceptron(len(names) * width, edges, 1, dropout)


def grown(
    singles: Mapping[str, Tensor], present: Mapping[str, Tensor], networks: ModuleDict, efficacy: nn.Module
) -> tuple[Tensor, Tensor]:
    """All vertices of the dynamic fusion graph, each times its efficacy; and the efficacies.

    Args:
        singles: the vertices of single modalities.
        present: which of them are there; nothing comes from a vertex with another in its set.
        networks: for every vertex of two modalities or more, by its name (`graph_networks`).
        efficacy: draws the efficacies from the vertices of single modalities.
    Shapes:
        singles[m]: (..., width), present[m]: (...) bool -> (..., vertices * width), (..., edge)
    Example:
        >>> networks, efficacy = graph_networks("ab", 4, dropout=0.0)
        >>> singles = {m: torch.ones(2, 7, 4) for m in "ab"}
        >>> present = {m: torch.ones(2, 7, dtype=torch.bool) for m in "ab"}
        >>> [x.shape for x in grown(singles, present, networks, efficacy)]
        [torch.Size([2, 7, 12]), torch.Size([2, 7, 5])]
    """
    vertices = vertices_of(singles)
    there = {v: torch.stack([present[m] for m in v]).all(0).unsqueeze(-1) for v in vertices}
    value: dict[Set, Tensor] = {(m,): x * there[m,] for m, x in singles.items()}
    efficacies = efficacy(torch.cat(list(value.values()), -1)).sigmoid().split(1, -1)
    used: list[Tensor] = []

    def weighted(parts: list[Set]) -> Tensor:
        own = [efficacies[len(used) + i] * there[u] for i, u in enumerate(parts)]
        used.extend(own)
        return torch.cat([share * value[u] for share, u in zip(own, parts, strict=True)], -1)

    for v, parts in parts_of(singles).items():
        value[v] = networks[str(v)](weighted(parts))
    return weighted(vertices), torch.cat(used, -1)
