"""Optuna searches: what varies, what is looked for, who works at it, and what came out."""

from affect import renamed
from affect.tuning.aims import Aim
from affect.tuning.collecting import space_of
from affect.tuning.racing import significantly_worse
from affect.tuning.search import Search, Task, task_of
from affect.tuning.space import Parameter, Space, distribution_text
from affect.tuning.starts import Setting
from affect.tuning.tune import SearchResult, tune

__all__ = [
    "Aim",
    "SearchResult",
    "Parameter",
    "Search",
    "Setting",
    "Space",
    "Task",
    "distribution_text",
    "significantly_worse",
    "space_of",
    "task_of",
    "tune",
]

__getattr__ = renamed.names(
    __name__, {"Found": "SearchResult", "lost": "significantly_worse", "told": "distribution_text"}
)
