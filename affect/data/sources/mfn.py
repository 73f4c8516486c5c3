"""The HDF5 files of the Memory Fusion Network and its kin: an array per role and split."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import citation, identify
from affect.data.corpus import Corpus, Split
from affect.data.formats import hdf5
from affect.data.making.ids_and_words import DIGITS, generated_ids
from affect.data.ragged import Ragged
from affect.data.rules.arraylike import narrow
from affect.data.rules.labels import Labels
from affect.data.rules.padding import empty_steps_note, extent, holding, unpad
from affect.data.rules.splits import SPLITS, split_of
from affect.data.targets import MultiClass, Regression
from affect.errors import DataError
from affect.files import real

_ORDER = ("train", "valid", "test")
_SPLITS = [name for name, split in SPLITS.items() if split in _ORDER]
_MODALITIES = {"text": "text", "audio": "acoustic", "video": "visual"}
_ALL, _LABELS = "X", "y"
_ROLES = (_ALL, _LABELS, *_MODALITIES)
_NAME = re.compile(
    rf"(?:.*_)?({'|'.join(_ROLES)})_({'|'.join(_SPLITS)})(?:_emb)?\.(?:h5|hdf5)", re.IGNORECASE
)
_COLUMNS = {
    sum(sizes): sizes for sizes in ((300, 5, 20), (300, 34, 43), *((300, 74, n) for n in (35, 36, 47)))
}
"""Text, acoustic and visual columns of X, as the published code cuts them and as the features are known."""


def recognises(path: Path) -> bool:
    """Whether this is a file of such a set, or a folder with some."""
    try:
        return bool(path.is_dir() or _NAME.fullmatch(path.name)) and any(map(_is_one, _files(path)))
    except (OSError, ValueError):
        return False


def files_of(path: Path) -> list[Path]:
    """The files of the set that a file is of.

    Args:
        path: a file that `recognises` knows, or a folder of some.
    Raises:
        DataError: two are of the same role.
    """
    return [file for own in _roles(path if path.is_dir() else path.parent).values() for file in own.values()]


def read(path: Path) -> Corpus:
    """The whole set, also where only one of its files is named.

    `X_train.h5` holds the features of all modalities side by side, `text_train.h5` (or `text_train_emb.h5`),
    `audio_train.h5` and `video_train.h5` those of one, `y_train.h5` the labels; `valid` and `test` likewise.
    Steps of zeros before or behind a sample are padding, shared where the modalities have the same steps; a
    step of zeros elsewhere is one at which nothing was observed. No other step is cut off.

    Raises:
        DataError: a file is damaged, missing, or does not fit the others.
    """
    folder = path if path.is_dir() else path.parent
    report = _Report()
    labels: dict[str, NDArray[Any]] = {}
    features: dict[str, dict[str, Ragged]] = {}
    for split, files in _roles(folder).items():
        where = f"{folder}, {split}"
        if _LABELS not in files:
            first = next(iter(files.values()))
            raise DataError(f"{where}: no labels; expected y_{split}.h5 beside {first.name}")
        labels[split] = _labels(files.pop(_LABELS))
        features[split] = _features(files, where, len(labels[split]), report)
    widths = {split: values.shape[1] for split, values in labels.items()}
    if len(set(widths.values())) > 1:
        raise DataError(f"{folder}: expected as many columns of labels in every split, got {widths}")
    dims = {m: rows.dim for own in features.values() for m, rows in own.items()}
    for m in dims:
        report.absent(m, [split for split, own in features.items() if m not in own])
    if not dims:
        beside = ", ".join(f"{role}_*.h5" for role in (_ALL, *_MODALITIES))
        report.say(f"There are labels alone: the folder has none of {beside}.")
    splits = {
        split: Split(
            ids=generated_ids(split, len(labels[split]), DIGITS)[0],
            modalities={
                m: own.get(m, Ragged.from_rows([None] * len(labels[split]), dim)) for m, dim in dims.items()
            },
            targets={},
        )
        for split, own in features.items()
    }
    kinds = _kinds(labels.values(), identify(splits))
    return Corpus(
        name=real(folder).name,
        splits={
            split: replace(part, targets=_labelled(kinds, labels[split])) for split, part in splits.items()
        },
        targets=kinds.targets,
        aligned=bool(dims) and report.aligned,
        notes=report.notes(),
        citation=citation(splits),
        main=kinds.main,
    )


class _Report:
    """What was met on the way, for the notes."""

    def __init__(self) -> None:
        self.aligned = True
        self._sides: dict[str, set[str]] = {}
        self._steps: dict[str, tuple[int, int]] = {}
        self._others: list[str] = []

    def steps(self, modality: str, side: str, empty: int, steps: int) -> None:
        self._sides.setdefault(modality, set()).add(side)
        before = self._steps.get(modality, (0, 0))
        self._steps[modality] = (before[0] + empty, before[1] + steps)

    def absent(self, modality: str, splits: list[str]) -> None:
        if splits:
            self.say(f"{modality}: there is no file for {' and '.join(splits)}, whose samples lack it.")

    def say(self, note: str) -> None:
        if note not in self._others:
            self._others.append(note)

    def notes(self) -> tuple[str, ...]:
        found = []
        for m, (empty, steps) in self._steps.items():
            sides = sorted(self._sides[m] - {"none"})
            padding = (
                f"the padding found stands in {' and '.join(sides)}" if sides else "no padding was found"
            )
            found.append(f"{m}: {padding}; {empty_steps_note(empty, steps)}")
        return (*found, *self._others)


def _labels(file: Path) -> NDArray[Any]:
    values = _array(file)
    if values.ndim > 2:
        raise DataError(f"{file}: labels must have shape (samples, columns), got {values.shape}")
    return values.reshape(len(values), -1)


def _features(files: dict[str, Path], where: str, count: int, report: _Report) -> dict[str, Ragged]:
    padded: dict[str, NDArray[Any]] = {}
    for role, file in files.items():
        values = _array(file)
        values = values[:, None] if values.ndim == 2 else values
        if values.ndim != 3:
            raise DataError(f"{file}: features must have shape (samples, time, feature), got {values.shape}")
        if len(values) != count:
            raise DataError(
                f"{where}: {file.name} has {len(values)} samples for {count} labels; take both from one set"
            )
        padded |= _cut(values, report) if role == _ALL else {_MODALITIES[role]: values}
    held = {m: holding(values) for m, values in padded.items()}
    shared = len({values.shape[1] for values in padded.values()}) == 1
    report.aligned &= shared or not padded
    together = np.any(list(held.values()), axis=0) if shared else None
    rows = {}
    for m, values in padded.items():
        begin, lengths, side = extent(held[m] if together is None else together)
        kept = unpad(values, begin, lengths, held[m]).flat()
        report.steps(m, side, kept.total - int(kept.observed.sum()), kept.total)
        single, wild = narrow(kept.values)
        rows[m] = Ragged.from_offsets(single, kept.offsets, kept.observed)
        if wild:
            report.say(
                f"{where.rpartition(', ')[2]}, {m}: {wild:,} values are beyond what float32 holds and count "
                "as infinite."
            )
    return rows


def _cut(values: NDArray[Any], report: _Report) -> dict[str, NDArray[Any]]:
    """The modalities of X."""
    width = values.shape[2]
    if width not in _COLUMNS:
        report.say(
            f"X does not say where a modality begins: its {width} columns are one modality, `features`."
        )
        return {"features": values}
    sizes = dict(zip(_MODALITIES.values(), _COLUMNS[width], strict=True))
    said = ", ".join(f"{m} {size}" for m, size in sizes.items())
    report.say(f"X does not say where a modality begins: its {width} columns are taken as {said}.")
    ends = np.cumsum(list(sizes.values()))
    return dict(zip(sizes, np.split(values, ends[:-1], axis=2), strict=True))


def _kinds(labels: Iterable[NDArray[Any]], corpus: str) -> Labels:
    every = np.concatenate(list(labels))
    width = every.shape[1]
    if width > 1 and np.isin(every, (0, 1)).all() and (every.sum(1) == 1).all():
        return Labels({MultiClass("sentiment", classes=tuple(map(str, range(width)))): tuple(range(width))})
    if width == 1 and corpus == "mmmo":
        return Labels({Regression("sentiment", low=1, high=5): (0,)})
    return Labels.of(width, (), corpus)


def _labelled(kinds: Labels, values: NDArray[Any]) -> dict[str, Ragged]:
    if any(isinstance(target, MultiClass) for target in kinds.columns):
        return {name: Ragged.vectors(values.argmax(1)) for name in kinds.targets}
    return kinds.of_rows(values)


def _roles(folder: Path) -> dict[str, dict[str, Path]]:
    """The files by split and role."""
    found: dict[str, dict[str, Path]] = {}
    for file in _files(folder):
        named = _NAME.fullmatch(file.name)
        if named is None:
            raise DataError(
                f"{file}: expected {', '.join(_ROLES)}, then {', '.join(_ORDER)}, as in y_train.h5; "
                "rename it or move it elsewhere"
            )
        role, split = (part.lower() for part in named.groups())
        role, split = _ALL if role == "x" else role, split_of(split)
        other = found.setdefault(split, {}).setdefault(role, file)
        if other != file:
            raise DataError(f"{folder}, {split}: both {other.name} and {file.name}; keep one of them")
    for split, own in found.items():
        single = [role for role in own if role in _MODALITIES]
        if _ALL in own and single:
            raise DataError(
                f"{folder}, {split}: {own[_ALL].name} holds all modalities; keep it or {own[single[0]].name}"
            )
    return {split: found[split] for split in _ORDER if split in found}


def _files(path: Path) -> list[Path]:
    folder = path if path.is_dir() else path.parent
    return sorted(
        file for file in folder.iterdir() if file.suffix.lower() in (".h5", ".hdf5") and file.is_file()
    )


def _is_one(file: Path) -> bool:
    if not _NAME.fullmatch(file.name):
        return False
    try:
        with hdf5.opened(file) as stored:
            (name,) = hdf5.names(stored)
            return len(hdf5.dataset(stored, name, str(file)).shape) in (1, 2, 3)
    except (DataError, OSError):
        return False


def _array(file: Path) -> NDArray[Any]:
    """The only dataset of a file."""
    with hdf5.opened(file) as stored:
        names = hdf5.names(stored)
        if len(names) != 1:
            raise DataError(f"{file}: expected one array, got {len(names)}; keep one dataset in each file")
        values = hdf5.numbers(stored, names[0], str(file))
    if not values.size:
        raise DataError(f"{file}: the array is empty, its shape is {values.shape}; leave the file out")
    return values
