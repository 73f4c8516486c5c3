"""Recurrent networks of all modalities that read, at every step, a code of all their states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.fusion.base import Fusion, by_modality
from affect.fusion.memory import cells_of, layers_of, read_out
from affect.layers import perceptron
from affect.naming import ModuleDict
from affect.sequences import Sequence


class HybridMemoryFusion(Fusion):
    """Recurrent networks whose gates also read a code that several attentions draw from all their states.

    At every step each modality's cell reads its features and the last code z; then `attentions` softmaxes,
    drawn by one network from the hidden states of all modalities, weigh those states; each modality's
    weighted states are reduced by a network of its own, and one more makes the next z of them.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of what comes out.
        width: size of each modality's state, one for all or one for each by name.
        code: size of the code z, and of what each modality is reduced to.
        attentions: how many.
        steps: whether the state after every step comes out, for targets per step; else the last. The fusion
            is causal then.
        dropout: rate at which values are dropped in the networks.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, 1, out_dim), or (batch, time, out_dim) with `steps`
    Missing:
        where a modality is unobserved its state stays; where all are, the code stays too. With `steps`, such
        a step is unobserved.
    Raises:
        ConfigError: a size below one; sizes for some modalities, or for unknown ones.
        ShapeError: the sequences differ in their steps.
    Also known as:
        MARN.
    Reference:
        Zadeh et al., Multi-attention Recurrent Network for Human Communication Comprehension, AAAI 2018, eq.
        1-9.
    Example:
        >>> fusion = HybridMemoryFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    needs_alignment: ClassVar[bool] = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "code": CategoricalDistribution((8, 16, 32)),
        "attentions": IntDistribution(1, 6),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int | dict[str, int] = 32,
        code: int = 16,
        attentions: int = 4,
        steps: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim)
        self.widths = by_modality(self, "width", width)
        self.code, self.attentions, self.steps = code, attentions, steps
        self.causal = steps
        self.cells = ModuleDict({m: nn.LSTMCell(d + code, self.widths[m]) for m, d in self.dims.items()})
        total = sum(self.widths.values())
        self.attend = perceptron(total, attentions * total, 1, dropout)
        self.reduce = ModuleDict(
            {m: perceptron(attentions * w, code, 1, dropout) for m, w in self.widths.items()}
        )
        self.encode = perceptron(len(self.dims) * code, code, 1, dropout)
        self.out = nn.Linear(total + code, out_dim)

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        observed = torch.stack([x.mask for x in inputs.values()]).any(0)
        first = next(iter(inputs.values())).values
        code = first.new_zeros(len(observed), self.code)
        groups = [_Group(self, names, inputs) for names in _by_width(self.widths)]
        found = []
        for step, seen in enumerate(observed.t().unsqueeze(-1).to(first.dtype).unbind(0)):
            states = self._by_name([group.advance(step, code) for group in groups])
            hidden = torch.cat(states, -1)
            weights = self.attend(hidden).view(len(hidden), self.attentions, -1).softmax(-1)
            parts = (weights * hidden.unsqueeze(1)).split(list(self.widths.values()), -1)
            reduced = self._by_name(
                [group.reduce(dict(zip(self.dims, parts, strict=True))) for group in groups]
            )
            changed = self.encode(torch.cat(reduced, -1))
            code = torch.lerp(code, changed.to(code.dtype), seen)
            found.append(torch.cat([hidden, code], -1))
        return read_out(self.out, torch.stack(found, 1), observed, self.steps)

    def _by_name(self, found: list[dict[str, Tensor]]) -> list[Tensor]:
        """What groups found for each modality, in the order of names."""
        every = {m: x for part in found for m, x in part.items()}
        return [every[m] for m in self.dims]


class _Group:
    """The cells of a `HybridMemoryFusion` that have one width, run as one; and their states.

    What they read of the inputs is computed for all steps when it is made.
    """

    def __init__(self, fusion: HybridMemoryFusion, names: list[str], inputs: Mapping[str, Sequence]) -> None:
        self.names = names
        cells = cells_of(fusion.cells[m] for m in names)
        inner, dropouts, last = zip(*(layers_of(fusion.reduce[m]) for m in names), strict=True)
        read = []
        for m, cell in zip(names, cells, strict=True):
            weight, bias = cell.weight_ih[:, : fusion.dims[m]], cell.bias_ih + cell.bias_hh
            read.append(F.linear(inputs[m].values.transpose(0, 1), weight, bias))
        # at each step (modality, batch, 4 width), and (modality, batch, 1)
        self.read = torch.stack(read, 1).unbind(0)
        recurrent = [torch.cat([cell.weight_ih[:, -fusion.code :], cell.weight_hh], 1) for cell in cells]
        self.recurrent = torch.stack(recurrent).transpose(1, 2)
        seen = torch.stack([inputs[m].mask.t() for m in names], 1).unsqueeze(-1)
        self.seen = seen.to(inputs[names[0]].values.dtype).unbind(0)
        self.hidden = self.cell = self.seen[0].new_zeros(*seen.shape[1:3], fusion.widths[names[0]])
        self.inner, self.last, self.dropout = _stacked(inner), _stacked(last), dropouts[0]

    def advance(self, step: int, code: Tensor) -> dict[str, Tensor]:
        """The next hidden states; where a modality is unobserved its state stays."""
        read = torch.cat([code.expand(len(self.names), -1, -1), self.hidden], -1)
        gates = torch.baddbmm(self.read[step], read, self.recurrent).to(self.cell.dtype)
        enter, forget, _, out = gates.sigmoid().chunk(4, -1)
        new = gates.chunk(4, -1)[2].tanh()
        self.cell = torch.lerp(self.cell, forget * self.cell + enter * new, self.seen[step])
        self.hidden = torch.lerp(self.hidden, out * self.cell.tanh(), self.seen[step])
        return dict(zip(self.names, self.hidden.unbind(0), strict=True))

    def reduce(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each modality's network makes of its weighted states, (batch, attentions, width)."""
        values = torch.stack([parts[m].flatten(1) for m in self.names])
        values = self.dropout(F.gelu(torch.baddbmm(self.inner[1], values, self.inner[0])))
        found = torch.baddbmm(self.last[1], values, self.last[0])
        return dict(zip(self.names, found.unbind(0), strict=True))


def _stacked(layers: Iterable[nn.Linear]) -> tuple[Tensor, Tensor]:
    """Weights, (modality, in, out), and biases, (modality, 1, out), of layers that are run as one."""
    layers = list(layers)
    weight, bias = (
        torch.stack([layer.weight for layer in layers]),
        torch.stack([layer.bias for layer in layers]),
    )
    return weight.transpose(1, 2), bias.unsqueeze(1)


def _by_width(widths: Mapping[str, int]) -> list[list[str]]:
    """The modalities that share a width, together."""
    return [[m for m, own in widths.items() if own == width] for width in dict.fromkeys(widths.values())]
