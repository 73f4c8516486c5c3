"""The parts of a report's page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import yaml

from affect import metrics
from affect.data.targets import Regression
from affect.report.captions import BOLD, intervals_of, setting, setting_of, setting_of_sweeps, table_caption
from affect.report.chosen import best_first, chosen_models, left_out
from affect.report.contents import Contents
from affect.report.copies import copies
from affect.report.figures import embedded
from affect.report.intervals import interval_picture
from affect.report.pictures import agreement, confusion, cost_scatter, learning_curves
from affect.report.records import column, number, numbers, records
from affect.report.retrieval import retrieval_content
from affect.report.robustness import charts_of, note_of
from affect.report.samples import samples_note, samples_records
from affect.results import Answers
from affect.results.parts import split_name
from affect.results.tables import LEGEND, Cell, Table, cells, elsewhere, summary_tables
from affect.robustness import Comparison
from affect.runs.costs import COSTS

_SEEN_FIRST = 8  # as many models' curves can be told apart


@dataclass
class Section:
    """One heading of a part of the page.

    Args:
        name: of its anchor.
        title: the heading.
        note: how to read it.
        template: what stands first.
        content: for the template.
        charts: figures, as `embedded` makes them.
        records: a table that the page's script fills, as `affect.report.records.records` makes it.
    """

    name: str
    title: str
    note: str = ""
    template: str = ""
    content: Any = None
    charts: list[dict[str, Any]] = field(default_factory=list)
    records: dict[str, Any] | None = None


def sections(
    contents: Contents, corpus: str, target: str, answers: Answers | None, drawn: bool
) -> list[Section]:
    """What is known of one corpus and target.

    Args:
        contents: all that is known.
        corpus: whose part this is.
        target: the same.
        answers: the predictions for it; nothing where the runs are gone.
        drawn: whether pictures can be.
    """

    def own(table: pd.DataFrame) -> pd.DataFrame:
        if table.empty:
            return table
        return table[(table["corpus"] == corpus) & (table["target"] == target)]

    summary = own(contents.summary)
    found = [_results(summary), *_elsewhere(summary), *_costs(own(contents.costs), summary, drawn)]
    found += _comparisons(own(contents.comparisons), summary)
    if answers is not None:
        found += _curves(answers, summary, drawn)
        found += _errors(answers, summary, drawn)
    sweeps = [c for c in contents.robustness if (c.corpus, c.target.name) == (corpus, target)]
    if drawn:
        found += _robustness(sweeps, split_name(str(summary["metric"].iloc[0]))[0])
    if not (searched := own(contents.retrieval)).empty:
        found.append(retrieval_section(searched, drawn))
    if answers is not None:
        found += [_samples(answers, summary, contents, sweeps), _configurations(answers)]
    return found


def _results(summary: pd.DataFrame) -> Section:
    (frame,) = cells(summary).values()
    means = summary.pivot_table(index="model", columns="metric", values="mean", sort=False)
    published = set(summary.loc[summary["count"].isna(), "model"])
    rows = []
    for model, row in frame.iterrows():
        own = [cell if isinstance(cell, Cell) else Cell("") for cell in row]
        name = Cell(str(model), _common(own) if model in published else ())
        plain = [Cell(cell.text, () if name.remarks else cell.remarks, cell.best, cell.tie) for cell in own]
        rows.append((str(model), [name, *plain]))
    table = Table("", "", [], rows)
    marked, marks = table.marked()
    content = {
        "metrics": [
            {
                "name": str(metric),
                "rises": metrics.higher_is_better(str(metric)),
                "count": int(summary.loc[summary["metric"] == metric, "count"].max()),
            }
            for metric in frame.columns
        ],
        "rows": [
            {"model": label, "published": label in published, "name": own[0], "cells": own[1:]}
            | {
                "means": [
                    number(means[metric].get(label)) if metric in means else None for metric in frame.columns
                ]
            }
            for label, own in marked
        ],
        "marks": marks,
        "caption": table_caption(summary, LEGEND if table.ties else BOLD),
        "copies": copies(
            summary_tables(summary)[0], table_caption(summary, "" if table.ties else BOLD), summary
        ),
        "picture": interval_picture(summary),
    }
    return Section("results", "Results", template="results.html", content=content)


def _common(own: list[Cell]) -> tuple[str, ...]:
    """The remarks of all cells, each once."""
    return tuple(dict.fromkeys(remark for cell in own for remark in cell.remarks))


def _elsewhere(summary: pd.DataFrame) -> Iterator[Section]:
    found = elsewhere(summary)
    if not found.empty:
        corpus, target = summary[["corpus", "target"]].iloc[0]
        yield Section(
            "published",
            "Published, of other measures",
            records=records(
                "figures",
                [column(str(name), found[name]) for name in found],
                searched=[0, 1],
                caption=f"Published figures of {corpus} · {target} that are not measured here, or not "
                "certainly by the same definition.",
            ),
        )


def _costs(table: pd.DataFrame, summary: pd.DataFrame, drawn: bool) -> Iterator[Section]:
    known = {key: label for key, label in COSTS.items() if key in table and table[key].notna().any()}
    if not known:
        return
    metric = str(summary["metric"].iloc[0])
    means = summary.loc[
        (summary["metric"] == metric) & summary["count"].notna(), ["model", "mean", "low", "high"]
    ]
    both = table.merge(means.dropna(subset="mean"), on="model")
    columns = [column("model", table["model"])]
    for key, label in known.items():
        digits = 0 if key in ("parameters", "peak_memory_mb") else 3
        columns.append(column(label, table[key], digits=digits, first="ascending"))
    scatters = {
        label: cost_scatter(both, metric, key, label)
        for key, label in known.items()
        if drawn and both[key].notna().any()
    }
    medians = (
        "Costs are medians over runs; times are those of the machine that the runs were on, "
        "beside whatever else it did."
    )
    drawing = f"{intervals_of(summary)} Blue, on the line: no cheaper model is better."
    where = f"{setting_of(summary, metric)}."
    yield Section(
        "costs",
        "Costs",
        charts=[embedded(scatters, "cost", f"{where} {medians} {drawing}")] if scatters else [],
        records=records("models", columns, searched=[0], caption=f"Costs {where} {medians}"),
    )


def _comparisons(table: pd.DataFrame, summary: pd.DataFrame) -> Iterator[Section]:
    if table.empty:
        return
    sizes = {"difference": "difference", "effect": "effect", "superiority": "superiority"}
    tests = {"p": "p", "p_all": "p, all pairs"}
    columns = [column(name, table[name]) for name in ("metric", "better", "worse", "verdict")]
    for name, label in (sizes | tests).items():
        if name in table:
            more = (
                {"low": numbers(table["low"]), "high": numbers(table["high"])} if name == "difference" else {}
            )
            form = "p" if name in tests else "number"
            first = "ascending" if name in tests else "descending"
            columns.append(column(label, table[name], first=first, form=form, **more))
    caption = (
        f"Pairs of models {setting_of(summary)}. Differences between means over seeds, with their 95% "
        "intervals, and p: for new seeds on new samples, or for new folds; all pairs: corrected for all "
        "pairs of the metric; effect: Cohen's d; superiority: how often a seed of the one beats a seed of "
        "the other."
    )
    yield Section(
        "comparisons",
        "Who is better than whom",
        records=records("pairs", columns, searched=[1, 2], choose=0, caption=caption),
    )


def _curves(answers: Answers, summary: pd.DataFrame, drawn: bool) -> Iterator[Section]:
    if not drawn:
        return
    trained = [run for run in answers.runs if not run.history.empty]
    chosen = {*chosen_models(answers, summary)}
    runs = [run for run in trained if run.name in chosen]
    known = dict.fromkeys(str(name) for run in runs for name in run.history if name not in _NOT_MEASURED)
    if not known:
        return
    names, every = {run.name for run in runs}, {run.name for run in trained}
    seen = [name for name in best_first(summary) if name in names][:_SEEN_FIRST]
    figures = {name: learning_curves(runs, name, seen) for name in known}
    more = len(names) > len(seen)
    seeds = [len(own) for own in answers.predictions.values()]
    caption = (
        f"{setting(answers.corpus, answers.target.name, seeds)}. A line per seed and fold; the dot is the "
        "epoch that was kept." + left_out(len(names), len(every), summary)
    )
    yield Section(
        "curves",
        "Learning curves",
        f"The best {len(seen)} models are drawn; choose others by their names." if more else "",
        charts=[embedded(figures, "measure", caption)],
    )


_NOT_MEASURED = ("epoch", "seconds", "epoch_seconds", "stage")


def _errors(answers: Answers, summary: pd.DataFrame, drawn: bool) -> Iterator[Section]:
    if not drawn:
        return
    scalar = isinstance(answers.target, Regression)
    draw = agreement if scalar else confusion
    figures = {model: draw(answers, model) for model in chosen_models(answers, summary)}
    caption = f"{setting_of(summary)}. " + (
        "A point per label; on the dashed line the two are the same."
        if scalar
        else "Rows are labels, columns decisions; all seeds together."
    )
    caption += left_out(len(figures), len(answers.predictions), summary)
    note = "" if scalar else "Counts are shown under the pointer."
    title = "Predictions and labels" if scalar else "Confusion"
    yield Section("errors", title, note, charts=[embedded(figures, "model", caption)])


def _robustness(found: list[Any], metric: str) -> Iterator[Section]:
    charts: list[dict[str, Any]] = []
    notes = []
    for compared in found:  # a metric of somebody's own may not be here to measure with
        known = compared.metrics
        own = metric if metric in known else next(iter(known))
        points = compared.curves(own)
        where = setting_of_sweeps(compared)
        charts += charts_of(points, own, compared.floor(own), where).values()
        notes.append(note_of(points))
    if charts:
        yield Section("robustness", "Robustness", " ".join(dict.fromkeys(notes)), charts=charts)


def retrieval_section(summary: pd.DataFrame, drawn: bool) -> Section:
    """What search between modalities has found.

    Args:
        summary: as `affect.retrieval.summarise` makes it, of one corpus and target.
        drawn: whether pictures can be.
    """
    return Section("retrieval", "Search between modalities", **retrieval_content(summary, drawn))


def _samples(
    answers: Answers, summary: pd.DataFrame, contents: Contents, sweeps: list[Comparison]
) -> Section:
    """Every label with what each model predicts of it."""
    caption = f"Labels and predictions {setting_of(summary)}. {samples_note(answers, summary)}"
    table = samples_records(answers, summary, contents.transcripts, sweeps, contents.importances)
    return Section("samples", "Samples", template="samples.html", records={**table, "caption": caption})


def _configurations(answers: Answers) -> Section:
    contents = {model: answers.run_of(model).content for model in answers.predictions}
    plain = {model: {k: v for k, v in own.items() if k != "seeds"} for model, own in contents.items()}
    content = {
        model: {"keys": dict(_flat(own)), "yaml": yaml.safe_dump(own, sort_keys=False, allow_unicode=True)}
        for model, own in plain.items()
    }
    caption = (
        f"Keys of the configurations of two models that differ ({answers.corpus} · {answers.target.name})."
    )
    return Section(
        "configurations",
        "Run configurations",
        template="configurations.html",
        content={"models": content, "caption": caption},
    )


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of nested mappings, by their path."""
    if isinstance(content, Mapping) and content:
        for key, value in content.items():
            yield from _flat(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield (
            prefix,
            content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str),
        )
