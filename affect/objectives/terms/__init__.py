"""Terms: what is learned beside the label."""

from affect.objectives.terms.base import Model, Seen, Term, TermFactory
from affect.objectives.terms.contrast import Contrast, Matching, SupervisedContrast
from affect.objectives.terms.labels import GeneratedLabels, ModalityTargets
from affect.objectives.terms.spaces import (
    CorrelationAlignment,
    Difference,
    DomainConfusion,
    MaximumMeanDiscrepancy,
    Reconstruction,
    Similarity,
)
from affect.objectives.terms.views import Consistency, Distillation, Imputation

__all__ = [
    "Consistency",
    "Contrast",
    "CorrelationAlignment",
    "Difference",
    "Distillation",
    "DomainConfusion",
    "GeneratedLabels",
    "Imputation",
    "Matching",
    "MaximumMeanDiscrepancy",
    "ModalityTargets",
    "Model",
    "Reconstruction",
    "Seen",
    "Similarity",
    "SupervisedContrast",
    "Term",
    "TermFactory",
]
