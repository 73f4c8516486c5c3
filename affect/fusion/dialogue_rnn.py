"""Recurrent networks of a conversation: its course, the state of each party, and the emotion."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.attention import not_later
from affect.errors import check_flag
from affect.fusion.base import Extras
from affect.fusion.dialogue import DialogueFusion, parties_in
from affect.kernels.recurrent_layers import gru_layers
from affect.layers import Dropout, softmax_over
from affect.sequences import Sequence


class DialogueRNNFusion(DialogueFusion):
    """Each party of a conversation has a state, which what it says, and what was said before, changes.

    At utterance u of party p, from the first to the last: a global network reads u and the state of p. A
    softmax over u . W g weighs the global states g of all utterances before, and a network of parties brings
    the state of p up to date from u and the weighted states. A network of emotion reads the state of p then.
    Another three networks read from the last to the first, and each step gathers from the emotions of all
    steps by a softmax over e_i . V e_j.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of a fused step.
        speaker: a modality that tells who speaks: in the same words for the same speaker. It is not fused;
            leave it unencoded (`PassEncoder` with `indices=True`). Without it all is said by one party.
        width: size of all states.
        listeners: whether another network brings the states of the parties that listen up to date, too.
        gathered: whether each step gathers from all emotions, in the end.
        dropout: rate at which what the networks of parties and of emotion give is dropped.
        causal: whether nothing later is read: networks read from the first to the last alone, and a step
            gathers from those before it and itself.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, time, out_dim)
        extras["attention"]: (batch, time, time), the weights of the utterances before, from first to last
    Missing:
        a learned vector, zero until trained, takes the place of a modality that is unobserved at a step; a
        step is unobserved, and changes no state, where not even the speaker is known. Where nobody
        knows who speaks (the speaker is unobserved, or all zeros) a party without a past does, and is
        forgotten again; nobody is known to listen.
    Raises:
        ConfigError: no such speaker, or nothing but one.
        ShapeError: the sequences differ in their steps.
    Also known as:
        DialogueRNN, BiDialogueRNN + Att.
    Reference:
        Majumder et al., DialogueRNN: An Attentive RNN for Emotion Detection in Conversations, AAAI 2019,
        section 3.3, eq. 1-9, and the variants of section 4.2.
        Differs: any number of parties; a linear layer without ReLU behind it; listeners hear the utterance,
        as in the released code, not what they look like.
    Example:
        >>> fusion = DialogueRNNFusion({"text": 3, "speaker": 1}, out_dim=4, speaker="speaker")
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 7, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((32, 64, 128)),
        "listeners": CategoricalDistribution((False, True)),
        "gathered": CategoricalDistribution((False, True)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        speaker: str | None = None,
        width: int = 32,
        listeners: bool = False,
        gathered: bool = True,
        dropout: float = 0.1,
        causal: bool = False,
    ) -> None:
        super().__init__(dims, out_dim, speaker)
        check_flag("DialogueRNNFusion: causal", causal)
        self.causal = causal
        ways = 1 if causal else 2
        self.ways = nn.ModuleList(_Way(self.said, width, listeners, dropout) for _ in range(ways))
        self.gather = nn.Linear(ways * width, ways * width, bias=False) if gathered else None
        self.out = nn.Linear(ways * width, out_dim)

    def fuse(self, inputs: dict[str, Sequence]) -> tuple[Sequence, Extras]:
        said = self.utterances(inputs)
        party = self.turns(inputs)
        emotions, weights = self.ways[0](said.values, said.mask, party)
        for way in self.ways[1:]:
            back, _ = way(*(x.flip(1) for x in (said.values, said.mask, party)))
            emotions = torch.cat([emotions, back.flip(1)], -1)
        if self.gather is not None:
            allowed = said.mask.unsqueeze(1).expand(-1, said.time, -1)
            if self.causal:
                allowed = allowed & not_later(said.mask, said.mask)
            share = softmax_over(self.gather(emotions) @ emotions.mT, allowed, -1)
            emotions = share @ emotions
        return said.with_values(self.out(emotions)), {"attention": weights}

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        time = max(steps.values())
        width = self.out.in_features // len(self.ways)
        parties = 1 if self.speaker is None else time
        states = len(self.ways) * batch * time * width * (4 * parties + 2 * time)
        return super().activations(batch, steps) + states + 4 * batch * time * time


class _Way(nn.Module):
    """The networks that read a conversation in one direction.

    Args:
        said: feature size of an utterance.
        width: size of all states.
        listeners: whether parties that listen change.
        dropout: rate at which the states of speakers, and emotions, are dropped.
    """

    def __init__(self, said: int, width: int, listeners: bool, dropout: float) -> None:
        super().__init__()
        self.course, self.party = nn.GRUCell(said + width, width), nn.GRUCell(said + width, width)
        self.listener = nn.GRUCell(said + width, width) if listeners else None
        self.query = nn.Linear(said, width, bias=False)
        self.emotion = nn.GRUCell(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, said: Tensor, observed: Tensor, party: Tensor) -> tuple[Tensor, Tensor]:
        """Emotions, and the weights of the utterances before.

        Args:
            said: (batch, time, said)
            observed: (batch, time)
            party: who speaks, a number below the steps, or -1; (batch, time)
        """
        batch, time, size = said.shape
        count = parties_in(party)
        read = [_Read(cell, said) for cell in (self.course, self.party)]
        heard = None if self.listener is None else _Read(self.listener, said)
        query = self.query(said)
        width = query.shape[-1]
        states = said.new_zeros(batch, count, width)
        state = said.new_zeros(batch, width)
        speaks = party.unsqueeze(-1) == torch.arange(count, device=party.device)  # (batch, time, party)
        speaks = speaks & observed.unsqueeze(-1)
        listens = ~speaks & (speaks.any(-1, keepdim=True))
        course: list[Tensor] = []
        speakers, weights = [], []
        for t in range(time):
            own = speaks[:, t].unsqueeze(-1)  # (batch, party, 1)
            before = (states * own).sum(1)
            gathered = torch.zeros_like(state)
            if course:
                past = torch.stack(course, 1)
                share = softmax_over((past @ query[:, t].unsqueeze(-1)).squeeze(-1), observed[:, :t], -1)
                gathered = (share.unsqueeze(1) @ past).squeeze(1)
                weights.append(F.pad(share, (0, time - t)))
            else:
                weights.append(said.new_zeros(batch, time))
            seen = observed[:, t].unsqueeze(-1)
            state = torch.where(seen, read[0](t, before, state), state)
            course.append(state)
            now = self.dropout(read[1](t, gathered, before))
            speakers.append(now)
            if heard is not None:
                others = heard(t, gathered.unsqueeze(1).expand(-1, count, -1), states)
                states = torch.where(listens[:, t].unsqueeze(-1), others, states)
            states = torch.where(own, now.unsqueeze(1), states)
        if not time:
            return said.new_zeros(batch, 0, width), said.new_zeros(batch, 0, 0)
        emotions = gru_layers(torch.stack(speakers, 1), observed, [[self.emotion]], lambda x: x)
        return self.dropout(emotions), torch.stack(weights, 1)


class _Read:
    """A gated cell that reads an utterance and something beside it; all utterances are read at once."""

    def __init__(self, cell: nn.GRUCell, said: Tensor) -> None:
        size = said.shape[-1]
        self.cell, self.beside = cell, cell.weight_ih[:, size:]
        self.read = F.linear(said, cell.weight_ih[:, :size], cell.bias_ih)

    def __call__(self, t: int, beside: Tensor, state: Tensor) -> Tensor:
        """The state after utterance `t`, with the size of `state`."""
        read = self.read[:, t].view(len(state), *[1] * (state.ndim - 2), -1) + F.linear(beside, self.beside)
        held = F.linear(state, self.cell.weight_hh, self.cell.bias_hh)
        (reset, keep, new), (own_reset, own_keep, own) = read.chunk(3, -1), held.chunk(3, -1)
        keep = (keep + own_keep).sigmoid()
        return keep * state + (1 - keep) * (new + (reset + own_reset).sigmoid() * own).tanh()
