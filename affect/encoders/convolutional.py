"""Convolutional encoders."""

from __future__ import annotations

from typing import ClassVar

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import nn

from affect.encoders.base import Encoder
from affect.errors import check_flag
from affect.layers import Activation, Convolution, Dropout, activation_of, check_kernel
from affect.sequences import Sequence


class ConvolutionalEncoder(Encoder):
    """Dilated residual convolutions over time; layer k looks 2^k steps apart.

    Args:
        in_dim: feature size of the modality.
        out_dim: channels, and feature size of the encoded steps.
        layers: residual blocks; with `kernel` 3 a step sees 2^(layers + 1) - 1 steps around it.
        kernel: steps that one convolution spans, odd.
        dropout: rate at which whole blocks' channels are dropped.
        activation: of a block.
        causal: whether a step sees itself and what was before it, and not what is around it.
    Shapes:
        x: (batch, time, in_dim) -> (batch, time, out_dim)
    Missing:
        unobserved steps are zero before every convolution, exactly as the zero padding at both ends.
    Raises:
        ConfigError: `kernel` is even, or `causal` is neither True nor False.
    Also known as:
        TCN.
    Reference:
        Bai, Kolter and Koltun, An Empirical Evaluation of Generic Convolutional and Recurrent Networks, 2018.
        Differs: not causal, unless `causal` says so; layer norm instead of weight norm.
    Example:
        >>> import torch
        >>> ConvolutionalEncoder(3, 4)(Sequence.full(torch.ones(2, 7, 3))).values.shape
        torch.Size([2, 7, 4])
    """

    search_space: ClassVar[dict[str, BaseDistribution]] = {
        "layers": IntDistribution(1, 4),
        "kernel": CategoricalDistribution((3, 5)),
        "dropout": FloatDistribution(0.0, 0.5),
    }

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        layers: int = 2,
        kernel: int = 3,
        dropout: float = 0.1,
        activation: Activation = "gelu",
        causal: bool = False,
    ) -> None:
        super().__init__(in_dim, out_dim)
        check_kernel("ConvolutionalEncoder", kernel)
        check_flag("ConvolutionalEncoder: causal", causal)
        self.project = nn.Linear(in_dim, out_dim)
        self.norms = nn.ModuleList(nn.LayerNorm(out_dim) for _ in range(layers))
        self.convolutions = nn.ModuleList(
            Convolution(out_dim, out_dim, kernel, 2**k, causal) for k in range(layers)
        )
        self.causal = causal
        self.activation = nn.Sequential(activation_of(activation), Dropout(dropout))

    def encode(self, x: Sequence) -> Sequence:
        h = x.with_values(self.project(x.values))
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            normed = h.with_values(norm(h.values))  # zero again where nothing was observed
            h = h.with_values(h.values + self.activation(convolution(normed.values)))
        return h
