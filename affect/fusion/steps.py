"""Any fusion at every step of aligned sequences."""

from __future__ import annotations

from typing import ClassVar

import torch

from affect.errors import ShapeError
from affect.fusion.base import Extras, Fusion, FusionFactory
from affect.fusion.concatenation import ConcatenationFusion
from affect.sequences import Sequence
from affect.sizes import of_inputs


class PerStep(Fusion):
    """Apply a fusion to each step of aligned sequences: to every utterance of a video.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of a fused step.
        fusion: what to apply: a class, or a partial of one.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, time, out_dim)
    Missing:
        a modality that is unobserved at a step is absent there to the fusion; a step is unobserved
        where no modality was observed.
    Raises:
        ShapeError: the sequences differ in their steps, or the fusion returns more than one step.
    Example:
        >>> fusion = PerStep({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 7, 4])
    """

    causal = True
    needs_alignment: ClassVar[bool] = True

    def __init__(
        self, dims: dict[str, int], out_dim: int, fusion: FusionFactory = ConcatenationFusion
    ) -> None:
        super().__init__(dims, out_dim)
        self.fusion = fusion(self.dims, out_dim)
        self.out_dim = self.fusion.out_dim

    def fuse(self, inputs: dict[str, Sequence]) -> tuple[Sequence, Extras]:
        batch, time = next(iter(inputs.values())).mask.shape
        steps = {
            m: Sequence(x.values.flatten(0, 1).unsqueeze(1), x.mask.flatten().unsqueeze(1))
            for m, x in inputs.items()
        }  # (batch * time, 1, dims[m])
        fused, extras = self.fusion.with_extras(steps)
        if fused.time != 1:
            raise ShapeError(f"PerStep: {type(self.fusion).__name__} returned {fused.time} steps, expected 1")
        observed = torch.stack([x.mask for x in inputs.values()]).any(0)
        return Sequence(fused.values.view(batch, time, -1), observed), {
            name: value.view(batch, time, *value.shape[1:]) for name, value in extras.items()
        }

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        time = max(steps.values())
        each = self.fusion.activations(batch * time, dict.fromkeys(steps, 1))
        return each + 2 * batch * time * self.out_dim + of_inputs(self.dims, batch, steps)
