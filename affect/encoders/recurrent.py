"""Recurrent encoders."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.encoders.base import Encoder
from affect.sequences import Sequence


class _Recurrent(Encoder):
    """Layers of a recurrent cell, read over the observed steps alone.

    Observed steps are moved to the front, so that no recurrence ever meets a hole; the backward
    direction reads them turned round, so that it begins with the last observed step and not with padding.
    """

    layer: ClassVar[type[nn.LSTM | nn.GRU]]
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layers": IntDistribution(1, 2),
        "bidirectional": CategoricalDistribution((False, True)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self, in_dim: int, out_dim: int, layers: int = 1, bidirectional: bool = True, dropout: float = 0.1
    ) -> None:
        super().__init__(in_dim, out_dim)
        sizes = [in_dim, *[out_dim * (1 + bidirectional)] * (layers - 1)]
        self.forwards = nn.ModuleList(self.layer(size, out_dim, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(
            self.layer(size, out_dim, batch_first=True) for size in sizes if bidirectional
        )
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(out_dim * (1 + bidirectional), out_dim)

    def encode(self, x: Sequence) -> Sequence:
        rank = x.mask.cumsum(1) - 1  # place of an observed step among the observed ones
        order = torch.argsort((~x.mask).to(torch.int8), dim=1, stable=True)
        steps = torch.arange(x.time, device=order.device)
        back = (x.lengths.unsqueeze(1) - 1 - steps).remainder(x.time)  # turns the first `length` steps round
        h = _pick(x.values, order)  # (batch, time, in_dim), observed steps first
        for i, forward in enumerate(self.forwards):
            h = self.dropout(h)
            states = [forward(h)[0]]
            if self.backwards:
                states.append(_pick(self.backwards[i](_pick(h, back))[0], back))
            h = torch.cat(states, -1)
        return x.with_values(self.project(_pick(h, rank.clamp(min=0))))


def _pick(values: Tensor, index: Tensor) -> Tensor:
    """Steps `index`, (batch, time), of `values`, (batch, time, feature)."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


class LSTMEncoder(_Recurrent):
    """Long short-term memory over the observed steps.

    Args:
        in_dim: feature size of the modality.
        out_dim: size of the state, and feature size of the encoded steps.
        layers: how many are stacked.
        bidirectional: whether a second reading runs from the last observed step to the first.
        dropout: rate at which the input of each layer is dropped.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim)
    Missing:
        unobserved steps are skipped: the state passes over them unchanged.
    Reference:
        Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 1997.
        Differs: a linear layer brings the states to `out_dim`.
    Example:
        >>> LSTMEncoder(3, 4)(Sequence.full(torch.ones(2, 7, 3))).values.shape
        torch.Size([2, 7, 4])
    """

    layer = nn.LSTM


class GRUEncoder(_Recurrent):
    """Gated recurrent units over the observed steps.

    Args:
        in_dim: feature size of the modality.
        out_dim: size of the state, and feature size of the encoded steps.
        layers: how many are stacked.
        bidirectional: whether a second reading runs from the last observed step to the first.
        dropout: rate at which the input of each layer is dropped.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim)
    Missing:
        unobserved steps are skipped: the state passes over them unchanged.
    Reference:
        Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.
        Differs: a linear layer brings the states to `out_dim`.
    Example:
        >>> GRUEncoder(3, 4, bidirectional=False)(Sequence.full(torch.ones(2, 7, 3))).values.shape
        torch.Size([2, 7, 4])
    """

    layer = nn.GRU
