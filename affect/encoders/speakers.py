"""Who speaks at each step of a conversation, as vectors."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor, nn

from affect.encoders.base import Encoder
from affect.errors import ConfigError, did_you_mean
from affect.layers import Dropout
from affect.sequences import Sequence

Form = Literal["party", "change"]
_UNKNOWN, _FIRST, _SAME, _OTHER = range(4)


class SpeakerEncoder(Encoder):
    """A learned vector for the party that speaks, or for whether it is the one that spoke before.

    Both say how a dialogue goes, and not who the persons in it are: a party is a number by the order in which
    the parties of a dialogue speak first (`affect.data.speakers.parties`). A step knows of no later one.

    Args:
        in_dim: 1; a step holds the number of its party, from 1.
        out_dim: size of a vector.
        form: `party` for the number itself; `change` for the same party as at the last step of which it is
            known who speaks, or another, or the first that speaks.
        parties: numbers that have a vector of their own; all beyond share the last one.
        dropout: rate at which values of the vectors are dropped.
    Shapes:
        x: (batch, time, 1) -> (batch, time, out_dim)
    Missing:
        unobserved steps stay unobserved, and are passed over where the party before is looked for; an
        observed step of party 0 is of an unknown one, which has a vector, too.
    Raises:
        ConfigError: `in_dim` is not 1, or there is no such form.
    Example:
        >>> speakers = Sequence.full(torch.tensor([[[1.0], [2.0], [2.0], [1.0]]]))
        >>> SpeakerEncoder(1, 4)(speakers).values.shape
        torch.Size([1, 4, 4])
        >>> SpeakerEncoder(1, 4, form="change").categories(speakers)
        tensor([[1, 3, 2, 3]])
    """

    causal = True
    reads_indices = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {"dropout": FloatDistribution(0.0, 0.5)}

    def __init__(
        self,
        in_dim: int = 1,
        out_dim: int = 64,
        form: Form = "party",
        parties: int = 10,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(in_dim, out_dim)
        if in_dim != 1:
            raise ConfigError(
                f"SpeakerEncoder: expected in_dim 1 (the number of a party), got {in_dim}; use StepEncoder"
            )
        if form not in get_args(Form):
            raise ConfigError(f"SpeakerEncoder: no form '{form}'; {did_you_mean(str(form), get_args(Form))}")
        self.form, self.parties = form, parties
        self.table = nn.Embedding(parties + 1 if form == "party" else _OTHER + 1, out_dim)
        nn.init.normal_(self.table.weight, std=0.02)
        self.dropout = Dropout(dropout)

    def categories(self, x: Sequence) -> Tensor:
        """The row of the table for each step: a party, or 0 unknown, 1 the first, 2 the same, 3 another.

        Shapes:
            x: (batch, time, 1) -> (batch, time)
        """
        if self.form == "party":
            return party_numbers(x, self.parties)
        party = x.values.squeeze(-1).round()
        known = x.mask & (party > 0)
        place = torch.where(known, torch.arange(x.time, device=party.device), -1)
        before = torch.cat([torch.full_like(place[:, :1], -1), place.cummax(1).values[:, :-1]], 1)
        last = party.gather(1, before.clamp(min=0))
        change = torch.where(last == party, _SAME, _OTHER)
        return torch.where(known, torch.where(before < 0, _FIRST, change), _UNKNOWN)

    def encode(self, x: Sequence) -> Sequence:
        return x.with_values(self.dropout(self.table(self.categories(x))))


def party_numbers(x: Sequence, parties: int) -> Tensor:
    """The party of each step as an index: 0 where nobody knows it, the last one for all beyond.

    Shapes:
        x: (batch, time, 1) -> (batch, time)
    Example:
        >>> party_numbers(Sequence.full(torch.tensor([[[1.0], [0.0], [5.0]]])), parties=3)
        tensor([[1, 0, 3]])
    """
    party = x.values.squeeze(-1).round()
    return torch.where(party > 0, party.clamp(max=parties), 0).long()
