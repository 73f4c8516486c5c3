"""Tables for the terminal, Markdown and LaTeX; self-contained HTML pages."""

from affect.report.contents import Contents
from affect.report.page import write_report
from affect.report.robustness import write_robustness
from affect.report.writing import write_pages
from affect.results.tables import (
    Table,
    cells,
    frame_table,
    latex,
    markdown,
    show,
    summary_tables,
    write_tables,
)

__all__ = [
    "Contents",
    "Table",
    "cells",
    "frame_table",
    "latex",
    "markdown",
    "show",
    "summary_tables",
    "write_pages",
    "write_report",
    "write_robustness",
    "write_tables",
]
