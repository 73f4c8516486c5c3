"""What fusions of affect do beside keeping the laws: they compile, export, and run in half precision."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from affect.errors import BrokenLawError
from affect.sequences import Sequence
from affect.testing.laws import expect_same
from affect.testing.parts import Part


def compiles(part: Part) -> None:
    """`torch.compile` takes the module whole, without a break in its graph, and it computes the same."""
    module, inputs = part.make(), part.inputs()
    torch.compiler.reset()
    with torch.no_grad():
        compiled = torch.compile(part.call, backend="eager", fullgraph=True)(module, inputs)
        expect_same(part.call(module, inputs), compiled, "compiled, it computes something else")


def exports(part: Part) -> None:
    """`torch.export` takes the module, and what it makes of it computes the same."""
    inputs = part.inputs()
    tensors = {name: (x.values, x.mask) for name, x in inputs.items()}
    with torch.no_grad():
        program = torch.export.export(_OnTensors(part), (tensors,)).module()
        expect_same(part.run(inputs), Sequence(*program(tensors)), "exported, it computes something else")


def runs_in_half_precision(part: Part) -> None:
    """Under bfloat16 autocast, output and gradients are finite, and the output is near that of float32."""
    module = part.make().float()
    inputs = {name: x.to(torch.float32) for name, x in part.inputs().items()}
    full = part.call(module, inputs).values
    with torch.autocast("cpu", torch.bfloat16):
        half = part.call(module, inputs).values
        if half.requires_grad:
            half.float().square().sum().backward()  # type: ignore[no-untyped-call]
    found = [half, *(p.grad for p in module.parameters() if p.grad is not None)]
    if not all(tensor.isfinite().all() for tensor in found):
        raise BrokenLawError("output or gradients are not finite in bfloat16")
    if (half - full).abs().max() > 0.05 * full.abs().max().clamp(min=1):
        raise BrokenLawError("bfloat16 computes something else")


class _OnTensors(nn.Module):
    """A part whose inputs and output are plain tensors, as an export wants them."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.module, self.run = part.make(), part.call

    def forward(self, tensors: dict[str, tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        out = self.run(self.module, {name: Sequence(*pair) for name, pair in tensors.items()})
        return out.values, out.mask


DEPLOYMENT: tuple[Callable[[Part], None], ...] = (compiles, exports, runs_in_half_precision)
"""What fusions of affect do besides. Not laws: a part of yours may do without."""
