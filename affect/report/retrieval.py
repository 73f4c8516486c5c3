"""Search between modalities: a map and a table for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from affect.report.captions import intervals_of, setting
from affect.report.figures import embedded, named_rows, shown, styled
from affect.report.heat import heat_map
from affect.report.records import column, numbers, records
from affect.retrieval.summary import GAP, METRICS, RANK
from affect.retrieval.tables import GAP_IS, chance_of, lacking_of, remarks_of, vectors_of

if TYPE_CHECKING:
    import plotly.graph_objects as go


def retrieval_content(summary: pd.DataFrame, drawn: bool) -> dict[str, Any]:
    """A map of recall@1 of each model, and a table of all searches, as a `Section` takes them.

    Args:
        summary: as `affect.retrieval.summarise` makes it, of one corpus and target.
        drawn: whether pictures can be.
    """
    caption = _caption(summary)
    table = records(
        "searches", _columns(summary), searched=[1, 2], choose=0,
        caption=f"Searches between modalities {caption} Remarks are of {METRICS[0]}. {intervals_of(summary)}",
    )  # fmt: skip
    charts = []
    if drawn:
        figures = {str(model): recall_map(rows) for model, rows in summary.groupby("model", sort=False)}
        charts = [
            embedded(
                figures, "model", f"{caption} Rows: searched with; columns: searched for. Means over seeds."
            )
        ]
    return {"note": _note(summary), "charts": charts, "records": table}


def recall_map(rows: pd.DataFrame) -> go.Figure:
    """A heat map of recall@1: what is searched with by what is searched for.

    Args:
        rows: of a summary, of one model.
    Raises:
        ConfigError: plotly is not installed.
    """
    metric = METRICS[0]
    own = rows[rows["metric"] == metric]
    table = own.pivot(index="query", columns="key", values="mean")
    table = table.loc[own["query"].unique(), sorted(own["key"].unique())]
    queries, keys = ([shown(str(name)) for name in names] for names in (table.index, table.columns))
    figure = heat_map(
        table.to_numpy(), keys, queries, "{:.3f}", (0.0, 1.0),
        colorbar={"title": metric, "thickness": 12},
        hovertemplate="with %{y}, for %{x}: %{z:.3f}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(meta={"least_width": 260 + 80 * len(keys), "most_width": 900})
    model = str(rows["model"].iloc[0])
    return styled(
        figure, f"{metric} between modalities: {shown(model)}", height=150 + named_rows(figure, queries, 40)
    )


def _columns(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """Of the table: a row for each model and search."""
    searches = [own for _, own in summary.groupby(["model", "query", "key"], sort=False)]
    firsts = [own.iloc[0].to_dict() for own in searches]
    columns = [
        column("model", [str(row["model"]) for row in firsts]),
        column("searched with", [str(row["query"]) for row in firsts]),
        column("for", [str(row["key"]) for row in firsts]),
        column("n", [row["count"] for row in firsts], digits=0),
    ]
    for metric in METRICS:
        rows = [own[own["metric"] == metric] for own in searches]
        mean, low, high = (
            [own[key].iloc[0] if len(own) else float("nan") for own in rows]
            for key in ("mean", "low", "high")
        )
        first = "descending" if metric.startswith("recall") else "ascending"
        digits = 1 if metric == RANK else 3
        columns.append(column(metric, mean, digits=digits, first=first, low=numbers(low), high=numbers(high)))
    remarks = ["; ".join([*remarks_of(row), *filter(None, [lacking_of(row)])]) for row in firsts]
    return [*columns, column("remarks", remarks, wide=True)]


def _caption(summary: pd.DataFrame) -> str:
    corpus, target = (str(summary[name].iloc[0]) for name in ("corpus", "target"))
    counts = sorted({*summary["count"]})
    n = f"n = {counts[0]:,}" + (f" to {counts[-1]:,}" if len(counts) > 1 else "") + " samples"
    where = setting(corpus, target, summary["seeds"], f"{summary['split'].iloc[0]} split", n)
    sources = "; or ".join(vectors_of(str(source)) for source in summary["source"].unique())
    gap = f" {GAP_IS[0].upper()}{GAP_IS[1:]}." if (summary["metric"] == GAP).any() else ""
    return (
        f"{where}. Nearest by cosine of {sources}. Recall@k: how often a sample's own is "
        f"among the k nearest of all n; places of equal cosines are averaged.{gap}"
    )


def _note(summary: pd.DataFrame) -> str:
    """What an order by chance has, and what must be known of models, as sentences."""
    parts = []
    for count, rows in summary.groupby("count", sort=True):
        chance = rows.dropna(subset="chance").groupby("metric", sort=False)["chance"].first()
        said = ", ".join(f"{metric} {chance_of(str(metric), value)}" for metric, value in chance.items())
        parts.append(f"{said} (n = {count:,})")
    told = summary[summary["note"] != ""].groupby("model", sort=False)["note"].first()
    return " ".join(
        [f"By chance: {'; '.join(parts)}.", *(f"{model}: {note}." for model, note in told.items())]
    )
