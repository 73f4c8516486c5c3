"""Layers that encoders and fusions are made of."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affect import renamed
from affect.errors import ConfigError
from affect.kernels.attention import attend, attended
from affect.kernels.dropout import dropout as dropout_of
from affect.sequences import Sequence, pick, place


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` by `affect.kernels.dropout`.

    Example:
        >>> Dropout(0.5).eval()(torch.ones(2))
        tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Lose values in training."""
        return dropout_of(input, self.p, self.training)


def perceptron(
    in_dim: int, out_dim: int, layers: int, dropout: float, hidden: int | None = None
) -> nn.Sequential:
    """`layers` hidden layers of size `hidden`, or else `out_dim`, then a linear one; none makes it linear.

    Example:
        >>> perceptron(3, 2, layers=0, dropout=0.1)
        Sequential(
          (0): Linear(in_features=3, out_features=2, bias=True)
        )
    """
    parts: list[nn.Module] = []
    hidden = out_dim if hidden is None else hidden
    for _ in range(layers):
        parts += [nn.Linear(in_dim, hidden), nn.GELU(), Dropout(dropout)]
        in_dim = hidden
    return nn.Sequential(*parts, nn.Linear(in_dim, out_dim))


def feedforward(dim: int) -> nn.Sequential:
    """What stands behind attention: a norm, and a perceptron four times as wide.

    Example:
        >>> [type(part).__name__ for part in feedforward(8)]
        ['LayerNorm', 'Linear', 'GELU', 'Linear']
    """
    return nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))


class PresenceWeights(nn.Module):
    """One weight per part; over the parts that are there they sum to one.

    Args:
        parts: how many.
        learned: whether the weights are; else all that are there have the same.
    Shapes:
        present: (batch, part) bool -> (batch, part)
    Missing:
        an absent part has weight zero; without any part all are zero.
    Example:
        >>> PresenceWeights(2)(torch.tensor([[True, True], [True, False]])).tolist()
        [[0.5, 0.5], [1.0, 0.0]]
    """

    logits: Tensor

    def __init__(self, parts: int, learned: bool = True) -> None:
        super().__init__()
        if learned:
            self.logits = nn.Parameter(torch.zeros(parts))
        else:
            self.register_buffer("logits", torch.zeros(parts), persistent=False)

    def forward(self, present: Tensor) -> Tensor:
        """(batch, part) bool -> (batch, part)."""
        return softmax_over(self.logits.expand(present.shape), present, -1)


def softmax_over(scores: Tensor, mask: Tensor, dim: int) -> Tensor:
    """Softmax along `dim` over what `mask` holds; the rest is zero, and all is where it holds nothing.

    Example:
        >>> softmax_over(torch.zeros(2, 2), torch.tensor([[True, True], [False, False]]), -1)
        tensor([[0.5000, 0.5000],
                [0.0000, 0.0000]])
    """
    left_out = ~mask & mask.any(dim, keepdim=True)  # a softmax over nothing would be NaN
    return scores.masked_fill(left_out, -torch.inf).softmax(dim) * mask


def sinusoids(places: Tensor, dim: int) -> Tensor:
    """Sines and cosines of where steps stand, (batch, time) -> (batch, time, dim).

    Reference:
        Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.5.
    Example:
        >>> sinusoids(torch.tensor([[0.0, 1.0]]), 2)
        tensor([[[0.0000, 1.0000],
                 [0.8415, 0.5403]]])
    """
    evens = torch.arange(0, dim, 2, device=places.device, dtype=places.dtype)
    angles = places.unsqueeze(-1) * torch.exp(evens * (-math.log(10000.0) / dim))
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[..., :dim]


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


class Convolution(nn.Conv1d):
    """A convolution over time that gives as many steps as it reads.

    Args:
        in_dim: feature size of what it reads.
        out_dim: feature size of what comes out.
        kernel: steps that it spans, odd.
        dilation: how far apart they stand.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim)
    Example:
        >>> Convolution(3, 4, kernel=5)(torch.ones(2, 7, 3)).shape
        torch.Size([2, 7, 4])
    """

    def __init__(self, in_dim: int, out_dim: int, kernel: int, dilation: int = 1) -> None:
        super().__init__(in_dim, out_dim, kernel, dilation=dilation, padding=dilation * (kernel // 2))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, in_dim) -> (batch, time, out_dim)."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def check_kernel(who: str, kernel: int) -> None:
    """Refuse a convolution that has no step in its middle.

    Raises:
        ConfigError: `kernel` is even, or below one.
    Example:
        >>> check_kernel("ConvolutionalEncoder", 4)
        Traceback (most recent call last):
        affect.errors.ConfigError: ConvolutionalEncoder: kernel must be odd, got 4
    """
    if kernel < 1 or kernel % 2 == 0:
        raise ConfigError(f"{who}: kernel must be odd, got {kernel}")


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
    ) -> Tensor:
        """Attend from every step of `values`, observed or not; `places` are found where none are given."""
        present = context_mask.any(1, keepdim=True)
        places = places or self.places(mask, context_mask, values.dtype)
        seen = context_mask
        if self.training and self.dropout:
            kept = seen & (torch.rand(seen.shape, device=seen.device) >= self.dropout)
            seen = torch.where(kept.any(1, keepdim=True), kept, seen)
            # what is lost costs nothing
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
        mixed = attend(query, key, value, seen, asked, offered)
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
    Shapes:
        x: (batch, time, dim), context: (batch, time of the context, dim) -> (batch, time, dim)
    Missing:
        an unobserved step is never attended to and stays unobserved; a context without steps adds nothing.
    Reference:
        Vaswani et al., Attention Is All You Need, NeurIPS 2017.
        Differs: norm before each part (Xiong et al., ICML 2020); GELU; the key has no bias.
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
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.context_norm = nn.LayerNorm(dim) if crossed else None
        self.attention = Attention(dim, heads, key_dropout, local)
        self.feedforward = feedforward(dim)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Sequence, context: Sequence | None = None, places: tuple[Tensor, Tensor] | None = None
    ) -> Sequence:
        """Attend to `context` if the layer is crossed, else to `x` itself; `places` as in attention."""
        return x.with_values(self.change(x.values, x.mask, context, places))

    def change(
        self,
        values: Tensor,
        mask: Tensor,
        context: Sequence | None = None,
        places: tuple[Tensor, Tensor] | None = None,
        steps: Tensor | None = None,
    ) -> Tensor:
        """`forward` on bare values, which unobserved steps need not have at zero, before or afterwards.

        Of `steps` alone, (batch, any time), where they are given: no other is computed.
        """
        normed = self.norm(values)
        read, read_mask = normed, mask
        if self.context_norm is not None and context is not None:
            read, read_mask = self.context_norm(context.values), context.mask
        if steps is not None:
            values, normed, mask = pick(values, steps), pick(normed, steps), mask.gather(1, steps)
            places = places and (places[0].gather(1, steps), places[1])
        h = values + self.dropout(self.attention(normed, mask, read, read_mask, places))
        changed: Tensor = h + self.dropout(self.feedforward(h))
        return changed


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
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TransformerLayer(dim, heads, dropout, key_dropout, crossed, local) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Sequence, context: Sequence | None = None, steps: Tensor | None = None) -> Sequence:
        """Run all layers; the last one computes `steps` alone, all where none are given."""
        read = x if context is None else context
        layers = cast("list[TransformerLayer]", list(self.layers))
        places = layers[0].attention.places(x.mask, read.mask, x.values.dtype) if layers else None
        h = x.values
        for layer in layers:
            h = layer.change(h, x.mask, context, places, steps if layer is layers[-1] else None)
        if steps is None:
            return x.with_values(self.norm(h))
        return Sequence(self.norm(h if layers else pick(h, steps)), x.mask.gather(1, steps))


__getattr__ = renamed.names(__name__, {"dropout": "affect.kernels.dropout.dropout"})
