"""What can go missing, noisy or out of step; used in training and in sweeps."""

from affect import renamed
from affect.corruption.base import Compose, Corruption, StepLoss
from affect.corruption.dialogues import PartyDropout, UtteranceDropout
from affect.corruption.draws import Draws
from affect.corruption.modalities import (
    ModalityDropout,
    ModalityLoss,
    ModalitySwap,
    RandomModalities,
    RandomSubset,
    subsets_of,
)
from affect.corruption.steps import (
    BurstDropout,
    RunDropout,
    SpanDropout,
    StepDropout,
    Truncation,
    WordErasure,
)
from affect.corruption.time import SpeedChange, TimeShift
from affect.corruption.values import ColumnDropout, Drift, GaussianNoise, StepNoise

__all__ = [
    "BurstDropout",
    "ColumnDropout",
    "Compose",
    "Corruption",
    "Draws",
    "Drift",
    "GaussianNoise",
    "ModalityDropout",
    "ModalityLoss",
    "ModalitySwap",
    "PartyDropout",
    "RandomModalities",
    "RandomSubset",
    "RunDropout",
    "SpanDropout",
    "SpeedChange",
    "StepDropout",
    "StepLoss",
    "StepNoise",
    "TimeShift",
    "Truncation",
    "UtteranceDropout",
    "WordErasure",
    "subsets_of",
]

__getattr__ = renamed.names(__name__, {"Loss": "StepLoss"})
