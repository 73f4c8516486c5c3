"""Folds and validation splits in which no group is on two sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from affect.bounds import INSIDE, NATURAL, Bounds
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Rows
from affect.errors import ConfigError


def fold(corpus: Corpus, index: int, folds: int = 5, valid_share: float = 0.2) -> Corpus:
    """One of several ways to cut a corpus without official splits into train, valid and test.

    Groups (speakers, videos) are dealt to the folds so that these have like numbers of samples; fold
    `index` is the test split, and the validation split is carved from the groups that remain.

    Args:
        corpus: has one split, `all`.
        index: which fold becomes the test split, from 0.
        folds: how many there are.
        valid_share: about the share of the remaining samples that validate.
    Raises:
        ConfigError: there is no such fold, or there are fewer groups than folds.
    Example:
        >>> whole = affect.load("synthetic")
        >>> corpus = fold(affect.Corpus("all", {"all": whole["train"]}, whole.targets), index=0)
        >>> sorted(corpus.splits), set(corpus["train"].groups) & set(corpus["test"].groups)
        (['test', 'train', 'valid'], set())
    """
    _FOLDS.check(f"{corpus.name}: folds", folds)
    NATURAL.check(f"{corpus.name}: fold", index)
    if index >= folds:
        raise ConfigError(f"{corpus.name}: no fold {index}; expected 0 to {folds - 1}")
    everything = corpus["all"]
    rest, test = _deal(everything, folds, index, corpus.name)
    parts = {"train": everything.take(rest), "test": everything.take(test)}
    return carve(replace(corpus, splits=parts).read_from({}, corpus.files), valid_share, index)


def carve(corpus: Corpus, valid_share: float = 0.2, part: int = 0) -> Corpus:
    """A validation split carved from the groups of the training split.

    Args:
        corpus: has the split `train`.
        valid_share: about the share of its samples that validate.
        part: which of the possible parts validates, so that folds do not all choose on the same groups.
    Raises:
        ConfigError: the share is not between 0 and 1, or there are too few groups.
    Example:
        >>> whole = affect.load("synthetic")
        >>> corpus = carve(affect.Corpus("c", {"train": whole["train"]}, whole.targets))
        >>> len(corpus["train"]) + len(corpus["valid"]) == len(whole["train"])
        True
    """
    INSIDE.check(f"{corpus.name}: valid_share", valid_share)
    parts = max(round(1 / valid_share), 2)
    train, valid = _deal(corpus["train"], parts, part % parts, corpus.name)
    cut = {"train": corpus["train"].take(train), "valid": corpus["train"].take(valid)}
    return replace(corpus, splits={**corpus.splits, **cut}).read_from({}, corpus.files)


_FOLDS = Bounds("at least 2", 2, limit=10**9, whole=True)


def _deal(split: Split, folds: int, index: int, name: str) -> tuple[Rows, Rows]:
    """Rows of all folds but one, and of that one."""
    from sklearn.model_selection import GroupKFold

    groups = np.unique(split.ids if split.groups is None else split.groups, return_inverse=True)[1]
    if groups.max() + 1 < folds:
        raise ConfigError(f"{name}: {folds} folds need as many groups, got {groups.max() + 1}")
    parts = GroupKFold(n_splits=folds).split(np.zeros(len(split)), groups=groups)
    rest, chosen = list(parts)[index]
    return rest, chosen
