"""Delimited text as tools write it: a header to know the tool by, and its columns, parsed once."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affect.data.rules.columns import unique
from affect.data.sources.cells import LONGEST, MISSING, are_even, cells, delimiter, may_be_number
from affect.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_PEEK = 512
_ABOVE = 50
_MOST = 1e12
_QUOTED = re.compile(r"(?:^|[,;\t])[^\S\t]*'")


@dataclass(frozen=True)
class Header:
    """What stands above the data.

    Args:
        file: whose header it is.
        names: of the columns, without the spaces around them.
        delimiter: between columns.
        first: the first line of data; empty where there is none.
        begin: where the data begins, in bytes.
        lines: how many lines stand above the data.
        comments: lines above the names that begin with `#`.
    """

    file: Path
    names: tuple[str, ...]
    delimiter: str
    first: str
    begin: int
    lines: int
    comments: tuple[str, ...] = ()

    def cell(self, name: str) -> str:
        """What the first line of data says in a column; empty where it does not reach."""
        found = cells(self.first, self.delimiter)
        at = self.places[name]
        return found[at] if at < len(found) else ""

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each name stands first."""
        return {name: i for i, name in reversed([*enumerate(self.names)])}


def header(file: Path) -> Header | None:
    r"""The header of delimited text; None where a file does not begin with one.

    Example:
        >>> path = getfixture("tmp_path") / "a"
        >>> _ = path.write_text("#Version : 6\n\nframe, AU01_r\n1, 0.5\n")
        >>> found = header(path)
        >>> found.names, found.cell("AU01_r"), found.comments, found.lines
        (('frame', 'AU01_r'), '0.5', ('#Version : 6',), 3)
    """
    with file.open("rb") as stored:
        if b"\0" in stored.read(_PEEK):
            return None
        stored.seek(0)
        comments: list[str] = []
        lines = 0
        for line in iter(partial(stored.readline, LONGEST), b""):
            lines += 1
            said = _text(line)
            if lines > _ABOVE or len(line) == LONGEST:
                return None
            if said.startswith("#"):
                comments.append(said.strip())
            elif said.strip():
                break
        else:
            return None
        begin, first = stored.tell(), _text(stored.readline(LONGEST))
    mark = delimiter(said)
    names = tuple(cells(said, mark))
    if len(names) < 2:
        return None
    return Header(file, names, mark, first, begin, lines, tuple(comments))


@dataclass(frozen=True)
class Table:
    """The columns of delimited text.

    Args:
        header: what stands above them.
        lines: the number of the line behind each row.
        frame: a column for each name.
        matrix: the same, where all are numbers.
    Shapes:
        lines: (rows,)
        matrix: (rows, names) float64
    """

    header: Header
    lines: NDArray[np.int64]
    frame: pd.DataFrame
    matrix: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, rows: NDArray[Any]) -> Table:
        """Some of its rows, by their numbers or where True."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Table(
            self.header,
            self.lines[rows],
            self.frame.iloc[rows],
            None if self.matrix is None else self.matrix[rows],
        )

    def column(self, name: str) -> pd.Series[Any]:
        """A column as it was parsed."""
        return self.frame.iloc[:, self.header.places[name]]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers; what is missing is NaN.

        Raises:
            DataError: it holds text.
        """
        import pandas as pd

        if self.matrix is not None:
            return self.matrix[:, self.header.places[name]]
        said = self.column(name)
        if isinstance(said.dtype, np.dtype) and said.dtype.kind in "biuf":
            return said.to_numpy(np.float64)
        found = pd.to_numeric(said, errors="coerce").to_numpy(np.float64, copy=True)
        for i in np.flatnonzero(said.notna().to_numpy() & np.isnan(found)):
            try:
                found[i] = float(str(said.iloc[i]))  # older pandas knows no number beyond float64
            except ValueError:
                text = " ".join(str(said.iloc[i]).split())[:50]
                raise DataError(
                    f"{self.header.file}, row {self.lines[i]}: column '{name}' must hold numbers, "
                    f"got '{text}'; drop the column if it is no feature"
                ) from None
        return found

    def known(self, name: str) -> NDArray[np.float64]:
        """A column of numbers that must be there, such as times.

        Raises:
            DataError: one is missing, or beyond all measure.
        """
        found = self.numbers(name)
        wrong = np.flatnonzero(~(np.abs(found) < _MOST))
        if wrong.size:
            row = self.lines[wrong[0]]
            raise DataError(f"{self.header.file}, row {row}: no number in column '{name}'")
        return found

    def texts(self, name: str) -> list[str]:
        """A column of text; what is missing is empty."""
        said = self.column(name).tolist()
        return [one.strip() if isinstance(one, str) else "" if one != one else str(one) for one in said]

    def is_given(self, name: str) -> bool:
        """Whether a column holds anything."""
        column = self.column(name)
        return len(column) > 0 and (bool(column.iloc[-1] == column.iloc[-1]) or bool(column.notna().any()))

    def values(self, names: Iterable[str]) -> NDArray[np.float32]:
        """Columns of numbers, side by side; what is missing is NaN, what is beyond float32 infinite.

        Raises:
            DataError: one holds text.
        Shapes:
            (rows,), (names,) -> (rows, names)
        """
        from pandas.api.types import is_numeric_dtype

        names = list(names)
        places = [self.header.places[name] for name in names]
        with np.errstate(over="ignore", invalid="ignore"):
            if self.matrix is not None:
                return self.matrix[:, places].astype(np.float32)
            found = self.frame.iloc[:, places]
            if all(map(is_numeric_dtype, found.dtypes)):
                return found.to_numpy(np.float32)
            return np.stack([self.numbers(name) for name in names], 1).astype(np.float32)


def table(above: Header, body: bytes | None = None) -> Table:
    """All of delimited text.

    Args:
        above: its header.
        body: the lines below it; read from the file by default.
    Raises:
        DataError: two columns share a name, or a row has more or fewer cells than there are names.
    """
    import pandas as pd

    file, names, size = above.file, above.names, len(above.names)
    unique(names, file, blanks=False)
    if body is None:
        with file.open("rb") as stored:
            stored.seek(above.begin)
            body = stored.read()
    body = body.rstrip(b"\r\n")
    quote = "'" if _QUOTED.search(above.first) else '"'
    rows = body.count(b"\n") + 1 if body else 0
    is_plain = body.partition(b"\n")[0].count(above.delimiter.encode()) == size - 1
    is_plain &= are_even(body, above.delimiter, quote)
    try:
        lines = None if is_plain else _checked(body, above, quote)
        frame = _parsed(body, above, quote) if body.strip() else pd.DataFrame(np.zeros((0, size)))
        if lines is None and len(frame) != rows:
            lines = _checked(body, above, quote)
    except DataError:
        raise
    except (csv.Error, ValueError, OverflowError, MemoryError, TypeError) as error:
        raise DataError(f"{file}: not a whole table ({' '.join(str(error).split())[:200]})") from None
    if frame.shape[1] != size:
        raise DataError(f"{file}, row {above.lines + 1}: {frame.shape[1]} cells for {size} columns")
    if lines is None or len(lines) != len(frame):
        lines = np.arange(len(frame)) + above.lines + 1
    are_numbers = all(kind == np.float64 for kind in frame.dtypes)
    return Table(above, lines, frame, frame.to_numpy(np.float64) if are_numbers else None)


def _parsed(body: bytes, above: Header, quote: str) -> Any:
    """The rows, as numbers where the first one holds nothing else: one kind is quicker to take apart."""
    import pandas as pd

    read = partial(
        pd.read_csv, sep=above.delimiter, header=None, skipinitialspace=True, low_memory=False,
        quotechar=quote, na_values=list(MISSING), keep_default_na=False, encoding="utf-8",
        encoding_errors="replace",
    )  # fmt: skip
    if all(map(may_be_number, cells(above.first, above.delimiter))):
        try:
            return read(io.BytesIO(body), dtype=np.float64)
        except ValueError:  # there is text further down
            pass
    return read(io.BytesIO(body))


def _checked(body: bytes, above: Header, quote: str) -> NDArray[np.int64]:
    """The line of each row, once all have as many cells as there are names: pandas fills short rows up."""
    text = io.StringIO(body.decode("utf-8", "replace"), newline="")
    rows = csv.reader(text, delimiter=above.delimiter, quotechar=quote, skipinitialspace=True)
    lines = []
    for row in rows:
        if len(row) < 2 and not "".join(row).strip():
            continue
        lines.append(above.lines + rows.line_num)
        if len(row) != len(above.names):
            raise DataError(f"{above.file}, row {lines[-1]}: {len(row)} cells for {len(above.names)} columns")
    return np.array(lines, np.int64)


def _text(line: bytes) -> str:
    return line.decode("utf-8-sig", "replace").strip("\r\n")
