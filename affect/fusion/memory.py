"""Memories that recurrent networks of all modalities write, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, cast

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.errors import ConfigError
from affect.fusion.base import Extras, Fusion
from affect.fusion.graph import check_vertices, graph_networks, grown, vertices_of
from affect.kernels.recurrence import before, gated_memory, lstm
from affect.layers import perceptron
from affect.naming import ModuleDict
from affect.sequences import Sequence


class _GatedMemoryFusion(Fusion):
    """A recurrent network per modality, and a gated memory that reads their states.

    Write `read`, and make what it needs between the constructor and `remember`.
    """

    needs_alignment: ClassVar[bool] = True

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int | dict[str, int],
        memory: int,
        steps: bool,
        hidden: int | None,
    ) -> None:
        super().__init__(dims, out_dim)
        self.widths = widths_of(self, width)
        if min(memory, *self.widths.values(), 1 if hidden is None else hidden) < 1:
            raise ConfigError(
                f"{type(self).__name__}: sizes must be at least 1, got width={width}, memory={memory}, "
                f"hidden={hidden}"
            )
        self.hidden = hidden
        self.memory, self.steps = memory, steps
        self.cells = ModuleDict({m: nn.LSTMCell(d, self.widths[m]) for m, d in self.dims.items()})

    def remember(self, reading: int, dropout: float) -> None:
        """Make the networks of a memory that reads so many values, and what brings all to `out_dim`."""
        self.new = perceptron(reading, self.memory, 1, dropout, self.hidden)
        self.gates = perceptron(reading + self.memory, 2 * self.memory, 1, dropout, self.hidden)
        self.out = nn.Linear(sum(self.widths.values()) + self.memory, self.out_dim)

    def read(
        self, hidden: list[Tensor], cell: list[Tensor], masks: Mapping[str, Tensor]
    ) -> tuple[Tensor, Extras]:
        """What the memory reads at every step, (time, batch, reading), and extras.

        Args:
            hidden: of each modality after every step, (time, batch, width).
            cell: the same of the cell states.
            masks: where it was observed, (time, batch).
        """
        raise NotImplementedError(f"{type(self).__name__} must define read")

    def fuse(self, inputs: dict[str, Sequence]) -> tuple[Sequence, Extras]:
        masks = {m: x.mask.t() for m, x in inputs.items()}
        states = [
            lstm(x.values, x.mask, c.weight_ih, c.weight_hh, c.bias_ih, c.bias_hh)
            for c, x in zip(_cells(self.cells.values()), inputs.values(), strict=True)
        ]
        hidden, cell = ([part.transpose(0, 1) for part in parts] for parts in zip(*states, strict=True))
        read, extras = self.read(hidden, cell, masks)
        observed = torch.stack(list(masks.values())).any(0)
        found = torch.cat([*hidden, self._memories(read, observed)], -1)  # (time, batch, widths + memory)
        return _said(self.out, found.transpose(0, 1), observed.t(), self.steps), extras

    def _memories(self, read: Tensor, observed: Tensor) -> Tensor:
        """The memory after every step, (time, batch, memory); only what reads the memory waits for it."""
        inner, dropout, last = _layers(self.gates)
        now, past = torch.split(inner.weight, [read.shape[-1], self.memory], 1)
        part = F.linear(read, now, inner.bias)
        kept = dropout(torch.ones_like(part)) if self.training else None
        return gated_memory(part, self.new(read).tanh(), observed, past, last.weight, last.bias, kept)


class MemoryFusion(_GatedMemoryFusion):
    """A recurrent network per modality, and a gated memory of what changed between two steps in all of them.

    At step t the cell states c of all modalities, of this step and the one before, are weighted by a softmax
    that a network draws from them; the weighted states say what is new to the memory (tanh), how much of it
    is kept and how much comes in (two sigmoid gates): u_t = keep * u_(t-1) + come * new. The last hidden
    states and the last memory are read.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of what comes out.
        width: size of each modality's state, one for all or one for each by name.
        memory: size of the memory.
        steps: whether the state after every step comes out, for targets per step; else the last.
        dropout: rate at which values are dropped in the networks.
        hidden: size of the hidden layer of each network; that of its output by default.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, 1, out_dim), or (batch, time, out_dim) with `steps`
    Missing:
        where a modality is unobserved its state stays; where all are, the memory stays too. With `steps`,
        such a step is unobserved.
    Raises:
        ConfigError: a size below one; sizes for some modalities, or for unknown ones.
        ShapeError: the sequences differ in their steps.
    Reference:
        Zadeh et al., Memory Fusion Network for Multi-view Sequential Learning, AAAI 2018, eq. 1-10.
        Differs: the gates see the memory, as in the released code, not the weighted states alone.
    Example:
        >>> fusion = MemoryFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "memory": CategoricalDistribution((16, 32, 64, 128)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int | dict[str, int] = 32,
        memory: int = 32,
        steps: bool = False,
        dropout: float = 0.1,
        hidden: int | None = None,
    ) -> None:
        super().__init__(dims, out_dim, width, memory, steps, hidden)
        both = 2 * sum(self.widths.values())
        self.attention = perceptron(both, both, 1, dropout, hidden)
        self.remember(both, dropout)

    def read(
        self, hidden: list[Tensor], cell: list[Tensor], masks: Mapping[str, Tensor]
    ) -> tuple[Tensor, Extras]:
        cells = torch.cat(cell, -1)
        cells = torch.cat([before(cells), cells], -1)
        return self.attention(cells).softmax(-1) * cells, {}


class GraphMemoryFusion(_GatedMemoryFusion):
    """A recurrent network per modality, and a gated memory that reads a dynamic fusion graph of them.

    At step t the vertex of a modality is a projection of its hidden states of this step and the one before;
    the graph of `DynamicGraphFusion` grows from these vertices, and a linear layer makes its summary of them
    all. The summary says what is new to the memory (tanh), how much of it is kept and how much comes in (two
    sigmoid gates): u_t = keep * u_(t-1) + come * new. The last hidden states and the last memory are read.

    Args:
        dims: feature size of each modality, six modalities at most: there are 2^modalities - 1 vertices.
        out_dim: feature size of what comes out.
        width: size of each modality's state, one for all or one for each by name.
        memory: size of the memory.
        vertex: size of a vertex, and of the graph's summary.
        steps: whether the state after every step comes out, for targets per step; else the last.
        dropout: rate at which values are dropped in the networks.
        hidden: size of the hidden layer of each network; that of its output by default.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, 1, out_dim), or (batch, time, out_dim) with `steps`
        extras["efficacies"]: (batch, time, edge), by the sets that edges go to, the summary last
    Missing:
        where a modality is unobserved its state stays; where all are, the memory stays too. With `steps`,
        such a step is unobserved. A modality's vertex is there from its first observed step on; before, and
        where it is absent, nothing comes from a vertex that has it in its set: its efficacies are zero.
    Raises:
        ConfigError: a single modality, or more than six; a size below one; sizes for some modalities, or for
            unknown ones.
        ShapeError: the sequences differ in their steps.
    Reference:
        Zadeh et al., Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic
        Fusion Graph, ACL 2018, section 4 (Graph-MFN).
        Differs: the gates see the memory too, as in `MemoryFusion`.
    Example:
        >>> fusion = GraphMemoryFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "memory": CategoricalDistribution((16, 32, 64, 128)),
        "vertex": CategoricalDistribution((16, 32, 64)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int | dict[str, int] = 32,
        memory: int = 32,
        vertex: int = 32,
        steps: bool = False,
        dropout: float = 0.1,
        hidden: int | None = None,
    ) -> None:
        super().__init__(dims, out_dim, width, memory, steps, hidden)
        check_vertices(self)
        if vertex < 1:
            raise ConfigError(f"GraphMemoryFusion: sizes must be at least 1, got vertex={vertex}")
        self.project = ModuleDict({m: nn.Linear(2 * w, vertex) for m, w in self.widths.items()})
        self.networks, self.efficacy = graph_networks(self.dims, vertex, dropout)
        self.summary = nn.Linear(len(vertices_of(self.dims)) * vertex, vertex)
        self.remember(vertex, dropout)

    def read(
        self, hidden: list[Tensor], cell: list[Tensor], masks: Mapping[str, Tensor]
    ) -> tuple[Tensor, Extras]:
        singles = {
            m: self.project[m](torch.cat([before(h), h], -1)) for m, h in zip(self.dims, hidden, strict=True)
        }
        met = {m: mask.cumsum(0) > 0 for m, mask in masks.items()}
        vertices, efficacies = grown(singles, met, self.networks, self.efficacy)
        return self.summary(vertices), {"efficacies": efficacies.transpose(0, 1)}


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
        steps: whether the state after every step comes out, for targets per step; else the last.
        dropout: rate at which values are dropped in the networks.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, 1, out_dim), or (batch, time, out_dim) with `steps`
    Missing:
        where a modality is unobserved its state stays; where all are, the code stays too. With `steps`, such
        a step is unobserved.
    Raises:
        ConfigError: a size below one; sizes for some modalities, or for unknown ones.
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
        width: int | dict[str, int] = 32,
        code: int = 16,
        attentions: int = 4,
        steps: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim)
        self.widths = widths_of(self, width)
        if min(code, attentions, *self.widths.values()) < 1:
            raise ConfigError(
                f"HybridMemoryFusion: sizes must be at least 1, got width={width}, code={code}, "
                f"attentions={attentions}"
            )
        self.code, self.attentions, self.steps = code, attentions, steps
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
        return _said(self.out, torch.stack(found, 1), observed, self.steps)

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
        cells = _cells(fusion.cells[m] for m in names)
        inner, dropouts, last = zip(*(_layers(fusion.reduce[m]) for m in names), strict=True)
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


def widths_of(fusion: Fusion, width: int | Mapping[str, int]) -> dict[str, int]:
    """A size for each modality of a fusion, from one for all or one for each by name.

    Raises:
        ConfigError: a modality is unknown, or has none.
    """
    if isinstance(width, int):
        return dict.fromkeys(fusion.dims, width)
    for name in width:
        fusion.named(name)
    for name in fusion.dims:
        if name not in width:
            raise ConfigError(
                f"{type(fusion).__name__}: width: modality '{name}' has none; given for: "
                f"{', '.join(sorted(width)) or 'none'}"
            )
    return {name: width[name] for name in fusion.dims}


def _cells(cells: Iterable[nn.Module]) -> list[nn.LSTMCell]:
    return [cast(nn.LSTMCell, cell) for cell in cells]


def _layers(network: nn.Module) -> tuple[nn.Linear, nn.Module, nn.Linear]:
    """What a perceptron with one hidden layer is made of: hidden layer, dropout, last layer."""
    inner, _, dropout, last = cast(nn.Sequential, network)
    return cast(nn.Linear, inner), dropout, cast(nn.Linear, last)


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


def _said(out: nn.Linear, found: Tensor, observed: Tensor, steps: bool) -> Sequence:
    """Every step of (batch, time, states), or the last: states do not change where nothing is observed."""
    return Sequence(out(found), observed) if steps else Sequence.vector(out(found[:, -1]))
