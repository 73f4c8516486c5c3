"""Intervals that speak for new samples and new seeds, tests between models, and ranks over corpora."""

from affect import renamed
from affect.metrics import Measure
from affect.statistics.intervals import combined, interval, over_seeds, spread
from affect.statistics.ranks import Ranks, friedman
from affect.statistics.resampling import Bootstrap, Measured, bootstrap, measure, resampled, resampled_rows
from affect.statistics.significance import (
    Corrected,
    cohens_d,
    corrected_t,
    holm,
    least_p,
    permutation_p,
    superiority,
    wilcoxon_p,
)

__all__ = [
    "Bootstrap",
    "Corrected",
    "Measure",
    "Measured",
    "Ranks",
    "bootstrap",
    "cohens_d",
    "combined",
    "corrected_t",
    "friedman",
    "holm",
    "interval",
    "least_p",
    "measure",
    "over_seeds",
    "permutation_p",
    "resampled",
    "resampled_rows",
    "spread",
    "superiority",
    "wilcoxon_p",
]

__getattr__ = renamed.names(__name__, {"Metric": "Measure"})
