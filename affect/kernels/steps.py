"""What recurrences over all steps share: their steps, and products over all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from affect.kernels.tracing import Kernel, is_traced


def before(states: Tensor) -> Tensor:
    """What stood one step earlier, (time, ...); zeros at the first.

    Example:
        >>> before(torch.tensor([1.0, 2.0, 3.0]))
        tensor([0., 1., 2.])
    """
    return torch.cat([torch.zeros_like(states[:1]), states[:-1]])


def run(kernel: type[Kernel], *given: Tensor | str | None) -> tuple[Tensor, ...]:
    """What a recurrence gives; a compiler gets its steps, which it differentiates as a whole by itself."""
    found: tuple[Tensor, ...] = kernel.forward(*given) if is_traced() else kernel.apply(*given)  # type: ignore[no-untyped-call]  # torch's own
    return found


def wide(dtype: torch.dtype) -> torch.dtype:
    """What states are kept in: products may be of half precision, sums over time are not.

    Example:
        >>> wide(torch.bfloat16), wide(torch.float64)
        (torch.float32, torch.float64)
    """
    return torch.promote_types(dtype, torch.float32)


def steps(*parts: Tensor | None) -> list[tuple[Any, ...]]:
    """The steps of several tensors, together; where there is no tensor, there is none at any step.

    Example:
        >>> steps(torch.tensor([1.0, 2.0]), None)
        [(tensor(1.), None), (tensor(2.), None)]
    """
    time = max(len(part) for part in parts if part is not None)
    return list(zip(*([None] * time if part is None else part.unbind(0) for part in parts), strict=True))


def stacked(found: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """One tensor over time for each of what was found at every step.

    Example:
        >>> stacked([(torch.tensor(1.0), torch.tensor(2.0)), (torch.tensor(3.0), torch.tensor(4.0))])
        (tensor([1., 3.]), tensor([2., 4.]))
    """
    return tuple(torch.stack(part) for part in zip(*found, strict=True))


def known(gradient: Tensor | None, of: Tensor) -> Tensor:
    """A gradient, or zeros where there is none.

    Example:
        >>> known(None, torch.ones(2))
        tensor([0., 0.])
    """
    return torch.zeros_like(of) if gradient is None else gradient


def summed_products(one: Tensor, other: Tensor) -> Tensor:
    """The sum over time and batch of outer products, (feature of one, feature of other).

    Example:
        >>> summed_products(torch.ones(2, 3, 1), torch.ones(2, 3, 2))
        tensor([[6., 6.]])
    """
    return one.flatten(0, 1).t() @ other.flatten(0, 1)
