"""Values that are wrong: noise, dead columns, drift."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

from optuna.distributions import BaseDistribution, FloatDistribution

from affect.bounds import NOT_NEGATIVE, Bounds
from affect.corruption.base import Corruption, StepLoss, check_share, noise, power
from affect.corruption.draws import Draws
from affect.sequences import Sequence, place


@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Corruption):
    """White noise of a certain power beside that of the signal.

    The power of the signal is each feature's mean square over the sample's observed steps.

    Args:
        snr: signal-to-noise ratio in dB; infinite for no noise.
        modalities: that it happens to; all by default.
    Example:
        >>> x = Sequence.full(torch.ones(1, 10000, 1))
        >>> damaged = GaussianNoise(snr=20)({"acoustic": x}, ids=("a",))["acoustic"]
        >>> round((damaged.values - x.values).std().item(), 1)
        0.1
    """

    snr: float = 20.0

    scale: ClassVar[str] = "snr"
    clean: ClassVar[float] = math.inf
    search_space: ClassVar[dict[str, BaseDistribution]] = {"snr": FloatDistribution(-10, 40)}

    def __post_init__(self) -> None:
        if self.snr != math.inf:
            _DECIBELS.check("GaussianNoise: snr", self.snr)

    def weakened(self, share: float) -> Self:
        return self.at(self.snr - 20 * math.log10(share) if share else math.inf)

    def changed(self, x: Sequence, draws: Draws) -> Sequence:
        return x.with_values(x.values + 10 ** (-self.snr / 20) * noise(x, draws))


@dataclass(frozen=True, kw_only=True)
class StepNoise(Corruption):
    """One random number for each step, added to all its features.

    Args:
        deviation: of the numbers, on the corpus's own scale.
        modalities: that it happens to; all by default.
    Reference:
        Liang et al., MultiBench: Multiscale Benchmarks for Multimodal Representation Learning, NeurIPS 2021
        (white noise of time series).
    Example:
        >>> x = Sequence.full(torch.zeros(1, 4, 3))
        >>> values = StepNoise(deviation=1.0)({"acoustic": x}, ids=("a",))["acoustic"].values
        >>> bool((values == values[..., :1]).all())
        True
    """

    deviation: float = 0.3

    scale: ClassVar[str] = "deviation"
    search_space: ClassVar[dict[str, BaseDistribution]] = {"deviation": FloatDistribution(0.0, 1.0)}

    def __post_init__(self) -> None:
        check_positive("StepNoise", "deviation", self.deviation)

    def changed(self, x: Sequence, draws: Draws) -> Sequence:
        return x.with_values(x.values + self.deviation * draws.normal("step", x.time, 1).to(x.values))


@dataclass(frozen=True, kw_only=True)
class ColumnDropout(Corruption):
    """Features of a sample are zero throughout, while the mask says that they were observed.

    Args:
        rate: at which a feature is lost.
        modalities: that it happens to; all by default.
    Example:
        >>> x = Sequence.full(torch.ones(1, 2, 3))
        >>> values = ColumnDropout(rate=0.5)({"acoustic": x}, ids=("a",))["acoustic"].values
        >>> bool((values[:, 0] == values[:, 1]).all())
        True
    """

    rate: float = 0.3

    search_space: ClassVar[dict[str, BaseDistribution]] = StepLoss.search_space

    def __post_init__(self) -> None:
        check_share("ColumnDropout", "rate", self.rate)

    def changed(self, x: Sequence, draws: Draws) -> Sequence:
        lost = (draws.uniform("column", 1, x.dim) < self.rate).to(x.values.device)
        return x.with_values(x.values.masked_fill(lost, 0))


@dataclass(frozen=True, kw_only=True)
class Drift(Corruption):
    """Gain and offset of a modality move away as the sample goes on.

    Where a step stands at t, from 0, the sample's first, to 1, its last, x becomes
    (1 + gain a t) x + offset b t p, with a and b drawn for each sample between -strength and strength, and p
    the root mean square of each feature.

    Args:
        strength: how far they move.
        gain: how much of it is the gain's.
        offset: how much of it is the offset's.
        modalities: that it happens to; all by default.
    Example:
        >>> x = Sequence.full(torch.ones(1, 3, 1))
        >>> values = Drift(strength=0.5)({"acoustic": x}, ids=("a",))["acoustic"].values
        >>> bool(values[0, 0] == 1)
        True
    """

    strength: float = 0.5
    gain: float = 1.0
    offset: float = 1.0

    scale: ClassVar[str] = "strength"
    search_space: ClassVar[dict[str, BaseDistribution]] = {"strength": FloatDistribution(0.0, 1.0)}

    def __post_init__(self) -> None:
        for name in ("strength", "gain", "offset"):
            check_positive("Drift", name, getattr(self, name))

    def changed(self, x: Sequence, draws: Draws) -> Sequence:
        when = place(x.mask, x.values.dtype).unsqueeze(-1)
        a, b = (
            self.strength * (2 * draws.uniform(name, 1, 1) - 1).to(x.values) for name in ("gain", "offset")
        )
        return x.with_values((1 + self.gain * a * when) * x.values + self.offset * b * when * power(x))


_DECIBELS = Bounds("a number of dB between -300 and 300, or infinite", -300, 300)


def check_positive(who: str, name: str, value: float) -> None:
    """Refuse what is below 0, or no number."""
    NOT_NEGATIVE.check(f"{who}: {name}", value)
