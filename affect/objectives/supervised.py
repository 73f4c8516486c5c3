"""The plain losses of each kind of target."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from affect.data.targets import Binary, MultiClass, MultiLabel, Regression, Target
from affect.objectives.base import Objective


class AbsoluteError(Objective):
    """|prediction - truth|: what MAE measures.

    Example:
        >>> objective = AbsoluteError(Regression("sentiment"))
        >>> objective.loss(torch.tensor([[[2.0]]]), torch.tensor([[[-1.0]]]))
        tensor([[3.]])
    """

    kinds = (Regression,)

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        return (prediction - truth).abs().mean(-1)


class SquaredError(Objective):
    """(prediction - truth)^2.

    Example:
        >>> objective = SquaredError(Regression("sentiment"))
        >>> objective.loss(torch.tensor([[[2.0]]]), torch.tensor([[[-1.0]]]))
        tensor([[9.]])
    """

    kinds = (Regression,)

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        return (prediction - truth).square().mean(-1)


class BinaryCrossEntropy(Objective):
    """Cross-entropy of yes and no, averaged over labels where there are several.

    Example:
        >>> objective = BinaryCrossEntropy(Binary("sarcasm"))
        >>> objective.loss(torch.tensor([[[0.0]]]), torch.tensor([[[1.0]]]))
        tensor([[0.6931]])
    """

    kinds = (Binary, MultiLabel)

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        return self.each(prediction, truth).mean(-1)

    def each(self, prediction: Tensor, truth: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(prediction, truth, reduction="none")


class CrossEntropy(Objective):
    """Cross-entropy over the classes.

    Example:
        >>> objective = CrossEntropy(MultiClass("emotion", classes=("sad", "happy")))
        >>> objective.loss(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[1.0]]]))
        tensor([[0.6931]])
    """

    kinds = (MultiClass,)

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        return F.cross_entropy(prediction.transpose(1, 2), truth.squeeze(-1).long(), reduction="none")


def objective_for(target: Target) -> type[Objective]:
    """The plain loss of a kind of target; the absolute error for regression."""
    objectives: tuple[type[Objective], ...] = (AbsoluteError, BinaryCrossEntropy, CrossEntropy)
    return next(objective for objective in objectives if isinstance(target, objective.kinds))
