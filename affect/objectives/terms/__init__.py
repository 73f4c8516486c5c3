"""Terms: what is learned beside the label."""

from affect.objectives.terms.balance import GradientModulation, UnimodalHeads
from affect.objectives.terms.base import Model, Seen, Term, TermFactory
from affect.objectives.terms.contrast import Contrast, Matching, SupervisedContrast
from affect.objectives.terms.correlation import (
    CanonicalCorrelation,
    GeneralizedCorrelation,
    MaximalCorrelation,
)
from affect.objectives.terms.domains import CorpusAlignment, CorpusConfusion, OnAuxiliary
from affect.objectives.terms.information import (
    ContrastiveUpperBound,
    InformationBottleneck,
    MutualInformation,
    PredictiveCoding,
)
from affect.objectives.terms.labels import GeneratedLabels, ModalityTargets
from affect.objectives.terms.masking import MaskedClusters, MaskedSteps, MaskedWords
from affect.objectives.terms.momentum import MomentumContrast
from affect.objectives.terms.redundancy import RedundancyReduction, VarianceCovariance
from affect.objectives.terms.spaces import (
    CorrelationAlignment,
    Difference,
    DomainConfusion,
    MaximumMeanDiscrepancy,
    Reconstruction,
    Similarity,
)
from affect.objectives.terms.translation import Translation
from affect.objectives.terms.views import Consistency, Distillation, Imputation

__all__ = [
    "CanonicalCorrelation",
    "Consistency",
    "Contrast",
    "ContrastiveUpperBound",
    "CorpusAlignment",
    "CorpusConfusion",
    "CorrelationAlignment",
    "Difference",
    "Distillation",
    "DomainConfusion",
    "GeneralizedCorrelation",
    "GeneratedLabels",
    "GradientModulation",
    "Imputation",
    "InformationBottleneck",
    "MaskedClusters",
    "MaskedSteps",
    "MaskedWords",
    "Matching",
    "MaximalCorrelation",
    "MaximumMeanDiscrepancy",
    "ModalityTargets",
    "Model",
    "MomentumContrast",
    "MutualInformation",
    "OnAuxiliary",
    "PredictiveCoding",
    "Reconstruction",
    "RedundancyReduction",
    "Seen",
    "Similarity",
    "SupervisedContrast",
    "Term",
    "TermFactory",
    "Translation",
    "UnimodalHeads",
    "VarianceCovariance",
]
