"""A search on the page: what it came to, how it went, and the configurations that it found."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator
from html import unescape
from typing import Any

import optuna
import pandas as pd
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from affect.report.drawable import LEAST, MOST, Drawable, drawable, short_names
from affect.report.figures import embedded
from affect.report.records import column, records
from affect.report.sections import Section
from affect.report.studies import fronts, history, importance_chart, intermediate, parallel, slices
from affect.runs.studies import (
    CONFIGURATION,
    DIFFERS,
    EPOCHS,
    FAILURE,
    SECONDS,
    SEEDS,
    START,
    StoredStudy,
    objectives,
    trials_table,
)
from affect.spreadsheets import csv_of

_TOGETHER = 4  # slices that stand side by side


def search_sections(search: StoredStudy, drawn: bool) -> list[Section]:
    """What is known of a search.

    Args:
        search: the study and what was chosen.
        drawn: whether pictures can be.
    """
    own = drawable(search.study) if drawn else []
    found = [_facts(search), _found(search)]
    if own and own[0].complete:
        found += _pictures(search.study, own)
    if own and len(own) == 1 and (chart := intermediate(own[0])):
        found.append(
            Section(
                "intermediate",
                "Trials while they were trained",
                charts=[
                    embedded(
                        {"": chart},
                        caption=f"{_setting(search.study)} Each epoch of the first seed: what the epoch that "
                        "would be kept has come to. The last steps are means over seeds, one step for each "
                        "seed that was trained."
                        + _some(
                            sum(1 for t in search.study.get_trials(deepcopy=False) if t.intermediate_values)
                        ),
                    )
                ],
            )
        )
    return [*found, _trials(search)]


def trials_files(searches: Iterable[StoredStudy]) -> dict[str, str]:
    """The tables of trials, by the names of their files."""
    searches = [*searches]
    return {
        "trials.csv" if len(searches) == 1 else f"trials-{place}.csv": csv_of(trials_table(one.study))
        for place, one in enumerate(searches, 1)
    }


def _facts(search: StoredStudy) -> Section:
    study, trials = search.study, search.study.get_trials(deepcopy=False)
    counts = Counter(_state(trial) for trial in trials)
    epochs, seconds = (sum(trial.user_attrs.get(key) or 0 for trial in trials) for key in (EPOCHS, SECONDS))
    content = {
        "trials": len(trials),
        "states": [f"{counts[name]:,} {name}" for name in _STATES if counts[name]],
        "epochs": epochs,
        "time": _spelled(seconds),
        "caption": f"The best value of each objective {_setting(study)} They chose the trial, so they "
        "flatter it.",
        "objectives": [_objective(study, place, name) for place, name in enumerate(objectives(study))],
    }
    return Section("search", "What was found", template="search.html", content=content)


_STATES = ("complete", "stopped early", "failed", "interrupted", "running", "waiting")


def _state(trial: FrozenTrial) -> str:
    """How a trial ended; one that failed without saying why was interrupted, and is tried again."""
    if trial.state == TrialState.FAIL:
        return "failed" if FAILURE in trial.user_attrs else "interrupted"
    return "stopped early" if trial.state == TrialState.PRUNED else trial.state.name.lower()


def _objective(study: optuna.Study, place: int, name: str) -> dict[str, Any]:
    """An objective's best value, and the configuration's own."""
    rises = study.directions[place] == StudyDirection.MAXIMIZE
    complete = study.get_trials(
        deepcopy=False, states=(TrialState.COMPLETE,)
    )  # one that stopped has a value too
    values = {trial.number: trial.values[place] for trial in complete}
    best = (max if rises else min)(values, key=lambda number: values[number], default=None)
    start = _start(study)
    own = None if start is None else values.get(start.number)
    return {
        "name": name,
        "rises": rises,
        "best": _written(None if best is None else values[best]),
        "trial": best,
        "start": "–" if start is None else _state(start) if own is None else _written(own),
    }


def _start(study: optuna.Study) -> FrozenTrial | None:
    """The trial that was the configuration itself: the last one, where it had to begin again."""
    own = [t for t in study.get_trials(deepcopy=False) if t.user_attrs.get(START) == CONFIGURATION]
    return own[-1] if own else None


def _spelled(seconds: float) -> str:
    """A duration.

    Example:
        >>> _spelled(12.3), _spelled(9000)
        ('12 s', '2 h 30 min')
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60:,} h {minutes % 60} min"


def _found(search: StoredStudy) -> Section:
    """The parameters that were chosen, beside the configuration's own, and whole configurations."""
    trials = {trial.number: trial for trial in search.study.get_trials(deepcopy=False)}
    beside = {label: trials[number].params for label, number in search.chosen.items() if number in trials}
    if (start := _start(search.study)) is not None:
        beside = {CONFIGURATION: start.params, **beside}
    names = dict.fromkeys(name for params in beside.values() for name in params)
    rows = [(name, [_written(params.get(name)) for params in beside.values()]) for name in names]
    content = {
        "caption": f"The parameters that were chosen {_setting(search.study)}",
        "heads": [*beside],
        "rows": [(name, values, len({*values}) > 1) for name, values in rows],
        "files": [
            {"label": label, "yaml": text, "address": address("text/plain", text), "name": f"{label}.yaml"}
            for label, text in search.configurations.items()
        ],
    }
    several = "configurations" if len(search.configurations) > 1 else "configuration"
    return Section("found", f"The {several} that came out", template="found.html", content=content)


def address(kind: str, content: str) -> str:
    """A data URI.

    Args:
        kind: the content's MIME type.
        content: what it holds.
    Example:
        >>> address("text/plain", "a")
        'data:text/plain;charset=utf-8;base64,YQ=='
    """
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(content.encode()).decode()}"


def _setting(study: optuna.Study) -> str:
    """Where the values of a search come from: the end of a sentence, and one more."""
    complete = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    return (
        f"(search {study.study_name}, {complete:,} complete {'trial' if complete == 1 else 'trials'}). "
        "Values are means over a trial's seeds on the validation split."
    )


def _written(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "–" if value is None else str(value)


def _pictures(study: optuna.Study, own: list[Drawable]) -> Iterator[Section]:
    start = _start(study)
    number = None if start is None else start.number
    where, most = _setting(study), _some(max(len(one.complete) for one in own))
    if len(own) > 1:
        yield Section(
            "front",
            "Pareto front",
            charts=[
                embedded(
                    fronts(study, own, number),
                    "objectives",
                    f"{where} No complete trial is at least as good in all objectives as one of the front, "
                    "and better in one.",
                )
            ],
        )
    yield Section(
        "history",
        "Optimisation history",
        charts=[embedded({one.name: history(one, number) for one in own}, "objective", where + most)],
    )
    yield from _importances(own, where)
    yield Section(
        "slices",
        "Slices",
        "The parameters of the best trial come first, by their importance where it is known.",
        charts=[
            embedded(
                _sliced(one),
                "parameter",
                f"{where} A dot for each complete trial, the bluer the later.{most}",
            )
            for one in own
        ],
    )
    yield Section(
        "parallel",
        "Parallel coordinates",
        charts=[
            embedded(
                _parallel(one),
                "parameters",
                f"{where} A line for each complete trial; the bluer, the better. The thick one is the best."
                + _some(len(own[0].complete)),
            )
            for one in own
        ],
    )


def _some(trials: int) -> str:
    """That not all trials are looked at, as a sentence."""
    return f" From {MOST:,} of {trials:,} trials, evenly spaced." if trials > MOST else ""


def _importances(own: list[Drawable], where: str) -> Iterator[Section]:
    every: dict[str, Any] = {}
    branch: dict[str, Any] = {}
    for one in own:
        if common := one.common:
            title = f"{one.name}: parameters that all complete trials have"
            every[one.name] = importance_chart(one, common, title)
        if (mine := one.branch) and mine.keys() != (common or {}).keys():
            title = f"{one.name}: parameters of the best trial, among trials that have them"
            branch[one.name] = importance_chart(one, mine, title)
    caption = f"{where} How much of the differences between trials each parameter explains (fANOVA)." + _some(
        len(own[0].complete)
    )
    charts = [embedded(figures, "objective", caption) for figures in (every, branch) if figures]
    if charts:
        yield Section(
            "importances",
            "Importances",
            f"Of {LEAST} or a few more trials this is a hint, not a finding.",
            charts=charts,
        )


def _sliced(own: Drawable) -> dict[str, Any]:
    figures = {}
    if len(own.ranked) > 1:
        together = own.ranked[:_TOGETHER]
        title = f"{own.name} against {len(together)} parameters"
        figures[f"the first {len(together)}"] = slices(own, together, title)
    for label in own.ranked:
        figures[unescape(label)] = slices(own, [label], f"{own.name} against {unescape(label)}")
    return figures


def _parallel(own: Drawable) -> dict[str, Any]:
    mine, every = [*own.best.params], own.ranked
    figures = {"of the best trial": parallel(own, mine, f"{own.name} and the parameters of the best trial")}
    if len(every) > len(mine):
        figures["all"] = parallel(own, every, f"{own.name} and all parameters")
    return figures


def _trials(search: StoredStudy) -> Section:
    """Every trial as a row, the best first."""
    study, table = search.study, trials_table(search.study)
    trials, names = study.get_trials(deepcopy=False), objectives(study)
    columns = [
        column("trial", table["trial"], digits=0),
        column("state", [_state(trial) for trial in trials]),
    ]
    known = _known_as(search, trials)
    if any(known):
        columns.append(column("known as", known))
    for place, name in enumerate(names):
        rises = study.directions[place] == StudyDirection.MAXIMIZE
        columns.append(column(name, table[name], form="plain", first="descending" if rises else "ascending"))
    order = [len(columns) - len(names), columns[-len(names)]["first"]]
    columns += [column(name, table[name], digits=0) for name in (SEEDS, EPOCHS)]
    columns.append(column(SECONDS, table[SECONDS], digits=1))
    parameters = dict.fromkeys(name for trial in trials for name in trial.params)
    columns += [_parameter(short, table[name]) for name, short in short_names(parameters).items()]
    if table[DIFFERS].notna().any():
        columns.append(column("differs from what is published", table[DIFFERS].fillna(""), wide=True))
    if table["retry_of"].notna().any():
        columns.append(column("retry of", table["retry_of"], digits=0))
    if table[FAILURE].notna().any():
        columns.append(column(FAILURE, table[FAILURE].fillna(""), wide=True))
    caption = f"All trials {_setting(study)} A parameter that a trial did not have is missing."
    words = [0, *(place for place, own in enumerate(columns) if "form" not in own)]
    return Section(
        "trials",
        "Trials",
        records=records("trials", columns, searched=words, order=order, caption=caption),
    )


def _known_as(search: StoredStudy, trials: Iterable[FrozenTrial]) -> list[str]:
    """What each trial was chosen as, and what it began as."""
    chosen = {number: label for label, number in search.chosen.items()}
    called = [(chosen.get(t.number), t.user_attrs.get(START)) for t in trials]
    return ["; ".join(str(name) for name in names if name is not None) for names in called]


def _parameter(label: str, values: pd.Series) -> dict[str, Any]:
    """Numbers as they are; choices as words."""
    known = values.dropna()
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known.tolist()):
        return column(label, values.astype(float), form="plain")
    return column(label, ["" if pd.isna(value) else str(value) for value in values])
