"""Memories that recurrent networks of all modalities write, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.errors import ConfigError
from affect.fusion.base import Fusion
from affect.layers import perceptron
from affect.sequences import Sequence

State: TypeAlias = tuple[Tensor, Tensor]
"""Hidden and cell state of a recurrent cell, (batch, width) each."""


class MemoryFusion(Fusion):
    """A recurrent network per modality, and a gated memory of what changed between two steps in all of them.

    At step t the cell states c of all modalities, of this step and the one before, are weighted by a softmax
    that a network draws from them; the weighted states say what is new to the memory (tanh), how much of it
    is kept and how much comes in (two sigmoid gates): u_t = keep * u_(t-1) + come * new. The last hidden
    states and the last memory are read.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of what comes out.
        width: size of each modality's state.
        memory: size of the memory.
        steps: whether the state after every step comes out, for targets per step; else the last.
        dropout: rate at which values are dropped in the networks.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, 1, out_dim), or (batch, time, out_dim) with `steps`
    Missing:
        where a modality is unobserved its state stays; where all are, the memory stays too. With `steps`,
        such a step is unobserved.
    Raises:
        ConfigError: a size below one.
        ShapeError: the sequences differ in their steps.
    Reference:
        Zadeh et al., Memory Fusion Network for Multi-view Sequential Learning, AAAI 2018, eq. 1-10.
        Differs: the gates see the memory, as in the released code, not the weighted states alone.
    Example:
        >>> fusion = MemoryFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    needs_alignment: ClassVar[bool] = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "memory": CategoricalDistribution((16, 32, 64, 128)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        memory: int = 32,
        steps: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim)
        if width < 1 or memory < 1:
            raise ConfigError(f"MemoryFusion: sizes must be at least 1, got width={width}, memory={memory}")
        self.width, self.memory, self.steps = width, memory, steps
        self.cells = nn.ModuleDict({m: nn.LSTMCell(d, width) for m, d in self.dims.items()})
        both = 2 * len(self.dims) * width
        self.attention = perceptron(both, both, 1, dropout)
        self.new = perceptron(both, memory, 1, dropout)
        self.gates = perceptron(both + memory, 2 * memory, 1, dropout)
        self.out = nn.Linear(len(self.dims) * width + memory, out_dim)

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        observed = torch.stack([x.mask for x in inputs.values()]).any(0)
        states = _begin(inputs, self.width)
        memory = observed.new_zeros(len(observed), self.memory, dtype=states[0][0].dtype)
        found = []
        for step in range(observed.shape[1]):
            before, states = states, _advance(self.cells, _at(inputs, step), states)
            cells = torch.cat([cell for _, cell in (*before, *states)], -1)
            attended = self.attention(cells).softmax(-1) * cells
            keep, come = self.gates(torch.cat([attended, memory], -1)).sigmoid().chunk(2, -1)
            changed = keep * memory + come * self.new(attended).tanh()
            memory = torch.where(observed[:, step : step + 1], changed, memory)
            found.append(torch.cat([*(hidden for hidden, _ in states), memory], -1))
        return _read(self.out, found, observed, self.steps)


class HybridMemoryFusion(Fusion):
    """Recurrent networks whose gates also read a code that several attentions draw from all their states.

    At every step each modality's cell reads its features and the last code z; then `attentions` softmaxes,
    drawn by one network from the hidden states of all modalities, weigh those states; each modality's
    weighted states are reduced by a network of its own, and one more makes the next z of them.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of what comes out.
        width: size of each modality's state.
        code: size of the code z, and of what each modality is reduced to.
        attentions: how many.
        steps: whether the state after every step comes out, for targets per step; else the last.
        dropout: rate at which values are dropped in the networks.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, 1, out_dim), or (batch, time, out_dim) with `steps`
    Missing:
        where a modality is unobserved its state stays; where all are, the code stays too. With `steps`, such
        a step is unobserved.
    Raises:
        ConfigError: a size below one.
        ShapeError: the sequences differ in their steps.
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
        width: int = 32,
        code: int = 16,
        attentions: int = 4,
        steps: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim)
        if width < 1 or code < 1 or attentions < 1:
            raise ConfigError(
                f"HybridMemoryFusion: sizes must be at least 1, got width={width}, code={code}, "
                f"attentions={attentions}"
            )
        self.width, self.code, self.attentions, self.steps = width, code, attentions, steps
        self.cells = nn.ModuleDict({m: nn.LSTMCell(d + code, width) for m, d in self.dims.items()})
        total = len(self.dims) * width
        self.attend = perceptron(total, attentions * total, 1, dropout)
        self.reduce = nn.ModuleDict({m: perceptron(attentions * width, code, 1, dropout) for m in self.dims})
        self.encode = perceptron(len(self.dims) * code, code, 1, dropout)
        self.out = nn.Linear(total + code, out_dim)

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        observed = torch.stack([x.mask for x in inputs.values()]).any(0)
        states = _begin(inputs, self.width)
        code = observed.new_zeros(len(observed), self.code, dtype=states[0][0].dtype)
        found = []
        for step in range(observed.shape[1]):
            seen = {m: (torch.cat([x, code], -1), there) for m, (x, there) in _at(inputs, step).items()}
            states = _advance(self.cells, seen, states)
            hidden = torch.cat([hidden for hidden, _ in states], -1)
            weights = self.attend(hidden).view(len(hidden), self.attentions, -1).softmax(-1)
            parts = (weights * hidden.unsqueeze(1)).split(self.width, -1)  # (batch, attentions, width) each
            reduced = [self.reduce[m](part.flatten(1)) for m, part in zip(self.dims, parts, strict=True)]
            changed = self.encode(torch.cat(reduced, -1))
            code = torch.where(observed[:, step : step + 1], changed, code)
            found.append(torch.cat([hidden, code], -1))
        return _read(self.out, found, observed, self.steps)


def _begin(inputs: Mapping[str, Sequence], width: int) -> list[State]:
    """Zeros, as every recurrence begins."""
    return [(x.values.new_zeros(len(x.mask), width),) * 2 for x in inputs.values()]


def _at(inputs: Mapping[str, Sequence], step: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Values and presence of each modality at a step, (batch, dims[m]) and (batch, 1)."""
    return {m: (x.values[:, step], x.mask[:, step : step + 1]) for m, x in inputs.items()}


def _advance(
    cells: nn.ModuleDict, seen: Mapping[str, tuple[Tensor, Tensor]], states: list[State]
) -> list[State]:
    """The next states; where a modality is unobserved its state stays."""
    advanced = []
    for (m, (x, there)), state in zip(seen.items(), states, strict=True):
        hidden, cell = cells[m](x, state)
        advanced.append((torch.where(there, hidden, state[0]), torch.where(there, cell, state[1])))
    return advanced


def _read(out: nn.Linear, found: list[Tensor], observed: Tensor, steps: bool) -> Sequence:
    """The states of all steps, or the last one: states do not change where nothing is observed."""
    return Sequence(out(torch.stack(found, 1)), observed) if steps else Sequence.vector(out(found[-1]))
