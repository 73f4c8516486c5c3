"""What each modality contributes to what a model predicts of each sample."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from affect.data.targets import MultiClass, MultiLabel
from affect.errors import ConfigError
from affect.metrics import Array
from affect.robustness.scores import contributions
from affect.robustness.sweeps import ONLY, Sweep, left_of


def sample_contributions(sweeps: Iterable[Sweep]) -> pd.DataFrame:
    """One row per label, output, seed and modality, as `Comparison.sample_contributions` says.

    Args:
        sweeps: of one model, one for each seed, over the same samples.
    """
    sweeps = list(sweeps)
    model, target = sweeps[0].where["model"], sweeps[0].target
    outputs = target.classes if isinstance(target, MultiClass | MultiLabel) else ("",)
    baseline, predictions = _constant(sweeps[0]), np.stack([_clean(own) for own in sweeps], 2)
    shares = [contributions(_subsets(own, str(model)) | {frozenset(): baseline}) for own in sweeps]
    modalities = [*shares[0]]
    found = np.stack([np.stack([own[name] for name in modalities], -1) for own in shares], 2)
    whole = np.all([sweeps[0].present[name] for name in modalities], 0)
    found[~whole] = np.nan
    labels, outs, seeds, names = (axis.ravel() for axis in np.indices(found.shape))
    return pd.DataFrame(
        {
            "sample": np.array(sweeps[0].samples, object)[labels],
            "label": labels,
            "output": np.array(outputs, object)[outs],
            "seed": np.array([own.where["seed"] for own in sweeps])[seeds],
            "modality": np.array(modalities, object)[names],
            "contribution": found.ravel(),
            "baseline": baseline[outs],
            "prediction": predictions[labels, outs, seeds],
        }
    )


def _constant(own: Sweep) -> Array:
    """(outputs,): the mean label, or the share of labels that each class has."""
    if isinstance(own.target, MultiClass):
        counts = np.bincount(own.truth[:, 0].astype(np.int64), minlength=own.target.outputs)
        return np.asarray(counts / max(len(own.truth), 1))
    return np.asarray(own.truth.mean(0))


def _clean(own: Sweep) -> Array:
    """(labels, outputs): what is predicted where nothing is lost."""
    return _mean(own, "clean")


def _subsets(own: Sweep, model: str) -> dict[frozenset[str], Array]:
    """What is predicted with each subset of the modalities that is not empty, the whole one too."""
    names = [str(name) for name in own.conditions["condition"].unique() if str(name).startswith(ONLY)]
    if not names:
        raise ConfigError(
            f"sample_contributions: {model} was not swept over subsets of its modalities; sweep over "
            "modality_subsets()"
        )
    parts = {left_of(name): _mean(own, name) for name in names}
    return {frozenset().union(*parts): _clean(own), **parts}


def _mean(own: Sweep, condition: str) -> Array:
    """(labels, outputs): the mean over the draws of a condition."""
    places = np.flatnonzero(own.conditions["condition"] == condition)
    return np.asarray(own.predictions[places].mean(0))
