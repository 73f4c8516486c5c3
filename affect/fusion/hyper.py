"""Fusion that one modality guides: it asks, and what the others answer gathers in a stream of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.attention import TransformerLayer, TransformerStack
from affect.errors import ConfigError
from affect.fusion.base import Extras, ProjectedFusion, learned_tokens, repeated
from affect.kernels.attention import attend
from affect.layers import Dropout, perceptron
from affect.naming import ModuleDict, ParameterDict
from affect.sequences import Sequence, join
from affect.sizes import held, of_inputs, weights_of_attention


class HyperModalityFusion(ProjectedFusion):
    """A hyper-modality, a few learned tokens, gathers of all others what the main modality asks for.

    A few learned tokens of each modality read its steps. In every layer the main modality's tokens attend to
    those of each other one, and what they find, through one linear layer, is added to the hyper-modality;
    before the next layer they attend to each other. At the end they attend to the hyper-modality, and their
    mean is what comes out.

    With `proxy_layers` the main modality is corrected before it asks: a perceptron tells from the mean of its
    tokens the share w of it that is there, other learned tokens read those of all other modalities, which is
    a proxy, and what asks is w times its tokens and 1 - w times the proxy. That w is the share is learned by
    a term (`Completeness`, `corrected`).

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        main: the modality that asks; the first by name where none is named.
        width: feature size of tokens and steps; divisible by `heads`.
        heads: attention heads.
        layers: of the hyper-modality, one or more; between any two the main modality has a layer of its own.
        tokens: of each modality, and of the hyper-modality.
        token_layers: layers in which a modality's tokens and steps attend to each other.
        crossed_layers: layers in which the main modality's tokens attend to the hyper-modality.
        dropout: rate at which the output of attention and of feed-forward parts is dropped.
        proxy_layers: in which the main modality's proxy reads the others; with 0 nothing is corrected.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["completeness"]: (batch, 1), where there is a proxy
    Missing:
        an absent modality adds nothing to the hyper-modality; where the main one is absent, its tokens ask
        as they were learned to, or its proxy does alone.
    Raises:
        ConfigError: a single modality, no such main modality, no layer, or a width that heads do not divide.
    Also known as:
        ALMT, adaptive hyper-modality learning (AHL), language-guided fusion; with a proxy LNLN,
        language-dominated noise-resistant learning, dominant modality correction (DMC).
    Reference:
        Zhang et al., Learning Language-guided Adaptive Hyper-modality Representation for Multimodal Sentiment
        Analysis, EMNLP 2023, section 3.
        Differs: any modality guides any number of others. The mean of the main modality's tokens comes out,
        as in the authors' later code (LNLN); in ALMT's own it is one more token, which reads the
        hyper-modality alone, so that what language holds is in the queries and nowhere else. The
        hyper-modality is not normed before each layer. One norm for keys and values, one behind each stack;
        heads share the width, and feed-forward parts are four times as wide. Places are relative and as loud
        as is learned, and no tokens have any; key masks.
    Example:
        >>> fusion = HyperModalityFusion({"text": 3, "visual": 2}, out_dim=4, main="text")
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64, 128)),
        "heads": CategoricalDistribution((1, 2, 4, 8)),
        "layers": IntDistribution(1, 4),
        "tokens": IntDistribution(1, 16, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        main: str | None = None,
        width: int = 32,
        heads: int = 4,
        layers: int = 3,
        tokens: int = 8,
        token_layers: int = 1,
        crossed_layers: int = 2,
        dropout: float = 0.1,
        proxy_layers: int = 0,
    ) -> None:
        super().__init__(dims, out_dim, width, heads)
        self.require(2)
        if layers < 1:
            raise ConfigError(f"HyperModalityFusion: layers must be at least 1, got {layers}")
        self.main, self.depth = self.named(main), token_layers
        others = [m for m in self.dims if m != self.main]
        self.tokens = ParameterDict({m: learned_tokens(tokens, width) for m in self.dims})
        self.read = ModuleDict({m: TransformerStack(width, heads, token_layers, dropout) for m in self.dims})
        self.hyper = learned_tokens(tokens, width)
        self.own = nn.ModuleList(TransformerLayer(width, heads, dropout) for _ in range(layers - 1))
        self.layers = nn.ModuleList(_HyperModality(others, width, heads, dropout) for _ in range(layers))
        self.crossed = TransformerStack(width, heads, crossed_layers, dropout, crossed=True)
        self.out = nn.Linear(width, out_dim)
        self.proxy: _Proxy | None = None
        if proxy_layers:
            self.proxy = _Proxy(TransformerStack(width, heads, proxy_layers, dropout), tokens, width)

    @property
    def offers(self) -> dict[str, int]:
        return {} if self.proxy is None else {"completeness": 1}

    def fuse(self, inputs: dict[str, Sequence]) -> tuple[Sequence, Extras]:
        told = {m: self._told(m, x) for m, x in self.project(inputs).items()}
        own, hyper, extras = told.pop(self.main), self.hyper, {}
        others = {m: Sequence(x, inputs[m].present.unsqueeze(1).expand(x.shape[:2])) for m, x in told.items()}
        if self.proxy is not None:
            own, extras["completeness"] = self.proxy(own, inputs[self.main].present, others)
        asks = Sequence.full(own)
        for place, layer in enumerate(self.layers):
            if place:
                asks = self.own[place - 1](asks)
            hyper = layer(hyper, asks, others)
        return Sequence.vector(self.out(self.crossed(asks, Sequence.full(hyper)).mean())), extras

    def _told(self, m: str, x: Sequence) -> Tensor:
        """What a modality's tokens make of its steps, (batch, token, width)."""
        return _first(self.read[m], repeated(self.tokens[m], x), x)

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        count = self.hyper.shape[1]
        read = {m: time + count for m, time in steps.items()}
        kept = sum(self.depth * weights_of_attention(self.heads, batch, t, t) for t in read.values())
        between = len(self.layers) * len(self.dims) + len(self.crossed.layers)
        kept += between * weights_of_attention(self.heads, batch, count, count)
        projected = held(self.projections, 0, {m: batch * time for m, time in steps.items()})
        told = held(self.read, 0, {m: batch * time for m, time in read.items()})
        asked = held([self.own, self.layers, self.crossed, self.out], batch * count)
        if self.proxy is not None:
            every = count * len(self.dims)
            asked += held(self.proxy, batch * every)
            kept += len(self.proxy.read.layers) * weights_of_attention(self.heads, batch, every, every)
        return kept + projected + told + asked + of_inputs(self.dims, batch, steps)


def _first(stack: nn.Module, tokens: Sequence, x: Sequence) -> Tensor:
    """What tokens make of steps, with which they attend to each other, (batch, token, width)."""
    places = torch.arange(tokens.time, device=x.mask.device).expand(len(x.mask), -1)
    told: Tensor = stack(join([tokens, x]), steps=places).values
    return told


class _Proxy(nn.Module):
    """Tokens of a modality, corrected by what the others say of it where it is not complete."""

    def __init__(self, read: TransformerStack, tokens: int, width: int) -> None:
        super().__init__()
        self.tokens, self.read = learned_tokens(tokens, width), read
        self.complete = perceptron(width, 1, 1, 0.0, hidden=width)

    def forward(self, own: Tensor, present: Tensor, others: dict[str, Sequence]) -> tuple[Tensor, Tensor]:
        """(batch, token, width), (batch,) -> (batch, token, width), and the share there is, (batch, 1)."""
        share = self.complete(own.mean(1)).sigmoid() * present.unsqueeze(-1)
        steps = join(others.values())
        proxy = _first(self.read, repeated(self.tokens, steps), steps)
        return torch.lerp(proxy, own, share.unsqueeze(-1)), share


class _HyperModality(nn.Module):
    """What the tokens of one modality find among those of each other one is added to the hyper-modality."""

    def __init__(self, others: Iterable[str], width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.norms = ModuleDict({m: nn.LayerNorm(width) for m in others})
        self.query = nn.Linear(width, width, bias=False)
        self.keys = ModuleDict({m: nn.Linear(width, width, bias=False) for m in self.norms})
        self.values = ModuleDict({m: nn.Linear(width, width, bias=False) for m in self.norms})
        self.out = nn.Sequential(nn.Linear(width, width), Dropout(dropout))

    def forward(self, hyper: Tensor, asks: Sequence, others: dict[str, Sequence]) -> Tensor:
        """(batch, token, width), or (1, token, width) of what is learned -> (batch, token, width)."""
        size = asks.dim // self.heads
        query = self._split(self.query(self.norm(asks.values)) * size**-0.5)
        found = torch.zeros_like(query)
        for m, x in others.items():
            normed = self.norms[m](x.values)
            key, value = (self._split(part[m](normed)) for part in (self.keys, self.values))
            found = found + attend(query, key, value, x.mask) * x.present.view(-1, 1, 1, 1)
        shift: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return hyper + shift

    def _split(self, x: Tensor) -> Tensor:
        """(batch, token, width) -> (batch, heads, token, width / heads)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)
