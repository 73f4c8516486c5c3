"""Pictures of sweeps: which modalities matter, how curves fall, and one page with all of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from affect import metrics
from affect.errors import ConfigError
from affect.files import writing
from affect.report.page import rendered
from affect.report.table import cells, to_markdown
from affect.robustness.scores import contributions
from affect.robustness.summary import Comparison
from affect.robustness.sweeps import ONLY

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c", "#b8a700")
"""Told apart by the colour-blind too, on white and on black (Okabe and Ito)."""


def subset_map(points: pd.DataFrame, metric: str) -> go.Figure:
    """A heat map: models by what is left of the modalities.

    Args:
        points: as `affect.robustness.Comparison.curves` makes them, over `modality_subsets()`.
        metric: their metric.
    Raises:
        ConfigError: plotly is not installed; no subset was swept.
    """
    go = _plotly()
    rows = points[points["condition"].str.startswith(ONLY) | (points["condition"] == "clean")]
    if not rows["condition"].str.startswith(ONLY).any():
        raise ConfigError("subset_map: no subset was swept; sweep over modality_subsets()")
    table = rows.pivot(index="model", columns="condition", values="mean")
    table = table.loc[rows["model"].unique(), rows["condition"].unique()]
    labels = ["all" if name == "clean" else name.removeprefix(ONLY) for name in table.columns]
    rises = metrics.higher_is_better(metric)
    figure = go.Figure(
        go.Heatmap(
            z=table.to_numpy(), x=labels, y=[*table.index],
            colorscale="Blues", reversescale=not rises, texttemplate="%{z:.3f}", xgap=2, ygap=2,
            colorbar={"title": metric, "thickness": 12},
            hovertemplate="%{y}, %{x} left: %{z:.3f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    return _styled(figure, f"{metric} by the modalities that are left", height=150 + 34 * len(table))


def rate_curves(points: pd.DataFrame, metric: str, curve: str) -> go.Figure:
    """The curve of every model with its 95% interval over samples.

    Args:
        points: as `affect.robustness.Comparison.curves` makes them.
        metric: their metric.
        curve: the name of the conditions that are its points.
    Raises:
        ConfigError: plotly is not installed; there is no such curve.
    """
    go = _plotly()
    mine = points[points["condition"] == curve]
    if mine.empty:
        raise ConfigError(f"rate_curves: no curve '{curve}'; known: {', '.join(curve_names(points))}")
    figure = go.Figure()
    for place, (model, rows) in enumerate(mine.groupby("model", sort=False)):
        rows = rows.sort_values("level")
        colour = COLOURS[place % len(COLOURS)]
        figure.add_scatter(
            x=[*rows["level"], *rows["level"][::-1]], y=[*rows["high"], *rows["low"][::-1]],
            fill="toself", fillcolor=colour, opacity=0.15, line_width=0, hoverinfo="skip",
            legendgroup=model, showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=rows["level"], y=rows["mean"], name=str(model), legendgroup=model, mode="lines+markers",
            line={"color": colour, "dash": ("solid", "dash", "dot")[place // len(COLOURS) % 3]},
            customdata=rows[["low", "high"]],
            hovertemplate="%{y:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}]",
        )  # fmt: skip
    figure.update_layout(hovermode="x unified", xaxis_title=curve, yaxis_title=metric)
    return _styled(figure, f"{metric}: {curve}", height=420)


def contribution_chart(points: pd.DataFrame, metric: str, floor: float) -> go.Figure:
    """What each modality contributes to each model's score: Shapley values over all subsets.

    Without any modality the score is taken for that of the best constant prediction.

    Args:
        points: as `affect.robustness.Comparison.curves` makes them, over `modality_subsets()`.
        metric: their metric.
        floor: of the best constant prediction (`affect.metrics.floors`).
    Raises:
        ConfigError: plotly is not installed; not all subsets were swept; more than six modalities.
    """
    go = _plotly()
    shares = {model: _contributions(rows, floor) for model, rows in points.groupby("model", sort=False)}
    sign = 1 if metrics.higher_is_better(metric) else -1
    figure = go.Figure()
    for place, modality in enumerate(next(iter(shares.values()))):
        figure.add_bar(
            y=[str(model) for model in shares],
            x=[sign * own[modality] for own in shares.values()],
            name=modality,
            orientation="h",
            marker_color=COLOURS[place % len(COLOURS)],
            hovertemplate="%{y}, " + modality + ": %{x:.3f}<extra></extra>",
        )
    figure.update_layout(barmode="relative", xaxis_title=f"{metric}, beyond that of the best constant")
    figure.update_yaxes(autorange="reversed")
    return _styled(figure, "What each modality contributes", height=170 + 34 * len(shares))


def curve_names(points: pd.DataFrame) -> list[str]:
    """The curves there are: conditions with several levels."""
    levels = points.groupby("condition", sort=False)["level"].nunique()
    return [str(name) for name in levels.index[levels > 1]]


def write_robustness(out: Path, compared: Iterable[Comparison], summary: pd.DataFrame) -> list[Path]:
    """Write scores and pictures.

    `summary.csv` holds the scores, `table.md` the same to read, and `robustness.html`, where plotly is
    installed, the same with pictures; it needs nothing but itself.

    Args:
        out: the folder.
        compared: the models side by side, for each target.
        summary: their scores.
    Returns:
        the files that were written.
    """
    with writing(out / "summary.csv") as path:
        summary.to_csv(path, index=False)
    with writing(out / "table.md") as path:
        path.write_text(to_markdown(summary, turned=True), encoding="utf-8")
    written = [out / "summary.csv", out / "table.md"]
    try:
        _plotly()
    except ConfigError:
        return written
    with writing(out / "robustness.html") as path:
        path.write_text(_page(list(compared), summary), encoding="utf-8")
    return [*written, out / "robustness.html"]


def _page(compared: list[Comparison], summary: pd.DataFrame) -> str:
    from plotly.offline import get_plotlyjs

    parts = {}
    for own in compared:
        rows = summary[summary["target"] == own.target.name]
        metric = str(rows["metric"].iloc[0]).partition(":")[0]
        figures = _figures(own.curves(metric), metric, own.floor(metric))
        parts[own.target.name] = [_embedded(figure) for figure in figures]
    return rendered(
        "robustness.html",
        title="Robustness",
        corpus=", ".join(dict.fromkeys(own.corpus for own in compared)),
        tables={target: table.T for target, table in cells(summary).items()},
        figures=parts,
        plotly=get_plotlyjs(),
    )


def _figures(points: pd.DataFrame, metric: str, floor: float) -> list[go.Figure]:
    figures = []
    if points["condition"].str.startswith(ONLY).any():
        figures += [subset_map(points, metric), contribution_chart(points, metric, floor)]
    return figures + [rate_curves(points, metric, curve) for curve in curve_names(points)]


def _contributions(rows: pd.DataFrame, floor: float) -> dict[str, float]:
    """The Shapley values of one model's modalities."""
    scores = {str(name): float(mean) for name, mean in zip(rows["condition"], rows["mean"], strict=True)}
    parts = {
        frozenset(name.removeprefix(ONLY).split(" + ")): v
        for name, v in scores.items()
        if name.startswith(ONLY)
    }
    whole = frozenset().union(*parts)
    return contributions({frozenset(): floor, whole: scores["clean"], **parts})


def _embedded(figure: go.Figure) -> str:
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    return html


def _styled(figure: go.Figure, title: str, height: int) -> go.Figure:
    """Readable on light and on dark paper."""
    grey = "#7a8496"
    figure.update_layout(
        title_text=title, title_font_size=16, height=height, margin={"l": 10, "r": 10, "t": 76, "b": 10},
        font={"family": "system-ui, sans-serif", "color": grey}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
    )  # fmt: skip
    figure.update_xaxes(
        gridcolor="rgba(122,132,150,.25)", zerolinecolor="rgba(122,132,150,.5)", automargin=True
    )
    figure.update_yaxes(
        gridcolor="rgba(122,132,150,.25)", zerolinecolor="rgba(122,132,150,.5)", automargin=True
    )
    return figure


def _plotly() -> Any:
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise ConfigError('pictures need plotly; pip install "affect[report]"') from None
    return go
