"""A summary as a table of models and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from affect import metrics


@dataclass(frozen=True)
class Cell:
    """What stands in a table for one model and metric.

    Args:
        text: mean, deviation over seeds, interval over samples.
        remarks: what a reader must know beside it.
        best: whether no other measured model has a better mean.
    """

    text: str
    remarks: tuple[str, ...] = ()
    best: bool = False


NO_BETTER = "not clearly better than a constant"
"""The best constant prediction lies within the interval, or beyond it."""


def cells(summary: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """For each target a frame of `Cell`s, models by metrics; published figures are marked by their source."""
    tables = {}
    for target, rows in summary.groupby("target", sort=False):
        measured = rows[rows["count"].notna()]
        found: dict[str, dict[str, Cell]] = {metric: {} for metric in measured["metric"].unique()}
        for metric, column in rows[rows["metric"].isin(found)].groupby("metric", sort=False):
            sign = 1 if metrics.higher_is_better(str(metric)) else -1
            best = (sign * column.loc[column["count"].notna(), "mean"]).max()
            for row in column.to_dict("records"):
                found[str(metric)][row["model"]] = _cell(row, sign, sign * row["mean"] == best)
        tables[str(target)] = pd.DataFrame(found, index=rows["model"].unique(), dtype=object)
    return tables


def _cell(row: Mapping[Any, Any], sign: int, best: bool) -> Cell:
    value = {key: float(x) for key, x in row.items() if isinstance(x, int | float)}
    text = f"{value['mean']:.3f}"
    if "count" not in value or pd.isna(value["count"]):
        return Cell(text, (f"published: {row['source']}",))
    if not pd.isna(value["std"]):
        text += f" ±{value['std']:.3f}"
    text += f" [{value['low']:.3f}, {value['high']:.3f}]"
    remarks = []
    worst = value["low"] if sign > 0 else value["high"]
    if sign * worst <= sign * value["floor"]:
        remarks.append(f"{NO_BETTER} ({value['floor']:.3f})")
    gains = value.get("gain_low", float("nan")), value.get("gain_high", float("nan"))
    if gains[0] <= 0 <= gains[1]:
        remarks.append(f"not distinguishable from {row['reference']}")
    return Cell(text, tuple(remarks), best)


def to_markdown(summary: pd.DataFrame, turned: bool = False) -> str:
    """A summary in Markdown: one table per target, the best mean in bold, remarks as lettered notes below.

    Args:
        summary: as `affect.benchmark.summarise` makes it, or `affect.robustness.Comparison.scores`.
        turned: a column for each model, not a row.
    """
    parts = []
    for target, corner, heads, rows in _laid_out(summary, turned):
        marks: dict[str, str] = {}
        lines = [f"**{target}**", "", _line([corner, *heads]), _line(["---", *["---:"] * len(heads)])]
        for label, own in rows:
            texts = [(f"**{c.text}**" if c.best else c.text, _signs(c, marks)) for c in own]
            lines.append(_line([label, *[f"{text} {signs}".strip() for text, signs in texts]]))
        lines += ["", *(f"{mark}: {remark}.  " for remark, mark in marks.items())]
        parts.append("\n".join(lines).rstrip())
    return "\n\n".join(parts) + "\n"


def print_table(summary: pd.DataFrame, console: Console | None = None, turned: bool = False) -> None:
    """Print a summary: one table per target, remarks as marks that are explained below it.

    Args:
        summary: as `affect.benchmark.summarise` makes it, or `affect.robustness.Comparison.scores`.
        console: the terminal by default.
        turned: a column for each model, not a row.
    """
    console = console or Console()
    for target, corner, heads, rows in _laid_out(summary, turned):
        shown = Table(title=target, title_style="bold", box=None, header_style="bold", pad_edge=False)
        shown.add_column(corner)
        for head in heads:
            shown.add_column(head.replace(" (", "\n("), justify="right")
        marks: dict[str, str] = {}
        for label, own in rows:
            texts = [Text(c.text, "bold" if c.best else "") for c in own]
            for text, cell in zip(texts, own, strict=True):
                text.append(f" {_signs(cell, marks)}", "dim")
            shown.add_row(label, *texts)
        console.print(shown)
        for remark, mark in marks.items():
            console.print(f"{mark} {remark}", style="dim", highlight=False)
        console.print()


def _laid_out(
    summary: pd.DataFrame, turned: bool
) -> Iterator[tuple[str, str, list[str], list[tuple[str, list[Cell]]]]]:
    """For each target its name, what the first column holds, the other columns' heads, and the rows."""
    for target, table in cells(summary).items():
        counted = {metric: f"{metric} {_arrow(metric)}" for metric in table.columns}
        if not turned:
            counted = {m: f"{head} (n={_count(summary, target, m)})" for m, head in counted.items()}
        table = table.rename(columns=counted)
        table = table.T if turned else table
        rows = [(str(label), _cells_of(row)) for label, row in table.iterrows()]
        yield target, "score" if turned else "model", [str(head) for head in table.columns], rows


def _cells_of(row: pd.Series) -> list[Cell]:
    """A row's cells; an empty one where a published model has no such figure."""
    return [cell if isinstance(cell, Cell) else Cell("") for cell in row]


def _signs(cell: Cell, marks: dict[str, str]) -> str:
    """The letters that stand for a cell's remarks; new remarks get new ones."""
    return "".join(sorted(marks.setdefault(remark, chr(ord("a") + len(marks))) for remark in cell.remarks))


def _arrow(metric: str) -> str:
    return "↑" if metrics.higher_is_better(metric) else "↓"


def _count(summary: pd.DataFrame, target: str, metric: str) -> int:
    rows = summary[(summary["target"] == target) & (summary["metric"] == metric)]
    return int(rows["count"].max())


def _line(texts: list[str]) -> str:
    return "| " + " | ".join(texts) + " |"
