"""Training and evaluation."""

import importlib
from typing import TYPE_CHECKING, Any

from affect.seeding import seeded
from affect.training.evaluation import COLUMNS, EVALUATED, columns, evaluate, predict, tidy
from affect.training.options import OptimizerFactory, Precision, Progress, ScheduleFactory, Training
from affect.training.run import Run
from affect.training.stages import Stage
from affect.training.start import start_from

if TYPE_CHECKING:  # these import Lightning, which takes seconds: when they are first used
    from affect.training.fitting import LearnerFactory, ObjectiveFactory, fit
    from affect.training.learner import MONITOR, Learner
    from affect.training.progress import EpochProgress

_LATE = {
    **dict.fromkeys(("LearnerFactory", "ObjectiveFactory", "fit"), "fitting"),
    **dict.fromkeys(("MONITOR", "Learner"), "learner"),
    "EpochProgress": "progress",
}

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


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'affect.training' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"affect.training.{_LATE[name]}"), name)
    globals()[name] = value
    return value
