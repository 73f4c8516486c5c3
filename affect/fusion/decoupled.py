"""Transformers over steps that have a part in a shared space and a part of their own."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.attention import TransformerStack
from affect.fusion.base import Extras, ProjectedFusion
from affect.layers import Dropout
from affect.naming import ModuleDict, pair_name
from affect.pooling import MeanPooling, Pooling
from affect.sequences import Sequence
from affect.sizes import held, weights_of_attention


class SharedPrivateTransformer(ProjectedFusion):
    """Private parts of steps attend across modalities, shared parts within their own.

    With u the steps of modality m brought to `width`, S u are their shared parts, by one linear map for all,
    and P_m u their private ones. Private steps attend to those of each other modality, layer upon layer; what
    was learned of each stands side by side, attends to itself and is pooled. With a `main` modality its
    private steps alone ask: to each other one in turn, and to themselves. Shared steps attend to those of
    their own modality and are pooled. Each pooled vector, and all shared ones together, go through a linear
    layer and a sigmoid; all of that side by side is what comes out, through a residual and a linear layer.
    What keeps shared parts alike and private ones apart are terms on the extras.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        main: a modality that asks all others, which ask none; None is by default: each asks each.
        width: feature size of both parts; divisible by `heads`.
        heads: attention heads.
        layers: of each direction between two modalities.
        own_layers: of self-attention, of private steps behind their directions and of shared ones.
        dropout: rate at which the output of attention and of feed-forward parts is dropped.
        key_dropout: rate at which whole attended steps are lost in training.
        pooling: how steps become a vector; the mean by default.
        kernel: steps that a modality's first projection spans, odd; with 1 it is a linear layer.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["projected"], extras["shared"], extras["private"]: (batch, modality, width), means over steps;
        extras["attended"]: (batch, modality, size), a modality's pooled private part, `width` times how many
        others it asks, or `width` with a main modality; in alphabetical order
    Missing:
        nothing comes from an absent modality; its part of the fused vector, and of the extras, is zero.
        Without the main modality the others come through their shared parts.
    Raises:
        ConfigError: a single modality, no such main modality, a width that heads do not divide, a pooling
            that changes the feature size, or an even `kernel`.
    Also known as:
        DMD, decoupled multimodal transformer; with `main` DLF, disentangled language-focused attractor.
    Reference:
        Li et al., Decoupled Multimodal Distilling for Emotion Recognition, CVPR 2023, section 3.
        With `main` Wang et al., DLF: Disentangled-Language-Focused Multimodal Sentiment Analysis, AAAI 2025,
        whose spaces are made by transformers, not by linear maps.
        Differs: as `CrossModalTransformer` does from MulT, whose layers these are: no causal mask, GELU, key
        masks, relative places, the mean by default (`LastPooling` is theirs), heads of directions that lean
        to the same moment. Predictions of each part are terms' (`UnimodalHeads`, `DistillationGraph`, `of`
        the extras). In DLF's code a modality's vector goes through its head's residual layers first.
    Example:
        >>> fusion = SharedPrivateTransformer({"text": 3, "visual": 2}, out_dim=4, width=8)
        >>> inputs = {m: Sequence.full(torch.ones(5, 7 * d, d)) for m, d in fusion.dims.items()}
        >>> {name: tuple(extra.shape) for name, extra in fusion.with_extras(inputs)[1].items()}
        {'projected': (5, 2, 8), 'shared': (5, 2, 8), 'private': (5, 2, 8), 'attended': (5, 2, 8)}
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "heads": CategoricalDistribution((1, 2, 4, 8)),
        "layers": IntDistribution(1, 4),
        "own_layers": IntDistribution(1, 3),
        "dropout": FloatDistribution(0.0, 0.5),
        "key_dropout": FloatDistribution(0.0, 0.3),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        main: str | None = None,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        own_layers: int = 1,
        dropout: float = 0.1,
        key_dropout: float = 0.0,
        pooling: Pooling | None = None,
        kernel: int = 1,
    ) -> None:
        super().__init__(dims, out_dim, width, heads, kernel)
        self.require(2)
        self.main = None if main is None else self.named(main)
        self.pooling = MeanPooling() if pooling is None else pooling
        self.pooling.check_keeps_size("SharedPrivateTransformer")
        self.depths, count = (layers, own_layers), len(self.dims)
        self.shared = nn.Linear(width, width, bias=False)
        self.private = ModuleDict({m: nn.Linear(width, width, bias=False) for m in self.dims})
        self.directions = ModuleDict(
            {
                pair: TransformerStack(width, heads, layers, dropout, key_dropout, crossed=True, local=True)
                for pair, (_, to) in self.ordered_pairs.items()
                if self.main in (None, to)
            }
        )
        self.width, self.wide = width, width * (count - 1 if main is None else 1)
        self.own = ModuleDict(
            {m: TransformerStack(self.wide, heads, own_layers, dropout, key_dropout) for m in self.dims}
        )
        self.common = ModuleDict(
            {m: TransformerStack(width, heads, own_layers, dropout, key_dropout) for m in self.dims}
        )
        self.gates = ModuleDict({m: nn.Linear(self.wide, self.wide) for m in self.dims})
        self.common_gate = nn.Linear(count * width, count * width)
        size = count * (self.wide + width)
        self.residual = nn.Sequential(
            nn.Linear(size, size), nn.ReLU(), Dropout(dropout), nn.Linear(size, size)
        )
        self.out = nn.Linear(size, out_dim)

    @property
    def offers(self) -> dict[str, int]:
        return {**dict.fromkeys(("projected", "shared", "private"), self.width), "attended": self.wide}

    def fuse(self, inputs: dict[str, Sequence]) -> tuple[Sequence, Extras]:
        projected = self.project(inputs)
        shared = {m: x.with_values(self.shared(x.values)) for m, x in projected.items()}
        private = {m: x.with_values(self.private[m](x.values)) for m, x in projected.items()}
        attended, gated = [], []
        for m, x in inputs.items():
            there = x.present.unsqueeze(-1)
            vector = self._pooled(self.own[m], self._asked(m, private)) * there
            attended.append(vector)
            gated.append(self.gates[m](vector).sigmoid() * there)
        common = torch.cat([self._pooled(self.common[m], x) for m, x in shared.items()], -1)
        fused = torch.cat([*gated, self.common_gate(common).sigmoid()], -1)
        parts = {"projected": projected, "shared": shared, "private": private}
        extras = {name: torch.stack([x.mean() for x in part.values()], 1) for name, part in parts.items()}
        fused = self.out(fused + self.residual(fused))
        return Sequence.vector(fused), {**extras, "attended": torch.stack(attended, 1)}

    def _asked(self, m: str, private: dict[str, Sequence]) -> Sequence:
        """What private steps learned of others: those of `m`, or with a main modality its own of `m`."""
        if self.main is None:
            others = (source for source in self.dims if source != m)
            learned = [self.directions[pair_name(n, m)](private[m], private[n]).values for n in others]
            return private[m].with_values(torch.cat(learned, -1))
        asks = private[self.main]
        if m == self.main:
            return asks
        found: Sequence = self.directions[pair_name(m, self.main)](asks, private[m])
        return found

    def _pooled(self, stack: nn.Module, x: Sequence) -> Tensor:
        pooled: Tensor = self.pooling(stack(x, steps=self.pooling.reads(x.mask)))
        return pooled

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        layers, own = self.depths
        pairs = [self.ordered_pairs[pair] for pair in self.directions]
        kept = sum(
            layers * weights_of_attention(self.heads, batch, steps[to], steps[source]) for source, to in pairs
        )
        asking = steps if self.main is None else dict.fromkeys(steps, steps[self.main])
        for read in (steps, asking):
            kept += sum(own * weights_of_attention(self.heads, batch, time, time) for time in read.values())
        kept += held(self.own, 0, {m: batch * time for m, time in asking.items()})
        return super().activations(batch, steps) + kept
