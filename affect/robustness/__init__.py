"""How a model holds out when something goes missing: sweeps over corruptions, and their scores."""

from affect import renamed
from affect.robustness import protocols
from affect.robustness.scores import area, contributions, effective_robustness, normalise, retained_share
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
    "normalise",
    "protocols",
    "retained_share",
    "sweep",
]

__getattr__ = renamed.names(__name__, {"normalised": "normalise", "retained": "retained_share"})
