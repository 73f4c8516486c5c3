"""Pictures of an Optuna study: Optuna's own, in this page's colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from affect.report.drawable import MOST, Drawable, copied, study_of, thinned
from affect.report.figures import COLOURS, GREY, named_rows, styled, wrapped
from affect.runs.studies import quietly

if TYPE_CHECKING:
    import plotly.graph_objects as go

_SCALE = ((0.0, "#a4adbb"), (1.0, COLOURS[0]))  # seen on white and on black


def history(own: Drawable, start: int | None) -> go.Figure:
    """Every complete trial's value, and the best one so far.

    Args:
        own: what is drawn.
        start: the number of the trial that a line is drawn at: the configuration itself.
    """
    with quietly():
        figure = optuna.visualization.plot_optimization_history(own.study, target_name=own.title)
    drawn: Any = figure.data
    for trace, name, colour in zip(drawn, ("trials", "the best so far"), (GREY, COLOURS[0]), strict=False):
        trace.update(name=name, legendgroup=name, hovertemplate="%{y:.4g}, trial %{x}<extra></extra>")
        trace.update(marker={"color": colour, "size": 7}, line={"color": colour, "shape": "hv"})
        x, y = np.asarray(trace.x), np.asarray(trace.y)
        if len(x) > MOST:
            best = [*np.flatnonzero(np.diff(y, prepend=np.nan) != 0), len(y) - 1]  # where the line bends
            places: Any = best if trace.mode == "lines" else thinned([*range(len(x))])
            x, y = x[places], y[places]
        if trace.mode == "lines" and len(x):  # what was stopped early is no better
            x, y = np.append(x, own.study.get_trials(deepcopy=False)[-1].number), np.append(y, y[-1])
        trace.update(x=x, y=y)
    known = {trial.number: float(trial.value or 0.0) for trial in own.complete}
    if start is not None and start in known:
        figure.add_scatter(
            x=[0, max(known)], y=[known[start], known[start]], mode="lines", name="the configuration itself",
            legendgroup="the configuration itself", line={"color": COLOURS[1], "dash": "dash", "width": 1.5},
            hovertemplate="the configuration itself: %{y:.4g}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title_text="trial")
    return styled(figure, f"{own.name} of each complete trial", height=380)


def importance_chart(own: Drawable, found: Mapping[str, float], title: str) -> go.Figure:
    """Importances as bars.

    Args:
        own: what is drawn.
        found: as `importances` gives them.
        title: of which parameters.
    """
    with quietly():
        figure = optuna.visualization.plot_param_importances(
            own.study, evaluator=_evaluator_of(found), params=[*found]
        )
    figure.update_traces(
        marker_color=COLOURS[0], textfont_size=12, hovertemplate="%{y}: %{x:.1%}<extra></extra>"
    )
    figure.update_xaxes(title_text="share of the variance")
    figure.update_xaxes(range=[0, 1.18 * max(found.values())], tickformat=".0%", nticks=5)
    figure.update_yaxes(title_text="")
    return styled(figure, title, height=110 + named_rows(figure, [*found], 34))


def slices(own: Drawable, params: list[str], title: str) -> go.Figure:
    """Values against parameters; the bluer, the later the trial.

    Args:
        own: what is drawn.
        params: as they are called in the copy.
        title: the figure's.
    """
    trials = [trial for trial in own.complete if trial.params.keys() & {*params}]
    study, thin = own.study, len(trials) > MOST
    if thin:
        known = {trial.number: trial for trial in [*thinned(trials), own.best]}
        trials = [known[number] for number in sorted(known)]
        study = study_of(own, trials)
    with quietly():
        figure = optuna.visualization.plot_slice(study, params=params, target_name=own.title)
    drawn: Any = figure.data if thin else ()
    for trace in drawn:
        trace.marker.color = [trials[place].number for place in trace.marker.color]
    figure.update_traces(
        name=None,
        marker={"colorscale": _SCALE, "showscale": False, "size": 8, "line": {"width": 0}},
        hovertemplate="%{x}: %{y:.4g}, trial %{marker.color}<extra></extra>",
    )
    for axis in figure.select_xaxes():
        axis.title.update(text=wrapped(axis.title.text), standoff=8)  # below labels, however long
        if axis.type == "category" and max(map(len, axis.categoryarray)) > 8 and len(params) > 1:
            axis.tickangle = -90
        if axis.type == "log":
            axis.update(nticks=5, exponentformat="power")
    figure.update_layout(width=None, meta={"least_width": 230 * len(params) + 60 if len(params) > 1 else 0})
    return styled(figure, title, height=380)


def parallel(own: Drawable, params: list[str], title: str) -> go.Figure:
    """A line for each complete trial through its parameters; the bluer, the better its rank.

    Args:
        own: what is drawn.
        params: as they are called in the copy.
        title: the figure's.
    """
    several = [t for t in own.complete if t.params.keys() >= {*params} and t.number != own.best.number]
    study = own.study
    if len(several) > MOST:
        study = study_of(own, sorted([*thinned(several), own.best], key=lambda trial: trial.number))
    with quietly():
        figure = optuna.visualization.plot_parallel_coordinate(study, params=params, target_name=own.title)
    traces: list[Any] = [*figure.data]
    lines = [trace for trace in traces if trace.type == "scatter" and trace.mode == "lines"]
    heights = np.array([trace.y[0] for trace in lines], np.float64)
    ranks = (heights if own.rises else -heights).argsort(kind="stable").argsort(kind="stable")
    for trace, rank in zip(lines, ranks, strict=True):
        share = float(rank) / max(len(lines) - 1, 1)
        trace.update(opacity=0.45 + 0.5 * share)
        trace.line.update(color=_mixed(share), width=1.2 if rank < len(lines) - 1 else 3)
    figure.data = tuple(lines[place] for place in ranks.argsort()) or figure.data
    figure.update_annotations(font={"size": 11}, overwrite=True)
    titles = [own.title, *sorted(params)]
    figure.update_xaxes(
        tickmode="array", tickvals=[*range(len(titles))], ticktext=[*map(wrapped, titles)], tickangle=0,
        tickfont_size=11, range=(-0.45, len(titles) - 0.9),
    )  # fmt: skip
    figure.update_layout(meta={"least_width": 150 * len(titles)})
    return styled(figure, title, height=420)


def intermediate(own: Drawable) -> go.Figure | None:
    """How each trial went; None where none has reported.

    Args:
        own: what is drawn.
    """
    trials = [trial for trial in own.study.get_trials(deepcopy=False) if trial.intermediate_values]
    study = own.study
    if len(trials) > MOST:
        best = [own.best] if own.complete and own.best.intermediate_values else []
        known = {trial.number: trial for trial in [*thinned(trials), *best]}
        trials = [known[number] for number in sorted(known)]
        study = study_of(own, trials)
    else:
        trials = own.study.get_trials(deepcopy=False)
    with quietly():
        figure = optuna.visualization.plot_intermediate_values(study)
    traces: list[Any] = [*figure.data]
    if not traces:
        return None
    for trace in traces:
        trial = trials[int(trace.name.removeprefix("Trial"))]
        number, (name, colour, width) = trial.number, _LOOKS[trial.state]
        if own.complete and number == own.best.number:
            name, colour, width = "the best", COLOURS[0], 3
        steps, values = np.asarray(trace.x, np.int32), np.asarray(trace.y, np.float32)
        trace.update(
            x=steps, y=values, name=name, legendgroup=name, mode="lines" if len(steps) > 1 else "markers",
            line={"color": colour, "width": width}, opacity=0.8, marker={"color": colour, "size": 5},
            hovertemplate=f"%{{y:.4g}} at step %{{x}}, trial {number}<extra></extra>",
        )  # fmt: skip
    traces.sort(key=lambda trace: str(trace.name) == "the best")  # it is drawn last
    figure.data = tuple(traces)
    figure.update_xaxes(title_text="step")
    figure.update_yaxes(title_text=own.title)
    return styled(figure, f"{own.name} while trials were trained", height=420)


def fronts(study: optuna.Study, own: list[Drawable], start: int | None) -> dict[str, go.Figure]:
    """The Pareto front, seen on each pair of objectives.

    Args:
        study: the search.
        own: its objectives.
        start: the number of the trial that is marked: the configuration itself.
    """
    places = range(len(own))
    copy = copied(study, own[0].labels, places)
    return {
        f"{own[x].name} and {own[y].name}": _front(copy, own, x, y, start)
        for x in places
        for y in places
        if x < y
    }


_LOOKS = {
    TrialState.COMPLETE: ("complete", COLOURS[5], 1),
    TrialState.PRUNED: ("stopped early", COLOURS[1], 1.2),
    TrialState.RUNNING: ("running", COLOURS[2], 1.2),
}


def _evaluator_of(found: Mapping[str, float]) -> Any:
    """Tells Optuna's picture what was found, so that no forest grows twice."""

    class Known(optuna.importance.BaseImportanceEvaluator):  # here, because it takes a second to import
        def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
            return dict(found)

    return Known()


def _front(copy: optuna.Study, own: list[Drawable], x: int, y: int, start: int | None) -> go.Figure:
    names = [own[place].title for place in (x, y)]

    def pair(trial: FrozenTrial) -> list[float]:
        return [trial.values[x], trial.values[y]]

    with quietly():
        figure = optuna.visualization.plot_pareto_front(copy, targets=pair, target_names=names)
    looks = (("dominated", GREY, 7), ("Pareto front", COLOURS[0], 10))
    for trace, (name, colour, size) in zip(figure.data, looks, strict=True):
        trace.update(name=name, legendgroup=name, showlegend=True)
        trace.marker = {"color": colour, "size": size}
    complete = {t.number: t for t in copy.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    if start in complete:
        values = pair(complete[start])
        figure.add_scatter(
            x=values[:1], y=values[1:], mode="markers", name="the configuration itself",
            legendgroup="the configuration itself", hoverinfo="skip",
            marker={"color": COLOURS[1], "size": 15, "symbol": "circle-open", "line": {"width": 2}},
        )  # fmt: skip
    return styled(figure, f"{own[x].name} and {own[y].name}", height=440)


def _mixed(share: float) -> str:
    """A colour of the scale."""
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for _, colour in _SCALE]
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(*ends, strict=True))
    return f"rgb({red},{green},{blue})"
