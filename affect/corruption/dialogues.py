"""What gets lost in a conversation: whole utterances, and all that a party says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from affect.corruption.base import Inputs, StepLoss
from affect.corruption.draws import Draws
from affect.corruption.modalities import greatest
from affect.data.speakers import IDENTITY, SPEAKER, parties_of
from affect.errors import ConfigError, ShapeError, check_flag, few

if TYPE_CHECKING:
    from affect.data.corpus import Split

WHO = (SPEAKER, IDENTITY)
"""What is known of an utterance that is lost, unless it is named: who spoke."""


@dataclass(frozen=True, kw_only=True)
class UtteranceLoss(StepLoss):
    """A loss of the same steps of all modalities but who speaks: write `steps`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_rates_by_name("is one for all modalities")

    def among(self, names: Iterable[str]) -> list[str]:
        return [name for name in super().among(names) if self.modalities is not None or name not in WHO]

    def check_indices(self, indices: Iterable[str]) -> None:
        super().check_indices(name for name in indices if self.modalities is not None or name not in WHO)

    def bound(self, split: Split) -> Self:
        self.check_aligned(split, self.among(split.modalities))
        return self

    def check_aligned(self, split: Split, names: Iterable[str]) -> None:
        """Refuse several modalities of a split that is not aligned."""
        own = sorted({*names})
        if len(own) > 1 and not split.aligned:
            raise ConfigError(
                f"{type(self).__name__}: needs modalities of the same steps, one an utterance, and those of "
                f"the corpus are not aligned ({few(own)}); read it aligned, or take StepDropout, which draws "
                "for each by itself"
            )

    def lost(self, chosen: Inputs, inputs: Inputs, draws: Draws) -> dict[str, Tensor]:
        times = {name: x.time for name, x in chosen.items() if x.mask.any()}
        if len({*times.values()}) > 1:
            found = few([f"{name} {time}" for name, time in sorted(times.items())])
            raise ShapeError(
                f"{type(self).__name__}: needs modalities of the same steps, one an utterance, got {found}; "
                "name those that have the same (modalities)"
            )
        steps = self.steps(max((x.time for x in chosen.values()), default=1), draws)
        return {name: steps[:, : x.time] for name, x in chosen.items()}

    def steps(self, time: int, draws: Draws) -> Tensor:
        """What the author writes: the steps that are lost, of all modalities at once.

        Args:
            time: how many steps there are.
            draws: the samples' random numbers.
        Shapes:
            -> (batch, time) bool
        """
        raise NotImplementedError(f"{type(self).__name__} must define steps")


@dataclass(frozen=True, kw_only=True)
class UtteranceDropout(UtteranceLoss):
    """Each utterance of a conversation is lost independently, from all modalities at once.

    An utterance is a step, and the modalities have the same ones. Its label stays: what was felt there is to
    be told from the rest of the conversation.

    Args:
        rate: at which an utterance is lost.
        becomes: what is left: `missing`, `zero` or `noise`.
        modalities: that lose it; all but who speaks by default (`speaker`, `speaker_identity`).
    Raises:
        ConfigError: rates by name; when it is bound, a corpus that is not aligned, or whose steps are no
            utterances: it does not say who speaks, and has no labels of steps.
        ShapeError: when called, modalities of different steps.
    Example:
        >>> x = Sequence.full(torch.ones(1, 6, 3))
        >>> damaged = UtteranceDropout(rate=0.5)({"text": x, "acoustic": x, "speaker": x}, ids=("a",))
        >>> torch.equal(damaged["text"].mask, damaged["acoustic"].mask), bool(damaged["speaker"].mask.all())
        (True, True)
    """

    def bound(self, split: Split) -> Self:
        labelled = any((own.lengths > 1).any() for own in split.targets.values())
        if SPEAKER not in split.modalities and not labelled:
            raise ConfigError(
                f"UtteranceDropout: the corpus has no modality '{SPEAKER}' and no label of each step: its "
                "steps are no utterances; take RunDropout(steps=1, together=True), which loses the same of "
                "all modalities"
            )
        return super().bound(split)

    def steps(self, time: int, draws: Draws) -> Tensor:
        return draws.uniform("step", time) < self.rate_of("")


@dataclass(frozen=True, kw_only=True)
class PartyDropout(UtteranceLoss):
    """Each party of a conversation is lost independently: all that it says, from all modalities.

    Who speaks is read from the split, so that a model that does not read it meets the same damage.
    Utterances of which it is not known who speaks stay. Labels stay, as in `UtteranceDropout`.

    Args:
        rate: at which a party is lost.
        spare: whether a conversation that would lose all its parties keeps one: that which a slightly lower
            rate would have left.
        becomes: what is left: `missing`, `zero` or `noise`.
        modalities: that lose it; all but who speaks by default (`speaker`, `speaker_identity`).
    Raises:
        ConfigError: rates by name; the split does not say who speaks, is not aligned, or, when called, is not
            known or lacks a sample.
        ShapeError: when called, modalities of different steps.
    Example:
        >>> spoken = affect.data.speakers.parties([["Joey", "Ross", "Joey", None]])
        >>> split = affect.data.corpus.Split(("a",), {"speaker": spoken}, {}, aligned=True)
        >>> x = {"text": Sequence.full(torch.ones(1, 4, 3))}
        >>> PartyDropout(rate=1.0).bound(split)(x, ids=("a",))["text"].mask.tolist()
        [[True, False, True, True]]
        >>> PartyDropout(rate=1.0, spare=False).bound(split)(x, ids=("a",))["text"].mask.tolist()
        [[False, False, False, True]]
    """

    spare: bool = True
    split: Split | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag("PartyDropout: spare", self.spare)
        if self.split is not None and not self._spoken:
            raise ConfigError(
                f"PartyDropout: the corpus has no modality '{SPEAKER}' that says who speaks at each step; "
                "take a corpus of conversations, or add it (affect.data.speakers.parties)"
            )

    def bound(self, split: Split) -> Self:
        spoken = replace(self, split=split)
        spoken.check_aligned(split, [SPEAKER, *self.among(split.modalities)])
        return spoken

    @cached_property
    def _spoken(self) -> dict[str, NDArray[np.int64]]:
        """The party of each step by sample, from 1 without gaps; 0 where it is not known."""
        found = {} if self.split is None else parties_of(self.split)
        return {name: np.unique([*own, 0], return_inverse=True)[1][:-1] for name, own in found.items()}

    def steps(self, time: int, draws: Draws) -> Tensor:
        if self.split is None:
            raise ConfigError("PartyDropout: knows no split that says who speaks; call bound(split) first")
        for name in draws.ids:
            if name not in self._spoken:
                raise ConfigError(
                    f"PartyDropout: the split that it was bound to has no sample '{name}'; bind it to the "
                    "split whose samples are damaged"
                )
        own = [self._spoken[name] for name in draws.ids]
        padded = [np.pad(x[:time], (0, max(time - len(x), 0))) for x in own]
        counts = torch.tensor([[x.max(initial=0)] for x in own])
        there = torch.arange(max(int(counts.max()), 1)) < counts  # (batch, party)
        drawn = draws.uniform("party", there.shape[1])
        lost = there & (drawn < self.rate_of(""))
        if self.spare:
            every = ~(there & ~lost).any(1, keepdim=True)
            lost = lost & ~(every & greatest(drawn, there))
        return pad(lost, (1, 0)).gather(
            1, torch.from_numpy(np.stack(padded))
        )  # nobody known, party 0, is never lost
