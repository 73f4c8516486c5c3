"""What a page's buttons copy: tables as LaTeX, Markdown and CSV."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pandas as pd

from affect.results.markup import LATEX, MARKDOWN
from affect.results.tables import Table, latex, markdown
from affect.spreadsheets import FORMULA, HARMLESS, csv_of

SIGNS: Final[dict[str, Any]] = {
    "latex": LATEX,
    "markdown": MARKDOWN.pattern,
    "formula": FORMULA.pattern,
    "harmless": HARMLESS.pattern,
}
"""What the page's script changes in texts, as Python does it."""


def copies(table: Table, caption: str, frame: pd.DataFrame) -> dict[str, str]:
    """A table in every form.

    Args:
        table: as it is written in LaTeX and Markdown.
        caption: of these, with the notes.
        frame: its plain values, for CSV.
    """
    whole = [replace(table, caption=caption, notes=())]
    return {"latex": latex(whole), "markdown": markdown(whole), "csv": csv_of(frame)}
