"""Terms of balance: each modality learns the label by itself, and none leaves the others behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor

from affect.bounds import NOT_NEGATIVE
from affect.data.targets import Regression
from affect.errors import ConfigError, ShapeError, did_you_mean
from affect.heads import head_for
from affect.naming import ModuleDict
from affect.objectives.supervised import objective_for
from affect.objectives.terms.base import Model, Seen, Term
from affect.sequences import Sequence

if TYPE_CHECKING:
    from affect.data.corpus import Split


_OF_MODALITIES: Final = ("projected", "shared", "private", "attended")
"""What a fusion may offer of each modality: others are of pairs."""


class UnimodalHeads(Term):
    """A linear head for each modality predicts the label from that modality alone.

    The plain loss of the kind of target, a mean over samples, and over modalities. No modality's encoder can
    leave all to another one: what any method of balance has to beat.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        of: what the heads read: the encoders' steps by default, else what the fusion offers of each modality:
            `projected`, `shared`, `private` or `attended`.
    Shapes:
        seen -> ()
    Missing:
        a modality that a sample lacks counts for nothing, as do a sample, and a step, without a label.
    Raises:
        ConfigError: the fusion does not offer `of`, or there is a label per step, and it is given.
    Also known as:
        multi-loss, uniform baseline, auxiliary unimodal losses; hierarchical predictions, as in DLF.
    Reference:
        Wang et al., What Makes Training Multi-Modal Classification Networks Hard?, CVPR 2020, section 3
        (naive gradient blending).
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms={"each": UnimodalHeads})
        >>> run.history["term: each"].item() > 0
        True
    """

    needs_labels: ClassVar[bool] = True

    def __init__(
        self, model: Model, ids: tuple[str, ...], weight: float = 1.0, of: str | None = None
    ) -> None:
        super().__init__(model, ids, weight)
        self.of, self.read = of, self.dims if of is None else self._offered(model, of)
        made = head_for(self.target)
        self.heads = ModuleDict({m: made(dim, self.target, dropout=0.0) for m, dim in self.read.items()})
        self.objective = objective_for(self.target)(self.target)

    def forward(self, seen: Seen) -> Tensor:
        return torch.stack([seen.mean(*own) for own in self.losses(seen).values()]).mean()

    def losses(self, seen: Seen) -> dict[str, tuple[Tensor, Tensor]]:
        """Of each modality's head, for each sample, and whether it counts; (batch,) each."""
        found = {}
        for m, prediction in self.predictions(seen).items():
            x, truth = seen.output.encoded[m], seen.batch.target
            there = x.mask if self.target.per_step else x.present.unsqueeze(1)
            if there.shape != truth.mask.shape:
                raise ShapeError(
                    f"{type(self).__name__}: '{self.target.name}' has a label at each of {truth.time} steps, "
                    f"and {m} has {x.time}; give it as many (an aligned corpus, encoders that keep steps)"
                )
            truth = truth.keep(there)
            output = replace(seen.output, prediction=prediction)
            found[m] = self.objective(output, truth), truth.present
        return found

    def predictions(self, seen: Seen) -> dict[str, Tensor]:
        """What each modality's head says, (batch, steps, target.outputs) each."""
        kind = next(self.heads.parameters()).dtype  # autocast has left half precision, and may be over
        read = seen.output.encoded
        if self.of is not None:
            read = {m: Sequence.vector(v, seen.present[m]) for m, v in self.vectors(seen).items()}
        return {m: self.heads[m](x.with_values(x.values.to(kind))) for m, x in read.items()}

    def vectors(self, seen: Seen) -> dict[str, Tensor]:
        """What is read of each modality, a mean over its steps, (batch, dim)."""
        return seen.vectors if self.of is None else seen.extra(self.of)

    def _offered(self, model: Model, of: str) -> dict[str, int]:
        """Sizes of what the fusion offers of each modality."""
        who, offers = type(self).__name__, model.fusion.offers
        if of not in _OF_MODALITIES:
            raise ConfigError(f"{who}: of: no '{of}'; {did_you_mean(of, _OF_MODALITIES)}")
        if of not in offers:
            raise ConfigError(
                f"{who}: of: {type(model.fusion).__name__} does not offer {of}; it offers "
                f"{', '.join(offers) or 'nothing'}"
            )
        if self.target.per_step:
            raise ConfigError(
                f"{who}: of: '{self.target.name}' has a label per step, and {of} is a vector; leave it out"
            )
        return dict.fromkeys(self.dims, offers[of])


class GradientModulation(UnimodalHeads):
    """`UnimodalHeads`, and the encoder of a modality that is ahead of the others takes shorter steps: OGM.

    The confidence of a modality's head is s_m, the mean of exp(-loss) over the batch: for classes the
    geometric mean of what is given to the right one. The loss of numbers is divided by that of the best
    constant. With ratio_m = s_m by the mean of the others', a step of the modality's encoder is shortened
    to 1 - tanh(strength * (ratio_m - 1)) of itself where its ratio is above 1. The step is shortened, not
    the gradient, which Adam would scale up again.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of the heads' loss.
        strength: of the shortening; 0 leaves `UnimodalHeads`.
        published: to 1 - tanh(strength * ratio_m), as in the authors' code, which jumps where the ratio is 1.
    Shapes:
        seen -> ()
    Missing:
        as in `UnimodalHeads`; a modality that no sample of a batch has neither shortens steps nor is
        shortened.
    Raises:
        ConfigError: a strength below zero.
    Also known as:
        OGM, OGM-GE (without its noise), on-the-fly gradient modulation.
    Reference:
        Peng et al., Balanced Multimodal Learning via On-the-fly Gradient Modulation, CVPR 2022, equations 8
        to 10.
        Differs: heads of each modality, in place of the parts of one linear layer, so that any fusion does;
        no noise is added; steps of any optimiser are shortened.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> terms = {"each": GradientModulation}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: each"].item() > 0
        True
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "strength": FloatDistribution(0.1, 3.0, log=True),
    }
    usual: Tensor

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        strength: float = 0.5,
        published: bool = False,
    ) -> None:
        super().__init__(model, ids, weight)
        NOT_NEGATIVE.check("GradientModulation: strength", strength)
        self.strength, self.published = strength, published
        self.register_buffer("usual", torch.ones(()))

    def fit(self, model: Model, split: Split) -> None:
        if isinstance(self.target, Regression) and self.usual == 1:
            labels = torch.from_numpy(split.labels(self.target.name)).to(self.usual)
            if len(labels):
                self.usual.copy_((labels - labels.median(0).values).abs().mean().clamp(min=1e-6))

    def paces(self, seen: Seen) -> Mapping[str, Tensor]:
        confidence = {
            m: ((-losses / self.usual).exp() * counts).sum() / counts.sum()
            for m, (losses, counts) in self.losses(seen).items()
            if counts.any()
        }
        shares = {}
        for m, own in confidence.items():
            others = [other for name, other in confidence.items() if name != m]
            if not others:
                continue
            ratio = own / torch.stack(others).mean()
            ahead = ratio if self.published else ratio - 1
            shares[m] = torch.where(ratio > 1, 1 - (self.strength * ahead).tanh(), torch.ones_like(ratio))
        return shares
