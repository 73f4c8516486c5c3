"""The pages of a folder that a bench or a search left."""

from __future__ import annotations

from pathlib import Path

from affect.report.gathering import gather_contents
from affect.report.page import write_report
from affect.report.sweeps import write_robustness
from affect.robustness.tables import SCORES
from affect.runs.finding import table_of_bench


def write_pages(folder: str | Path, title: str = "") -> list[Path]:
    """Write `report.html`, and `robustness/robustness.html` where the models of a bench were swept.

    Args:
        folder: of a bench or of a search.
        title: of the page; the folder's name by default.
    Returns:
        the files that were written.
    Raises:
        DataError: the folder holds neither a finished run nor a search.
    """
    folder = Path(folder)
    contents = gather_contents([folder], title)
    write_report(folder / "report.html", contents)
    written, scores = [folder / "report.html"], folder / "robustness" / SCORES
    if scores.is_file():
        written += write_robustness(scores.parent, contents.robustness, table_of_bench(scores.parent, SCORES))
    return written
