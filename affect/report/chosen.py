"""Which of many models have pictures and columns of their own."""

from __future__ import annotations

import pandas as pd

from affect import metrics
from affect.results import Answers

MOST_MODELS = 50
"""Of more models the best are drawn alone: a page of hundreds of pictures is read by nobody."""


def best_first(summary: pd.DataFrame) -> list[str]:
    """The measured models, the best mean of the first metric first.

    Args:
        summary: of one corpus and target.
    Example:
        >>> best_first(pd.DataFrame({"model": ["a", "b"], "metric": "mae", "mean": [2.0, 1.0], "count": 9}))
        ['b', 'a']
    """
    first = str(summary["metric"].iloc[0])
    rows = summary[(summary["metric"] == first) & summary["count"].notna()]
    rises = metrics.higher_is_better(first)
    return [str(name) for name in rows.sort_values("mean", ascending=not rises, kind="stable")["model"]]


def chosen_models(answers: Answers, summary: pd.DataFrame) -> list[str]:
    """The models that are drawn, in their order: all, or the best `MOST_MODELS`.

    Args:
        answers: the predictions of all.
        summary: of their corpus and target.
    """
    every = [*answers.predictions]
    if len(every) <= MOST_MODELS:
        return every
    ranked = [name for name in best_first(summary) if name in answers.predictions]
    best = {*[*dict.fromkeys([*ranked, *every])][:MOST_MODELS]}
    return [name for name in every if name in best]


def left_out(drawn: int, every: int, summary: pd.DataFrame) -> str:
    """That some models are left out, as a sentence; empty where none is.

    Args:
        drawn: how many are not.
        every: how many there are.
        summary: of their corpus and target.
    Example:
        >>> left_out(50, 1000, pd.DataFrame({"metric": ["mae"]}))
        ' Of 1,000 models the best 50 by mae are here.'
    """
    if drawn >= every:
        return ""
    return f" Of {every:,} models the best {drawn:,} by {summary['metric'].iloc[0]} are here."
