"""Seven models of affect with the widths and settings that MMSA has for them on CMU-MOSI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from affect.data.corpus import Corpus
from affect.encoders import LSTMEncoder, PassEncoder, PooledEncoder
from affect.fusion import (
    ConcatenationFusion,
    CrossModalTransformer,
    EarlyFusion,
    GraphMemoryFusion,
    LowRankFusion,
    MemoryFusion,
    TensorFusion,
)
from affect.heads import RegressionHead
from affect.model import FusionModel
from affect.objectives import AbsoluteError, Objective
from affect.objectives.terms import TermFactory
from affect.pooling import LastPooling
from affect.training import Training, seeded
from experiments.speed.shaped import FRAMES

MODELS = ("tfn", "lmf", "ef_lstm", "lf_dnn", "mfn", "graph_mfn", "mult")
ALIGNED = ("ef_lstm", "mfn", "graph_mfn")


@dataclass(frozen=True)
class Setting:
    """MMSA's settings of a model on CMU-MOSI, and affect's model of the same widths."""

    batch_size: int
    learning_rate: float
    encoder: dict[str, Callable[[int, int], Any]]
    fusion: Callable[[dict[str, int], int], Any]
    out_dim: int = 64
    head_dropout: float = 0.1
    accumulate: int = 1
    options: Mapping[str, Any] = field(default_factory=lambda: {"gradient_clip": 0.0})
    """Others of its training; the norm of gradients has no limit in MMSA's seven."""
    objective: type[Objective] = AbsoluteError
    terms: Mapping[str, TermFactory] = field(default_factory=dict)
    begin: Callable[[FusionModel], None] | None = None
    """Draws other weights to begin with."""

    def build(self, corpus: Corpus, seed: int) -> FusionModel:
        """The model, with weights drawn from a seed."""
        with seeded(seed):
            model = FusionModel.for_corpus(
                corpus,
                encoder=self.encoder,
                fusion=self.fusion,
                head=partial(RegressionHead, dropout=self.head_dropout),
                out_dim=self.out_dim,
            )
            if self.begin is not None:
                self.begin(model)
            return model

    def training(self, **options: Any) -> Training:
        """How it is trained."""
        return Training(
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            accumulate=self.accumulate,
            **{**self.options, **options},
        )


def settings() -> dict[str, Setting]:
    """By MMSA's names."""
    last = LastPooling()

    def late(text: int, acoustic: int, visual: int, dropout: float) -> dict[str, Callable[[int, int], Any]]:
        """The last state of a network over words, and perceptrons of three layers over mean frames."""
        return {
            "text": lambda in_dim, _: LSTMEncoder(
                in_dim, text, width=128, bidirectional=False, dropout=0.0, pooling=last
            ),
            "acoustic": lambda in_dim, _: PooledEncoder(in_dim, acoustic, layers=2, dropout=dropout),
            "visual": lambda in_dim, _: PooledEncoder(in_dim, visual, layers=2, dropout=dropout),
        }

    read = dict.fromkeys(FRAMES, PassEncoder)
    noisy = {**read, "text": partial(PassEncoder, dropout=0.5)}
    widths = {"text": 256, "acoustic": 32, "visual": 256}
    recurrent = partial(LSTMEncoder, layers=4, bidirectional=False, dropout=0.5, pooling=last)
    tensor = partial(TensorFusion, dropout=0.5)
    low_rank = partial(LowRankFusion, rank=3)
    concatenation = partial(ConcatenationFusion, layers=1)
    early = partial(EarlyFusion, encoder=recurrent)
    # MMSA's networks have hidden layers of several sizes; one of these sizes makes as many weights
    memory = partial(MemoryFusion, width=widths, memory=400, hidden=128)
    graph = partial(GraphMemoryFusion, width=widths, memory=300, vertex=128, hidden=192)
    attention = partial(
        CrossModalTransformer,
        width=50,
        heads=10,
        layers=4,
        own_layers=4,
        dropout=0.0,
        key_dropout=0.1,
        local=False,
        kernel=5,
        pooling=last,
        blank=True,
        bare=True,
        residual_dropout=0.5,
    )
    return {
        "tfn": Setting(32, 1e-3, late(32, 32, 128, 0.3), tensor, 64),
        "lmf": Setting(64, 1e-3, late(64, 16, 128, 0.3), low_rank, 64),
        "ef_lstm": Setting(32, 1e-3, read, early, 128),
        "lf_dnn": Setting(128, 1e-3, late(256, 16, 128, 0.2), concatenation, 128),
        "mfn": Setting(128, 2e-3, read, memory, 128),
        "graph_mfn": Setting(32, 2e-3, read, graph, 256),
        "mult": Setting(16, 2e-3, noisy, attention, head_dropout=0.0, accumulate=8),
    }
