"""Terms of labels for single modalities: generated ones, and those that the corpus has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from torch import Tensor, nn

from affect.bounds import NOT_NEGATIVE
from affect.data.targets import Regression, Target
from affect.errors import ConfigError, did_you_mean
from affect.heads import head_for
from affect.naming import ModuleDict
from affect.objectives.base import Objective
from affect.objectives.supervised import objective_for
from affect.objectives.terms.base import Model, Seen, Term
from affect.sequences import Sequence

_WIDTHS = CategoricalDistribution((16, 32, 64, 128))
_SMALLEST_DISTANCE = 1e-8
_SMALLEST_DIVISOR = 1e-3
"""What the relative distance of the fused vector is at least, either sign, where others are divided by it."""


class GeneratedLabels(Term):
    """A head for each modality learns labels that are generated from where the sample lies: Self-MM.

    The hidden vectors of each head, and the fused vectors, are remembered by sample. Of each kind there is a
    centre of the samples with a positive label, and one of those with a negative label. The relative
    distance of a sample is a = (d_n - d_p) / (d_p + 1e-8), d_p and d_n its distances from the two centres.
    With y the label of the sample as a distance from the middle of the scale, a_m and a_f the relative
    distances of a modality and of the fused vector, the new label of the modality is
    (a_m / a_f * y + y + a_m - a_f) / 2, within the ends of the target, or else of the labels seen so far. In
    epoch i = 2, 3, ... the label of the modality becomes (i - 1) / (i + 1) times itself plus 2 / (i + 1)
    times the new one. It begins as y.

    The value is tanh|label - y| * |prediction - label|, a mean over samples and over modalities. Labels move
    after they were learned from, so it is zero in the first two epochs. `generated` gives the labels.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of the value; 1 in the paper, where `published`.
        width: of the hidden vectors; 16 to 64 in the authors' code.
        published: a sum over modalities: as many times as much.
        middle: of the scale: labels above it count as positive, those below as negative.
    Shapes:
        seen -> ()
    Missing:
        a modality that a sample lacks counts for nothing and keeps its label; a sample without a label counts
        for nothing. In no centre is what has no label, what is absent, and what was not seen yet. While there
        is no positive or no negative sample, labels stay as they are.
    Raises:
        ConfigError: no regression, or a label per step; a target with no labels on one side of the middle.
    Also known as:
        Self-MM, self-supervised unimodal label generation (ULGM); as in TETFN.
    Reference:
        Yu et al., Learning Modality-Specific Representations with Self-Supervised Multi-Task Learning for
        Multimodal Sentiment Analysis, AAAI 2021. Differs: the distance is the Euclidean one, as in the
        authors' code; the paper has its square by the root of the width. The paper divides by a_f as it is,
        the code by a_f + 1e-8; here |a_f| is at least 0.001. In the code, vectors that were not seen yet
        stand in the centres as zeros; labels are within 3 (MOSI) or 1 (SIMS). Hidden vectors are
        remembered after the optimiser's step; the fused vector is the fusion's own, without a further layer.
        On several devices the first one's memories are kept: of the rows that it was given.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> run = affect.fit(
        ...     model, corpus, training=affect.Training(epochs=2), terms={"own": GeneratedLabels}
        ... )
        >>> run.terms["own"].generated["text"].shape == (len(corpus["train"]),)
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {**Term.search_space, "width": _WIDTHS}
    needs_labels: ClassVar[bool] = True
    labels: Tensor
    labelled: Tensor
    known: Tensor
    hidden_vectors: Tensor
    fused_vectors: Tensor

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        width: int = 32,
        published: bool = False,
        middle: float = 0.0,
    ) -> None:
        super().__init__(model, ids, weight)
        self.low, self.high = _ends(self.target, middle)
        self.published, self.middle = published, float(middle)
        self.hidden = ModuleDict(
            {m: nn.Sequential(nn.Linear(dim, width), nn.ReLU()) for m, dim in self.dims.items()}
        )
        self.heads = ModuleDict(
            {m: nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)) for m in self.dims}
        )
        modalities, rows = len(self.dims), self.rows
        self.register_buffer("labels", torch.zeros(modalities + 1, rows))  # the last are the truth
        self.register_buffer("labelled", torch.zeros(rows, dtype=torch.bool))
        self.register_buffer("known", torch.zeros(modalities + 1, rows, dtype=torch.bool))
        self.register_buffer("hidden_vectors", torch.zeros(modalities, rows, width))
        self.register_buffer("fused_vectors", torch.zeros(rows, self.fused_dim))

    @property
    def generated(self) -> dict[str, Tensor]:
        """The labels of each modality, (samples,), in the order of the training split; NaN where none is."""
        labels = self.labels[:-1].masked_fill(~self.labelled, torch.nan)
        return dict(zip(self.dims, labels, strict=True))

    def forward(self, seen: Seen) -> Tensor:
        rows, truth, labelled = _labels_of(seen)
        labels = torch.where(self.labelled[rows], self.labels[:, rows], truth)
        found = []
        for label, (m, hidden) in zip(labels[:-1], self._hidden(seen).items(), strict=True):
            error = (self.heads[m](hidden)[:, 0] - label).abs()
            found.append(seen.mean((label - truth).abs().tanh() * error, labelled & seen.present[m]))
        return torch.stack(found).sum() if self.published else torch.stack(found).mean()

    def observe(self, seen: Seen) -> None:
        rows, truth, labelled = _labels_of(seen)
        fresh = labelled & ~self.labelled[rows]
        self.labels[:, rows[fresh]] = truth[fresh].to(self.labels)
        self.labelled[rows[fresh]] = True
        vectors = [*self._hidden(seen).values(), seen.output.fused.mean()]
        own = [seen.present[m] for m in self.dims]
        present = [*own, torch.stack(own).any(0)]  # a fusion may call what is of nothing observed
        if seen.epoch > 0:
            self._relabel(seen, vectors, present)
        for place, (vector, there) in enumerate(zip(vectors, present, strict=True)):
            self.known[place, rows[there]] = True
            memory = self._memory(place)
            memory[rows[there]] = vector[there].to(memory)

    def _memory(self, place: int) -> Tensor:
        """The vectors of a modality, or the fused ones behind them, (samples, size)."""
        return self.fused_vectors if place == len(self.dims) else self.hidden_vectors[place]

    def _hidden(self, seen: Seen) -> dict[str, Tensor]:
        own = self.fused_vectors.dtype  # outside autocast, vectors may be of another
        return {m: self.hidden[m](seen.vectors[m].to(own)) for m in self.dims}

    def _relabel(self, seen: Seen, vectors: list[Tensor], present: list[Tensor]) -> None:
        """Move the labels of the batch's rows towards new ones."""
        rows, truth, labelled = _labels_of(seen)
        epoch = seen.epoch + 1
        fused, possible = self._relative(len(self.dims), vectors[-1])
        divisor = torch.copysign(fused.abs().clamp(min=_SMALLEST_DIVISOR), fused)
        for place, (vector, there) in enumerate(zip(vectors[:-1], present[:-1], strict=True)):
            own, also = self._relative(place, vector)
            above = truth - self.middle
            new = self._within(self.middle + (own / divisor * above + above + own - fused) / 2)
            label = self.labels[place, rows]
            moved = (epoch - 1) / (epoch + 1) * label + 2 / (epoch + 1) * new
            moves = labelled & there & present[-1] & possible & also
            self.labels[place, rows[moves]] = moved[moves].to(label)

    def _relative(self, place: int, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """How much nearer the vectors lie to the positive centre, (batch,), and whether both centres are."""
        exact = torch.promote_types(vectors.dtype, torch.float32)
        memory, labels = self._memory(place), self.labels[place]
        known = self.known[place] & self.labelled
        distances, counts = [], []
        for side in (labels > self.middle, labels < self.middle):
            count = (known & side).sum()
            centre = (known & side).to(exact) @ memory.to(exact) / count.clamp(min=1)
            distances.append(torch.linalg.vector_norm(vectors.to(exact) - centre, dim=-1))
            counts.append(count)
        positive, negative = distances
        relative = (negative - positive) / (positive + _SMALLEST_DISTANCE)
        return relative, (counts[0] > 0) & (counts[1] > 0)

    def _within(self, labels: Tensor) -> Tensor:
        truth = self.labels[-1]
        low = truth.amin() if self.low is None else self.low
        high = truth.amax() if self.high is None else self.high
        return labels.clamp(min=low).clamp(max=high)


def _labels_of(seen: Seen) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, truth and whether there is one, (batch,) each."""
    target = seen.batch.target
    assert seen.batch.rows is not None  # of a split
    return seen.batch.rows, target.values[:, 0, 0], target.present


def _ends(target: Target, middle: float) -> tuple[float | None, float | None]:
    """Those of a target with labels on both sides of the middle."""
    if not isinstance(target, Regression) or target.per_step:
        what = "has a label per step" if target.per_step else f"is {type(target).__name__}"
        raise ConfigError(
            f"GeneratedLabels: is for a regression with a label per sample; '{target.name}' {what}; "
            "leave it out"
        )
    low, high = (
        (-math.inf if target.low is None else target.low),
        (math.inf if target.high is None else target.high),
    )
    if not low < middle < high:
        raise ConfigError(
            f"GeneratedLabels: needs labels on both sides of the middle, {middle:g}; '{target.name}' is "
            f"between {target.low} and {target.high}; name its middle: middle: 3 of a scale from 1 to 5"
        )
    return target.low, target.high


class ModalityTargets(Term):
    """A head for each modality predicts a target of its own, which the corpus has: people's unimodal labels.

    Two layers with ReLU and a linear one on each modality's mean vector, and the plain loss of the kind of
    target: the absolute error, or a cross-entropy. The value is the sum over modalities of weight times the
    mean loss.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of the value.
        targets: the corpus's target by modality, `{text: sentiment_text}`; by default those that are called
            as the model's target and the modality are: `sentiment_text`, `sentiment_acoustic`.
        weights: by modality; all the same, 1 in sum, by default.
        width: of the hidden layers.
    Shapes:
        seen -> ()
    Missing:
        a modality that a sample lacks counts for nothing, as does a label that it lacks; its main label does
        not matter.
    Raises:
        ConfigError: a modality or a target that is not there, or one with a label per step; weights that are
            below zero, or of other modalities.
    Also known as:
        multi-task learning with unimodal labels: MLF-DNN (late fusion), MTFN (`TensorFusion`), MLMF
        (`LowRankFusion`).
    Reference:
        Yu et al., CH-SIMS, ACL 2020. Weights of the whole and of text, acoustic and visual as tuned in MMSA
        on SIMS: 0.6, 0.2, 0.8, 0.8 (MLF-DNN), 0.6, 0.4, 0.0, 1.0 (MTFN), 0.2, 1.0, 0.4, 0.8 (MLMF). Differs:
        here the whole has weight 1, so divide by the first.
    Example:
        >>> values, labels = np.ones((8, 3, 2), np.float32), np.linspace(-1, 1, 8)
        >>> split = {"text": values, "visual": values, "mood": labels, "mood_text": -labels}
        >>> targets = {"mood": "regression", "mood_text": "regression"}
        >>> corpus = affect.Corpus.from_arrays({"train": split, "valid": split}, targets)
        >>> model, training = affect.FusionModel.for_corpus(corpus, "mood"), affect.Training(epochs=1)
        >>> run = affect.fit(model, corpus, training=training, terms={"own": ModalityTargets})
        >>> run.terms.targets, run.history["term: own"].item() > 0
        (['mood_text'], True)
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {**Term.search_space, "width": _WIDTHS}

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        targets: Mapping[str, str] | None = None,
        weights: Mapping[str, float] | None = None,
        width: int = 64,
    ) -> None:
        super().__init__(model, ids, weight)
        for key, given in (("targets", targets), ("weights", weights)):
            for m in given or ():
                if m not in self.dims:
                    raise ConfigError(
                        f"ModalityTargets: {key}: no modality '{m}'; {did_you_mean(m, self.dims)}"
                    )
        for m, one in (weights or {}).items():
            NOT_NEGATIVE.check(f"ModalityTargets: weights: {m}", one)
        self.asked = None if targets is None else dict(targets)
        self.weights, self.width = None if weights is None else dict(weights), width
        self.targets = tuple(dict.fromkeys((targets or {}).values()))
        self.hidden, self.heads = ModuleDict(), ModuleDict()
        self.objectives: dict[str, Objective] = {}

    def prepare(self, targets: Mapping[str, Target]) -> None:
        """Make a head for each modality that has a target."""
        super().prepare(targets)
        if self.asked is None:
            usual = {m: f"{self.target.name}_{m}" for m in self.dims}
            self.asked = {m: name for m, name in usual.items() if name in targets}
            self.targets = tuple(self.asked.values())
        if not self.asked:
            raise ConfigError(
                "ModalityTargets: targets: expected a target of the corpus for a modality or more, such as "
                f"{{{next(iter(self.dims))}: {next(iter(targets), self.target.name)}}}; modalities: "
                f"{', '.join(self.dims)}; targets: {', '.join(targets) or 'none'}"
            )
        if self.weights is None:
            self.weights = dict.fromkeys(self.asked, 1 / len(self.asked))
        if self.weights.keys() != self.asked.keys():
            raise ConfigError(
                f"ModalityTargets: weights: expected one for each of {', '.join(self.asked)}, got "
                f"{', '.join(self.weights) or 'none'}"
            )
        for m, name in self.asked.items():
            if targets[name].per_step:
                raise ConfigError(
                    f"ModalityTargets: targets: {m}: '{name}' has a label per step, and a head predicts one "
                    "per sample; choose another"
                )
            self.hidden[m] = nn.Sequential(
                nn.Linear(self.dims[m], self.width), nn.ReLU(), nn.Linear(self.width, self.width), nn.ReLU()
            )
            self.heads[m] = head_for(targets[name])(self.width, targets[name], dropout=0.0)
            self.objectives[m] = objective_for(targets[name])(targets[name])

    def forward(self, seen: Seen) -> Tensor:
        assert self.asked is not None  # since it was prepared
        assert self.weights is not None
        found = []
        for m, name in self.asked.items():
            truth = seen.batch.targets[name]
            prediction = self.heads[m](Sequence.vector(self.hidden[m](seen.vectors[m])))
            losses = self.objectives[m].loss(prediction, truth.values)[:, 0]
            found.append(self.weights[m] * seen.mean(losses, truth.present & seen.present[m]))
        return torch.stack(found).sum()
