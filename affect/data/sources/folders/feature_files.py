"""One sample's file in the folder of a modality -> its steps, whatever wrote it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from affect.data.ragged import Ragged
from affect.data.rules.columns import column_kinds
from affect.data.sources import tools
from affect.data.sources.cells import is_number
from affect.data.sources.features import Features
from affect.data.sources.modality import Modality, together
from affect.data.sources.progress import counted
from affect.data.sources.tables import frames, rows
from affect.data.sources.tables.headers import columns
from affect.errors import DataError

_ARRAYS = (".npy", ".npz", ".pt")
_TOOLS = (".mat", ".arff")
TEXTS = (".csv", ".tsv", ".txt")
SUFFIXES = (*_ARRAYS, *TEXTS, *_TOOLS, ".parquet")
_SORTED = "files whose steps did not follow each other in time and were sorted by their start"
_COMMAS = "files with decimal commas, of which 1,5 is read as 1.5"


def read(file: Path, keep: Collection[str] = (), targets: Collection[str] = ()) -> Features:
    r"""The steps of one file.

    Args:
        file: an array; what a tool wrote (`affect.data.sources.tools`); or a CSV or Parquet table, a row for
            each step, whose columns are features by the rule in `affect.data.rules.columns`.
        keep: columns that are features though they look like none.
        targets: names of targets; a column of that name is a label.
    Raises:
        DataError: it is damaged, or none of these.
    Example:
        >>> file = getfixture("tmp_path") / "a.csv"
        >>> _ = file.write_text("index,timestamp,x\n0,0.0,1.5\n1,0.5,?\n")
        >>> found = read(file)
        >>> found.columns, found.values.tolist(), found.times[:, 0].tolist(), found.left
        (('x',), [[1.5], [nan]], [0.0, 0.5], ('index',))
    """
    suffix = file.suffix.lower()
    if suffix in _ARRAYS:
        from affect.data.sources.arrays import steps

        return steps(file, keep, targets)
    found = tools.read(file, keep, targets)
    if found is not None:
        return found
    if suffix in _TOOLS:
        raise DataError(f"{file}: not a whole {'MATLAB' if suffix == '.mat' else 'ARFF'} file")
    table = frames.table(file)
    names = tuple(map(str, table.frame.columns.tolist()))
    if not _are_names(column_kinds(names, keep, targets).features):
        raise DataError(f"{file}: expected a header that names features, got {', '.join(names)[:100]}")
    found = rows.steps(table.frame, file, keep, targets)
    return replace(found, notes=(*found.notes, (_COMMAS, 1))) if table.commas else found


@lru_cache(64)
def _are_names(features: tuple[str, ...]) -> bool:
    """Whether a header names features. The files of a folder have the same ones."""
    return bool(features) and not any(map(is_number, features))


def are_features(files: Collection[Path]) -> bool:
    """Whether files with suffixes of features are some: notes and transcripts without times are `.txt` too.

    Raises:
        DataError: the first is what a tool wrote, but damaged.
    """
    first = next(iter(files))
    if any(file.suffix.lower() != ".txt" for file in files):
        return True
    return bool(columns(first)) or tools.read(first) is not None


def _in_order(found: Features) -> Features:
    """The same steps in the order of their start; where a time is missing, as they are."""
    if found.times is None or not np.isfinite(found.times).all() or (np.diff(found.times[:, 0]) >= 0).all():
        return found
    order = np.argsort(found.times[:, 0], kind="stable")
    return replace(
        found,
        values=found.values[order],
        times=found.times[order],
        observed=None if found.observed is None else found.observed[order],
        notes=(*found.notes, (_SORTED, 1)),
    )


def modality(
    files: Mapping[str, Path],
    ids: Collection[str],
    folder: Path,
    name: str,
    keep: Collection[str] = (),
    targets: Collection[str] = (),
) -> tuple[Modality, Ragged]:
    """The features of every sample from its file; a sample without a file lacks them.

    Args:
        files: by id.
        ids: of all samples, in order.
        folder: begins messages.
        name: of the modality.
        keep: as in `read`.
        targets: as in `read`.
    Raises:
        DataError: a file is damaged, or two do not fit together.
    """
    found: dict[str, Features] = {}
    for one in counted(list(files), f"files of {name}"):
        features = _in_order(read(files[one], keep, targets))
        first, expected = next(iter(found.items()), (one, features))
        if features.values.shape[1] != expected.values.shape[1]:
            raise DataError(
                f"{folder}: sample {first} has {expected.values.shape[1]} features and sample {one} "
                f"{features.values.shape[1]}; a modality has one size"
            )
        if features.columns != expected.columns and features.columns and expected.columns:
            raise DataError(
                f"{folder}: samples {first} and {one} have other columns or another order of them"
            )
        found[one] = features
    whole = together(name, found.values(), keep, f"in {len(found):,} files ")
    at = {one: i for i, one in enumerate(found)}
    places = [at.get(one) for one in ids]
    times = whole.times
    return whole, Ragged.from_rows(
        [None if i is None else whole.values[i] for i in places],
        whole.values[0].shape[1],
        [None if i is None else whole.observed[i] for i in places],
        None if times is None else [None if i is None else times[i] for i in places],
    )
