"""A gated memory over all steps: what does not depend on the step before is computed outside of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from affect.kernels.steps import before, known, run, stacked, steps, summed_products, wide
from affect.kernels.switch import is_fast
from affect.kernels.tracing import Kernel


def gated_memory(
    read: Tensor,
    new: Tensor,
    observed: Tensor,
    weight: Tensor,
    weight_out: Tensor,
    bias_out: Tensor,
    kept: Tensor | None = None,
    activation: str = "gelu",
) -> Tensor:
    """A memory after every step: u_t = keep * u_(t-1) + come * new_t; it stays where nothing is observed.

    A network with one hidden layer draws the gates from what is read and from the memory before:
    keep, come = sigmoid(weight_out (kept * f(read_t + weight u_(t-1))) + bias_out). It begins at zero.

    Args:
        read: what the hidden layer has of each step, its bias included.
        new: what may come into the memory.
        observed: where it changes.
        weight: from the memory to the hidden layer.
        weight_out: from the hidden layer to both gates.
        bias_out: of both gates.
        kept: factors of the hidden values, as dropout draws them; none leaves them alone.
        activation: f: gelu, relu, tanh, sigmoid, or none.
    Shapes:
        read, kept: (time, batch, width), new: (time, batch, memory), observed: (time, batch) bool,
        weight: (width, memory), weight_out: (2 memory, width) -> (time, batch, memory)
    Example:
        >>> new, always = torch.ones(3, 1, 1), torch.ones(3, 1, dtype=torch.bool)
        >>> half_open = torch.zeros(4, 1), torch.zeros(2, 4), torch.zeros(2)
        >>> gated_memory(torch.ones(3, 1, 4), new, always, *half_open).flatten().tolist()
        [0.5, 0.75, 0.875]
    """
    if not is_fast():
        return plain_gated_memory(read, new, observed, weight, weight_out, bias_out, kept, activation)
    if not len(read):
        return new.to(weight.dtype)  # without steps, too
    there = observed.unsqueeze(-1).to(wide(read.dtype))
    memory, _, _ = run(_GatedMemory, read, new, there, weight, weight_out, bias_out, kept, activation)
    return memory.to(weight.dtype)


def plain_gated_memory(
    read: Tensor,
    new: Tensor,
    observed: Tensor,
    weight: Tensor,
    weight_out: Tensor,
    bias_out: Tensor,
    kept: Tensor | None = None,
    activation: str = "gelu",
) -> Tensor:
    """`gated_memory`, one step after the other.

    Example:
        >>> new, always = torch.ones(3, 1, 1), torch.ones(3, 1, dtype=torch.bool)
        >>> half_open = torch.zeros(4, 1), torch.zeros(2, 4), torch.zeros(2)
        >>> plain_gated_memory(torch.ones(3, 1, 4), new, always, *half_open).flatten().tolist()
        [0.5, 0.75, 0.875]
    """
    memory = new.new_zeros(*new.shape[1:], dtype=wide(read.dtype))
    memories = []
    for step in range(len(read)):
        values = read[step] + F.linear(memory.to(read.dtype), weight.to(read.dtype))
        hidden = _CHANGES[activation][0](values)
        if kept is not None:
            hidden = hidden * kept[step]
        gates = F.linear(hidden.to(read.dtype), weight_out.to(read.dtype), bias_out.to(read.dtype))
        keep, enter = gates.to(memory.dtype).sigmoid().chunk(2, -1)
        memory = torch.where(observed[step].unsqueeze(-1), keep * memory + enter * new[step], memory)
        memories.append(memory)
    return torch.stack(memories).to(weight.dtype) if memories else new.to(weight.dtype)


_CHANGES: Final[Mapping[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]]] = {
    "gelu": (F.gelu, torch.ops.aten.gelu_backward),
    "relu": (F.relu, lambda grad, values: grad * (values > 0)),
    "tanh": (torch.tanh, lambda grad, values: grad * (1 - values.tanh().square())),
    "sigmoid": (torch.sigmoid, lambda grad, values: grad * values.sigmoid() * (1 - values.sigmoid())),
    "none": (lambda values: values, lambda grad, values: grad),
}
"""Activations by name, and what becomes of a gradient in front of them, from what they read."""


class _GatedMemory(Kernel):
    """(read, new, there, weights, kept) -> memory; and hidden values and gates, for the backward pass."""

    @staticmethod
    def forward(
        read: Tensor,
        new: Tensor,
        there: Tensor,
        weight: Tensor,
        weight_out: Tensor,
        bias_out: Tensor,
        kept: Tensor | None,
        activation: str,
    ) -> tuple[Tensor, ...]:
        low, change = read.dtype, _CHANGES[activation][0]
        recurrent, out, bias = weight.to(low).t(), weight_out.to(low).t(), bias_out.to(low)
        memory = there.new_zeros(read.shape[1], weight.shape[1])
        found = []
        for step, come, seen, factor in steps(read, new.to(there.dtype), there, kept):
            values = torch.addmm(step, memory.to(low), recurrent)
            hidden = change(values) if factor is None else change(values) * factor
            gates = torch.addmm(bias, hidden.to(low), out).to(there.dtype).sigmoid()
            keep, enter = gates.chunk(2, -1)
            memory = torch.lerp(memory, torch.addcmul(keep * memory, enter, come), seen)
            found.append((memory, values, gates))
        return stacked(found)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs[1:-1], *output)
        ctx.activation = inputs[-1]
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        new, there, weight, weight_out, bias_out, kept, memories, values, gates = ctx.saved_tensors
        low, earlier = values.dtype, before(memories)
        change, changed_back = _CHANGES[ctx.activation]
        recurrent, out = weight.to(low), weight_out.to(low)
        on_memory = torch.zeros_like(memories[0])
        found = []
        for of_memory, of_value, of_gate, value, gate, come, memory, seen, factor in reversed(
            steps(
                known(grads[0], memories),
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
            on_value = changed_back(on_hidden, value)
            on_value = on_value if of_value is None else on_value + of_value
            found.append((on_value, changed * enter, on_gate))
            on_memory = torch.addcmul(on_memory - changed, changed, keep) + (on_value @ recurrent).to(
                gate.dtype
            )
        on_values, on_new, on_gates = stacked(found[::-1])
        hidden = change(values) if kept is None else change(values) * kept
        return (
            on_values,
            on_new.to(new.dtype),
            None,
            summed_products(on_values.to(there.dtype), earlier).to(weight.dtype),
            summed_products(on_gates, hidden.to(there.dtype)).to(weight.dtype),
            on_gates.sum((0, 1)).to(bias_out.dtype),
            None,
            None,
        )
