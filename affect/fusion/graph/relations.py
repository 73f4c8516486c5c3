"""A graph over the utterances of a conversation, with a matrix for each relation of who speaks and when."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias, get_args

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.attention import not_later
from affect.encoders import GRUEncoder, LSTMEncoder
from affect.encoders.speakers import party_numbers
from affect.errors import ConfigError, did_you_mean
from affect.fusion.base import Extras
from affect.fusion.dialogue import DialogueFusion, known_speaker, same_speaker
from affect.fusion.graph.layers import check_causal, window_edges
from affect.layers import Dropout, softmax_over
from affect.sequences import Sequence, pick

Relations: TypeAlias = Literal["same", "parties"]
"""What of two speakers makes a relation: whether they are the same, or which parties they are."""

Context: TypeAlias = Literal["gru", "lstm"]
"""What reads the utterances before the graph does."""

_READERS: dict[str, type[GRUEncoder | LSTMEncoder]] = {"gru": GRUEncoder, "lstm": LSTMEncoder}


class RelationalConvolution(nn.Module):
    """What each node hears from its neighbours, through a matrix for each kind of edge.

    With i a node, j a neighbour, t the kind of the edge between them, w its weight and n the edges of that
    kind to i, out_i = sum_j w_ij / n_it W_t x_j. With bases, W_t is a sum of matrices that all kinds share,
    as much of each as is learned.

    Args:
        dim: feature size.
        kinds: of edges.
        bases: matrices that all kinds share; none gives each kind one of its own.
    Shapes:
        near: (batch, node, edge, dim), kind, mask and weights: (batch, node, edge) -> (batch, node, dim)
    Missing:
        an edge whose mask is False does not exist; its weight is zero.
    Reference:
        Schlichtkrull et al., Modeling Relational Data with Graph Convolutional Networks, ESWC 2018, eq. 2-3.
    Example:
        >>> near, kind = torch.ones(1, 3, 2, 4), torch.tensor([[[0, 1]] * 3])
        >>> RelationalConvolution(4, kinds=2)(near, kind, kind >= 0, torch.ones(1, 3, 2) / 2).shape
        torch.Size([1, 3, 4])
    """

    def __init__(self, dim: int, kinds: int, bases: int | None = None) -> None:
        super().__init__()
        self.kinds = kinds
        self.matrices = nn.Parameter(torch.randn(bases or kinds, dim, dim) / dim**0.5)
        self.shares = None if bases is None else nn.Parameter(torch.randn(kinds, bases) / bases**0.5)

    def forward(self, near: Tensor, kind: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
        """Sum up what comes from the nodes that are `near`."""
        alike = (kind.unsqueeze(-1) == kind.unsqueeze(-2)) & mask.unsqueeze(-2)
        weights = weights / alike.sum(-1).clamp(min=1)
        if self.shares is None:
            each = torch.arange(self.kinds, device=kind.device)
            shares = (kind.unsqueeze(-1) == each).to(weights.dtype)
        else:
            shares = F.embedding(kind, self.shares)
        gathered = (shares * weights.unsqueeze(-1)).mT @ near  # (batch, node, kind or basis, dim)
        return gathered.flatten(2) @ self.matrices.flatten(0, 1)


class RelationalGraphFusion(DialogueFusion):
    """Each utterance hears those around it through a matrix for every relation: who speaks to whom, and when.

    The modalities of a step side by side are read by a GRU in both directions. A step has edges from the
    observed steps that are at most so many before and behind it, and from itself, with weights that are a
    softmax over x_i . W x_j. A relational convolution, then a plain one that sums up over neighbours, with a
    matrix of its own for the step itself, each followed by ReLU: what they find stands beside what the GRU
    made, and a linear layer with ReLU reads both.

    A relation is the past or the future (who spoke earlier), and of the two speakers either whether it is the
    same one, another, or nobody knows, which is for any number of parties, or the pair of their numbers. A
    step is in a relation of its own with itself.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of a fused step.
        speaker: a modality that tells who speaks: in the same words for the same speaker. It makes relations
            and is not fused; leave it unencoded (`PassEncoder` with `indices=True`, so that nothing is
            scaled). Without it relations are past and future.
        relations: `same` for whether the speakers are; `parties` for the pair of their numbers, from 1
            (`affect.data.speakers.parties`), with 0 where nobody knows.
        parties: numbers that have relations of their own; all beyond share those of the last one.
        width: feature size of the nodes.
        context: what reads the utterances first, `gru` or `lstm`.
        past: observed steps before a step that it has edges from.
        future: the same behind it.
        bases: matrices that the relations share, each a mixture of them; none gives each its own.
        nodal_attention: whether each step, in the end, is what it gathers from all by another softmax.
        dropout: rate at which what the context, the plain convolution and the last layer read is dropped.
        causal: whether nothing later is read: the context reads in one direction, and `future` is 0.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, time, out_dim)
        extras["attention"]: (batch, time, past + 1 + future), the weights of the edges
    Missing:
        a learned vector, zero until trained, takes the place of a modality that is unobserved at a step; a
        step is unobserved, and no node, where not even the speaker is known. Past and future count
        observed steps alone. Nobody knows who speaks where the speaker is unobserved or all zeros: such a
        step has relations of its own.
    Raises:
        ConfigError: no such speaker, or nothing but one; pairs of parties without their numbers; a negative
            number of steps, or a causal one that reads the future.
        ShapeError: the sequences differ in their steps.
        DataError: numbers of parties that relations are for are not whole, as scaled ones are.
    Also known as:
        DialogueGCN.
    Reference:
        Ghosal et al., DialogueGCN: A Graph Convolutional Neural Network for Emotion Recognition in
        Conversation, EMNLP 2019, section 3.3; its relations are `parties`.
        Differs: relations without numbers by default, one for a step and itself; one layer of context, its
        linear layer to `width` as of all encoders. The authors' code scores an edge by a layer with an output
        for each place in the dialogue, not by both ends, sums to one over edges that leave a node, and has no
        ReLU between convolutions. `ContextGraphFusion` has attention with keys and heads in place of
        matrices, a graph for speakers apart from that for time, and LSTMs behind them.
    Example:
        >>> fusion = RelationalGraphFusion({"text": 3, "speaker": 1}, out_dim=4, speaker="speaker")
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 7, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((32, 64, 128)),
        "context": CategoricalDistribution(("gru", "lstm")),
        "past": IntDistribution(0, 15),
        "future": IntDistribution(0, 15),
        "nodal_attention": CategoricalDistribution((False, True)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        speaker: str | None = None,
        relations: Relations = "same",
        parties: int = 2,
        width: int = 32,
        context: Context = "gru",
        past: int = 10,
        future: int = 10,
        bases: int | None = None,
        nodal_attention: bool = False,
        dropout: float = 0.1,
        causal: bool = False,
    ) -> None:
        super().__init__(dims, out_dim, speaker)
        check_causal("RelationalGraphFusion", causal, future)
        for name, given, known in (
            ("relations", relations, get_args(Relations)),
            ("context", context, get_args(Context)),
        ):
            if given not in known:
                raise ConfigError(f"RelationalGraphFusion: no {name} '{given}'; {did_you_mean(given, known)}")
        if relations == "parties":
            self.numbered("relations 'parties'")
        self.relations, self.count, self.past, self.future = relations, parties, past, future
        self.causal = causal
        self.read = _READERS[context](self.said, width, bidirectional=not causal, dropout=dropout)
        self.similarity = nn.Linear(width, width, bias=False)
        self.pairs = 1 if speaker is None else 3 if relations == "same" else (parties + 1) ** 2
        kinds = 1 + self.pairs * ((past > 0) + (future > 0))
        self.convolution = RelationalConvolution(width, kinds, bases)
        self.own, self.neighbours = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.nodal = nn.Linear(2 * width, 2 * width, bias=False) if nodal_attention else None
        self.dropout = Dropout(dropout)
        self.out = nn.Sequential(nn.Linear(2 * width, out_dim), nn.ReLU())

    def fuse(self, inputs: dict[str, Sequence]) -> tuple[Sequence, Extras]:
        nodes = self.read(self.utterances(inputs))
        x = nodes.values
        index, mask = window_edges(nodes.mask, self.past, self.future)
        kind = self.kinds(inputs, index)
        near = _at(x, index)
        scores = (near @ self.similarity(x).unsqueeze(-1)).squeeze(-1)
        weights = softmax_over(scores, mask, -1)
        h = self.dropout(self.convolution(near, kind, mask, weights).relu())
        others = (mask & (kind > 0)).to(h.dtype).unsqueeze(2)
        around = (others @ _at(h, index)).squeeze(2)
        h = (self.neighbours(around) + self.own(h)).relu()
        both = nodes.with_values(self.dropout(torch.cat([x, h], -1)))
        if self.nodal is not None:
            allowed = nodes.mask.unsqueeze(1).expand(-1, nodes.time, -1)
            if self.causal:
                allowed = allowed & not_later(nodes.mask, nodes.mask)
            share = softmax_over(self.nodal(both.values) @ both.values.mT, allowed, -1)
            both = nodes.with_values(share @ both.values)
        return nodes.with_values(self.out(both.values)), {"attention": weights}

    def kinds(self, inputs: dict[str, Sequence], index: Tensor) -> Tensor:
        """The relation of each edge from the steps `index`, 0 for a step and itself, (batch, time, edge)."""
        offset = torch.arange(-self.past, self.future + 1, device=index.device)
        who = torch.zeros_like(index)
        if self.speaker is not None:
            if self.relations == "same":
                who = same_speaker(known_speaker(inputs[self.speaker]), index)
            else:
                number = party_numbers(self.parties(inputs), self.count)
                origin = number.gather(1, index.flatten(1)).view(index.shape)
                who = (self.count + 1) * origin + number.unsqueeze(-1)
        later = (offset > 0).long() if self.past else torch.zeros_like(offset)
        return torch.where(offset == 0, 0, 1 + self.pairs * later + who)

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        time = max(steps.values())
        edges = batch * time * (self.past + 1 + self.future)
        width = self.own.in_features
        each = width + len(self.convolution.matrices) + self.past + 1 + self.future
        square = 0 if self.nodal is None else batch * time * time
        recurrent = self.read.activations(batch, time)
        return super().activations(batch, steps) + recurrent + 4 * edges * each + 4 * square


def _at(values: Tensor, index: Tensor) -> Tensor:
    """(batch, time, feature) and (batch, time, edge) -> (batch, time, edge, feature)."""
    return pick(values, index.flatten(1)).view(*index.shape, -1)
