"""Whether `torch.compile` is tracing, and what kernels must tell PyTorch of their derivatives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.autograd import Function

from affect.kernels.switch import is_fast


def is_traced() -> bool:
    """Whether `torch.compile` or `torch.export` is tracing: neither knows every function of PyTorch.

    Example:
        >>> is_traced()
        False
    """
    return torch.compiler.is_compiling()


def on_cpu_kernel(*tensors: Tensor) -> bool:
    """Whether the CPU kernel is to compute with these: all lie there, and nothing traces or forbids it.

    Example:
        >>> on_cpu_kernel(torch.ones(2))
        True
    """
    return is_fast() and not is_traced() and all(x.device.type == "cpu" for x in tensors)


class Kernel(Function):
    """A function with a backward pass of its own; `torch.func.vmap` and forward-mode differentiation stop.

    Write `forward`, `setup_context` and `backward`, as for `torch.autograd.Function`.
    """

    @staticmethod
    def vmap(info: Any, in_dims: Any, *given: Any) -> NoReturn:
        """Refuse.

        Raises:
            NotImplementedError: always, with the way out.
        """
        raise NotImplementedError(
            "torch.func.vmap does not go through affect's kernels; run it within "
            "`with affect.kernels.fast(False):`"
        )

    @staticmethod
    def jvp(ctx: Any, *given: Any) -> NoReturn:
        """Refuse.

        Raises:
            NotImplementedError: always, with the way out.
        """
        raise NotImplementedError(
            "forward-mode differentiation does not go through affect's kernels; run it within "
            "`with affect.kernels.fast(False):`"
        )


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
    trained = [x for x in inputs if x.requires_grad]
    outputs, given = zip(*known, strict=True)
    made = iter(torch.autograd.grad(outputs, trained, given, create_graph=True, allow_unused=True))
    return tuple(next(made) if x.requires_grad else None for x in inputs)
