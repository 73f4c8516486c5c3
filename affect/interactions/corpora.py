"""The modalities of a corpus: what they say of its labels, or of what a model predicts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect.bounds import COUNT, Bounds
from affect.data.checks import check_corpus
from affect.data.corpus import Corpus, Split
from affect.data.pooled import PooledFeatures
from affect.data.precision import in_float32_range
from affect.data.ragged import Ragged
from affect.data.targets import MultiClass, MultiLabel, Regression, Target
from affect.errors import ConfigError, DataError, did_you_mean, few, listed
from affect.interactions.estimates import Estimate, Rows, Sides, checked_labels, estimates
from affect.metrics import Array
from affect.statistics import units

Against: TypeAlias = Literal["each", "rest"]
"""Every pair of modalities; or each modality, and all others together."""

_BINS = Bounds("at least 2", 2, limit=100, whole=True)
_INDEX = 20


def of_corpus(
    corpus: Corpus,
    target: str | None = None,
    *,
    predictions: pd.DataFrame | None = None,
    modalities: Iterable[str] | None = None,
    splits: Iterable[str] | None = None,
    against: Against = "each",
    label: str | None = None,
    bins: int = 3,
    most: int = 4000,
    resamples: int = 200,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Estimate]:
    """What the modalities of a corpus say about its labels, or about what a model predicts of them.

    A modality is the mean and the deviation of each feature over the observed steps; of a target per step,
    the features of that step. `of_features` says how the parts are estimated, and what is known of their
    errors. Of predictions, the parts say what a model makes of the modalities: of one that ignores a
    modality, nothing is unique to it.

    Args:
        corpus: with labels, or with `predictions` for its samples.
        target: its name; by default the main one.
        predictions: of one model, in place of the labels: as `Run.predictions`, `Run.predict` and
            `FinishedRun.table("predictions")` are. Decisions are decomposed: the likeliest class, or the
            part of the scale.
        modalities: which ones; by default all but those of word indices.
        splits: whose samples count; by default all but `test`, so that what is found may choose a model; of
            predictions, all that have them.
        against: `each` other one, a pair at a time, or the `rest` together.
        label: one of the classes of a target with several labels at once.
        bins: into how many parts of about equal size numbers are cut.
        most: samples that are looked at, whole groups drawn at random: time grows with their cube.
        resamples: of the bootstrap.
        seed: of all that is drawn.
        progress: is told how many of how many parts of the work are done.
    Missing:
        samples that lack one of the modalities are left out; `notes` say how many.
    Raises:
        ConfigError: there is no such target, split, modality or class, or fewer than two modalities.
        DataError: the samples are too few, all labels are the same, or predictions do not fit the corpus.
    Example:
        >>> corpus = affect.data.factors.SharedFactors({"train": 300}, aligned=True).corpus()
        >>> (found,) = of_corpus(corpus, "own_text", modalities=["text", "visual"], resamples=20)
        >>> found.first, found.second, found.value.unique_first > 5 * abs(found.value.unique_second)
        ('text', 'visual', True)
    """
    check_corpus("interactions", corpus)
    if against not in get_args(Against):
        raise ConfigError(
            f"interactions: against: no '{against}'; {did_you_mean(against, get_args(Against))}"
        )
    _BINS.check("interactions: bins", bins)
    COUNT.check("interactions: most", most)
    kind, where = corpus.target(target), f"{corpus.name}: interactions"
    split = _split(corpus, splits, predictions, kind)
    notes: list[str] = []
    names = _modalities(corpus, split, modalities, notes)
    places, values = (
        _labels(split, kind) if predictions is None else _decided(split, kind, predictions, where)
    )
    features = {name: _cut(split.modalities[name], places, kind, name, where) for name in names}
    there = np.logical_and.reduce([rows.present for rows in features.values()])
    if not there.all():
        notes.append(f"{(~there).sum():,} of {len(there):,} samples lack a modality and are left out")
    group = units(
        [split.ids[row] for row in places[:, 0]],
        [split.groups[row] for row in places[:, 0]] if split.groups else (),
    )
    kept = _some(group, there, most, seed)
    if len(kept) < there.sum():
        notes.append(f"{len(kept):,} of {there.sum():,} samples are looked at, whole groups drawn at random")
    classes = _classes(values[kept], kind, label, bins, predictions is not None, notes)
    classes, group = checked_labels(where, classes, group[kept])
    pooled = {name: _pooled(rows.take(kept), name, notes) for name, rows in features.items()}
    pairs: list[Sides]
    if against == "each":
        pairs = [((one,), (other,)) for one, other in itertools.combinations(names, 2)]
    else:
        pairs = [((one,), tuple(name for name in names if name != one)) for one in names]
    called = kind.name if label is None else f"{kind.name}, {label}"
    called = called if predictions is None else f"predictions of {called}"
    return estimates(pooled, classes, group, pairs, called, resamples, seed, tuple(notes), progress)


def _split(
    corpus: Corpus, splits: Iterable[str] | None, predictions: pd.DataFrame | None, target: Target
) -> Split:
    """All samples that may count, as one split; those of predictions, where there are any."""
    if splits is None:
        names = list(corpus.splits)
        if predictions is not None and "split" in predictions:
            names = [name for name in names if name in {*predictions["split"]}] or names
        elif predictions is None and len(names) > 1:
            names = [name for name in names if name != "test"]
    else:
        names = listed("interactions: splits", splits)
    parts = [corpus[name] for name in names]
    if not parts:
        raise ConfigError(f"{corpus.name}: interactions: splits: expected at least one, got none")
    joined = Split.join(parts)
    if predictions is None or target.per_step:
        return joined
    known = {*predictions["id"]} if "id" in predictions else set()
    return joined.take(np.array([i for i, name in enumerate(joined.ids) if name in known], np.int64))


def _modalities(corpus: Corpus, split: Split, wanted: Iterable[str] | None, notes: list[str]) -> list[str]:
    names = list(corpus.dims)
    if wanted is not None:
        names = [*corpus.select(wanted).dims]
    else:
        indices = [name for name in names if _holds_indices(split.modalities[name])]
        names = [name for name in names if name not in indices]
        notes += [
            f"{name} holds whole numbers alone, taken for word indices, and is left out; name it to have it"
            for name in indices
        ]
    if len(names) < 2:
        raise ConfigError(
            f"{corpus.name}: interactions: expected two modalities or more, got {few(names)}; "
            f"known: {', '.join(corpus.dims)}"
        )
    return names


def _holds_indices(rows: Ragged) -> bool:
    steps = rows.index[:4096]
    values = rows.values[steps[rows.observed[steps]]]
    return bool(
        values.size and (values >= 0).all() and (values == np.floor(values)).all() and values.max() > _INDEX
    )


def _labels(split: Split, target: Target) -> tuple[Rows, Array]:
    """Row and step of each label, and the labels, (labels, size)."""
    rows = split.targets[target.name]
    row = np.repeat(np.arange(len(rows)), rows.lengths)
    step = np.arange(rows.total) - np.repeat(rows.offsets[:-1], rows.lengths)
    seen = rows.observed[rows.index]
    return np.stack([row, step], 1)[seen], np.asarray(rows.values[rows.index[seen]], np.float64)


def _decided(split: Split, target: Target, predictions: pd.DataFrame, where: str) -> tuple[Rows, Array]:
    """Row and step of each prediction, and the predictions, (predictions, outputs)."""
    columns = [name for name in predictions if str(name).startswith("prediction")]
    if len(columns) != target.outputs or not {"id", "step"} <= {*predictions}:
        raise DataError(
            f"{where}: expected predictions of '{target.name}' with the columns id, step and "
            f"{target.outputs} that begin with 'prediction', got {', '.join(map(str, predictions))}"
        )
    row_of = {name: row for row, name in enumerate(split.ids)}
    known = predictions[predictions["id"].isin(row_of)]
    twice = int(known.duplicated(["id", "step"]).sum())
    if twice:
        raise DataError(
            f"{where}: {twice} predictions are of the same sample and step; give those of one model"
        )
    if known.empty:
        raise DataError(
            f"{where}: no prediction is of a sample of the corpus; give it the corpus they are of"
        )
    places = np.stack([known["id"].map(row_of).to_numpy(np.int64), known["step"].to_numpy(np.int64)], 1)
    return places, known[columns].to_numpy(np.float64)


def _cut(rows: Ragged, places: Rows, target: Target, name: str, where: str) -> Ragged:
    """The steps that belong to each label: all of its sample, or the one at its place."""
    if not target.per_step:
        return rows.take(places[:, 0])
    row, step = places.T
    there = step < rows.lengths[row]
    if not there.all():
        raise DataError(
            f"{where}: '{target.name}' has a label per step, and {name} has no step for {(~there).sum():,} "
            f"of them; leave {name} out, or align the corpus"
        )
    return Ragged(rows.starts[row] + step, np.ones(len(row), np.int64), rows.values, rows.observed)


def _some(group: Rows, there: NDArray[np.bool_], most: int, seed: int) -> Rows:
    """The samples that count: those that are there, of as many groups as come to `most` of them."""
    sizes = np.bincount(group, weights=there, minlength=int(group.max(initial=-1)) + 1)
    order = np.random.default_rng(seed).permutation(len(sizes))
    chosen = np.zeros(len(sizes), bool)
    chosen[order[np.cumsum(sizes[order]) <= most]] = True
    return np.flatnonzero(there & chosen[group])


def _classes(
    values: Array, target: Target, label: str | None, bins: int, decided: bool, notes: list[str]
) -> Rows:
    """The class of each label, or of each prediction."""
    if isinstance(target, MultiLabel):
        if label not in target.classes:
            raise ConfigError(
                f"interactions: '{target.name}' has several labels at once; choose one of them with label=: "
                f"{', '.join(target.classes)}"
            )
        return (values[:, target.classes.index(str(label))] > 0.5).astype(np.int64)
    if label is not None:
        raise ConfigError(f"interactions: label: '{target.name}' has one label for each sample; leave it out")
    if isinstance(target, Regression):
        own = values[:, 0]
        edges = np.unique(np.quantile(own, np.arange(1, bins) / bins)) if own.size else own
        edges = edges[(edges > own.min(initial=np.inf))]
        cut = " and ".join(f"{edge:.3g}" for edge in edges)
        notes.append(
            f"{target.name}: {'predictions' if decided else 'labels'} are cut at {cut or 'no place'}"
        )
        return np.searchsorted(edges, own, side="right")
    if isinstance(target, MultiClass):
        return values.argmax(1) if decided else values[:, 0].astype(np.int64)
    return (values[:, 0] > 0.5).astype(np.int64)


def _pooled(rows: Ragged, name: str, notes: list[str]) -> Array:
    """(samples, 2 * feature): mean and deviation over observed steps, what is not finite at the mean."""
    rows = rows.flat()
    values = in_float32_range(rows.values[rows.observed])
    wrong = ~np.isfinite(values)
    if wrong.any():
        notes.append(
            f"{name}: {wrong.sum():,} values are NaN or infinite, and are taken for the column's mean"
        )
        means = np.where(wrong, 0.0, values).sum(0) / np.maximum((~wrong).sum(0), 1)
        values = np.where(wrong, means, values)
    ends = np.concatenate([[0], np.cumsum(rows.observed)])
    clean = Ragged.from_offsets(values, ends[rows.offsets])
    return PooledFeatures(clean)(clean)
