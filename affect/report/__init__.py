"""Tables for the terminal, Markdown and LaTeX; self-contained HTML pages.

Names are imported when they are used: what describes a corpus needs nothing that trains.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affect.report.contents import Contents
    from affect.report.page import write_report
    from affect.report.retrieval_page import write_retrieval
    from affect.report.sweeps import write_robustness
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
    "write_retrieval",
    "write_robustness",
    "write_tables",
]

_OWN = {
    "Contents": "affect.report.contents",
    "write_pages": "affect.report.writing",
    "write_report": "affect.report.page",
    "write_retrieval": "affect.report.retrieval_page",
    "write_robustness": "affect.report.sweeps",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'affect.report' has no attribute '{name}'")
    value = getattr(importlib.import_module(_OWN.get(name, "affect.results.tables")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
