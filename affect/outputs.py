"""What a model gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from affect.sequences import Sequence


@dataclass(frozen=True, eq=False)
class Output:
    """A prediction and everything on the way to it.

    Args:
        prediction: raw numbers of the head.
        fused: what came out of the fusion.
        encoded: what came out of the encoders.
        extras: what the fusion offers to auxiliary losses and to a curious reader.
    Shapes:
        prediction: (batch, steps, outputs); one step where a sample has one label
    """

    prediction: Tensor
    fused: Sequence
    encoded: dict[str, Sequence]
    extras: dict[str, Tensor] = field(default_factory=dict)
