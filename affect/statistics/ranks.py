"""Models ranked over several corpora."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affect.errors import DataError, ShapeError
from affect.metrics import Array
from affect.statistics.intervals import check_level


@dataclass(frozen=True, eq=False)
class Ranks:
    """How models stand over several corpora.

    Args:
        average: each model's rank over the corpora, 1 the best; equals share the mean of their ranks.
        p: Friedman's, that all models are alike.
        critical_difference: of average ranks; Nemenyi's: two models differ where theirs are so far apart.
        cliques: models, best first, none of which differs from another; the largest such groups of two or
            more.
    Shapes:
        average: (models,)
    """

    average: Array
    p: float
    critical_difference: float
    cliques: tuple[tuple[int, ...], ...]


def friedman(table: Array, level: float = 0.95, higher_is_better: bool = True) -> Ranks:
    """Friedman's test of models over corpora, and Nemenyi's of every pair behind it.

    The critical difference is q sqrt(models (models + 1) / (6 corpora)), q the studentized range over
    sqrt(2). Corpora are what it has more of with certainty; over seeds of one corpus it says nothing new.

    Args:
        table: a metric of every model on every corpus.
        level: one minus the share of false alarms.
        higher_is_better: whether the largest value has rank 1.
    Shapes:
        table: (models, corpora)
    Raises:
        ShapeError: there are fewer than 3 models, or fewer than 2 corpora.
        DataError: a value is missing.
    Reference:
        Demsar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006, section 3.2.
        Differs: Friedman's statistic is corrected for ties, as scipy's is.
    Example:
        >>> found = friedman(np.array([[0.9, 0.8, 0.9], [0.7, 0.7, 0.6], [0.5, 0.7, 0.5]]))
        >>> found.average.round(2).tolist(), round(found.critical_difference, 2), found.cliques
        ([1.0, 2.17, 2.83], 1.91, ((0, 1, 2),))
    """
    from scipy import stats

    check_level(level)
    table = np.asarray(table, np.float64)
    if table.ndim != 2 or table.shape[0] < 3 or table.shape[1] < 2:
        raise ShapeError(
            "friedman needs a table (models, corpora) of at least 3 models and 2 corpora, got "
            f"{table.shape}; compare two models with wilcoxon_p"
        )
    if np.isnan(table).any():
        raise DataError(
            f"friedman: {np.isnan(table).sum()} of {table.size} values of the table are missing; "
            "leave out models or corpora until it is full"
        )
    models, corpora = table.shape
    ranks = stats.rankdata(-table if higher_is_better else table, axis=0)
    average = ranks.mean(1)
    p = float(stats.friedmanchisquare(*ranks).pvalue) if np.ptp(ranks) else 1.0
    q = stats.studentized_range.ppf(level, models, np.inf) / np.sqrt(2)
    difference = float(q * np.sqrt(models * (models + 1) / (6 * corpora)))
    return Ranks(average, p, difference, _cliques(average, difference))


def _cliques(average: Array, difference: float) -> tuple[tuple[int, ...], ...]:
    order = np.argsort(average, kind="stable")
    found: list[tuple[int, ...]] = []
    end = 0
    for first in range(len(order)):
        last = int(np.searchsorted(average[order], average[order[first]] + difference))
        if last > max(end, first + 1):
            found.append(tuple(order[first:last].tolist()))
            end = last
    return tuple(found)
