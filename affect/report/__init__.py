"""The summary of a bench -> a table in the terminal, one self-contained HTML page."""

from affect.report.page import write_report
from affect.report.robustness import write_robustness
from affect.report.table import cells, print_table, to_markdown

__all__ = ["cells", "print_table", "to_markdown", "write_report", "write_robustness"]
