"""Terms: what is learned beside the label."""

from affect.objectives.terms.balance import GradientModulation, UnimodalHeads
from affect.objectives.terms.base import Model, Seen, Term, TermFactory
from affect.objectives.terms.blending import GradientBlending, ParetoGradients
from affect.objectives.terms.contrast import Contrast, Matching, SupervisedContrast
from affect.objectives.terms.correlation import (
    CanonicalCorrelation,
    GeneralizedCorrelation,
    MaximalCorrelation,
)
from affect.objectives.terms.decomposed import DecompositionContrast
from affect.objectives.terms.distilled import DistillationGraph, FeatureDistillation
from affect.objectives.terms.domains import CorpusAlignment, CorpusConfusion, OnAuxiliary
from affect.objectives.terms.generative import FactorisedCodes, SharedLatent
from affect.objectives.terms.information import (
    ContrastiveUpperBound,
    InformationBottleneck,
    MutualInformation,
    PredictiveCoding,
)
from affect.objectives.terms.labels import GeneratedLabels, ModalityTargets
from affect.objectives.terms.masking import MaskedClusters, MaskedSteps, MaskedWords
from affect.objectives.terms.momentum import MomentumContrast
from affect.objectives.terms.prototypes import Prototypes
from affect.objectives.terms.recovery import Completeness, Regeneration
from affect.objectives.terms.redundancy import RedundancyReduction, VarianceCovariance
from affect.objectives.terms.spaces import (
    CorrelationAlignment,
    Difference,
    DomainConfusion,
    MaximumMeanDiscrepancy,
    Reconstruction,
    Similarity,
)
from affect.objectives.terms.translation import CoupledTranslation, Translation
from affect.objectives.terms.views import Consistency, Distillation, Imputation

__all__ = [
    "CanonicalCorrelation",
    "Completeness",
    "Consistency",
    "Contrast",
    "ContrastiveUpperBound",
    "CorpusAlignment",
    "CorpusConfusion",
    "CorrelationAlignment",
    "CoupledTranslation",
    "DecompositionContrast",
    "Difference",
    "Distillation",
    "DistillationGraph",
    "DomainConfusion",
    "FactorisedCodes",
    "FeatureDistillation",
    "GeneralizedCorrelation",
    "GeneratedLabels",
    "GradientBlending",
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
    "ParetoGradients",
    "PredictiveCoding",
    "Prototypes",
    "Reconstruction",
    "RedundancyReduction",
    "Regeneration",
    "Seen",
    "SharedLatent",
    "Similarity",
    "SupervisedContrast",
    "Term",
    "TermFactory",
    "Translation",
    "UnimodalHeads",
    "VarianceCovariance",
]
