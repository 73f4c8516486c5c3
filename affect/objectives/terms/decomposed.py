"""A term that tells shared parts of modalities from private ones, and near labels from far ones, at once."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor
from torch.nn import functional as F

from affect.bounds import NOT_NEGATIVE, POSITIVE
from affect.data.targets import Regression
from affect.errors import ConfigError, did_you_mean
from affect.objectives.terms.base import Model, Seen, Term


class DecompositionContrast(Term):
    """A shared part lies near those of samples with near labels and of other modalities, far from the rest.

    The shared part of each modality of a sample is compared with the same one of the other samples of the
    batch: those whose label is near are its positives, all others its negatives. That of the anchor has more:
    its own sample's shared parts of other modalities are positives, and its private parts of all modalities
    negatives. Every positive costs log(1 + sum over negatives n of exp(cos n / temperature) / exp(its cos /
    temperature)), a mean over a sample's positives and over samples.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it; 0.1 in the authors' code.
        anchor: the modality whose shared part is told from private ones; the first by name where none is
            named.
        near: labels that are numbers are near where they differ by this at most; those that are classes where
            they are the same.
        temperature: of the cosines; 0.5 in the authors' code.
    Shapes:
        seen -> ()
    Missing:
        a part of an absent modality is neither positive nor negative; a sample without a label is compared
        with no other. A sample without positives or without negatives counts for nothing.
    Raises:
        ConfigError: fewer than two modalities, or an unknown one; a target of several labels, or per step; a
            number out of its range.
    Also known as:
        ConFEDE, contrastive feature decomposition.
    Reference:
        Yang et al., ConFEDE: Contrastive Feature Decomposition for Multimodal Sentiment Analysis, ACL 2023,
        section 3. Differs: others are those of the batch, near or far by their labels, where six are drawn
        for each sample by labels and by features there; shared and private parts are `SharedPrivateFusion`'s.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.SharedPrivateFusion)
        >>> terms = {"apart": DecompositionContrast}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: apart"].item() > 0
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "near": FloatDistribution(0.1, 1.0, log=True),
        "temperature": FloatDistribution(0.02, 1.0, log=True),
    }
    needs: ClassVar[tuple[str, ...]] = ("shared", "private")
    compares: ClassVar[bool] = True

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        anchor: str | None = None,
        near: float = 0.5,
        temperature: float = 0.5,
    ) -> None:
        super().__init__(model, ids, weight)
        self.check_several()
        NOT_NEGATIVE.check("DecompositionContrast: near", near)
        POSITIVE.check("DecompositionContrast: temperature", temperature)
        if anchor is not None and anchor not in self.dims:
            raise ConfigError(
                f"DecompositionContrast: anchor: no modality '{anchor}'; {did_you_mean(anchor, self.dims)}"
            )
        if self.target.per_step or self.target.size > 1:
            raise ConfigError(
                f"DecompositionContrast: is for one label per sample; '{self.target.name}' has "
                f"{'one per step' if self.target.per_step else 'several'}"
            )
        self.anchor, self.near, self.temperature = anchor or next(iter(self.dims)), near, temperature

    def forward(self, seen: Seen) -> Tensor:
        shared, private = (
            {m: F.normalize(part, dim=-1) for m, part in seen.extra(name).items()} for name in self.needs
        )
        near, far = self._by_labels(seen)
        losses, positives = [], []
        for m, vectors in shared.items():
            there = seen.present[m]
            scores = vectors @ vectors.mT / self.temperature  # (batch, batch)
            alike, apart = (both & there & there.unsqueeze(1) for both in (near, far))
            wrong = scores
            if m == self.anchor:
                others = [one for one in shared if one != m]
                scores, alike = self._beside(seen, m, scores, alike, {one: shared[one] for one in others})
                wrong, apart = self._beside(seen, m, wrong, apart, private)
            some = apart.any(1, keepdim=True)
            total = wrong.masked_fill(some & ~apart, -torch.inf).logsumexp(1, keepdim=True)
            alike = alike & some
            losses.append((F.softplus(total - scores) * alike).sum(1))
            positives.append(alike.sum(1))
        count = torch.stack(positives).sum(0)
        return seen.mean(torch.stack(losses).sum(0) / count.clamp(min=1), count > 0)

    def _by_labels(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Which samples have near labels, and which far ones, (batch, batch) each; none is near to itself."""
        labelled, truth = seen.batch.target.present, seen.batch.target.values[:, 0, 0]
        both = labelled & labelled.unsqueeze(1)
        apart = (truth - truth.unsqueeze(1)).abs()
        near = apart <= self.near if isinstance(self.target, Regression) else apart == 0
        own = torch.eye(len(truth), dtype=torch.bool, device=truth.device)
        return both & near & ~own, both & ~near

    def _beside(
        self, seen: Seen, m: str, scores: Tensor, counts: Tensor, parts: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Beside the scores of other samples, those of parts of the sample itself; and which count."""
        anchor = F.normalize(seen.extra("shared")[m], dim=-1)
        own = torch.stack([(anchor * part).sum(-1) for part in parts.values()], 1) / self.temperature
        there = torch.stack([seen.present[m] & seen.present[one] for one in parts], 1)
        return torch.cat([scores, own], 1), torch.cat([counts, there], 1)
