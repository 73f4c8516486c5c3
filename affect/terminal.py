"""What is printed outside tables: lines and log lines in which no name moves a terminal's cursor."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from affect.errors import escaped
from affect.spreadsheets import csv_of, guarded

if TYPE_CHECKING:
    import pandas as pd


def say(*lines: str) -> None:
    r"""Print lines on stdout; control characters in them are shown escaped.

    Args:
        lines: without their ends.
    Example:
        >>> say("run\x1b[2J: done", "report: report.html")
        run\x1b[2J: done
        report: report.html
    """
    sys.stdout.write("".join(f"{escaped(line)}\n" for line in lines))


def say_table(frame: pd.DataFrame) -> None:
    """Print a table as CSV: to the letter for a file or a pipe, escaped for a terminal.

    Args:
        frame: plain values.
    Example:
        >>> import pandas as pd
        >>> say_table(pd.DataFrame({"id": ["a"], "prediction": [0.5]}))
        id,prediction
        a,0.5
    """
    if not sys.stdout.isatty():
        sys.stdout.write(csv_of(frame))
        return
    table = guarded(frame).map(lambda value: escaped(value) if isinstance(value, str) else value)
    table.rename(columns=lambda name: escaped(str(name))).to_csv(sys.stdout, index=False)


class LogLines(logging.Formatter):
    r"""A log record with control characters shown escaped; a traceback keeps its lines.

    Example:
        >>> print(LogLines().format(logging.makeLogRecord({"msg": "model a\x07"})))
        model a\x07
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record's lines."""
        return "\n".join(map(escaped, super().format(record).split("\n")))


def escape_log() -> None:
    """From now on log lines that nobody handles, which Python prints on stderr, are `LogLines`."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(LogLines())
