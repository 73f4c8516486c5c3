"""A term of balance by prototypes: a modality that is behind is pulled to the means of its classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.bounds import PART, Bounds
from affect.data.targets import Binary, MultiClass, Regression
from affect.errors import ConfigError
from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Seen, Term

if TYPE_CHECKING:
    from affect.data.corpus import Split

_SEVERAL = Bounds("at least 2", 2, limit=1000, whole=True)


class Prototypes(Term):
    """A modality that is behind the others is pulled to the prototypes of its own classes: PMR.

    The prototype of a class is a moving mean of a modality's vectors. By -d, its distance from them by the
    root of their width, a softmax gives the modality's own chances of the classes; s_m is the mean chance of
    the right one. The value is the mean over modalities of clip(mean of the others' s / s_m - 1, 0, 1) times
    the cross-entropy of these chances: nothing of a modality that is ahead. Numbers have `bins` classes, cut
    where as many training labels are on each side.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        momentum: share of the newest batch in a prototype.
        bins: classes of a number.
        published: distances as they are, not by the root of the width.
    Shapes:
        seen -> ()
    Missing:
        a modality that a sample lacks counts for nothing, as does a sample without a label, or one of a class
        that was not seen yet.
    Raises:
        ConfigError: fewer than two modalities; several labels at once, or one per step; a number out of its
            range.
    Also known as:
        PMR, prototypical modal rebalance.
    Reference:
        Fan et al., PMR: Prototypical Modal Rebalance for Multimodal Learning, CVPR 2023, equations 7 to 10.
        Differs: any number of modalities; prototypes move with every batch; no entropy term.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> terms = {"behind": Prototypes}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=2), terms=terms)
        >>> run.history["term: behind"].iloc[-1].item() > 0
        True
    """

    needs_labels: ClassVar[bool] = True
    compares: ClassVar[bool] = True
    by_sample: ClassVar[bool] = False
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "momentum": FloatDistribution(0.05, 0.5, log=True),
    }
    edges: Tensor

    def __init__(
        self,
        model: Model,
        ids: tuple[str, ...],
        weight: float = 1.0,
        momentum: float = 0.2,
        bins: int = 3,
        published: bool = False,
    ) -> None:
        super().__init__(model, ids, weight)
        self.check_several()
        PART.check("Prototypes: momentum", momentum)
        _SEVERAL.check("Prototypes: bins", bins)
        target = self.target
        if target.per_step or not isinstance(target, Regression | Binary | MultiClass):
            what = "a label per step" if target.per_step else "several labels at once"
            raise ConfigError(f"Prototypes: '{target.name}' has {what}; it is for one number or class")
        self.momentum, self.published = momentum, published
        classes = bins if isinstance(target, Regression) else getattr(target, "count", 2)
        self.means = ModuleDict({m: _Means(classes, dim) for m, dim in self.dims.items()})
        self.register_buffer("edges", torch.zeros(bins - 1 if isinstance(target, Regression) else 0))

    def fit(self, model: Model, split: Split) -> None:
        if isinstance(self.target, Regression) and not self.edges.any():
            labels = torch.from_numpy(split.labels(self.target.name)[:, 0])
            if len(labels):
                shares = torch.arange(1, len(self.edges) + 1, dtype=labels.dtype) / (len(self.edges) + 1)
                self.edges.copy_(labels.quantile(shares))

    def forward(self, seen: Seen) -> Tensor:
        classes, costs, chances = self._classes(seen), {}, {}
        for m, vectors in seen.vectors.items():
            means: Any = self.means[m]
            known = means.known
            apart = torch.linalg.vector_norm(vectors.unsqueeze(1) - means.points.to(vectors), dim=-1)
            if not self.published:
                apart = apart / vectors.shape[-1] ** 0.5
            logs = (-apart).masked_fill(~known, -torch.inf)
            there = seen.present[m] & seen.batch.target.present & known[classes] & (known.sum() > 1)
            logs = torch.where(there.unsqueeze(1), logs, 0.0).log_softmax(1)
            cost = F.nll_loss(logs, classes, reduction="none")
            costs[m] = seen.mean(torch.where(there, cost, 0.0), there)
            if there.any():
                chances[m] = seen.mean(torch.where(there, (-cost).exp(), 0.0), there).detach()
        parts = []
        for m, cost in costs.items():
            others = [chance for name, chance in chances.items() if name != m]
            if m in chances and others:
                behind = (torch.stack(others).mean() / chances[m].clamp(min=1e-8) - 1).clamp(0, 1)
                parts.append(behind * cost)
            else:
                parts.append(0 * (cost + seen.output.fused.values.sum()))
        return torch.stack(parts).mean()

    def observe(self, seen: Seen) -> None:
        classes = self._classes(seen)
        for m, vectors in seen.vectors.items():
            means: Any = self.means[m]
            means.move(vectors, classes, seen.present[m] & seen.batch.target.present, self.momentum)

    def _classes(self, seen: Seen) -> Tensor:
        """Of each sample, (batch,); any of one without a label."""
        labels = seen.batch.target.mean()[:, 0]
        if isinstance(self.target, Regression):
            return torch.bucketize(labels.contiguous(), self.edges.to(labels))
        return labels.round().long()


class _Means(nn.Module):
    """A moving mean of each class, and whether it has been seen."""

    points: Tensor
    known: Tensor

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("points", torch.zeros(classes, dim))
        self.register_buffer("known", torch.zeros(classes, dtype=torch.bool))

    def move(self, vectors: Tensor, classes: Tensor, there: Tensor, momentum: float) -> None:
        """Towards the mean of each class that is there."""
        own = F.one_hot(classes, len(self.points)).to(self.points) * there.unsqueeze(1)
        count = own.sum(0)
        mean = own.mT @ vectors.to(self.points) / count.clamp(min=1).unsqueeze(1)
        share = torch.where(self.known, momentum, 1.0) * (count > 0)
        self.points.lerp_(mean, share.unsqueeze(1).to(self.points))
        self.known |= count > 0
