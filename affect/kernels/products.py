"""Products of a large weight tensor with few rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from affect.kernels.tracing import Kernel, on_cpu_kernel


def product(weight: Tensor, rows: Tensor) -> Tensor:
    """The products of every row with the last axis of a weight.

    The gradient of the weight, as large as it is, is written in blocks on a processor: as one product it
    takes twice as long.

    Shapes:
        weight: (out_dim, entries, size), rows: (batch, size) -> (out_dim, entries, batch)
    Example:
        >>> product(torch.ones(1, 2, 3), torch.tensor([[1.0, 2.0, 3.0]]))
        tensor([[[6.],
                 [6.]]])
    """
    if torch.is_autocast_enabled("cpu") or not on_cpu_kernel(weight, rows):
        return plain_product(weight, rows)
    found: Tensor = _Product.apply(weight, rows)  # type: ignore[no-untyped-call]  # torch's own
    return found


def plain_product(weight: Tensor, rows: Tensor) -> Tensor:
    """`product` as it is written.

    Example:
        >>> plain_product(torch.ones(1, 2, 3), torch.tensor([[1.0, 2.0, 3.0]])).shape
        torch.Size([1, 2, 1])
    """
    return weight @ rows.mT


class _Product(Kernel):
    """(weight, rows) -> product, with the gradient of the weight in blocks."""

    @staticmethod
    def forward(weight: Tensor, rows: Tensor) -> Tensor:
        return (weight.flatten(0, 1) @ rows.mT).view(*weight.shape[:2], len(rows))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        weight, rows = ctx.saved_tensors
        of_weight = torch.bmm(grad, rows.expand(len(grad), *rows.shape))
        return of_weight, grad.flatten(0, 1).mT @ weight.flatten(0, 1)
