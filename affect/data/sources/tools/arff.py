"""ARFF, as openSMILE and Weka write it: attributes with their kinds, then rows of values."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from affect.data.sources.features import Features
from affect.data.sources.tools import opensmile
from affect.data.sources.tools.delimited import Header, table
from affect.errors import DataError

_LONG = 1 << 20
_MOST = 1 << 20
_RELATION = re.compile(rb"(?i)(\xef\xbb\xbf)?([ \t\r]*(%[^\n]*)?\n)*[ \t]*@relation\b")
_ATTRIBUTE = re.compile(
    r"""(?i)@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s{'"][^\s{]*)(?=[\s{])\s*(.+)"""
)
_DATA = re.compile(r"(?i)@data\b")
_NUMBER = re.compile(r"(?i)(numeric|real|integer)\b")
_RELATIONAL = re.compile(r"(?i)relational\b")


def recognises(begin: bytes) -> bool:
    """Whether a file that begins so begins with `@relation`, but for comments."""
    return _RELATION.match(begin) is not None


def read(file: Path, keep: Collection[str] = (), targets: Collection[str] = ()) -> Features:
    r"""Numeric attributes as features, `?` as missing; nominal ones, text and dates are no features.

    Raises:
        DataError: the file is damaged, sparse or relational.
    Example:
        >>> path = getfixture("tmp_path") / "a.arff"
        >>> _ = path.write_text(
        ...     "@relation x\n@attribute name string\n@attribute frameTime numeric\n@attribute F0 numeric\n"
        ...     "@attribute class {0,1}\n@data\n'a',0.0,?,0\n'a',0.1,2.5,0\n"
        ... )
        >>> found = read(path)
        >>> found.columns, found.values.tolist(), found.times.tolist(), found.left
        (('F0',), [[nan], [2.5]], [[0.0, 0.1], [0.1, 0.2]], ('name', 'class'))
    """
    with file.open("rb") as stored:
        kinds, lines = _attributes(stored, file)
        begin = stored.tell()
        body = stored.read()
    blank = len(body) - len(body.lstrip(b"\r\n"))
    lines, body = lines + body[:blank].count(b"\n"), body[blank:]
    if b"%" in body:
        whole = (b"" if line.lstrip().startswith(b"%") else line for line in body.split(b"\n"))
        body = b"\n".join(whole)
    first = next((line for line in body[:_LONG].splitlines() if line.strip()), b"").decode(errors="replace")
    if first.lstrip().startswith("{"):
        raise DataError(f"{file}: sparse ARFF; write it dense, with a value for every attribute in each row")
    delimiter = "\t" if "\t" in first and "," not in first else ","
    names = tuple(name for name, _ in kinds)
    above = Header(file, names, delimiter, first, begin, lines)
    beside = [name for name, is_number in kinds if not is_number]
    return opensmile.steps(table(above, body), keep, targets, beside)


def _attributes(stored: BinaryIO, file: Path) -> tuple[list[tuple[str, bool]], int]:
    """The attributes, each with whether it is a number, and how many lines they and `@data` take."""
    kinds: list[tuple[str, bool]] = []
    for lines in range(1, _MOST):
        line = stored.readline(_LONG)
        said = line.decode("utf-8-sig", "replace").strip()
        if not line:
            raise DataError(f"{file}: not a whole ARFF file: no @data")
        if not said or said.startswith("%") or said.lower().startswith("@relation"):
            continue
        if _DATA.match(said):
            if len(kinds) < 2:
                raise DataError(f"{file}: {len(kinds)} attributes; expected times and features")
            return kinds, lines
        found = _ATTRIBUTE.fullmatch(said)
        if found is None:
            raise DataError(f"{file}, line {lines}: expected @attribute NAME KIND, got '{said[:50]}'")
        name, kind = found[1], found[2]
        if _RELATIONAL.match(kind):
            raise DataError(
                f"{file}, line {lines}: a relational attribute; expected numbers, text or classes"
            )
        if name[0] in "'\"":
            name = re.sub(r"\\(.)", r"\1", name[1:-1])
        kinds.append((name.strip(), _NUMBER.match(kind) is not None))
    raise DataError(f"{file}: more than {_MOST:,} lines above @data")
