"""What search between modalities says, as tables to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affect.results.summary import ONE_SEED
from affect.results.tables import BY_GROUP, Cell, Table, write_tables
from affect.retrieval.embeddings import ENCODERS
from affect.retrieval.summary import GAP, METRICS, RANK

SUMMARY = "summary.csv"
"""The file of the summary."""


def retrieval_tables(summary: pd.DataFrame) -> list[Table]:
    """One table per corpus, target and model: searches by metrics, and what chance would be.

    Args:
        summary: as `affect.retrieval.summarise` makes it.
    """
    tables = []
    for (corpus, target, model), rows in summary.groupby(["corpus", "target", "model"], sort=False):
        first = rows.iloc[0]
        known = [metric for metric in METRICS if metric in {*rows["metric"]}]
        found = [
            (search_of(own.iloc[0].to_dict()), _cells(own.set_index("metric"), known))
            for _, own in rows.groupby(["query", "key"], sort=False)
        ]
        for count, own in rows.groupby("count", sort=True):
            chance = own.groupby("metric")["chance"].first()
            cells = [Cell("" if pd.isna(chance[m]) else chance_of(m, chance[m])) for m in known]
            found.append(("by chance", [Cell(f"{count:,}"), *cells]))
        heads = ["n", *(metric + _arrow(metric) for metric in known)]
        title = f"{corpus} · {target} · {model}: search between modalities, {first['split']} split"
        tables.append(Table(title, "with → for", heads, found, notes_of(rows)))
    return tables


def write_summary(out: Path, summary: pd.DataFrame) -> list[Path]:
    """Write `summary.csv`, and `table.md` and `table.tex`, the same to read.

    Args:
        out: the folder.
        summary: as `affect.retrieval.summarise` makes it.
    Returns:
        the files that were written.
    """
    written = [out / name for name in (SUMMARY, "table.md", "table.tex")]
    for path in written:
        write_tables(path, retrieval_tables(summary), summary)
    return written


def search_of(row: Mapping[Any, Any]) -> str:
    """What is searched with, and for.

    Example:
        >>> search_of({"query": "ecg + eeg", "key": "gsr"})
        'ecg + eeg → gsr'
    """
    return f"{row['query']} → {row['key']}"


def notes_of(rows: pd.DataFrame) -> tuple[str, ...]:
    """What stands below the table of a model.

    Args:
        rows: of a summary, of one model.
    """
    first = rows.iloc[0]
    notes = [
        f"nearest by cosine of {vectors_of(str(first['source']))}; recall@k: how often a sample's own is "
        "among the k nearest; places of equal cosines are averaged"
    ]
    notes += [GAP_IS] if (rows["metric"] == GAP).any() else []
    notes += [BY_GROUP] if rows["by_group"].any() else []
    return (*notes, *([str(first["note"])] if first["note"] else []))


GAP_IS = "gap: distance of the mean vectors of two modalities, 0 to 2"
"""What the gap is."""
NEVER = "never compared in training"
"""What is said of a pair that a term has not bound."""


def remarks_of(row: Mapping[Any, Any]) -> Iterator[str]:
    """What must be known beside a figure.

    Args:
        row: of a summary.
    Example:
        >>> row = {"metric": "recall@1", "low": 0.0, "chance": 0.05, "compared": False, "one_seed": False}
        >>> [*remarks_of({**row, "reference": None})]
        ['never compared in training', 'not clearly better than chance (0.0500)']
    """
    metric = row["metric"]
    if not pd.isna(row["compared"]) and not row["compared"]:
        yield NEVER
    if not pd.isna(row["chance"]):
        sign, worst = (-1, row["high"]) if metric == RANK else (1, row["low"])
        if not sign * worst > sign * row["chance"]:
            yield f"not clearly better than chance ({chance_of(metric, row['chance'])})"
    if row["one_seed"]:
        yield ONE_SEED
    elif isinstance(row["reference"], str):
        if row["gain_low"] > 0:
            yield f"better than {row['reference']} alone"
        elif row["gain_high"] < 0:
            yield f"worse than {row['reference']} alone"
        else:
            yield f"not distinguishable from {row['reference']} alone"


def vectors_of(source: str) -> str:
    """What is compared.

    Args:
        source: as in `affect.retrieval.Embeddings`.
    Example:
        >>> vectors_of("bind")
        "the embeddings of the term 'bind'"
    """
    if source == ENCODERS:
        return "the means of the encoders' steps, as no term has embeddings"
    return f"the embeddings of the term '{source}'"


def chance_of(metric: str, value: float) -> str:
    """What an order by chance has, as a text.

    Example:
        >>> chance_of("recall@1", 1 / 400), chance_of("median rank", 200.5)
        ('0.0025', '200.5')
    """
    return f"{value:.1f}" if metric == RANK else f"{value:.4f}"


def lacking_of(row: Mapping[Any, Any]) -> str:
    """What is said of samples that were left out; nothing where none was.

    Example:
        >>> lacking_of({"count": 390, "lacking": 10})
        '10 of 400 samples lack a modality, and are left out'
    """
    every = row["count"] + row["lacking"]
    return (
        f"{row['lacking']:,} of {every:,} samples lack a modality, and are left out" if row["lacking"] else ""
    )


def _cells(own: pd.DataFrame, known: list[str]) -> list[Cell]:
    """Of one search: how many samples, and what was measured."""
    first = own.iloc[0].to_dict()
    lacking = lacking_of(first)
    cells = [Cell(f"{first['count']:,}", (lacking,) if lacking else ())]
    for metric in known:
        if metric not in own.index:
            cells.append(Cell(""))
            continue
        row = {**own.loc[metric].to_dict(), "metric": metric}
        text = _number(metric, row["mean"])
        if not pd.isna(row["std"]):
            text += f" ±{_number(metric, row['std'])}"
        text += f" [{_number(metric, row['low'])}, {_number(metric, row['high'])}]"
        cells.append(Cell(text, tuple(remarks_of(row))))
    return cells


def _number(metric: str, value: float) -> str:
    return f"{value:.1f}" if metric == RANK else f"{value:.3f}"


def _arrow(metric: str) -> str:
    return "" if metric == GAP else " ↓" if metric == RANK else " ↑"
