"""The contract of a corruption, and corruptions one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypeAlias

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor
from torch.nn.functional import pad

from affect.bounds import SHARE
from affect.corruption.draws import Draws
from affect.errors import ConfigError, did_you_mean, listed
from affect.sequences import Sequence

if TYPE_CHECKING:
    from affect.data.corpus import Split

Inputs: TypeAlias = dict[str, Sequence]
"""A Sequence for each modality, on the corpus's own scale."""

Becomes: TypeAlias = Literal["missing", "zero", "noise"]
"""What is left where something was lost: nothing, and the mask says so; or zeros, or noise, and the mask
still says that it was observed."""


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """Something is lost or goes wrong on the way to the model: dict[str, Sequence] -> dict[str, Sequence].

    What happens to a sample depends on the seed, its id and the modality alone, so that every model meets the
    same damage, and more of it contains less of it: what is lost at rate 0.2 is lost at 0.3. The inputs stay
    as they are. Write `changed`, or `damage` where modalities concern each other; the call checks names, and
    keeps aligned what was aligned.

    Args:
        modalities: what it happens to; every modality by default.
    Raises:
        ConfigError: a value out of its range, or, when called, a modality that the inputs do not have.
    """

    modalities: tuple[str, ...] | None = None

    scale: ClassVar[str] = "rate"
    """The argument that says how much is damaged."""
    clean: ClassVar[float] = 0.0
    """Its value that leaves the inputs as they are."""
    search_space: ClassVar[dict[str, BaseDistribution]] = {}

    def __call__(self, inputs: Mapping[str, Sequence], ids: Iterable[str], seed: int = 0) -> Inputs:
        """The damaged inputs.

        Args:
            inputs: a Sequence for each modality, as a corpus has it, before any normalisation.
            ids: of the samples.
            seed: another one damages otherwise.
        """
        chosen = {name: inputs[name] for name in self.among(inputs)}
        damaged = {**inputs, **self.damage(chosen, dict(inputs), Draws(ids, seed))}
        before, after = ({x.time for x in own.values()} for own in (inputs, damaged))
        if len(before) == 1 < len(after):
            damaged = {name: lengthened(x, max(after)) for name, x in damaged.items()}
        return damaged

    def damage(self, chosen: Inputs, inputs: Inputs, draws: Draws) -> Inputs:
        """The modalities `chosen` from `inputs`, damaged: each by draws of its own."""
        return {name: self.changed(x, draws.apart(name)) for name, x in chosen.items()}

    def changed(self, x: Sequence, draws: Draws) -> Sequence:
        """What the author writes: one modality, damaged."""
        raise NotImplementedError(f"{type(self).__name__} must define changed")

    def among(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that it happens to, in alphabetical order."""
        known = sorted(names)
        for name in () if self.modalities is None else listed(type(self).__name__, self.modalities):
            if name not in known:
                raise ConfigError(f"{type(self).__name__}: no modality '{name}'; {did_you_mean(name, known)}")
        return [name for name in known if self.modalities is None or name in self.modalities]

    def at(self, level: float) -> Self:
        """The same with `level` as its rate, or what its scale is."""
        return replace(self, **{self.scale: level})  # type: ignore[arg-type]  # what scale names

    def weakened(self, share: float) -> Self:
        """Between nothing, 0, and all of it, 1: a curriculum goes through them."""
        return self.at(self.clean + share * (getattr(self, self.scale) - self.clean))

    def bound(self, split: Split) -> Self:
        """The same, knowing the split whose samples will be damaged; most need not know."""
        return self

    def check_indices(self, indices: Iterable[str]) -> None:
        """Refuse to use the values of the modalities `indices`, which are word indices.

        Raises:
            ConfigError: it would.
        """
        if self.uses_values:
            for name in sorted(indices):
                if self.modalities is None or name in self.modalities:
                    raise ConfigError(
                        f"{type(self).__name__}: uses values as quantities, but those of '{name}' are word "
                        "indices; name other modalities, or erase words (WordErasure)"
                    )

    @property
    def idle(self) -> bool:
        """Whether it leaves the inputs as they are."""
        return bool(getattr(self, self.scale) == self.clean)

    @property
    def uses_values(self) -> bool:
        """Whether values are taken for quantities."""
        return True

    @property
    def whole(self) -> bool:
        """Whether samples lose whole modalities, knowingly, and nothing else happens."""
        return False


@dataclass(frozen=True, kw_only=True)
class StepLoss(Corruption):
    """A corruption by which steps get lost: write `lost_of`, for one modality, or `lost`, for all together.

    Args:
        rate: share that is lost, of all modalities or by name.
        becomes: what is left in their place: `missing`, and the mask says so; or `zero`, or `noise` of each
            feature's own power, and the mask does not say so.
    """

    rate: float | dict[str, float] = 0.3
    becomes: Becomes = "missing"

    search_space: ClassVar[dict[str, BaseDistribution]] = {"rate": FloatDistribution(0.0, 0.9)}

    def __post_init__(self) -> None:
        who = type(self).__name__
        if self.becomes not in ("missing", "zero", "noise"):
            raise ConfigError(f"{who}: becomes must be missing, zero or noise, got '{self.becomes}'")
        for rate in self.rate.values() if isinstance(self.rate, dict) else (self.rate,):
            check_share(who, "rate", rate)
        if isinstance(self.rate, dict) and self.modalities is not None:
            raise ConfigError(f"{who}: rates by name say which modalities; leave out modalities")

    def damage(self, chosen: Inputs, inputs: Inputs, draws: Draws) -> Inputs:
        lost = self.lost(chosen, inputs, draws)
        return {
            name: self._without(x, lost[name].to(x.mask.device), draws.apart(name))
            for name, x in chosen.items()
        }

    def lost(self, chosen: Inputs, inputs: Inputs, draws: Draws) -> dict[str, Tensor]:
        """What is lost of `chosen`, (batch, time) or (batch, 1) bool; by default each modality by itself."""
        return {
            name: self.lost_of(x.mask.cpu(), self.rate_of(name), draws.apart(name))
            for name, x in chosen.items()
        }

    def lost_of(self, mask: Tensor, rate: float, draws: Draws) -> Tensor:
        """What is lost of one modality at `rate`: (batch, time) bool, of its mask, which is as large."""
        raise NotImplementedError(f"{type(self).__name__} must define lost_of, or lost")

    def among(self, names: Iterable[str]) -> list[str]:
        if isinstance(self.rate, dict):
            return replace(self, rate=0.0, modalities=tuple(self.rate)).among(names)
        return super().among(names)

    def rate_of(self, name: str) -> float:
        """The rate for the modality `name`."""
        return self.rate[name] if isinstance(self.rate, dict) else self.rate

    def weakened(self, share: float) -> Self:
        if isinstance(self.rate, dict):
            return replace(self, rate={name: share * rate for name, rate in self.rate.items()})
        return super().weakened(share)

    def refuse_rates_by_name(self, why: str) -> None:
        """For a corruption whose rate is one for all."""
        if isinstance(self.rate, dict):
            raise ConfigError(f"{type(self).__name__}: rate {why}, not one by modality")

    @property
    def idle(self) -> bool:
        return not any(self.rate.values()) if isinstance(self.rate, dict) else super().idle

    @property
    def uses_values(self) -> bool:
        return self.becomes == "noise"

    def _without(self, x: Sequence, lost: Tensor, draws: Draws) -> Sequence:
        if self.becomes == "missing":
            return x.keep(~lost)
        left = torch.zeros_like(x.values) if self.becomes == "zero" else noise(x, draws)
        return x.with_values(torch.where(lost.unsqueeze(-1), left, x.values))


@dataclass(frozen=True, kw_only=True)
class Compose(Corruption):
    """Corruptions one after the other, each with draws of its own.

    Args:
        parts: the corruptions.
    Example:
        >>> from affect.corruption import GaussianNoise, StepDropout
        >>> both = Compose(parts=(StepDropout(rate=0.2, modalities=("text",)), GaussianNoise(snr=10)))
        >>> x = Sequence.full(torch.ones(2, 9, 3))
        >>> damaged = both({"text": x, "visual": x}, ids=("a", "b"))
        >>> bool(damaged["visual"].mask.all())
        True
    """

    parts: tuple[Corruption, ...] = ()

    def __call__(self, inputs: Mapping[str, Sequence], ids: Iterable[str], seed: int = 0) -> Inputs:
        damaged, ids = dict(inputs), tuple(ids)
        for place, part in enumerate(self.parts):
            damaged = part(damaged, ids, hash((seed, place)))
        return damaged

    def among(self, names: Iterable[str]) -> list[str]:
        known = tuple(names)
        return sorted({name for part in self.parts for name in part.among(known)})

    def at(self, level: float) -> Self:
        """The same with all parts at `level`."""
        return replace(self, parts=tuple(part.at(level) for part in self.parts))

    def weakened(self, share: float) -> Self:
        return replace(self, parts=tuple(part.weakened(share) for part in self.parts))

    def bound(self, split: Split) -> Self:
        return replace(self, parts=tuple(part.bound(split) for part in self.parts))

    def check_indices(self, indices: Iterable[str]) -> None:
        known = tuple(indices)
        for part in self.parts:
            part.check_indices(known)

    @property
    def idle(self) -> bool:
        return all(part.idle for part in self.parts)

    @property
    def whole(self) -> bool:
        return all(part.whole for part in self.parts)


def check_share(who: str, name: str, share: float) -> None:
    """Refuse what is not between 0 and 1."""
    SHARE.check(f"{who}: {name}", share)


def noise(x: Sequence, draws: Draws) -> Tensor:
    """Gaussian noise with the power of each sample's features over its observed steps, like `x.values`."""
    return power(x) * draws.normal("noise", *x.values.shape[1:]).to(x.values)


def power(x: Sequence) -> Tensor:
    """(batch, 1, feature): the root mean square of each feature over observed steps, of what is finite."""
    finite = torch.where(x.values.isfinite(), x.values, 0)
    return x.with_values(finite.square()).mean().sqrt().unsqueeze(1)


def lengthened(x: Sequence, time: int) -> Sequence:
    """The same with unobserved steps behind, up to `time` of them in all; itself where it is longer."""
    more = max(time - x.time, 0)
    return Sequence(pad(x.values, (0, 0, 0, more)), pad(x.mask, (0, more)))
