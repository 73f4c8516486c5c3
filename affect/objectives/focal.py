"""A cross-entropy that counts what is already right for less."""

from __future__ import annotations

from typing import ClassVar

import torch
from optuna.distributions import BaseDistribution, FloatDistribution
from torch import Tensor
from torch.nn import functional as F

from affect.bounds import NOT_NEGATIVE
from affect.data.targets import Binary, MultiClass, MultiLabel, Target
from affect.objectives.base import Objective


class FocalLoss(Objective):
    """Cross-entropy, multiplied by a power of the probability that is left for other classes.

    With p the probability of the true class, loss = (1 - p)^gamma * -log p. So classes that are frequent and
    well predicted take less part in the gradient. Labels of several yes and no are averaged, as
    `BinaryCrossEntropy` averages them.

    Args:
        target: what is predicted.
        gamma: how little a label counts that is well predicted; at 0 the loss is the cross-entropy.
    Raises:
        ConfigError: the target is of a kind that the objective is not for; gamma is negative.
    Reference:
        Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, eq. 4 and 5.
        Differs: the weights of classes, alpha there, are those of `training.class_weights`, none by default;
        a weight is no part of the loss that validation measures.
    Example:
        >>> objective = FocalLoss(MultiClass("emotion", classes=("sad", "happy")), gamma=2)
        >>> objective.loss(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[1.0]]]))
        tensor([[0.1733]])
    """

    kinds = (Binary, MultiClass, MultiLabel)
    search_space: ClassVar[dict[str, BaseDistribution]] = {"gamma": FloatDistribution(0.0, 5.0)}

    def __init__(self, target: Target, gamma: float = 2.0) -> None:
        super().__init__(target)
        NOT_NEGATIVE.check("FocalLoss: gamma", gamma)
        self.gamma = gamma

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        return self.each(prediction, truth).mean(-1)

    def each(self, prediction: Tensor, truth: Tensor) -> Tensor:
        if isinstance(self.target, MultiClass):
            entropy = F.cross_entropy(
                prediction.transpose(1, 2), truth.squeeze(-1).long(), reduction="none"
            ).unsqueeze(-1)
        else:
            entropy = F.binary_cross_entropy_with_logits(prediction, truth, reduction="none")
        others = -torch.expm1(-entropy)  # 1 - p; where it is 0, a power below 1 has no gradient
        return others.clamp(min=torch.finfo(others.dtype).tiny) ** self.gamma * entropy
