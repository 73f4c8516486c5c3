"""Crossed attention between every two modalities."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.attention import TransformerStack
from affect.fusion.base import ProjectedFusion
from affect.layers import Activation, Dropout, sinusoids
from affect.naming import ModuleDict
from affect.pooling import MeanPooling, Pooling
from affect.sequences import Sequence, extent
from affect.sizes import held, weights_of_attention


class CrossModalTransformer(ProjectedFusion):
    """For every ordered pair of modalities, the steps of one attend to those of the other, layer upon layer.

    What a modality learned from each other one then stands side by side, attends to itself, and is pooled.
    Needs no alignment, and memory does not grow with the product of two modalities' steps.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector; not used if it is `bare`.
        width: feature size of a direction's steps; divisible by `heads`.
        heads: attention heads.
        layers: of each direction.
        own_layers: of each modality's self-attention behind its directions.
        dropout: rate at which the output of attention and of feed-forward parts is dropped.
        key_dropout: rate at which whole attended steps are lost in training. (Losing single attention weights
            would put attention on PyTorch's slow path, which holds the matrices.)
        pooling: how a modality's steps become a vector; the mean by default.
        local: whether the heads of directions lean to the same moment (`affect.attention.Attention`).
        kernel: steps that a modality's first projection spans, odd, one for all or one for each by name; with
            1 it is a linear layer.
        blank: whether a step of zeros follows the last one of every modality. `LastPooling` then reads what
            it attended to, and no step's own noise (as where padding is counted as data).
        bare: whether the fused vector is what stands side by side, with no linear layer behind it.
        residual_dropout: rate at which hidden values behind the pooling are dropped; `dropout` by default.
        activation: of feed-forward parts.
        causal: whether a step attends to none that is later (`affect.attention.not_later`); all weights are
            held then, and memory grows with the product of steps. The pooled vector still depends on all of
            them.
        padded: whether a first projection gives as many steps as it reads; else those alone whose whole span
            lies between the first and the last observed step: `kernel` - 1 fewer, but one or two at least.
        main: a modality that enhances the others: before a third one attends to the steps of another, these
            attend to those of the main modality, in one layer. None is by default.
        fixed_positions: whether what every stack of layers reads, its context too, is scaled by the root of
            its width, and sinusoids of the step's number are added to it, one for the first observed step.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim), or, if it is bare,
        (batch, 1, modalities * (modalities - 1) * width * factor of the pooling)
    Missing:
        nothing comes from an absent modality, and its own part of the fused vector is zero; unobserved steps
        are never attended to. An absent main modality enhances nothing.
    Raises:
        ConfigError: a single modality, no such main modality, a width that heads do not divide, or an even
            `kernel`.
    Also known as:
        MulT; with `main` text-enhanced transformer, TETFN.
    Reference:
        Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019, section 3.
        Differs: by default linear maps in place of convolutions, the mean over steps, a linear layer before
        the head, heads that lean to a moment, GELU, no causal mask, as many steps behind a convolution as
        before it, and places that are relative and as loud as is learned, from nothing at the start, are not
        added again before self-attention, and beside which nothing is scaled; `kernel=3`, `LastPooling`,
        `bare=True`, `local=False`, `activation="relu"`, `causal=True`, `padded=False` and
        `fixed_positions=True` undo these (MMSA's copy has no positions, and scales). With any options: the
        residual path is not normed; the context has a norm of its own; key masks; dropout of keys, not
        weights, and none of what the stacks read; sines and cosines in turn, of the paper's frequencies and
        not of those in the authors' code. `main` is as in Wang et al., TETFN: A Text Enhanced Transformer
        Fusion Network for Multimodal Sentiment Analysis, Pattern Recognition 2023; with these differences.
    Example:
        >>> fusion = CrossModalTransformer({"text": 3, "visual": 2}, out_dim=4, width=8)
        >>> fusion({m: Sequence.full(torch.ones(5, 7 * d, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
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
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        own_layers: int = 1,
        dropout: float = 0.1,
        key_dropout: float = 0.0,
        pooling: Pooling | None = None,
        local: bool = True,
        kernel: int | dict[str, int] = 1,
        blank: bool = False,
        bare: bool = False,
        residual_dropout: float | None = None,
        activation: Activation = "gelu",
        causal: bool = False,
        padded: bool = True,
        main: str | None = None,
        fixed_positions: bool = False,
    ) -> None:
        super().__init__(dims, out_dim, width, heads, kernel, padded, placed=not fixed_positions)
        self.require(2)
        self.fixed_positions = fixed_positions
        self.main = None if main is None else self.named(main)
        self.blank, self.only_past, self.depths = blank, causal, (layers, own_layers)
        self.pooling = MeanPooling() if pooling is None else pooling
        wide = (len(self.dims) - 1) * width
        self.directions = ModuleDict(
            {
                pair: TransformerStack(
                    width, heads, layers, dropout, key_dropout, True, local, activation, causal
                )
                for pair in self.ordered_pairs
            }
        )
        self.own = ModuleDict(
            {
                m: TransformerStack(
                    wide, heads, own_layers, dropout, key_dropout, activation=activation, causal=causal
                )
                for m in self.dims
            }
        )
        size = len(self.dims) * wide * self.pooling.factor
        lost = dropout if residual_dropout is None else residual_dropout
        self.residual = nn.Sequential(nn.Linear(size, size), nn.ReLU(), Dropout(lost), nn.Linear(size, size))
        self.out: nn.Module = nn.Linear(size, out_dim)
        if bare:
            self.out_dim, self.out = size, nn.Identity()
        thirds = [] if main is None else [n for n, pair in self.ordered_pairs.items() if main not in pair]
        self.enhance = ModuleDict(
            {
                pair: TransformerStack(width, heads, 1, dropout, key_dropout, crossed=True, local=local)
                for pair in thirds
            }
        )

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        projected = self.project(inputs)
        if self.blank:
            projected = {m: _ended(x) for m, x in projected.items()}
        read = {m: self._read(x) for m, x in projected.items()}
        learned: dict[str, list[Tensor]] = {m: [] for m in self.dims}
        for pair, (source, to) in self.ordered_pairs.items():
            context = read[source]
            if pair in self.enhance:
                context = self._read(self.enhance[pair](context, read[self.named(self.main)]))
            learned[to].append(self.directions[pair](read[to], context).values)
        vectors = [
            self.pooling(
                self.own[m](
                    self._read(x.with_values(torch.cat(learned[m], -1))), steps=self.pooling.reads(x.mask)
                )
            )
            for m, x in projected.items()
        ]
        fused = torch.cat(vectors, -1)
        return Sequence.vector(self.out(fused + self.residual(fused)))

    def _read(self, x: Sequence) -> Sequence:
        """What a stack of layers reads of a sequence: with fixed positions scaled, and numbered."""
        return _numbered(x) if self.fixed_positions else x

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        layers, own = self.depths
        read = [(layers, steps[to], steps[source]) for source, to in self.ordered_pairs.values()]
        read += [(own, time, time) for time in steps.values()]
        kept = sum(many * weights_of_attention(self.heads, batch, a, b) for many, a, b in read)
        if self.only_past:  # which steps each layer may read
            kept += batch * sum(many * a * b for many, a, b in read)
        main = steps[self.named(self.main)]
        for pair, part in self.enhance.items():
            source = steps[self.ordered_pairs[pair][0]]
            kept += held(part, batch * source) + weights_of_attention(self.heads, batch, source, main)
        return super().activations(batch, steps) + kept


def _numbered(x: Sequence) -> Sequence:
    """`x` scaled by the root of its width, with sinusoids of the numbers of its steps."""
    first, _ = extent(x.mask)
    numbers = torch.arange(x.time, device=x.mask.device) - first + 1
    return x.with_values(x.dim**0.5 * x.values + sinusoids(numbers.to(x.values.dtype), x.dim))


def _ended(x: Sequence) -> Sequence:
    """`x` with a step of zeros behind the last one that was observed, if any was."""
    first, later = extent(x.mask)
    mask = F.pad(x.mask, (0, 1)).scatter(1, first + later + 1, x.present.unsqueeze(1))
    return Sequence(F.pad(x.values, (0, 0, 0, 1)), mask, zeroed=True)
