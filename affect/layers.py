"""Layers that encoders and fusions are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def perceptron(in_dim: int, out_dim: int, layers: int, dropout: float) -> nn.Sequential:
    """`layers` hidden layers of size `out_dim`, then a linear one; none makes it linear.

    Example:
        >>> perceptron(3, 2, layers=0, dropout=0.1)
        Sequential(
          (0): Linear(in_features=3, out_features=2, bias=True)
        )
    """
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.Linear(in_dim, out_dim), nn.GELU(), nn.Dropout(dropout)]
        in_dim = out_dim
    return nn.Sequential(*parts, nn.Linear(in_dim, out_dim))


class PresenceWeights(nn.Module):
    """One learned weight per part; over the parts that are there they sum to one.

    Shapes:
        present: (batch, part) bool -> (batch, part)
    Missing:
        an absent part has weight zero; without any part all are zero.
    Example:
        >>> PresenceWeights(2)(torch.tensor([[True, True], [True, False]])).tolist()
        [[0.5, 0.5], [1.0, 0.0]]
    """

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(parts))

    def forward(self, present: Tensor) -> Tensor:
        """(batch, part) bool -> (batch, part)."""
        left_out = ~present & present.any(-1, keepdim=True)  # a softmax over nothing would be NaN
        weights = self.logits.expand(present.shape).masked_fill(left_out, -torch.inf).softmax(-1)
        return weights * present
