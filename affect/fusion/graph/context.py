"""A graph over the utterances of a conversation."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, cast

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import nn

from affect.encoders import LSTMEncoder
from affect.fusion.base import Extras
from affect.fusion.dialogue import DialogueFusion, same_speaker
from affect.fusion.graph.layers import along_edges, check_causal, graph_layers, window_edges
from affect.sequences import Sequence


class ContextGraphFusion(DialogueFusion):
    """Each step of a conversation reads its neighbours along a graph, by who speaks and by past and future.

    The modalities of a step side by side are read by an LSTM in both directions. A step has edges from the
    observed steps that are at most so many before and behind it, and from itself. Of one graph the kinds of
    edges are past, present and future; of another one, where `speaker` names a modality, the same speaker,
    another one, and nobody knows. What a graph's layers find stands beside what they read, and is read by an
    LSTM in both directions; the graphs' results are added.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of a fused step.
        speaker: a modality that tells who speaks: in the same words for the same speaker, such as a one for
            each in its place. It makes edges and is not fused; leave it unencoded (`PassEncoder`).
        width: feature size of the nodes; divisible by `heads`.
        heads: attention heads.
        layers: of each graph.
        past: observed steps before a step that it has edges from.
        future: the same behind it.
        dropout: rate at which what LSTMs read, and what attention and feed-forward parts give, is dropped.
        causal: whether nothing later is read: LSTMs read in one direction, and `future` is 0.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, time, out_dim)
        extras["attention"]: (batch, time, past + 1 + future), by past and future, of the last layer, a mean
        over heads
    Missing:
        a learned vector, zero until trained, takes the place of a modality that is unobserved at a step; a
        step is unobserved, and no node, where not even the speaker is known. Past and future count
        observed steps alone.
    Raises:
        ConfigError: no such speaker, or nothing but one; a width that heads do not divide, no layers, a
            negative number of steps, or a causal one that reads the future.
        ShapeError: the sequences differ in their steps.
    Also known as:
        GCNet.
    Reference:
        Lian et al., GCNet: Graph Completion Network for Incomplete Multimodal Learning in Conversation, TPAMI
        2023, section 3; Ghosal et al., DialogueGCN, EMNLP 2019.
        Differs: attention is GATv2's in all layers, not relational and plain convolutions; speakers are the
        same or not, not each pair a kind; no attention over all steps behind the graphs.
    Example:
        >>> fusion = ContextGraphFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 7, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((32, 64, 128)),
        "heads": CategoricalDistribution((1, 2, 4, 8)),
        "layers": IntDistribution(1, 3),
        "past": IntDistribution(0, 10),
        "future": IntDistribution(0, 10),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        speaker: str | None = None,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        past: int = 2,
        future: int = 2,
        dropout: float = 0.1,
        causal: bool = False,
    ) -> None:
        super().__init__(dims, out_dim, speaker)
        check_causal("ContextGraphFusion", causal, future)
        self.past, self.future, self.width, self.causal = past, future, width, causal
        recurrent = partial(LSTMEncoder, bidirectional=not causal, dropout=dropout)
        self.read = recurrent(self.said, width)
        self.graphs = nn.ModuleList(
            graph_layers("ContextGraphFusion", width, heads, layers, 3, dropout)
            for _ in range(1 if speaker is None else 2)
        )
        self.reread = nn.ModuleList(recurrent(2 * width, out_dim) for _ in self.graphs)

    def fuse(self, inputs: dict[str, Sequence]) -> tuple[Sequence, Extras]:
        nodes = self.read(self.utterances(inputs))
        index, mask = window_edges(nodes.mask, self.past, self.future)
        kinds = [torch.arange(-self.past, self.future + 1, device=index.device).sign().expand_as(index) + 1]
        if self.speaker is not None:
            kinds.append(same_speaker(inputs[self.speaker], index))
        found, weights = [], []
        for graph, kind, reread in zip(self.graphs, kinds, self.reread, strict=True):
            x = nodes.values
            for layer in cast(nn.ModuleList, graph):
                x, share = layer(x, index, kind, mask)
            found.append(reread(nodes.with_values(torch.cat([nodes.values, x], -1))).values)
            weights.append(share)
        return nodes.with_values(torch.stack(found).sum(0)), {"attention": weights[0]}

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        time = max(steps.values())
        edges = batch * time * (self.past + 1 + self.future)
        recurrent = [cast(LSTMEncoder, own).activations(batch, time) for own in (self.read, *self.reread)]
        along = [along_edges(cast(nn.ModuleList, own), edges) for own in self.graphs]
        return super().activations(batch, steps) + sum(recurrent) + sum(along)
