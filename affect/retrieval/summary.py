"""Recall, median rank and gap of several seeds, with intervals: one row per search and metric."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect.errors import DataError
from affect.metrics import Array
from affect.metrics.summed import Summed, columns, mean
from affect.retrieval.embeddings import Embeddings
from affect.retrieval.ranks import Ranks
from affect.statistics import Measured, measure, spread, units

logger = logging.getLogger(__name__)

BEST = (1, 5, 10)
"""How many nearest keys recall looks at."""
RANK, GAP = "median rank", "gap"
METRICS = (*(f"recall@{best}" for best in BEST), RANK, GAP)
"""What is measured of each search; the gap only between two modalities."""
_BOUNDS = {**{f"recall@{best}": (0.0, 1.0) for best in BEST}, RANK: (1.0, np.inf), GAP: (0.0, 2.0)}

Query: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Searched:
    """The embeddings of one run, and which run that is.

    Args:
        corpus: its name.
        target: what the run predicts.
        model: the run's name in tables.
        split: whose samples are searched.
        embeddings: of them.
        seed: of the run.
        fold: the same.
        note: what must stand beside its figures.
    """

    corpus: str
    target: str
    model: str
    split: str
    embeddings: Embeddings
    seed: int = 0
    fold: int = 0
    note: str = ""


def searches(modalities: Iterable[str]) -> Iterator[tuple[Query, str]]:
    """What is searched with, and for what: every ordered pair, and the sum of all others for each.

    Example:
        >>> [" + ".join(query) + " for " + key for query, key in searches(["ecg", "eeg"])]
        ['ecg for eeg', 'eeg for ecg']
        >>> len([*searches(["ecg", "eeg", "gsr"])])
        9
    """
    known = sorted(modalities)
    for query in known:
        yield from (((query,), key) for key in known if key != query)
    if len(known) > 2:
        yield from ((tuple(m for m in known if m != key), key) for key in known)


def summarise(searched: Iterable[Searched], resamples: int = 1000) -> pd.DataFrame:
    """One row per corpus, target, model, search and metric.

    Columns: `source`, what made the vectors; `query` and `key`, what was searched with and for; `mean` and
    `std` over seeds; `low` and `high`, a 95% interval for a new seed on new samples
    (`affect.statistics.spread`), among as many to choose from; `seeds`; `count`, samples that were searched
    with, and `lacking`, those that were left out as they lack a modality; `chance`, the value of an order
    that says nothing; of a sum of modalities `reference`, the best of them alone on the same samples, and
    `gain`, `gain_low` and `gain_high`, by how much the sum is better, for the same seeds; `compared`, whether
    the pair was compared in training, where a term says so; `one_seed`; `by_group`, whether whole groups of
    samples were drawn; `note`.

    The draws are of samples to search with; those to choose from stay. In simulation the interval of recall
    covers 94% to 97%, where it says 95% (`python -m experiments.binding --coverage`). The folds of a seed are
    laid together, each searched by itself; a seed that lacks one is left out, and a log line says so.

    Args:
        searched: of any runs.
        resamples: of the samples.
    Raises:
        DataError: runs of one model have different samples.
    """
    lots: dict[tuple[str, ...], list[Searched]] = {}
    for own in searched:
        lots.setdefault((own.corpus, own.target, own.model, own.split), []).append(own)
    return pd.DataFrame([row for lot in lots.values() for row in _Lot(lot).rows(resamples)])


def tidy(searched: Iterable[Searched]) -> pd.DataFrame:
    """One row per run, search and metric: the plain values.

    Args:
        searched: of any runs.
    """
    rows = []
    for own in searched:
        lot = _Lot([own])
        for query, key in lot.searches():
            where = {"corpus": own.corpus, "target": own.target, "model": own.model, "seed": own.seed}
            where |= {"fold": own.fold, "split": own.split, "source": own.embeddings.source}
            where |= {"query": " + ".join(query), "key": key}
            (ranks,) = lot.ranks(query, key, lot.having((*query, key)))
            values = {f"recall@{best}": ranks.recall(best).mean() for best in BEST}
            values[RANK] = float(np.median(ranks.mean))
            if len(query) == 1:
                values[GAP] = own.embeddings.gap(*query, key)
            rows += [
                {**where, "metric": metric, "value": float(value), "count": len(ranks)}
                for metric, value in values.items()
            ]
    return pd.DataFrame(rows)


class _Lot:
    """The runs of one model: seeds, each with its folds."""

    def __init__(self, lot: list[Searched]) -> None:
        self.first = lot[0]
        folds = sorted({own.fold for own in lot})
        held: dict[int, dict[int, Embeddings]] = {}
        for own in lot:
            held.setdefault(own.seed, {})[own.fold] = own.embeddings
        for seed in [seed for seed, own in held.items() if len(own) < len(folds)]:
            logger.warning("%s, seed %d: lacks a fold, and is left out", self.first.model, seed)
            del held[seed]
        if not held:
            raise DataError(
                f"retrieval: {self.first.model}: no seed has all folds; run those that are missing"
            )
        self.seeds = [[own[fold] for fold in folds] for own in held.values()]
        for others in self.seeds[1:]:
            for one, other in zip(self.seeds[0], others, strict=True):
                if one.ids != other.ids or one.source != other.source:
                    what = "samples" if one.ids != other.ids else "vectors"
                    raise DataError(
                        f"retrieval: {self.first.model}: its seeds have different {what}; search runs that "
                        "were made alike, from one corpus"
                    )
        parts = self.seeds[0]
        names = [own.groups or own.ids for own in parts]
        self.samples = [name for own in parts for name in own.ids]
        self.units = units(self.samples, [name for own in names for name in own])
        self.folds = np.repeat(np.arange(len(parts)), [len(own) for own in parts])
        self.by_group = any(own.groups for own in parts)

    def searches(self) -> Iterator[tuple[Query, str]]:
        """Those that enough samples can make."""
        some = self.seeds[0]
        known = [m for m in some[0].vectors if any(m in own.modalities for own in some)]
        for query, key in searches(known):
            rows = self.having((*query, key))
            if sum(int(own.sum()) for own in rows) > 1:
                yield query, key
            else:
                logger.warning(
                    "%s: fewer than two samples have %s; it is not searched",
                    self.first.model, ", ".join((*query, key)),
                )  # fmt: skip

    def having(self, modalities: Query) -> list[NDArray[np.bool_]]:
        """Of each fold which samples have some modalities; none of a fold with one such sample alone."""
        found = []
        for parts in zip(*self.seeds, strict=True):
            here = np.logical_and.reduce([own.having(modalities) for own in parts])
            found.append(here & (here.sum() > 1))
        return found

    def ranks(self, query: Query, key: str, rows: list[NDArray[np.bool_]]) -> list[Ranks]:
        """Of each seed, its folds one after the other."""
        return [
            Ranks.join(
                own.rank(query, key, among) for own, among in zip(seed, rows, strict=True) if among.any()
            )
            for seed in self.seeds
        ]

    def apart(self, one: str, other: str, rows: list[NDArray[np.bool_]]) -> Array:
        """(seeds, samples, width): the one modality's vectors less the other's."""
        return np.stack(
            [
                np.concatenate(
                    [
                        (own.vectors[one] - own.vectors[other])[here]
                        for own, here in zip(seed, rows, strict=True)
                    ]
                )
                for seed in self.seeds
            ]
        )

    def rows(self, resamples: int) -> Iterator[dict[str, Any]]:
        """Of the summary."""
        own = self.first
        source, anchor = own.embeddings.source, own.embeddings.anchor
        for query, key in self.searches():
            here = self.having((*query, key))
            every = np.concatenate(here)
            where = {"corpus": own.corpus, "target": own.target, "model": own.model, "split": own.split}
            where |= {"source": source, "query": " + ".join(query), "key": key}
            told = {
                "seeds": len(self.seeds),
                "count": int(every.sum()),
                "lacking": int((~every).sum()),
                "compared": not anchor or anchor in (*query, key) if len(query) == 1 else None,
                "one_seed": len(self.seeds) == 1 and len(self.seeds[0]) == 1,
                "by_group": self.by_group,
                "note": own.note,
            }
            for metric, figures in self._figures(query, key, here, resamples).items():
                yield {**where, "metric": metric, **figures, **told}

    def _figures(
        self, query: Query, key: str, here: list[NDArray[np.bool_]], resamples: int
    ) -> dict[str, dict[str, Any]]:
        every = np.concatenate(here)
        drawn = np.unique(self.units[every], return_inverse=True)[1]
        count = len(np.unique(drawn))
        ranks = {part: self.ranks(part, key, here) for part in _parts(query)}
        zeros = np.zeros(len(drawn))
        found: dict[str, dict[str, Any]] = {}
        for how, metrics in ((MEAN, METRICS[: len(BEST)]), (_median, (RANK,))):
            values = {
                _named(metric, part): np.stack([_value(metric, r) for r in own])
                for metric in metrics
                for part, own in ranks.items()
            }
            pairs = [
                (_named(metric, query), _named(metric, part))
                for metric in metrics
                for part in ranks
                if part != query
            ]
            measured = measure(how, values, zeros, drawn, pairs=pairs, resamples=resamples)
            for metric in metrics:
                told = _spread(measured[_named(metric, query)], metric, count)
                told["chance"] = _chance(metric, ranks[query][0])
                if len(query) > 1:
                    told |= _gain(measured, metric, query, count)
                found[metric] = told
        if len(query) == 1:
            apart = {GAP: self.apart(*query, key, here)}
            truth = self.folds[every].astype(np.float64)
            gap = _gap(len(self.seeds[0]))
            found[GAP] = _spread(measure(gap, apart, truth, drawn, resamples=resamples)[GAP], GAP, count)
        return found


def _parts(query: Query) -> list[Query]:
    """A query, and each of its modalities alone."""
    return [query] if len(query) == 1 else [query, *((m,) for m in query)]


def _value(metric: str, ranks: Ranks) -> Array:
    return ranks.mean if metric == RANK else ranks.recall(int(metric.partition("@")[2]))


def _chance(metric: str, ranks: Ranks) -> float:
    if metric == RANK:
        return float(np.median((ranks.keys + 1) / 2))
    return float(ranks.chance(int(metric.partition("@")[2])).mean())


def _spread(measured: Measured, metric: str, count: int) -> dict[str, Any]:
    return dict(spread(*measured, bounds=_BOUNDS[metric], samples=count))


def _named(metric: str, query: Query) -> str:
    return f"{metric} with {' + '.join(query)}"


def _gain(
    measured: dict[str | tuple[str, str], Measured], metric: str, query: Query, count: int
) -> dict[str, Any]:
    """By how much a sum of modalities is better than the best of them alone."""
    sign = -1 if metric == RANK else 1
    best = max(query, key=lambda m: sign * measured[_named(metric, (m,))].seeds.mean())
    found = spread(*measured[_named(metric, query), _named(metric, (best,))], samples=count)
    low, high = sorted(sign * found[end] + 0.0 for end in ("low", "high"))  # which leaves no -0.0
    return {"reference": best, "gain": sign * found["mean"] + 0.0, "gain_low": low, "gain_high": high}


MEAN = Summed(lambda values, _: columns(values, 1.0), mean)
"""Of whatever is known of each sample."""


def _median(values: Array, _: Array) -> float:
    return float(np.median(values))


def _gap(folds: int) -> Summed:
    """The distance of mean vectors, of which there are one for each fold; the mean over folds."""

    def terms(apart: Array, fold: Array) -> Array:
        own = (fold[:, None] == np.arange(folds)).astype(np.float64)  # (samples, folds)
        held = np.concatenate([apart, np.ones((len(apart), 1))], 1)
        return np.asarray((own[:, :, None] * held[:, None]).reshape(len(apart), -1))

    def value(sums: Array) -> Array:
        parts = sums.reshape(*sums.shape[:-1], folds, -1)
        with np.errstate(invalid="ignore"):
            means = parts[..., :-1] / parts[..., -1:]
        return np.asarray(np.nanmean(np.linalg.norm(means, axis=-1), axis=-1))

    return Summed(terms, value, bounds=_BOUNDS[GAP])
