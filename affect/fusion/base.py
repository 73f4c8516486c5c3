"""The contract of a fusion."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import ClassVar, TypeAlias

import torch
from optuna.distributions import BaseDistribution
from torch import Tensor, nn

from affect.attention import check_heads
from affect.bounds import Bounded
from affect.errors import ConfigError, ShapeError, did_you_mean
from affect.layers import Convolution, check_kernel, sinusoids
from affect.naming import ModuleDict, own_of, pair_name
from affect.pooling import MeanPooling, Pooling
from affect.sequences import Sequence, check_modalities, extent, place
from affect.sizes import held, of_inputs

Extras: TypeAlias = dict[str, Tensor]


class Fusion(Bounded, nn.Module):
    """Sequences by name -> one Sequence with feature size `out_dim`.

    Write `fuse`; `forward` checks names and sizes on both sides. A fusion that makes one vector per
    sample returns a Sequence of one step (see `VectorFusion`); one that keeps time returns its steps.
    `affect.ModuleDict` and `affect.ParameterDict` hold a part for each modality under any name; torch's own
    refuse some (`wav2vec2.0`, `train`). Where no step reads a later one, say `causal = True`: a law looks
    whether it is so. Where memory grows otherwise than with steps and weights, say so in
    `activations`: what takes more than is free is then refused before it begins, else only warned of.

    Args:
        dims: feature size of each modality, under any names.
        out_dim: feature size of what comes out.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, time', out_dim)
    Raises:
        ShapeError: a modality is not in `dims`, is left out, or has another feature size.
        ConfigError: there is nothing to fuse.
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {}
    causal: bool = False
    """Whether no step that comes out depends on a later one that came in."""
    needs_alignment: ClassVar[bool] = False
    """Whether step t must be the same moment in every modality."""

    @property
    def offers(self) -> dict[str, int]:
        """What it offers to terms: extras by name, with their feature size, that of the last axis."""
        return {}

    def __init__(self, dims: dict[str, int], out_dim: int) -> None:
        super().__init__()
        if not dims or not all(size >= 1 for size in (*dims.values(), out_dim)):  # of NaN neither holds
            raise ConfigError(
                f"{type(self).__name__}: needs at least one modality and positive sizes, "
                f"got dims={dims}, out_dim={out_dim}"
            )
        self.dims, self.out_dim = dict(sorted(dims.items())), out_dim

    @cached_property
    def ordered_pairs(self) -> dict[str, tuple[str, str]]:
        """Every (source, target) of two modalities, by a name for it."""
        return {pair_name(*pair): pair for pair in itertools.permutations(self.dims, 2)}

    def forward(self, inputs: dict[str, Sequence]) -> Sequence:
        """Fuse the modalities of every sample."""
        return self.with_extras(inputs)[0]

    def with_extras(self, inputs: Mapping[str, Sequence]) -> tuple[Sequence, Extras]:
        """What `forward` returns, and what the fusion offers to auxiliary losses and to a curious reader."""
        name = type(self).__name__
        check_modalities(name, self.dims, inputs)
        if self.needs_alignment:
            times = {modality: inputs[modality].time for modality in self.dims}
            if len(set(times.values())) > 1:
                listing = ", ".join(f"{modality} {time}" for modality, time in times.items())
                raise ShapeError(
                    f"{name}: needs aligned sequences, got steps {listing}; put an aligner before it "
                    "(ResamplingAligner, WarpingAligner or AttentionAligner)"
                )
        fused = self.fuse({modality: inputs[modality] for modality in self.dims})
        sequence, extras = fused if isinstance(fused, tuple) else (fused, {})
        if sequence.dim != self.out_dim:
            raise ShapeError(f"{name}.fuse must return feature size {self.out_dim}, got {sequence.dim}")
        return sequence, extras

    def require(self, modalities: int) -> None:
        """Refuse fewer modalities."""
        if len(self.dims) < modalities:
            raise ConfigError(
                f"{type(self).__name__}: needs {modalities} modalities or more, got {', '.join(self.dims)}"
            )

    def named(self, modality: str | None) -> str:
        """`modality`, if the fusion has it; the first by name where none is given."""
        if modality is not None and modality not in self.dims:
            raise ConfigError(
                f"{type(self).__name__}: no modality '{modality}'; {did_you_mean(modality, self.dims)}"
            )
        return modality or next(iter(self.dims))

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        """A bound on the numbers that are held while samples of so many steps are fused.

        With gradients it is all that the backward pass needs, else the most at one time. By default it is
        drawn from the weights: those that a dictionary of modules has under a modality's name read that
        modality's steps, those under a pair's name the target's, all others the steps of all modalities, or,
        where these must be aligned, the longest. Write another where something grows otherwise, such as with
        the square of the steps.
        """
        every = (max if self.needs_alignment else sum)(steps.values())
        own = steps | {pair: steps[to] for pair, (_, to) in self.ordered_pairs.items()}
        rows = {name: batch * time for name, time in own.items()}
        return held(self, batch * every, rows) + of_inputs(self.dims, batch, steps)

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence | tuple[Sequence, Extras]:
        """What the author of a fusion writes; extras, if any, come second."""
        raise NotImplementedError(f"{type(self).__name__} must define fuse")


class VectorFusion(Fusion):
    """A fusion of one vector per modality.

    Write `combine`; each modality is pooled by its mask before it. What comes out counts as observed even
    where every modality is absent: it is what the fusion says of nothing.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Raises:
        ConfigError: the pooling does not keep the feature size.
    Example:
        >>> from torch import nn
        >>> class Sum(VectorFusion):
        ...     def __init__(self, dims, out_dim):
        ...         super().__init__(dims, out_dim)
        ...         self.project = nn.ModuleDict({m: nn.Linear(d, out_dim) for m, d in self.dims.items()})
        ...     def combine(self, vectors, present):
        ...         return sum(self.project[m](v) * present[m].unsqueeze(-1) for m, v in vectors.items())
        >>> fusion = Sum({"ecg": 3, "eeg": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    def __init__(self, dims: dict[str, int], out_dim: int, pooling: Pooling | None = None) -> None:
        super().__init__(dims, out_dim)
        self.pooling = MeanPooling() if pooling is None else pooling
        if self.pooling.factor != 1:
            raise ConfigError(
                f"{type(self).__name__}: {type(self.pooling).__name__} changes the feature size; "
                "use it in a PooledEncoder"
            )

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        return held(self, batch) + of_inputs(self.dims, batch, steps, self.pooling.copies)

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence | tuple[Sequence, Extras]:
        present = {modality: x.present for modality, x in inputs.items()}
        combined = self.combine({modality: self.pooling(x) for modality, x in inputs.items()}, present)
        vector, extras = combined if isinstance(combined, tuple) else (combined, {})
        return Sequence.full(vector.unsqueeze(1)), extras

    def combine(
        self, vectors: dict[str, Tensor], present: dict[str, Tensor]
    ) -> Tensor | tuple[Tensor, Extras]:
        """What the author writes: (batch, dims[m]) and (batch,) bool for each m -> (batch, out_dim).

        The vector of an absent modality is zero.
        """
        raise NotImplementedError(f"{type(self).__name__} must define combine")


class ProjectedFusion(Fusion):
    """A fusion of steps that are first brought to one size and told where they stand.

    Write `fuse`, beginning with `project`. The bias of a modality's projection tells whose step it is;
    sinusoids of the relative place (`affect.sequences.place`, a hundred units from the first observed step to
    the last) tell where it stands, as loud as is learned, from nothing at the start: else a small corpus is
    learned by heart from them.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of what comes out.
        width: feature size of the projected steps; divisible by `heads`.
        heads: of the attention that reads them.
        kernel: steps that a projection spans, odd, for all modalities or each by name; with 1 it is a linear
            layer.
        padded: whether a convolution gives as many steps as it reads; else those alone whose whole span lies
            between the first and the last observed step: `kernel` - 1 fewer, but one or two at least.
        placed: whether the projected steps are told where they stand.
    Missing:
        unobserved steps stay unobserved; places count from a modality's own first observed step.
    """

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int,
        heads: int,
        kernel: int | dict[str, int] = 1,
        padded: bool = True,
        placed: bool = True,
    ) -> None:
        super().__init__(dims, out_dim)
        self.heads = heads
        check_heads(type(self).__name__, width, heads)
        kernels = by_modality(self, "kernel", kernel)
        for one in kernels.values():
            check_kernel(type(self).__name__, one)
        self.projections = ModuleDict(
            {
                m: nn.Linear(d, width) if kernels[m] == 1 else Convolution(d, width, kernels[m])
                for m, d in self.dims.items()
            }
        )
        self.loudness = nn.Parameter(torch.zeros(1)) if placed else None
        self.cuts = {m: 0 if padded else one // 2 for m, one in kernels.items()}

    def project(self, inputs: dict[str, Sequence]) -> dict[str, Sequence]:
        """(batch, time of m, dims[m]) -> (batch, time of m, width) for each m."""
        projected = {}
        for m, x in inputs.items():
            values = self.projections[m](x.values)
            if self.cuts[m]:
                x = _inner(x, self.cuts[m])
            if self.loudness is not None:
                where = sinusoids(100 * place(x.mask, values.dtype), values.shape[-1])
                values = values + self.loudness * where
            projected[m] = x.with_values(values)
        return projected


def by_modality(fusion: Fusion, key: str, given: int | Mapping[str, int]) -> dict[str, int]:
    """A number for each modality of a fusion, from one for all or one for each by name.

    Args:
        fusion: whose modalities are meant.
        key: what the number is called.
        given: one, or one for each; perhaps for others, which the fusion does not have.
    Raises:
        ConfigError: a modality has none.
    """
    if isinstance(given, int):
        return dict.fromkeys(fusion.dims, given)
    if not fusion.dims.keys() <= given.keys():
        for name in given:
            fusion.named(name)
    return {name: own_of(f"{type(fusion).__name__}: {key}", given, name) for name in fusion.dims}


def _inner(x: Sequence, cut: int) -> Sequence:
    """`x` without so many observed steps at both ends; of fewer the middle stays."""
    first, later = extent(x.mask)
    cuts = (later // 2).clamp(max=cut)
    steps = torch.arange(x.time, device=x.mask.device)
    return x.keep((steps >= first + cuts) & (steps <= first + later - cuts))


def learned_tokens(count: int, width: int) -> nn.Parameter:
    """Steps that are learned, (1, count, width).

    Example:
        >>> learned_tokens(2, 4).shape
        torch.Size([1, 2, 4])
    """
    return nn.Parameter(torch.randn(1, count, width) / math.sqrt(width))


def repeated(tokens: Tensor, x: Sequence) -> Sequence:
    """The same steps, (1, count, width), for every sample of `x`.

    Example:
        >>> repeated(learned_tokens(2, 4), Sequence.full(torch.ones(5, 7, 3)))
        Sequence(batch 5, time 2, feature 4; float32, cpu)
    """
    return Sequence.full(tokens.expand(len(x.mask), -1, -1))


FusionFactory: TypeAlias = Callable[[dict[str, int], int], Fusion]
"""A Fusion class, or a partial of one: whatever makes a fusion from `dims` and `out_dim`."""
