"""Metrics of the order in which probabilities put samples."""

from __future__ import annotations

import numpy as np

from affect.data.targets import Binary, MultiLabel
from affect.metrics.base import Array, Metric
from affect.metrics.regression import numbers


class AreaUnderROC(Metric):
    """Area under the receiver operating characteristic: how often a yes is above a no; a tie is half.

    Of one label. NaN where every truth, or none, is yes. No sum of terms, so that statistics take their
    resamples one by one.
    Constant predictions: one half.

    Also known as:
        AUC, AUROC, ROC AUC
    Reference:
        Hanley and McNeil, The Meaning and Use of the Area under a ROC Curve, Radiology 1982; scikit-learn's
        `roc_auc_score`.
    Example:
        >>> affect.metrics.auc(np.array([0.9, 0.2, 0.4]), np.array([1, 0, 0]))
        1.0
    """

    name = "auc"
    kinds = (Binary, MultiLabel)
    bounds = (0.0, 1.0)

    def __call__(self, prediction: Array, truth: Array) -> float:
        prediction, truth = numbers(prediction, truth)
        yes, no = prediction[truth > 0], np.sort(prediction[truth <= 0])
        if not (len(yes) and len(no)):
            return float("nan")
        below = np.searchsorted(no, yes, "left").sum() + np.searchsorted(no, yes, "right").sum()
        return float(below / 2 / len(yes) / len(no))


auc = AreaUnderROC()
"""What `AreaUnderROC` measures."""
