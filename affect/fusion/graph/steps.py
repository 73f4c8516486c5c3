"""A graph over the steps of all modalities."""

from __future__ import annotations

import itertools
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.fusion.base import Extras, Fusion
from affect.fusion.graph.layers import along_edges, graph_layers
from affect.naming import ModuleDict
from affect.sequences import Sequence, join, observed_first, place


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
    Also known as:
        MTAG.
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
        self.reach, self.keep = reach, keep
        self.project = ModuleDict({m: nn.Linear(d, width) for m, d in self.dims.items()})
        kinds = 3 * len(self.dims) ** 2
        self.layers = graph_layers("TemporalGraphFusion", width, heads, layers, kinds, dropout)
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

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        nodes = batch * sum(steps.values())
        edges = nodes * len(self.dims) * (2 * self.reach + 1)
        return super().activations(batch, steps) + along_edges(self.layers, edges)

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
