"""Objectives: an Output and the truth to one loss per sample."""

from affect.objectives.agreement import disagreement
from affect.objectives.base import Objective
from affect.objectives.supervised import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    SquaredError,
    objective_for,
)

__all__ = [
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Objective",
    "SquaredError",
    "disagreement",
    "objective_for",
]
