"""Linear resampling: every sample's observed extent, stretched or squeezed onto other steps."""

from __future__ import annotations

import torch
from torch import Tensor

from affect.aligners.base import Aligner, reference_mask
from affect.errors import ConfigError, ShapeError
from affect.sequences import Sequence, extent


def resample(sequence: Sequence, time: int, lengths: Tensor | None = None) -> Sequence:
    """Every sample's observed extent on `time` steps, or on `lengths` of them.

    The first and the last observed step stay first and last, and what lies between is interpolated linearly
    (a single step gets the middle of the extent). An unobserved step inside the extent keeps its place in
    time and is bridged: values come from the nearest observed step on either side. Each new step reads two
    old ones at most, so that shortening skips steps: warp, or pool first, where each of them matters.

    Args:
        sequence: what is resampled; a sample that lacks it stays unobserved.
        time: steps of the result, padding included.
        lengths: steps that each sample gets, at most `time`; all by default.
    Shapes:
        sequence: (batch, any time, feature) -> (batch, time, feature)
        lengths: (batch,) int
    Raises:
        ConfigError: there is no step to resample to.
        ShapeError: there is not one length for each sample, or one is longer than `time`.
    Example:
        >>> x = Sequence.full(torch.tensor([[[0.0], [3.0]]]))
        >>> resample(x, 4).values.flatten().tolist()
        [0.0, 1.0, 2.0, 3.0]
        >>> resample(x, 4, torch.tensor([3])).values.flatten().tolist()
        [0.0, 1.5, 3.0, 0.0]
    """
    batch, device = len(sequence.mask), sequence.mask.device
    if time < 1:
        raise ConfigError(f"resample: time must be at least 1, got {time}")
    if lengths is None:
        lengths = torch.full((batch,), time, device=device)
    if lengths.shape != (batch,) or (batch and not 0 <= int(lengths.min()) <= int(lengths.max()) <= time):
        raise ShapeError(
            f"resample: lengths must be {batch} numbers from 0 to {time}, got {lengths.tolist()}; "
            "time must be at least the longest"
        )
    return resample_to(sequence, torch.arange(time, device=device) < lengths.unsqueeze(1))


def resample_to(sequence: Sequence, mask: Tensor) -> Sequence:
    """Every sample's observed extent on the extent of `mask`: on another sequence's steps.

    As `resample`, but the new steps stand where `mask` is True. Its holes stay holes and keep their places.

    Args:
        sequence: what is resampled; a sample that lacks it stays unobserved.
        mask: the steps of a reference.
    Shapes:
        sequence: (batch, any time, feature) -> (batch, time, feature)
        mask: (batch, time) bool
    Raises:
        ShapeError: the mask is not for the same samples.
    Example:
        >>> mask = torch.tensor([[False, True, False, True, True]])
        >>> x = resample_to(Sequence.full(torch.tensor([[[0.0], [3.0]]])), mask)
        >>> x.values.flatten().tolist(), torch.equal(x.mask, mask)
        ([0.0, 0.0, 0.0, 2.0, 3.0], True)
    """
    if mask.dim() != 2 or mask.dtype != torch.bool or len(mask) != len(sequence.mask):
        raise ShapeError(
            f"resample_to: mask must be torch.bool of shape ({len(sequence.mask)}, time), "
            f"got {mask.dtype} of shape {tuple(mask.shape)}"
        )
    start, span = extent(sequence.mask)
    new_start, new_span = extent(mask)
    # whole numbers up to the last division: where a step falls on another one, it is that one exactly
    parts = torch.where(new_span > 0, new_span, 2)
    steps = (torch.arange(mask.shape[1], device=mask.device) - new_start).clamp(min=0).minimum(new_span)
    moved = torch.where(new_span > 0, steps * span, span)
    below, rest = start + moved // parts, moved % parts
    index = torch.arange(sequence.time, device=mask.device)
    before = torch.where(sequence.mask, index, -1).cummax(1).values
    after = torch.where(sequence.mask, index, sequence.time).flip(1).cummin(1).values.flip(1)
    low = before.gather(1, below).clamp(min=0)
    high = after.gather(1, (below + 1).clamp(max=sequence.time - 1)).clamp(max=sequence.time - 1)
    dtype = torch.promote_types(sequence.values.dtype, torch.float32)  # half cannot count far
    share = ((below - low) * parts + rest).to(dtype) / ((high - low) * parts).clamp(min=1).to(dtype)
    old = sequence.values.to(dtype)
    values = torch.lerp(_rows(old, low), _rows(old, high), share.unsqueeze(-1))
    return Sequence(values.to(sequence.values.dtype), mask & sequence.present.unsqueeze(1))


def _rows(values: Tensor, index: Tensor) -> Tensor:
    """Steps `index`, (batch, steps), of `values`, (batch, time, feature)."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


class ResamplingAligner(Aligner):
    """Linear resampling: each modality's observed extent is laid over that of the reference.

    Right where modalities begin and end together and run at even speeds. See `resample`: it reads two steps
    at most for each new one.

    Args:
        dims: feature size of each modality.
        reference: on whose steps; the first by name where none is named.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, time of the reference, dims[m])
    Missing:
        an absent modality stays absent; without the reference, the first by name of those that a sample has
        takes its place. Unobserved steps are bridged from their neighbours.
    Example:
        >>> aligner = ResamplingAligner({"ecg": 3, "text": 2}, reference="text")
        >>> x = {"ecg": Sequence.full(torch.ones(5, 70, 3)), "text": Sequence.full(torch.ones(5, 7, 2))}
        >>> aligner(x)["ecg"].values.shape
        torch.Size([5, 7, 3])
    """

    def carry(self, name: str, x: Sequence, reference: dict[str, Sequence]) -> Tensor:
        return resample_to(x, reference_mask(reference)).values
