"""Generative terms: the features of all modalities are told from codes that are drawn, or are as if drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.bounds import COUNT, NOT_NEGATIVE
from affect.corruption.draws import Draws
from affect.errors import ConfigError, did_you_mean
from affect.layers import perceptron
from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Seen, Term
from affect.objectives.terms.hiding import encoder_of
from affect.objectives.terms.spaces import mean_discrepancy

BY = ("product", "mixture")
"""How what modalities say of a code becomes one: MVAE, MMVAE."""


class _Generative(Term):
    """What the terms here have in common: decoders of the mean scaled features of each modality."""

    def __init__(self, model: Model, ids: tuple[str, ...], weight: float, width: int) -> None:
        super().__init__(model, ids, weight)
        COUNT.check(f"{type(self).__name__}: width", width)
        self.told = [m for m in self.dims if not encoder_of(model, m).reads_indices]
        if not self.told:
            raise ConfigError(
                f"{type(self).__name__}: all modalities are word indices, which are no features; leave it out"
            )

    def decoders(self, model: Model, in_dim: int, width: int) -> ModuleDict:
        """A perceptron from a code to the features of each modality."""
        sizes = {m: encoder_of(model, m).in_dim for m in self.told}
        return ModuleDict({m: perceptron(in_dim, size, 1, 0.0, hidden=width) for m, size in sizes.items()})

    def truth(self, seen: Seen) -> dict[str, Tensor]:
        """The mean scaled features of each modality, undamaged, (batch, in_dim)."""
        kind = next(self.parameters()).dtype
        clean = {m: seen.batch.inputs[m] for m in seen.model.encoders}
        scaled = clean if seen.model.scaler is None else seen.model.scaler(clean)
        return {m: scaled[m].mean().to(kind) for m in self.told}


class SharedLatent(_Generative):
    """The features of all modalities of a sample are told from one code, drawn of what each says of it.

    Each modality gives the code a normal density. `product`: those of a subset of the modalities, times the
    standard normal prior; each modality of the subset is told; the subsets are all that the sample has, and
    each alone. `mixture`: the code is drawn of one modality after the other, and all that the sample has are
    told. The value of a draw is half the squared error, a mean over features and over the modalities that are
    told, plus `divergence` times the Kullback-Leibler divergence of the density from the prior, a mean over
    the code; the value of a sample is the mean over its draws.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        by: `product` or `mixture`.
        divergence: of a density from the prior.
        width: of the code, and of hidden layers.
        published: sums over features, modalities and the code, in place of means.
    Shapes:
        seen -> ()
    Missing:
        a modality that a sample lacks, or that damage has taken, gives no density; what it was is told where
        it is known. Word indices are not told.
    Raises:
        ConfigError: an unknown way; a number out of its range; word indices alone.
    Also known as:
        MVAE (product of experts), MMVAE (mixture of experts), multimodal variational autoencoder.
    Reference:
        Wu and Goodman, Multimodal Generative Models for Scalable Weakly-Supervised Learning, NeurIPS 2018,
        sections 2.2 and 2.3; Shi et al., Variational Mixture-of-Experts Autoencoders for Multi-Modal Deep
        Generative Models, NeurIPS 2019. Differs: the code shapes the encoders, and the model's own fusion
        predicts; mean features are told, not sequences; one draw, and each expert's own divergence.
    Example:
        >>> corpus = affect.load("synthetic:shared")
        >>> model = affect.FusionModel.for_corpus(corpus, "sentiment")
        >>> terms = {"latent": SharedLatent}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> 0 < run.history["term: latent"].item() < 2
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "divergence": FloatDistribution(1e-3, 1.0, log=True),
        "width": CategoricalDistribution((8, 16, 32)),
    }

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 0.1,
        by: str = "product",
        divergence: float = 0.1,
        width: int = 16,
        published: bool = False,
    ) -> None:
        super().__init__(model, ids, weight, width)
        if by not in BY:
            raise ConfigError(f"SharedLatent: by: no '{by}'; {did_you_mean(by, BY)}")
        NOT_NEGATIVE.check("SharedLatent: divergence", divergence)
        self.by, self.divergence, self.published = by, float(divergence), published
        self.experts = ModuleDict({m: nn.Linear(dim, 2 * width) for m, dim in self.dims.items()})
        self.decode = self.decoders(model, width, 2 * width)

    def densities(self, seen: Seen) -> dict[str, tuple[Tensor, Tensor]]:
        """The mean and the precision of each modality's density, (batch, width) each."""
        kind = next(self.parameters()).dtype
        found = {m: self.experts[m](v.to(kind)).chunk(2, -1) for m, v in seen.vectors.items()}
        return {m: (mean, F.softplus(raw) + 1e-3) for m, (mean, raw) in found.items()}

    def forward(self, seen: Seen) -> Tensor:
        densities, truth = self.densities(seen), self.truth(seen)
        draws = Draws(seen.batch.ids, seen.draw).apart("SharedLatent")
        known = {m: seen.batch.inputs[m].present for m in self.told}
        values, counts = [], []
        for name, members in self._draws():
            mean, precision, some = self._joined(densities, seen.present, members)
            noise = draws.normal(name, mean.shape[-1]).to(mean)
            code = mean + noise * precision.rsqrt()
            told = {m: known[m] & self._asked(seen, members, m) for m in self.told}
            values.append(self._error(code, truth, told) + self._divergence(mean, precision))
            counts.append(some & torch.stack([*told.values()]).any(0))
        every = torch.stack(counts, 1)
        value = (torch.stack(values, 1) * every).sum(1) / every.sum(1).clamp(min=1)
        return seen.mean(value, every.any(1))

    def _draws(self) -> list[tuple[str, list[str]]]:
        """Names of what is drawn, and the modalities that it is drawn of."""
        alone = [(m, [m]) for m in self.dims]
        return alone if self.by == "mixture" else [("all", [*self.dims]), *alone]

    def _joined(
        self,
        densities: Mapping[str, tuple[Tensor, Tensor]],
        present: Mapping[str, Tensor],
        members: list[str],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The product of some densities and the prior; in a mixture of one, that one alone."""
        there = torch.stack([present[m] for m in members], 1)
        means, precisions = (torch.stack([densities[m][part] for m in members], 1) for part in (0, 1))
        if self.by == "mixture":
            return means[:, 0], precisions[:, 0], there[:, 0]
        precisions = precisions * there.unsqueeze(-1)
        total = 1 + precisions.sum(1)
        return (precisions * means).sum(1) / total, total, there.any(1)

    def _asked(self, seen: Seen, members: list[str], m: str) -> Tensor:
        """Whether a modality is told of what is drawn, (batch,)."""
        asked = self.by == "mixture" or len(members) > 1 or m in members
        return torch.full_like(seen.present[m], asked)

    def _error(self, code: Tensor, truth: Mapping[str, Tensor], told: Mapping[str, Tensor]) -> Tensor:
        squares = []
        for m in self.told:
            square = (self.decode[m](code) - truth[m]).square() / 2
            squares.append((square.sum(-1) if self.published else square.mean(-1)) * told[m])
        total, count = torch.stack(squares).sum(0), torch.stack([*told.values()]).sum(0)
        return total if self.published else total / count.clamp(min=1)

    def _divergence(self, mean: Tensor, precision: Tensor) -> Tensor:
        each = (mean.square() + 1 / precision - 1 + precision.log()) / 2
        return self.divergence * (each.sum(-1) if self.published else each.mean(-1))


class FactorisedCodes(_Generative):
    """Each modality's features are told from a code of all and one of its own, both as if drawn: MFM.

    The codes are linear maps of the mean of the shared parts, and of a modality's private part. The value is
    the squared error of each modality's features, a mean over features, samples and modalities, and `prior`
    times the mean discrepancy of each code from as many standard normal draws (`MaximumMeanDiscrepancy`).

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        prior: of the codes' distance from normal ones.
        width: of the codes.
    Shapes:
        seen -> ()
    Missing:
        a modality that a sample lacks, or that damage has taken, is not told; a sample without any has no
        code.
    Raises:
        ConfigError: a number out of its range; word indices alone.
    Also known as:
        MFM, multimodal factorization model.
    Reference:
        Tsai et al., Learning Factorized Multimodal Representations, ICLR 2019. Differs: the model's fusion
        predicts, and its shared and private parts are what codes are made of; mean features are told, not
        sequences; no inference for a modality that is missing.
    Example:
        >>> corpus = affect.load("synthetic:shared")
        >>> fusion = affect.fusion.SharedPrivateFusion
        >>> model = affect.FusionModel.for_corpus(corpus, "sentiment", fusion=fusion)
        >>> terms = {"codes": FactorisedCodes}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> 0 < run.history["term: codes"].item() < 2
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("shared", "private")
    compares: ClassVar[bool] = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "prior": FloatDistribution(0.01, 1.0, log=True),
        "width": CategoricalDistribution((4, 8, 16)),
    }

    def __init__(
        self, model: Model, ids: tuple[str, ...], weight: float = 0.1, prior: float = 0.1, width: int = 8
    ) -> None:
        super().__init__(model, ids, weight, width)
        NOT_NEGATIVE.check("FactorisedCodes: prior", prior)
        self.prior = float(prior)
        sizes = [model.fusion.offers.get(name, 1) for name in self.needs]
        self.common = nn.Linear(sizes[0], width)
        self.own = ModuleDict({m: nn.Linear(sizes[1], width) for m in self.told})
        self.decode = self.decoders(model, 2 * width, 2 * width)

    def forward(self, seen: Seen) -> Tensor:
        kind, truth = self.common.weight.dtype, self.truth(seen)
        shared, private = (seen.extra(name) for name in self.needs)
        draws = Draws(seen.batch.ids, seen.draw).apart("FactorisedCodes")
        there = torch.stack([seen.present[m] for m in shared], 1)
        parts = torch.stack([*shared.values()], 1).to(kind) * there.unsqueeze(-1)
        common = self.common(parts.sum(1) / there.sum(1, keepdim=True).clamp(min=1))
        apart, errors = [self._apart(common, there.any(1), draws, "common")], []
        for m in self.told:
            own = self.own[m](private[m].to(kind))
            here = seen.present[m] & seen.batch.inputs[m].present
            apart.append(self._apart(own, here, draws, m))
            square = (self.decode[m](torch.cat([common, own], -1)) - truth[m]).square().mean(-1)
            errors.append(seen.mean(torch.where(here, square, 0.0), here))
        return torch.stack(errors).mean() + self.prior * torch.stack(apart).mean()

    def _apart(self, codes: Tensor, there: Tensor, draws: Draws, name: str) -> Tensor:
        return mean_discrepancy(codes[there], draws.normal(name, codes.shape[-1]).to(codes)[there])
