"""Steps that get lost: here and there, in a row, at an end, in bursts; and words that become unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from optuna.distributions import BaseDistribution
from torch import Tensor
from torch.nn.functional import pad

from affect.bounds import COUNT, NATURAL, Bounds
from affect.corruption.base import Corruption, Inputs, StepLoss, check_share
from affect.corruption.draws import Draws
from affect.errors import ConfigError, check_flag
from affect.sequences import Sequence


@dataclass(frozen=True, kw_only=True)
class StepDropout(StepLoss):
    """Each step is lost independently.

    Args:
        rate: at which a step is lost, for all modalities or by name.
        becomes: what is left: `missing`, `zero` or `noise`.
        modalities: that it happens to; all by default.
    Reference:
        Yuan et al., Transformer-based Feature Reconstruction Network for Robust Multimodal Sentiment
        Analysis, ACM MM 2021.
    Example:
        >>> x = Sequence.full(torch.ones(1, 100, 3))
        >>> few, more = (StepDropout(rate=rate)({"text": x}, ids=("a",))["text"] for rate in (0.2, 0.3))
        >>> bool((few.mask | ~more.mask).all()), 10 < int(100 - few.lengths) < 30
        (True, True)
    """

    def lost_of(self, mask: Tensor, rate: float, draws: Draws) -> Tensor:
        return draws.uniform("step", mask.shape[1]) < rate


@dataclass(frozen=True, kw_only=True)
class SpanDropout(StepLoss):
    """One contiguous span of each sample is lost.

    Args:
        rate: share of the observed steps, rounded to whole ones, for all modalities or by name.
        becomes: what is left: `missing`, `zero` or `noise`.
        modalities: that it happens to; all by default.
    Example:
        >>> x = Sequence.full(torch.ones(1, 10, 3))
        >>> int(SpanDropout(rate=0.3)({"text": x}, ids=("a",))["text"].lengths)
        7
    """

    def lost_of(self, mask: Tensor, rate: float, draws: Draws) -> Tensor:
        place, count, lost = _shares(mask, rate)
        first = (draws.uniform("span", 1) * (count - lost + 1)).long()
        return (place >= first) & (place < first + lost)


@dataclass(frozen=True, kw_only=True)
class Truncation(StepLoss):
    """The end, or the start, of each sample is lost.

    Args:
        rate: share of the observed steps, rounded to whole ones, for all modalities or by name.
        side: `end` or `start`.
        becomes: what is left: `missing`, `zero` or `noise`.
        modalities: that it happens to; all by default.
    Example:
        >>> x = Sequence.full(torch.ones(1, 4, 3))
        >>> Truncation(rate=0.5)({"text": x}, ids=("a",))["text"].mask.tolist()
        [[True, True, False, False]]
    """

    side: Literal["end", "start"] = "end"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side not in ("end", "start"):
            raise ConfigError(f"Truncation: side must be end or start, got '{self.side}'")

    def lost_of(self, mask: Tensor, rate: float, draws: Draws) -> Tensor:
        place, count, lost = _shares(mask, rate)
        return place >= count - lost if self.side == "end" else place < lost


@dataclass(frozen=True, kw_only=True)
class BurstDropout(StepLoss):
    """Steps are lost in bursts, as packets are on a channel that goes down and comes back.

    The channel is good or bad. It turns bad with probability rate / (length (1 - rate)) and good with
    1 / length, so that `rate` of the steps are lost on average, `length` in a row. At rates above
    1 - 1 / length, where independent losses are as long, losses are independent.

    Args:
        rate: share of the steps that is lost on average, for all modalities or by name.
        length: steps of a burst, on average.
        becomes: what is left: `missing`, `zero` or `noise`.
        modalities: that it happens to; all by default.
    Reference:
        Gilbert, Capacity of a Burst-Noise Channel, Bell System Technical Journal 1960; Elliott 1963.
    Example:
        >>> x = Sequence.full(torch.ones(1, 20, 3))
        >>> damaged = BurstDropout(rate=0.4, length=4)({"text": x}, ids=("a",))["text"]
        >>> "".join(".x"[seen] for seen in damaged.mask[0].int())
        'xxxxxxx........xxxxx'
    """

    length: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _LENGTH.check("BurstDropout: length", self.length)

    def lost_of(self, mask: Tensor, rate: float, draws: Draws) -> Tensor:
        if rate >= 1 - 1 / self.length:
            fails = stays = rate
        else:
            fails, stays = rate / (self.length * (1 - rate)), 1 - 1 / self.length
        drawn = draws.uniform("step", mask.shape[1])
        bad, good = drawn < fails, drawn >= stays  # between the two, the channel stays as it is
        bad[:, 0] = draws.uniform("begin", 1)[:, 0] < rate
        good[:, 0] = ~bad[:, 0]
        steps = torch.arange(mask.shape[1])
        turned = torch.where(bad | good, steps, 0).cummax(1).values
        return bad.gather(1, turned)


@dataclass(frozen=True, kw_only=True)
class RunDropout(StepLoss):
    """From any step on, a run of steps is lost.

    Args:
        rate: at which a run begins at a step, for all modalities or by name; of the steps,
            1 - (1 - rate)^steps are lost, since runs meet.
        steps: in a run.
        together: whether all modalities lose the same steps, which says something of aligned ones alone.
        becomes: what is left: `missing`, `zero` or `noise`.
        modalities: that it happens to; all by default.
    Reference:
        Liang et al., MultiBench: Multiscale Benchmarks for Multimodal Representation Learning, NeurIPS 2021
        (structured drop). Differs: runs may begin at the last steps too.
    Example:
        >>> x = Sequence.full(torch.ones(1, 5, 3))
        >>> RunDropout(rate=1.0)({"text": x}, ids=("a",))["text"].mask.any()
        tensor(False)
    """

    steps: int = 3
    together: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        COUNT.check("RunDropout: steps", self.steps)
        check_flag("RunDropout: together", self.together)

    def lost(self, chosen: Inputs, inputs: Inputs, draws: Draws) -> dict[str, Tensor]:
        if not self.together:
            return super().lost(chosen, inputs, draws)
        return {name: self.lost_of(x.mask.cpu(), self.rate_of(name), draws) for name, x in chosen.items()}

    def lost_of(self, mask: Tensor, rate: float, draws: Draws) -> Tensor:
        begins = draws.uniform("step", mask.shape[1]) < rate
        steps = min(self.steps, max(mask.shape[1], 1))
        return pad(begins, (steps - 1, 0)).unfold(1, steps, 1).any(-1)


@dataclass(frozen=True, kw_only=True)
class WordErasure(Corruption):
    """Each word becomes the unknown word, independently: for modalities of word indices.

    Args:
        rate: at which a word is erased.
        unknown: the number of the unknown word; of several sub-words, one of it is left
            (`Encoder.unknown` says what an encoder reads as unknown).
        modalities: that it happens to; all by default, and then all must hold word indices.
    Raises:
        ConfigError: the rate is not a share.
    Reference:
        Zhang et al., Towards Robust Multimodal Sentiment Analysis with Incomplete Data, NeurIPS 2024 (LNLN).
    Example:
        >>> words = Sequence.full(torch.tensor([[[7.0], [9.0]]]))
        >>> WordErasure(rate=1.0, unknown=0)({"text": words}, ids=("a",))["text"].values.flatten()
        tensor([0., 0.])
    """

    rate: float = 0.3
    unknown: int = 0

    search_space: ClassVar[dict[str, BaseDistribution]] = StepLoss.search_space

    def __post_init__(self) -> None:
        check_share("WordErasure", "rate", self.rate)
        NATURAL.check("WordErasure: unknown", self.unknown)

    def changed(self, x: Sequence, draws: Draws) -> Sequence:
        erased = (draws.uniform("step", x.time) < self.rate).to(x.mask.device)
        word = torch.zeros_like(x.values)
        word[..., 0] = self.unknown
        return x.with_values(torch.where(erased.unsqueeze(-1), word, x.values))

    @property
    def uses_values(self) -> bool:
        return False


_LENGTH = Bounds("at least 1", 1, limit=10**9)


def _shares(mask: Tensor, rate: float) -> tuple[Tensor, Tensor, Tensor]:
    """The place of each step among the observed ones, how many there are, and how many `rate` of them is.

    Shapes:
        mask: (batch, time) -> (batch, time), (batch, 1), (batch, 1)
    """
    count = mask.sum(1, keepdim=True)
    return mask.cumsum(1) - 1, count, (rate * count).round().long()
