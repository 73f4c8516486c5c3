"""Search across modalities: how often what was seen finds what was said, and how far modalities lie apart."""

from affect.retrieval.embeddings import Embeddings, embed, term_with_embeddings
from affect.retrieval.ranks import Index, Ranks, combine, modality_gap, rank
from affect.retrieval.summary import Searched, searches, summarise, tidy
from affect.retrieval.zero_shot import zero_shot

__all__ = [
    "Embeddings",
    "Index",
    "Ranks",
    "Searched",
    "combine",
    "embed",
    "modality_gap",
    "rank",
    "searches",
    "summarise",
    "term_with_embeddings",
    "tidy",
    "zero_shot",
]
