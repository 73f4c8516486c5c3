"""Refusals of what is given for a corpus, or for a split, and is none."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

from affect.data.corpus import Corpus, Split
from affect.errors import ConfigError, described


def check_corpus(who: str, corpus: Any) -> None:
    """Refuse what is no corpus; `who` begins the message.

    Raises:
        ConfigError: it is a path, a split, or something else.
    Example:
        >>> check_corpus("fit", "mosi.pkl")
        Traceback (most recent call last):
        affect.errors.ConfigError: fit: expected a Corpus, got the text 'mosi.pkl'; read it first:
        affect.load('mosi.pkl')
    """
    if isinstance(corpus, Corpus):
        return
    remedy = "make one: affect.Corpus.from_arrays"
    if isinstance(corpus, str | PathLike):
        remedy = f"read it first: affect.load({str(corpus)!r})"
    elif isinstance(corpus, Split):
        remedy = "give the corpus that the split is of"
    raise ConfigError(f"{who}: expected a Corpus, got {described(corpus)}; {remedy}")


def check_split(who: str, split: Any) -> None:
    """Refuse what is no split; `who` begins the message.

    Raises:
        ConfigError: it is a corpus, or something else.
    Example:
        >>> check_split("batches", affect.load("synthetic"))
        Traceback (most recent call last):
        affect.errors.ConfigError: batches: expected a Split, got a Corpus; choose one of its splits:
        corpus['train']
    """
    if isinstance(split, Split):
        return
    remedy = "choose a split of a corpus: corpus['test']"
    if isinstance(split, Corpus):
        remedy = f"choose one of its splits: corpus['{next(iter(split.splits))}']"
    raise ConfigError(f"{who}: expected a Split, got {described(split)}; {remedy}")


def check_indices(who: str, corpus: Corpus, name: str) -> None:
    """Refuse features where indices are wanted; some steps of the first samples in training are looked at.

    Args:
        who: begins the message.
        corpus: with the split `train`.
        name: of the modality.
    Raises:
        ConfigError: a value is no whole number of at least 0.
    Example:
        >>> train = {"text": np.full((3, 1), 0.5), "y": [0, 1, 2]}
        >>> corpus = affect.Corpus.from_arrays({"train": train}, ["y"])
        >>> check_indices("EmbeddingEncoder", corpus, "text")
        Traceback (most recent call last):
        affect.errors.ConfigError: arrays: EmbeddingEncoder reads indices, whole numbers of at least 0, but
        text holds 0.5; make a modality of them (affect.data.text.tokenize, or Vocabulary there), or
        choose an encoder of features
    """
    rows = corpus["train"].modalities[name].take(np.arange(min(32, len(corpus["train"]))))
    steps = rows.index[:256]
    values = np.asarray(rows.values[steps])[rows.observed[steps]]
    wrong = values[(values < 0) | (values != np.floor(values))]
    if wrong.size:
        raise ConfigError(
            f"{corpus.name}: {who} reads indices, whole numbers of at least 0, but {name} holds "
            f"{wrong[0]:g}; make a modality of them (affect.data.text.tokenize, or Vocabulary there), "
            "or choose an encoder of features"
        )
