"""Multiplicative interactions: what one modality says of another's weights."""

from __future__ import annotations

import itertools
from typing import ClassVar, Literal, get_args

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn

from affect.errors import ConfigError, did_you_mean
from affect.fusion.base import VectorFusion
from affect.layers import Dropout
from affect.naming import ModuleDict, ParameterDict, pair_name
from affect.pooling import Pooling

Form = Literal["matrix", "vector", "scalar"]
"""What one modality makes for another: a matrix of weights, the diagonal of one, or a single factor."""


class MultiplicativeInteractionFusion(VectorFusion):
    """Each modality is mapped by weights that are themselves linear in another modality, and all are summed.

    With h_m the vector of modality m, fused = sum_m U_m h_m + b + the sum of what pairs make. `matrix`: for
    every two modalities h_m' W_mn h_n, every product of their features weighted for each feature that comes
    out. `vector`: for every ordered pair (A_mn h_m) * (P_n h_n), feature by feature. `scalar`: for every
    ordered pair (a_mn . h_m) P_n h_n, where m makes n louder or softer as a whole.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        form: matrix, vector or scalar; each holds fewer weights than the one before.
        dropout: rate at which values of the vectors are dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        an absent modality is in no product and in no sum; with nothing there the bias comes out.
    Raises:
        ConfigError: a single modality, or no such form.
    Also known as:
        MI, hypernetworks and gating as multiplicative interactions.
    Reference:
        Jayakumar et al., Multiplicative Interactions and Where to Find Them, ICLR 2020, section 3.
        Differs: a sum over pairs for any number of modalities, where the paper and MultiBench have two (and
        MultiBench three with a product of all); with vectors and factors each modality acts on every other,
        which is first brought to `out_dim`, where theirs has one direction and the size of the other; what
        is linear in one modality is held once, not for each pair.
    Example:
        >>> fusion = MultiplicativeInteractionFusion({"text": 3, "visual": 2}, out_dim=4, form="vector")
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "form": CategoricalDistribution(get_args(Form)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        form: Form = "matrix",
        dropout: float = 0.1,
        pooling: Pooling | None = None,
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.require(2)
        if form not in get_args(Form):
            raise ConfigError(
                f"{type(self).__name__}: no form '{form}'; {did_you_mean(str(form), get_args(Form))}"
            )
        self.form, self.dropout = form, Dropout(dropout)
        self.own = ModuleDict({m: nn.Linear(d, out_dim, bias=False) for m, d in self.dims.items()})
        self.bias = nn.Parameter(torch.zeros(out_dim))
        if form == "matrix":
            sizes = {pair: [self.dims[m] for m in pair] for pair in itertools.combinations(self.dims, 2)}
            self.weights = ParameterDict(
                {
                    pair_name(*pair): nn.Parameter(torch.randn(one, other, out_dim) * (one * other) ** -0.5)
                    for pair, (one, other) in sizes.items()
                }
            )
            return
        size = out_dim if form == "vector" else 1
        self.made = ModuleDict(
            {
                pair: nn.Linear(self.dims[source], size, bias=False)
                for pair, (source, _) in self.ordered_pairs.items()
            }
        )
        self.brought = ModuleDict({m: nn.Linear(d, out_dim, bias=False) for m, d in self.dims.items()})

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        vectors = {m: self.dropout(v) for m, v in vectors.items()}
        parts = [self.own[m](v) for m, v in vectors.items()]
        if self.form == "matrix":
            for one, other in itertools.combinations(vectors, 2):
                weight = self.weights[pair_name(one, other)]
                made = torch.einsum("bj,ijo->bio", vectors[other], weight)  # a matrix for each sample
                parts.append((vectors[one].unsqueeze(2) * made).sum(1))
        else:
            brought = {m: self.brought[m](v) for m, v in vectors.items()}
            parts += [
                self.made[pair](vectors[source]) * brought[to]
                for pair, (source, to) in self.ordered_pairs.items()
            ]
        return torch.stack(parts).sum(0) + self.bias
