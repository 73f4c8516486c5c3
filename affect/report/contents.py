"""What a report shows."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from affect.results import Answers
from affect.robustness import Comparison
from affect.runs.explained import WordImportances
from affect.runs.studies import StoredStudy


@dataclass(frozen=True, eq=False)
class Contents:
    """What a report shows: tables, the runs behind them, and searches.

    Args:
        title: the page's.
        summary: one row per corpus, target, model and metric, as `affect.results.summarise` makes them, and
            the published figures beside them; empty where there are searches alone.
        answers: the predictions of the models, for each corpus and target.
        comparisons: pairs of models, as `affect.results.compare` makes them.
        costs: one row per corpus, target and model, as `affect.results.costs` makes them.
        robustness: sweeps, for each corpus and target that has some.
        retrieval: searches between modalities, as `affect.retrieval.summarise` makes them.
        importances: of words, as `affect.runs.explained.stored_importances` reads them.
        transcripts: what was said, by sample id, where it is known.
        notes: what must stand beside every figure.
        searches: Optuna's studies, each with what was chosen of it.
    """

    title: str
    summary: pd.DataFrame
    answers: list[Answers]
    comparisons: pd.DataFrame = field(default_factory=pd.DataFrame)
    costs: pd.DataFrame = field(default_factory=pd.DataFrame)
    robustness: list[Comparison] = field(default_factory=list)
    retrieval: pd.DataFrame = field(default_factory=pd.DataFrame)
    importances: list[WordImportances] = field(default_factory=list)
    transcripts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    searches: list[StoredStudy] = field(default_factory=list)
