"""One self-contained page of what sweeps have to say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from affect.errors import few
from affect.files import writing
from affect.report.captions import BOLD, setting_of_sweeps, table_caption
from affect.report.copies import copies
from affect.report.figures import rendered, script
from affect.report.page import addresses
from affect.report.robustness import SAME_DAMAGE, charts_of, note_of
from affect.report.sections import Section
from affect.results.tables import Table, latex, markdown, summary_tables
from affect.robustness.summary import Comparison
from affect.robustness.tables import SCORES, write_scores
from affect.spreadsheets import csv_of


def write_robustness(out: Path, compared: Iterable[Comparison], summary: pd.DataFrame) -> list[Path]:
    """Write scores and pictures.

    `summary.csv` holds the scores, `table.md` and `table.tex` the same to read, and `robustness.html` the
    same with pictures and the points of the curves; it needs nothing but itself. Where plotly is not
    installed it has no pictures, and says so.

    Args:
        out: the folder.
        compared: the models side by side, for each target.
        summary: their scores.
    Returns:
        the files that were written.
    """
    written, source, tables = write_scores(out, summary), script(), summary_tables(summary, turned=True)
    lots: dict[str, list[Comparison]] = {}
    for own in compared:
        lots.setdefault(f"{own.corpus} · {own.target.name}", []).append(own)
    by_title, parts, points = {table.title: table for table in tables}, [], []
    for title, several in lots.items():
        rows = summary[summary["corpus"] + " · " + summary["target"] == title]
        metric = str(rows["metric"].iloc[0]).partition(":")[0]
        baseline = next(iter(rows["reference"].dropna()), None)
        pictures: dict[str, tuple[str, dict[str, Any]]] = {}
        for own in several:
            reference = baseline if baseline in own.models else None
            found = own.curves(metric, reference)
            points.append(found.assign(corpus=own.corpus, target=own.target.name, metric=metric))
            models = f" ({few(own.models)})" if len(own.models) < 3 else f" ({len(own.models)} models)"
            models = models if len(several) > 1 else ""
            charts = (
                charts_of(found, metric, own.floor(metric), setting_of_sweeps(own), reference)
                if source
                else {}
            )
            for name, chart in charts.items():
                pictures[name + models] = (note_of(found) if name.startswith("Curve") else "", chart)
        sections = [
            Section(f"picture-{place}", name, note, charts=[chart])
            for place, (name, (note, chart)) in enumerate(pictures.items(), 1)
        ]
        parts.append(
            {"title": title, "citation": "", "sections": [*sections, _scores(by_title[title], rows)]}
        )
    page = rendered(
        "page.html",
        title="Robustness",
        notes=(),
        parts=parts,
        about=", ".join(lots),
        rest="All scores",
        measured=False,
        ranks=None,
        environment=(),
        environment_caption="",
        downloads=addresses(
            {
                SCORES: csv_of(summary),
                "table.md": markdown(tables),
                "table.tex": latex(tables),
                "points.csv": csv_of(pd.concat(points)),
            }
        ),
        plotly=source,
    )
    with writing(out / "robustness.html") as path:
        path.write_text(page, encoding="utf-8")
    return [*written, out / "robustness.html"]


def _scores(table: Table, summary: pd.DataFrame) -> Section:
    caption = f"{table_caption(summary, BOLD)} Draws of the same damage are averaged. {SAME_DAMAGE}"
    content = {"table": table, "caption": caption, "copies": copies(table, caption, summary)}
    return Section("scores", "Scores", template="scores.html", content=content)
