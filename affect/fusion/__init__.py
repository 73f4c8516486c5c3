"""Fusions: Sequences by name to one Sequence."""

from affect.fusion.attention import (
    ContextualAttentionFusion,
    DualAttentionFusion,
    StackedAttentionFusion,
)
from affect.fusion.base import Fusion, FusionFactory, ProjectedFusion, VectorFusion
from affect.fusion.bilinear import (
    BlockFusion,
    CompactBilinearFusion,
    FactorizedBilinearFusion,
    LowRankBilinearFusion,
    TuckerFusion,
)
from affect.fusion.concatenation import AttentionSumFusion, ConcatenationFusion, WeightedSumFusion
from affect.fusion.coupled import CoupledTranslationFusion
from affect.fusion.crossmodal import CrossModalTransformer
from affect.fusion.decision import HybridFusion, LateFusion, ProductOfExpertsFusion, StackingFusion
from affect.fusion.decoupled import SharedPrivateTransformer
from affect.fusion.dialogue_attention import DialogueTransformerFusion
from affect.fusion.dialogue_memory import ConversationMemoryFusion
from affect.fusion.dialogue_rnn import DialogueRNNFusion
from affect.fusion.early import EarlyFusion
from affect.fusion.enhancement import CrossModalEnhancementFusion
from affect.fusion.factorised import SharedPrivateFusion
from affect.fusion.gating import GatedAdditionFusion, GatedFusion, GatedShiftFusion, ModulationFusion
from affect.fusion.graph import (
    ContextGraphFusion,
    DynamicGraphFusion,
    ModalityGraphFusion,
    RelationalGraphFusion,
    TemporalGraphFusion,
)
from affect.fusion.hybrid_memory import HybridMemoryFusion
from affect.fusion.hyper import HyperModalityFusion
from affect.fusion.memory import GraphMemoryFusion, MemoryFusion
from affect.fusion.multiplicative import MultiplicativeInteractionFusion
from affect.fusion.spans import SpanShiftFusion
from affect.fusion.steps import PerStep
from affect.fusion.streams import (
    BottleneckFusion,
    CoAttentionFusion,
    LearnedQueryFusion,
    MergedAttentionFusion,
)
from affect.fusion.tensor import LowRankFusion, TensorFusion

__all__ = [
    "AttentionSumFusion",
    "BlockFusion",
    "BottleneckFusion",
    "CoAttentionFusion",
    "CompactBilinearFusion",
    "ConcatenationFusion",
    "ContextGraphFusion",
    "ContextualAttentionFusion",
    "ConversationMemoryFusion",
    "CoupledTranslationFusion",
    "CrossModalEnhancementFusion",
    "CrossModalTransformer",
    "DialogueRNNFusion",
    "DialogueTransformerFusion",
    "DualAttentionFusion",
    "DynamicGraphFusion",
    "EarlyFusion",
    "FactorizedBilinearFusion",
    "Fusion",
    "FusionFactory",
    "GatedAdditionFusion",
    "GatedFusion",
    "GatedShiftFusion",
    "GraphMemoryFusion",
    "HybridFusion",
    "HybridMemoryFusion",
    "HyperModalityFusion",
    "LateFusion",
    "LearnedQueryFusion",
    "LowRankBilinearFusion",
    "LowRankFusion",
    "MemoryFusion",
    "MergedAttentionFusion",
    "ModalityGraphFusion",
    "ModulationFusion",
    "MultiplicativeInteractionFusion",
    "PerStep",
    "ProductOfExpertsFusion",
    "ProjectedFusion",
    "RelationalGraphFusion",
    "SharedPrivateFusion",
    "SharedPrivateTransformer",
    "SpanShiftFusion",
    "StackedAttentionFusion",
    "StackingFusion",
    "TemporalGraphFusion",
    "TensorFusion",
    "TuckerFusion",
    "VectorFusion",
    "WeightedSumFusion",
]
