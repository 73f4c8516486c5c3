"""Recurrent encoders."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.encoders.base import Encoder
from affect.errors import ConfigError
from affect.kernels.recurrent_layers import gru_layers, lstm_layers
from affect.layers import Dropout
from affect.pooling import Pooling
from affect.sequences import Sequence


class _LSTMWeights(nn.Module):
    """The parameters of a `torch.nn.LSTM` of one layer, by its names and in its order.

    Compilers refuse a model that has a `torch.nn.LSTM` or a `torch.nn.GRU`, also where they need not run it.

    Args:
        in_dim: feature size of the steps.
        width: size of the state.
    """

    gates: ClassVar[int] = 4

    def __init__(self, in_dim: int, width: int) -> None:
        super().__init__()
        bound, rows = width**-0.5, self.gates * width
        self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0 = (
            nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))
            for shape in ((rows, in_dim), (rows, width), (rows,), (rows,))
        )


class _GRUWeights(_LSTMWeights):
    """The parameters of a `torch.nn.GRU` of one layer, likewise."""

    gates = 3


class _Recurrent(Encoder):
    """Layers of a recurrent cell, read over the observed steps alone.

    The backward direction begins with the last observed step and not with padding.
    """

    layer: ClassVar[type[_LSTMWeights]]
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
        normed: bool = False,
        joined: bool = False,
    ) -> None:
        super().__init__(in_dim, out_dim)
        width = out_dim if width is None else width
        if layers < 1:
            raise ConfigError(f"{type(self).__name__}: layers must be at least 1, got {layers}")
        sizes = [in_dim, *[width * (1 + bidirectional)] * (layers - 1)]
        self.forwards = nn.ModuleList(self.layer(size, width) for size in sizes)
        self.backwards = nn.ModuleList(self.layer(size, width) for size in sizes if bidirectional)
        self.dropout = Dropout(dropout)
        self.pooling, self.joined = pooling, joined
        self.causal = pooling is None and not bidirectional
        size = width * (1 + bidirectional)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(layers - 1) if normed)
        states = size * (layers if joined else 1) * (1 if pooling is None else pooling.factor)
        self.project = nn.Linear(states, out_dim)

    def time_of(self, steps: int) -> int:
        return steps if self.pooling is None else 1

    def encode(self, x: Sequence) -> Sequence:
        networks = self.networks()
        if not len(self.norms) and not self.joined:
            return self.outputs(x, self.states(x, networks))
        of_layers, read = [], x
        for number, own in enumerate(networks):
            of_layers.append(self.states(read, [own]))
            norm = self.norms[number] if number < len(self.norms) else nn.Identity()
            read = x.with_values(norm(of_layers[-1]))
        if not self.joined:
            return self.outputs(x, of_layers[-1])
        # all that was read forwards, then all that was read backwards
        parts = [states.chunk(len(networks[0]), -1) for states in of_layers]
        return self.outputs(x, torch.cat([part for side in zip(*parts, strict=True) for part in side], -1))

    def states(self, x: Sequence, networks: list[tuple[nn.Module, ...]]) -> Tensor:
        """Hidden states of the last of some layers after every step, (batch, time, states)."""
        raise NotImplementedError(f"{type(self).__name__} must define states")

    def networks(self) -> list[tuple[nn.Module, ...]]:
        """Those of each layer: the one that reads forwards, and perhaps one that reads backwards."""
        own = [networks for networks in (self.forwards, self.backwards) if len(networks)]
        return list(zip(*own, strict=True))

    def outputs(self, x: Sequence, states: Tensor) -> Sequence:
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
        bidirectional: whether a second reading runs from the last observed step to the first; without it, and
            without a pooling, the encoder is causal.
        dropout: rate at which the input of each layer is dropped.
        width: size of the state; `out_dim` by default.
        pooling: how the states become one, before the linear layer; none leaves all. `EndsPooling` takes
            what both directions have read when they are done.
        normed: whether a layer norm stands between layers.
        joined: whether the states of all layers stand side by side, not those of the last alone.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim), or (batch, 1, out_dim) with `pooling`
    Missing:
        unobserved steps are skipped: the state passes over them unchanged. With `pooling`, a sample without
        observed steps stays unobserved.
    Raises:
        ConfigError: a width below one.
    Also known as:
        LSTM, BiLSTM, sLSTM.
    Reference:
        Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 1997.
        Differs: a linear layer brings the states to `out_dim`.
    Example:
        >>> LSTMEncoder(3, 4)(Sequence.full(torch.ones(2, 7, 3))).values.shape
        torch.Size([2, 7, 4])
    """

    layer = _LSTMWeights

    def states(self, x: Sequence, networks: list[tuple[nn.Module, ...]]) -> Tensor:
        weights = [[network.parameters() for network in own] for own in networks]
        return lstm_layers(x.values, x.mask, weights, self.dropout, self.training)


class GRUEncoder(_Recurrent):
    """Gated recurrent units over the observed steps.

    Args:
        in_dim: feature size of the modality.
        out_dim: feature size of the encoded steps.
        layers: how many are stacked.
        bidirectional: whether a second reading runs from the last observed step to the first; without it, and
            without a pooling, the encoder is causal.
        dropout: rate at which the input of each layer is dropped.
        width: size of the state; `out_dim` by default.
        pooling: how the states become one, before the linear layer; none leaves all. `EndsPooling` takes
            what both directions have read when they are done.
        normed: whether a layer norm stands between layers.
        joined: whether the states of all layers stand side by side, not those of the last alone.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim), or (batch, 1, out_dim) with `pooling`
    Missing:
        unobserved steps are skipped: the state passes over them unchanged. With `pooling`, a sample without
        observed steps stays unobserved.
    Raises:
        ConfigError: a width below one.
    Also known as:
        GRU, BiGRU.
    Reference:
        Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.
        Differs: a linear layer brings the states to `out_dim`.
    Example:
        >>> GRUEncoder(3, 4, bidirectional=False)(Sequence.full(torch.ones(2, 7, 3))).values.shape
        torch.Size([2, 7, 4])
    """

    layer = _GRUWeights

    def states(self, x: Sequence, networks: list[tuple[nn.Module, ...]]) -> Tensor:
        return gru_layers(x.values, x.mask, networks, self.dropout)
