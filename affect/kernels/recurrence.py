"""Recurrences over all steps: what does not depend on the step before is computed outside of them.

Each is one node of the autograd graph. Its backward pass walks the steps for what is recurrent alone; the
gradient of a weight is one product over all steps. It is made of differentiable operations, so that second
derivatives and `torch.func.grad` work too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from affect import renamed
from affect.kernels.steps import before, known, run, stacked, steps, summed_products, wide
from affect.kernels.switch import is_fast
from affect.kernels.tracing import Kernel, differentiable, on_cpu_kernel
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
    if not is_fast() or not x.shape[1]:
        return plain_lstm(x, observed, weight_in, weight, bias_in, bias)
    weights = _doubled(weight_in), _doubled(weight), _doubled(bias_in + bias)
    single = x.dtype == wide(x.dtype) and not torch.is_autocast_enabled("cpu")
    if single and on_cpu_kernel(x, *weights):
        hidden, cell, *_ = _Packed.apply(x, observed, *weights)  # type: ignore[no-untyped-call]
    else:
        hidden, cell = _one_way(x, observed, *weights)
    return hidden.transpose(0, 1), cell.transpose(0, 1)


def plain_lstm(
    x: Tensor, observed: Tensor, weight_in: Tensor, weight: Tensor, bias_in: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """`lstm`, one step after the other.

    Example:
        >>> cell = torch.nn.LSTMCell(3, 4)
        >>> x, observed = torch.ones(2, 7, 3), torch.ones(2, 7, dtype=torch.bool)
        >>> hidden, _ = plain_lstm(x, observed, *cell.parameters())
        >>> torch.allclose(hidden[:, 0], cell(torch.ones(2, 3))[0], atol=1e-6)
        True
    """
    hidden = cell = x.new_zeros(len(x), weight.shape[1], dtype=wide(x.dtype))
    hiddens, cells = [], []
    for step, seen in zip(x.unbind(1), observed.unsqueeze(-1).unbind(1), strict=True):
        gates = F.linear(step, weight_in, bias_in) + F.linear(hidden.to(weight.dtype), weight, bias)
        enter, forget, new, out = gates.to(cell.dtype).chunk(4, -1)
        cell = torch.where(seen, forget.sigmoid() * cell + enter.sigmoid() * new.tanh(), cell)
        hidden = torch.where(seen, out.sigmoid() * cell.tanh(), hidden)
        hiddens.append(hidden)
        cells.append(cell)
    if not cells:
        nothing = F.linear(x, weight_in)[..., : weight.shape[1]]
        return nothing, nothing
    return torch.stack(hiddens, 1).to(weight.dtype), torch.stack(cells, 1).to(weight.dtype)


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
    if not is_fast() or not x.shape[1]:
        return plain_both_ways(x, observed, *cells)
    (weight_in, weight, bias_in, bias), (back_in, back, back_bias_in, back_bias) = cells
    forwards = F.linear(x, _doubled(weight_in), _doubled(bias_in + bias))
    backwards = F.linear(x, _doubled(back_in), _doubled(back_bias_in + back_bias)).flip(1)
    weights = torch.stack([_doubled(weight), _doubled(back)])
    hidden, _ = _read([forwards, backwards], [observed, observed.flip(1)], weights)
    return torch.cat([hidden[:, 0], hidden[:, 1].flip(0)], -1).transpose(0, 1)


def plain_both_ways(x: Tensor, observed: Tensor, *cells: Iterable[Tensor]) -> Tensor:
    """`both_ways`, one network after the other.

    Example:
        >>> cells = [torch.nn.LSTMCell(3, 4).parameters() for _ in range(2)]
        >>> plain_both_ways(torch.ones(2, 7, 3), torch.ones(2, 7, dtype=torch.bool), *cells).shape
        torch.Size([2, 7, 8])
    """
    forwards, backwards = cells
    there, _ = plain_lstm(x, observed, *forwards)
    back, _ = plain_lstm(x.flip(1), observed.flip(1), *backwards)
    return torch.cat([there, back.flip(1)], -1)


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
    there = _beside(observed).permute(2, 0, 1).unsqueeze(-1).to(wide(low))
    hidden, cell, _ = run(_LSTM, steps, weight, there)
    return hidden.to(weight.dtype), cell.to(weight.dtype)


class _LSTM(Kernel):
    """(projected, weight, there) -> hidden, cell, and the gates, which the backward pass reads.

    All have the axes (time, network, batch, feature). Gates are sigmoids, all four: what the third reads is
    doubled, and so it is (tanh + 1) / 2.
    """

    @staticmethod
    def forward(projected: Tensor, weight: Tensor, there: Tensor) -> tuple[Tensor, ...]:
        low, recurrent = projected.dtype, weight.to(projected.dtype).mT
        hidden = cell = there.new_zeros(*projected.shape[1:3], weight.shape[-1])
        found = []
        for step, seen in steps(projected, there):
            gates = torch.baddbmm(step, hidden.to(low), recurrent).to(there.dtype).sigmoid()
            enter, forget, new, out = gates.chunk(4, -1)
            cell = torch.lerp(cell, torch.addcmul(forget * cell - enter, enter, new, value=2), seen)
            hidden = torch.lerp(hidden, out * cell.tanh(), seen)
            found.append((hidden, cell, gates))
        return stacked(found)

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
            steps(known(grads[0], hiddens), *grads[1:], gates, cells, before(cells), there)
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
            [summed_products(*pair) for pair in zip(change.unbind(1), earlier.unbind(1), strict=True)]
        )
        return change.to(low), of_weight.to(weight.dtype), None


class _Packed(Kernel):
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


def _doubled(gates: Tensor) -> Tensor:
    """With the third of four blocks of rows doubled: tanh(x) is 2 sigmoid(2 x) - 1."""
    enter, forget, new, out = gates.chunk(4)
    return torch.cat([enter, forget, 2 * new, out])


def _beside(parts: list[Tensor]) -> Tensor:
    """All along a new first axis; a single one is not copied."""
    return torch.stack(parts) if len(parts) > 1 else parts[0].unsqueeze(0)


__getattr__ = renamed.names(__name__, {"gated_memory": "affect.kernels.gated_memory.gated_memory"})
