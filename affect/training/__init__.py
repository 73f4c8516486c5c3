"""Training and evaluation."""

from affect.seeding import seeded
from affect.training.evaluation import COLUMNS, EVALUATED, columns, evaluate, predict, tidy
from affect.training.fitting import ObjectiveFactory, Run, fit
from affect.training.learner import MONITOR, Learner
from affect.training.options import Precision, Training

__all__ = [
    "COLUMNS",
    "EVALUATED",
    "MONITOR",
    "Learner",
    "ObjectiveFactory",
    "Precision",
    "Run",
    "Training",
    "columns",
    "evaluate",
    "fit",
    "predict",
    "seeded",
    "tidy",
]
