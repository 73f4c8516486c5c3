"""Terms that compare: what belongs together lies nearer than what does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.bounds import POSITIVE
from affect.corruption.draws import Draws
from affect.data.targets import Regression
from affect.errors import ConfigError, did_you_mean
from affect.layers import perceptron
from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Seen, Term

_WARMEST = 100.0
"""The inverse temperature at most."""


class Contrast(Term):
    """Modalities of one sample lie nearer than those of two: InfoNCE between any two of them.

    Each modality's mean vector goes through a perceptron to length 1. Of each sample that has both, the one
    modality is to find its own other among those of the batch: the cross-entropy of their cosines over a
    learnt temperature, both ways, a mean over pairs of modalities. It is divided by log of how many there
    were to choose from, so that chance is 1 at any batch size.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        width: of the space that modalities are brought to.
        temperature: to begin with; it learns, and stays above 0.01.
        anchor: a modality that every other one is bound to; any two of them by default.
        apart: `sample`; or `group`: others of the same group, such as a video's, are not compared with.
        published: without the division.
    Shapes:
        seen -> ()
    Missing:
        a sample that lacks one of two modalities is neither asked nor compared with.
    Raises:
        ConfigError: fewer than two modalities, or an unknown one; an unknown word; a number out of its range.
    Also known as:
        CLIP, image-text contrast (ITC); with an anchor: ImageBind.
    Reference:
        Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021;
        Girdhar et al., ImageBind, CVPR 2023.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms={"bind": Contrast})
        >>> 0.5 < run.history["term: bind"].item() < 1.5
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "width": CategoricalDistribution((16, 32, 64, 128)),
        "temperature": FloatDistribution(0.02, 1.0, log=True),
    }
    compares: ClassVar[bool] = True

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        width: int = 64,
        temperature: float = 0.07,
        anchor: str | None = None,
        apart: str = "sample",
        published: bool = False,
    ) -> None:
        super().__init__(model, ids, weight)
        self.check_several()
        POSITIVE.check("Contrast: temperature", temperature)
        if anchor is not None and anchor not in self.dims:
            raise ConfigError(f"Contrast: anchor: no modality '{anchor}'; {did_you_mean(anchor, self.dims)}")
        if apart not in ("sample", "group"):
            raise ConfigError(f"Contrast: apart: {did_you_mean(apart, ('sample', 'group'))}")
        self.anchor, self.apart, self.published = anchor, apart, published
        self.project = ModuleDict({m: perceptron(d, width, 1, 0.0) for m, d in self.dims.items()})
        self.warmth = nn.Parameter(torch.tensor(math.log(1 / temperature)))

    def forward(self, seen: Seen) -> Tensor:
        vectors, found = self.embedded(seen.vectors), []
        keys = self.keys_of(seen, vectors)
        for a, b, both in seen.pairs(self.anchor):
            choices = self.choices(seen, a, b)
            ways = [self._asked(seen, vectors[x], keys[y], both, choices) for x, y in ((a, b), (b, a))]
            found.append((ways[0] + ways[1]) / 2)
        return torch.stack(found).mean() if found else self.warmth * 0

    def embedded(self, vectors: Mapping[str, Tensor], project: ModuleDict | None = None) -> dict[str, Tensor]:
        """Where each modality of each sample lies, (batch, width), of length 1.

        Args:
            vectors: the mean of each encoded modality over its steps, (batch, dim).
            project: in place of the term's own projections.
        Example:
            >>> corpus = affect.load("synthetic")
            >>> model = affect.FusionModel.for_corpus(corpus)
            >>> batch = next(iter(affect.batches(corpus["valid"], batch_size=5)))
            >>> means = {m: x.mean() for m, x in model.encode(batch.inputs).items()}
            >>> Contrast(model, batch.ids).embedded(means)["text"].shape
            torch.Size([5, 64])
        """
        own, kind = self.project if project is None else project, self.warmth.dtype
        return {m: F.normalize(own[m](v.to(kind)), dim=-1) for m, v in vectors.items()}

    def keys_of(self, seen: Seen, vectors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What is chosen from, by modality, (choices, width); those of the batch are the first."""
        return vectors

    def choices(self, seen: Seen, a: str, b: str) -> Tensor:
        """Which keys of a modality each sample chooses from to find its own of another, (batch, choices)."""
        both = seen.present[a] & seen.present[b]
        if self.apart == "sample":
            return both.expand(len(both), -1)
        groups = self._groups(seen)
        return both & (groups.unsqueeze(0) != groups.unsqueeze(1))

    def _groups(self, seen: Seen) -> Tensor:
        if (groups := seen.batch.groups) is None:
            raise ConfigError("Contrast: apart: group: the corpus has no groups; leave it out")
        return groups

    def _asked(self, seen: Seen, x: Tensor, keys: Tensor, both: Tensor, choices: Tensor) -> Tensor:
        """How hard it is for each of x to find its own key."""
        scores = self.warmth.clamp(max=math.log(_WARMEST)).exp() * x @ keys.mT
        losses, counts = choice_losses(scores, choices, self.published)
        return seen.mean(losses, both & counts)


def choice_losses(scores: Tensor, choices: Tensor, published: bool = False) -> tuple[Tensor, Tensor]:
    """How hard it is to choose, in each row, the column of the same place; and which rows had a choice.

    The cross-entropy of the scores, divided by log of how many there were to choose from: chance is 1.

    Args:
        scores: of every row for every column.
        choices: which columns there are to choose from, beside its own, which always is one. There may be
            more columns than rows.
        published: without the division; all rows count then.
    Shapes:
        scores: (batch, columns); choices: (batch, columns) or (columns,) -> (batch,), (batch,)
    Example:
        >>> choice_losses(torch.zeros(3, 3), torch.tensor([True, True, False]))
        (tensor([1., 1., 1.]), tensor([True, True, True]))
    """
    own = torch.eye(*scores.shape, dtype=torch.bool, device=scores.device)
    choices = choices | own  # so that no row is without any
    truth = torch.arange(len(scores), device=scores.device)
    losses = F.cross_entropy(scores.masked_fill(~choices, -torch.inf), truth, reduction="none")
    several = choices.sum(1)
    if published:
        return losses, torch.ones_like(truth, dtype=torch.bool)
    return losses / several.clamp(min=2).to(losses.dtype).log(), several > 1


class SupervisedContrast(Term):
    """Samples with near labels lie nearer than others, in the fused vector.

    For each labelled sample, the cross-entropy between how alike its label is to those of the others of the
    batch, and the softmax of cosines over the temperature. Labels that are classes are alike where they are
    the same. Those that are numbers are alike by exp(-|difference| / spread).

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        width: of the space that the fused vector is brought to.
        temperature: of the cosines.
        spread: of labels that are numbers, in their own units.
    Shapes:
        seen -> ()
    Missing:
        a sample without a label, or with none alike in the batch, is neither asked nor compared with.
    Raises:
        ConfigError: a target of several labels, or per step; a number out of its range.
    Also known as:
        SupCon; with numbers: soft labels, rank-based contrast.
    Reference:
        Khosla et al., Supervised Contrastive Learning, NeurIPS 2020, equation 2. Differs: weights by the
        distance of labels, where these are numbers.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> terms = {"near": SupervisedContrast}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: near"].item() > 0
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "width": CategoricalDistribution((16, 32, 64, 128)),
        "temperature": FloatDistribution(0.02, 1.0, log=True),
        "spread": FloatDistribution(0.1, 2.0, log=True),
    }
    compares: ClassVar[bool] = True
    needs_labels: ClassVar[bool] = True

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        width: int = 64,
        temperature: float = 0.1,
        spread: float = 0.5,
    ) -> None:
        super().__init__(model, ids, weight)
        for name, value in (("temperature", temperature), ("spread", spread)):
            POSITIVE.check(f"SupervisedContrast: {name}", value)
        if self.target.per_step or self.target.size > 1:
            raise ConfigError(
                f"SupervisedContrast: is for one label per sample; '{self.target.name}' has "
                f"{'one per step' if self.target.per_step else 'several'}"
            )
        self.temperature, self.spread = temperature, spread
        self.project = perceptron(self.fused_dim, width, 1, 0.0)

    def forward(self, seen: Seen) -> Tensor:
        labelled, truth = seen.batch.target.present, seen.batch.target.values[:, 0, 0]
        vectors = F.normalize(self.project(seen.output.fused.mean()), dim=-1)
        own = torch.eye(len(truth), dtype=torch.bool, device=truth.device)
        others = labelled.unsqueeze(0) & ~own
        apart = (truth.unsqueeze(0) - truth.unsqueeze(1)).abs()
        alike = (
            (-apart / self.spread).exp() if isinstance(self.target, Regression) else (apart == 0).to(apart)
        )
        alike = alike * others
        total = alike.sum(1)
        asked = labelled & (total > 0)
        logs = (vectors @ vectors.mT / self.temperature).masked_fill(~others, -1e9).log_softmax(1)
        losses = -(alike * logs).sum(1) / total.clamp(min=1e-12)
        return seen.mean(losses * asked, asked)


class Matching(Term):
    """Whether modalities belong to one sample can be told from the fused vector: hard pairs are mismatched.

    One modality of each sample is exchanged for that of another one of the batch, drawn by how near the two
    lie (the softmax of cosines of the vectors of that modality), and all are fused again. The cross-entropy
    of a linear layer that is to tell the matched from the mismatched; both kinds count half.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        temperature: of the cosines; the lower, the harder the pairs.
    Shapes:
        seen -> ()
    Missing:
        a sample that lacks a modality neither gives it nor is given another.
    Raises:
        ConfigError: fewer than two modalities; the temperature is not positive.
    Also known as:
        image-text matching (ITM) with hard negatives.
    Reference:
        Li et al., Align before Fuse, NeurIPS 2021, section 3.2. Differs: the cosines are of the vectors
        within a modality, so that no contrast is needed beside it; any number of modalities.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms={"match": Matching})
        >>> run.history["term: match"].item() > 0
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "temperature": FloatDistribution(0.02, 1.0, log=True),
    }
    looks_again: ClassVar[bool] = True
    compares: ClassVar[bool] = True

    def __init__(
        self, model: Model, ids: tuple[str, ...], weight: float = 0.1, temperature: float = 0.1
    ) -> None:
        super().__init__(model, ids, weight)
        POSITIVE.check("Matching: temperature", temperature)
        self.check_several()
        self.temperature = temperature
        self.tell = nn.Linear(self.fused_dim, 1)

    def forward(self, seen: Seen) -> Tensor:
        several = torch.stack([*seen.present.values()]).sum(0) > 1
        matched = F.softplus(-self.tell(seen.output.fused.mean())[:, 0])
        losses, counts = [], []
        draws = Draws(seen.batch.ids, seen.draw)
        own = torch.eye(len(several), dtype=torch.bool, device=several.device)
        for m, vectors in seen.vectors.items():
            there, near = seen.present[m], F.normalize(vectors.detach(), dim=-1)
            others = there.unsqueeze(0) & ~own
            noise = draws.uniform(m, len(several)).to(near)
            drawn = near @ near.mT / self.temperature - (-noise.log()).log()  # its largest is the softmax's
            rows = drawn.masked_fill(~others, -torch.inf).argmax(1)
            possible = there & several & others.any(1)
            output = seen.model.fuse({**seen.output.encoded, m: seen.output.encoded[m].take(rows)})
            losses.append(F.softplus(self.tell(output.fused.mean())[:, 0]))
            counts.append(possible)
        mismatched = seen.mean(torch.stack(losses), torch.stack(counts))
        return (seen.mean(matched, several) + mismatched) / 2
