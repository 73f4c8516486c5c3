"""What the masks that are given leave out: steps with content may well be one the wrong way round."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.rules.padding import holding
from affect.errors import DataError

_NEARLY = 0.95


@dataclass(frozen=True)
class MaskCounts:
    """Steps that a mask keeps and leaves out, counted.

    Args:
        inside: steps that it keeps.
        full_inside: those of them that hold more than zeros and NaN.
        outside: steps that it leaves out.
        full_outside: those of them that hold more than zeros and NaN.
    """

    inside: int = 0
    full_inside: int = 0
    outside: int = 0
    full_outside: int = 0

    def __add__(self, other: MaskCounts) -> MaskCounts:
        return MaskCounts(
            self.inside + other.inside,
            self.full_inside + other.full_inside,
            self.outside + other.outside,
            self.full_outside + other.full_outside,
        )

    @property
    def is_inverted(self) -> bool:
        """Whether nearly all content is outside, and nearly nothing inside."""
        return (
            min(self.inside, self.full_outside) > 0
            and self.full_outside >= _NEARLY * self.outside
            and self.full_inside <= (1 - _NEARLY) * self.inside
        )


def count_masked(values: NDArray[Any], mask: NDArray[np.bool_]) -> MaskCounts:
    """What a mask keeps and leaves out of the steps.

    Shapes:
        values: (.., feature)
        mask: (..)
    Example:
        >>> count_masked(np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([False, True])).is_inverted
        True
    """
    shape = (1, *values.shape) if values.ndim == 2 else values.shape
    full = holding(values.reshape(shape)).reshape(mask.shape)
    inside, both = int(mask.sum()), int((full & mask).sum())
    return MaskCounts(inside, both, mask.size - inside, int(full.sum()) - both)


def mask_notes(where: str, modality: str, masks: Collection[MaskCounts]) -> list[str]:
    """The note on the steps with content that the masks of a modality leave out.

    Args:
        where: begins the message.
        modality: its name.
        masks: of all samples and splits.
    Raises:
        DataError: what they leave out is what holds content.
    """
    every = sum(masks, MaskCounts())
    if every.is_inverted:
        raise DataError(
            f"{where}: the mask seems to be True where padding is; invert it: {every.full_outside:,} of the "
            f"{every.outside:,} steps outside it hold something, and {every.full_inside:,} of the "
            f"{every.inside:,} inside"
        )
    if not every.full_outside:
        return []
    count = f"{every.full_outside:,} of the {every.outside:,} steps that the mask leaves out"
    return [f"{modality}: {count} {'holds' if every.full_outside == 1 else 'hold'} something."]
