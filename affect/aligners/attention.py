"""An aligner that is learned, by attention."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution
from torch import Tensor, nn

from affect.aligners.base import Aligner, reference_mask, reference_total
from affect.errors import ConfigError
from affect.naming import ModuleDict
from affect.sequences import Sequence, place


class AttentionAligner(Aligner):
    """Learned alignment: each step of the reference attends over the observed steps of a modality.

    Every modality is mapped into one space of size `width`, cut into heads. With q and k the places of a
    step of the reference and of the modality, from 0 for a sample's first observed step to 1 for its last,
    head h weighs by softmax_k(u_q . v_k / sqrt(width / heads) - (s_h (q - k))^2): who is alike, and near.
    What the heads gather is mixed linearly. It starts as local averaging, with windows of several widths.

    Args:
        dims: feature size of each modality.
        reference: on whose steps; the first by name where none is named.
        heads: how many alignments are learned side by side.
        width: size of the common space; divisible by `heads`.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, time of the reference, dims[m])
    Missing:
        an absent modality stays absent; without the reference, the first by name of those that a sample has
        takes its place. Unobserved steps are never a key.
    Raises:
        ConfigError: `width` is not divisible by `heads`.
    Reference:
        Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019, sec. 3.1.
        Differs: one layer without feed-forward; queries and keys share a map; values are the features
        themselves; the place is relative, with a learned window per head, as modalities differ in rate.
    Example:
        >>> aligner = AttentionAligner({"ecg": 3, "text": 2}, reference="text", heads=2)
        >>> x = {"ecg": Sequence.full(torch.ones(5, 70, 3)), "text": Sequence.full(torch.ones(5, 7, 2))}
        >>> aligner(x)["ecg"].values.shape
        torch.Size([5, 7, 3])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "heads": CategoricalDistribution((1, 2, 4, 8)),
        "width": CategoricalDistribution((16, 32, 64)),
    }

    def __init__(
        self, dims: dict[str, int], reference: str | None = None, heads: int = 4, width: int = 32
    ) -> None:
        super().__init__(dims, reference)
        if heads < 1 or width < 1 or width % heads:
            raise ConfigError(
                f"AttentionAligner: width must be divisible by heads, got width={width} and heads={heads}"
            )
        self.heads = heads
        # no biases: a constant in a key moves all scores of a query alike and cannot learn
        self.embed = ModuleDict({m: nn.Linear(dim, width, bias=False) for m, dim in self.dims.items()})
        self.mix = ModuleDict(
            {m: nn.Linear(heads * self.dims[m], self.dims[m], bias=False) for m in self.order[1:]}
        )
        for name, mix in self.mix.items():
            mean = torch.eye(self.dims[name]).repeat(1, heads) / heads
            mix.weight = nn.Parameter(mean)
        self.sharpness = nn.Parameter(2.0 ** torch.arange(1, heads + 1))

    def carry(self, name: str, x: Sequence, reference: dict[str, Sequence]) -> Tensor:
        query = reference_total(self._heads(m, part) for m, part in reference.items())
        apart = place(reference_mask(reference), x.values.dtype).unsqueeze(2) - place(
            x.mask, x.values.dtype
        ).unsqueeze(1)
        far = (self.sharpness[:, None, None] * apart.unsqueeze(1)).square()  # (batch, heads, time, time of m)
        seen = x.mask | ~x.present.unsqueeze(1)  # a softmax over nothing would be NaN
        alike = query @ self._heads(name, x).mT / math.sqrt(query.shape[-1])
        weights = (alike - far).masked_fill(~seen[:, None, None, :], -torch.inf).softmax(-1)
        gathered = weights @ x.values.unsqueeze(1)  # (batch, heads, time, dims[name])
        mixed: Tensor = self.mix[name](gathered.transpose(1, 2).flatten(2))
        return mixed

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        products = [self.time_of(steps) * time for m, time in steps.items() if m != self.order[0]]
        # distances, scores and weights: of every modality, or of one at a time
        cells = 4 * sum(products) + 3 * max(products, default=0)
        if not torch.is_grad_enabled():
            cells = 5 * max(products, default=0)
        return super().activations(batch, steps) + batch * self.heads * cells

    def _heads(self, name: str, x: Sequence) -> Tensor:
        embedded: Tensor = self.embed[name](x.values)
        return embedded.view(*x.mask.shape, self.heads, -1).transpose(
            1, 2
        )  # (batch, heads, time, width / heads)
