"""Fusion by translation: what each modality becomes on its way to every other one."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from torch import Tensor, nn

from affect.bounds import Bounds
from affect.fusion.base import Extras, VectorFusion
from affect.layers import Dropout
from affect.naming import ModuleDict, pair_name
from affect.pooling import Pooling
from affect.sequences import Sequence

_SEVERAL = Bounds("at least 2", 2, limit=10**9, whole=True)


class CoupledTranslationFusion(VectorFusion):
    """Every modality is translated to every other one; what it is half-way there is fused.

    Each vector is brought to `width` and normed, u_m. A translator from a to b has a hidden vector z_ab, a
    perceptron's of u_a, and a translation, a linear map of it. A modality that is absent is the mean of the
    translations to it from those that are there. All z_ab together, through a linear layer, are what comes
    out. That translations are near to what they stand for is a term's affair (`CoupledTranslation`).

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: size of the vectors, and of what is half-way; at least 2.
        dropout: rate at which what is half-way is dropped.
        pooling: how the steps of a modality become a vector; the mean by default.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["projected"]: (batch, modality, width); extras["translated"], extras["returned"]: (batch, pair,
        width), ordered pairs in alphabetical order; `returned` is translated to b and back to a
    Missing:
        an absent modality is translated from the others; with nothing there zeros are translated. In the
        extras it, and the pairs that begin with it, are zeros.
    Raises:
        ConfigError: there is only one modality; a width below 2.
    Also known as:
        CTFN, coupled translation.
    Reference:
        Tang et al., CTFN: Hierarchical Learning for Multimodal Sentiment Analysis Using Coupled-Translation
        Fusion Network, ACL 2021. Differs: translators are perceptrons of vectors, not transformers of
        sequences; a linear layer, not a convolution, reads what is half-way;
        modalities are translated in normed spaces, so that at first a translation that says nothing costs
        about 1, whatever the scale of the encoders.
    Example:
        >>> fusion = CoupledTranslationFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> inputs = {m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}
        >>> {name: tuple(extra.shape) for name, extra in fusion.with_extras(inputs)[1].items()}
        {'projected': (5, 2, 32), 'translated': (5, 2, 32), 'returned': (5, 2, 32)}
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
    ) -> None:
        super().__init__(dims, out_dim, pooling)
        self.require(2)
        self.width = width
        _SEVERAL.check("CoupledTranslationFusion: width", width)
        self.project = ModuleDict(
            {m: nn.Sequential(nn.Linear(d, width), nn.LayerNorm(width)) for m, d in self.dims.items()}
        )
        self.halfway = ModuleDict(
            {
                name: nn.Sequential(nn.Linear(width, width), nn.GELU(), Dropout(dropout))
                for name in self.ordered_pairs
            }
        )
        self.translate = ModuleDict({name: nn.Linear(width, width) for name in self.ordered_pairs})
        self.out = nn.Linear(len(self.ordered_pairs) * width, out_dim)

    @property
    def offers(self) -> dict[str, int]:
        return dict.fromkeys(("projected", "translated", "returned"), self.width)

    def combine(self, vectors: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, Extras]:
        lies = {m: self.project[m](v) * present[m].unsqueeze(-1) for m, v in vectors.items()}
        first = {name: self._translated(name, lies[a]) for name, (a, _) in self.ordered_pairs.items()}
        back = {
            name: self._translated(pair_name(b, a), first[name]) * present[a].unsqueeze(-1)
            for name, (a, b) in self.ordered_pairs.items()
        }
        whole = {
            m: torch.where(present[m].unsqueeze(-1), u, self._from_others(m, first, present))
            for m, u in lies.items()
        }
        middle = [self.halfway[name](whole[a]) for name, (a, _) in self.ordered_pairs.items()]
        translated = [first[name] * present[a].unsqueeze(-1) for name, (a, _) in self.ordered_pairs.items()]
        extras = {"projected": [*lies.values()], "translated": translated, "returned": [*back.values()]}
        return self.out(torch.cat(middle, -1)), {name: torch.stack(one, 1) for name, one in extras.items()}

    def _translated(self, name: str, u: Tensor) -> Tensor:
        found: Tensor = self.translate[name](self.halfway[name](u))
        return found

    def _from_others(self, m: str, first: dict[str, Tensor], present: dict[str, Tensor]) -> Tensor:
        """The mean of the translations to a modality from those that are there."""
        others = [other for other in self.dims if other != m]
        told = torch.stack([first[pair_name(other, m)] for other in others], 1)
        return Sequence(told, torch.stack([present[other] for other in others], 1)).mean()
