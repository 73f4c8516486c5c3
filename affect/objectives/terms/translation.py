"""Terms of translation: the steps of one modality are told from those of another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.bounds import COUNT, NOT_NEGATIVE, SHARE
from affect.corruption.draws import Draws
from affect.errors import ConfigError, did_you_mean, listed
from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Seen, Term
from affect.objectives.terms.hiding import encoder_of
from affect.sequences import Sequence, pick


class Translation(Term):
    """From the encoded steps of one modality those of others are told, one after the other, and back again.

    A recurrent decoder with attention over the source's encoded steps tells the scaled features of a target's
    steps; it goes on from the step before, the true one as often as `forcing` says, else its own. A second
    decoder tells the source's steps, as they were encoded, from the first one's states: the cycle. Squared
    errors are means over features, over the steps of a sample, over samples, and over targets. What was
    encoded is not pulled towards what the way back tells.

    A model that reads the source alone in use has the targets as `training_only`, and in training a
    `ModalityDropout` of rate 1 and `spare: false` of these modalities: the term reads what is undamaged.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of all.
        source: the modality that is translated; by default the first one that the model reads in use.
        targets: what it is translated to; by default all others, but those of word indices.
        cycle: weight of the way back; 0 leaves it out.
        forcing: how often a step goes on from the true one before.
        steps: of a target, or of the source, that are told at most: as many are chosen evenly among the
            observed ones.
        width: of the decoders.
    Shapes:
        seen -> ()
    Missing:
        a sample counts for the targets that it has, if it has the source; steps that nobody observed are not
        told.
    Raises:
        ConfigError: an unknown modality, one of word indices as target, the source as its own target; no
            target is left; a number out of its range.
    Also known as:
        MCTN, cyclic translation, Seq2Seq modality translation.
    Reference:
        Pham et al., Found in Translation: Learning Robust Joint Representations by Cyclic Translations
        between Modalities, AAAI 2019. Differs: the source's own encoder makes the joint representation, which
        the model's fusion and head read; several targets at once, each with a cycle of its own, in place of a
        second level that translates the first one's joint representation; the source's encoded steps are what
        comes back.
    Example:
        >>> corpus = affect.load("synthetic:mosi_unaligned:24")
        >>> model = affect.FusionModel.for_corpus(corpus, encoder=affect.encoders.StepEncoder)
        >>> terms = {"translated": Translation}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: translated"].item() > 0
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "cycle": FloatDistribution(0.1, 1.0, log=True),
        "width": CategoricalDistribution((16, 32, 64)),
    }

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        source: str | None = None,
        targets: Iterable[str] | None = None,
        cycle: float = 0.5,
        forcing: float = 0.5,
        steps: int = 16,
        width: int = 32,
    ) -> None:
        super().__init__(model, ids, weight)
        self.check_several()
        NOT_NEGATIVE.check("Translation: cycle", cycle)
        SHARE.check("Translation: forcing", forcing)
        COUNT.check("Translation: steps", steps)
        COUNT.check("Translation: width", width)
        self.cycle, self.forcing, self.steps = float(cycle), float(forcing), steps
        if source is not None and source not in self.dims:
            raise ConfigError(f"Translation: source: no '{source}'; {did_you_mean(source, self.dims)}")
        self.source = source or model.modalities[0]
        self.goals = self._chosen(model, targets)
        own = self.dims[self.source]
        several = encoder_of(model, self.source).time_of(2) > 1
        sizes = {m: encoder_of(model, m).in_dim for m in self.goals}
        self.there = ModuleDict({m: _Decoder(own, size, width, several) for m, size in sizes.items()})
        self.back = ModuleDict({m: _Decoder(width, own, width) for m in self.goals if cycle})

    def forward(self, seen: Seen) -> Tensor:
        kind = next(self.parameters()).dtype
        clean = {m: seen.batch.inputs[m] for m in seen.model.encoders}
        scaled = clean if seen.model.scaler is None else seen.model.scaler(clean)
        source = seen.output.encoded[self.source]
        source = source.with_values(source.values.to(kind))
        again = _evenly(source.with_values(source.values.detach()), self.steps)
        draws = Draws(seen.batch.ids, seen.draw).apart("Translation")
        losses, counts = [], []
        for m in self.goals:
            truth = _evenly(scaled[m].with_values(scaled[m].values.to(kind)), self.steps)
            both = source.present & truth.present
            told, states = self.there[m](source, truth, self._forced(draws, m, truth))
            loss = _distance(told, truth)
            if self.cycle:
                middle = Sequence(states, truth.mask & both.unsqueeze(1))
                returned, _ = self.back[m](middle, again, self._forced(draws, f"{m} and back", again))
                loss = loss + self.cycle * _distance(returned, again)
            losses.append(loss)
            counts.append(both)
        return seen.mean(torch.stack(losses), torch.stack(counts))

    def _forced(self, draws: Draws, name: str, x: Sequence) -> Tensor:
        """(batch, time): which steps go on from the true one before."""
        return (draws.uniform(name, x.time) < self.forcing).to(x.mask.device)

    def _chosen(self, model: Model, targets: Iterable[str] | None) -> list[str]:
        others = [m for m in self.dims if m != self.source]
        able = [m for m in others if not encoder_of(model, m).reads_indices]
        asked = able if targets is None else listed("Translation: targets", targets)
        for m in asked:
            if m not in others:
                raise ConfigError(f"Translation: targets: no '{m}'; {did_you_mean(m, others)}")
            if m not in able:
                raise ConfigError(
                    f"Translation: targets: '{m}' holds word indices, no features; make it the source"
                )
        if not asked:
            raise ConfigError(
                f"Translation: targets: none is left beside the source '{self.source}'; name another source"
            )
        return [*dict.fromkeys(asked)]


class CoupledTranslation(Term):
    """Translations of a fusion are near to what they stand for, and what comes back to what it was: CTFN.

    For each ordered pair of modalities that a sample has, the squared distance of u_a's translation from
    u_b, and `cycle` times that of what is translated to b and back from u_a: means over the width, pairs
    and samples. What is translated to is not pulled towards its translation.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        cycle: of the way back.
    Shapes:
        seen -> ()
    Missing:
        a pair counts where a sample has both.
    Raises:
        ConfigError: a weight below zero.
    Also known as:
        coupled learning, dual learning with cycle consistency, as in CTFN.
    Reference:
        Tang et al., CTFN: Hierarchical Learning for Multimodal Sentiment Analysis Using Coupled-Translation
        Fusion Network, ACL 2021. Differs: vectors in place of sequences.
    Example:
        >>> corpus = affect.load("synthetic:shared")
        >>> fusion = affect.fusion.CoupledTranslationFusion
        >>> model = affect.FusionModel.for_corpus(corpus, "sentiment", fusion=fusion)
        >>> terms = {"coupled": CoupledTranslation}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: coupled"].item() > 0
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("projected", "translated", "returned")
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "cycle": FloatDistribution(0.1, 1.0, log=True),
    }

    def __init__(self, model: Model, ids: tuple[str, ...], weight: float = 0.1, cycle: float = 0.5) -> None:
        super().__init__(model, ids, weight)
        NOT_NEGATIVE.check("CoupledTranslation: cycle", cycle)
        self.cycle = float(cycle)

    def forward(self, seen: Seen) -> Tensor:
        lies = seen.extra("projected")
        told, returned = (seen.output.extras[name].unbind(1) for name in self.needs[1:])
        losses, counts = [], []
        for place, (a, b) in enumerate(seen.model.fusion.ordered_pairs.values()):
            there = (told[place] - lies[b].detach()).square().mean(-1)
            back = (returned[place] - lies[a].detach()).square().mean(-1)
            losses.append(there + self.cycle * back)
            counts.append(seen.present[a] & seen.present[b])
        return seen.mean(torch.stack(losses), torch.stack(counts))


class _Decoder(nn.Module):
    """Tells steps one after the other, with attention over those of another sequence, if it has several."""

    def __init__(self, in_dim: int, out_dim: int, width: int, several: bool = True) -> None:
        super().__init__()
        self.begin, self.cell = nn.Linear(in_dim, width), nn.GRUCell(out_dim + in_dim, width)
        self.keys = nn.Linear(in_dim, width, bias=False) if several else None
        self.ask = nn.Linear(width, width) if several else None
        self.out = nn.Linear(width + in_dim, out_dim)

    def forward(self, source: Sequence, truth: Sequence, forced: Tensor) -> tuple[Tensor, Tensor]:
        """What is told of each step, and the states, (batch, time, out_dim) and (batch, time, width)."""
        mean = source.mean()
        keys = None if self.keys is None else self.keys(source.values) / self.keys.out_features**0.5
        state, before = self.begin(mean).tanh(), torch.zeros_like(truth.values[:, 0])
        told, states = [], []
        for step in range(truth.time):
            heard = mean
            if keys is not None and self.ask is not None:
                scores = (keys * self.ask(state).unsqueeze(1)).sum(-1)
                shares = scores.masked_fill(~source.mask, -torch.inf).softmax(-1)
                shares = torch.where(source.mask, shares, 0.0)  # of a sample without any they are NaN
                heard = (shares.unsqueeze(-1) * source.values).sum(1)
            state = self.cell(torch.cat([before, heard], -1), state)
            one = self.out(torch.cat([state, heard], -1))
            told.append(one)
            states.append(state)
            before = torch.where(forced[:, step].unsqueeze(-1), truth.values[:, step], one)
        return torch.stack(told, 1), torch.stack(states, 1)


def _evenly(x: Sequence, most: int) -> Sequence:
    """So many of the observed steps at most, evenly chosen, in their order; zeros where there are none.

    Shapes:
        x: (batch, time, feature) -> (batch, time', feature)
    """
    count = x.mask.sum(1, keepdim=True)
    kept = int(count.max().clamp(1, most))
    place, chosen = torch.arange(kept, device=x.mask.device), count.clamp(max=most)
    rank = ((2 * place + 1) * count) // (2 * chosen.clamp(min=1))
    order = (~x.mask).to(torch.uint8).argsort(dim=1, stable=True)
    index = order.gather(1, rank.clamp(max=x.time - 1))
    there = place < chosen
    return Sequence(torch.where(there.unsqueeze(-1), pick(x.values, index), 0.0), there)


def _distance(told: Tensor, truth: Sequence) -> Tensor:
    """(batch,): the squared error, a mean over features and over the steps of a sample."""
    values = F.mse_loss(told, truth.values, reduction="none").mean(-1)
    found: Tensor = (values * truth.mask).sum(1) / truth.lengths.clamp(min=1)
    return found
