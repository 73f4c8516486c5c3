"""An aligner by dynamic time warping."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor

from affect.aligners.base import Aligner, reference_mask, reference_total
from affect.aligners.dtw import Band, Distance, check_band, check_distance, warp
from affect.sequences import Sequence


class WarpingAligner(Aligner):
    """Dynamic time warping: each step of the reference gets the mean of the steps that are matched to it.

    Args:
        dims: feature size of each modality, one for all: steps are compared feature by feature, which means
            something after encoders with the same `out_dim` that are trained together.
        reference: on whose steps; the first by name where none is named.
        distance: euclidean or cosine.
        band: how far a path may stray, as in `warp`.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, time of the reference, dims[m])
    Missing:
        an absent modality stays absent; without the reference, the first by name of those that a sample has
        takes its place. Unobserved steps are matched to nothing.
    Raises:
        ConfigError: the feature sizes differ, or there is no such distance or band.
    Also known as:
        DTW.
    Reference:
        Sakoe and Chiba, Dynamic Programming Algorithm Optimization for Spoken Word Recognition, 1978.
        Differs: see `warp`. The path is a constant to the gradient, which flows through the carried values.
    Example:
        >>> aligner = WarpingAligner({"ecg": 2, "text": 2}, reference="text", band=0.2)
        >>> x = {"ecg": Sequence.full(torch.ones(5, 70, 2)), "text": Sequence.full(torch.ones(5, 7, 2))}
        >>> aligner(x)["ecg"].values.shape
        torch.Size([5, 7, 2])
    """

    needs_one_size: ClassVar[bool] = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "distance": CategoricalDistribution(("euclidean", "cosine")),
        "band": FloatDistribution(0.05, 1.0),
    }

    def __init__(
        self,
        dims: dict[str, int],
        reference: str | None = None,
        distance: Distance = "euclidean",
        band: Band = None,
    ) -> None:
        super().__init__(dims, reference)
        check_distance(distance, "WarpingAligner")
        check_band(band, "WarpingAligner")
        self.distance, self.band = distance, band

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        # the path is found for one modality at a time, and what is matched is held for each
        products = [self.time_of(steps) * time for m, time in steps.items() if m != self.order[0]]
        matched = 2 * sum(products) if torch.is_grad_enabled() else 0
        return super().activations(batch, steps) + batch * (matched + 8 * max(products, default=0))

    def carry(self, name: str, x: Sequence, reference: dict[str, Sequence]) -> Tensor:
        values = reference_total(part.values for part in reference.values())
        steps = Sequence(values, reference_mask(reference))
        return warp(steps, x, self.distance, self.band).carry(x).values
