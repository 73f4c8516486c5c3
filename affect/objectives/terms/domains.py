"""Terms that see another corpus beside: its samples lie where those of the corpus do, or are learned from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.bounds import COUNT, NATURAL
from affect.classes.factories import made_by
from affect.data.targets import Target
from affect.errors import ConfigError, did_you_mean
from affect.objectives.terms.base import Model, Seen, Term, TermFactory
from affect.objectives.terms.contrast import Contrast
from affect.objectives.terms.spaces import covariance_distance, grown, mean_discrepancy, turned

if TYPE_CHECKING:
    from affect.data.corpus import Split

DISTANCES = {"mmd": mean_discrepancy, "coral": covariance_distance}
"""By what two corpora are compared."""


class _Domains(Term):
    """What the terms here have in common: the vectors of both corpora, fused or of one modality."""

    needs: ClassVar[tuple[str, ...]] = ("auxiliary",)
    compares: ClassVar[bool] = True

    def __init__(self, model: Model, ids: tuple[str, ...], weight: float, of: str) -> None:
        super().__init__(model, ids, weight)
        known = {"fused": self.fused_dim, **self.dims}
        if of not in known:
            raise ConfigError(f"{type(self).__name__}: of: no '{of}'; {did_you_mean(of, known)}")
        self.of, self.size = of, known[of]

    def lots(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """The vectors of the samples that have one, of the corpus and of the other one, (samples, size)."""
        other = seen.auxiliary
        assert other is not None  # it is among the needs
        found = []
        for own in (seen, other):
            if self.of == "fused":
                some = torch.stack([*own.present.values()]).any(0)
                found.append(own.output.fused.mean()[some])
            else:
                found.append(own.vectors[self.of][own.present[self.of]])
        return found[0], found[1]


class CorpusAlignment(_Domains):
    """The samples of another corpus, whose labels are not known, lie where those of the corpus do.

    The distance of two lots of vectors: to a sum of Gaussian kernels (`MaximumMeanDiscrepancy`), or of their
    covariances (`CorrelationAlignment`). A stage names the other corpus as its `auxiliary`.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        distance: `mmd` or `coral`.
        of: the vectors that are compared: `fused`, or the means of a modality's encoded steps.
    Shapes:
        seen -> ()
    Missing:
        a sample counts where it has the modality, or any; fewer than two have no distance.
    Raises:
        ConfigError: an unknown distance or modality.
    Also known as:
        unsupervised domain adaptation, Deep CORAL, DAN, non-parallel co-learning.
    Reference:
        Long et al., Learning Transferable Features with Deep Adaptation Networks, ICML 2015 (MMD); Sun and
        Saenko, Deep CORAL, ECCV Workshops 2016. Differs: one layer is aligned.
    Example:
        >>> corpus, other = affect.load("synthetic:additive"), affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> stage = affect.training.Stage("both", terms={"near": CorpusAlignment}, auxiliary=other)
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), stages=[stage])
        >>> run.history["term: near"].item() < 1
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "distance": CategoricalDistribution(tuple(DISTANCES)),
    }

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        distance: str = "mmd",
        of: str = "fused",
    ) -> None:
        super().__init__(model, ids, weight, of)
        if distance not in DISTANCES:
            raise ConfigError(
                f"CorpusAlignment: distance: no '{distance}'; {did_you_mean(distance, DISTANCES)}"
            )
        self.distance = DISTANCES[distance]

    def forward(self, seen: Seen) -> Tensor:
        return self.distance(*self.lots(seen))


class CorpusConfusion(_Domains):
    """Nobody can tell which corpus a sample is of: a classifier learns to, against its gradient.

    The cross-entropy of a perceptron that is given vectors of both corpora, each corpus a half of it. The
    model's gradient is turned around. At best for the model it is log 2.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        of: the vectors that are told apart: `fused`, or the means of a modality's encoded steps.
        hidden: units of the classifier.
        growth: in how many epochs the turned gradient grows (`DomainConfusion`).
    Shapes:
        seen -> ()
    Missing:
        a sample counts where it has the modality, or any.
    Raises:
        ConfigError: an unknown modality; a number out of its range.
    Also known as:
        DANN, domain-adversarial training, adversarial domain adaptation.
    Reference:
        Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 2016.
    Example:
        >>> corpus, other = affect.load("synthetic:additive"), affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> stage = affect.training.Stage("both", terms={"which": CorpusConfusion}, auxiliary=other)
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), stages=[stage])
        >>> 0 < run.history["term: which"].item() < 1
        True
    """

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        of: str = "fused",
        hidden: int = 32,
        growth: int = 0,
    ) -> None:
        super().__init__(model, ids, weight, of)
        COUNT.check("CorpusConfusion: hidden", hidden)
        NATURAL.check("CorpusConfusion: growth", growth)
        self.growth = growth
        self.tell = nn.Sequential(nn.Linear(self.size, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, seen: Seen) -> Tensor:
        share, losses = grown(seen.epoch, self.growth), []
        for side, vectors in enumerate(self.lots(seen)):
            told = self.tell(turned(vectors, share)).squeeze(-1)
            cost = F.binary_cross_entropy_with_logits(told, torch.full_like(told, side), reduction="sum")
            losses.append(cost / max(1, len(told)))
        return torch.stack(losses).mean()


class OnAuxiliary(Term):
    """Another term, which learns from the samples of the stage's auxiliary corpus alone.

    Its value is what the term says of a batch of the other corpus: pairs of modalities there bind them here
    too, though nobody said what is felt there.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        term: a Term class, or a partial of one, that needs no label and no memory by sample.
        weight: of it; the term's own by default.
    Shapes:
        seen -> ()
    Missing:
        as the term says, of the samples of the other corpus.
    Raises:
        ConfigError: the term needs labels or other targets, or has a memory by sample.
    Also known as:
        hybrid co-learning where the corpora share one modality, the anchor.
    Reference:
        Baltrusaitis et al., Multimodal Machine Learning: A Survey and Taxonomy, TPAMI 2019, section 7.
    Example:
        >>> corpus, other = affect.load("synthetic:additive"), affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> stage = affect.training.Stage("both", terms={"pairs": OnAuxiliary}, auxiliary=other)
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), stages=[stage])
        >>> run.history["term: pairs"].item() > 0
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("auxiliary",)
    compares: ClassVar[bool] = True
    by_sample: ClassVar[bool] = False

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        term: TermFactory = Contrast,
        weight: float | None = None,
    ) -> None:
        inner = made_by("term", term, Term, model, ids, who="OnAuxiliary")
        super().__init__(model, ids, inner.weight if weight is None else weight)
        kind = type(inner).__name__
        remembers = inner.by_sample and type(inner).observe is not Term.observe
        for wrong, what in (
            (inner.needs_labels or inner.targets, "needs labels"),
            (remembers, "has a memory by sample"),
            (inner.needs, f"needs {', '.join(inner.needs)}"),
        ):
            if wrong:
                raise ConfigError(
                    f"OnAuxiliary: term: {kind} {what}, which is not there for another corpus; choose another"
                )
        self.term, self.rhythm = inner, inner.rhythm

    def prepare(self, targets: Mapping[str, Target]) -> None:
        super().prepare(targets)
        self.term.prepare(targets)

    def fit(self, model: Model, split: Split) -> None:
        self.term.fit(model, split)

    def forward(self, seen: Seen) -> Tensor:
        value: Tensor = self.term(_other(seen))
        return value

    def critics(self) -> nn.Module | None:
        return self.term.critics()

    def learn(self, seen: Seen) -> Tensor:
        return self.term.learn(_other(seen))

    def observe(self, seen: Seen) -> None:
        if type(self.term).observe is not Term.observe:
            self.term.observe(_other(seen))


def _other(seen: Seen) -> Seen:
    assert seen.auxiliary is not None  # it is among the needs
    return seen.auxiliary
