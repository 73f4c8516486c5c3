"""How often a model is trained: the seeds and the folds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from affect.bounds import NATURAL, SEED
from affect.errors import ConfigError


def check_seeds(seeds: Any, where: str) -> None:
    """Refuse what is no list of seeds: a seed is part of a folder's name, and is drawn from.

    Args:
        seeds: what was given.
        where: begins the message.
    Raises:
        ConfigError: it is none.
    Example:
        >>> check_seeds([0, -1], "doc: seeds")
        Traceback (most recent call last):
        affect.errors.ConfigError: doc: seeds must be at least 0, got -1
    """
    if not isinstance(seeds, list | tuple):
        raise ConfigError(f"{where}: expected a list of whole numbers, got {seeds!r}")
    for seed in seeds:
        SEED.check(where, seed)


def check_fold(fold: int | None, folds: int, where: str) -> None:
    """Refuse a fold that there is not.

    Args:
        fold: its number; None for all of them.
        folds: how many there are.
        where: begins the message.
    Raises:
        ConfigError: there is no such one.
    Example:
        >>> check_fold(5, 5, "doc: fold")
        Traceback (most recent call last):
        affect.errors.ConfigError: doc: fold must be at least 0 and below `folds: 5`, got 5
    """
    if fold is not None:
        expected = f"at least 0 and below `folds: {folds}`"
        replace(NATURAL, expected=expected, most=folds, below=True).check(where, fold)


def folds_to_run(fold: int | None, folds: int) -> list[int]:
    """The folds that are run, each with its test split; 0 alone where the corpus has official splits.

    Args:
        fold: the only one; None for all of them.
        folds: how many there are.
    Example:
        >>> folds_to_run(None, 3), folds_to_run(1, 3), folds_to_run(None, 0)
        ([0, 1, 2], [1], [0])
    """
    return [*range(folds or 1)] if fold is None else [fold]
