"""Pictures of sweeps: which modalities matter, and how curves fall."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affect import metrics
from affect.errors import ConfigError, few
from affect.report.figures import (
    band_of,
    colour_of,
    dash_of,
    embedded,
    named_rows,
    plotly,
    shown,
    styled,
    wrapped,
)
from affect.report.heat import heat_map
from affect.robustness.scores import contributions
from affect.robustness.sweeps import ONLY, left_of

if TYPE_CHECKING:
    import plotly.graph_objects as go


_SEEN_FIRST = 12  # as many lines have names that can be read at their ends


def subset_map(points: pd.DataFrame, metric: str) -> go.Figure:
    """A heat map: models by what is left of the modalities.

    Args:
        points: as `affect.robustness.Comparison.curves` makes them, over `modality_subsets()`.
        metric: their metric.
    Raises:
        ConfigError: plotly is not installed; no subset was swept.
    """
    rows = points[points["condition"].str.startswith(ONLY) | (points["condition"] == "clean")]
    if not rows["condition"].str.startswith(ONLY).any():
        raise ConfigError("subset_map: no subset was swept; sweep over modality_subsets()")
    table = rows.pivot(index="model", columns="condition", values="mean")
    table = table.loc[rows["model"].unique(), rows["condition"].unique()]
    labels = ["all" if name == "clean" else shown(name.removeprefix(ONLY)) for name in table.columns]
    models = [shown(str(model)) for model in table.index]
    figure = heat_map(
        table.to_numpy(), labels, models, "{:.3f}",
        dark_is_low=not metrics.higher_is_better(metric), colorbar={"title": metric, "thickness": 12},
        hovertemplate="%{y}, %{x} left: %{z:.3f}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(meta={"least_width": 240 + 64 * len(labels)})
    return styled(
        figure, f"{metric} by the modalities that are left", height=150 + named_rows(figure, models, 34)
    )


def rate_curves(points: pd.DataFrame, metric: str, curve: str, baseline: str | None = None) -> go.Figure:
    """The curve of every model, or of its difference to a baseline.

    The band of a model is its 95% interval. One or two bands are drawn; more would cover one another, so they
    are hidden, and the pointer says each interval. A report's page draws that of the model that a reader
    points at. Of more than twelve models the best on average are seen at first, and the baseline.

    Args:
        points: as `affect.robustness.Comparison.curves` makes them.
        metric: their metric.
        curve: the name of the conditions that are its points.
        baseline: the model that the differences of the points are to; the metric itself is drawn by default.
    Raises:
        ConfigError: plotly is not installed; there is no such curve; the points have no differences.
    Example:
        >>> levels = pd.DataFrame({"condition": "steps", "level": [0.0, 0.5], "low": 0.3, "high": 0.7})
        >>> points = levels.assign(model="late", mean=[0.6, 0.4])
        >>> [trace.name for trace in rate_curves(points, "pearson", "steps").data if not trace.fill]
        ['late']
    """
    figure: go.Figure = plotly().Figure()
    mine = points[points["condition"] == curve]
    if mine.empty:
        raise ConfigError(f"rate_curves: no curve '{curve}'; known: {', '.join(curve_names(points))}")
    columns = ["mean", "low", "high"] if baseline is None else ["gain", "gain_low", "gain_high"]
    if not {*columns} <= {*points}:
        raise ConfigError(
            f"rate_curves: the points have no differences to '{baseline}'; make them with "
            f"curves(metric, baseline='{baseline}')"
        )
    means = mine.groupby("model", sort=False)["mean"].mean()
    ranked = means.sort_values(ascending=not metrics.higher_is_better(metric), kind="stable").index
    first = {baseline, *ranked[:_SEEN_FIRST]}
    models = {str(model): rows.sort_values("level") for model, rows in mine.groupby("model", sort=False)}
    few_bands = len(models) - (baseline in models) <= 2
    for place, (model, rows) in enumerate(models.items()):
        levels = rows["level"].tolist()
        middle, below, above = (rows[name].tolist() for name in columns)
        if model != baseline:
            figure.add_scatter(
                x=[*levels, *levels[::-1]], y=[*above, *below[::-1]], mode="lines", fill="toself",
                fillcolor=band_of(place), line_width=0, hoverinfo="skip", legendgroup=model, showlegend=False,
                visible=few_bands,
            )  # fmt: skip
        interval = "" if model == baseline else " [%{customdata[0]:.3f}, %{customdata[1]:.3f}]"
        figure.add_scatter(
            x=levels, y=middle, name=shown(model), legendgroup=model,
            visible=True if model in first else "legendonly",
            mode="lines+markers", line={"color": colour_of(place), "dash": dash_of(place)},
            customdata=np.stack([below, above], 1), meta=["low", "high"],
            hovertemplate=f"%{{fullData.name}}<br>%{{x}}: %{{y:.3f}}{interval}<extra></extra>",
        )  # fmt: skip
    low, high = mine["level"].min(), mine["level"].max()
    edge = 0.03 * (high - low)
    title_x = wrapped(curve)
    figure.update_xaxes(title_text=title_x, range=[low - edge, high + edge])
    title = f"{metric}: {curve}"
    if baseline is not None:
        title += f", difference to {baseline}"
        figure.update_yaxes(zeroline=True, zerolinewidth=2)
    figure.update_yaxes(title_text=metric if baseline is None else f"difference in {metric}, above 0: better")
    styled(figure, title, height=420)
    figure.update_xaxes(automargin=False)  # the page reckons with a plot of this height
    figure.update_layout(
        hovermode="closest", margin_b=44 + 18 * (1 + title_x.count("<br>")), meta={"names_at_ends": True}
    )
    return figure


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
    models = [shown(str(model)) for model in shares]
    sign = 1 if metrics.higher_is_better(metric) else -1
    figure = go.Figure()
    for place, modality in enumerate(next(iter(shares.values()))):
        figure.add_bar(
            y=models,
            x=[sign * own[modality] for own in shares.values()],
            name=shown(modality),
            legendgroup=modality,
            orientation="h",
            marker_color=colour_of(place),
            hovertext=[shown(modality)] * len(shares),
            hovertemplate="%{y}, %{hovertext}: %{x:.3f}<extra></extra>",
        )
    figure.update_layout(barmode="relative", xaxis_title=f"{metric}, beyond<br>that of the best constant")
    figure.update_yaxes(autorange="reversed")
    return styled(figure, "What each modality contributes", height=190 + named_rows(figure, models, 34))


def curve_names(points: pd.DataFrame) -> list[str]:
    """The curves there are: conditions with several levels."""
    levels = points.groupby("condition", sort=False)["level"].nunique()
    return [str(name) for name in levels.index[levels > 1]]


def charts_of(
    points: pd.DataFrame, metric: str, floor: float, where: str, baseline: str | None = None
) -> dict[str, dict[str, Any]]:
    """Every picture of a comparison, by its heading, as `embedded` makes them.

    Args:
        points: as `affect.robustness.Comparison.curves` makes them.
        metric: in which.
        floor: of the best constant prediction.
        where: the setting, for the captions.
        baseline: the model that the differences of the points are to; without one they are not drawn.
    """
    figures, where = {}, f"{where}. {SAME_DAMAGE}"
    if points["condition"].str.startswith(ONLY).any():
        figures["Subsets of modalities"] = embedded(
            {metric: subset_map(points, metric)}, caption=f"{where} {MEANS}"
        )
        with suppress(ConfigError):  # some subsets were swept, not all
            chart = contribution_chart(points, metric, floor)
            figures["Contributions of modalities"] = embedded(
                {metric: chart},
                caption=f"{where} Shapley values over all subsets; without any modality the score is taken "
                "for that of the best constant prediction.",
            )
    for curve in curve_names(points):
        views = {metric: rate_curves(points, metric, curve)}
        if baseline is not None:
            views[f"difference to {baseline}"] = rate_curves(points, metric, curve, baseline)
        figures[f"Curve: {curve}"] = embedded(views, "values", f"{where} {MEANS} {bands_of(points)}")
    return figures


SAME_DAMAGE = "Every model met the same damage."
MEANS = "Means over seeds and draws."


def note_of(points: pd.DataFrame) -> str:
    """How to see the intervals of curves.

    Args:
        points: as `affect.robustness.Comparison.curves` makes them.
    """
    many = points["model"].nunique() > _SEEN_FIRST
    return (
        "Intervals of one or two models are always drawn; of more, one at a time: point at a line, or at a "
        "name above it, or move there with the keyboard."
        + (f" The best {_SEEN_FIRST} are seen first; choose others by their names." if many else "")
    )


def bands_of(points: pd.DataFrame) -> str:
    """What the intervals of curves are for, as sentences.

    Args:
        points: as `affect.robustness.Comparison.curves` makes them.
    """
    alone = points.loc[points["one_seed"], "model"].unique().tolist()
    names = "all models" if len(alone) == points["model"].nunique() else few(alone)
    return "Bands, where they are drawn, are 95% intervals for a new seed on new samples." + (
        f" One seed, so for these weights only: {names}." if alone else ""
    )


def _contributions(rows: pd.DataFrame, floor: float) -> dict[str, float]:
    """The Shapley values of one model's modalities."""
    scores = {str(name): float(mean) for name, mean in zip(rows["condition"], rows["mean"], strict=True)}
    parts = {left_of(name): v for name, v in scores.items() if name.startswith(ONLY)}
    whole = frozenset().union(*parts)
    return contributions({frozenset(): floor, whole: scores["clean"], **parts})
