"""Terms of balance that look at gradients, and at what each modality would learn by heart."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor

from affect.bounds import COUNT, POSITIVE
from affect.objectives.terms.balance import UnimodalHeads
from affect.objectives.terms.base import Model, Seen, Term

_LEAST = 1e-12


class ParetoGradients(UnimodalHeads):
    """`UnimodalHeads`, whose gradient at an encoder is never against that of the joint loss: MMPareto.

    At what each encoder gives, g is the gradient of the label's loss and u that of the heads' loss, both with
    their weights.
    Where they point the same way (g u > 0) both count a half, else as much as makes the sum shortest, so that
    it is against neither: k g + (1 - k) u. The encoder takes twice the sum, lengthened to |g + u| where it is
    shorter, times `scale`. Heads learn as in `UnimodalHeads`.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of the heads' loss, and so of u.
        scale: of the sum; 1.5 in the authors' code.
    Shapes:
        seen -> ()
    Missing:
        as in `UnimodalHeads`; where a modality is absent there is no gradient. In a stage that learns no
        label, `UnimodalHeads` is left.
    Raises:
        ConfigError: a scale that is not above zero.
    Also known as:
        MMPareto.
    Reference:
        Wei and Hu, MMPareto: Boosting Multimodal Learning with Innocent Unimodal Assistance, ICML 2024.
        Differs: gradients at what an encoder gives, of the batch as a whole, not at its weights; u is of the
        mean over heads, not of their sum; any optimiser.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> terms = {"each": ParetoGradients}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> run.history["term: each"].item() > 0
        True
    """

    compares: ClassVar[bool] = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "scale": FloatDistribution(1.0, 2.0),
    }

    def __init__(self, model: Model, ids: tuple[str, ...], weight: float = 1.0, scale: float = 1.5) -> None:
        super().__init__(model, ids, weight)
        POSITIVE.check("ParetoGradients: scale", scale)
        self.scale = float(scale)

    def forward(self, seen: Seen) -> Tensor:
        apart = [seen.mean(*own) for own in self.losses(seen).values()]
        heads = torch.stack(apart).mean()
        learning = {m: x.values for m, x in seen.output.encoded.items() if x.values.requires_grad}
        if not (torch.is_grad_enabled() and learning and self.weight and seen.label_weight):
            return heads
        given = list(learning.values())
        whole = seen.label_weight * seen.objective(seen.output)
        joint = torch.autograd.grad(whole, given, retain_graph=True, allow_unused=True)
        alone = torch.autograd.grad(heads, given, retain_graph=True, allow_unused=True)
        changed = heads
        for values, g, u in zip(given, joint, alone, strict=True):
            if g is None or u is None:
                continue
            # beside g, which the label's loss gives, and u, which the heads' gives; the weight comes later
            wanted = (combined(g, self.weight * u, self.scale) - g) / self.weight
            beyond = ((wanted - u).detach() * values).sum()
            changed = changed + beyond - beyond.detach()
        return changed


def combined(g: Tensor, u: Tensor, scale: float = 1.0) -> Tensor:
    """One gradient of two, which is against neither of them.

    Args:
        g: one.
        u: the other, of the same shape.
        scale: of what comes out.
    Example:
        >>> combined(torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])).round(decimals=4)
        tensor([0.4472, 0.8944])
    """
    together = (g * u).sum()
    square = (g - u).square().sum()
    shortest = (((u - g) * u).sum() / square.clamp(min=_LEAST)).clamp(0, 1)
    share = torch.where(together > 0, torch.full_like(shortest, 0.5), shortest)
    found = 2 * (share * g + (1 - share) * u)
    length, wanted = found.norm(), (g + u).norm()
    longer: Tensor = found * torch.where(length < wanted, wanted / length.clamp(min=_LEAST), 1.0) * scale
    return longer


class GradientBlending(UnimodalHeads):
    """`UnimodalHeads`, each weighted by how much it still learns, and how little of that by heart: G-Blend.

    Of the label's own loss and of each modality's head, the mean losses of an epoch in training and in
    validation are kept. Every `every` epochs, G is by how much the validation loss has gone down since the
    last time, and O by how much its distance from the training loss has grown; the weight of each is G / O^2.
    Heads are weighted by theirs by that of the label's loss, whose weight stays 1; all begin at 1. Where the
    label's own G is not above zero, weights stay as they are, and a head's whose G is not becomes 0.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of the heads' blended loss.
        every: epochs between two looks.
        most: of a head's weight.
    Shapes:
        seen -> ()
    Missing:
        as in `UnimodalHeads`. Without labels in validation, weights stay as they are. On several devices each
        looks at its own samples.
    Raises:
        ConfigError: a number out of its range.
    Also known as:
        G-Blend, online Gradient-Blending.
    Reference:
        Wang et al., What Makes Training Multi-Modal Classification Networks Hard?, CVPR 2020, section 3.3.
        Differs: all branches learn together in one model, not each in a copy of its own; the label's own
        weight is 1, so that a rate means the same; weights have an upper end.
    Example:
        >>> corpus = affect.load("synthetic:additive")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> terms = {"blend": GradientBlending}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=3), terms=terms)
        >>> run.terms["blend"].shares.shape
        torch.Size([3])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = Term.search_space
    by_sample: ClassVar[bool] = False
    shares: Tensor
    sums: Tensor
    before: Tensor
    looks: Tensor

    def __init__(
        self, model: Model, ids: tuple[str, ...], weight: float = 1.0, every: int = 1, most: float = 5.0
    ) -> None:
        super().__init__(model, ids, weight)
        COUNT.check("GradientBlending: every", every)
        POSITIVE.check("GradientBlending: most", most)
        self.every, self.most = every, float(most)
        branches = len(self.dims) + 1  # the last is the label's own
        self.register_buffer("shares", torch.ones(len(self.dims)))
        self.register_buffer("sums", torch.zeros(2, 2, branches, dtype=torch.float64))
        self.register_buffer("before", torch.full((2, branches), torch.inf, dtype=torch.float64))
        self.register_buffer("looks", torch.tensor(0))

    def forward(self, seen: Seen) -> Tensor:
        apart = torch.stack([seen.mean(*own) for own in self.losses(seen).values()])
        return (self.shares.to(apart) * apart).mean()

    def observe(self, seen: Seen) -> None:
        self._add(0, seen)

    def validate(self, seen: Seen) -> None:
        self._add(1, seen)

    def end_epoch(self) -> None:
        self.looks += 1
        if self.looks % self.every:
            return
        now = self.sums[:, 0] / self.sums[:, 1]  # training and validation, by branch
        self.sums.zero_()
        if torch.isfinite(now).all() and torch.isfinite(self.before).all():
            gained = self.before[1] - now[1]
            grown = (now[1] - now[0]) - (self.before[1] - self.before[0])
            weights = gained.clamp(min=0) / grown.square().clamp(min=_LEAST)
            if weights[-1] > 0:
                self.shares.copy_((weights[:-1] / weights[-1]).clamp(max=self.most))
        self.before.copy_(now)

    def _add(self, which: int, seen: Seen) -> None:
        """The losses of a batch, and of how many labels."""
        with torch.no_grad():
            own = [*self.losses(seen).values()]
            count = seen.batch.target.lengths.sum()
            joint = seen.objective(seen.output) * count
            found = [((losses * there).sum(), there.sum()) for losses, there in own]
            for branch, (total, labels) in enumerate([*found, (joint, count)]):
                self.sums[which, 0, branch] += total
                self.sums[which, 1, branch] += labels
