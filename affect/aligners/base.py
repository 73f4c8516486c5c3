"""Aligners: modules that bring all modalities onto the steps of one, for fusions that need it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, TypeAlias

import torch
from optuna.distributions import BaseDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.bounds import Bounded
from affect.errors import ConfigError, ShapeError, did_you_mean
from affect.sequences import Sequence, check_modalities
from affect.sizes import held, of_inputs


class Aligner(Bounded, nn.Module):
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
    causal: bool = False
    """Whether no step that comes out depends on a later one that came in."""
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
        mask = reference_mask(reference)
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

    def time_of(self, steps: dict[str, int]) -> int:
        """How many steps all modalities have afterwards, where every sample has the reference."""
        return steps[self.order[0]]

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        """A bound on the numbers that are held while samples of so many steps are aligned.

        As `Encoder.activations`; by default it grows with the steps of the reference and those of each
        modality. Write another where something grows with their product.
        """
        aligned = dict.fromkeys(self.dims, self.time_of(steps))
        return (
            2 * of_inputs(self.dims, batch, aligned)
            + of_inputs(self.dims, batch, steps)
            + held(self, batch * max(steps.values()))
        )

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


def reference_mask(reference: Mapping[str, Sequence]) -> Tensor:
    """(batch, time): the steps of the reference, of whichever modality it is in each sample."""
    return torch.stack([part.mask for part in reference.values()]).any(0)


def reference_total(parts: Iterable[Tensor]) -> Tensor:
    """Each sample's own part: it is observed in one of them, and the others hold zeros."""
    return torch.stack(list(parts)).sum(0)


AlignerFactory: TypeAlias = Callable[[dict[str, int]], Aligner]
"""An Aligner class, or a partial of one: whatever makes an aligner from `dims`."""
