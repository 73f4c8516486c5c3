"""The summary of a bench -> a table in the terminal, one self-contained HTML page."""

from affect.report.page import write_report
from affect.report.table import cells, print_table

__all__ = ["cells", "print_table", "write_report"]
