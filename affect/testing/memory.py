"""What a part says that it takes, held against what it takes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from affect.aligners import Aligner
from affect.encoders import Encoder
from affect.errors import BrokenLawError
from affect.fusion import Fusion
from affect.sequences import Sequence
from affect.testing.parts import Inputs, Part

SHAPES = ((12, 6), (3, 40))
"""Samples and steps of what a part is measured with."""
NEAR = 8
"""How often what a part says may be what it holds."""
FEW = 4096
"""Numbers that do not count."""


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Counts the bytes of tensors that live, of those that are made within the block.

    Args:
        known: tensors that do not count.
    Example:
        >>> with Live() as live:
        ...     x = torch.zeros(10) + 1
        >>> live.now, live.peak
        (40, 80)
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.now = self.peak = 0
        self._known = {x.untyped_storage()._cdata for x in known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for x in tree_leaves(found):
            if isinstance(x, Tensor) and (key := x.untyped_storage()._cdata) not in self._known:
                size = x.untyped_storage().nbytes()
                weakref.finalize(x.untyped_storage(), self._gone, key, size)
                self._known.add(key)
                self.now += size
                self.peak = max(self.peak, self.now)
        return found

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def memory_is_bounded(part: Part) -> None:
    """`activations` is no less than what an encoder, aligner or fusion holds, and no more than `NEAR` times.

    Both with gradients and without, where it may be more; what is read, and weights, count too.

    Raises:
        BrokenLawError: it is.
    Example:
        >>> from affect.testing import fusion_part
        >>> memory_is_bounded(fusion_part(affect.fusion.TensorFusion))
    """
    for batch, time in SHAPES:
        module = part.build()
        steps = {name: time * (1 if part.aligned else i + 1) for i, name in enumerate(part.dims)}
        inputs = {
            name: Sequence.full(torch.rand(batch, steps[name], dim).round_() if _reads_indices(module) else
                                torch.rand(batch, steps[name], dim).requires_grad_())
            for name, dim in part.dims.items()
        }  # fmt: skip
        # gradients of weights, and copies that are laid out otherwise
        own = 3 * sum(p.numel() for p in module.parameters()) + sum(x.values.numel() for x in inputs.values())
        for grad in (True, False):
            with torch.set_grad_enabled(grad):
                said = _said(module, batch, steps)
                took = _taken(module.train(grad), inputs, part.call, grad)
            where = f"{batch} samples of {time} steps {'with' if grad else 'without'} gradients"
            if took > said + own + FEW:
                raise BrokenLawError(
                    f"activations: {said:,} numbers for {where}, but it holds {took - own:,}"
                )
            if grad and said + own > NEAR * (took + own) + FEW:
                raise BrokenLawError(f"activations: {said:,} numbers for {where}, but it holds {took:,} only")


def _reads_indices(module: nn.Module) -> bool:
    return isinstance(module, Encoder) and module.reads_indices


def _said(module: nn.Module, batch: int, steps: dict[str, int]) -> int:
    if isinstance(module, Encoder):
        return module.activations(batch, *steps.values())
    if isinstance(module, Aligner | Fusion):
        return module.activations(batch, steps)
    raise BrokenLawError(f"activations: {type(module).__name__} is no encoder, aligner or fusion")


def _taken(
    module: nn.Module, inputs: Inputs, call: Callable[[nn.Module, Inputs], Sequence], grad: bool
) -> int:
    """Numbers that live at most, but for weights and what is read."""
    given = [tensor for x in inputs.values() for tensor in (x.values, x.mask)]
    with Live([*module.parameters(), *module.buffers(), *given]) as live:
        found = call(module, inputs).values
        if grad:
            found.square().mean().backward()  # type: ignore[no-untyped-call]  # torch's
    return int(live.peak) // 4
