"""Terms of information theory: bounds on what vectors tell of one another, and on what a code keeps."""

from __future__ import annotations

import itertools
import math
from typing import Any, ClassVar, Literal

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.bounds import COUNT, SHARE
from affect.corruption.draws import Draws
from affect.errors import ConfigError, did_you_mean
from affect.layers import perceptron
from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Seen, Term
from affect.objectives.terms.contrast import choice_losses
from affect.sequences import Output, Sequence

_LOG_VARIANCE = 6.0
"""Of a Gaussian, at most, and its negative at least."""
_LEAST_VARIANCE = 1e-6  # added to that of a batch before its logarithm is taken


class MutualInformation(Term):
    """One modality can be told from another: a bound on their mutual information, by a fitted Gaussian.

    A perceptron gives the mean and the log-variance (between -6 and 6) of q(m | anchor), for each feature of
    modality m's mean vector, from that of the anchor. It is a critic: it learns to make m likely, in steps of
    its own. The term, which then moves the encoders alone, is -H(m) - E log q(m | anchor) in nats, a mean
    over features, samples, and pairs of anchor and modality. H(m) is the entropy of a Gaussian with the
    variance of the feature in the batch: without it, encoders whose vectors shrink have the lowest value.

    I(m; anchor) is at least H(m) + E log q(m | anchor) for the true H(m), which is no greater.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it; 0.1 in the authors' code, where `published`.
        anchor: a modality that every other one is told from, `text` in the authors' code; by default each
            modality is told from each other one.
        width: hidden units of the perceptron.
        rhythm: when critics learn: `step`, a step before each of the model's; `epoch`, a step for each
            training batch before the epoch, as in the authors' code. Then the model runs twice in an epoch.
        published: the sum over features and pairs: for each pair as many times as much as m has features.
    Shapes:
        seen -> ()
    Missing:
        a sample counts for the pairs that it has; a pair that fewer than two samples have counts for nothing.
    Raises:
        ConfigError: fewer than two modalities; an unknown modality or rhythm; a width below 1.
    Also known as:
        Barber-Agakov (BA) bound, MMIM's likelihood (lld) and entropy (H).
    Reference:
        Han et al., Improving Multimodal Fusion with Hierarchical Mutual Information Maximization for
        Multimodal Sentiment Analysis, EMNLP 2021; Barber and Agakov, The IM Algorithm, NIPS 2003. Differs:
        log q is whole; the authors' code leaves out -1/2 of the log-variance, and without it the best
        variance is infinite, by which the term fades away. The entropy is that of the vectors; in the
        authors' code, that of a random layer upon them which never learns, with a covariance for each sign of
        the label. The log-variance is bounded; one perceptron with GELU in place of two with ReLU. With
        `step` another algorithm: q follows the encoders within the epoch, and each batch that it is fitted on
        is the one that it then measures. On MOSEI their code fits q on the first half of the batches alone.
    Example:
        >>> from functools import partial
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> terms = {"telling": partial(MutualInformation, anchor="text", rhythm="epoch")}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: telling"].item() < 3
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "width": CategoricalDistribution((16, 32, 64, 128)),
    }
    compares: ClassVar[bool] = True

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        anchor: str | None = None,
        width: int = 32,
        rhythm: Literal["step", "epoch"] = "step",
        published: bool = False,
    ) -> None:
        super().__init__(model, ids, weight)
        COUNT.check("MutualInformation: width", width)
        self.check_several()
        if anchor is not None and anchor not in self.dims:
            raise ConfigError(
                f"MutualInformation: anchor: no modality '{anchor}'; {did_you_mean(anchor, self.dims)}"
            )
        self.rhythm, self.published = rhythm, published
        anchors = self.dims if anchor is None else [anchor]
        self.pairs = [(a, m) for a in anchors for m in self.dims if m != a]
        self.tell = ModuleDict(
            {
                a: ModuleDict(
                    {m: _GaussianLayer(self.dims[a], self.dims[m], width) for m in self.dims if m != a}
                )
                for a in anchors
            }
        )

    def critics(self) -> nn.Module:
        return self.tell

    def learn(self, seen: Seen) -> Tensor:
        return torch.stack(self._unlikely(seen)).mean()

    def forward(self, seen: Seen) -> Tensor:
        found = []
        for (a, m), unlikely in zip(self.pairs, self._unlikely(seen), strict=True):
            both = seen.present[a] & seen.present[m]
            entropy = _gaussian_entropy(seen.vectors[m], both)
            value = unlikely - (entropy.sum() if self.published else entropy.mean())
            found.append(torch.where(both.sum() > 1, value, 0))
        return torch.stack(found).sum() if self.published else torch.stack(found).mean()

    def told(self, seen: Seen, anchor: str, modality: str) -> tuple[Tensor, Tensor]:
        """The mean and the log-variance of a modality's vector, given the anchor's, (batch, dim) each."""
        layer: Any = self.tell[anchor]
        mean, log_variance = layer[modality](seen.vectors[anchor])
        return mean, log_variance

    def _unlikely(self, seen: Seen) -> list[Tensor]:
        """By pair: the mean of -log q."""
        found = []
        for a, m in self.pairs:
            mean, log_variance = self.told(seen, a, m)
            squares = (seen.vectors[m] - mean).square() * (-log_variance).exp()
            losses = (squares + log_variance + math.log(2 * math.pi)) / 2
            losses = losses.sum(-1) if self.published else losses.mean(-1)
            found.append(seen.mean(losses, seen.present[a] & seen.present[m]))
        return found


def _gaussian_entropy(vectors: Tensor, there: Tensor) -> Tensor:
    """By feature: that of a Gaussian with the variance over the samples that are there, in nats."""
    exact = vectors.to(torch.promote_types(vectors.dtype, torch.float32))
    weights = there.to(exact) / there.sum().clamp(min=1)
    variance = weights @ (exact - weights @ exact).square()
    return ((variance + _LEAST_VARIANCE).log() + math.log(2 * math.pi * math.e)) / 2


class _GaussianLayer(nn.Module):
    """A vector -> the mean and the bounded log-variance of another."""

    def __init__(self, in_dim: int, out_dim: int, width: int) -> None:
        super().__init__()
        self.layers = perceptron(in_dim, 2 * out_dim, 1, 0.0, hidden=width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.layers(x).chunk(2, -1)
        return mean, _bounded(log_variance)


class PredictiveCoding(Term):
    """The fused vector is told from those of other samples by the vector of each modality.

    score(i, j) = cos(m_i, G_m z_j), z the fused vector, G_m a linear layer. Each sample's m is to choose its
    own z among those of the batch's samples that have m: the cross-entropy of the scores, divided by log of
    how many there are, so that chance is 1 at any batch size; a mean over modalities. Cosines are between -1
    and 1 and have no temperature: among n it cannot fall below log(1 + (n - 1) / e^2) / log n.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it; 0.1 in the authors' code, where `published`.
        published: the sum over modalities, without the division: (modalities x log n) times as much.
    Shapes:
        seen -> ()
    Missing:
        a modality that a sample lacks is neither asked for, nor is its fused vector among the choices.
    Also known as:
        contrastive predictive coding (CPC), MMIM's NCE.
    Reference:
        Han et al., Improving Multimodal Fusion with Hierarchical Mutual Information Maximization for
        Multimodal Sentiment Analysis, EMNLP 2021; van den Oord et al., Representation Learning
        with Contrastive Predictive Coding, 2018.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> terms = {"back": PredictiveCoding}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> 0.4 < run.history["term: back"].item() < 1.1
        True
    """

    compares: ClassVar[bool] = True

    def __init__(
        self, model: Model, ids: tuple[str, ...], weight: float = 0.1, published: bool = False
    ) -> None:
        super().__init__(model, ids, weight)
        self.published = published
        self.back = ModuleDict({m: nn.Linear(self.fused_dim, d) for m, d in self.dims.items()})

    def forward(self, seen: Seen) -> Tensor:
        fused, found = seen.output.fused.mean(), []
        for m, vectors in seen.vectors.items():
            there = seen.present[m]
            guessed = F.normalize(self.back[m](fused), dim=-1)
            scores = F.normalize(vectors, dim=-1) @ guessed.mT
            losses, counts = choice_losses(scores, there, self.published)
            found.append(seen.mean(losses, there & counts))
        return torch.stack(found).sum() if self.published else torch.stack(found).mean()


class ContrastiveUpperBound(Term):
    """What two modalities share is made small: E f(x, y) of one sample, less that of two samples.

    f is a critic: a perceptron on both vectors, that learns to choose each sample's own y among those of the
    batch (InfoNCE), in steps of its own. For the best f the value is an upper bound on the mutual information
    of the two modalities, in nats; a mean over pairs of modalities. Below zero it says that f lags behind the
    encoders, which move to deceive it: train f faster, or give the term less weight.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        part: what shares little: what the fusion offers by this name, such as `private`; the mean vectors of
            modalities by default.
        width: of the two hidden layers of f.
        published: with pairs of a sample with itself among those of two samples: (n - 1) / n times as much,
            where n samples of the batch have both; and a sum over pairs of modalities.
    Shapes:
        seen -> ()
    Missing:
        a sample counts for the pairs of modalities that it has; of fewer than two there is nothing to say.
    Raises:
        ConfigError: fewer than two modalities; the fusion does not offer the part; a width below 1.
    Also known as:
        CLUB, NCE-CLUB.
    Reference:
        Liang et al., Factorized Contrastive Learning, NeurIPS 2023, whose critic is fitted by InfoNCE, as
        here; Cheng et al., CLUB, ICML 2020, whose critic is a Gaussian. Differs: it steps before the model's
        step, not after; GELU in place of ReLU; 64 units in place of 512; no condition on the label.
    Example:
        >>> from functools import partial
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.SharedPrivateFusion)
        >>> terms = {"apart": partial(ContrastiveUpperBound, part="private")}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: apart"].item() < 1
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "width": CategoricalDistribution((16, 32, 64, 128)),
    }
    compares: ClassVar[bool] = True

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        part: str | None = None,
        width: int = 64,
        published: bool = False,
    ) -> None:
        super().__init__(model, ids, weight)
        COUNT.check("ContrastiveUpperBound: width", width)
        self.check_several()
        offers = model.fusion.offers
        if part is not None and part not in offers:
            raise ConfigError(
                f"ContrastiveUpperBound: part: {type(model.fusion).__name__} does not offer '{part}'; it "
                f"offers {', '.join(offers) or 'nothing'}"
            )
        self.part, self.published = part, published
        sizes = self.dims if part is None else dict.fromkeys(self.dims, offers[part])
        pairs: dict[str, dict[str, nn.Module]] = {}
        for a, b in itertools.combinations(self.dims, 2):
            pairs.setdefault(a, {})[b] = nn.Sequential(
                perceptron(sizes[a] + sizes[b], width, 1, 0.0),
                nn.GELU(),
                nn.Linear(width, 1, bias=False),  # a bias would be in every score, and cancel
            )
        self.score = ModuleDict({a: ModuleDict(others) for a, others in pairs.items()})

    def critics(self) -> nn.Module:
        return self.score

    def learn(self, seen: Seen) -> Tensor:
        found = []
        for scores, both in self._scored(seen):
            losses, counts = choice_losses(scores, both)
            found.append(seen.mean(losses, both & counts))
        return torch.stack(found).mean()

    def forward(self, seen: Seen) -> Tensor:
        found = []
        for scores, both in self._scored(seen):
            own = torch.eye(len(both), dtype=torch.bool, device=both.device)
            others = both & ~own if not self.published else both.expand(len(both), -1)
            several = others.sum(1)
            apart = (scores * others).sum(1) / several.clamp(min=1)
            found.append(seen.mean(scores.diagonal() - apart, both & (several > 0)))
        return torch.stack(found).sum() if self.published else torch.stack(found).mean()

    def _scored(self, seen: Seen) -> list[tuple[Tensor, Tensor]]:
        """By pair of modalities: f of every two samples, (batch, batch), and who has both, (batch,)."""
        vectors = seen.vectors if self.part is None else seen.extra(self.part)
        found = []
        for a, b, both in seen.pairs():
            count = len(both)
            x = vectors[a].unsqueeze(1).expand(-1, count, -1)
            y = vectors[b].unsqueeze(0).expand(count, -1, -1)
            critics: Any = self.score[a]
            found.append((critics[b](torch.cat([x, y], -1)).squeeze(-1), both))
        return found


class InformationBottleneck(Term):
    """The prediction is learned from a noisy code of the fused vector, that tells little of the sample: VIB.

    The code is N(z, s^2), z the fused vector and s^2 of a linear layer on z. The supervised loss of the
    model's own head on a drawn code takes the place of the supervised loss on z, and the KL divergence of the
    code from N(0, 1), a mean over features and samples, is added with the weight: beta. In evaluation the
    head is given z, the mean of the code, as ever.

    Its value is the divergence + sampled x (loss on the code - loss on z) / weight: with its weight, the loss
    on z that is in the sum of all parts already is taken out again.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: beta; zero leaves the term out.
        sampled: share of the supervised loss that is that of the code; `Consistency` takes a share for its
            clean view, and both together must be 1 at most.
        published: the sum over features: (size of the fused vector) times as much.
    Shapes:
        seen -> ()
    Missing:
        the divergence is that of samples that have a modality; a sample without a label has one too.
    Raises:
        ConfigError: the share is not between 0 and 1.
    Also known as:
        VIB, deep variational information bottleneck.
    Reference:
        Alemi et al., Deep Variational Information Bottleneck, ICLR 2017. Differs: the mean of the code is the
        fused vector itself, so that the forward pass of the model stays as it is; one drawn code; the
        log-variance is between -6 and 6, about -4 to begin with; steps of a per-step target have one each.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> terms = {"narrow": InformationBottleneck}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> list(run.terms["narrow"].state_dict())
        ['spread.weight', 'spread.bias']
    """

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.01,
        sampled: float = 1.0,
        published: bool = False,
    ) -> None:
        super().__init__(model, ids, weight)
        SHARE.check("InformationBottleneck: sampled", sampled)
        self.sampled, self.published = sampled, published
        self.spread = nn.Linear(self.fused_dim, self.fused_dim)
        nn.init.constant_(self.spread.bias, -5.0)

    def forward(self, seen: Seen) -> Tensor:
        fused = seen.output.fused
        if not self.target.per_step:
            fused = Sequence.vector(fused.mean(), fused.present)
        mean, log_variance = fused.values, _bounded(self.spread(fused.values))
        apart = (mean.square() + log_variance.exp() - 1 - log_variance) / 2
        apart = apart.sum(-1) if self.published else apart.mean(-1)
        some = torch.stack([*seen.present.values()]).any(0)
        value = seen.mean(apart, fused.mask & some.unsqueeze(1))
        if not self.sampled or not self.weight:
            return value
        noise = Draws(seen.batch.ids, seen.draw).normal("code", *mean.shape[1:]).to(mean)
        code = fused.with_values(mean + (log_variance / 2).exp() * noise)
        output = seen.output
        coded = Output(seen.model.head(code), code, output.encoded, output.extras)
        return value + self.sampled / self.weight * (seen.objective(coded) - seen.objective(output))


def _bounded(log_variance: Tensor) -> Tensor:
    return _LOG_VARIANCE * (log_variance / _LOG_VARIANCE).tanh()
