"""Terms that hold the prediction to what is said elsewhere: for another view, by a teacher, by an imputer."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from affect.bounds import SHARE
from affect.objectives.agreement import disagreement
from affect.objectives.terms.base import Model, Seen, Term
from affect.sequences import Output


class Consistency(Term):
    """The prediction for the damaged view lies near that for the clean one, which is learned from too.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of how far the two lie apart.
        clean: share of the supervised loss that is that of the clean view.
    Shapes:
        seen -> ()
    Missing:
        a sample without a label counts for nothing.
    Raises:
        ConfigError: the share is not between 0 and 1.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus)
        >>> training = affect.Training(epochs=1, corruption=affect.corruption.ModalityDropout(rate=0.5))
        >>> run = affect.fit(model, corpus, training=training, terms={"consistent": Consistency})
        >>> run.history["term: consistent"].item() > 0
        True
    """

    looks_again: ClassVar[bool] = True
    needs_labels: ClassVar[bool] = True

    def __init__(self, model: Model, ids: tuple[str, ...], weight: float = 1.0, clean: float = 0.5) -> None:
        super().__init__(model, ids, weight)
        SHARE.check("Consistency: clean", clean)
        self.clean = clean

    def forward(self, seen: Seen) -> Tensor:
        apart = _apart(seen, seen.clean, seen.model)
        if not self.clean or not self.weight:
            return apart
        other = seen.objective(seen.clean) - seen.objective(seen.output)
        return apart + self.clean / self.weight * other


class Distillation(Term):
    """The prediction lies near that of a teacher, who sees the clean view.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of how far the two lie apart.
    Shapes:
        seen -> ()
    Missing:
        a sample without a label counts for nothing.
    Reference:
        Hinton et al., Distilling the Knowledge in a Neural Network, 2015.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> teacher, model = (affect.FusionModel.for_corpus(corpus, seed=seed) for seed in (0, 1))
        >>> run = affect.fit(
        ...     model, corpus, training=affect.Training(epochs=1), teacher=teacher,
        ...     terms={"distillation": Distillation},
        ... )
        >>> run.history["term: distillation"].item() > 0
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("teacher",)
    needs_labels: ClassVar[bool] = True

    def __init__(self, model: Model, ids: tuple[str, ...], weight: float = 1.0) -> None:
        super().__init__(model, ids, weight)

    def forward(self, seen: Seen) -> Tensor:
        assert seen.teacher is not None  # it is among the needs
        with torch.no_grad():
            own = next(seen.teacher.head.parameters()).dtype  # in the precision of its own weights
            taught = seen.teacher(seen.batch.to(own).inputs)
        return _apart(seen, taught, seen.teacher)


class Imputation(Term):
    """An imputer's own error: how far its guess at a modality that is there lies from it.

    Args:
        model: is to be trained; and `ids`, as in `Term`.
        ids: the same.
        weight: of the error.
    Shapes:
        seen -> ()
    Missing:
        as the imputer says; a sample counts by its labels.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> model = affect.FusionModel.for_corpus(corpus, imputer=affect.imputation.TranslationImputer)
        >>> run = affect.fit(model, corpus, training=affect.Training(epochs=1))
        >>> run.history["term: imputation"].item() > 0
        True
    """

    needs: ClassVar[tuple[str, ...]] = ("imputation",)
    needs_labels: ClassVar[bool] = True

    def __init__(self, model: Model, ids: tuple[str, ...], weight: float = 1.0) -> None:
        super().__init__(model, ids, weight)

    def forward(self, seen: Seen) -> Tensor:
        return seen.mean(seen.output.extras["imputation"], seen.batch.target.lengths)


def _apart(seen: Seen, other: Output, model: Model) -> Tensor:
    """How far the prediction lies from the decision of `model`, whose output is `other`."""
    target = seen.batch.target
    decided = model.head.decide(other.prediction.detach())
    apart = disagreement(seen.model.head.target, seen.output.prediction, decided)
    return seen.mean(target.with_values(apart.unsqueeze(-1)).mean().squeeze(-1), target.lengths)
