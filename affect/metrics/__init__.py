"""The field's metrics, each convention under its own name.

Every metric is a function `(prediction, truth) -> float` on numpy arrays, and an object of `Metric`, which
knows its name, which way is better and for what it is; so is a user's own, which counts within `using`.
Regression metrics take numbers, (n,); binary ones, and each label of a multi-label target, probabilities,
(n,), and labels 0 or 1; multi-class ones probabilities, (n, classes), and class indices, (n,). A probability
above one half means yes; of equally probable classes the first one counts. -0.0 is zero. Other shapes, no
samples, and predictions or truths that are NaN or infinite are refused.

Each of affect's but `auc` is written as the terms of every label and the value of their sums (`Summed`),
from which thousands of resamples are one product of matrices; the tests hold every one to scikit-learn's and
scipy's value. Most are measured wherever they suit a target, a few where they are named (`is_extra`).
"""

from affect import renamed
from affect.metrics.agreement import krippendorff_interval, krippendorff_nominal
from affect.metrics.base import Array, Measure, Metric
from affect.metrics.catalogue import (
    bounds,
    count,
    failure,
    higher_is_better,
    is_correlation,
    is_extra,
    is_path,
    known,
    measuring_monitor,
    name_of,
    own,
    own_to_json,
    using,
)
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
from affect.metrics.shifts import emotion_shifts
from affect.metrics.sims import (
    sims_acc2,
    sims_acc2_weak,
    sims_acc3,
    sims_acc5,
    sims_f1,
    sims_mae,
    sims_pearson,
)
from affect.metrics.stored import Stored
from affect.metrics.summed import Summed
from affect.metrics.targets import Score, constant_baselines, constants, metrics_for, score

__all__ = [
    "Array",
    "Measure",
    "Metric",
    "Score",
    "Stored",
    "Summed",
    "acc2_nonnegative",
    "acc2_nonzero",
    "acc3",
    "acc5",
    "acc7",
    "acc7_bins",
    "accuracy",
    "auc",
    "bounds",
    "ccc",
    "count",
    "emotion_shifts",
    "failure",
    "f1",
    "f1_macro",
    "f1_nonnegative",
    "f1_nonzero",
    "f1_weighted",
    "constant_baselines",
    "constants",
    "higher_is_better",
    "is_correlation",
    "is_extra",
    "is_path",
    "known",
    "krippendorff_interval",
    "krippendorff_nominal",
    "mae",
    "measuring_monitor",
    "metrics_for",
    "name_of",
    "own",
    "own_to_json",
    "pearson",
    "score",
    "sims_acc2",
    "sims_acc2_weak",
    "sims_acc3",
    "sims_acc5",
    "sims_f1",
    "sims_mae",
    "sims_pearson",
    "uar",
    "using",
    "weighted_accuracy",
]

__getattr__ = renamed.names(__name__, {"floors": "constant_baselines"})
