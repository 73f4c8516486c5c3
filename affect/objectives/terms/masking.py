"""Terms of masked modelling: steps of a modality are hidden, and told from all that is left."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.bounds import Bounds
from affect.corruption.draws import Draws
from affect.errors import ConfigError
from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Term
from affect.objectives.terms.hiding import Masking, encoder_of
from affect.sequences import Output, Sequence

if TYPE_CHECKING:
    from affect.data.corpus import Split

_FRAMES = 50_000
"""Of the training split, at most, from which clusters are made."""
_MASKED, _REPLACED = 0.8, 0.9
"""Of hidden words, below which draw one becomes the mask token, and below which another word; others stay."""
_WIDTHS = CategoricalDistribution((16, 32, 64, 128))
_SEVERAL = Bounds("at least 2", 2, limit=10**6, whole=True)


class MaskedSteps(Masking):
    """Hidden steps of a modality are told from what is left, as numbers.

    For each sample one modality is drawn, and spans of its steps are hidden: they are unobserved when the
    model looks again, at undamaged inputs. A perceptron tells the scaled features of the hidden steps. Where
    the encoder keeps time it reads, for each step, the fused vector and the mean of the nearest encoded steps
    on either side that were not hidden. Where the encoder pools, it reads the fused vector alone, and tells
    the mean of the hidden steps. The squared error is a mean over features, over the hidden steps of a
    sample, and over samples. Where each step is told and scaling is standard, telling the mean of the
    training split costs about 1; the mean of several steps has less variance, and costs less.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        share: of the observed steps that is hidden, to whole spans and at least one.
        length: of a span, in observed steps; one at an end may be shorter.
        width: hidden units of the perceptron.
        modalities: to be drawn from; by default all but those of word indices.
    Shapes:
        seen -> ()
    Missing:
        a modality that a sample lacks is not drawn; steps that nobody observed are neither hidden nor told. A
        sample of which nothing is left counts for nothing. What is there in training only is not hidden.
    Raises:
        ConfigError: a share that is none; a length or a width below 1; an unknown modality, or one of word
            indices.
    Also known as:
        MRM, MRFR, MFM, masked region modelling, masked frame modelling.
    Reference:
        Chen et al., UNITER: Universal Image-Text Representation Learning, ECCV 2020, section 3.3, which also
        hides one modality at a time. Differs: the step itself is hidden from its encoder, whose output there
        says nothing, so that the head reads its neighbours and the fused vector; spans in place of single
        steps, as in wav2vec 2.0; features are scaled, and their squared error is a mean.
    Example:
        >>> corpus = affect.load("synthetic:shared")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> run = affect.fit(
        ...     model, corpus, training=affect.Training(epochs=1), terms={"hidden": MaskedSteps}
        ... )
        >>> 0 < run.history["term: hidden"].item() < 1
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "share": FloatDistribution(0.1, 0.5),
        "length": IntDistribution(1, 10),
        "width": _WIDTHS,
    }
    lacking = "holds word indices, which are no features; use MaskedWords"

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        share: float = 0.15,
        length: int = 3,
        width: int = 64,
        modalities: Iterable[str] | None = None,
    ) -> None:
        super().__init__(model, ids, weight, share, length, modalities)
        self.tell = self.heads({m: encoder_of(model, m).in_dim for m in self.modalities}, width)

    def losses(
        self, model: Model, m: str, x: Sequence, hidden: Tensor, again: Output
    ) -> tuple[Tensor, Tensor]:
        truth = x.values
        if not self.keeps_time[m]:
            truth, hidden = x.keep(hidden).mean().unsqueeze(1), hidden.any(1, keepdim=True)
        return (self.told(self.tell[m], m, again) - truth).square().mean(-1), hidden


class MaskedClusters(Masking):
    """Of hidden steps of a modality it is told which cluster of training steps they are near.

    Steps are hidden, and what the head reads is, as in `MaskedSteps`. Before the training, k-means makes
    clusters of the scaled steps of the training split, for each modality, of 50,000 steps spread over it at
    most. A hidden step's class is the nearest centroid. The cross-entropy is divided by log k: 1 is what
    equal chances cost, whatever k is. It is a mean over the hidden steps of a sample, and over samples. Where
    the encoder pools, all hidden steps of a sample are told the same chances.

    Centroids are fitted once, with a seed of their own, and saved with the run. A later stage goes on with
    those of the stage before.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        clusters: how many for each modality, k.
        share: of the observed steps that is hidden, to whole spans and at least one.
        length: of a span, in observed steps; one at an end may be shorter.
        width: hidden units of the perceptron.
        modalities: to be drawn from; by default all but those of word indices.
    Shapes:
        seen -> ()
    Missing:
        as in `MaskedSteps`; clusters are of observed steps.
    Raises:
        ConfigError: fewer than two clusters, or fewer training steps than clusters; and as in `MaskedSteps`.
    Also known as:
        MOC, MRC, masked object classification; masked prediction of cluster assignments, as in HuBERT.
    Reference:
        Chen et al., UNITER: Universal Image-Text Representation Learning, ECCV 2020, section 3.3. Differs:
        classes are clusters, as no detector gives any; the cross-entropy is divided by log k; and as in
        `MaskedSteps`.
    Example:
        >>> corpus = affect.load("synthetic:shared")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> run = affect.fit(
        ...     model, corpus, training=affect.Training(epochs=1), terms={"hidden": MaskedClusters}
        ... )
        >>> 0 < run.history["term: hidden"].item() < 1.1
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **MaskedSteps.search_space,
        "clusters": CategoricalDistribution((16, 32, 64, 128)),
    }
    lacking = MaskedSteps.lacking

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        clusters: int = 64,
        share: float = 0.15,
        length: int = 3,
        width: int = 64,
        modalities: Iterable[str] | None = None,
    ) -> None:
        super().__init__(model, ids, weight, share, length, modalities)
        _SEVERAL.check("MaskedClusters: clusters", clusters)
        self.tell = self.heads(dict.fromkeys(self.modalities, clusters), width)
        self.centroids = ModuleDict(
            {m: _Centroids(clusters, encoder_of(model, m).in_dim) for m in self.modalities}
        )

    def fit(self, model: Model, split: Split) -> None:
        for m in self.modalities:
            own: Any = self.centroids[m]
            if not own.fitted:
                own.fit(f"MaskedClusters: clusters: {m}", _frames(model, m, split))

    def losses(
        self, model: Model, m: str, x: Sequence, hidden: Tensor, again: Output
    ) -> tuple[Tensor, Tensor]:
        told = self.told(self.tell[m], m, again)
        told = told.expand(-1, x.time, -1)
        cost = F.cross_entropy(told.mT, self.centroids[m](x.values), reduction="none")
        return cost / math.log(told.shape[-1]), hidden


class _Centroids(nn.Module):
    """Of clusters; random until they are fitted."""

    points: Tensor
    fitted: Tensor

    def __init__(self, clusters: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("points", torch.randn(clusters, dim))
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, who: str, frames: Tensor) -> None:
        """Make them those of k-means of `frames`, (frames, dim)."""
        from sklearn.cluster import MiniBatchKMeans

        count = len(self.points)
        if len(frames) < count:
            raise ConfigError(
                f"{who} has {len(frames)} steps in training, got {count} clusters; ask for fewer"
            )
        found = MiniBatchKMeans(count, random_state=0, n_init=3).fit(frames.numpy())
        self.points.copy_(torch.from_numpy(found.cluster_centers_))
        self.fitted.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        """The nearest one to each step, (batch, time, dim) -> (batch, time)."""
        return torch.cdist(x.to(self.points), self.points.unsqueeze(0)).argmin(-1)


class MaskedWords(Masking):
    """Hidden words are told from what is left: each from all words of its encoder's vocabulary.

    Words of a modality of word indices are hidden, and the model looks again, at undamaged inputs. Where the
    encoder has a mask token (`PretrainedEncoder`), of the hidden words 80% become that, 10% another word, and
    10% stay as they are; else all are unobserved. A perceptron reads the fused vector and the encoded word,
    or, where that is unobserved, the mean of the nearest encoded words on either side. It gives a vector,
    whose products with the encoder's own word vectors are the scores of all words. The cross-entropy is
    divided by the logarithm of their number, so that 1 is what equal chances cost; it is a mean over the
    sub-words of a word, the hidden words of a sample, and samples.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        share: of the observed words that is hidden, at least one.
        width: hidden units of the perceptron.
        modalities: to be drawn from; by default all that have a vocabulary.
    Shapes:
        seen -> ()
    Missing:
        an unobserved word is not hidden, and a word that is unknown to the encoder is not told. A sample of
        which nothing is left counts for nothing.
    Raises:
        ConfigError: a share that is none; a width below 1; an unknown modality, or one without a vocabulary.
    Also known as:
        MLM, masked language modelling.
    Reference:
        Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers, NAACL 2019, section 3.1, which
        has the shares. Differs: the head reads the fused vector too; all sub-words of a hidden word are
        hidden, and they are told without their order; the cross-entropy is divided.
    Example:
        >>> from functools import partial
        >>> from affect.encoders import EmbeddingEncoder
        >>> words = Sequence.full(torch.tensor([[[1.0], [2.0], [3.0]]]))
        >>> model = affect.FusionModel.for_shape(
        ...     {"text": 1}, affect.Regression("y"), aligned=False, encoder=partial(EmbeddingEncoder, size=9)
        ... )
        >>> term = MaskedWords(model, ("a",))
        >>> batch = affect.Batch({"text": words}, Sequence.vector(torch.zeros(1, 1)), ("a",))
        >>> output = model(batch.inputs)
        >>> seen = affect.objectives.terms.Seen(model, batch, output, batch.inputs, objective=None)
        >>> 0.9 < term(seen).item() < 1.1
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "share": FloatDistribution(0.1, 0.5),
        "width": _WIDTHS,
    }
    needs: ClassVar[tuple[str, ...]] = ("words",)
    lacking = "has no vocabulary; an EmbeddingEncoder or a PretrainedEncoder has one"

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        share: float = 0.15,
        width: int = 64,
        modalities: Iterable[str] | None = None,
    ) -> None:
        super().__init__(model, ids, weight, share, 1, modalities)
        words = {m: encoder_of(model, m).words for m in self.modalities}
        self.tell = self.heads({m: own.shape[1] for m, own in words.items()}, width)
        self.often = ModuleDict({m: _Bias(len(own)) for m, own in words.items()})

    @classmethod
    def hides(cls, encoder: Any) -> bool:
        return encoder.words is not None

    def covered(self, model: Model, m: str, x: Sequence, hidden: Tensor, draws: Draws) -> Sequence:
        encoder = encoder_of(model, m)
        if encoder.masked is None:
            return x.keep(~hidden)
        kind = draws.uniform("kind", x.time).to(x.values.device)
        other = draws.uniform("word", x.time, x.dim).to(x.values.device)
        other = (other * len(encoder.words)).floor().to(x.values) + encoder.first_word
        becomes = torch.where((kind < _MASKED).unsqueeze(-1), encoder.masked, other)
        changes = (hidden & (kind < _REPLACED)).unsqueeze(-1) & (x.values != 0)  # of sub-words that are there
        return x.with_values(torch.where(changes, becomes, x.values))

    def losses(
        self, model: Model, m: str, x: Sequence, hidden: Tensor, again: Output
    ) -> tuple[Tensor, Tensor]:
        encoder = encoder_of(model, m)
        index, words = x.values.round().long(), encoder.words
        place = index - encoder.first_word
        known = (index != encoder.unknown) & (place >= 0) & (place < len(words)) & hidden.unsqueeze(-1)
        told = known.any(-1)
        place, known = place[told].clamp(0, len(words) - 1), known[told]
        vectors = self.told(self.tell[m], m, again).expand(-1, x.time, -1)[told]
        likely = self.often[m](vectors @ words.mT).log_softmax(-1).gather(-1, place)
        cost = -(likely * known).sum(-1) / known.sum(-1) / math.log(len(words))
        return cost.new_zeros(told.shape).masked_scatter(told, cost), told


class _Bias(nn.Module):
    """What is added to the score of each word."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(words))

    def forward(self, scores: Tensor) -> Tensor:
        return scores + self.bias


def _frames(model: Model, m: str, split: Split) -> Tensor:
    """Scaled observed steps of a modality, (frames, dim), spread over the split."""
    rows = split.modalities[m]
    every = math.ceil(max(rows.total, 1) / _FRAMES)
    found = np.concatenate([np.zeros((0, rows.dim)), *(block[::every] for block in rows.chunks())])
    if model.scaler is not None:
        values = torch.from_numpy(found).float().to(model.scaler.scale_of(m).device)
        scaled = model.scaler({m: Sequence.full(values.unsqueeze(0))})[m]
        found = scaled.values[scaled.mask].cpu().double().numpy()
    return torch.from_numpy(found[np.isfinite(found).all(1)])
