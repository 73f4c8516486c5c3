"""Transformers over the steps of all modalities, in one stream or in several that meet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.attention import TransformerLayer, TransformerStack
from affect.errors import ConfigError
from affect.fusion.base import ProjectedFusion, learned_tokens, repeated
from affect.naming import ModuleDict, ParameterDict
from affect.sequences import Sequence, join
from affect.sizes import held, of_inputs, weights_of_attention

_SPACE: dict[str, BaseDistribution] = {
    "width": CategoricalDistribution((16, 32, 64)),
    "heads": CategoricalDistribution((1, 2, 4, 8)),
    "layers": IntDistribution(1, 4),
    "dropout": FloatDistribution(0.0, 0.5),
}


class CoAttentionFusion(ProjectedFusion):
    """A stream for each modality; in every layer it attends to the steps of all others, then to its own.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: feature size of the streams; divisible by `heads`.
        heads: attention heads.
        layers: of each stream, both parts together counted once.
        dropout: rate at which the output of attention and of feed-forward parts is dropped.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        an absent modality is not attended to, and its part of the fused vector is zero.
    Raises:
        ConfigError: a single modality, or a width that heads do not divide.
    Also known as:
        ViLBERT, two-stream transformer.
    Reference:
        Lu et al., ViLBERT: Pretraining Task-Agnostic Visiolinguistic Representations, NeurIPS 2019, section
        2.
        Differs: any number of modalities; nothing is pretrained; streams are averaged over time and stand
        side by side.
    Example:
        >>> fusion = CoAttentionFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = _SPACE

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim, width, heads)
        self.require(2)
        self.layers = nn.ModuleList(_CoAttention(self.dims, width, heads, dropout) for _ in range(layers))
        self.norms = ModuleDict({m: nn.LayerNorm(width) for m in self.dims})
        self.out = nn.Linear(len(self.dims) * width, out_dim)

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        streams = self.project(inputs)
        for layer in self.layers:
            streams = layer(streams)
        vectors = [x.with_values(self.norms[m](x.values)).mean() for m, x in streams.items()]
        return Sequence.vector(self.out(torch.cat(vectors, -1)))

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        every = sum(steps.values())
        kept = sum(
            weights_of_attention(self.heads, batch, time, context)
            for time in steps.values()
            for context in (time, every - time)
        )
        return super().activations(batch, steps) + len(self.layers) * kept


class _CoAttention(nn.Module):
    """Every stream attends to all others, then to itself."""

    def __init__(self, names: Iterable[str], width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.crossed = ModuleDict({m: TransformerLayer(width, heads, dropout, crossed=True) for m in names})
        self.own = ModuleDict({m: TransformerLayer(width, heads, dropout) for m in names})

    def forward(self, streams: dict[str, Sequence]) -> dict[str, Sequence]:
        read = {
            m: self.crossed[m](x, join(other for n, other in streams.items() if n != m))
            for m, x in streams.items()
        }
        return {m: self.own[m](x) for m, x in read.items()}


class MergedAttentionFusion(ProjectedFusion):
    """One stream: the steps of all modalities one after the other, and a learned token that reads them.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: feature size of the stream; divisible by `heads`.
        heads: attention heads.
        layers: of the stream.
        dropout: rate at which the output of attention and of feed-forward parts is dropped.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        an absent modality has no steps in the stream; with nothing there the token reads itself alone.
    Raises:
        ConfigError: a width that heads do not divide.
    Also known as:
        VisualBERT, single-stream transformer.
    Reference:
        Single-stream fusion as in Li et al., VisualBERT: A Simple and Performant Baseline, 2019.
        Differs: any number of modalities; nothing is pretrained.
    Example:
        >>> fusion = MergedAttentionFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = _SPACE

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim, width, heads)
        self.token = learned_tokens(1, width)
        self.layers = TransformerStack(width, heads, layers, dropout)
        self.out = nn.Linear(width, out_dim)

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        steps = join(self.project(inputs).values())
        stream = join([repeated(self.token, steps), steps])
        token = torch.zeros_like(stream.mask[:, :1], dtype=torch.int64)
        return Sequence.vector(self.out(self.layers(stream, steps=token).values[:, 0]))

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        every = 1 + sum(steps.values())
        kept = len(self.layers.layers) * weights_of_attention(self.heads, batch, every, every)
        return super().activations(batch, steps) + kept


class BottleneckFusion(ProjectedFusion):
    """Each modality keeps to itself but for a few bottleneck tokens that all of them read and write.

    In every layer a modality's steps, its own learned token and the bottlenecks attend to each other; what
    the modalities made of the bottlenecks is averaged for the next layer. The modalities' tokens are averaged
    at the end.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: feature size of the streams; divisible by `heads`.
        heads: attention heads.
        layers: of each stream, two or more: what bottlenecks gather in one layer is read in the next.
        bottlenecks: tokens that pass between modalities.
        dropout: rate at which the output of attention and of feed-forward parts is dropped.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        an absent modality is in none of the averages; with nothing there they are zero.
    Raises:
        ConfigError: a single modality, fewer than two layers, or a width that heads do not divide.
    Also known as:
        MBT.
    Reference:
        Nagrani et al., Attention Bottlenecks for Multimodal Fusion, NeurIPS 2021, eq. 8-9.
        Differs: the tokens are averaged before the head, not the logits after it.
    Example:
        >>> fusion = BottleneckFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **_SPACE,
        "layers": IntDistribution(2, 4),
        "bottlenecks": IntDistribution(1, 8),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        bottlenecks: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim, width, heads)
        self.require(2)
        if layers < 2:
            raise ConfigError(f"BottleneckFusion: layers must be at least 2, got {layers}")
        self.tokens = ParameterDict({m: learned_tokens(1, width) for m in self.dims})
        self.depth = layers
        self.bottlenecks = learned_tokens(bottlenecks, width)
        self.streams = ModuleDict(
            {
                m: nn.ModuleList(TransformerLayer(width, heads, dropout) for _ in range(layers))
                for m in self.dims
            }
        )
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, out_dim))

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        streams = [join([repeated(self.tokens[m], x), x]) for m, x in self.project(inputs).items()]
        there = torch.stack([x.present for x in inputs.values()])  # (modality, batch)
        shared = repeated(self.bottlenecks, streams[0])
        for layer in zip(*self.streams.values(), strict=True):
            made = [own(join([shared, x])) for own, x in zip(layer, streams, strict=True)]
            streams = [Sequence(x.values[:, shared.time :], x.mask[:, shared.time :]) for x in made]
            shared = Sequence.full(_average([x.values[:, : shared.time] for x in made], there))
        return Sequence.vector(self.out(_average([x.values[:, 0] for x in streams], there)))

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        more = 1 + self.bottlenecks.shape[1]
        read = {m: time + more for m, time in steps.items()}
        layers = self.depth
        kept = sum(layers * weights_of_attention(self.heads, batch, time, time) for time in read.values())
        return super().activations(batch, read) + kept


class LearnedQueryFusion(ProjectedFusion):
    """A few learned queries read the steps of all modalities, then each other, layer upon layer.

    Cost grows with the steps times the queries: the way to fuse long sequences.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: feature size of queries and steps; divisible by `heads`.
        heads: attention heads.
        layers: of reading, each followed by self-attention of the queries.
        queries: how many.
        dropout: rate at which the output of attention and of feed-forward parts is dropped.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        an absent modality has no steps to read; with nothing there the queries are what they were learned to
        be.
    Raises:
        ConfigError: no query, or a width that heads do not divide.
    Also known as:
        Perceiver, Q-Former.
    Reference:
        Jaegle et al., Perceiver: General Perception with Iterative Attention, ICML 2021, section 3;
        Li et al., BLIP-2, ICML 2023, section 3.1 (queries in a transformer).
        Differs: the weights of layers are not shared; queries are averaged at the end.
    Example:
        >>> fusion = LearnedQueryFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **_SPACE,
        "queries": IntDistribution(1, 16, log=True),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        queries: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim, width, heads)
        self.queries = learned_tokens(queries, width)
        self.read = nn.ModuleList(
            TransformerLayer(width, heads, dropout, crossed=True) for _ in range(layers)
        )
        self.own = nn.ModuleList(TransformerLayer(width, heads, dropout) for _ in range(layers))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, out_dim))

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        steps = join(self.project(inputs).values())
        x = repeated(self.queries, steps)
        for read, own in zip(self.read, self.own, strict=True):
            x = own(read(x, steps))
        return Sequence.vector(self.out(x.mean()))

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        every, queries, width = sum(steps.values()), self.queries.shape[1], self.queries.shape[2]
        layers = len(self.read) if torch.is_grad_enabled() else 1
        kept = weights_of_attention(self.heads, batch, queries, queries + every)
        of_steps = layers * (8 * batch * every * width + kept)  # a norm, keys and values, and their gradients
        projected = held(self.projections, batch * every, {m: batch * time for m, time in steps.items()})
        asked = held([self.read, self.own, self.out], batch * queries)
        return projected + of_steps + asked + of_inputs(self.dims, batch, steps)


def _average(parts: list[Tensor], there: Tensor) -> Tensor:
    """The mean over parts, each (batch, ...), that are `there`, (part, batch); zeros without any."""
    stacked = torch.stack(parts)
    weights = there.view(*there.shape, *[1] * (stacked.dim() - 2)).to(stacked.dtype)
    return (stacked * weights).sum(0) / weights.sum(0).clamp(min=1)
