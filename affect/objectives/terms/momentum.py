"""Contrast with more to choose from than a batch has: keys of earlier batches are kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor

from affect.bounds import NATURAL
from affect.corruption.draws import hashed
from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Seen
from affect.objectives.terms.contrast import Contrast


class MomentumContrast(Contrast):
    """`Contrast` that chooses among earlier batches too: a queue of keys, made by slow projections.

    What is chosen from are keys: vectors that go through a moving average of the projections, and from which
    no gradient flows. Keys of the batch join the queue after each step, and the oldest ones leave it. As in
    `Contrast`, chance is 1, whatever there is to choose from.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of it.
        width: as in `Contrast`; so are `temperature`, `anchor`, `apart` and `published`.
        temperature: to begin with.
        anchor: a modality that every other one is bound to.
        apart: `sample`; or `group`: keys of the same group are not compared with either.
        published: without the division.
        queue: samples whose keys are kept at most, each once; 0 keeps none. As many as there are in training
            are too many: most keys would be an epoch old.
        momentum: weight of the newest projections in the average: after each step, it moves so much of the
            way to them. At 1 keys are made by the projections themselves.
    Shapes:
        seen -> ()
    Missing:
        as in `Contrast`; a sample of fewer than two modalities does not join the queue. Kept keys of a sample
        that is in the batch are not compared with.
    Raises:
        ConfigError: as `Contrast`; a number out of its range.
    Also known as:
        MoCo, momentum contrast; the image-text contrast of ALBEF.
    Reference:
        He et al., Momentum Contrast for Unsupervised Visual Representation Learning, CVPR 2020, section 3.2;
        Li et al., Align before Fuse, NeurIPS 2021, section 3.2.
        Differs: the moving average is of the projections alone: a copy of the encoders would run once more in
        each step. Encoders move while keys wait, so the queue is short. No soft targets. Theirs is 1 less
        our momentum. The defaults of queue and momentum are our own, for some thousand samples. Groups are
        numbers of their split: a key of the same number in another split is left out, too. On several devices
        the first one's queue is kept: of the rows that it was given.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> terms = {"bind": MomentumContrast}
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1), terms=terms)
        >>> int(run.terms["bind"].used.sum())
        512
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Contrast.search_space,
        "queue": CategoricalDistribution((0, 128, 512, 1024)),
        "momentum": FloatDistribution(1e-3, 1.0, log=True),
    }
    by_sample: ClassVar[bool] = False
    keys: Tensor
    there: Tensor
    names: Tensor
    groups: Tensor
    place: Tensor

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
        queue: int = 512,
        momentum: float = 0.01,
    ) -> None:
        super().__init__(model, ids, weight, width, temperature, anchor, apart, published)
        NATURAL.check("MomentumContrast: queue", queue)
        self.queue, self.momentum = queue, momentum
        self.slow: ModuleDict = copy.deepcopy(self.project).requires_grad_(False)
        self.register_buffer("keys", torch.zeros(len(self.dims), queue, width))
        self.register_buffer("there", torch.zeros(len(self.dims), queue, dtype=torch.bool))
        for name in ("names", "groups"):  # of the samples that the keys are of
            self.register_buffer(name, torch.zeros(queue, dtype=torch.int64))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))  # of the next key

    @property
    def used(self) -> Tensor:
        """Which places of the queue have keys, (queue,)."""
        return self.there.any(0)

    def keys_of(self, seen: Seen, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        kept = zip(self._fresh(seen).items(), self.keys, strict=True)
        return {m: torch.cat([fresh, old.to(fresh)]) for (m, fresh), old in kept}

    def choices(self, seen: Seen, a: str, b: str) -> Tensor:
        there = dict(zip(self.dims, self.there, strict=True))
        kept = there[a] & there[b] & ~torch.isin(self.names, self._names(seen)[self._joins(seen)])
        apart = kept.expand(len(seen.batch), -1)
        if self.apart == "group":
            apart = apart & (self._groups(seen).unsqueeze(1) != self.groups)
        return torch.cat([super().choices(seen, a, b), apart], 1)

    def observe(self, seen: Seen) -> None:
        rows = self._joins(seen).nonzero()[:, 0]
        rows = rows[max(0, len(rows) - self.queue) :]
        names = self._names(seen)[rows]
        self.there[:, torch.isin(self.names, names)] = False  # none is kept twice
        if self.queue:
            places = (self.place + torch.arange(len(rows), device=rows.device)) % self.queue
            for at, (m, fresh) in enumerate(self._fresh(seen).items()):
                self.keys[at, places] = fresh[rows].to(self.keys)
                self.there[at, places] = seen.present[m][rows]
            self.names[places] = names
            if self.apart == "group":
                self.groups[places] = self._groups(seen)[rows]
            self.place.copy_((self.place + len(rows)) % self.queue)
        for slow, own in zip(self.slow.parameters(), self.project.parameters(), strict=True):
            slow.lerp_(own, self.momentum)

    def _fresh(self, seen: Seen) -> dict[str, Tensor]:
        """The keys of the batch, (batch, width)."""
        with torch.no_grad():
            return self.embedded(seen.vectors, self.slow)

    def _joins(self, seen: Seen) -> Tensor:
        """(batch,): whether a sample has two modalities to compare."""
        return torch.stack([*seen.present.values()]).sum(0) > 1

    def _names(self, seen: Seen) -> Tensor:
        """(batch,): a number for each id, the same in every process and split."""
        return hashed(seen.batch.ids).to(self.names.device)
