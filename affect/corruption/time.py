"""Modalities that run out of step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from torch import Tensor

from affect.bounds import Bounds
from affect.corruption.base import Corruption
from affect.corruption.draws import Draws
from affect.sequences import Sequence, extent


@dataclass(frozen=True, kw_only=True)
class TimeShift(Corruption):
    """A modality comes late, or early: loss of sync. What leaves the sample's own time is lost.

    Args:
        steps: by which it is late; below 0, by which it is early.
        modalities: that move; all by default, which moves none against another.
    Example:
        >>> x = Sequence.full(torch.tensor([[[1.0], [2.0], [3.0]]]))
        >>> late = TimeShift(steps=1, modalities=("text",))({"text": x, "visual": x}, ids=("a",))["text"]
        >>> late.values.flatten(), late.mask.flatten()
        (tensor([0., 1., 2.]), tensor([False,  True,  True]))
    """

    steps: float = 1

    scale: ClassVar[str] = "steps"
    search_space: ClassVar[dict[str, BaseDistribution]] = {"steps": IntDistribution(-10, 10)}

    def __post_init__(self) -> None:
        _STEPS.check("TimeShift: steps", self.steps)

    def changed(self, x: Sequence, draws: Draws) -> Sequence:
        start, span = extent(x.mask)
        here = torch.arange(x.time, device=x.mask.device).expand(x.mask.shape)
        source = here - round(self.steps)
        inside = (here >= start) & (here <= start + span) & (source >= 0) & (source < x.time)
        return _gathered(x, source.clamp(0, x.time - 1), inside)

    @property
    def uses_values(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class SpeedChange(Corruption):
    """A modality runs faster or slower; each step is the nearest one of before.

    Args:
        factor: 2 runs twice as fast and has half the steps.
        modalities: that it happens to; all by default.
    Raises:
        ConfigError: the factor is below 0.001 or above 1000.
    Example:
        >>> x = Sequence.full(torch.tensor([[[1.0], [2.0], [3.0], [4.0]]]))
        >>> SpeedChange(factor=2)({"text": x}, ids=("a",))["text"].values.flatten()
        tensor([1., 3.])
    """

    factor: float = 1.25

    scale: ClassVar[str] = "factor"
    clean: ClassVar[float] = 1.0
    search_space: ClassVar[dict[str, BaseDistribution]] = {"factor": FloatDistribution(0.5, 2.0, log=True)}

    def __post_init__(self) -> None:
        _FACTOR.check("SpeedChange: factor", self.factor)

    def changed(self, x: Sequence, draws: Draws) -> Sequence:
        steps = max(1, -(-x.time // self.factor))
        source = (torch.arange(steps, device=x.mask.device) * self.factor).floor().long()
        source = source.expand(len(x.mask), -1)
        return _gathered(x, source.clamp(max=x.time - 1), source < x.time)

    @property
    def uses_values(self) -> bool:
        return False


_STEPS = Bounds("between -1e9 and 1e9", -1e9, 1e9)
_FACTOR = Bounds("at least 0.001 and at most 1000", 0.001, 1000)


def _gathered(x: Sequence, source: Tensor, inside: Tensor) -> Sequence:
    """The steps `source`, (batch, time'), observed where they were and where `inside`."""
    values = x.values.gather(1, source.unsqueeze(-1).expand(-1, -1, x.dim))
    return Sequence(values, x.mask.gather(1, source) & inside)
