"""What terms of masked modelling share: which steps are hidden, and what is known of them then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from affect.bounds import COUNT, PART
from affect.corruption.draws import Draws
from affect.errors import ConfigError, did_you_mean, listed
from affect.layers import perceptron
from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Seen, Term
from affect.sequences import Output, Sequence, pick

_STEPS = 64
"""An encoder keeps time if as many steps come out of so many."""


class Masking(Term):
    """Steps of one modality of each sample are hidden, the model looks again, and a head tells them.

    The modality is drawn among those that the sample has. Inputs are clean: a step that a corruption has
    lost cannot be compared with. Where the encoder keeps time, the head reads the fused vector and, at each
    hidden step, what the encoder gives for it where it was shown something in its place, else the mean of
    the nearest encoded steps on either side. Where the encoder does not, it reads the fused vector alone.
    """

    looks_again: ClassVar[bool] = True
    lacking: ClassVar[str]
    """Why a modality cannot be hidden, and what to do, as a message ends."""

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float,
        share: float,
        length: int,
        modalities: Iterable[str] | None,
    ) -> None:
        super().__init__(model, ids, weight)
        PART.check(f"{type(self).__name__}: share", share)
        COUNT.check(f"{type(self).__name__}: length", length)
        self.share, self.length = share, length
        self.modalities = self._chosen(model, modalities)
        self.keeps_time = {m: encoder_of(model, m).time_of(_STEPS) == _STEPS for m in self.modalities}

    @classmethod
    def hides(cls, encoder: Any) -> bool:
        """Whether steps of a modality with this encoder can be hidden and told."""
        return not encoder.reads_indices

    def heads(self, sizes: Mapping[str, int], width: int) -> ModuleDict:
        """A perceptron for each modality, which gives so many numbers for a step."""
        return ModuleDict(
            {
                m: perceptron(self.fused_dim + self.keeps_time[m] * self.dims[m], size, 1, 0.0, hidden=width)
                for m, size in sizes.items()
            }
        )

    def forward(self, seen: Seen) -> Tensor:
        clean = {m: seen.batch.inputs[m] for m in seen.model.encoders}
        draws = Draws(seen.batch.ids, seen.draw).apart(type(self).__name__)
        hidden = self.hidden(clean, draws)
        shown = {m: self.covered(seen.model, m, clean[m], hidden[m], draws) for m in self.modalities}
        again = seen.model({**clean, **shown})
        left = torch.stack([x.present for x in {**clean, **shown}.values()]).any(0)
        return self.value(seen, clean, hidden, again, left)

    def value(
        self,
        seen: Seen,
        clean: Mapping[str, Sequence],
        hidden: Mapping[str, Tensor],
        again: Output,
        left: Tensor,
    ) -> Tensor:
        """What hidden steps cost, a mean over samples.

        Args:
            seen: of the batch.
            clean: the modalities.
            hidden: their steps that were hidden, (batch, time) each.
            again: what the model made of what was left.
            left: whether anything of a sample was, (batch,).
        """
        scaled = clean if seen.model.scaler is None else seen.model.scaler(clean)
        losses, counts = [], []
        for m in self.modalities:
            steps = hidden[m] & scaled[m].mask & left.unsqueeze(1)
            own, there = self.losses(seen.model, m, scaled[m], steps, again)
            losses.append((own * there).sum(1) / there.sum(1).clamp(min=1))
            counts.append(there.any(1))
        return seen.mean(torch.stack(losses), torch.stack(counts))

    def hidden(self, clean: Mapping[str, Sequence], draws: Draws) -> dict[str, Tensor]:
        """Which steps of each modality are hidden, (batch, time) each."""
        there = torch.stack([clean[m].present for m in self.modalities], 1)
        drawn = draws.uniform("modality", len(self.modalities)).to(there.device)
        which = torch.where(there, drawn, 0).argmax(1)
        return {
            m: spans(clean[m].mask, self.share, self.length, draws.apart(m)) & (which == place).unsqueeze(1)
            for place, m in enumerate(self.modalities)
        }

    def covered(self, model: Model, m: str, x: Sequence, hidden: Tensor, draws: Draws) -> Sequence:
        """The modality as the model is shown it."""
        return x.keep(~hidden)

    def losses(
        self, model: Model, m: str, x: Sequence, hidden: Tensor, again: Output
    ) -> tuple[Tensor, Tensor]:
        """What hidden steps of the scaled modality cost, and which of them count, (batch, time) each."""
        raise NotImplementedError

    def told(self, head: nn.Module, m: str, again: Output) -> Tensor:
        """What a head says of each step, (batch, time, size); of all steps (batch, 1, size) without time."""
        vector = again.fused.mean().unsqueeze(1)
        if self.keeps_time[m]:
            steps = around(again.encoded[m])
            vector = torch.cat([vector.expand(-1, steps.shape[1], -1), steps], -1)
        found: Tensor = head(vector)
        return found

    def _chosen(self, model: Model, modalities: Iterable[str] | None) -> list[str]:
        name = type(self).__name__
        able = [m for m in model.modalities if self.hides(encoder_of(model, m))]
        asked = able if modalities is None else listed(f"{name}: modalities", modalities)
        having = f"; it is for {', '.join(able)}" if able else ""
        for m in asked:
            if m not in model.modalities:
                raise ConfigError(f"{name}: modalities: no '{m}'; {did_you_mean(m, model.modalities)}")
            if m not in able:
                raise ConfigError(f"{name}: modalities: '{m}' {self.lacking}{having}")
        if not asked:
            what = (
                f"every modality {self.lacking}" if modalities is None else "expected one or more, got none"
            )
            raise ConfigError(f"{name}: modalities: {what}{having}")
        return [*dict.fromkeys(asked)]


def spans(mask: Tensor, share: float, length: int, draws: Draws) -> Tensor:
    """About a share of the observed steps, in spans of a length that are drawn: at least one.

    Shapes:
        mask: (batch, time) -> (batch, time)
    Example:
        >>> hidden = spans(torch.ones(1, 20, dtype=torch.bool), 0.3, 3, Draws(("a",)))
        >>> "".join(".x"[own] for own in hidden[0].int())
        '....xxx......xxx....'
    """
    count = mask.sum(1, keepdim=True)
    begins = (draws.uniform("begin", 1) * length).long().to(mask.device)
    span = ((mask.cumsum(1) - 1).clamp(min=0) + begins) // length
    drawn = draws.uniform("span", mask.shape[1] // length + 2).to(mask.device)
    real = torch.arange(drawn.shape[1], device=mask.device) <= (count - 1 + begins) // length
    order = drawn.masked_fill(~real, torch.inf).argsort(1).argsort(1)
    chosen = order < (share * count / length).round().clamp(min=1)
    return mask & chosen.gather(1, span)


def around(x: Sequence) -> Tensor:
    """Each step where it was observed, else the mean of the nearest that were, on either side; or zeros.

    Shapes:
        x: (batch, time, feature) -> (batch, time, feature)
    Example:
        >>> mask = torch.tensor([[True, False, True, False]])
        >>> around(Sequence(torch.tensor([[[1.0], [9.0], [3.0], [9.0]]]), mask)).flatten().tolist()
        [1.0, 2.0, 3.0, 3.0]
    """
    steps = torch.arange(x.time, device=x.mask.device)
    before = torch.where(x.mask, steps, -1).cummax(1).values
    after = torch.where(x.mask, steps, x.time).flip(1).cummin(1).values.flip(1)
    sides = [(pick(x.values, at.clamp(0, x.time - 1)), (at >= 0) & (at < x.time)) for at in (before, after)]
    values, there = (torch.stack(parts) for parts in zip(*sides, strict=True))
    found: Tensor = (values * there.unsqueeze(-1)).sum(0) / there.sum(0).clamp(min=1).unsqueeze(-1)
    return found


def encoder_of(model: Model, m: str) -> Any:
    """Of a modality: what `affect.encoders.Encoder` says of every one."""
    return model.encoders[m]
