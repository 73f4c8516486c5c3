"""Attention over steps: under a question, under a memory, and between the utterances of a video."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn
from torch.nn import functional as F

from affect.errors import check_flag
from affect.fusion.base import Extras, Fusion
from affect.layers import Dropout, softmax_over
from affect.naming import ModuleDict
from affect.sequences import Sequence, join
from affect.sizes import held, of_inputs


class StackedAttentionFusion(Fusion):
    """The main modality asks, the steps of all others answer, and the answer sharpens the question.

    With u the question, at first Q h of the main modality's mean h, and v_i the steps of the others brought
    to `width`, each layer weighs them by softmax_i(w tanh(V v_i + U u + b)) and adds their weighted sum to u.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        main: the modality that asks; the first by name where none is named.
        width: size of the question and of the steps.
        layers: how often it is asked.
        dropout: rate at which values of the last question are dropped.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
        extras["weights"]: (batch, layers, steps of the others in order of names)
    Missing:
        unobserved steps have no weight; without the main modality the question is the same for every sample,
        and without the others it stays as it was.
    Raises:
        ConfigError: a single modality, or no such main modality.
    Also known as:
        SAN.
    Reference:
        Yang et al., Stacked Attention Networks for Image Question Answering, CVPR 2016, eq. 15-19.
        Differs: a map brings each modality to one size first; the score has no bias, which a softmax cannot
        learn.
    Example:
        >>> fusion = StackedAttentionFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((16, 32, 64)),
        "layers": IntDistribution(1, 4),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        main: str | None = None,
        width: int = 32,
        layers: int = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dims, out_dim)
        self.require(2)
        self.main, self.width = self.named(main), width
        self.project = ModuleDict({m: nn.Linear(d, width) for m, d in self.dims.items()})
        self.step = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(layers))
        self.question = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.score = nn.ModuleList(nn.Linear(width, 1, bias=False) for _ in range(layers))
        self.out = nn.Sequential(Dropout(dropout), nn.Linear(width, out_dim))

    def fuse(self, inputs: dict[str, Sequence]) -> tuple[Sequence, Extras]:
        question = self.project[self.main](inputs[self.main].mean())
        steps = join(x.with_values(self.project[m](x.values)) for m, x in inputs.items() if m != self.main)
        found = []
        for step, ask, score in zip(self.step, self.question, self.score, strict=True):
            heard = (step(steps.values) + ask(question).unsqueeze(1)).tanh()
            weights = softmax_over(score(heard).squeeze(-1), steps.mask, 1)
            question = question + _weighted(weights, steps.values)
            found.append(weights)
        return Sequence.vector(self.out(question)), {"weights": torch.stack(found, 1)}

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        others = batch * sum(time for m, time in steps.items() if m != self.main)
        of_steps = 3 * others * self.width * (1 + len(self.step) if torch.is_grad_enabled() else 2)
        return held(self, batch) + of_steps + of_inputs(self.dims, batch, steps)


class DualAttentionFusion(Fusion):
    """All modalities are attended under one memory, which gathers the products of what was found in each.

    With m the memory, each layer weighs the steps v_i of every modality by softmax_i(w (tanh(V v_i) * tanh(U
    m))), takes c = tanh(P sum_i weight_i v_i), and adds the product of all modalities' c to m. It begins with
    the product of the c of their means.

    Args:
        dims: feature size of each modality.
        out_dim: size of the fused vector.
        width: size of the memory.
        layers: how often the modalities are attended.
        dropout: rate at which values of the last memory are dropped.
    Shapes:
        inputs[m]: (batch, time of m, dims[m]) -> (batch, 1, out_dim)
    Missing:
        the product runs over the modalities that are there; with nothing there the memory is zero.
    Raises:
        ConfigError: a single modality.
    Also known as:
        DAN, r-DAN.
    Reference:
        Nam et al., Dual Attention Networks for Multimodal Reasoning and Matching, CVPR 2017, section 3.2
        (r-DAN).
        Differs: any number of modalities; all of them are projected as images are there.
    Example:
        >>> fusion = DualAttentionFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = StackedAttentionFusion.search_space

    def __init__(
        self, dims: dict[str, int], out_dim: int, width: int = 32, layers: int = 2, dropout: float = 0.1
    ) -> None:
        super().__init__(dims, out_dim)
        self.require(2)
        self.width, self.depth = width, layers
        self.first = ModuleDict({m: nn.Linear(d, width) for m, d in self.dims.items()})
        self.recalls = ModuleDict(
            {m: nn.ModuleList(_Recall(d, width) for _ in range(layers)) for m, d in self.dims.items()}
        )
        self.out = nn.Sequential(Dropout(dropout), nn.Linear(width, out_dim))

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        there = torch.stack([x.present for x in inputs.values()]).unsqueeze(-1)  # (modality, batch, 1)

        def product(parts: list[Tensor]) -> Tensor:
            return torch.where(there, torch.stack(parts), 1).prod(0) * there.any(0)

        memory = product([self.first[m](x.mean()).tanh() for m, x in inputs.items()])
        for layer in zip(*self.recalls.values(), strict=True):
            memory = memory + product(
                [recall(x, memory) for recall, x in zip(layer, inputs.values(), strict=True)]
            )
        return Sequence.vector(self.out(memory))

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        at_once = self.depth if torch.is_grad_enabled() else 1
        of_steps = 3 * batch * self.width * sum(steps.values()) * at_once
        return held(self, batch) + of_steps + of_inputs(self.dims, batch, steps)


class _Recall(nn.Module):
    """What a memory finds in the steps of one modality, (batch, width)."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.step, self.memory = nn.Linear(dim, width), nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)
        self.out = nn.Linear(dim, width)

    def forward(self, x: Sequence, memory: Tensor) -> Tensor:
        heard = self.step(x.values).tanh() * self.memory(memory).tanh().unsqueeze(1)
        weights = softmax_over(self.score(heard).squeeze(-1), x.mask, 1)
        found: Tensor = self.out(_weighted(weights, x.values)).tanh()
        return found


class ContextualAttentionFusion(Fusion):
    """Each step of a modality attends to all steps of every other one: utterances in the context of a video.

    With X_m the steps of modality m brought to `width`, for every two modalities O = softmax(X_m X_n') X_n,
    and A_mn = O * X_m; a fused step is W [all A; all X] + b.

    Args:
        dims: feature size of each modality.
        out_dim: feature size of a fused step.
        width: feature size of the projected steps.
        dropout: rate at which projected values are dropped.
        causal: whether a step attends to none that is later.
    Shapes:
        inputs[m]: (batch, time, dims[m]) -> (batch, time, out_dim)
    Missing:
        an unobserved step is neither attended to nor has it a part in products; a step is unobserved where
        every modality is.
    Raises:
        ConfigError: a single modality, or `causal` is neither True nor False.
        ShapeError: the sequences differ in their steps.
    Also known as:
        MMMU-BA.
    Reference:
        Ghosal et al., Contextual Inter-modal Attention for Multi-modal Sentiment Analysis, EMNLP 2018,
        section 3 (multi-modal multi-utterance bi-modal attention). Its recurrent layers are the encoders.
    Example:
        >>> fusion = ContextualAttentionFusion({"text": 3, "visual": 2}, out_dim=4)
        >>> fusion({m: Sequence.full(torch.ones(5, 7, d)) for m, d in fusion.dims.items()}).values.shape
        torch.Size([5, 7, 4])
    """

    needs_alignment: ClassVar[bool] = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "width": CategoricalDistribution((32, 64, 128)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        dims: dict[str, int],
        out_dim: int,
        width: int = 64,
        dropout: float = 0.1,
        causal: bool = False,
    ) -> None:
        super().__init__(dims, out_dim)
        self.require(2)
        check_flag("ContextualAttentionFusion: causal", causal)
        self.causal = causal
        self.project = ModuleDict(
            {m: nn.Sequential(nn.Linear(d, width), nn.Tanh(), Dropout(dropout)) for m, d in self.dims.items()}
        )
        self.out = nn.Linear((len(self.ordered_pairs) + len(self.dims)) * width, out_dim)

    def fuse(self, inputs: dict[str, Sequence]) -> Sequence:
        steps = {m: x.with_values(self.project[m](x.values)) for m, x in inputs.items()}
        attended = [
            _attend(steps[to], steps[source], self.causal) * steps[to].values
            for source, to in self.ordered_pairs.values()
        ]
        parts = [*attended, *(x.values for x in steps.values())]
        observed = torch.stack([x.mask for x in steps.values()]).any(0)
        return Sequence(self.out(torch.cat(parts, -1)), observed)

    def activations(self, batch: int, steps: dict[str, int]) -> int:
        # weights of every pair, and in the backward pass two more of one
        matrices = len(self.ordered_pairs) + 3 if torch.is_grad_enabled() else 3
        matrices += len(self.ordered_pairs) * self.causal  # which steps are seen
        width = self.out.in_features * (4 if torch.is_grad_enabled() else 2)
        time = max(steps.values())
        return super().activations(batch, steps) + batch * time * (matrices * time + width)


def _attend(x: Sequence, context: Sequence, causal: bool) -> Tensor:
    """What each step of `x` finds in `context` by inner products, unscaled; zeros if nothing is observed."""
    seen = context.mask.unsqueeze(1)
    if causal:
        seen = seen & torch.ones(x.time, x.time, dtype=torch.bool, device=seen.device).tril()
    some = seen.any(2, keepdim=True)  # a softmax over nothing would be NaN
    found = F.scaled_dot_product_attention(
        x.values, context.values, context.values, attn_mask=seen | ~some, scale=1.0
    )
    return found * some if causal else found


def _weighted(weights: Tensor, values: Tensor) -> Tensor:
    """(batch, time) and (batch, time, feature) -> (batch, feature)."""
    return torch.einsum("bt,btf->bf", weights, values)
