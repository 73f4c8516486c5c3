"""What terms have in common that compare projections of two modalities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeAlias, cast

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from torch import Tensor, nn

from affect.bounds import COUNT
from affect.errors import ConfigError, did_you_mean
from affect.layers import perceptron
from affect.naming import ModuleDict
from affect.objectives.terms.base import Model, Seen, Term

Counted: TypeAlias = tuple[Tensor, Tensor]
"""A value, and whether it counts."""


class Projected(Term):
    """What the terms here have in common: a perceptron of each modality's mean vector, and pairs of these."""

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        **Term.search_space,
        "width": CategoricalDistribution((8, 16, 32, 64)),
    }
    compares: ClassVar[bool] = True

    def __init__(
        self, model: Model, ids: tuple[str, ...], weight: float, width: int, anchor: str | None
    ) -> None:
        super().__init__(model, ids, weight)
        self.check_several()
        who = type(self).__name__
        COUNT.check(f"{who}: width", width)
        if anchor is not None and anchor not in self.dims:
            raise ConfigError(f"{who}: anchor: no modality '{anchor}'; {did_you_mean(anchor, self.dims)}")
        self.width, self.anchor = width, anchor
        self.project = ModuleDict({m: perceptron(d, width, 1, 0.0) for m, d in self.dims.items()})

    def without_last_bias(self) -> None:
        """Let the last bias of each perceptron not learn: a term of centred values is the same with any."""
        for project in self.project.values():
            last = cast(nn.Sequential, project)[-1]
            cast(nn.Linear, last).bias.requires_grad_(False)

    def embedded(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Where each modality of each sample lies, (batch, width).

        Args:
            vectors: the mean of each encoded modality over its steps, (batch, dim).
        """
        kind = next(self.project.parameters()).dtype
        return {m: self.project[m](v.to(kind)) for m, v in vectors.items()}

    def forward(self, seen: Seen) -> Tensor:
        lies, values, counts = self.embedded(seen.vectors), [], []
        for a, b, both in seen.pairs(self.anchor):
            value, there = self.of_pair(lies[a], lies[b], both)
            values.append(value * there)
            counts.append(there)
        if not values:
            return torch.stack([x.sum() for x in lies.values()]).sum() * 0
        return torch.stack(values).sum() / torch.stack(counts).sum().clamp(min=1)

    def of_pair(self, x: Tensor, y: Tensor, both: Tensor) -> Counted:
        """What two modalities give, of the samples that have both, and whether these are enough."""
        raise NotImplementedError


def centred(x: Tensor, there: Tensor) -> Tensor:
    """(batch, width): less the mean of the rows that are there; zeros elsewhere."""
    share = there.to(x.dtype) / there.sum().clamp(min=1)
    return (x - share @ x) * there.unsqueeze(-1)
