"""What all hostile cases are made with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Build = Callable[[Path, Path], str]
"""Writes something hostile into the folder of a command, and says what the command is."""
NAMES = {
    "above": "../../escape",
    "absolute": "/tmp/affect-escape",
    "300 letters": "n" * 300,
    "NUL": "a\0b",
    "reserved": "CON",
    "dots": "..",
    "blank": " ",
    "newline": "a\nb",
    "escape": "\x1b[31mred",
    "script": "</script><script>alert(7)</script>",
}
"""Names that are no names of files."""

READING = {
    "predict": "predict {run} tiny.safetensors --out out.csv",
    "sweep": "sweep runs --out out --draws 1",
    "compare": "compare bench --out out.csv",
    "report": "report bench tune runs --out out.html",
}
"""What reads run folders of others."""


def run_of(work: Path) -> Path:
    """The one run of `train`."""
    return next((work / "runs").glob("*/seed*"))
