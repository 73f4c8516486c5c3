"""Objectives: an Output and the truth to one loss per sample."""

from affect.objectives.agreement import disagreement
from affect.objectives.base import Objective
from affect.objectives.focal import FocalLoss
from affect.objectives.supervised import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    SquaredError,
    objective_for,
)
from affect.objectives.weights import class_weights

__all__ = [
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "FocalLoss",
    "Objective",
    "SquaredError",
    "class_weights",
    "disagreement",
    "objective_for",
]
