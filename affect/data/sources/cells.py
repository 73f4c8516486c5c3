"""Delimited text, whoever wrote it: its encoding, its delimiter, its cells, and what counts as missing."""

from __future__ import annotations

import csv
import re
from functools import lru_cache

import numpy as np

MISSING = frozenset(
    (
        *("", "?", "NA", "N/A", "n/a", "#NA", "#N/A", "#N/A N/A", "<NA>", "NaT"),
        *("nan", "NaN", "NAN", "-nan", "-NaN", "NULL", "Null", "null", "None"),
        *("-nan(ind)", "nan(ind)", "1.#IND", "-1.#IND", "-1.#IND00e+000"),
        *("1.#QNAN", "-1.#QNAN", "1.#QNAN0e+000"),
    )
)
"""What pandas takes for missing, ARFF's mark, openSMILE's, and what Windows prints for NaN."""
LONGEST = 1 << 22
"""A header of so many bytes is none; the 6,373 names of ComParE take 220,000."""
_WIDE = (b"\xff\xfe", b"\xfe\xff")


def encoding(raw: bytes) -> str:
    r"""UTF-16 where its mark stands in front, else UTF-8, of which a mark is no part of the text.

    Example:
        >>> encoding("a".encode("utf-16")), encoding(b"\xef\xbb\xbfa")
        ('utf-16', 'utf-8-sig')
    """
    return "utf-16" if raw[:2] in _WIDE else "utf-8-sig"


def delimiter(line: str) -> str:
    """The one of comma, tab and semicolon that stands most often in a header.

    Example:
        >>> delimiter("id;label;note, in words")
        ';'
    """
    return max(",\t;", key=line.count)


def cells(line: str, mark: str) -> list[str]:
    """The cells of a line, without the blanks around them; none where its quotes are not whole.

    Example:
        >>> cells('a, "b,c"', ",")
        ['a', 'b,c']
    """
    if '"' not in line:
        return [cell.strip() for cell in line.split(mark)]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=mark, skipinitialspace=True), [])]
    except csv.Error:
        return []


def is_number(item: object) -> bool:
    """Whether a text says a number.

    Example:
        >>> is_number("1e-3"), is_number("f0")
        (True, False)
    """
    try:
        float(str(item))
    except ValueError:
        return False
    return True


def may_be_number(cell: str) -> bool:
    """Whether a cell may stand in a column of numbers.

    Example:
        >>> may_be_number("?"), may_be_number("1.5"), may_be_number("so")
        (True, True, False)
    """
    return cell in MISSING or is_number(cell)


def are_even(raw: bytes, mark: str, quote: str = '"') -> bool:
    r"""Whether all lines have as many delimiters, if none has more than the first, and none is in quotes.

    To parse them takes longer; a parser refuses a row with more cells than the first one by itself, so that
    none can have fewer.

    Args:
        raw: the lines.
        mark: the delimiter.
        quote: what may stand around a cell.
    Example:
        >>> are_even(b"a,b\n1,2\n", ","), are_even(b"a,b\n1\n", ","), are_even(b'a,b\n1,"2,3"\n', ",")
        (True, False, False)
    """
    sign = mark.encode()
    if b"\r" in raw and raw.count(b"\r") != raw.count(b"\r\n"):
        return False
    if (own := quote.encode()) in raw and raw.count(own) != 2 * len(_quoted(sign, own).findall(raw)):
        return False
    lines = raw.rstrip(b"\r\n").split(b"\n")
    if max(map(len, lines)) > csv.field_size_limit():
        return False
    first = lines[0].count(sign)
    count = np.count_nonzero(np.frombuffer(raw, np.uint8) == ord(sign))
    return lines[min(1, len(lines) - 1)].count(sign) == first and int(count) == first * len(lines)


@lru_cache
def _quoted(mark: bytes, quote: bytes) -> re.Pattern[bytes]:
    """A whole cell in quotes, without delimiter, quote or end of line in it."""
    return re.compile(rb"%b[^%b\r\n%b]*%b(?= *(?:[\r\n%b]|\Z))" % (quote, quote, mark, quote, mark))
