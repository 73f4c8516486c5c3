"""A table of labels beside a folder of feature files for each modality, as extraction toolkits leave them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus
from affect.data.ragged import Ragged
from affect.data.sources import frames
from affect.data.sources.options import NOTHING, Options
from affect.data.sources.samples import TEXTS, is_number, named, numbers, observed, samples, unobserved
from affect.data.sources.tables import recognises as is_table
from affect.errors import DataError

_RULE = "a column `id` (or `video_id` and `clip_id`); all but split, text and group is a label"
_TABLES = ("label", "labels")
_SUFFIXES = (".npy", ".csv")
_INSTANTS = ("timestamp", "time", "frametime")
_NOT_FEATURES = {*_INSTANTS, "frame", "name", "start", "end"}


def recognises(path: Path) -> bool:
    """Whether this is a folder with a table, and with folders of feature files."""
    try:
        return path.is_dir() and bool(_tables(path)) and any(any(_files(one)) for one in _folders(path))
    except (OSError, ValueError):
        return False


def read(path: Path, options: Options = NOTHING) -> Corpus:
    """A corpus from a table of labels and `MODALITY/ID.npy`, `MODALITY/ID.csv` or `MODALITY/VIDEO/CLIP.npy`.

    The table is `labels.csv`, or the only table in the folder: a row per sample, its columns as in
    `affect.data.sources.tables`, without features. An array has a row per step, or is one step. The columns
    of a feature file of text are features, but for times and frame numbers. A sample without a file lacks the
    modality; a step of zeros, where there are several features, is one at which nothing was observed.

    Raises:
        DataError: the table or a file is damaged, or files of one modality do not fit together.
    """
    found = _tables(path)
    if len(found) != 1:
        said = ", ".join(file.name for file in found) or "none"
        raise DataError(f"{path}: expected one table of labels, got {said}; name it labels.csv")
    labels = found[0]
    table = samples(frames.frame(labels, TEXTS), labels, _RULE)
    ids = table.whole.ids
    twice = np.flatnonzero(np.diff(table.offsets) > 1)
    if twice.size:
        raise DataError(
            f"{labels}, sample {ids[twice[0]]}: {np.diff(table.offsets)[twice[0]]} rows; keep one"
        )
    rows: dict[str, Ragged] = {}
    notes: list[str] = []
    for folder in _folders(path):
        files = _by_key(folder)
        if not files:
            continue
        modality = named(folder.name)
        if modality in rows:
            raise DataError(f"{path}: two folders hold {modality}, one is '{folder.name}'; keep one of them")
        own = {one: files.pop(_key(one, files)) for one in ids if _key(one, files)}
        if not own:
            raise DataError(
                f"{folder}: none of its {len(files)} files is named after an id, such as '{ids[0]}'"
            )
        rows[modality] = _rows(own, ids, folder)
        if files:
            notes.append(f"{modality}: {len(files):,} files have no row in {labels.name} and are left out.")
        if not rows[modality].observed.all():
            notes.append(unobserved(modality, rows[modality].observed))
    if not rows:
        raise DataError(f"{path}: no feature files; expected MODALITY/{ids[0]}.npy or .csv")
    return table.corpus(path.resolve().name, rows, _are_aligned(rows), tuple(notes))


@dataclass(frozen=True)
class _Features:
    """One file's steps."""

    values: NDArray[np.float32]
    columns: tuple[str, ...] | None = None
    times: NDArray[np.float64] | None = None


def _rows(files: dict[str, Path], ids: tuple[str, ...], folder: Path) -> Ragged:
    found: dict[str, _Features] = {}
    for one, file in files.items():
        features = _array(file) if file.suffix == ".npy" else _text(file)
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
    empty = np.zeros((0, expected.values.shape[1]), np.float32)
    values = np.concatenate([found[one].values if one in found else empty for one in ids])
    lengths = [len(found[one].values) if one in found else 0 for one in ids]
    timed = [found[one].times for one in ids if one in found]
    times = [one for one in timed if one is not None]
    return Ragged.from_offsets(
        values,
        np.cumsum([0, *lengths]),
        observed(values),
        np.concatenate(times) if len(times) == len(timed) else None,
    )


def _array(file: Path) -> _Features:
    try:
        values = np.lib.format.open_memmap(file, mode="r")  # its size is held against the file's
    except Exception as error:  # whatever the header leads to, the answer is the same
        said = " ".join(str(error).split())[:200]
        raise DataError(f"{file}: not a whole .npy file of numbers ({said})") from None
    if values.dtype.kind not in "biuf" or values.ndim not in (1, 2) or not values.shape[-1]:
        raise DataError(
            f"{file}: expected numbers of shape (steps, feature) or (feature,), "
            f"got {values.dtype} of shape {values.shape}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        return _Features(np.atleast_2d(np.array(values, dtype=np.float32)))


def _text(file: Path) -> _Features:
    frame = frames.frame(file)
    names = [str(name) for name in frame.columns]
    own = tuple(name for name in names if name.lower() not in _NOT_FEATURES)
    if not own or any(map(is_number, own)):
        raise DataError(f"{file}: expected a header that names features, got {', '.join(names)[:100]}")
    ends = [name for short in ("start", "end") for name in names if name.lower() == short]
    instants = [name for name in names if name.lower() in _INSTANTS]
    both = ends if len(ends) == 2 else instants[:1] * 2
    with np.errstate(over="ignore", invalid="ignore"):
        return _Features(
            numbers(frame[list(own)], file).to_numpy(np.float32),
            own,
            numbers(frame[both], file).to_numpy(np.float64) if both else None,
        )


def _tables(path: Path) -> list[Path]:
    """The table of labels, or all that might be it."""
    found = [file for file in sorted(path.iterdir()) if file.is_file() and is_table(file)]
    return [file for file in found if file.stem.lower() in _TABLES] or found


def _folders(path: Path) -> list[Path]:
    return sorted(one for one in path.iterdir() if one.is_dir() and not one.name.startswith("."))


def _files(folder: Path, depth: int = 2) -> Iterator[Path]:
    """Feature files in a folder and in those in it."""
    for one in sorted(folder.iterdir()):
        if one.suffix.lower() in _SUFFIXES and one.is_file():
            yield one
        elif depth > 1 and one.is_dir():
            yield from _files(one, depth - 1)


def _by_key(folder: Path) -> dict[str, Path]:
    """Feature files by what they are named after: `id`, or `video/clip`."""
    found: dict[str, Path] = {}
    for file in _files(folder):
        key = file.relative_to(folder).with_suffix("").as_posix()
        other = found.setdefault(key, file)
        if other != file:
            raise DataError(f"{folder}: both {other.name} and {file.name}; keep one of them")
    return found


def _key(one: str, files: dict[str, Path]) -> str:
    """What the file of a sample is named after; empty where there is none."""
    return next((key for key in (one, one.replace("$_$", "/")) if key in files), "")


def _are_aligned(rows: dict[str, Ragged]) -> bool:
    """Whether no sample has modalities of different lengths."""
    lengths = np.array([one.lengths for one in rows.values()])
    longest = lengths.max(0)
    return bool(((lengths == longest) | (lengths == 0)).all())
