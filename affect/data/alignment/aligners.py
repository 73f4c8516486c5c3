"""Aligners: modules that bring all modalities onto the steps of one, for fusions that need it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, TypeAlias

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.data.alignment.resampling import resample_to
from affect.data.alignment.warping import Band, Distance, check_band, check_distance, warp
from affect.errors import ConfigError, ShapeError, did_you_mean
from affect.naming import ModuleDict
from affect.sequences import Sequence, check_modalities, place


class Aligner(nn.Module):
    """Sequences by name -> the same modalities, all on the steps of a reference.

    Write `carry`; `forward` finds the reference's steps, and checks names and sizes on both sides.
    Every modality keeps its feature size and gets the reference's time and mask; the reference itself
    passes as it is. Name the modality with the fewest steps (words), unless detail must be kept.

    Args:
        dims: feature size of each modality, under any names.
        reference: on whose steps; the first by name where none is named.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, time of the reference, dims[m])
    Missing:
        an absent modality stays absent. Where a sample lacks the reference, the first by name of those that
        it has takes its place for that sample; time is then that of the longest modality in use.
    Raises:
        ShapeError: a modality is not in `dims`, is left out, or has another feature size.
        ConfigError: there is nothing to align, or no such reference.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {}
    needs_one_size: ClassVar[bool] = False
    """Whether all modalities must have the same feature size."""

    def __init__(self, dims: dict[str, int], reference: str | None = None) -> None:
        super().__init__()
        name = type(self).__name__
        if not dims or min(dims.values()) < 1:
            raise ConfigError(f"{name}: needs at least one modality and positive sizes, got dims={dims}")
        if reference is not None and reference not in dims:
            raise ConfigError(f"{name}: no modality '{reference}'; {did_you_mean(reference, dims)}")
        self.dims, self.reference = dict(sorted(dims.items())), reference
        if self.needs_one_size and len(set(dims.values())) > 1:
            raise ConfigError(
                f"{name}: needs the same feature size in every modality, got {self.dims}; "
                "give all encoders one out_dim, or choose another aligner"
            )

    @property
    def order(self) -> list[str]:
        """The modalities as they are asked for steps: the first one that a sample has is its reference."""
        return sorted(self.dims, key=lambda name: name != self.reference)

    def forward(self, inputs: Mapping[str, Sequence]) -> dict[str, Sequence]:
        """Align the modalities of every sample."""
        name = type(self).__name__
        check_modalities(name, self.dims, inputs)
        reference = self._reference(inputs)
        mask = _mask(reference)
        aligned = {}
        for modality in self.dims:
            x, own = inputs[modality], reference.get(modality)
            values = x.values.new_zeros(*mask.shape, x.dim)
            if modality != self.order[0]:
                values = self.carry(modality, x, reference)
                if values.shape != (*mask.shape, x.dim):
                    raise ShapeError(
                        f"{name}.carry must return shape {(*mask.shape, x.dim)}, got {tuple(values.shape)}"
                    )
            if own is not None:
                values = torch.where(own.present[:, None, None], own.values, values)
            aligned[modality] = Sequence(values, mask & x.present.unsqueeze(1))
        return aligned

    def carry(self, name: str, x: Sequence, reference: dict[str, Sequence]) -> Tensor:
        """What the author of an aligner writes: the steps of `x` at those of the reference.

        Args:
            name: the modality; never the first of `order`, which is the reference wherever it is there.
            x: its steps.
            reference: the reference's steps, by the modality that they are of; each sample is observed in one
                of them at most. All have the time of the result.
        Shapes:
            (batch, time of the reference, dims[name]); what lies outside its mask is not read
        """
        raise NotImplementedError(f"{type(self).__name__} must define carry")

    def _reference(self, inputs: Mapping[str, Sequence]) -> dict[str, Sequence]:
        """The modalities that are some sample's reference, each without the samples where it is not."""
        chosen: dict[str, Sequence] = {}
        first, *rest = self.order
        open_rows = ~inputs[first].present
        chosen[first] = inputs[first]
        for name in rest:
            rows = open_rows & inputs[name].present
            if rows.any():
                chosen[name] = inputs[name].keep(rows.unsqueeze(1))
            open_rows = open_rows & ~rows
        time = max(x.time for x in chosen.values())
        return {
            name: Sequence(F.pad(x.values, (0, 0, 0, time - x.time)), F.pad(x.mask, (0, time - x.time)))
            for name, x in chosen.items()
        }


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
        return resample_to(x, _mask(reference)).values


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

    def carry(self, name: str, x: Sequence, reference: dict[str, Sequence]) -> Tensor:
        steps = Sequence(_total(part.values for part in reference.values()), _mask(reference))
        return warp(steps, x, self.distance, self.band).carry(x).values


class AttentionAligner(Aligner):
    """Learned alignment: each step of the reference attends over the observed steps of a modality.

    Every modality is mapped into one space of size `width`, cut into heads. With q and k the places of a
    step of the reference and of the modality, from 0 for a sample's first observed step to 1 for its last,
    head h weighs by softmax_k(u_q . v_k / sqrt(width / heads) - (s_h (q - k))^2): who is alike, and near.
    What the heads gather is mixed linearly. It starts as local averaging, with windows of several widths.

    Args:
        dims: feature size of each modality.
        reference: on whose steps; the first by name where none is named.
        heads: how many alignments are learned side by side.
        width: size of the common space; divisible by `heads`.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, time of the reference, dims[m])
    Missing:
        an absent modality stays absent; without the reference, the first by name of those that a sample has
        takes its place. Unobserved steps are never a key.
    Raises:
        ConfigError: `width` is not divisible by `heads`.
    Reference:
        Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019, sec. 3.1.
        Differs: one layer without feed-forward; queries and keys share a map; values are the features
        themselves; the place is relative, with a learned window per head, as modalities differ in rate.
    Example:
        >>> aligner = AttentionAligner({"ecg": 3, "text": 2}, reference="text", heads=2)
        >>> x = {"ecg": Sequence.full(torch.ones(5, 70, 3)), "text": Sequence.full(torch.ones(5, 7, 2))}
        >>> aligner(x)["ecg"].values.shape
        torch.Size([5, 7, 3])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "heads": CategoricalDistribution((1, 2, 4, 8)),
        "width": CategoricalDistribution((16, 32, 64)),
    }

    def __init__(
        self, dims: dict[str, int], reference: str | None = None, heads: int = 4, width: int = 32
    ) -> None:
        super().__init__(dims, reference)
        if heads < 1 or width < 1 or width % heads:
            raise ConfigError(
                f"AttentionAligner: width must be divisible by heads, got width={width} and heads={heads}"
            )
        self.heads = heads
        # no biases: a constant in a key moves all scores of a query alike and cannot learn
        self.embed = ModuleDict({m: nn.Linear(dim, width, bias=False) for m, dim in self.dims.items()})
        self.mix = ModuleDict(
            {m: nn.Linear(heads * self.dims[m], self.dims[m], bias=False) for m in self.order[1:]}
        )
        for name, mix in self.mix.items():
            mean = torch.eye(self.dims[name]).repeat(1, heads) / heads
            mix.weight = nn.Parameter(mean)
        self.sharpness = nn.Parameter(2.0 ** torch.arange(1, heads + 1))

    def carry(self, name: str, x: Sequence, reference: dict[str, Sequence]) -> Tensor:
        query = _total(self._heads(m, part) for m, part in reference.items())
        apart = place(_mask(reference), x.values.dtype).unsqueeze(2) - place(
            x.mask, x.values.dtype
        ).unsqueeze(1)
        far = (self.sharpness[:, None, None] * apart.unsqueeze(1)).square()  # (batch, heads, time, time of m)
        seen = x.mask | ~x.present.unsqueeze(1)  # a softmax over nothing would be NaN
        alike = query @ self._heads(name, x).mT / math.sqrt(query.shape[-1])
        weights = (alike - far).masked_fill(~seen[:, None, None, :], -torch.inf).softmax(-1)
        gathered = weights @ x.values.unsqueeze(1)  # (batch, heads, time, dims[name])
        mixed: Tensor = self.mix[name](gathered.transpose(1, 2).flatten(2))
        return mixed

    def _heads(self, name: str, x: Sequence) -> Tensor:
        embedded: Tensor = self.embed[name](x.values)
        return embedded.view(*x.mask.shape, self.heads, -1).transpose(
            1, 2
        )  # (batch, heads, time, width / heads)


def _mask(reference: Mapping[str, Sequence]) -> Tensor:
    return torch.stack([part.mask for part in reference.values()]).any(0)


def _total(parts: Iterable[Tensor]) -> Tensor:
    """Each sample's own part: it is observed in one of them, and the others hold zeros."""
    return torch.stack(list(parts)).sum(0)


AlignerFactory: TypeAlias = Callable[[dict[str, int]], Aligner]
"""An Aligner class, or a partial of one: whatever makes an aligner from `dims`."""
