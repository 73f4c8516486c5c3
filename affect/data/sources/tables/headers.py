"""Whether a file begins as a delimited table does, told from its first lines."""

from __future__ import annotations

import codecs
import csv
import re
from pathlib import Path

from affect.data.sources.cells import LONGEST, MISSING, delimiter, encoding, is_number

_HEAD = 1 << 16
_LINES = 50
_NAME = re.compile(r"(?!\d)[\w .()%#/-]{1,60}")
_ENDS = (".", "!", "?")


def columns(path: Path) -> tuple[str, ...]:
    r"""The names in the first line of a table of text; empty where the file is none. Never raises.

    The second line has as many cells as the first.

    Example:
        >>> path = getfixture("tmp_path") / "a"
        >>> _ = path.write_text("id; label\n1; 0.5\n")
        >>> columns(path)
        ('id', 'label')
    """
    rows = _rows(path)
    if len(rows) < 2 or not len(rows[0]) == len(rows[1]) > 1:
        return ()
    names = tuple(name.strip() for name in rows[0])
    named = all(not name or name[0].isalpha() or name[0] == "_" for name in names)
    return names if named and any(names) else ()


def is_table(path: Path) -> bool:
    r"""Whether a text is a delimited table, whatever its columns are called. Never raises.

    Every line has as many cells as the header, whose cells are names. Beside that a column holds numbers
    under its name, or there are three columns or more: prose and code may well have a comma in each line.

    Example:
        >>> path = getfixture("tmp_path") / "a"
        >>> _ = path.write_text("Sr No.,Speaker\n1,A\n2,B\n")
        >>> is_table(path)
        True
        >>> _ = path.write_text("Hello, world.\nThis, too.\n")
        >>> is_table(path)
        False
    """
    names, rows = columns(path), _rows(path)[1:]
    given = [name for name in names if name]
    if not given or len(set(given)) < len(given) or not all(map(_is_name, given)):
        return False
    if any(len(row) != len(names) for row in rows):
        return False
    cells = ([cell.strip() for cell in column] for column in zip(*rows, strict=True))
    if any(_are_numbers(column) for column in cells):
        return True
    return len(names) > 2 and not any(name.endswith(_ENDS) or len(name.split()) > 3 for name in given)


def _rows(path: Path) -> list[list[str]]:
    """The cells of the first lines that are whole; bytes that are no UTF-8 count as letters."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return []
        with path.open("rb") as file:
            start = file.read(_HEAD)
            code = encoding(start)
            if len(start) == _HEAD and start.count(b"\n") < 2 and (code == "utf-16" or b"\0" not in start):
                start += file.read(LONGEST - _HEAD)
        text = _text(start, code)
        lines = text.splitlines(keepends=True)
        if len(start) >= _HEAD and len(lines) > 2:
            del lines[-1]
        if not lines or "\0" in text:
            return []
        found = csv.reader(lines[:_LINES], delimiter=delimiter(lines[0]), skipinitialspace=True)
        rows = [row for row in found if row and (len(row) > 1 or row[0].strip())]
        return rows[:-1] if len(rows) > 2 and len(lines) > _LINES else rows  # the last may go on
    except (OSError, ValueError, csv.Error):
        return []


def _text(start: bytes, code: str) -> str:
    """The beginning of a file as text, whose last character may be cut; in another encoding, letters."""
    try:
        return codecs.getincrementaldecoder(code)().decode(start)
    except UnicodeError:
        return start.decode("ascii", errors="replace").replace("\ufffd", "x")


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name.count("(") == name.count(")")


def _are_numbers(cells: list[str]) -> bool:
    given = [cell.replace(",", ".", 1) for cell in cells if cell not in MISSING]
    return bool(given) and all(map(is_number, given))
