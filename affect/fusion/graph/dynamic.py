"""A graph over sets of modalities: what they say together."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import ClassVar, TypeAlias

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn

from affect.errors import ConfigError
from affect.fusion.base import Extras, Fusion, VectorFusion
from affect.layers import Activation, perceptron
from affect.naming import ModuleDict
from affect.pooling import Pooling

Set: TypeAlias = tuple[str, ...]
"""Modalities by name."""


class DynamicGraphFusion(VectorFusion):
    """A vertex for every set of modalities, made from those of its parts by how much each matters.

    The vertex of a modality is its vector, projected; that of a larger set is what a network of its own makes
    of the vertices of all its proper subsets; the fused vector is made of all vertices. One network says from
    the single modalities how much comes through each edge (its efficacy, a sigmoid).

    Args:
        dims: feature size of each modality, six modalities at most: there are 2^modalities - 1 vertices.
        out_dim: size of the fused vector.
        width: size of a vertex.
        dropout: rate at which hidden values of the networks are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
        activation: of hidden layers of the networks.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["efficacies"]: (batch, edge), by the sets that edges go to, the fused vector last
    Missing:
        nothing comes from a vertex that has an absent modality in its set: its efficacies are zero.
    Raises:
        ConfigError: a single modality, or more than six.
    Also known as:
        DFG.
    Reference:
        Zadeh et al., Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic
        Fusion Graph, ACL 2018, section 4.1. Differs: on pooled vectors; `PerStep` puts it at each step.
    Example:
        >>> fusion = DynamicGraphFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 32,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        check_vertices(self)
        self.project = ModuleDict({m: nn.Linear(d, width) for m, d in self.dims.items()})
        self.networks, self.efficacy = graph_networks(self.dims, width, dropout, activation)
        self.out = nn.Linear(len(vertices_of(self.dims)) * width, out_dim)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        singles = {m: self.project[m](x) for m, x in vectors.items()}
        vertices, efficacies = grown(singles, present, self.networks, self.efficacy)
        return self.out(vertices), {"efficacies": efficacies}


def check_vertices(fusion: Fusion) -> None:
    """Refuse a single modality, or more than six, to a fusion with a vertex for every set of them.

    Raises:
        ConfigError: the fusion has fewer than two modalities or more than six.
    """
    fusion.require(2)
    if len(fusion.dims) > 6:
        raise ConfigError(
            f"{type(fusion).__name__}: needs 2 to 6 modalities, got {len(fusion.dims)}, which would make "
            f"{2 ** len(fusion.dims) - 1} vertices"
        )


def vertices_of(names: Iterable[str]) -> list[Set]:
    """Every set of modalities but the empty one, the small ones first.

    Example:
        >>> vertices_of("ab")
        [('a',), ('b',), ('a', 'b')]
    """
    names = list(names)
    return [part for size in range(1, len(names) + 1) for part in itertools.combinations(names, size)]


def parts_of(names: Iterable[str]) -> dict[Set, list[Set]]:
    """The proper subsets of every set of two modalities or more.

    Example:
        >>> parts_of("ab")
        {('a', 'b'): [('a',), ('b',)]}
    """
    vertices = vertices_of(names)
    return {v: [u for u in vertices if set(u) < set(v)] for v in vertices if len(v) > 1}


def graph_networks(
    names: Iterable[str], width: int, dropout: float, activation: Activation = "gelu"
) -> tuple[ModuleDict, nn.Sequential]:
    """A network for every vertex of two modalities or more, by its name; and the one of the efficacies."""
    names = list(names)
    parts = parts_of(names)
    networks = {
        str(v): perceptron(len(own) * width, width, 1, dropout, activation=activation)
        for v, own in parts.items()
    }
    edges = sum(len(own) for own in parts.values()) + len(vertices_of(names))
    return ModuleDict(networks), perceptron(len(names) * width, edges, 1, dropout, activation=activation)


def grown(
    singles: Mapping[str, Tensor],
    present: Mapping[str, Tensor],
    networks: ModuleDict,
    efficacy: nn.Module,
    bounded: bool = True,
) -> tuple[Tensor, Tensor]:
    """All vertices of the dynamic fusion graph, each times its efficacy; and the efficacies.

    Args:
        singles: the vertices of single modalities.
        present: which of them are there; nothing comes from a vertex with another in its set.
        networks: for every vertex of two modalities or more, by its name (`graph_networks`).
        efficacy: draws the efficacies from the vertices of single modalities.
        bounded: whether these go through a sigmoid.
    Shapes:
        singles[m]: (..., width), present[m]: (...) bool -> (..., vertices * width), (..., edge)
    Example:
        >>> networks, efficacy = graph_networks("ab", 4, dropout=0.0)
        >>> singles = {m: torch.ones(2, 7, 4) for m in "ab"}
        >>> present = {m: torch.ones(2, 7, dtype=torch.bool) for m in "ab"}
        >>> [x.shape for x in grown(singles, present, networks, efficacy)]
        [torch.Size([2, 7, 12]), torch.Size([2, 7, 5])]
    """
    vertices = vertices_of(singles)
    there = {v: torch.stack([present[m] for m in v]).all(0).unsqueeze(-1) for v in vertices}
    value: dict[Set, Tensor] = {(m,): x * there[m,] for m, x in singles.items()}
    drawn = efficacy(torch.cat(list(value.values()), -1))
    efficacies = (drawn.sigmoid() if bounded else drawn).split(1, -1)
    used: list[Tensor] = []

    def weighted(parts: list[Set]) -> Tensor:
        own = [efficacies[len(used) + i] * there[u] for i, u in enumerate(parts)]
        used.extend(own)
        return torch.cat([share * value[u] for share, u in zip(own, parts, strict=True)], -1)

    for v, parts in parts_of(singles).items():
        value[v] = networks[str(v)](weighted(parts))
    return weighted(vertices), torch.cat(used, -1)
