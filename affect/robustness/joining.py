"""Sweeps that belong together: the folds of a seed, the seeds of a model, models over the same samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from affect.errors import ConfigError, DataError, described, did_you_mean
from affect.robustness.sweeps import Sweep


def laid_together(sweeps: Iterable[Sweep]) -> dict[str, list[Sweep]]:
    """The sweeps of each model by seed, their folds laid together, all samples in one order.

    Args:
        sweeps: of several models, seeds and folds.
    Raises:
        ConfigError: something is no sweep.
        DataError: there is none, or they are not over the same conditions and samples.
    """
    found: dict[str, dict[int, list[Sweep]]] = {}
    for own in sweeps:
        if not isinstance(own, Sweep):
            raise ConfigError(f"Comparison: expected a list of Sweep, got {described(own)} in it")
        found.setdefault(own.where["model"], {}).setdefault(own.where["seed"], []).append(own)
    if not found:
        raise DataError("robustness: there is no sweep to compare")
    models = {name: [_joined(parts) for _, parts in sorted(seeds.items())] for name, seeds in found.items()}
    first = next(iter(models.values()))[0]
    for own in itertools.chain(*models.values()):
        if not own.conditions.equals(first.conditions) or own.samples != first.samples:
            raise DataError(
                f"robustness: {own.where['model']}, seed {own.where['seed']} was swept over other conditions "
                f"or samples than {first.where['model']}, seed {first.where['seed']}"
            )
    return models


def without(modality: str, own: Sweep) -> Sweep:
    """The samples of a sweep that never had a modality.

    Args:
        modality: its name.
        own: the sweep.
    Raises:
        ConfigError: there is no such modality.
        DataError: every sample has it.
    """
    if modality not in own.present:
        raise ConfigError(f"robustness: no modality '{modality}'; {did_you_mean(modality, own.present)}")
    if own.present[modality].all():
        raise DataError(f"robustness: every sample of {own.where['corpus']} has the modality '{modality}'")
    return own.take(~own.present[modality])


def _joined(parts: list[Sweep]) -> Sweep:
    samples = np.array([sample for own in parts for sample in own.samples])
    order = np.argsort(samples, kind="stable")
    whole = replace(
        parts[0],
        predictions=np.concatenate([own.predictions for own in parts], 1),
        truth=np.concatenate([own.truth for own in parts]),
        samples=tuple(samples.tolist()),
        present={name: np.concatenate([own.present[name] for own in parts]) for name in parts[0].present},
        grouped=tuple(group for own in parts for group in own.grouped)
        if all(own.grouped for own in parts)
        else (),
    )
    return whole.take(order)
