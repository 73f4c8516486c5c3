"""Where tables are printed: a terminal has a width, a file and a pipe have none."""

from __future__ import annotations

from rich.console import Console

WIDE = 100_000
"""Columns where there is no terminal: every row of a table is one line, and none is cut."""


class TableConsole(Console):
    """Rich's console on stdout, whose lines have no end where there is no terminal.

    Example:
        >>> TableConsole().print("x" * 200)
        xxxxxx...
    """

    def __init__(self) -> None:
        super().__init__()
        if not (self.is_terminal or self.is_jupyter):
            self._width = WIDE

    def on_broken_pipe(self) -> None:
        """Let whoever runs the command end it."""
        raise  # rich calls this while it handles the error
