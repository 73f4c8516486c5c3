"""Recurrent encoders."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.encoders.base import Encoder
from affect.errors import ConfigError
from affect.kernels.recurrence import both_ways, lstm
from affect.kernels.tracing import is_traced
from affect.layers import Dropout
from affect.pooling import Pooling
from affect.sequences import Sequence, observed_first, pick


class _OneLSTM(nn.Module):
    """What `torch.nn.LSTM` of one layer computes, by its names of parameters, over steps without holes.

    Compilers refuse a model that has a `torch.nn.LSTM`, also where they need not run it.

    Args:
        in_dim: feature size of the steps.
        width: size of the state.
        batch_first: there for the likeness to `torch.nn.GRU`; the batch is the first axis.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, width), and the last states
    """

    def __init__(self, in_dim: int, width: int, batch_first: bool = True) -> None:
        super().__init__()
        bound = width**-0.5
        self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0 = (
            nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))
            for shape in ((4 * width, in_dim), (4 * width, width), (4 * width,), (4 * width,))
        )

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Read every step of `x`."""
        weights: list[Tensor] = list(self.parameters())
        state = x.new_zeros(1, len(x), weights[1].shape[1])
        states, *last = torch.lstm(x, [state, state], weights, True, 1, 0.0, self.training, False, True)
        return states, (last[0], last[1])


class _Recurrent(Encoder):
    """Layers of a recurrent cell, read over the observed steps alone.

    The backward direction begins with the last observed step and not with padding.
    """

    layer: ClassVar[type[_OneLSTM | nn.GRU]]
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layers": IntDistribution(1, 2),
        "bidirectional": CategoricalDistribution((False, True)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.1,
        width: int | None = None,
        pooling: Pooling | None = None,
    ) -> None:
        super().__init__(in_dim, out_dim)
        width = out_dim if width is None else width
        if width < 1:
            raise ConfigError(f"{type(self).__name__}: width must be at least 1, got {width}")
        sizes = [in_dim, *[width * (1 + bidirectional)] * (layers - 1)]
        self.forwards = nn.ModuleList(self.layer(size, width, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(
            self.layer(size, width, batch_first=True) for size in sizes if bidirectional
        )
        self.dropout = Dropout(dropout)
        self.pooling = pooling
        states = width * (1 + bidirectional) * (1 if pooling is None else pooling.factor)
        self.project = nn.Linear(states, out_dim)

    def encode(self, x: Sequence) -> Sequence:
        h, mask = x.values, x.mask
        # observed steps are moved to the front, so that the recurrence never meets a hole; only a processor
        # is asked whether there are any, as the answer of another device would have to be waited for
        holes = h.device.type != "cpu" or bool((mask[:, 1:] & ~mask[:, :-1]).any())
        if holes:
            h = pick(h, observed_first(mask))
        steps = torch.arange(mask.shape[1], device=mask.device)
        back = (mask.sum(1, keepdim=True) - 1 - steps).remainder(mask.shape[1])  # observed ones turned round
        for layer, forwards in enumerate(self.forwards):
            h = self.dropout(h)
            states = [forwards(h)[0]]
            if self.backwards:
                states.append(pick(self.backwards[layer](pick(h, back))[0], back))
            h = torch.cat(states, -1)
        if holes:
            h = pick(h, (mask.cumsum(1) - 1).clamp(min=0))  # place of an observed step among such
        return self.said(x, h)

    def said(self, x: Sequence, states: Tensor) -> Sequence:
        """What comes out of the states, (batch, time, feature), after the steps of `x`."""
        if self.pooling is None:
            return x.with_values(self.project(states))
        return Sequence.vector(self.project(self.pooling(x.with_values(states))), x.present)


class LSTMEncoder(_Recurrent):
    """Long short-term memory over the observed steps.

    Args:
        in_dim: feature size of the modality.
        out_dim: feature size of the encoded steps.
        layers: how many are stacked.
        bidirectional: whether a second reading runs from the last observed step to the first.
        dropout: rate at which the input of each layer is dropped.
        width: size of the state; `out_dim` by default.
        pooling: how the states become one, before the linear layer; none leaves all.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim), or (batch, 1, out_dim) with `pooling`
    Missing:
        unobserved steps are skipped: the state passes over them unchanged. With `pooling`, a sample without
        observed steps stays unobserved.
    Raises:
        ConfigError: a width below one.
    Reference:
        Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 1997.
        Differs: a linear layer brings the states to `out_dim`.
    Example:
        >>> LSTMEncoder(3, 4)(Sequence.full(torch.ones(2, 7, 3))).values.shape
        torch.Size([2, 7, 4])
    """

    layer = _OneLSTM

    def encode(self, x: Sequence) -> Sequence:
        own = [layers for layers in (self.forwards, self.backwards) if len(layers)]
        h = x.values
        # PyTorch's own layers know neither compilers nor `torch.func`
        if not is_traced(h, self.project.weight):
            return super().encode(x)
        for cells in zip(*own, strict=True):
            h = self.dropout(h)
            weights = [list(cell.parameters()) for cell in cells]
            h = both_ways(h, x.mask, *weights) if self.backwards else lstm(h, x.mask, *weights[0])[0]
        return self.said(x, h)


class GRUEncoder(_Recurrent):
    """Gated recurrent units over the observed steps.

    Args:
        in_dim: feature size of the modality.
        out_dim: feature size of the encoded steps.
        layers: how many are stacked.
        bidirectional: whether a second reading runs from the last observed step to the first.
        dropout: rate at which the input of each layer is dropped.
        width: size of the state; `out_dim` by default.
        pooling: how the states become one, before the linear layer; none leaves all.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim), or (batch, 1, out_dim) with `pooling`
    Missing:
        unobserved steps are skipped: the state passes over them unchanged. With `pooling`, a sample without
        observed steps stays unobserved.
    Raises:
        ConfigError: a width below one.
    Reference:
        Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.
        Differs: a linear layer brings the states to `out_dim`.
    Example:
        >>> GRUEncoder(3, 4, bidirectional=False)(Sequence.full(torch.ones(2, 7, 3))).values.shape
        torch.Size([2, 7, 4])
    """

    layer = nn.GRU
