"""Intervals that speak for new samples and new seeds, tests between models, and ranks over corpora."""

from affect import renamed
from affect.metrics import Measure
from affect.statistics.intervals import combined, interval, over_seeds, spread
from affect.statistics.pairwise import Difference, fold_tests, pairwise_tests
from affect.statistics.ranks import Ranks, friedman
from affect.statistics.resampling import Bootstrap, Measured, bootstrap, measure, resampled, resampled_rows
from affect.statistics.samples import units
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
    "Difference",
    "Measure",
    "Measured",
    "Ranks",
    "bootstrap",
    "cohens_d",
    "combined",
    "corrected_t",
    "fold_tests",
    "friedman",
    "holm",
    "interval",
    "least_p",
    "measure",
    "over_seeds",
    "pairwise_tests",
    "permutation_p",
    "resampled",
    "resampled_rows",
    "spread",
    "superiority",
    "units",
    "wilcoxon_p",
]

__getattr__ = renamed.names(__name__, {"Metric": "Measure"})
