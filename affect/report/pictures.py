"""Pictures of runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import unescape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect import metrics
from affect.data.targets import MultiClass, MultiLabel, Regression, Target
from affect.metrics import Array
from affect.report.figures import COLOURS, GREY, colour_of, dash_of, plotly, shown, styled, wrapped
from affect.report.heat import heat_map
from affect.results import Answers
from affect.runs import FinishedRun
from affect.training.options import OF_PARTS

if TYPE_CHECKING:
    import plotly.graph_objects as go

_AXIS = 340  # pixels of the line of ranks, at least


def critical_difference(
    ranks: Mapping[str, float], distance: float, groups: Iterable[list[str]]
) -> go.Figure:
    """Mean ranks on a line; what is not significantly different is joined by a bar.

    Args:
        ranks: the mean rank of each model over corpora, 1 for the best.
        distance: ranks that are further apart differ significantly.
        groups: models that do not.
    Raises:
        ConfigError: plotly is not installed.
    Reference:
        Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006, fig. 1.
    """
    figure: go.Figure = plotly().Figure()
    names = sorted(ranks, key=lambda name: ranks[name])
    low, high = 1.0, float(max(len(names), 2))
    lines: list[tuple[float, float, float, float, float]] = [(low, 0, low + distance, 0, 2)]
    bars = [group for group in groups if len(group) > 1]
    for place, group in enumerate(bars):
        ends = [ranks[name] for name in group]
        lines.append((min(ends) - 0.03, -1.7 - 0.4 * place, max(ends) + 0.03, -1.7 - 0.4 * place, 5))
    texts = {name: wrapped(f"{shown(name)} {ranks[name]:.2f}") for name in names}
    lines_of = 1 + max(text.count("<br>") for text in texts.values())
    gap = max(0.9, 0.25 + 0.5 * lines_of)  # thirty pixels each
    top, left = -1.7 - 0.4 * len(bars), names[: (len(names) + 1) // 2]
    for place, name in enumerate(names):
        side = name in left
        level = top - 0.3 - gap * (place if side else len(names) - 1 - place)
        end = low - 0.15 if side else high + 0.15
        lines += [(ranks[name], -1.2, ranks[name], level, 1), (ranks[name], level, end, level, 1)]
        figure.add_annotation(
            x=end, y=level, text=texts[name], showarrow=False, align="right" if side else "left",
            xanchor="right" if side else "left", xshift=-4 if side else 4,
        )  # fmt: skip
    for place in range(1, len(names) + 1, -(-len(names) // 12)):
        lines.append((place, -1.2, place, -1.05, 1))
        figure.add_annotation(x=place, y=-0.8, text=str(place), showarrow=False)
    figure.add_annotation(
        x=low + distance / 2, y=0.45, text=f"critical difference {distance:.2f}", showarrow=False
    )
    for x0, y0, x1, y1, width in [*lines, (low, -1.2, high, -1.2, 1)]:
        thick = {"color": COLOURS[0] if width == 5 else GREY, "width": width}
        figure.add_shape(type="line", x0=x0, y0=y0, x1=x1, y1=y1, line=thick)
    figure.add_scatter(
        x=[ranks[name] for name in names], y=[-1.2] * len(names), mode="markers",
        marker={"color": COLOURS[0], "size": 8}, opacity=1, showlegend=False,
        hovertext=[shown(name) for name in names], hovertemplate="%{hovertext}: %{x:.2f}<extra></extra>",
    )  # fmt: skip
    letters = max(len(unescape(line)) for text in texts.values() for line in text.split("<br>"))
    room = 6.7 * letters + 40  # pixels of the longest name
    edge = (high - low) * room / _AXIS
    styled(figure, "Mean ranks over corpora", height=int(120 + 30 * (-top + gap * len(left))))
    figure.update_layout(meta={"least_width": int(_AXIS + 2 * room)})
    figure.update_xaxes(visible=False, title_text="mean rank", range=[low - edge, high + edge])
    figure.update_yaxes(visible=False, range=[top - 0.6 - gap * len(left), 1])
    return figure


def cost_scatter(table: pd.DataFrame, metric: str, cost: str, label: str) -> go.Figure:
    """A metric against a cost; joined are the models that no cheaper one equals.

    Args:
        table: one row per model: `model`, the cost, and `mean`, `low` and `high` of the metric.
        metric: its name.
        cost: the column.
        label: what the cost is called.
    Raises:
        ConfigError: plotly is not installed.
    """
    figure: go.Figure = plotly().Figure()
    table = table[table[cost].notna()].sort_values(cost, kind="stable")
    sign = 1 if metrics.higher_is_better(metric) else -1
    height = sign * table["mean"]
    front = height > height.cummax().shift(fill_value=-np.inf)
    figure.add_scatter(
        x=table.loc[front, cost], y=table.loc[front, "mean"], mode="lines", showlegend=False,
        hoverinfo="skip", line={"color": COLOURS[0], "width": 1, "shape": "hv"},
    )  # fmt: skip
    table = table.assign(low=table["low"].fillna(table["mean"]), high=table["high"].fillna(table["mean"]))
    wide = bool(len(table)) and table[cost].max() > 20 * max(table[cost].min(), 1e-9)
    across = np.log(table[cost].clip(lower=1e-9)) if wide else table[cost]
    heights = table[["mean", "low", "high"]].to_numpy()
    texts = [wrapped(shown(name)) for name in table["model"]]
    table = table.assign(said=texts, place=_label_places(texts, across.to_numpy(), heights, front.to_numpy()))
    for rows, colour in ((table[~front], GREY), (table[front], COLOURS[0])):
        figure.add_scatter(
            x=rows[cost], y=rows["mean"], showlegend=False, mode="markers+text",
            hovertext=[shown(name) for name in rows["model"]],
            text=[own if place else "" for own, place in zip(rows["said"], rows["place"], strict=True)],
            textposition=[place or "top center" for place in rows["place"]], textfont_size=12,
            error_y={
                "array": rows["high"] - rows["mean"], "arrayminus": rows["mean"] - rows["low"],
                "thickness": 1, "width": 0,
            },
            marker={"color": colour, "size": 9}, cliponaxis=False,
            hovertemplate="%{hovertext}: %{y:.3f} at %{x:,}<extra></extra>",
        )  # fmt: skip
    edge = _EDGE * (np.ptp(across) or 1) if len(table) else 1.0
    ends = np.array([across.min() - edge, across.max() + edge]) / (np.log(10) if wide else 1)
    figure.update_xaxes(
        title_text=label, type="log" if wide else "linear", exponentformat="none", range=ends, nticks=8
    )
    figure.update_layout(meta={"least_width": 680})
    figure.update_yaxes(title_text=metric)
    return styled(figure, f"{metric} against {label}", height=380)


def learning_curves(
    runs: Iterable[FinishedRun], metric: str, shown_first: Iterable[str] | None = None
) -> go.Figure:
    """What was measured after each epoch: a line per seed and fold.

    That is on the validation split, and in training where it is of parts of the loss.

    A dot marks the epoch that was kept.

    Args:
        runs: those without a history are left out.
        metric: a column of their histories.
        shown_first: the models that are seen before a reader asks for others; all by default.
    Raises:
        ConfigError: plotly is not installed.
    """
    figure: go.Figure = plotly().Figure()
    models: dict[str, list[tuple[FinishedRun, pd.DataFrame]]] = {}
    for run in runs:
        if metric in run.history:
            models.setdefault(run.name, []).append((run, run.history))
    first = set(models if shown_first is None else shown_first)
    for place, (model, histories) in enumerate(models.items()):
        parts = [_line(run, history, metric) for run, history in histories]
        kept = [
            _line(run, history[history["epoch"] == run.facts.get("best_epoch")], metric)[:-1]
            for run, history in histories
        ]
        for rows, mode in ((np.concatenate(parts), "lines"), (np.concatenate(kept), "markers")):
            points: dict[str, Any] = {"x": rows[:, 0], "y": rows[:, 1]}
            figure.add_scatter(
                **points, customdata=rows[:, 2:].astype(np.int16), meta=["seed", "fold"],
                mode=mode, name=shown(model), legendgroup=model, showlegend=mode == "lines",
                visible=True if model in first else "legendonly",
                line={"color": colour_of(place), "dash": dash_of(place), "width": 1.2},
                marker={"color": colour_of(place), "size": 6}, opacity=0.75 if mode == "lines" else 1,
                hovertemplate="%{y:.3f} after epoch %{x}, seed %{customdata[0]}, fold %{customdata[1]}",
            )  # fmt: skip
    last = max((int(history["epoch"].max()) for own in models.values() for _, history in own), default=0)
    figure.update_xaxes(title_text="epoch", tick0=0, dtick=max(1, -(-last // 10)))
    split, where = "valid", "on the validation split"
    if metric.partition(": ")[0] in OF_PARTS:
        split, where = "train", "in training"
    figure.update_yaxes(title_text=f"{metric}, {split}")
    return styled(figure, f"{metric} {where}", height=420)


def confusion(answers: Answers, model: str) -> go.Figure:
    """A heat map of classes: of each true one, the share that a model took for each, its seeds together.

    Args:
        answers: of a target of classes; of several labels, each has two rows.
        model: which.
    Raises:
        ConfigError: plotly is not installed.
    """
    rows, columns, counts = confusion_counts(answers, model)
    with np.errstate(invalid="ignore"):  # nothing is a share of a label that nothing has
        shares = counts / counts.sum(1, keepdims=True)
    figure = heat_map(
        shares, columns, rows, "{:.0%}", ends=(0, 1), customdata=counts, showscale=False,
        hovertemplate="%{y}, taken for %{x}: %{customdata:,} (%{z:.1%})<extra></extra>",
    )  # fmt: skip
    figure.update_layout(meta={"most_width": 200 + 120 * len(columns)})
    figure.update_xaxes(title_text="prediction")
    figure.update_yaxes(title_text="label")
    return styled(figure, f"{model}: of each label, the share taken for each", height=150 + 46 * len(rows))


def confusion_counts(answers: Answers, model: str) -> tuple[list[str], list[str], NDArray[np.int64]]:
    """The names of the rows and columns of a confusion matrix, and how often each occurred over all seeds."""
    predictions = np.stack([*answers.predictions[model].values()])  # (seeds, labels, outputs)
    truth = np.broadcast_to(answers.truth, (len(predictions), *answers.truth.shape)).astype(np.int64)
    if isinstance(answers.target, MultiClass):
        classes = [shown(name) for name in answers.target.classes]
        return classes, classes, _crossed(truth[..., 0], predictions.argmax(-1), len(classes))
    decided, names = (predictions > 0.5).astype(np.int64), classes_of(answers.target)
    counts = [_crossed(truth[..., i], decided[..., i], 2) for i in range(truth.shape[-1])]
    if isinstance(answers.target, MultiLabel):
        rows = [f"{shown(name)}: {answer}" for name in answers.target.classes for answer in names]
        return rows, names, np.concatenate(counts)
    return names, names, counts[0]


def classes_of(target: Target) -> list[str]:
    """What a label, or each label of several, can be."""
    return list(target.classes) if isinstance(target, MultiClass) else ["no", "yes"]


def agreement(answers: Answers, model: str) -> go.Figure:
    """Predictions, as means over seeds, against labels.

    Args:
        answers: of a target that is a number.
        model: which.
    Raises:
        ConfigError: plotly is not installed.
    """
    predictions, truth = np.mean([*answers.predictions[model].values()], 0)[:, 0], answers.truth[:, 0]
    every = [truth] + [
        np.mean([*own.values()], 0)[:, 0] for own in answers.predictions.values()
    ]  # one scale for all models
    ends = [float(min(map(np.min, every))), float(max(map(np.max, every)))]
    if (
        isinstance(answers.target, Regression)
        and answers.target.low is not None
        and answers.target.high is not None
    ):
        ends = [min(ends[0], answers.target.low), max(ends[1], answers.target.high)]
    edge = 0.04 * (ends[1] - ends[0] or 1)
    figure: go.Figure = plotly().Figure()
    figure.add_scatter(
        x=ends,
        y=ends,
        mode="lines",
        line={"color": GREY, "width": 1, "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
    )
    points: dict[str, Any] = {"x": truth.astype(np.float32), "y": predictions.astype(np.float32)}
    figure.add_scatter(
        **points, mode="markers", showlegend=False,
        marker={"color": COLOURS[0], "size": 6, "opacity": 0.6},
        hovertext=[shown(name) for name in answers.samples],
        hovertemplate="%{hovertext}: %{y:.3f}, label %{x:.3f}<extra></extra>",
    )  # fmt: skip
    for axis, title in ((figure.update_xaxes, "label"), (figure.update_yaxes, "prediction")):
        axis(title_text=title, range=[ends[0] - edge, ends[1] + edge])
    figure.update_layout(meta={"most_width": 560})  # about as wide as high
    return styled(figure, f"{model}: prediction, mean over seeds, against the label", height=460)


_EDGE = 0.06
"""Of the width, left and right of the dots."""

_NAMED = 100
"""Dots that may have a name beside them; more have no room, and each is held against all others."""


def _label_places(names: list[str], x: Array, heights: Array, first: NDArray[np.bool_]) -> list[str]:
    """Where each name stands beside its dot, on no other name or dot; empty where there is no room.

    Intervals and the line are free of names too, but for those that come first and have no other room.

    Shapes:
        x: (models,), heights: (models, 3): mean, lower, upper end, first: (models,): whose names come first
    """
    width, height = 560.0, 260.0  # pixels of a small screen
    x = (x - x.min()) / (np.ptp(x) or 1) * width if len(x) else x
    y, low, high = ((heights - heights.min()) / (np.ptp(heights) or 1) * height).T if len(x) else heights.T
    taken = [(a - 5, b - 5, a + 5, b + 5) for a, b in zip(x, y, strict=True)]
    thin = [*zip(x - 2, low, x + 2, high, strict=True)]
    joined = np.flatnonzero(first)
    for i, j in zip(joined, joined[1:], strict=False):
        thin += [(x[i], y[i] - 2, x[j], y[i] + 2), (x[j] - 2, min(y[i], y[j]), x[j] + 2, max(y[i], y[j]))]

    def fits(box: tuple[float, float, float, float], others: list[Any]) -> bool:
        inside = -_EDGE * width <= box[0] and box[2] <= (1 + _EDGE) * width
        over = (box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in others)
        return inside and not any(over)

    places = [""] * len(names)
    for i in np.argsort(~first, kind="stable")[:_NAMED]:
        lines = unescape(names[i]).split("<br>")
        long, tall = 6.5 * max(map(len, lines)), 15.0 * len(lines)
        boxes = {
            place: (x[i] + left, y[i] + low, x[i] + left + long, y[i] + low + tall)
            for place, left, low in (
                ("middle right", 8, -tall / 2), ("middle left", -8 - long, -tall / 2),
                ("top center", -long / 2, 7), ("bottom center", -long / 2, -7 - tall),
                ("top right", 4, 5), ("bottom right", 4, -5 - tall), ("top left", -4 - long, 5),
                ("bottom left", -4 - long, -5 - tall),
            )
        }  # fmt: skip
        tries = ([*taken, *thin], taken) if first[i] else ([*taken, *thin],)
        found = (place for others in tries for place, box in boxes.items() if fits(box, others))
        if place := next(found, ""):
            places[i] = place
            taken.append(boxes[place])
    return places


def _line(run: FinishedRun, history: pd.DataFrame, metric: str) -> NDArray[np.float32]:
    """(epochs + 1, 4): epoch, value, seed, fold; the last row is a gap before the next line."""
    rows = np.full((len(history) + 1, 4), np.nan, np.float32)
    rows[:-1, 0], rows[:-1, 1] = history["epoch"], history[metric]
    rows[:, 2:] = run.seed, run.fold
    return rows


def _crossed(truth: NDArray[np.int64], predictions: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(count, count): how often each class was taken for each."""
    return np.bincount((truth * count + predictions).ravel(), minlength=count * count).reshape(count, count)
