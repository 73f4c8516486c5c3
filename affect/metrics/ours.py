"""Affect's metrics by name, and the names that no other may have."""

from __future__ import annotations

from affect.metrics.classes import accuracy, f1_macro, f1_weighted, uar, weighted_accuracy
from affect.metrics.regression import (
    acc2_nonnegative,
    acc2_nonzero,
    acc5,
    acc7,
    acc7_bins,
    ccc,
    f1_nonnegative,
    f1_nonzero,
    mae,
    pearson,
)
from affect.metrics.summed import Summed

OURS: dict[str, Summed] = {
    metric.name: metric
    for metric in (
        mae, pearson, ccc, acc2_nonnegative, f1_nonnegative, acc2_nonzero, f1_nonzero, acc5, acc7, acc7_bins,
        accuracy, weighted_accuracy, f1_weighted, f1_macro, uar,
    )
}  # fmt: skip
"""Affect's metrics by name, in the order of tables."""

TAKEN = ("loss", "epoch", "seconds", "epoch_seconds", "parameters", "sample_megaflops", "sample_milliseconds")
"""Names that stand beside metrics, in a run's history or as aims of a search."""
