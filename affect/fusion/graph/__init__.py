"""Graphs over steps, over utterances, over modalities, and over what modalities say together."""

from affect.fusion.graph.context import ContextGraphFusion
from affect.fusion.graph.dynamic import DynamicGraphFusion, check_vertices, graph_networks, grown, vertices_of
from affect.fusion.graph.layers import GraphAttention
from affect.fusion.graph.modalities import ModalityGraphFusion
from affect.fusion.graph.relations import RelationalConvolution, RelationalGraphFusion
from affect.fusion.graph.steps import TemporalGraphFusion

__all__ = [
    "ContextGraphFusion",
    "DynamicGraphFusion",
    "GraphAttention",
    "ModalityGraphFusion",
    "RelationalConvolution",
    "RelationalGraphFusion",
    "TemporalGraphFusion",
    "check_vertices",
    "graph_networks",
    "grown",
    "vertices_of",
]
