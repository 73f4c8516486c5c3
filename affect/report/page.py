"""One self-contained page of everything that finished runs have to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affect import metrics
from affect.files import writing
from affect.report.contents import Contents
from affect.report.figures import embedded, rendered, script
from affect.report.pictures import critical_difference
from affect.report.searches import address, search_sections, trials_files
from affect.report.sections import sections
from affect.results import Answers
from affect.results.tables import latex, markdown, summary_tables
from affect.runs import FinishedRun
from affect.runs.studies import StoredStudy
from affect.spreadsheets import csv_of
from affect.statistics import friedman


def write_report(path: Path, contents: Contents) -> None:
    """Write a page that needs nothing but itself: tables to sort and search, pictures, what the runs ran on.

    It shows runs, searches with Optuna, or both.

    Where plotly is not installed the page has no pictures but the first, and says so.

    Args:
        path: the HTML file.
        contents: what it shows.
    """
    source = script()
    answers = {(own.corpus, own.target.name): own for own in contents.answers if own.predictions}
    measured = not contents.summary.empty
    kinds = contents.summary.groupby(["corpus", "target"], sort=False) if measured else ()
    ranks = _ranks(contents.summary) if source and measured else {}
    runs = {run.folder: run for own in contents.answers for run in own.runs}
    parts = [
        _part(contents, str(c), str(t), answers.get((str(c), str(t))), bool(source)) for (c, t), _ in kinds
    ]
    page = rendered(
        "page.html",
        title=contents.title,
        notes=contents.notes,
        parts=[*parts, *_searches(contents, bool(source))],
        about=_about(len(parts), len(runs), contents.searches),
        rest="All runs" if measured else "All trials",
        measured=measured,
        ranks=embedded(ranks, "metric", _RANKS) if ranks else None,
        environment=_environment([*runs.values()]),
        environment_caption=f"What {_counted(len(runs), 'run')} ran on; how many, where they differ.",
        downloads=addresses(_downloads(contents)),
        plotly=source,
    )
    with writing(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _part(
    contents: Contents, corpus: str, target: str, answers: Answers | None, drawn: bool
) -> dict[str, Any]:
    """What is known of one corpus and target, with whom to cite."""
    citation = answers.runs[0].facts["corpus"].get("citation", "") if answers is not None else ""
    found = sections(contents, corpus, target, answers, drawn)
    return {"title": f"{corpus} · {target}", "citation": citation, "sections": found}


def _searches(contents: Contents, drawn: bool) -> Iterator[dict[str, Any]]:
    for search in contents.searches:
        title = f"Search · {search.study.study_name}"
        yield {"title": title, "citation": "", "sections": search_sections(search, drawn)}


def _about(kinds: int, runs: int, searches: list[StoredStudy]) -> str:
    """What the page is about, in one line."""
    parts = []
    if kinds:
        parts.append(f"{kinds} {'corpus and target' if kinds == 1 else 'corpora and targets'}")
    if runs:
        parts.append(_counted(runs, "run"))
    if searches:
        trials = sum(len(search.study.get_trials(deepcopy=False)) for search in searches)
        parts.append(f"{len(searches)} {'search' if len(searches) == 1 else 'searches'} of {trials} trials")
    return " · ".join(parts)


def _ranks(summary: pd.DataFrame, least: int = 3) -> dict[str, Any]:
    """A critical-difference diagram for each metric that enough models have on enough corpora."""
    figures = {}
    measured = summary[summary["count"].notna()]
    for metric, rows in measured.groupby("metric", sort=False):
        table = rows.pivot_table(index="model", columns="corpus", values="mean", aggfunc="first", sort=False)
        table = table.dropna()  # common models alone
        if len(table) >= least and table.shape[1] >= least:
            found = friedman(table.to_numpy(), higher_is_better=metrics.higher_is_better(str(metric)))
            ranks = dict(zip(map(str, table.index), map(float, found.average), strict=True))
            groups = [[str(table.index[place]) for place in clique] for clique in found.cliques]
            figure = critical_difference(ranks, found.critical_difference, groups)
            title = f"{metric}: mean ranks of {len(table)} models over {table.shape[1]} corpora"
            figures[str(metric)] = figure.update_layout(title_text=title)
    return figures


_RANKS = (
    "Models are ranked on each corpus by their means over seeds on the test split; rank 1 is the best. "
    "Models that a bar joins do not differ significantly (Nemenyi's test, 5%)."
)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def _environment(runs: list[FinishedRun]) -> list[tuple[str, list[str]]]:
    """What runs ran on, each fact with its values; how many runs had each, where they differ."""
    found: dict[str, Counter[str]] = {}
    for run in runs:
        facts = run.facts
        corpus = facts["corpus"]
        named = {f"SHA-256 of {corpus['name']}": corpus.get("sha256") or "generated"}
        named |= {
            f"SHA-256 of {own['name']}, of the stage '{stage}' alone": own.get("sha256") or "generated"
            for stage, own in facts.get("stage_corpora", {}).items()
        }
        named |= {"epoch chosen by": facts.get("chosen_by")}
        named |= {key.replace("_", " "): value for key, value in facts.get("ran_on", {}).items()}
        for name, value in named.items():
            found.setdefault(name, Counter())["unknown" if value is None else str(value)] += 1
    return [(name, _listed(values)) for name, values in found.items()]


def _listed(values: Counter[str], most: int = 6) -> list[str]:
    if len(values) == 1:
        return [*values]
    if len(values) > most and all(value.replace(".", "", 1).isdigit() for value in values):
        numbers = sorted(map(float, values))
        return [f"{numbers[0]:g} to {numbers[-1]:g}"]
    return [f"{value} ({_counted(count, 'run')})" for value, count in values.most_common()]


def _downloads(contents: Contents) -> dict[str, str]:
    """What the page's files hold."""
    files = trials_files(contents.searches)
    if not contents.summary.empty:
        tables = summary_tables(contents.summary)
        own = {
            "summary.csv": csv_of(contents.summary),
            "table.md": markdown(tables),
            "table.tex": latex(tables),
        }
        files = {**own, **files}
    for name, frame in (("comparisons.csv", contents.comparisons), ("costs.csv", contents.costs)):
        if not frame.empty:
            files[name] = csv_of(frame)
    return files


def addresses(files: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names of files and data URIs that hold them.

    Args:
        files: what they hold.
    """
    kinds = {"csv": "text/csv", "md": "text/markdown", "tex": "application/x-tex"}
    return [(name, address(kinds[name.rpartition(".")[2]], content)) for name, content in files.items()]
