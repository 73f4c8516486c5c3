"""The contract of an objective."""

from __future__ import annotations

from typing import ClassVar

from optuna.distributions import BaseDistribution
from torch import Tensor, nn

from affect.data.targets import Target
from affect.errors import ConfigError, ShapeError
from affect.objectives.weights import weight_of
from affect.sequences import Output, Sequence


class Objective(nn.Module):
    """(Output, target) -> one loss per sample; only the training loop averages.

    Write `loss`, one number per label; `forward` averages over the labelled steps of each sample. Where a
    label is several numbers, write `each` too: class weights need the loss of each of them.

    Args:
        target: what is predicted.
    Shapes:
        output.prediction: (batch, steps, target.outputs)
        truth: (batch, steps, target.size) -> (batch,)
    Missing:
        steps without a label do not count; a sample without any has loss zero.
    Raises:
        ConfigError: the target is of a kind that the objective is not for.
        ShapeError: prediction and truth differ in their steps.
    Example:
        >>> class SquareRoot(Objective):
        ...     def loss(self, prediction, truth):
        ...         return (prediction - truth).abs().sqrt().mean(-1)
        >>> objective = SquareRoot(affect.data.targets.Regression("sentiment"))
        >>> objective.loss(torch.tensor([[[4.0]]]), torch.tensor([[[0.0]]]))
        tensor([[2.]])
    """

    kinds: ClassVar[tuple[type[Target], ...]] = (Target,)
    search_space: ClassVar[dict[str, BaseDistribution]] = {}

    def __init__(self, target: Target) -> None:
        super().__init__()
        if not isinstance(target, self.kinds):
            raise ConfigError(
                f"{type(self).__name__}: is for {' or '.join(k.__name__ for k in self.kinds)} targets, "
                f"got {type(target).__name__} '{target.name}'"
            )
        self.target = target

    def forward(self, output: Output, truth: Sequence, weights: Tensor | None = None) -> Tensor:
        """One loss per sample, (batch,).

        Args:
            output: of a model.
            truth: the labels.
            weights: of each class at each number of a label, (target.size, classes), as `class_weights` makes
                them; all count the same by default.
        """
        expected = (*truth.mask.shape, self.target.outputs)
        if output.prediction.shape != expected:
            raise ShapeError(
                f"{type(self).__name__}: expected a prediction of shape {expected}, "
                f"got {tuple(output.prediction.shape)}; a label per step needs a fusion that keeps "
                "steps (PerStep) and encoders that do (StepEncoder, LSTMEncoder)"
            )
        if weights is None:
            losses = self.loss(output.prediction, truth.values)  # (batch, steps)
        else:
            apart = self.each(output.prediction, truth.values)  # (batch, steps, size)
            losses = (apart * weight_of(weights, truth.values)).mean(-1)
        return truth.with_values(losses.unsqueeze(-1)).mean().squeeze(-1)

    def loss(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """What the author writes: (batch, steps, outputs) and (batch, steps, size) -> (batch, steps)."""
        raise NotImplementedError(f"{type(self).__name__} must define loss")

    def each(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """The loss of each number of a label, (batch, steps, size), whose mean is `loss`."""
        if self.target.size != 1:
            raise ConfigError(
                f"training: class_weights: {type(self).__name__} gives one loss for the {self.target.size} "
                f"classes of '{self.target.name}' together; define each, or leave out class_weights"
            )
        return self.loss(prediction, truth).unsqueeze(-1)
