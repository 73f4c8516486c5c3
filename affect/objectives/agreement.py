"""How far the prediction for one view lies from that for another."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from affect import renamed
from affect.data.targets import MultiClass, Regression, Target


@renamed.arguments(said="decided")
def disagreement(target: Target, prediction: Tensor, decided: Tensor) -> Tensor:
    """How far a prediction lies from a decision: of the same model on a clean view, or of a teacher.

    For a number, the squared difference; for classes, the Kullback-Leibler divergence from the decided
    probabilities, a mean over labels where there are several.

    Args:
        target: what is predicted.
        prediction: raw numbers of a head.
        decided: by another head: values, or probabilities.
    Shapes:
        prediction, decided: (batch, steps, target.outputs) -> (batch, steps)
    Reference:
        Hinton et al., Distilling the Knowledge in a Neural Network, 2015.
    Example:
        >>> disagreement(Regression("sentiment"), torch.tensor([[[2.0]]]), torch.tensor([[[-1.0]]]))
        tensor([[9.]])
    """
    if isinstance(target, Regression):
        return (prediction - decided).square().mean(-1)
    if isinstance(target, MultiClass):
        logs = prediction.log_softmax(-1)
        return F.kl_div(logs, decided, reduction="none").sum(-1)
    logs, other = F.logsigmoid(prediction), F.logsigmoid(-prediction)
    yes, no = F.kl_div(logs, decided, reduction="none"), F.kl_div(other, 1 - decided, reduction="none")
    return (yes + no).mean(-1)
