"""One self-contained page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affect import metrics
from affect.data.corpus import Corpus
from affect.files import writing
from affect.report.table import cells


def write_report(path: Path, title: str, corpus: Corpus, notes: list[str], summary: pd.DataFrame) -> None:
    """Write a page that needs nothing but itself: the tables, and each model's interval as a picture.

    Args:
        path: the HTML file.
        title: the experiment's name.
        corpus: whose notes and citation stand on the page.
        notes: the experiment's own.
        summary: as `affect.benchmark.summarise` makes it.
    """
    page = rendered(
        "page.html",
        title=title,
        corpus=corpus,
        notes=[*corpus.notes, *notes],
        tables=cells(summary),
        pictures={str(target): _picture(rows) for target, rows in summary.groupby("target", sort=False)},
        counts=summary.groupby(["target", "metric"])["count"].max().to_dict(),
        rises=metrics.higher_is_better,
    )
    with writing(path) as partial:
        partial.write_text(page, encoding="utf-8")


def rendered(template: str, **values: object) -> str:
    """A page of this folder's templates, filled in."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("affect", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(template).render(values)


def _picture(rows: pd.DataFrame) -> dict[str, object]:
    """Places, in percent of the width, of the first metric's means and intervals."""
    metric = rows["metric"].iloc[0]
    rows = rows[rows["metric"] == metric].sort_values(
        "mean", ascending=not metrics.higher_is_better(metric), kind="stable"
    )
    known = rows[["mean", "low", "high", "floor", "ceiling"]].stack()
    low, high = known.min(), known.max()
    place = (rows[["mean", "low", "high", "floor", "ceiling"]] - low) / ((high - low) or 1) * 96 + 2
    marks = place.assign(model=rows["model"], value=rows["mean"]).to_dict("records")
    return {"metric": metric, "low": low, "high": high, "marks": marks}
