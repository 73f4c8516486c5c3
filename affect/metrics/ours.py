"""Affect's metrics by name, and the names that no other may have."""

from __future__ import annotations

from affect.metrics.agreement import krippendorff_interval, krippendorff_nominal
from affect.metrics.base import Metric
from affect.metrics.classes import accuracy, f1, f1_macro, f1_weighted, uar, weighted_accuracy
from affect.metrics.ranking import auc
from affect.metrics.regression import (
    acc2_nonnegative,
    acc2_nonzero,
    acc3,
    acc5,
    acc7,
    acc7_bins,
    ccc,
    f1_nonnegative,
    f1_nonzero,
    mae,
    pearson,
)
from affect.metrics.sims import (
    sims_acc2,
    sims_acc2_weak,
    sims_acc3,
    sims_acc5,
    sims_f1,
    sims_mae,
    sims_pearson,
)

ALWAYS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        mae, pearson, ccc, acc2_nonnegative, f1_nonnegative, acc2_nonzero, f1_nonzero, acc5, acc7, acc7_bins,
        sims_mae, sims_pearson, sims_acc2, sims_f1, sims_acc3, sims_acc5,
        weighted_accuracy, accuracy, f1_weighted, f1_macro, uar,
    )
}  # fmt: skip
"""Those that are measured of every target that they are for, in the order of tables."""

OURS: dict[str, Metric] = ALWAYS | {
    metric.name: metric
    for metric in (acc3, sims_acc2_weak, f1, auc, krippendorff_interval, krippendorff_nominal)
}
"""All of affect's; the rest are measured where they are named."""

TAKEN = ("loss", "epoch", "seconds", "epoch_seconds", "parameters", "sample_megaflops", "sample_milliseconds")
"""Names that stand beside metrics, in a run's history or as aims of a search."""
