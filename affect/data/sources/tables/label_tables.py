"""The table of labels in a folder of feature files, and the ids that it names."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from affect.data.sources.tables import frames, has_known_columns
from affect.data.sources.tables.headers import is_table
from affect.data.sources.tables.ids import ids
from affect.data.sources.tables.of_samples import TEXTS
from affect.errors import DataError

RULE = "a column `id` (or `video_id` and `clip_id`); all but split, text and group is a label"
_NAMES = ("label", "labels")


def candidates(folder: Path, others: Collection[Path] = ()) -> list[Path]:
    r"""The table of labels, or all that might be it.

    Args:
        folder: where it stands.
        others: files that are something else.
    Example:
        >>> folder = getfixture("tmp_path")
        >>> _ = (folder / "labels.csv").write_text("id,y\na,1\n")
        >>> _ = (folder / "b.csv").write_text("id,z\na,1\n")
        >>> [file.name for file in candidates(folder)]
        ['labels.csv']
    """
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and file not in others]
    found = [file for file in files if has_known_columns(file)]
    called = [file for file in files if file.stem.lower() in _NAMES and (file in found or is_table(file))]
    return called or found


def single(folder: Path, others: Collection[Path] = ()) -> Path | None:
    """The table of labels; None where there is none. Arguments as in `candidates`.

    Raises:
        DataError: several tables might be it.
    """
    tables = candidates(folder, others)
    if len(tables) > 1:
        got = ", ".join(file.name for file in tables)
        raise DataError(f"{folder}: expected one table of labels, got {got}; name it labels.csv")
    return tables[0] if tables else None


def passed_over(folder: Path, read: Path) -> tuple[str, ...]:
    """The note on tables of a folder beside the one that is read; none where there are no others."""
    files = (file for file in sorted(folder.iterdir()) if file.is_file() and file != read)
    others = [file.name for file in files if has_known_columns(file)]
    if not others:
        return ()
    *first, last = others
    listed = f"{', '.join(first)} and {last} are" if first else f"{last} is"
    return (f"{read.name} is read as the table of labels, and {listed} not.",)


def known_ids(folder: Path) -> frozenset[str]:
    """The ids in the table of labels; empty where there is no single one, or it is damaged."""
    tables = candidates(folder)
    try:
        frame = frames.table(tables[0], TEXTS).frame if len(tables) == 1 else None
        return frozenset() if frame is None else frozenset(ids(frame, tables[0], RULE, map(str, frame)))
    except DataError:
        return frozenset()
