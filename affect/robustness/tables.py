"""The scores of sweeps as files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from affect.results.tables import summary_tables, write_tables

SCORES = "summary.csv"
"""The file of scores."""


def write_scores(out: Path, summary: pd.DataFrame) -> list[Path]:
    """Write scores: `summary.csv`, and `table.md` and `table.tex`, the same to read.

    Args:
        out: the folder.
        summary: the scores, as `affect.robustness.runs.scores_of` makes them.
    Returns:
        the files that were written.
    """
    written = [out / name for name in (SCORES, "table.md", "table.tex")]
    for path in written:
        write_tables(path, summary_tables(summary, turned=True), summary)
    return written
