"""How many numbers a module holds while it computes: bounds from the shapes of its weights.

With gradients every layer's values are kept for the backward pass; without them the largest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from affect.kernels.attention import HELD as HELD_AT_ONCE
from affect.kernels.attention import KEPT
from affect.naming import ModuleDict

HELD = 2
"""Numbers that are held with gradients for each that a layer gives: what follows it, and its gradient."""
AT_ONCE = 6
"""Numbers that are held without gradients for each that the largest layer gives."""


def held(module: nn.Module | Iterable[nn.Module], rows: int, by_name: Mapping[str, int] | None = None) -> int:
    """A bound on the numbers that a module of layers holds when each of them reads so many rows.

    Args:
        module: or several.
        rows: steps of all samples that are read.
        by_name: rows of the parts that a dictionary of modules has under these names.
    Example:
        >>> held(nn.Linear(3, 10), rows=100)
        4000
        >>> with torch.no_grad():
        ...     held(nn.Sequential(nn.Linear(3, 10, bias=False), nn.Linear(10, 10, bias=False)), rows=100)
        6000
    """
    found = [0]
    todo = [(part, rows) for part in ([module] if isinstance(module, nn.Module) else module)]
    while todo:
        part, rows = todo.pop()
        found += [rows * _outputs(part, p) for p in part.parameters(recurse=False)]
        children = part.items() if isinstance(part, ModuleDict) else part.named_children()
        named = by_name if by_name and isinstance(part, ModuleDict | nn.ModuleDict) else {}
        todo += [(child, named.get(name, rows)) for name, child in children]
    return HELD * sum(found) if torch.is_grad_enabled() else AT_ONCE * max(found)


def of_inputs(dims: Mapping[str, int], batch: int, steps: Mapping[str, int], copies: int = 4) -> int:
    """A bound on the numbers that are held of what is read itself: copies of it, and its gradient.

    Example:
        >>> of_inputs({"ecg": 3}, batch=2, steps={"ecg": 10})
        240
    """
    return copies * batch * sum(dims[m] * time for m, time in steps.items())


def weights_of_attention(heads: int, batch: int, time: int, context: int) -> int:
    """Weights that `affect.kernels.attention.attend` holds at most: all, or some at a time.

    Example:
        >>> weights_of_attention(4, 16, 10, 10), weights_of_attention(4, 16, 20_000, 20_000)
        (12800, 0)
    """
    weights = heads * batch * time * context
    if time * context > HELD_AT_ONCE:
        return 0  # PyTorch's kernel holds none
    at_once = min(weights, torch.get_num_threads() * HELD_AT_ONCE)
    return at_once + (weights if torch.is_grad_enabled() and weights <= KEPT else at_once)


def _outputs(module: nn.Module, parameter: Tensor) -> int:
    """Numbers that come of a parameter for every row."""
    if isinstance(module, nn.Embedding):
        return parameter.shape[-1]
    if parameter.dim() < 2:
        return parameter.numel()
    return parameter.shape[0] if parameter.dim() == 2 else parameter.numel() // max(1, parameter.shape[1])
