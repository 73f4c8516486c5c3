"""Memories of what was said before: by who speaks now, and by the others."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.fusion.base import Extras
from affect.fusion.dialogue import DialogueFusion, known_speaker, parties_in, same_speaker
from affect.kernels.recurrent_layers import gru_layers
from affect.layers import Dropout, softmax_over
from affect.sequences import Sequence


class ConversationMemoryFusion(DialogueFusion):
    """An utterance asks what its speaker said before, and what the others did, and asks again.

    A GRU reads the utterances of each party apart: its states are memories. An utterance, brought to `width`,
    is the first question q. In each hop a softmax over q . m weighs the memories m of the last utterances
    before it by the same party, another one those by the others, and both weighted sums of what the GRU of
    the next hop remembers are added to q.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of a fused step.
        speaker: a modality that tells who speaks: in the same words for the same speaker. It is not fused;
            leave it unencoded (`PassEncoder` with `indices=True`). Without it all is said by one party.
        width: size of memories and questions.
        hops: how often is asked.
        past: utterances of the same party before a step that it reads, and so many of the others.
        dropout: rate at which questions and memories are dropped.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, time, out_dim)
        extras["own"], extras["others"]: (batch, time, time), weights of the last hop
    Missing:
        a learned vector, zero until trained, takes the place of a modality that is unobserved at a step; a
        step is unobserved, and remembered by nobody, where not even the speaker is known. Where nobody
        knows who speaks (the speaker is unobserved, or all zeros), the utterance is another party's to all,
        and all before it are to it; it has no past of its own.
    Raises:
        ConfigError: no such speaker, or nothing but one; no hop.
        ShapeError: the sequences differ in their steps.
    Also known as:
        CMN, conversational memory network.
    Reference:
        Hazarika et al., Conversational Memory Network for Emotion Recognition in Dyadic Dialogue Videos,
        NAACL 2018.
        Differs: any number of parties, of which the others are read as one, with the same GRU for all, which
        runs along the whole dialogue, not anew over each history.
    Example:
        >>> fusion = ConversationMemoryFusion({"text": 3, "speaker": 1}, out_dim=4, speaker="speaker")
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 7, 4])
    """

    causal: bool = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((32, 64, 128)),
        "hops": IntDistribution(1, 4),
        "past": IntDistribution(1, 40),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        speaker: str | None = None,
        width: int = 32,
        hops: int = 3,
        past: int = 40,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim, speaker)
        self.past = past
        self.question = nn.Linear(self.said, width)
        self.memories = nn.ModuleList(nn.GRUCell(self.said, width) for _ in range(hops + 1))
        self.dropout = Dropout(dropout)
        self.out = nn.Linear(width, out_dim)

    def fuse(self, inputs: dict[str, Sequence]) -> tuple[Sequence, Extras]:
        said = self.utterances(inputs)
        turns = self.turns(inputs)
        kept = [self.remembered(cell, said, turns) for cell in self.memories]
        heard = self.histories(inputs, said.mask)
        question, shares = self.dropout(self.question(said.values)), []
        for memory, told in zip(kept, kept[1:], strict=False):
            shares = [softmax_over(question @ memory.mT, mask, -1) for mask in heard]
            question = question + sum(share @ told for share in shares)
        own, others = shares
        return said.with_values(self.out(question)), {"own": own, "others": others}

    def remembered(self, cell: nn.Module, said: Sequence, turns: Tensor) -> Tensor:
        """The state of the speaker's network after each utterance, (batch, time, width)."""
        count = parties_in(turns)
        party = torch.where(turns < 0, count, turns)  # one more: those whom nobody knows
        speaks = party.unsqueeze(1) == torch.arange(count + 1, device=turns.device)[:, None]
        speaks = speaks & said.mask.unsqueeze(1)  # (batch, party, time)
        rows = said.values.repeat_interleave(count + 1, 0)
        states = gru_layers(rows, speaks.flatten(0, 1), [[cell]], self.dropout)
        return (states.view(*speaks.shape, -1) * speaks.unsqueeze(-1)).sum(1)

    def histories(self, inputs: dict[str, Sequence], observed: Tensor) -> list[Tensor]:
        """Which utterances each one reads, of its own party and of the others, (batch, time, time) each."""
        every = torch.arange(observed.shape[1], device=observed.device)
        index = every.expand(len(observed), len(every), -1)
        before = (index < every[:, None]) & observed.unsqueeze(1)
        if self.speaker is None:
            own = torch.ones_like(before)
        else:
            own = same_speaker(known_speaker(inputs[self.speaker]), index) == 1
        apart = [before & own, before & ~own]
        return [mask & (mask.flip(-1).cumsum(-1).flip(-1) <= self.past) for mask in apart]

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        time, width = max(steps.values()), self.out.in_features
        parties = 2 if self.speaker is None else time + 1
        read = 4 * batch * parties * time * len(self.memories) * (4 * width + self.said)
        return super().activations(batch, steps) + read + 16 * len(self.memories) * batch * time * time
