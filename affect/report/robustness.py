"""Pictures of sweeps: which modalities matter, how curves fall, and one page with all of them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from affect import metrics
from affect.errors import ConfigError
from affect.files import writing
from affect.report.figures import colour_of, dash_of, embedded, plotly, rendered, script, shown, styled
from affect.report.pictures import SHARES
from affect.results.tables import summary_tables
from affect.robustness.scores import contributions
from affect.robustness.summary import Comparison
from affect.robustness.sweeps import ONLY, left_of
from affect.robustness.tables import write_scores

if TYPE_CHECKING:
    import plotly.graph_objects as go


def subset_map(points: pd.DataFrame, metric: str) -> go.Figure:
    """A heat map: models by what is left of the modalities.

    Args:
        points: as `affect.robustness.Comparison.curves` makes them, over `modality_subsets()`.
        metric: their metric.
    Raises:
        ConfigError: plotly is not installed; no subset was swept.
    """
    go = plotly()
    rows = points[points["condition"].str.startswith(ONLY) | (points["condition"] == "clean")]
    if not rows["condition"].str.startswith(ONLY).any():
        raise ConfigError("subset_map: no subset was swept; sweep over modality_subsets()")
    table = rows.pivot(index="model", columns="condition", values="mean")
    table = table.loc[rows["model"].unique(), rows["condition"].unique()]
    labels = ["all" if name == "clean" else shown(name.removeprefix(ONLY)) for name in table.columns]
    rises = metrics.higher_is_better(metric)
    figure = go.Figure(
        go.Heatmap(
            z=table.to_numpy(), x=labels, y=[shown(str(model)) for model in table.index],
            colorscale=SHARES, reversescale=not rises, texttemplate="%{z:.3f}", xgap=2, ygap=2,
            colorbar={"title": metric, "thickness": 12},
            hovertemplate="%{y}, %{x} left: %{z:.3f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(meta={"least_width": 240 + 64 * len(labels)})
    return styled(figure, f"{metric} by the modalities that are left", height=150 + 34 * len(table))


def rate_curves(points: pd.DataFrame, metric: str, curve: str) -> go.Figure:
    """The curve of every model with its 95% interval over samples.

    Args:
        points: as `affect.robustness.Comparison.curves` makes them.
        metric: their metric.
        curve: the name of the conditions that are its points.
    Raises:
        ConfigError: plotly is not installed; there is no such curve.
    """
    go = plotly()
    mine = points[points["condition"] == curve]
    if mine.empty:
        raise ConfigError(f"rate_curves: no curve '{curve}'; known: {', '.join(curve_names(points))}")
    figure = go.Figure()
    for place, (model, rows) in enumerate(mine.groupby("model", sort=False)):
        rows = rows.sort_values("level")
        colour = colour_of(place)
        figure.add_scatter(
            x=[*rows["level"], *rows["level"][::-1]], y=[*rows["high"], *rows["low"][::-1]],
            fill="toself", fillcolor=colour, opacity=0.15, line_width=0, hoverinfo="skip",
            legendgroup=str(model), showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=rows["level"], y=rows["mean"], name=shown(str(model)), legendgroup=str(model),
            mode="lines+markers", line={"color": colour, "dash": dash_of(place)},
            customdata=rows[["low", "high"]], meta=["low", "high"],
            hovertemplate="%{y:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}]",
        )  # fmt: skip
    figure.update_layout(hovermode="x unified", xaxis_title=shown(curve), yaxis_title=metric)
    return styled(figure, f"{metric}: {curve}", height=420)


def contribution_chart(points: pd.DataFrame, metric: str, floor: float) -> go.Figure:
    """What each modality contributes to each model's score: Shapley values over all subsets.

    Without any modality the score is taken for that of the best constant prediction.

    Args:
        points: as `affect.robustness.Comparison.curves` makes them, over `modality_subsets()`.
        metric: their metric.
        floor: of the best constant prediction (`affect.metrics.constant_baselines`).
    Raises:
        ConfigError: plotly is not installed; not all subsets were swept; more than six modalities.
    """
    go = plotly()
    shares = {model: _contributions(rows, floor) for model, rows in points.groupby("model", sort=False)}
    sign = 1 if metrics.higher_is_better(metric) else -1
    figure = go.Figure()
    for place, modality in enumerate(next(iter(shares.values()))):
        figure.add_bar(
            y=[shown(str(model)) for model in shares],
            x=[sign * own[modality] for own in shares.values()],
            name=shown(modality),
            legendgroup=modality,
            orientation="h",
            marker_color=colour_of(place),
            hovertext=[shown(modality)] * len(shares),
            hovertemplate="%{y}, %{hovertext}: %{x:.3f}<extra></extra>",
        )
    figure.update_layout(barmode="relative", xaxis_title=f"{metric}, beyond that of the best constant")
    figure.update_yaxes(autorange="reversed")
    return styled(figure, "What each modality contributes", height=170 + 34 * len(shares))


def curve_names(points: pd.DataFrame) -> list[str]:
    """The curves there are: conditions with several levels."""
    levels = points.groupby("condition", sort=False)["level"].nunique()
    return [str(name) for name in levels.index[levels > 1]]


def write_robustness(out: Path, compared: Iterable[Comparison], summary: pd.DataFrame) -> list[Path]:
    """Write scores and pictures.

    `summary.csv` holds the scores, `table.md` and `table.tex` the same to read, and `robustness.html`, where
    plotly is installed, the same with pictures; it needs nothing but itself.

    Args:
        out: the folder.
        compared: the models side by side, for each target.
        summary: their scores.
    Returns:
        the files that were written.
    """
    written = write_scores(out, summary)
    if not (source := script()):
        return written
    with writing(out / "robustness.html") as path:
        path.write_text(_page(list(compared), summary, source), encoding="utf-8")
    return [*written, out / "robustness.html"]


def charts_of(compared: Comparison, metric: str) -> list[dict[str, Any]]:
    """Every picture of a comparison, as `embedded` makes them: what each subset leaves, and each curve.

    Args:
        compared: models side by side.
        metric: in which.
    """
    points = compared.curves(metric)
    figures = []
    if points["condition"].str.startswith(ONLY).any():
        figures.append(subset_map(points, metric))
        with suppress(ConfigError):  # some subsets were swept, not all
            figures.append(contribution_chart(points, metric, compared.floor(metric)))
    figures += [rate_curves(points, metric, curve) for curve in curve_names(points)]
    return [embedded({metric: figure}) for figure in figures]


def _page(compared: list[Comparison], summary: pd.DataFrame, source: str) -> str:
    tables = {table.title: table for table in summary_tables(summary, turned=True)}
    parts = []
    for own in compared:
        rows = summary[(summary["corpus"] == own.corpus) & (summary["target"] == own.target.name)]
        metric = str(rows["metric"].iloc[0]).partition(":")[0]
        title = f"{own.corpus} · {own.target.name}"
        parts.append({"title": title, "charts": charts_of(own, metric), "table": tables[title]})
    return rendered("robustness.html", title="Robustness", parts=parts, plotly=source)


def _contributions(rows: pd.DataFrame, floor: float) -> dict[str, float]:
    """The Shapley values of one model's modalities."""
    scores = {str(name): float(mean) for name, mean in zip(rows["condition"], rows["mean"], strict=True)}
    parts = {left_of(name): v for name, v in scores.items() if name.startswith(ONLY)}
    whole = frozenset().union(*parts)
    return contributions({frozenset(): floor, whole: scores["clean"], **parts})
