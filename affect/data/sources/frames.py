"""Reading tables that a stranger wrote: a CSV or Parquet file -> a pandas frame, or one clear line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from affect.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_PARQUET = b"PAR1"
_HEAD = 1 << 16
_MISSING = ("", "nan", "NaN", "NA", "null", "NULL")
_RATIO = 1000
_SMALL = 1 << 20


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does. Never raises."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return False
        with path.open("rb") as file:
            return file.read(4) == _PARQUET
    except (OSError, ValueError):
        return False


def columns(path: Path) -> tuple[str, ...]:
    r"""The names in the first line of a table of text; empty where the file is none. Never raises.

    The second line has as many cells as the first.

    Example:
        >>> path = getfixture("tmp_path") / "a"
        >>> _ = path.write_text("id; label\n1; 0.5\n")
        >>> columns(path)
        ('id', 'label')
    """
    try:
        if not path.is_file():
            return ()
        with path.open("rb") as file:
            start = file.read(_HEAD)
        lines = start.decode("utf-8-sig", errors="ignore").splitlines(keepends=True)
        rows = csv.reader(lines[:50], delimiter=_delimiter(lines[0]), skipinitialspace=True)
        first, second = next(rows), next(rows)
    except (OSError, ValueError, IndexError, StopIteration, csv.Error):
        return ()
    header = tuple(name.strip() for name in first)
    return header if len(first) == len(second) > 1 and b"\0" not in start and _are_names(header) else ()


def frame(path: Path, text: Iterable[str] = ()) -> pd.DataFrame:
    """A table, whole; columns that hold a number in every row are numbers, empty cells of others are missing.

    Args:
        path: a Parquet file, or text in UTF-8 with commas, tabs or semicolons and a header.
        text: columns that are text whatever stands in them (`007`, `NA`); an empty cell is an empty text.
    Raises:
        DataError: the file is damaged, or is not such a table.
    """
    found = _parquet(path) if is_parquet(path) else _delimited(path, text)
    for name in set(text) & set(found.columns):
        column = found[name]
        found[name] = column.astype(object).where(column.notna(), "").map(str)
    return found


def _delimited(path: Path, text: Iterable[str]) -> pd.DataFrame:
    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = _delimiter(file.readline())
            file.seek(0)
            header = _checked(
                path, csv.reader(_lines(file), delimiter=delimiter, skipinitialspace=True, strict=True)
            )
        return pd.read_csv(
            path, sep=delimiter, names=header, header=0, index_col=False, encoding="utf-8-sig",
            skipinitialspace=True, low_memory=False, keep_default_na=False,
            dtype={name: str for name in header if name in set(text)},
            na_values={name: list(_MISSING) for name in header if name not in set(text)},
        )  # fmt: skip
    except DataError:
        raise
    except UnicodeDecodeError:
        raise DataError(f"{path}: the table is not in UTF-8; save it as UTF-8") from None
    except (csv.Error, ValueError, OverflowError, MemoryError, TypeError) as error:
        raise DataError(f"{path}: not a whole table ({' '.join(str(error).split())[:200]})") from None


def _checked(path: Path, rows: Iterator[list[str]]) -> list[str]:
    """The header, once every row has as many cells: pandas fills short rows up."""
    header = [name.strip() for name in next(rows, [])]
    _unique(path, header)
    for i, row in enumerate(rows, 2):
        if row and len(row) != len(header):
            raise DataError(f"{path}, row {i}: {len(row)} cells for {len(header)} columns")
    return header


def _unique(path: Path, header: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in header:
        if name in seen:
            raise DataError(f"{path}: two columns are named '{name}'; rename one")
        seen.add(name)


def _lines(file: io.TextIOBase) -> Iterator[str]:
    for line in file:
        if "\0" in line:
            raise csv.Error("a NUL byte")
        yield line


def _delimiter(line: str) -> str:
    """The one of comma, tab and semicolon that stands most often in the header."""
    return max(",\t;", key=line.count)


def _are_names(header: tuple[str, ...]) -> bool:
    return all(not name or name[0].isalpha() or name[0] == "_" for name in header) and any(header)


def _parquet(path: Path) -> pd.DataFrame:
    try:
        kinds, parquet = import_module("pyarrow.types"), import_module("pyarrow.parquet")
    except ImportError:
        raise DataError(f"{path}: a Parquet file needs pyarrow; install it: pip install pyarrow") from None
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            _unique(path, schema.names)
            for field in schema:
                plain = field.type.value_type if kinds.is_dictionary(field.type) else field.type
                if not any(
                    is_kind(plain)
                    for is_kind in (
                        kinds.is_integer, kinds.is_floating, kinds.is_boolean, kinds.is_string,
                        kinds.is_large_string,
                    )
                ):  # fmt: skip
                    raise DataError(
                        f"{path}: column '{field.name}' holds {field.type}; expected numbers or text"
                    )
            size = 8 * file.metadata.num_rows * len(schema)
            if size > max(_SMALL, _RATIO * path.stat().st_size):
                raise DataError(f"{path}: claims {size / 1e6:,.0f} MB that are not in the file")
            found: pd.DataFrame = file.read().to_pandas(ignore_metadata=True)
            for name in found.select_dtypes("category"):
                found[name] = found[name].astype(object)
            return found
    except DataError:
        raise
    except Exception as error:  # pyarrow's errors have no common kind
        raise DataError(f"{path}: not a whole Parquet file ({' '.join(str(error).split())[:200]})") from None
