"""One self-contained page of what search between modalities has to say."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affect.files import writing
from affect.report.figures import rendered, script
from affect.report.page import addresses
from affect.report.sections import retrieval_section
from affect.results.tables import latex, markdown
from affect.retrieval.tables import SUMMARY, retrieval_tables, write_summary
from affect.spreadsheets import csv_of


def write_retrieval(out: Path, summary: pd.DataFrame, table: Path) -> list[Path]:
    """Write tables and a page: `summary.csv`, `table.md`, `table.tex` and `retrieval.html`.

    Args:
        out: the folder.
        summary: as `affect.retrieval.summarise` makes it.
        table: the file of the values of all runs, which the page offers for download.
    Returns:
        the files that were written.
    """
    written, source = write_summary(out, summary), script()
    parts = [
        {"title": f"{corpus} · {target}", "citation": "", "sections": [retrieval_section(rows, bool(source))]}
        for (corpus, target), rows in summary.groupby(["corpus", "target"], sort=False)
    ]
    tables = retrieval_tables(summary)
    files = {
        table.name: table.read_text(encoding="utf-8"),
        SUMMARY: csv_of(summary),
        "table.md": markdown(tables),
        "table.tex": latex(tables),
    }
    page = rendered(
        "page.html",
        title="Search between modalities",
        notes=(),
        parts=parts,
        about=", ".join(str(part["title"]) for part in parts),
        rest="All searches",
        measured=False,
        ranks=None,
        environment=(),
        environment_caption="",
        downloads=addresses(files),
        plotly=source,
    )
    with writing(out / "retrieval.html") as path:
        path.write_text(page, encoding="utf-8")
    return [*written, out / "retrieval.html"]
