"""Reading tables that a stranger wrote: a CSV or Parquet file -> a pandas frame, or one clear line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affect.data.formats.room import check_room
from affect.data.rules.columns import unique
from affect.data.rules.kinds import texts
from affect.data.sources.cells import MISSING, are_even, cells, delimiter, encoding, may_be_number
from affect.data.sources.tables.decimals import pointed
from affect.errors import DataError
from affect.spreadsheets import exactly

if TYPE_CHECKING:
    import pandas as pd

_PARQUET = b"PAR1"
_MARK = b"\xef\xbb\xbf"
_RATIO = 1000
_SMALL = 1 << 20
_TEXT = 1 << 26
"""Letters that a small file may repeat from a dictionary."""

_WIDE = 1 << 16


@dataclass(frozen=True)
class Table:
    """A table, whole.

    Args:
        frame: columns that hold a number in every row are numbers, cells that are missing are NaN.
        commas: columns of numbers whose decimal mark was a comma.
        marks: for columns of text, what stood in cells that count as missing, and in how many.
    """

    frame: pd.DataFrame
    commas: tuple[str, ...] = ()
    marks: Mapping[str, tuple[tuple[str, ...], int]] = field(default_factory=dict)


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does. Never raises."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return False
        with path.open("rb") as file:
            return file.read(4) == _PARQUET
    except (OSError, ValueError):
        return False


def table(path: Path, text: Iterable[str] = ()) -> Table:
    r"""A table, whole.

    Args:
        path: a Parquet file, or text with commas, tabs or semicolons and a header, in UTF-8 or, with its mark
            in front, in UTF-16.
        text: columns that are text whatever stands in them (`007`, `NA`); an empty cell is an empty text.
    Raises:
        DataError: the file is damaged, or is not such a table.
    Example:
        >>> path = getfixture("tmp_path") / "a"
        >>> _ = path.write_text("id;x;kind\n007;0,5;k\n008;?;None\n")
        >>> found = table(path, ["id"])
        >>> found.frame.x.tolist(), found.commas, found.marks
        ([0.5, nan], ('x',), {'kind': (('None',), 1)})
    """
    found = Table(_parquet(path)) if is_parquet(path) else _delimited(path, text)
    for name in set(text) & set(found.frame.columns):
        column = found.frame[name]
        found.frame[name] = column.astype(object).where(column.notna(), "").map(str)
    return found


def _delimited(path: Path, names: Iterable[str]) -> Table:
    text = set(names)
    try:
        raw = _in_utf8(path)
        first, _, rest = raw.partition(b"\n")
        mark = delimiter(first.decode())
        if are_even(raw, mark):
            header = _named(cells(first.decode(), mark), path)
            if not text and all(map(may_be_number, cells(rest.partition(b"\n")[0].decode(), mark))):
                with suppress(ValueError):  # there is text further down
                    return Table(_plain(raw, mark, header))
            try:
                found = _inferred(raw, mark, header, text)
            except ValueError:
                _checked(path, raw, mark)
                raise
        else:
            header = _checked(path, raw, mark)
            found = _inferred(raw, mark, header, text)
        read = partial(_parsed, raw, mark, header, dtype=str, na_values=[])
        frame, commas = pointed(found, path, text)
        return Table(frame, commas, _marks(read, frame, text))
    except DataError:
        raise
    except (csv.Error, ValueError, OverflowError, MemoryError, TypeError) as error:
        raise DataError(f"{path}: not a whole table ({' '.join(str(error).split())[:200]})") from None


def _in_utf8(path: Path) -> bytes:
    """The text of a file in UTF-8, without the mark in front.

    Raises:
        DataError: it is in neither UTF-8 nor UTF-16.
    """
    check_room(path.stat().st_size, str(path), 2)  # as bytes, and as cells
    raw = path.read_bytes()
    if encoding(raw) == "utf-16":
        try:
            raw = raw.decode("utf-16").encode()
        except UnicodeError:
            raise DataError(f"{path}: the table is not whole UTF-16; save it as UTF-8") from None
    elif not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError:
            raise DataError(f"{path}: the table is not in UTF-8; save it as UTF-8") from None
    if b"\0" in raw:
        raise csv.Error("a NUL byte")
    return raw.removeprefix(_MARK)


def _checked(path: Path, raw: bytes, mark: str) -> list[str]:
    """The header, once every row has as many cells: pandas fills short rows up."""
    text = io.StringIO(raw.decode(), newline="")
    rows = csv.reader(text, delimiter=mark, skipinitialspace=True, strict=True)
    header = _named([name.strip() for name in next(rows, [])], path)
    for i, row in enumerate(rows, 2):
        if len(row) != len(header) and row and (len(row) > 1 or row[0].strip()):
            raise DataError(f"{path}, row {i}: {len(row)} cells for {len(header)} columns")
    return header


def _plain(raw: bytes, mark: str, header: list[str]) -> pd.DataFrame:
    """The rows, once all are numbers; to number the columns first saves pandas much looking up of names."""
    found = _parsed(raw, mark, header, names=range(len(header)), dtype=np.float64)
    found.columns = header
    return found


def _inferred(raw: bytes, mark: str, header: list[str], text: set[str]) -> pd.DataFrame:
    """The rows; what a column holds is told from all of it, which takes longer than to know it."""
    kinds = {name: str for name in header if name in text}
    found = _parsed(raw, mark, header, dtype=kinds)
    if kinds:  # marks of what is missing by column would be read too, but in quadratic time
        said = _parsed(raw, mark, header, dtype=str, na_values=[], usecols=list(kinds))
        for name in kinds:
            found[name] = said[name]
    return found


def _parsed(raw: bytes, mark: str, header: list[str], **more: Any) -> pd.DataFrame:
    import pandas as pd

    known: dict[str, Any] = {"na_values": list(MISSING), "names": header, **more}
    found: pd.DataFrame = pd.read_csv(
        io.BytesIO(raw), sep=mark, header=0, index_col=False, encoding="utf-8",
        skipinitialspace=True, low_memory=False, keep_default_na=False, **exactly(),
        **known,
    )  # fmt: skip
    return found


def _marks(
    read: Callable[..., pd.DataFrame], frame: pd.DataFrame, text: set[str]
) -> dict[str, tuple[tuple[str, ...], int]]:
    """What stands in the cells of columns of text that count as missing, but for nothing."""
    others = (str(frame.columns[i]) for i in texts(frame))
    names = [name for name in others if name not in text and frame[name].isna().any()]
    if not names:
        return {}
    said = read(usecols=names)
    found = {}
    for name in names:
        marks = said[name][frame[name].isna().to_numpy()].map(str.strip)
        marks = marks[marks != ""]
        if len(marks):
            found[name] = (tuple(sorted(set(marks))), len(marks))
    return found


def _named(header: list[str], where: Path) -> list[str]:
    """The same names.

    Raises:
        DataError: two are the same, or they are too many.
    """
    unique(header, where)
    if len(header) > _WIDE:
        raise DataError(f"{where}: {len(header):,} columns; expected at most {_WIDE:,}")
    return header


def _letters(column: Any) -> int:
    """How many bytes the texts of a column with a dictionary take, written out; 0 of numbers."""
    kinds, compute = import_module("pyarrow.types"), import_module("pyarrow.compute")
    if not (kinds.is_string(column.type.value_type) or kinds.is_large_string(column.type.value_type)):
        return 0
    each = (compute.binary_length(one.dictionary).take(one.indices) for one in column.chunks)
    return sum(compute.sum(one.cast("int64")).as_py() or 0 for one in each)


def _parquet(path: Path) -> pd.DataFrame:
    try:
        kinds, parquet = import_module("pyarrow.types"), import_module("pyarrow.parquet")
    except ImportError:
        raise DataError(f"{path}: a Parquet file needs pyarrow; install it: pip install pyarrow") from None
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            _named(schema.names, path)
            for field_ in schema:
                plain = field_.type.value_type if kinds.is_dictionary(field_.type) else field_.type
                if not any(
                    is_kind(plain)
                    for is_kind in (
                        kinds.is_integer, kinds.is_floating, kinds.is_boolean, kinds.is_string,
                        kinds.is_large_string, kinds.is_null,
                    )
                ):  # fmt: skip
                    raise DataError(
                        f"{path}: column '{field_.name}' holds {field_.type}; expected numbers or text"
                    )
            held, rows = path.stat().st_size, file.metadata.num_rows
            groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
            unpacked = sum(
                one.column(i).total_uncompressed_size for one in groups for i in range(one.num_columns)
            )
            size = max(8 * rows * len(schema), unpacked)
            if size > max(_SMALL if unpacked < size else _TEXT, _RATIO * held):
                raise DataError(f"{path}: claims {size / 1e6:,.0f} MB that are not in the file")
            check_room(size, str(path), 2)  # as arrow's columns, and as those of pandas
            words = [
                one.name for one in schema if kinds.is_string(one.type) or kinds.is_large_string(one.type)
            ]
        with parquet.ParquetFile(
            path, read_dictionary=words
        ) as file:  # each text once, however often it is said
            read = file.read()
        letters = sum(_letters(column) for column in read.columns if kinds.is_dictionary(column.type))
        if letters > max(_TEXT, _RATIO * held):
            raise DataError(f"{path}: claims {letters / 1e6:,.0f} MB of text that are not in the file")
        check_room(letters, str(path))
        found: pd.DataFrame = read.to_pandas(ignore_metadata=True)
        empty = {one.name: np.nan for one in schema if kinds.is_null(one.type)}
        for name in found.select_dtypes("category"):
            found[name] = found[name].astype(object)
        return found.assign(**empty) if empty else found
    except DataError:
        raise
    except Exception as error:  # pyarrow's errors have no common kind
        raise DataError(f"{path}: not a whole Parquet file ({' '.join(str(error).split())[:200]})") from None
