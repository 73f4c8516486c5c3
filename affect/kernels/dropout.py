"""Dropout whose draws are quick on a processor."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from affect.kernels.tracing import on_cpu_kernel


def dropout(x: Tensor, rate: float, training: bool = True) -> Tensor:
    """Lose values at `rate` in training, and make up for it.

    PyTorch draws a number for each value. On a processor one draw of 64 bits serves four here, and the rate
    is a multiple of 2**-16.

    Example:
        >>> kept = dropout(torch.ones(10000), 0.5)
        >>> sorted(kept.unique().tolist()), 0.45 < (kept > 0).double().mean().item() < 0.55
        ([0.0, 2.0], True)
    """
    lost = round(rate * 2**16)
    if not training or lost in (0, 2**16) or not on_cpu_kernel(x):
        return plain_dropout(x, rate, training)
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
    kept = words.view(torch.int16)[: x.numel()].view(x.shape) >= lost - 2**15
    return x * kept.to(x.dtype).mul_(2**16 / (2**16 - lost))


def plain_dropout(x: Tensor, rate: float, training: bool = True) -> Tensor:
    """`torch.nn.functional.dropout`.

    Example:
        >>> plain_dropout(torch.ones(2), 0.5, training=False)
        tensor([1., 1.])
    """
    return F.dropout(x, rate, training)
