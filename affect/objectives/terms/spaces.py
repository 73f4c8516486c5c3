"""Terms about the spaces that modalities lie in: shared ones that are alike, private ones that are apart."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Seen, Term


class Similarity(Term):
    """The shared parts of any two modalities have the same central moments: CMD.

    ||E x - E y|| + sum over k = 2..orders of ||C_k(x) - C_k(y)||, C_k the k-th central moment of each
    feature over the samples that have both modalities, a mean over pairs of modalities. The features are
    taken to lie between 0 and 1, as those of `SharedPrivateFusion` do. Norms are divided by the root of the
    width, so that a weight means the same at any; `published` leaves that out.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it; 1.0 in the authors' code, 0.3 to 1.0 where it was tuned.
        orders: of moments.
        published: as in the authors' code: sqrt(width) times as much.
    Shapes:
        seen -> ()
    Missing:
        a sample counts for the pairs of modalities that it has; fewer than two have no difference.
    Also known as:
        MISA's similarity loss, central moment discrepancy.
    Reference:
        Zellinger et al., Central Moment Discrepancy (CMD) for Domain-Invariant Representation Learning, ICLR
        2017; Hazarika et al., MISA, ACM Multimedia 2020, section 3.5.2.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.SharedPrivateFusion)
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms={"alike": Similarity})
        >>> run.history["term: alike"].item() > 0
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("shared",)
    compares: ClassVar[bool] = True

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        orders: int = 5,
        published: bool = False,
    ) -> None:
        super().__init__(model, ids, weight)
        self.orders, self.published = orders, published

    def forward(self, seen: Seen) -> Tensor:
        shared = seen.extra("shared")
        found = [self._apart(shared[a], shared[b], both) for a, b, both in seen.pairs()]
        return _mean_of_pairs(found, seen)

    def _apart(self, x: Tensor, y: Tensor, both: Tensor) -> Tensor:
        one, other = (self._moments(part, both) for part in (x, y))
        squares = (one - other).square()  # (orders, width)
        size = squares.sum(-1) if self.published else squares.mean(-1)
        return (size + 1e-12).sqrt().sum()  # whose gradient is finite where there is no difference

    def _moments(self, x: Tensor, there: Tensor) -> Tensor:
        """(orders, width)."""
        share = there.to(x.dtype) / there.sum().clamp(min=1)
        mean = share @ x
        centred = (x - mean) * there.unsqueeze(-1)
        return torch.stack([mean, *(share @ centred**order for order in range(2, self.orders + 1))])


class Difference(Term):
    """Private parts have no direction in common with shared ones, nor with one another.

    ||X' Y||^2 / n^2 of parts X and Y, (n, width), whose mean over the batch was taken off and whose rows have
    length 1: 0 where they have nothing in common, 1 where all rows are as one. A mean over each modality's
    private and shared part, and any two private ones. `published` is the authors' code: (n / width)^2 times
    as much, summed over parts, so that its weight is another at each batch size and width.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it; 0.3 in the authors' code, where `published`. By default it holds 5% or more of the
            gradient beside the other two of MISA (`python -m experiments.planted parts`).
        published: as said.
    Shapes:
        seen -> ()
    Missing:
        a sample counts for the modalities that it has.
    Also known as:
        MISA's difference loss, soft orthogonality.
    Reference:
        Bousmalis et al., Domain Separation Networks, NeurIPS 2016; Hazarika et al., MISA, ACM Multimedia
        2020, section 3.5.3. Differs: gradients flow through the lengths of rows, which the authors' code
        holds fixed.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.SharedPrivateFusion)
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms={"apart": Difference})
        >>> 0 < run.history["term: apart"].item() < 1
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("shared", "private")
    compares: ClassVar[bool] = True

    def __init__(
        self, model: Model, ids: tuple[str, ...], weight: float = 0.5, published: bool = False
    ) -> None:
        super().__init__(model, ids, weight)
        self.published = published

    def forward(self, seen: Seen) -> Tensor:
        shared, private = (seen.extra(name) for name in self.needs)
        found = [self._common(private[m], shared[m], there) for m, there in seen.present.items()]
        found += [self._common(private[a], private[b], both) for a, b, both in seen.pairs()]
        return torch.stack(found).sum() if self.published else torch.stack(found).mean()

    def _common(self, x: Tensor, y: Tensor, there: Tensor) -> Tensor:
        count = there.sum().clamp(min=1)
        share = there.to(x.dtype) / count
        x, y = (F.normalize((z - share @ z) * there.unsqueeze(-1), dim=-1, eps=1e-6) for z in (x, y))
        squares = (x.mT @ y).square()
        return squares.mean() if self.published else squares.sum() / count**2


class Reconstruction(Term):
    """A linear decoder of each modality finds its vector again from the sum of its two parts.

    The mean squared error over features, samples and modalities.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it; 1.0 in the authors' code; the default is as in `Difference`.
    Shapes:
        seen -> ()
    Missing:
        a modality that a sample lacks is not found again.
    Also known as:
        MISA's reconstruction loss.
    Reference:
        Hazarika et al., MISA, ACM Multimedia 2020, section 3.5.4. As in the authors' code, what is found
        again is not held fixed: it moves towards its decoder.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.SharedPrivateFusion)
        >>> run = affect.fit(
        ...     model, corpus, training=affect.Training(epochs=1), terms={"rebuilt": Reconstruction}
        ... )
        >>> list(run.terms["rebuilt"].state_dict())[:2]
        ['decoders.acoustic.weight', 'decoders.acoustic.bias']
    """

    needs: ClassVar[tuple[str, ...]] = ("projected", "shared", "private")

    def __init__(self, model: Model, ids: tuple[str, ...], weight: float = 4.0) -> None:
        super().__init__(model, ids, weight)
        width = model.fusion.offers.get("projected", 1)  # one: it is refused for what is not offered
        self.decoders = ModuleDict({m: nn.Linear(width, width) for m in self.dims})

    def forward(self, seen: Seen) -> Tensor:
        told, shared, private = (seen.extra(name) for name in self.needs)
        errors = [
            seen.mean((self.decoders[m](shared[m] + private[m]) - told[m]).square().mean(-1), there)
            for m, there in seen.present.items()
        ]
        return torch.stack(errors).mean()


class MaximumMeanDiscrepancy(Term):
    """The shared parts of any two modalities are as of one distribution, to a sum of Gaussian kernels: MMD.

    mean k(x, x') + mean k(y, y') - 2 mean k(x, y), without k(x, x): unbiased, so that it may be below zero.
    The kernels are as wide as 1/4, 1/2, 1, 2 and 4 of the median squared distance of the batch.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
    Shapes:
        seen -> ()
    Missing:
        a sample counts for the pairs of modalities that it has; a pair that fewer than two have counts as 0.
    Also known as:
        MMD, kernel two-sample test.
    Reference:
        Gretton et al., A Kernel Two-Sample Test, JMLR 2012, lemma 6.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.SharedPrivateFusion)
        >>> terms = {"alike": MaximumMeanDiscrepancy}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: alike"].item() > 0
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("shared",)
    compares: ClassVar[bool] = True

    def forward(self, seen: Seen) -> Tensor:
        shared = seen.extra("shared")
        found = [mean_discrepancy(shared[a][both], shared[b][both]) for a, b, both in seen.pairs()]
        return _mean_of_pairs(found, seen)


_WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)


class CorrelationAlignment(Term):
    """The shared parts of any two modalities have the same covariance: CORAL.

    ||C_a - C_b||^2 / (4 width^2) over the samples that have both, a mean over pairs of modalities.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
    Shapes:
        seen -> ()
    Missing:
        a sample counts for the pairs of modalities that it has; a pair that fewer than two have counts as 0.
    Also known as:
        Deep CORAL.
    Reference:
        Sun and Saenko, Deep CORAL: Correlation Alignment for Deep Domain Adaptation, ECCV Workshops 2016.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.SharedPrivateFusion)
        >>> terms = {"alike": CorrelationAlignment}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: alike"].item() > 0
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("shared",)
    compares: ClassVar[bool] = True

    def forward(self, seen: Seen) -> Tensor:
        shared = seen.extra("shared")
        found = []
        for a, b, both in seen.pairs():
            found.append(covariance_distance(shared[a][both], shared[b][both]))
        return _mean_of_pairs(found, seen)


class DomainConfusion(Term):
    """Nobody can tell of a shared part which modality it is of: a classifier learns to, against its gradient.

    The cross-entropy of a perceptron that is given shared parts. It learns to tell them apart, and the model,
    whose gradient is turned around, to make it fail. At best for the model it is log of the number of
    modalities.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        hidden: units of the classifier.
        growth: in how many epochs the turned gradient grows from none to nearly all: by
            2 / (1 + exp(-10 epoch / growth)) - 1; 0 turns all of it from the beginning.
    Shapes:
        seen -> ()
    Missing:
        a modality that a sample lacks is not asked for.
    Also known as:
        gradient reversal, DANN, adversarial modality classifier.
    Reference:
        Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 2016.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.SharedPrivateFusion)
        >>> terms = {"alike": DomainConfusion}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: alike"].item() > 0
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("shared",)

    def __init__(
        self, model: Model, ids: tuple[str, ...], weight: float = 0.1, hidden: int = 32, growth: int = 0
    ) -> None:
        super().__init__(model, ids, weight)
        self.growth, width = growth, model.fusion.offers.get("shared", 1)
        self.tell = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, len(self.dims)))

    def forward(self, seen: Seen) -> Tensor:
        share = grown(seen.epoch, self.growth)
        shared, losses, counts = seen.extra("shared"), [], []
        for place, (m, there) in enumerate(seen.present.items()):
            told = self.tell(turned(shared[m], share))
            truth = torch.full((len(told),), place, device=told.device)
            losses.append(F.cross_entropy(told, truth, reduction="none"))
            counts.append(there)
        return seen.mean(torch.stack(losses), torch.stack(counts))


class _Turned(torch.autograd.Function):
    """What it is given; its gradient is turned around."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, share: float) -> Tensor:
        ctx.share = share  # type: ignore[attr-defined]
        return x.view_as(x)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        return -ctx.share * grad, None  # type: ignore[attr-defined]


def grown(epoch: int, growth: int) -> float:
    """The share of the gradient that is turned around in an epoch: from none to nearly all.

    Example:
        >>> grown(0, 10), round(grown(10, 10), 4), grown(0, 0)
        (0.0, 0.9999, 1.0)
    """
    return 2 / (1 + math.exp(-10 * epoch / growth)) - 1 if growth else 1.0


def turned(x: Tensor, share: float = 1.0) -> Tensor:
    """The same, whose gradient is turned around.

    Args:
        x: any.
        share: of the gradient that is turned.
    Example:
        >>> x = torch.ones(1, requires_grad=True)
        >>> turned(x, 0.5).backward()
        >>> x.grad
        tensor([-0.5000])
    """
    found: Tensor = _Turned.apply(x, share)  # type: ignore[no-untyped-call]  # torch's
    return found


def mean_discrepancy(x: Tensor, y: Tensor) -> Tensor:
    """How far two lots are from one distribution, to a sum of Gaussian kernels (`MaximumMeanDiscrepancy`).

    Shapes:
        x: (samples, width), y: (other samples, width) -> (), 0 where one of them has fewer than two
    Example:
        >>> mean_discrepancy(torch.tensor([[0.0], [1.0]]), torch.tensor([[8.0], [9.0], [7.0]])) > 1
        tensor(True)
    """
    count, every = len(x), torch.cat([x, y])
    if min(count, len(y)) < 2:
        return every.sum() * 0
    squares = (every.unsqueeze(0) - every.unsqueeze(1)).square().sum(-1)
    others = ~torch.eye(len(every), dtype=torch.bool, device=x.device)
    apart = squares.detach()[others]
    middle = ((apart.median() - (-apart).median()) / 2).clamp(min=1e-12)  # torch's own is the lower one
    kernel = torch.stack([(-squares / (middle * wide)).exp() for wide in _WIDTHS]).sum(0)
    within = kernel[:count, :count][others[:count, :count]].mean()
    within = within + kernel[count:, count:][others[count:, count:]].mean()
    return within - 2 * kernel[:count, count:].mean()


def covariance_distance(x: Tensor, y: Tensor) -> Tensor:
    """How far the covariances of two lots are from one another (`CorrelationAlignment`).

    Shapes:
        x: (samples, width), y: (other samples, width) -> ()
    Example:
        >>> covariance_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [0.0]]))
        tensor(1.)
    """
    found = []
    for own in (x, y):
        centred = own - own.sum(0) / max(1, len(own))
        found.append(centred.mT @ centred / max(1, len(own) - 1))
    return (found[0] - found[1]).square().mean() / 4


def _mean_of_pairs(found: list[Tensor], seen: Seen) -> Tensor:
    """The mean over pairs of modalities; zero, with a gradient, where there is none."""
    return torch.stack(found).mean() if found else seen.output.fused.values.sum() * 0
