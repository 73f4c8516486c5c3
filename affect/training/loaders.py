"""The batches of a training."""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np
from torch.utils.data import DataLoader

from affect.data.corpus import Corpus
from affect.data.loading import batches, beside
from affect.errors import ConfigError
from affect.sequences import Batch
from affect.training.devices import shared
from affect.training.options import Training
from affect.training.terms import Terms

logger = logging.getLogger(__name__)

LEAST: Final = 8
"""Samples that a device has at least to compare."""


def loaders(
    corpus: Corpus,
    target: str | None,
    terms: Terms,
    supervised: float,
    training: Training,
    seed: int,
    devices: int = 1,
    evaluated: int = 32,
    every: bool = True,
    auxiliary: Corpus | None = None,
) -> tuple[DataLoader[Batch], DataLoader[Batch]]:
    """The batches that are learned from, and those that the epoch is chosen by.

    Samples of like length are together, so that little is padded. Where a term compares the samples of a
    batch, they are shuffled whatever their lengths: else all that a sample is compared with is as long as it
    is. A last batch of fewer than 8 samples on each device is joined to the one before, and no sample is
    lost. Where no label is learned from, such a term is asked about the same batches of mixed lengths in
    every epoch and with every seed, as large as those that are learned from.

    A sample without a label is left out where nothing is learned from it, with a warning: a batch of such
    samples would be a step without a gradient, which moves weights all the same.

    Args:
        corpus: with the splits `train` and `valid`.
        target: that they carry.
        terms: of the training.
        supervised: weight of the objective.
        training: whose batch size is that of each device.
        seed: of the order.
        devices: how many share them.
        evaluated: samples of a batch in validation, on each device.
        every: whether something may be learned from a sample without a label.
        auxiliary: of whose split `train` a batch of as many samples stands beside each that is learned from.
    Raises:
        ConfigError: there is an auxiliary corpus, and several devices.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> learned, _ = loaders(corpus, "sentiment", Terms({}), 1.0, Training(batch_size=100), seed=0)
        >>> sorted(len(batch) for batch in learned)
        [100, 100, 100, 100, 100, 100]
    """
    compared = LEAST * devices if terms.compare else 0
    train = corpus["train"]
    if target is not None and not every and not (labelled := train.targets[target].present).all():
        lacking = (~labelled).sum()
        logger.warning(
            "fit: %s of %s training samples have no label of '%s' and are left out: no term learns from them",
            f"{lacking:,}", f"{len(train):,}", target,
        )  # fmt: skip
        train = train.take(np.flatnonzero(labelled))
    learned = batches(
        train, target, devices * training.batch_size, seed, beside=terms.targets, mixed=compared
    )
    if auxiliary is not None:
        if devices > 1:
            raise ConfigError(f"fit: an auxiliary corpus is for one device, got {devices}; set devices: 1")
        other = batches(auxiliary["train"], None, training.batch_size, seed, mixed=compared)
        learned = beside(learned, other)
    asked: dict[str, Any] = {"by_length": True}
    if not supervised:
        asked["beside"] = terms.targets
        if compared:
            evaluated = training.batch_size
            asked.update(by_length=False, mixed=compared)
    chosen = batches(corpus["valid"], target, devices * evaluated, **asked)
    return shared(learned, devices), shared(chosen, devices)
