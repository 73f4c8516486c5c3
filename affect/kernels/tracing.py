"""Who looks on while a model runs."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def is_traced(*tensors: Tensor) -> bool:
    """Whether a compiler or `torch.func.vmap` stands behind these: neither knows every function of PyTorch.

    Example:
        >>> is_traced(torch.ones(2)), torch.func.vmap(lambda x: x * is_traced(x))(torch.ones(1)).item()
        (False, 1.0)
    """
    return torch.compiler.is_compiling() or any(_is_batched(x) for x in tensors)


def _is_batched(x: Tensor) -> bool:
    """Whether this is many tensors, also behind `torch.func.grad`."""
    while torch._C._functorch.is_gradtrackingtensor(x):
        x = torch._C._functorch.get_unwrapped(x)
    return torch._C._functorch.is_batchedtensor(x)


def on_cpu_kernel(*tensors: Tensor) -> bool:
    """Whether these are on a processor, and nobody looks on.

    Example:
        >>> on_cpu_kernel(torch.ones(2))
        True
    """
    return all(x.device.type == "cpu" for x in tensors) and not is_traced(*tensors)


def differentiable(
    found: Iterable[Tensor], inputs: Iterable[Tensor], grads: Iterable[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """The gradients of `inputs` that those of what was `found` from them make, for second derivatives.

    An input that needs none has none.

    Example:
        >>> x, other = torch.tensor(3.0, requires_grad=True), torch.tensor(1.0)
        >>> first, _ = differentiable([x.square() * other], [x, other], [torch.tensor(1.0)])
        >>> first, torch.autograd.grad(first, x)
        (tensor(6., grad_fn=<MulBackward0>), (tensor(2.),))
    """
    inputs = list(inputs)
    known = [(x, grad) for x, grad in zip(found, grads, strict=True) if grad is not None]
    wanted = [x for x in inputs if x.requires_grad]
    outputs, given = zip(*known, strict=True)
    made = iter(torch.autograd.grad(outputs, wanted, given, create_graph=True, allow_unused=True))
    return tuple(next(made) if x.requires_grad else None for x in inputs)
