"""Whole modalities that get lost, or are another sample's."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from torch import Tensor

from affect.corruption.base import Corruption, Inputs, StepLoss, check_share, lengthened
from affect.corruption.draws import Draws
from affect.errors import ConfigError, check_flag, did_you_mean
from affect.sequences import Sequence

if TYPE_CHECKING:
    from affect.data.corpus import Split


@dataclass(frozen=True, kw_only=True)
class ModalityLoss(StepLoss):
    """A loss of whole modalities: write `kept`."""

    def lost(self, chosen: Inputs, inputs: Inputs, draws: Draws) -> dict[str, Tensor]:
        names = [*chosen]
        present = _present(chosen, names)
        safe = _present(inputs, [name for name in inputs if name not in chosen]).any(1, keepdim=True)
        kept = self.kept(names, present, safe, draws)
        return {name: ~kept[:, place : place + 1] for place, name in enumerate(names)}

    def kept(self, names: list[str], present: Tensor, safe: Tensor, draws: Draws) -> Tensor:
        """What the author writes: which of the modalities `names` each sample keeps.

        Args:
            names: of the modalities at risk.
            present: which of them each sample has.
            safe: whether it has others, that are not at risk.
            draws: the samples' random numbers.
        Shapes:
            present: (batch, modality), safe: (batch, 1) -> (batch, modality), all bool
        """
        raise NotImplementedError(f"{type(self).__name__} must define kept")

    @property
    def whole(self) -> bool:
        return self.becomes == "missing"


@dataclass(frozen=True, kw_only=True)
class ModalityDropout(ModalityLoss):
    """Each modality is lost independently.

    Args:
        rate: at which a modality is lost, for all or by name.
        spare: whether a sample that would lose all that it has keeps one: that which a slightly lower rate
            would have left.
        becomes: what is left: `missing`, `zero` or `noise`.
        modalities: that are at risk; all by default.
    Also known as:
        ModDrop.
    Reference:
        Neverova et al., ModDrop: Adaptive Multi-Modal Gesture Recognition, TPAMI 2016.
    Example:
        >>> x = Sequence.full(torch.ones(1, 2, 3))
        >>> damaged = ModalityDropout(rate=1.0)({"text": x, "visual": x}, ids=("a",))
        >>> sum(int(own.present) for own in damaged.values())
        1
    """

    spare: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag("ModalityDropout: spare", self.spare)

    def kept(self, names: list[str], present: Tensor, safe: Tensor, draws: Draws) -> Tensor:
        rates = torch.tensor([self.rate_of(name) for name in names], dtype=torch.float64)
        drawn = _each(names, draws)
        kept = drawn >= rates
        if not self.spare:
            return kept
        last = greatest(drawn / rates, present)
        return kept | (last & ~(safe | (kept & present).any(1, keepdim=True)))


@dataclass(frozen=True, kw_only=True)
class RandomModalities(ModalityLoss):
    """A share of all modalities of all samples is lost, and every sample keeps at least one.

    One of the modalities that a sample has is drawn to stay; of M, each other one is lost with probability
    rate M / (M - 1), at most 1: then only one stays.

    Args:
        rate: share of all modalities that is lost; from 1 - 1 / M on, every sample keeps just one.
        becomes: what is left: `missing`, `zero` or `noise`.
        modalities: that are at risk; all by default.
    Raises:
        ConfigError: rates by name: this one is a share of all modalities.
    Reference:
        Lian et al., GCNet: Graph Completion Network for Incomplete Multimodal Learning in Conversation,
        TPAMI 2023; Wang et al., Incomplete Multimodality-Diffused Emotion Recognition, NeurIPS 2023.
        Differs: the share is an expected one, not that of the drawn table.
    Example:
        >>> x = Sequence.full(torch.ones(1, 2, 3))
        >>> damaged = RandomModalities(rate=0.7)({"a": x, "b": x, "c": x}, ids=("one",))
        >>> sum(int(own.present) for own in damaged.values())
        1
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_rates_by_name("is a share of all modalities")

    def kept(self, names: list[str], present: Tensor, safe: Tensor, draws: Draws) -> Tensor:
        stays = greatest(_each(names, draws.apart("stays")), present)
        lost = _each(names, draws) < self.rate_of("") * len(names) / max(len(names) - 1, 1)
        return stays | ~lost


@dataclass(frozen=True, kw_only=True)
class RandomSubset(ModalityLoss):
    """A sample keeps one subset of the modalities, drawn for it.

    Args:
        subsets: to draw from, each with the same chance; all that are not empty by default. One alone is kept
            by every sample.
        rate: share of the samples to which it happens.
        becomes: what is left: `missing`, `zero` or `noise`.
        modalities: that are at risk; all by default.
    Raises:
        ConfigError: rates by name, no subsets, or, when called, an unknown modality.
    Example:
        >>> x = Sequence.full(torch.ones(1, 2, 3))
        >>> damaged = RandomSubset(subsets=(("text",),))({"text": x, "visual": x}, ids=("a",))
        >>> bool(damaged["text"].present), bool(damaged["visual"].present)
        (True, False)
    """

    rate: float | dict[str, float] = 1.0
    subsets: tuple[tuple[str, ...], ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_rates_by_name("is a share of the samples")
        if self.subsets is not None and not self.subsets:
            raise ConfigError("RandomSubset: subsets: expected at least one")

    def kept(self, names: list[str], present: Tensor, safe: Tensor, draws: Draws) -> Tensor:
        subsets = subsets_of(names) if self.subsets is None else self.subsets
        for name in (name for subset in subsets for name in subset if name not in names):
            raise ConfigError(f"RandomSubset: no modality '{name}'; {did_you_mean(name, names)}")
        table = torch.tensor([[name in subset for name in names] for subset in subsets])
        drawn = (draws.uniform("subset", 1).squeeze(1) * len(subsets)).long()
        return table[drawn] | (draws.uniform("happens", 1) >= self.rate_of(""))


@dataclass(frozen=True, kw_only=True)
class ModalitySwap(Corruption):
    """A modality is that of another sample of the split.

    Args:
        rate: share of the samples to which it happens.
        modalities: that are exchanged, each by a draw of its own; all by default.
    Raises:
        ConfigError: the rate is not a share; the split has but one sample, or, when called, is not known.
    Example:
        >>> split = affect.load("synthetic")["valid"]
        >>> batch = next(iter(affect.batches(split, batch_size=4)))
        >>> swapped = ModalitySwap(rate=1.0, modalities=("text",)).bound(split)(batch.inputs, batch.ids)
        >>> torch.equal(swapped["text"].values, batch.inputs["text"].values)
        False
    """

    rate: float = 0.3
    split: Split | None = field(default=None, repr=False)

    search_space: ClassVar[dict[str, BaseDistribution]] = StepLoss.search_space

    def __post_init__(self) -> None:
        check_share("ModalitySwap", "rate", self.rate)
        if self.split is not None and len(self.split) < 2:
            raise ConfigError("ModalitySwap: a split of one sample has no other to exchange with")

    def bound(self, split: Split) -> Self:
        return replace(self, split=split)

    @cached_property
    def _sorted(self) -> tuple[NDArray[Any], NDArray[np.intp]]:
        """The ids of the split, and their rows in the order of the ids."""
        ids = np.array(() if self.split is None else self.split.ids)
        return ids, np.argsort(ids, kind="stable")

    def damage(self, chosen: Inputs, inputs: Inputs, draws: Draws) -> Inputs:
        if self.split is None:
            raise ConfigError("ModalitySwap: knows no split to take samples from; call bound(split) first")
        return {name: self._swapped(name, x, draws.apart(name), self.split) for name, x in chosen.items()}

    def _swapped(self, name: str, x: Sequence, draws: Draws, split: Split) -> Sequence:
        happens = (draws.uniform("happens", 1) < self.rate).to(x.mask.device)
        other = (draws.uniform("donor", 1).squeeze(1).numpy() * (len(split) - 1)).astype(np.int64)
        ids, order = self._sorted
        at = np.searchsorted(ids, draws.ids, sorter=order)
        other += other >= order[at.clip(max=len(order) - 1)]  # never the sample itself
        donors = split.modalities[name].pad(other, x.time).to(x.values)
        own = lengthened(x, donors.time)
        return Sequence(
            torch.where(happens.unsqueeze(-1), donors.values, own.values),
            torch.where(happens, donors.mask, own.mask),
        )


def subsets_of(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """All subsets of `names` that are not empty, the largest first.

    Example:
        >>> subsets_of(("a", "b"))
        (('a', 'b'), ('a',), ('b',))
    """
    known = sorted(names)
    sizes = range(len(known), 0, -1)
    return tuple(itertools.chain.from_iterable(itertools.combinations(known, size) for size in sizes))


def greatest(scores: Tensor, present: Tensor) -> Tensor:
    """That of the present ones which has the greatest score.

    Args:
        scores: not below 0.
        present: which there are; of none, none is the greatest.
    Shapes:
        scores, present: (batch, modality) -> (batch, modality) bool
    Example:
        >>> greatest(torch.tensor([[0.5, 0.9]]), torch.tensor([[True, False]])).tolist()
        [[True, False]]
    """
    best = torch.where(present, scores, -1.0).argmax(1, keepdim=True)
    return torch.zeros_like(present).scatter(1, best, True) & present


def _each(names: list[str], draws: Draws) -> Tensor:
    """(batch, modality), uniform."""
    return torch.cat([draws.apart(name).uniform("modality", 1) for name in names], 1)


def _present(inputs: Inputs, names: list[str]) -> Tensor:
    """(batch, modality) bool."""
    some = next(iter(inputs.values())).present
    return torch.stack([some & False, *(inputs[name].present for name in names)], 1)[:, 1:].cpu()
