"""Who looks on while a model runs."""

from __future__ import annotations

import torch
from torch import Tensor


def is_traced(*tensors: Tensor) -> bool:
    """Whether a compiler or `torch.func.vmap` stands behind these: neither knows every function of PyTorch.

    Example:
        >>> is_traced(torch.ones(2)), torch.func.vmap(lambda x: x * is_traced(x))(torch.ones(1)).item()
        (False, 1.0)
    """
    return torch.compiler.is_compiling() or any(torch._C._functorch.is_batchedtensor(x) for x in tensors)


def by_hand(*tensors: Tensor) -> bool:
    """Whether these are on a processor, and nobody looks on.

    Example:
        >>> by_hand(torch.ones(2))
        True
    """
    return all(x.device.type == "cpu" for x in tensors) and not is_traced(*tensors)
