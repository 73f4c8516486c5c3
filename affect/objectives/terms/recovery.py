"""Terms about damage: what a corruption has taken is told from what it left, and how much that was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.bounds import NATURAL
from affect.errors import ConfigError, ShapeError, check_flag
from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Seen, Term
from affect.objectives.terms.hiding import Masking, around, encoder_of
from affect.objectives.terms.masking import MaskedSteps
from affect.objectives.terms.spaces import grown, turned
from affect.sequences import Output, Sequence


class Regeneration(Masking):
    """Steps that the training's corruption has taken, or changed, are told from what it left: TFR-Net.

    What a perceptron reads, and what it tells, is as in `MaskedSteps`; but nothing more is hidden, and the
    model does not look again: it tells what is lost of the view that it is shown. The Huber loss
    (`smooth_l1`) of scaled features is a mean over features, over the lost steps of a sample, and over
    samples.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        width: hidden units of the perceptron.
        modalities: that are told; by default all but those of word indices.
        at_step: whether the fused vector of the step itself is read, and not the mean over all: for a fusion
            that keeps time, such as one of utterances.
    Shapes:
        seen -> ()
    Missing:
        steps that nobody observed are not told; a sample that has lost nothing, or of which nothing is left,
        counts for nothing. Without a corruption nothing is ever lost, and a warning says so.
    Raises:
        ConfigError: an unknown modality, or one of word indices; a width below 1.
        ShapeError: with `at_step`, the fusion gives other steps than a modality that keeps time has.
    Also known as:
        TFR-Net's feature reconstruction; with `at_step`, GCNet's.
    Reference:
        Yuan et al., Transformer-based Feature Reconstruction Network for Robust Multimodal Sentiment
        Analysis, ACM Multimedia 2021; Lian et al., GCNet, TPAMI 2023 (a square in place of Huber's loss).
        Differs: another draw of what is lost in each epoch; the fused vector
        is read too; no difference of moments; weights by modality are those of scaled features.
    Example:
        >>> corpus = affect.load("synthetic:temporal")
        >>> model = affect.FusionModel.for_corpus(corpus, encoder=affect.encoders.StepEncoder)
        >>> training = affect.Training(epochs=1, corruption=affect.corruption.StepDropout(rate=0.3))
        >>> run = affect.fit(model, corpus, training=training, terms={"again": Regeneration})
        >>> run.history["term: again"].item() > 0
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "width": MaskedSteps.search_space["width"],
    }
    looks_again: ClassVar[bool] = False
    lacking = MaskedSteps.lacking

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        width: int = 64,
        modalities: Iterable[str] | None = None,
        at_step: bool = False,
    ) -> None:
        super().__init__(model, ids, weight, share=0.5, length=1, modalities=modalities)
        self.at_step = at_step
        self.tell = self.heads({m: encoder_of(model, m).in_dim for m in self.modalities}, width)

    def forward(self, seen: Seen) -> Tensor:
        clean = {m: seen.batch.inputs[m] for m in seen.model.encoders}
        lost = {m: lost_steps(clean[m], seen.inputs[m]) for m in self.modalities}
        left = torch.stack([x.present for x in seen.inputs.values()]).any(0)
        return self.value(seen, clean, lost, seen.output, left)

    def losses(
        self, model: Model, m: str, x: Sequence, hidden: Tensor, again: Output
    ) -> tuple[Tensor, Tensor]:
        truth = x.values
        if not self.keeps_time[m]:
            truth, hidden = x.keep(hidden).mean().unsqueeze(1), hidden.any(1, keepdim=True)
        told = self.told(self.tell[m], m, again)
        return F.smooth_l1_loss(told, truth.to(told).expand_as(told), reduction="none").mean(-1), hidden

    def told(self, head: nn.Module, m: str, again: Output) -> Tensor:
        if not self.at_step or not self.keeps_time[m]:
            return super().told(head, m, again)
        steps, fused = around(again.encoded[m]), again.fused.values
        if fused.shape[1] != steps.shape[1]:
            raise ShapeError(
                f"Regeneration: at_step: expected a fused vector for each of the {steps.shape[1]} steps of "
                f"{m}, got {fused.shape[1]}; use a fusion that keeps time, or leave it out"
            )
        found: Tensor = head(torch.cat([fused, steps], -1))
        return found


class Completeness(Term):
    """Of each modality is told how much of it a corruption has left: a share of its steps.

    A linear layer and a sigmoid of the mean vector of each modality; the squared error is a mean over samples
    and over modalities. `estimated` gives the shares, to weigh modalities by. With `adversarial` the layers
    learn the same, and the model, whose gradient is turned around (`DomainConfusion`), learns vectors from
    which nobody can tell how much was taken.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it; 0.9 in the authors' configuration for CMU-MOSI.
        adversarial: whether the model's gradient is turned around.
        growth: in how many epochs the turned gradient grows from none to nearly all, as in `DomainConfusion`.
        corrected: whether it is the fusion that tells this of its main modality, which it corrects by that
            (`HyperModalityFusion` with `proxy_layers`), and no layer is added.
    Shapes:
        seen -> ()
    Missing:
        a modality of which nothing is left, or that the sample never had, counts for nothing. Without a
        corruption there is nothing to tell: the value is 0, and a warning says so.
    Raises:
        ConfigError: the fusion corrects nothing, or an adversary is to tell what the fusion needs.
    Also known as:
        completeness estimation, as in LNLN.
    Reference:
        Zhang et al., Towards Robust Multimodal Sentiment Analysis with Incomplete Data, NeurIPS 2024.
        Differs: of every modality, not of language alone, and unless `corrected` what is estimated corrects
        none. Their adversary tells the proxy from what is complete; here it tells
        how much is left. `Regeneration` stands in for their reconstruction.
    Example:
        >>> corpus = affect.load("synthetic:temporal")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> training = affect.Training(epochs=1, corruption=affect.corruption.StepDropout(rate=0.3))
        >>> run = affect.fit(model, corpus, training=training, terms={"left": Completeness})
        >>> run.history["term: left"].item() > 0
        True
    """

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        adversarial: bool = False,
        growth: int = 0,
        corrected: bool = False,
    ) -> None:
        super().__init__(model, ids, weight)
        NATURAL.check("Completeness: growth", growth)
        check_flag("Completeness: corrected", corrected)
        self.adversarial, self.growth = adversarial, growth
        self.main = _corrected(model) if corrected else None
        if corrected and adversarial:
            raise ConfigError(
                "Completeness: corrected: expected no adversary, as the fusion needs what is told, got "
                "adversarial=True; make it another term"
            )
        told = {} if corrected else self.dims
        self.tell = ModuleDict({m: nn.Linear(dim, 1) for m, dim in told.items()})

    def estimated(self, seen: Seen) -> dict[str, Tensor]:
        """The share that is left of each modality, as it is told, (batch,); or of the one to be corrected."""
        if self.main is not None:
            return {self.main: seen.output.extras["completeness"][:, 0]}
        kind, vectors = next(self.parameters()).dtype, seen.vectors
        if self.adversarial:
            share = grown(seen.epoch, self.growth)
            vectors = {m: turned(v, share) for m, v in vectors.items()}
        return {m: self.tell[m](v.to(kind)).squeeze(-1).sigmoid() for m, v in vectors.items()}

    def forward(self, seen: Seen) -> Tensor:
        losses = []
        for m, told in self.estimated(seen).items():
            clean, shown = seen.batch.inputs[m], seen.inputs[m]
            lost = lost_steps(clean, shown).sum(1).to(told) / clean.lengths.clamp(min=1)
            losses.append(seen.mean((told - (1 - lost)).square(), seen.present[m] & clean.present))
        damaged = any(seen.inputs[m] is not seen.batch.inputs[m] for m in self.dims)
        return torch.stack(losses).mean() * damaged


def _corrected(model: Model) -> str:
    """The modality that a model's fusion corrects."""
    main = getattr(model.fusion, "main", None)
    if "completeness" not in model.fusion.offers or main is None:
        raise ConfigError(
            f"Completeness: corrected: {type(model.fusion).__name__} corrects no modality; take a "
            "HyperModalityFusion with proxy_layers, or leave it out"
        )
    return str(main)


def lost_steps(clean: Sequence, shown: Sequence) -> Tensor:
    """Which observed steps are not shown as they were, (batch, time).

    Example:
        >>> clean = Sequence.full(torch.tensor([[[1.0], [2.0], [3.0]]]))
        >>> shown = Sequence(torch.tensor([[[1.0], [2.0], [0.0]]]), torch.tensor([[True, False, True]]))
        >>> lost_steps(clean, shown).tolist()
        [[False, True, True]]
    """
    if clean is shown or clean.time != shown.time:  # of a corruption in time no step has its own place
        return torch.zeros_like(clean.mask)
    same = (clean.values == shown.values) | (clean.values.isnan() & shown.values.isnan())
    return clean.mask & ~(shown.mask & same.all(-1))
