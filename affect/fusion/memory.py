"""Memories that recurrent networks of all modalities write, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, cast

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect import renamed
from affect.fusion.base import Extras, Fusion, by_modality
from affect.fusion.graph import check_vertices, graph_networks, grown, vertices_of
from affect.kernels.gated_memory import gated_memory
from affect.kernels.recurrence import lstm
from affect.kernels.steps import before
from affect.layers import Activation, activation_of, perceptron
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
        activation: Activation,
    ) -> None:
        super().__init__(dims, out_dim)
        self.widths = by_modality(self, "width", width)
        self.hidden, self.activation = hidden, activation
        self.memory, self.steps = memory, steps
        self.causal = steps
        self.cells = ModuleDict({m: nn.LSTMCell(d, self.widths[m]) for m, d in self.dims.items()})

    def remember(self, reading: int, dropout: float) -> None:
        """Make the networks of a memory that reads so many values, and what brings all to `out_dim`."""
        self.new = perceptron(reading, self.memory, 1, dropout, self.hidden, self.activation)
        gating = reading + self.memory
        self.gates = perceptron(gating, 2 * self.memory, 1, dropout, self.hidden, self.activation)
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
            for c, x in zip(cells_of(self.cells.values()), inputs.values(), strict=True)
        ]
        hidden, cell = ([part.transpose(0, 1) for part in parts] for parts in zip(*states, strict=True))
        read, extras = self.read(hidden, cell, masks)
        observed = torch.stack(list(masks.values())).any(0)
        found = torch.cat([*hidden, self._memories(read, observed)], -1)  # (time, batch, widths + memory)
        return read_out(self.out, found.transpose(0, 1), observed.t(), self.steps), extras

    def _memories(self, read: Tensor, observed: Tensor) -> Tensor:
        """The memory after every step, (time, batch, memory); only what reads the memory waits for it."""
        inner, dropout, last = layers_of(self.gates)
        now, past = torch.split(inner.weight, [read.shape[-1], self.memory], 1)
        part = F.linear(read, now, inner.bias)
        kept = dropout(torch.ones_like(part)) if self.training else None
        new = self.new(read).tanh()
        return gated_memory(part, new, observed, past, last.weight, last.bias, kept, self.activation)


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
        steps: whether the state after every step comes out, for targets per step; else the last. The fusion
            is causal then.
        dropout: rate at which values are dropped in the networks.
        hidden: size of the hidden layer of each network; that of its output by default.
        activation: of hidden layers; ReLU in the released code.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, 1, out_dim), or (batch, time, out_dim) with `steps`
    Missing:
        where a modality is unobserved its state stays; where all are, the memory stays too. With `steps`,
        such a step is unobserved.
    Raises:
        ConfigError: a size below one; sizes for some modalities, or for unknown ones.
        ShapeError: the sequences differ in their steps.
    Also known as:
        MFN.
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
        activation: Activation = "gelu",
    ) -> None:
        super().__init__(dims, out_dim, width, memory, steps, hidden, activation)
        both = 2 * sum(self.widths.values())
        self.attention = perceptron(both, both, 1, dropout, hidden, activation)
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
        steps: whether the state after every step comes out, for targets per step; else the last. The fusion
            is causal then.
        dropout: rate at which values are dropped in the networks.
        hidden: size of the hidden layer of each network; that of its output by default.
        activation: of hidden layers of the memory's networks.
        graph_activation: of hidden layers of the graph's networks.
        vertex_activation: of a modality's vertex.
        bounded: whether efficacies go through a sigmoid.
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
    Also known as:
        Graph-MFN.
    Reference:
        Zadeh et al., Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic
        Fusion Graph, ACL 2018, section 4 (Graph-MFN).
        Differs: the gates see the memory too, as in `MemoryFusion`. MMSA's code has `activation: relu,
        graph_activation: none, vertex_activation: relu, bounded: false`.
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
        activation: Activation = "gelu",
        graph_activation: Activation = "gelu",
        vertex_activation: Activation = "none",
        bounded: bool = True,
    ) -> None:
        super().__init__(dims, out_dim, width, memory, steps, hidden, activation)
        check_vertices(self)
        self.bounded = bounded
        self.project = ModuleDict({m: nn.Linear(2 * w, vertex) for m, w in self.widths.items()})
        self.shape = activation_of(vertex_activation)
        self.networks, self.efficacy = graph_networks(self.dims, vertex, dropout, graph_activation)
        self.summary = nn.Linear(len(vertices_of(self.dims)) * vertex, vertex)
        self.remember(vertex, dropout)

    def read(
        self, hidden: list[Tensor], cell: list[Tensor], masks: Mapping[str, Tensor]
    ) -> tuple[Tensor, Extras]:
        singles = {
            m: self.shape(self.project[m](torch.cat([before(h), h], -1)))
            for m, h in zip(self.dims, hidden, strict=True)
        }
        met = {m: mask.cumsum(0) > 0 for m, mask in masks.items()}
        vertices, efficacies = grown(singles, met, self.networks, self.efficacy, self.bounded)
        return self.summary(vertices), {"efficacies": efficacies.transpose(0, 1)}


def cells_of(cells: Iterable[nn.Module]) -> list[nn.LSTMCell]:
    """The same modules, as what they are."""
    return [cast(nn.LSTMCell, cell) for cell in cells]


def layers_of(network: nn.Module) -> tuple[nn.Linear, nn.Module, nn.Linear]:
    """What a perceptron with one hidden layer is made of: hidden layer, dropout, last layer."""
    inner, _, dropout, last = cast(nn.Sequential, network)
    return cast(nn.Linear, inner), dropout, cast(nn.Linear, last)


def read_out(out: nn.Linear, found: Tensor, observed: Tensor, steps: bool) -> Sequence:
    """Every step of (batch, time, states), or the last: states do not change where nothing is observed."""
    return Sequence(out(found), observed) if steps else Sequence.vector(out(found[:, -1]))


__getattr__ = renamed.names(__name__, {"HybridMemoryFusion": "affect.fusion.HybridMemoryFusion"})
