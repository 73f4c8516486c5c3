"""Dropout whose draws are quick on a processor."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary


def dropout(x: Tensor, rate: float, training: bool = True) -> Tensor:
    """Lose values at `rate` in training, and make up for it: `torch.nn.functional.dropout`, faster on a CPU.

    There PyTorch draws a number for each value. Here one draw of 64 bits serves four, and the rate is a
    multiple of 2**-16.

    Example:
        >>> kept = dropout(torch.ones(10000), 0.5)
        >>> sorted(kept.unique().tolist()), 0.45 < (kept > 0).double().mean().item() < 0.55
        ([0.0, 2.0], True)
    """
    if has_torch_function_unary(x):
        made: Tensor = handle_torch_function(dropout, (x,), x, rate, training)
        return made
    lost = round(rate * 2**16)
    if x.device.type != "cpu" or torch.compiler.is_compiling() or lost in (0, 2**16):
        return F.dropout(x, rate, training)
    if not training:
        return x
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    kept = words.view(torch.int16)[: x.numel()].view(x.shape) >= lost - 2**15
    return x * kept.to(x.dtype).mul_(2**16 / (2**16 - lost))
