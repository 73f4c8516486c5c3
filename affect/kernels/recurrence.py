"""Recurrences over all steps: what does not depend on the step before is computed outside of them.

Each is one node of the autograd graph. Its backward pass walks the steps for what is recurrent alone; the
gradient of a weight is one product over all steps. It is made of differentiable operations, so that second
derivatives, `torch.func.vmap` and `torch.func.grad` work too; forward-mode differentiation does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from affect.kernels.tracing import differentiable, on_cpu_kernel
from affect.sequences import observed_first


def lstm(
    x: Tensor, observed: Tensor, weight_in: Tensor, weight: Tensor, bias_in: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Hidden and cell states of long short-term memory after every step; they stay where nothing is observed.

    Weights and biases are those of `torch.nn.LSTMCell`, in its order; the states begin at zero.

    Shapes:
        x: (batch, time, in_dim), observed: (batch, time) bool -> twice (batch, time, width)
    Example:
        >>> cell = torch.nn.LSTMCell(3, 4)
        >>> hidden, _ = lstm(torch.ones(2, 7, 3), torch.ones(2, 7, dtype=torch.bool), *cell.parameters())
        >>> torch.allclose(hidden[:, 0], cell(torch.ones(2, 3))[0], atol=1e-6)
        True
    """
    weights = _doubled(weight_in), _doubled(weight), _doubled(bias_in + bias)
    single = x.dtype == _wide(x.dtype) and not torch.is_autocast_enabled("cpu")
    if single and on_cpu_kernel(x, *weights):
        hidden, cell, *_ = _Packed.apply(x, observed, *weights)  # type: ignore[no-untyped-call]
    else:
        hidden, cell = _one_way(x, observed, *weights)
    return hidden.transpose(0, 1), cell.transpose(0, 1)


def _one_way(
    x: Tensor, observed: Tensor, weight_in: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Hidden and cell states, (time, batch, width), of weights that are doubled for the third gate."""
    hidden, cell = _read([F.linear(x, weight_in, bias)], [observed], weight.unsqueeze(0))
    return hidden[:, 0], cell[:, 0]


def both_ways(x: Tensor, observed: Tensor, *cells: Iterable[Tensor]) -> Tensor:
    """Hidden states of two networks over the steps of `x`, one of which reads from the last to the first.

    Args:
        x: what is read.
        observed: where; the states stay elsewhere.
        cells: weights and biases of each, as in `lstm`.
    Shapes:
        x: (batch, time, in_dim), observed: (batch, time) bool -> (batch, time, 2 width)
    Example:
        >>> cells = [torch.nn.LSTMCell(3, 4).parameters() for _ in range(2)]
        >>> both_ways(torch.ones(2, 7, 3), torch.ones(2, 7, dtype=torch.bool), *cells).shape
        torch.Size([2, 7, 8])
    """
    (weight_in, weight, bias_in, bias), (back_in, back, back_bias_in, back_bias) = cells
    forwards = F.linear(x, _doubled(weight_in), _doubled(bias_in + bias))
    backwards = F.linear(x, _doubled(back_in), _doubled(back_bias_in + back_bias)).flip(1)
    weights = torch.stack([_doubled(weight), _doubled(back)])
    hidden, _ = _read([forwards, backwards], [observed, observed.flip(1)], weights)
    return torch.cat([hidden[:, 0], hidden[:, 1].flip(0)], -1).transpose(0, 1)


def _read(projected: list[Tensor], observed: list[Tensor], weight: Tensor) -> tuple[Tensor, Tensor]:
    """Hidden and cell states, (time, network, batch, width), of networks that are run as one.

    Args:
        projected: what the gates have of every step, (batch, time, 4 width) for each network.
        observed: (batch, time) for each network.
        weight: (network, 4 width, width).

    Both are doubled for the third gate.
    """
    low = projected[0].dtype
    steps = _beside(projected).permute(2, 0, 1, 3)
    there = _beside(observed).permute(2, 0, 1).unsqueeze(-1).to(_wide(low))
    hidden, cell, _ = _run(_LSTM, steps, weight, there)
    return hidden.to(weight.dtype), cell.to(weight.dtype)


def gated_memory(
    read: Tensor,
    new: Tensor,
    observed: Tensor,
    weight: Tensor,
    weight_out: Tensor,
    bias_out: Tensor,
    kept: Tensor | None = None,
) -> Tensor:
    """A memory after every step: u_t = keep * u_(t-1) + come * new_t; it stays where nothing is observed.

    A network with one hidden layer draws the gates from what is read and from the memory before:
    keep, come = sigmoid(weight_out (kept * gelu(read_t + weight u_(t-1))) + bias_out). It begins at zero.

    Args:
        read: what the hidden layer has of each step, its bias included.
        new: what may come into the memory.
        observed: where it changes.
        weight: from the memory to the hidden layer.
        weight_out: from the hidden layer to both gates.
        bias_out: of both gates.
        kept: factors of the hidden values, as dropout draws them; none leaves them alone.
    Shapes:
        read, kept: (time, batch, width), new: (time, batch, memory), observed: (time, batch) bool,
        weight: (width, memory), weight_out: (2 memory, width) -> (time, batch, memory)
    Example:
        >>> new, always = torch.ones(3, 1, 1), torch.ones(3, 1, dtype=torch.bool)
        >>> half_open = torch.zeros(4, 1), torch.zeros(2, 4), torch.zeros(2)
        >>> gated_memory(torch.ones(3, 1, 4), new, always, *half_open).flatten().tolist()
        [0.5, 0.75, 0.875]
    """
    there = observed.unsqueeze(-1).to(_wide(read.dtype))
    memory, _, _ = _run(_GatedMemory, read, new, there, weight, weight_out, bias_out, kept)
    return memory.to(weight.dtype)


def before(states: Tensor) -> Tensor:
    """What stood one step earlier, (time, ...); zeros at the first.

    Example:
        >>> before(torch.tensor([1.0, 2.0, 3.0]))
        tensor([0., 1., 2.])
    """
    return torch.cat([torch.zeros_like(states[:1]), states[:-1]])


class _LSTM(Function):
    """(projected, weight, there) -> hidden, cell, and the gates, which the backward pass reads.

    All have the axes (time, network, batch, feature). Gates are sigmoids, all four: what the third reads is
    doubled, and so it is (tanh + 1) / 2.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(projected: Tensor, weight: Tensor, there: Tensor) -> tuple[Tensor, ...]:
        low, recurrent = projected.dtype, weight.to(projected.dtype).mT
        hidden = cell = there.new_zeros(*projected.shape[1:3], weight.shape[-1])
        found = []
        for step, seen in _steps(projected, there):
            gates = torch.baddbmm(step, hidden.to(low), recurrent).to(there.dtype).sigmoid()
            enter, forget, new, out = gates.chunk(4, -1)
            cell = torch.lerp(cell, torch.addcmul(forget * cell - enter, enter, new, value=2), seen)
            hidden = torch.lerp(hidden, out * cell.tanh(), seen)
            found.append((hidden, cell, gates))
        return _stacked(found)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[1:], *output)
        ctx.set_materialize_grads(False)
        ctx.low = inputs[0].dtype

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        # small tensors of one step stay in the cache: whole ones for what all steps share take twice as long
        weight, there, hiddens, cells, gates = ctx.saved_tensors
        low, recurrent = ctx.low, weight.to(ctx.low)
        on_hidden = on_cell = torch.zeros_like(hiddens[0])
        found = []
        for of_hidden, of_cell, of_gate, gate, cell, earlier, seen in reversed(
            _steps(_known(grads[0], hiddens), *grads[1:], gates, cells, before(cells), there)
        ):
            enter, forget, new, out = gate.chunk(4, -1)
            on_hidden, squashed = of_hidden + on_hidden, cell.tanh()
            written = on_hidden * seen
            through = written * out
            on_cell = on_cell if of_cell is None else of_cell + on_cell
            on_cell = torch.addcmul(on_cell + through, through * squashed, squashed, value=-1)
            changed = on_cell * seen
            on_gate = torch.cat(
                [changed * (2 * new - 1), changed * earlier, 2 * changed * enter, written * squashed], -1
            )
            on_gate = on_gate if of_gate is None else on_gate + of_gate
            found.append(on_gate * torch.addcmul(gate, gate, gate, value=-1))
            on_hidden = on_hidden - written + (found[-1].to(low) @ recurrent).to(cell.dtype)
            on_cell = torch.addcmul(on_cell - changed, changed, forget)
        change = torch.stack(found[::-1])
        earlier = before(hiddens)
        of_weight = torch.stack(
            [_product(*pair) for pair in zip(change.unbind(1), earlier.unbind(1), strict=True)]
        )
        return change.to(low), of_weight.to(weight.dtype), None


class _Packed(Function):
    """`_one_way` on a processor, over observed steps alone and without new tensors at every one of them.

    Samples with many observed steps stand first, so that those which have an n-th one are rows that lie
    together; these follow one another from the first step to the last.
    """

    @staticmethod
    def forward(
        x: Tensor, observed: Tensor, weight_in: Tensor, weight: Tensor, bias: Tensor
    ) -> tuple[Tensor, ...]:
        rows, where, sizes = _packing(observed)
        read = x.flatten(0, 1).index_select(0, rows)
        gates, recurrent = torch.addmm(bias, read, weight_in.mT), weight.mT
        hiddens, cells, squashed = gates.new_empty(3, len(rows) + 1, weight.shape[1]).unbind()
        hiddens[-1], cells[-1] = 0, 0
        hidden = cell = gates.new_zeros(len(x), weight.shape[1])
        minus = gates.new_full((), -1)
        parts = (_at_steps(part, sizes) for part in (gates, hiddens, cells, squashed))
        for gate, next_hidden, next_cell, through in zip(*parts, strict=True):
            many = len(gate)
            enter, forget, new, out = gate.addmm_(hidden[:many], recurrent).sigmoid_().chunk(4, -1)
            torch.mul(cell[:many], forget, out=next_cell).addcmul_(enter, new, value=2).sub_(enter)
            torch.add(minus, torch.add(next_cell, next_cell, out=through).sigmoid_(), alpha=2, out=through)
            torch.mul(through, out, out=next_hidden)
            hidden, cell = next_hidden, next_cell
        shape = *where.shape, weight.shape[1]
        found = (states.index_select(0, where.flatten()).view(shape) for states in (hiddens, cells))
        return *found, read, rows, where, torch.tensor(sizes), gates, hiddens, cells, squashed

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs, *output[2:])
        ctx.mark_non_differentiable(*output[2:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        given = x, _, weight_in, weight, _ = ctx.saved_tensors[:5]
        if torch.is_grad_enabled():
            return differentiable(_one_way(*given), given, grads[:2])
        read, rows, where, many_rows, gates, hiddens, cells, squashed = ctx.saved_tensors[5:]
        sizes: list[int] = many_rows.tolist()
        of_hiddens, of_cells = (
            torch.zeros_like(hiddens).index_add_(0, where.flatten(), grad.flatten(0, 1)) for grad in grads[:2]
        )
        change = torch.empty_like(gates)
        nothing, *memory = gates.new_zeros(4, len(x), weight.shape[1]).unbind()
        memory.append(gates.new_empty(len(x), gates.shape[1]))
        before = [[nothing, *_at_steps(states, sizes)][:-1] for states in (hiddens, cells)]
        parts = (_at_steps(part, sizes) for part in (gates, squashed, of_hiddens, of_cells, change))
        for earlier, gate, through, of_hidden, of_cell, on_gate in reversed(
            list(zip(before[1], *parts, strict=True))
        ):
            many = len(gate)
            on_hidden, on_cell, written, slope = (part[:many] for part in memory)
            enter, forget, new, out = gate.chunk(4, -1)
            on_enter, on_forget, on_new, on_out = on_gate.chunk(4, -1)
            on_hidden.add_(of_hidden)
            torch.mul(on_hidden, through, out=on_out)
            torch.mul(on_hidden, out, out=written)
            on_cell.add_(of_cell).add_(written).addcmul_(written.mul_(through), through, value=-1)
            torch.mul(on_cell, new, out=on_enter).mul_(2).sub_(on_cell)
            torch.mul(on_cell, earlier[:many], out=on_forget)
            torch.mul(on_cell, enter, out=on_new).mul_(2)
            on_gate.mul_(torch.addcmul(gate, gate, gate, value=-1, out=slope))
            on_cell.mul_(forget)
            torch.mm(on_gate, weight, out=on_hidden)
        earlier = torch.cat(
            [nothing[:0], *(part[:many] for part, many in zip(before[0], sizes, strict=True))]
        )
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = torch.zeros_like(x).flatten(0, 1).index_copy_(0, rows, change @ weight_in).view_as(x)
        return of_x, None, change.mT @ read, change.mT @ earlier, change.sum(0)


def _at_steps(packed: Tensor, sizes: list[int]) -> tuple[Tensor, ...]:
    """The rows of each step."""
    return torch.split(packed[: sum(sizes)], sizes)


def _packing(observed: Tensor) -> tuple[Tensor, Tensor, list[int]]:
    """Which steps of a flat list are packed, where each step's state is then, and how many rows a step has.

    A step before the first observed one has the state behind the last row.
    """
    batch, time = observed.shape
    counts = observed.cumsum(1)
    lengths, order = counts[:, -1].sort(descending=True, stable=True)
    there = torch.arange(time).unsqueeze(1) < lengths
    rows = (observed_first(observed)[order] + time * order.unsqueeze(1)).mT[there]
    sizes = there.sum(1)
    starts = sizes.cumsum(0) - sizes
    place = starts[counts.mT - 1] + order.argsort()
    return rows, torch.where(counts.mT > 0, place, len(rows)), [many for many in sizes.tolist() if many]


class _GatedMemory(Function):
    """(read, new, there, weights, kept) -> memory; and hidden values and gates, for the backward pass."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        read: Tensor,
        new: Tensor,
        there: Tensor,
        weight: Tensor,
        weight_out: Tensor,
        bias_out: Tensor,
        kept: Tensor | None,
    ) -> tuple[Tensor, ...]:
        low = read.dtype
        recurrent, out, bias = weight.to(low).t(), weight_out.to(low).t(), bias_out.to(low)
        memory = there.new_zeros(read.shape[1], weight.shape[1])
        found = []
        for step, come, seen, factor in _steps(read, new.to(there.dtype), there, kept):
            values = torch.addmm(step, memory.to(low), recurrent)
            hidden = F.gelu(values) if factor is None else F.gelu(values) * factor
            gates = torch.addmm(bias, hidden.to(low), out).to(there.dtype).sigmoid()
            keep, enter = gates.chunk(2, -1)
            memory = torch.lerp(memory, torch.addcmul(keep * memory, enter, come), seen)
            found.append((memory, values, gates))
        return _stacked(found)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[1:], *output)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        new, there, weight, weight_out, bias_out, kept, memories, values, gates = ctx.saved_tensors
        low, earlier = values.dtype, before(memories)
        recurrent, out = weight.to(low), weight_out.to(low)
        on_memory = torch.zeros_like(memories[0])
        found = []
        for of_memory, of_value, of_gate, value, gate, come, memory, seen, factor in reversed(
            _steps(
                _known(grads[0], memories),
                *grads[1:],
                values,
                gates,
                new.to(there.dtype),
                earlier,
                there,
                kept,
            )
        ):
            keep, enter = gate.chunk(2, -1)
            on_memory = of_memory + on_memory
            changed = on_memory * seen
            on_gate = torch.cat([changed * memory, changed * come], -1)
            on_gate = on_gate if of_gate is None else on_gate + of_gate
            on_gate = on_gate * torch.addcmul(gate, gate, gate, value=-1)
            on_hidden = on_gate.to(low) @ out
            on_hidden = on_hidden if factor is None else (on_hidden * factor).to(low)
            on_value = torch.ops.aten.gelu_backward(on_hidden, value)
            on_value = on_value if of_value is None else on_value + of_value
            found.append((on_value, changed * enter, on_gate))
            on_memory = torch.addcmul(on_memory - changed, changed, keep) + (on_value @ recurrent).to(
                gate.dtype
            )
        on_values, on_new, on_gates = _stacked(found[::-1])
        hidden = F.gelu(values) if kept is None else F.gelu(values) * kept
        return (
            on_values,
            on_new.to(new.dtype),
            None,
            _product(on_values.to(there.dtype), earlier).to(weight.dtype),
            _product(on_gates, hidden.to(there.dtype)).to(weight.dtype),
            on_gates.sum((0, 1)).to(bias_out.dtype),
            None,
        )


def _run(function: Any, *given: Tensor | None) -> tuple[Tensor, ...]:
    """What a recurrence gives; a compiler gets its steps, which it differentiates as a whole by itself."""
    compiled = torch.compiler.is_compiling()
    found: tuple[Tensor, ...] = function.forward(*given) if compiled else function.apply(*given)
    return found


def _wide(dtype: torch.dtype) -> torch.dtype:
    """What states are kept in: products may be of half precision, sums over time are not."""
    return torch.promote_types(dtype, torch.float32)


def _doubled(gates: Tensor) -> Tensor:
    """With the third of four blocks of rows doubled: tanh(x) is 2 sigmoid(2 x) - 1."""
    enter, forget, new, out = gates.chunk(4)
    return torch.cat([enter, forget, 2 * new, out])


def _steps(*parts: Tensor | None) -> list[tuple[Any, ...]]:
    """The steps of several tensors, together; where there is no tensor, there is none at any step."""
    time = max(len(part) for part in parts if part is not None)
    return list(zip(*([None] * time if part is None else part.unbind(0) for part in parts), strict=True))


def _stacked(found: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """One tensor over time for each of what was found at every step."""
    return tuple(torch.stack(part) for part in zip(*found, strict=True))


def _beside(parts: list[Tensor]) -> Tensor:
    """All along a new first axis; a single one is not copied."""
    return torch.stack(parts) if len(parts) > 1 else parts[0].unsqueeze(0)


def _known(gradient: Tensor | None, of: Tensor) -> Tensor:
    return torch.zeros_like(of) if gradient is None else gradient


def _product(one: Tensor, other: Tensor) -> Tensor:
    """The sum over time and batch of outer products, (feature of one, feature of other)."""
    return one.flatten(0, 1).t() @ other.flatten(0, 1)
