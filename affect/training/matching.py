"""Whether the features of a corpus are those that a run learned from."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from affect.data import provenance
from affect.data.corpus import Corpus
from affect.data.ragged import Ragged
from affect.errors import ConfigError
from affect.model import FusionModel

logger = logging.getLogger(__name__)


def shape_of(corpus: Corpus, modalities: Iterable[str]) -> dict[str, Any]:
    """What a run learned from: feature sizes, and columns and makers where the corpus has them.

    Args:
        corpus: of the run.
        modalities: that it reads.
    Example:
        >>> shape_of(affect.load("synthetic"), ["text"])
        {'dims': {'text': 8}, 'columns': {}, 'provenance': {}, 'aligned': False}
    """
    known = list(modalities)
    return {
        "dims": {m: corpus.dims[m] for m in known},
        "columns": {m: list(names) for m, names in corpus.columns.items() if m in known},
        "provenance": {m: provenance.to_json(made) for m, made in corpus.provenance.items() if m in known},
        "aligned": corpus.aligned,
    }


def matched(
    corpus: Corpus,
    shape: Mapping[str, Any],
    *,
    run: str,
    source: str,
    where: str,
    training_only: Collection[str] = (),
    sub_words: Collection[str] = (),
) -> Corpus:
    """The corpus with every modality that a run reads; those that it has are what the run learned from.

    A modality that it does not have at all is absent from every sample, as long as it has some other; a
    warning says so. Words that have more sub-words than any that the run learned from keep the first ones;
    a warning says how many there are.

    Args:
        corpus: what to predict.
        shape: what `shape_of` returned for the run's corpus.
        run: what the run is called in messages.
        source: what the corpus is called there.
        where: the file that `shape` is from.
        training_only: modalities that need not be there.
        sub_words: modalities whose steps are words, and features their sub-words, 0 where there is none.
    Raises:
        ConfigError: the corpus has none of the modalities, or has features of another size, of other names or
            by another extractor.
    """
    if not corpus.targets:
        logger.warning("%s: it has no labels, so there are predictions alone", source)
    needed = [name for name in shape["dims"] if name not in training_only]
    return with_features(corpus, shape, needed, run=run, source=source, where=where, sub_words=sub_words)


def with_features(
    corpus: Corpus,
    shape: Mapping[str, Any],
    needed: Iterable[str],
    *,
    run: str,
    source: str,
    where: str,
    sub_words: Collection[str] = (),
) -> Corpus:
    """The corpus with some modalities of a shape, those that it does not have absent from every sample.

    Args:
        corpus: has some of them.
        shape: as `shape_of` has it.
        needed: the modalities.
        run: what reads them, in messages; and the rest as in `matched`.
        source: the same.
        where: the same.
        sub_words: the same.
    Raises:
        ConfigError: as `matched` says.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> told = {"run": "it", "source": "here", "where": "there"}
        >>> with_features(corpus, shape_of(corpus, ["text"]), ["text"], **told).dims == corpus.dims
        True
    """
    sizes = {name: shape["dims"][name] for name in needed}
    if not sizes.keys() & corpus.dims.keys():
        raise ConfigError(
            f"{source}: {run} needs {', '.join(sizes)}, got {', '.join(corpus.dims) or 'no modality'}"
        )
    for name, dim in sizes.items():
        if name not in corpus.dims:
            logger.warning("%s: it has no %s, which is absent from every sample of it", source, name)
            rows = {part: Ragged.from_rows([None] * len(split), dim) for part, split in corpus.splits.items()}
            corpus = corpus.with_modality(name, rows)
            continue
        if corpus.dims[name] != dim and name not in sub_words:
            raise ConfigError(
                f"{source}: {run} needs {name} with feature size {dim}, got {corpus.dims[name]}"
            )
        check_features(
            corpus, name, shape, message=f"{source}: {name} is not what {run} learned from", where=where
        )
        if corpus.dims[name] != dim:
            corpus = _as_wide(corpus, name, dim, source)
    return corpus


def sub_words_of(model: FusionModel) -> list[str]:
    """The modalities whose features are a word's sub-words, as many as there are, and then 0.

    Args:
        model: that reads them.
    Example:
        >>> sub_words_of(FusionModel.for_corpus(affect.load("synthetic")))
        []
    """
    return [name for name, encoder in model.encoders.items() if encoder.reads_indices and encoder.first_word]


def _as_wide(corpus: Corpus, name: str, dim: int, source: str) -> Corpus:
    """The corpus whose words have so many sub-words."""
    rows, cut = {}, 0
    for part, split in corpus.splits.items():
        own = split.modalities[name].flat()
        values = np.zeros((len(own.values), dim), own.values.dtype)
        kept = own.values[:, :dim]
        values[:, : kept.shape[1]] = kept
        rows[part] = replace(own, values=values)
        cut += int((own.values[:, dim:] != 0).any(1).sum())
    if cut:
        logger.warning(
            "%s: %s words of %s have more than %s sub-words, as no word has that the run learned from: the "
            "first are read",
            source, f"{cut:,}", name, dim,
        )  # fmt: skip
    return corpus.with_modality(name, rows, corpus.columns.get(name), corpus.provenance.get(name))


def check_features(
    corpus: Corpus, modality: str, shape: Mapping[str, Any], *, message: str, where: str
) -> None:
    """Refuse features that have other names than those that a run learned from, or another extractor.

    Args:
        corpus: has the modality.
        modality: whose features are compared.
        shape: what `shape_of` returned for the run's corpus.
        message: begins what is raised.
        where: the file that `shape` is from.
    Raises:
        ConfigError: they differ in what both name.
    Example:
        >>> corpus = affect.load("synthetic")
        >>> check_features(corpus, "text", shape_of(corpus, ["text"]), message="text", where="run.json")
    """
    columns, made = shape.get("columns", {}).get(modality), shape.get("provenance", {}).get(modality)
    difference = provenance.difference(
        None if columns is None else tuple(columns),
        corpus.columns.get(modality),
        None if made is None else provenance.from_json(made, where),
        corpus.provenance.get(modality),
    )
    if difference:
        raise ConfigError(f"{message}: {difference}")
