"""Published figures, beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from affect.benchmark.experiment import Experiment
from affect.errors import ConfigError, did_you_mean
from affect.runs.configuration import check_keys
from affect.spreadsheets import exactly

NO_FIGURES = pd.DataFrame(columns=["target", "model", "metric", "mean", "source", "beside", "differs"])
"""None, in the columns that published figures have."""


@dataclass(frozen=True)
class Published:
    """Figures of one published table, of one corpus and split.

    Args:
        corpus: as `published.csv` calls it.
        setting: the same.
        models: beside which of ours a published model stands, by its own name; beside none where that is
            null; every model of the setting, beside none, where there are no names.
        metrics: what affect calls a metric of the same definition, where the names differ.
        score: for figures under damage: the score of the sweep that they stand beside, as in `mean, words
        lost`.
        target: which of the experiment's targets they are of; its only one by default.
        differs: how the setting differs from the experiment's.
    """

    corpus: str
    setting: str
    models: dict[str, str | None] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    score: str = ""
    target: str = ""
    differs: str = ""


def published(experiment: Experiment, path: Path) -> pd.DataFrame:
    """The published figures that an experiment names, as rows of a summary.

    Their columns are `target`, `model`, `metric`, `mean`, `source` (who published it, in which setting),
    `beside` (which of our models it stands beside) and `differs`.

    Args:
        experiment: whose `published` names figures of `published.csv`.
        path: the experiment file, which `published.csv` lies beside.
    Raises:
        ConfigError: an entry has an unknown key, names no figure, or a model that is not there.
    """
    entries = [_checked(given, experiment, path) for given in experiment.published]
    figures = path.parent / "published.csv"
    table = pd.read_csv(figures, **exactly()) if entries else pd.DataFrame()
    rows = [row for entry in entries for row in _rows(entry, table, figures, path, experiment)]
    return pd.DataFrame(rows, columns=NO_FIGURES.columns)


def _checked(given: Mapping[str, Any], experiment: Experiment, path: Path) -> Published:
    where = f"{path}: published"
    check_keys(given, Published, where)
    for key in ("corpus", "setting"):
        if key not in given:
            raise ConfigError(f"{where}: {key} is missing; name one of published.csv")
    entry = Published(**given)
    for ours in entry.models.values():
        if ours is not None and ours not in experiment.models:
            raise ConfigError(f"{where}: models: no model '{ours}'; {did_you_mean(ours, experiment.models)}")
    return entry


def _rows(
    entry: Published, table: pd.DataFrame, figures: Path, path: Path, experiment: Experiment
) -> Iterator[dict[str, Any]]:
    found = table[(table["corpus"] == entry.corpus) & (table["setting"] == entry.setting)]
    if found.empty:
        known = table.loc[table["corpus"] == entry.corpus, "setting"].unique()
        raise ConfigError(
            f"{path}: published: {figures} has no figure of {entry.corpus} for the setting "
            f"'{entry.setting}'; {did_you_mean(entry.setting, known)}"
        )
    for model in entry.models:
        if model not in set(found["model"]):
            raise ConfigError(
                f"{path}: published: no model '{model}' for the setting '{entry.setting}'; "
                f"{did_you_mean(model, found['model'])}"
            )
    target = entry.target or (experiment.target if isinstance(experiment.target, str) else "")
    for row in found.to_dict("records"):
        if entry.models and row["model"] not in entry.models:
            continue
        metric = entry.metrics.get(row["metric"], row["metric"])
        yield {
            "target": target,
            "model": f"{row['model']}, published",
            "metric": f"{metric}: {entry.score}" if entry.score else metric,
            "mean": row["value"],
            "source": f"{row['setting']}; {row['source']}",
            "beside": entry.models.get(row["model"]) or "",
            "differs": entry.differs,
        }
