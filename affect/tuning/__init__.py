"""Optuna searches: what varies, what is looked for, who works at it, and what came out."""

from affect.tuning.aims import Aim
from affect.tuning.collecting import space_of
from affect.tuning.racing import lost
from affect.tuning.search import Search, Task, task_of
from affect.tuning.space import Parameter, Space, told
from affect.tuning.starts import Setting
from affect.tuning.tune import Found, tune

__all__ = [
    "Aim",
    "Found",
    "Parameter",
    "Search",
    "Setting",
    "Space",
    "Task",
    "lost",
    "space_of",
    "task_of",
    "told",
    "tune",
]
