"""Attention of steps to steps, and the layers of transformers that are made of it."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affect.errors import ConfigError
from affect.kernels.attention import attend, attended
from affect.layers import Activation, Dropout, activation_of
from affect.sequences import Sequence, extent, pick, place


def check_heads(who: str, width: int, heads: int) -> None:
    """Refuse a width that cannot be split into heads.

    Raises:
        ConfigError: `heads` is below one, or does not divide `width`.
    Example:
        >>> check_heads("Attention", 10, 4)
        Traceback (most recent call last):
        affect.errors.ConfigError: Attention: width must be divisible by heads, got 10 and 4
    """
    if heads < 1 or width % heads:
        raise ConfigError(f"{who}: width must be divisible by heads, got {width} and {heads}")


def feedforward(
    dim: int, hidden: int | None = None, activation: Activation = "gelu", normed: bool = True
) -> nn.Sequential:
    """What stands behind attention: a norm, unless told otherwise, and a perceptron four times as wide.

    Example:
        >>> [type(part).__name__ for part in feedforward(8)]
        ['LayerNorm', 'Linear', 'GELU', 'Linear']
    """
    inner = 4 * dim if hidden is None else hidden
    layers = [nn.Linear(dim, inner), activation_of(activation), nn.Linear(inner, dim)]
    return nn.Sequential(*([nn.LayerNorm(dim)] if normed else []), *layers)


def not_later(mask: Tensor, context_mask: Tensor) -> Tensor:
    """Which steps of a context are no later than a step, both counted from the first that was observed.

    Where the two differ in length, as many more are let in as the one is longer than the other.

    Shapes:
        mask: (batch, time), context_mask: (batch, time of the context) -> (batch, time, time of the context)
    Reference:
        The mask of Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019,
        in the authors' code.
    Example:
        >>> not_later(torch.ones(1, 2, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool)).int()
        tensor([[[1, 1, 0],
                 [1, 1, 1]]], dtype=torch.int32)
    """
    (first, span), (context_first, context_span) = extent(mask), extent(context_mask)
    here = torch.arange(mask.shape[1], device=mask.device) - first
    there = torch.arange(context_mask.shape[1], device=mask.device) - context_first
    more = (span - context_span).abs()
    return there.unsqueeze(1) <= (here + more).unsqueeze(2)


class Attention(nn.Module):
    """Multi-head attention of steps to the observed steps of a context.

    Memory grows with the steps, not with their product: weights are held only where they are few. Dropout of
    single weights would cost that everywhere (and, on a CPU, 10 times the time), so whole steps of the
    context are dropped instead, alike for all heads and queries.

    Args:
        dim: feature size of the queries and of what comes out; divisible by `heads`.
        heads: attention heads.
        dropout: rate at which steps of the context are lost in training.
        local: whether each head leans to the same moment: a score loses (sharpness times distance) squared,
            with a learned sharpness and the distance of relative places (`affect.sequences.place`).
    Shapes:
        values: (batch, time, dim), context: (batch, time of the context, dim), and their masks without the
        feature -> (batch, time, dim)
    Missing:
        an unobserved step is never attended to, whatever its values; where the context has none observed,
        zeros come out.
    Raises:
        ConfigError: `dim` is not divisible by `heads`.
    Example:
        >>> x, context = Sequence.full(torch.ones(5, 7, 8)), Sequence.full(torch.ones(5, 4, 8))
        >>> Attention(8, heads=2)(x.values, x.mask, context.values, context.mask).shape
        torch.Size([5, 7, 8])
    """

    def __init__(self, dim: int, heads: int, dropout: float = 0.0, local: bool = False) -> None:
        super().__init__()
        check_heads("Attention", dim, heads)
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(dim, dim)
        # a bias of the key shifts all scores of a query alike, so that it cannot learn
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        self.sharpness = nn.Parameter(2 ** torch.linspace(1, 6, heads)) if local else None

    def places(self, mask: Tensor, context_mask: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor] | None:
        """Where the steps of both stand, for heads that lean to the same moment; the same in every layer."""
        return None if self.sharpness is None else (place(mask, dtype), place(context_mask, dtype))

    def forward(
        self,
        values: Tensor,
        mask: Tensor,
        context: Tensor,
        context_mask: Tensor,
        places: tuple[Tensor, Tensor] | None = None,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """Attend from every step of `values`, observed or not; `places` are found where none are given.

        Where `allowed` is given, (batch, time, time of the context), to those steps alone, or each head to
        its own, (batch, heads, time, time of the context); one without any gives zeros. All weights are held
        then.
        """
        present = context_mask.any(1, keepdim=True)
        places = places or self.places(mask, context_mask, values.dtype)
        seen = context_mask
        if self.training and self.dropout:
            kept = seen & (torch.rand(seen.shape, device=seen.device) >= self.dropout)
            seen = torch.where(kept.any(1, keepdim=True), kept, seen)
            if allowed is None:  # what is lost costs nothing
                context, seen, left = attended(context, seen, places and places[1])
                places = None if places is None or left is None else (places[0], left)
        asked: list[Tensor] = []
        offered: list[Tensor] = []
        if self.sharpness is not None and places is not None:
            # -(s (p - q))^2 is 2 s^2 p q - s^2 q^2 and a term that all scores of a query share: two features
            square = self.sharpness.square()[:, None, None]
            here, there = (where[:, None, :, None] for where in places)
            asked, offered = [2 * square * here, -square], [there, there.square()]
        query, key, value = (
            part.view(*part.shape[:2], self.heads, part.shape[-1] // self.heads).transpose(1, 2)
            for part in self._project(values, context)
        )  # (batch, heads, time, dim / heads)
        if allowed is not None:
            allowed = allowed & (seen.unsqueeze(1) if allowed.dim() == 3 else seen[:, None, None])
            present = allowed.any(-1)
        mixed = attend(query, key, value, seen, asked, offered, allowed)
        if present.dim() == 3:  # of each head
            mixed, present = mixed * present.unsqueeze(-1), present.any(1)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out * present.unsqueeze(-1)

    def _project(self, values: Tensor, context: Tensor) -> tuple[Tensor, ...]:
        """Query, key and value, with one product of matrices for all that read the same."""
        key = self.key.weight
        scale = (len(key) // self.heads) ** -0.5
        weights = [self.query.weight * scale, key, self.value.weight]
        biases = [self.query.bias * scale, key.new_zeros(len(key)), self.value.bias]
        if context is values:
            return F.linear(values, torch.cat(weights), torch.cat(biases)).chunk(3, -1)
        both = F.linear(context, torch.cat(weights[1:]), torch.cat(biases[1:]))
        return F.linear(values, weights[0], biases[0]), *both.chunk(2, -1)


class TransformerLayer(nn.Module):
    """Attention and a feed-forward part, each after a norm and added to what it read.

    Args:
        dim: feature size; divisible by `heads`.
        heads: attention heads.
        dropout: rate at which the output of both parts is dropped.
        key_dropout: rate at which attended steps are lost in training.
        crossed: whether it attends to another sequence, which then has a norm of its own.
        local: whether its heads lean to the same moment.
        hidden: size of the feed-forward part's hidden layer; four times `dim` by default.
        activation: of the feed-forward part.
        post_norm: norm what comes out of each part, with what it read, instead of what it reads.
    Shapes:
        x: (batch, time, dim), context: (batch, time of the context, dim) -> (batch, time, dim)
    Missing:
        an unobserved step is never attended to and stays unobserved; a context without steps adds nothing.
    Reference:
        Vaswani et al., Attention Is All You Need, NeurIPS 2017.
        Differs: norm before each part (Xiong et al., ICML 2020) and GELU by default; the key has no bias,
        which would shift all scores of a query alike.
    Example:
        >>> TransformerLayer(8, heads=2)(Sequence.full(torch.ones(5, 7, 8))).values.shape
        torch.Size([5, 7, 8])
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        dropout: float = 0.1,
        key_dropout: float = 0.0,
        crossed: bool = False,
        local: bool = False,
        hidden: int | None = None,
        activation: Activation = "gelu",
        post_norm: bool = False,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.context_norm = nn.LayerNorm(dim) if crossed and not post_norm else None
        self.attention = Attention(dim, heads, key_dropout, local)
        self.feedforward = feedforward(dim, hidden, activation, not post_norm)
        self.last_norm = nn.LayerNorm(dim) if post_norm else None
        self.crossed = crossed
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Sequence,
        context: Sequence | None = None,
        places: tuple[Tensor, Tensor] | None = None,
        allowed: Tensor | None = None,
    ) -> Sequence:
        """Attend to `context` if the layer is crossed, else to `x`; `places`, `allowed` as in attention."""
        return x.with_values(self.change(x.values, x.mask, context, places, allowed=allowed))

    def change(
        self,
        values: Tensor,
        mask: Tensor,
        context: Sequence | None = None,
        places: tuple[Tensor, Tensor] | None = None,
        steps: Tensor | None = None,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """`forward` on bare values, which unobserved steps need not have at zero, before or afterwards.

        Of `steps` alone, (batch, any time), where they are given: no other is computed. Steps attend to those
        that are `allowed` alone, where that is given; by head, all steps are computed.
        """
        normed = self.norm(values) if self.last_norm is None else values
        read, read_mask = normed, mask
        if self.crossed and context is not None:
            normed_context = (
                context.values if self.context_norm is None else self.context_norm(context.values)
            )
            read, read_mask = normed_context, context.mask
        if steps is not None:
            values, normed, mask = pick(values, steps), pick(normed, steps), mask.gather(1, steps)
            places = places and (places[0].gather(1, steps), places[1])
            allowed = None if allowed is None else pick(allowed, steps)
        h = values + self.dropout(self.attention(normed, mask, read, read_mask, places, allowed))
        if self.last_norm is not None:
            h = self.norm(h)
        changed: Tensor = h + self.dropout(self.feedforward(h))
        return changed if self.last_norm is None else self.last_norm(changed)


class TransformerStack(nn.Module):
    """Transformer layers, one upon the other, and a norm.

    Args:
        dim: feature size; divisible by `heads`.
        heads: attention heads.
        layers: how many are stacked.
        dropout: rate at which the output of attention and of feed-forward parts is dropped.
        key_dropout: rate at which attended steps are lost in training.
        crossed: whether every layer attends to another sequence, always the same.
        local: whether its heads lean to the same moment.
        activation: of the feed-forward parts.
        causal: whether a step attends to none that is later (`not_later`); all weights are held then.
    Shapes:
        x: (batch, time, dim), context: (batch, time of the context, dim), steps: (batch, some time) int ->
        (batch, time, dim), or (batch, some time, dim) of those steps alone
    Missing:
        an unobserved step is never attended to and stays unobserved; a context without steps adds nothing.
    Example:
        >>> stack = TransformerStack(8, heads=2, layers=3, crossed=True)
        >>> stack(Sequence.full(torch.ones(5, 7, 8)), Sequence.full(torch.ones(5, 4, 8))).values.shape
        torch.Size([5, 7, 8])
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        layers: int,
        dropout: float = 0.1,
        key_dropout: float = 0.0,
        crossed: bool = False,
        local: bool = False,
        activation: Activation = "gelu",
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TransformerLayer(dim, heads, dropout, key_dropout, crossed, local, activation=activation)
            for _ in range(layers)
        )
        self.norm, self.causal = nn.LayerNorm(dim), causal

    def forward(self, x: Sequence, context: Sequence | None = None, steps: Tensor | None = None) -> Sequence:
        """Run all layers; the last one computes `steps` alone, all where none are given."""
        read = x if context is None else context
        layers = cast("list[TransformerLayer]", list(self.layers))
        places = layers[0].attention.places(x.mask, read.mask, x.values.dtype) if layers else None
        allowed = not_later(x.mask, read.mask) if self.causal else None
        h = x.values
        for layer in layers:
            h = layer.change(h, x.mask, context, places, steps if layer is layers[-1] else None, allowed)
        if steps is None:
            return x.with_values(self.norm(h))
        return Sequence(self.norm(h if layers else pick(h, steps)), x.mask.gather(1, steps))
