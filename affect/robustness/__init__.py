"""How a model holds out when something goes missing: sweeps over corruptions, and their scores."""

from affect.robustness import protocols
from affect.robustness.scores import area, contributions, effective_robustness, normalised, retained
from affect.robustness.summary import Comparison
from affect.robustness.sweeps import RATES, Condition, Grid, Sweep, every, levels, modality_subsets, sweep

__all__ = [
    "RATES",
    "Comparison",
    "Condition",
    "Grid",
    "Sweep",
    "area",
    "contributions",
    "effective_robustness",
    "every",
    "levels",
    "modality_subsets",
    "normalised",
    "protocols",
    "retained",
    "sweep",
]
