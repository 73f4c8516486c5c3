"""How far what is said of one view lies from what is said of another."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from affect.data.targets import MultiClass, Regression, Target


def disagreement(target: Target, prediction: Tensor, said: Tensor) -> Tensor:
    """How far a prediction lies from a decision: of the same model on a clean view, or of a teacher.

    For a number, the squared difference; for classes, the Kullback-Leibler divergence from the probabilities
    that were said, a mean over labels where there are several.

    Args:
        target: what is predicted.
        prediction: raw numbers of a head.
        said: what another head decided: values, or probabilities.
    Shapes:
        prediction, said: (batch, steps, target.outputs) -> (batch, steps)
    Reference:
        Hinton et al., Distilling the Knowledge in a Neural Network, 2015.
    Example:
        >>> disagreement(Regression("sentiment"), torch.tensor([[[2.0]]]), torch.tensor([[[-1.0]]]))
        tensor([[9.]])
    """
    if isinstance(target, Regression):
        return (prediction - said).square().mean(-1)
    if isinstance(target, MultiClass):
        logs = prediction.log_softmax(-1)
        return F.kl_div(logs, said, reduction="none").sum(-1)
    logs, other = F.logsigmoid(prediction), F.logsigmoid(-prediction)
    yes, no = F.kl_div(logs, said, reduction="none"), F.kl_div(other, 1 - said, reduction="none")
    return (yes + no).mean(-1)
