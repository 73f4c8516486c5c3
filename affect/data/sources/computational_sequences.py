"""Computational sequences of the CMU Multimodal SDK (.csd), one or a folder of them."""

from __future__ import annotations

from pathlib import Path

from affect.data import corpora
from affect.data.corpus import Corpus, Split
from affect.data.formats import csd, hdf5
from affect.data.words.streaming import Task
from affect.errors import AffectError, DataError


def recognises(path: Path) -> bool:
    """Whether this is a computational sequence, or a folder with some."""
    return any(map(_is_one, _files(path)))


def read(path: Path) -> Corpus:
    """The entries as they stand, every modality with its own; `affect align` brings them to the same steps.

    A label file makes each of its segments a sample; without one, every video is a sample. Official splits
    are those of the SDK, where the videos are known; otherwise the split is `all`.

    Raises:
        DataError: a file is damaged, or two stand for the same modality.
    """
    files = [file for file in _files(path) if _is_one(file)]
    labels: list[Path] = []
    others: list[Path] = []
    notes: list[str] = []
    for file in files:
        with csd.opened(file) as sequence:
            if sequence.role == corpora.LABELS and not sequence.is_words:
                labels.append(file)
            elif not sequence.keys:
                notes.append(f"{file.name} has no entries and is left out.")
            else:
                others.append(file)
    if len(labels) > 1:
        raise DataError(f"{path}: expected one label file, got {', '.join(file.name for file in labels)}")
    if notes and not others:
        raise DataError(f"{path}: no entries of features or words, so no samples")
    task = Task.of(others, labels[0] if labels else None, aligned=False, incomplete=True)
    splits: dict[str, list[Split]] = {}
    for split, piece in task.pieces():
        splits.setdefault(split, []).append(piece)
    about = {**task.about, "notes": (*notes, *task.notes)}
    return Corpus(path.stem, {name: Split.join(parts) for name, parts in splits.items()}, **about)


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]


def _is_one(path: Path) -> bool:
    try:
        with hdf5.opened(path) as file:
            return any(csd.is_root(file, name) for name in hdf5.names(file))
    except (AffectError, OSError):
        return False
