"""Redundant, unique and synergistic information of modalities about a target, in bits."""

from affect.interactions.corpora import of_corpus
from affect.interactions.estimates import Estimate, of_features, of_outputs
from affect.interactions.exact import Interactions, of_table

__all__ = ["Estimate", "Interactions", "of_corpus", "of_features", "of_outputs", "of_table"]
