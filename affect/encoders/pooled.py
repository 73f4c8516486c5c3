"""Encoders that look at one step at a time, or at the average step."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from torch import Tensor, nn

from affect.encoders.base import Encoder
from affect.errors import ConfigError
from affect.layers import Activation, BatchNorm, Dropout, activation_of, perceptron
from affect.pooling import MeanPooling, Pooling
from affect.sequences import Sequence
from affect.sizes import held


class PooledEncoder(Encoder):
    """Pool the steps, then a perceptron: one step comes out.

    Args:
        in_dim: feature size of the modality.
        out_dim: feature size of the vector.
        layers: hidden layers; 0 makes the encoder linear.
        dropout: rate at which the input and hidden values are dropped.
        pooling: how steps become a vector; the mean by default.
        activation: of hidden layers.
        normed: whether the pooled features are normalised over the batch (`affect.layers.BatchNorm`).
        activated: whether an activation follows the last layer too.
    Shapes:
        x: (batch, time, in_dim) -> (batch, 1, out_dim)
    Missing:
        a sample without observed steps stays unobserved, and is in no mean of a batch.
    Reference:
        Zadeh et al., Tensor Fusion Network for Multimodal Sentiment Analysis, EMNLP 2017, section 4.1.
        Differs: by default GELU, no activation behind the last layer and no batch norm in front, which the
        authors' code has; `layers: 2, activation: relu, normed: true, activated: true` is theirs.
    Example:
        >>> PooledEncoder(3, 4)(Sequence.full(torch.ones(2, 7, 3))).values.shape
        torch.Size([2, 1, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layers": IntDistribution(0, 2),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        layers: int = 1,
        dropout: float = 0.1,
        pooling: Pooling | None = None,
        activation: Activation = "gelu",
        normed: bool = False,
        activated: bool = False,
    ) -> None:
        super().__init__(in_dim, out_dim)
        self.pooling = MeanPooling() if pooling is None else pooling
        size = in_dim * self.pooling.factor
        self.norm = BatchNorm(size) if normed else None
        self.layers = nn.Sequential(
            Dropout(dropout),
            perceptron(size, out_dim, layers, dropout, activation=activation),
            *([activation_of(activation)] if activated else []),
        )

    def encode(self, x: Sequence) -> Sequence:
        pooled = self.pooling(x)
        if self.norm is not None:
            pooled = self.norm(pooled, x.present)
        return Sequence.vector(self.layers(pooled), x.present)

    def time_of(self, steps: int) -> int:
        return 1

    def activations(self, batch: int, steps: int) -> int:
        pooled = self.pooling.copies * steps + 4 * self.pooling.factor
        return held(self, batch) + batch * pooled * self.in_dim


class StepEncoder(Encoder):
    """The same perceptron at every step; steps do not see each other.

    Args:
        in_dim: feature size of the modality.
        out_dim: feature size of the encoded steps.
        layers: hidden layers; 0 makes the encoder linear.
        dropout: rate at which the input and hidden values are dropped.
        activation: of hidden layers.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim)
    Missing:
        unobserved steps stay unobserved.
    Example:
        >>> StepEncoder(3, 4)(Sequence.full(torch.ones(2, 7, 3))).values.shape
        torch.Size([2, 7, 4])
    """

    causal = True
    search_space: ClassVar[dict[str, BaseDistribution]] = PooledEncoder.search_space

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        layers: int = 1,
        dropout: float = 0.1,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__(in_dim, out_dim)
        self.layers = nn.Sequential(
            Dropout(dropout), perceptron(in_dim, out_dim, layers, dropout, activation=activation)
        )

    def encode(self, x: Sequence) -> Sequence:
        return x.with_values(self.layers(x.values))


class PassEncoder(Encoder):
    """The modality as it is, for a fusion that encodes it itself.

    Args:
        in_dim: feature size of the modality; it stays.
        out_dim: what the other encoders of the model give; not used.
        indices: whether values are word indices, which must not be normalised.
        dropout: rate at which values are dropped.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, in_dim)
    Missing:
        unobserved steps stay unobserved.
    Raises:
        ConfigError: indices are to be dropped.
    Example:
        >>> PassEncoder(3, 64).out_dim
        3
    """

    causal = True

    def __init__(self, in_dim: int, out_dim: int, indices: bool = False, dropout: float = 0.0) -> None:
        super().__init__(in_dim, in_dim)
        if indices and dropout:
            raise ConfigError(
                f"PassEncoder: a word index cannot be dropped, got dropout={dropout} with indices; "
                "drop values behind it"
            )
        self.reads_indices = indices
        self.dropout = Dropout(dropout)

    def encode(self, x: Sequence) -> Sequence:
        return Sequence(self.dropout(x.values), x.mask, zeroed=True)


class EmbeddingEncoder(Encoder):
    """A learned vector for each word index: text without a pretrained model.

    Vectors start small, so that words that never occur in training say next to nothing.

    Args:
        in_dim: 1; a step holds the index of its word (`affect.data.text.Vocabulary`).
        out_dim: size of a word's vector.
        size: words in the vocabulary; an index beyond it is read as 0, the unknown word.
        dropout: rate at which values of the vectors are dropped.
    Shapes:
        x: (batch, time, 1) -> (batch, time, out_dim)
    Missing:
        unobserved steps stay unobserved.
    Raises:
        ConfigError: `in_dim` is not 1.
    Example:
        >>> words = Sequence.full(torch.tensor([[[1.0], [2.0], [1.0]]]))
        >>> EmbeddingEncoder(1, 4, size=3)(words).values.shape
        torch.Size([1, 3, 4])
    """

    causal = True
    reads_indices = True
    search_space: ClassVar[dict[str, BaseDistribution]] = {"dropout": FloatDistribution(0.0, 0.5)}

    def __init__(self, in_dim: int = 1, out_dim: int = 64, size: int = 10000, dropout: float = 0.1) -> None:
        super().__init__(in_dim, out_dim)
        if in_dim != 1:
            raise ConfigError(
                f"EmbeddingEncoder: expected in_dim 1 (a word index), got {in_dim}; use StepEncoder"
            )
        self.table = nn.Embedding(size, out_dim)
        nn.init.normal_(self.table.weight, std=0.02)
        self.dropout = Dropout(dropout)

    @property
    def words(self) -> Tensor:
        return self.table.weight

    def encode(self, x: Sequence) -> Sequence:
        index = x.values.squeeze(-1).round().long()
        index = torch.where((index >= 0) & (index < self.table.num_embeddings), index, 0)
        return x.with_values(self.dropout(self.table(index)))
