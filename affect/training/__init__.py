"""Training and evaluation."""

from affect.seeding import seeded
from affect.training.evaluation import COLUMNS, EVALUATED, columns, evaluate, predict, tidy
from affect.training.fitting import LearnerFactory, ObjectiveFactory, fit
from affect.training.learner import MONITOR, Learner
from affect.training.options import OptimizerFactory, Precision, ScheduleFactory, Training
from affect.training.progress import EpochProgress, Progress
from affect.training.run import Run
from affect.training.stages import Stage
from affect.training.start import start_from

__all__ = [
    "COLUMNS",
    "EVALUATED",
    "MONITOR",
    "EpochProgress",
    "Learner",
    "LearnerFactory",
    "ObjectiveFactory",
    "OptimizerFactory",
    "Precision",
    "Progress",
    "Run",
    "ScheduleFactory",
    "Stage",
    "Training",
    "columns",
    "evaluate",
    "fit",
    "predict",
    "seeded",
    "start_from",
    "tidy",
]
