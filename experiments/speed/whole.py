"""MISA, Self-MM and MMIM whole: encoders, fusion and terms, with the widths, weights and rates of MMSA.

Where MMSA has BERT, both sides have a linear layer on the mean of the words' features.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import torch
from torch import nn

from affect.encoders import Encoder, LSTMEncoder, PooledEncoder
from affect.fusion import ConcatenationFusion, SharedPrivateFusion
from affect.layers import Dropout
from affect.model import FusionModel
from affect.objectives import SquaredError
from affect.objectives.terms import (
    Difference,
    GeneratedLabels,
    MutualInformation,
    PredictiveCoding,
    Reconstruction,
    Similarity,
)
from affect.pooling import EndsPooling, LastPooling
from affect.sequences import Sequence
from experiments.speed.models import Setting

WHOLE: Final = ("misa", "self_mm", "mmim")
WHOLE_ALIGNED: Final = ("misa",)
"""In MMSA it reads of each modality no more steps than there are words."""


class EndsEncoder(Encoder):
    """Two bidirectional LSTMs with a norm between, each as wide as the modality: where they have ended."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__(in_dim, 4 * in_dim)
        width = 2 * in_dim
        self.first, self.second = (
            LSTMEncoder(size, width, width=in_dim, dropout=0.0) for size in (in_dim, width)
        )
        self.first.project = self.second.project = nn.Identity()
        self.norm, self.ends = nn.LayerNorm(width), EndsPooling()

    def encode(self, x: Sequence) -> Sequence:
        states = self.first(x)
        others = self.second(states.with_values(self.norm(states.values)))
        return Sequence.vector(torch.cat([self.ends(states), self.ends(others)], -1), x.present)


class TwoLayers(ConcatenationFusion):
    """Dropout of what is concatenated, and two layers with the same activation behind each."""

    def __init__(
        self, dims: dict[str, int], out_dim: int, activation: Callable[[], nn.Module], dropout: float
    ) -> None:
        super().__init__(dims, out_dim)
        first, second = (nn.Linear(size, out_dim) for size in (sum(dims.values()), out_dim))
        self.layers = nn.Sequential(Dropout(dropout), first, activation(), second, activation())


def at_rate(encoder: Callable[[int, int], Encoder], rate: float) -> Callable[[int, int], Encoder]:
    """What makes the encoder makes one that learns at a rate of its own."""

    def made(in_dim: int, out_dim: int) -> Encoder:
        built = encoder(in_dim, out_dim)
        built.learning_rate = rate
        return built

    return made


def words(in_dim: int, _: int) -> Encoder:
    """In the place of BERT."""
    return PooledEncoder(in_dim, in_dim, layers=0, dropout=0.0)


def xavier(model: FusionModel) -> None:
    """Draw all matrices but the text's as MMSA does for MMIM; those of terms stay as they are."""
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and not name.startswith("encoders.text"):
            nn.init.xavier_normal_(parameter)


def whole_settings() -> dict[str, Setting]:
    """By MMSA's names."""

    def last(width: int) -> Callable[[int, int], Encoder]:
        return lambda in_dim, _: LSTMEncoder(
            in_dim, width, width=width, bidirectional=False, dropout=0.0, pooling=LastPooling()
        )

    def ends(in_dim: int, _: int) -> Encoder:
        return LSTMEncoder(in_dim, 16, width=16, dropout=0.0, pooling=EndsPooling())

    adam: dict[str, Any] = {"optimizer": torch.optim.Adam, "gradient_clip": 0.0}
    return {
        "misa": Setting(
            16,
            1e-4,
            {"text": words, "acoustic": EndsEncoder, "visual": EndsEncoder},
            partial(SharedPrivateFusion, width=128, heads=2),
            out_dim=384,
            head_dropout=0.2,
            accumulate=2,
            options={**adam, "weight_decay": 0.0},
            objective=SquaredError,
            terms={
                "similarity": partial(Similarity, weight=0.3, published=True),
                "difference": partial(Difference, weight=0.1, published=True),
                "reconstruction": partial(Reconstruction, weight=1.0),
            },
        ),
        "self_mm": Setting(
            16,
            1e-3,
            {
                "text": at_rate(words, 5e-5),
                "acoustic": at_rate(last(16), 5e-3),
                "visual": at_rate(last(32), 5e-3),
            },
            partial(TwoLayers, activation=nn.ReLU, dropout=0.0),
            out_dim=128,
            head_dropout=0.0,
            accumulate=4,
            options={**adam, "weight_decay": 1e-3},
            terms={"labels": partial(GeneratedLabels, width=32, published=True)},
        ),
        "mmim": Setting(
            32,
            1e-3,
            {"text": at_rate(words, 5e-5), "acoustic": ends, "visual": ends},
            partial(TwoLayers, activation=nn.Tanh, dropout=0.1),
            out_dim=128,
            head_dropout=0.0,
            options={**adam, "weight_decay": 1e-4, "gradient_clip": 1.0},
            terms={
                "information": partial(
                    MutualInformation, weight=0.1, anchor="text", width=16, rhythm="epoch", published=True
                ),
                "coding": partial(PredictiveCoding, weight=0.1, published=True),
            },
            begin=xavier,
        ),
    }
