"""Pickles of the layouts that are known, whole or a split in each file; of others, what they hold."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from zipfile import ZIP_STORED

import numpy as np

from affect.data.corpus import Corpus
from affect.data.rules import codes
from affect.data.rules.splits import ORDER, split_of
from affect.data.sources.options import DEFAULTS, Options
from affect.data.targets import Regression
from affect.errors import DataError
from affect.files import real

LAYOUTS = ("mmsa", "mult", "mag", "lmf", "dialogue_rnn", "bc_lstm")
"""Each a module that recognises what was read from a pickle."""

_NAMED = ("dialogue_rnn", "bc_lstm")
"""Those to whose readers the options matter."""

_OTHERS = (".csv", ".tsv", ".parquet", ".csd", ".h5", ".hdf5")
_ARRAYS = (".npz", ".npy", ".pt")
"""Endings of what other readers make of a folder, with or without pickles beside it."""

_MARKS = (b"regression_labels", b"text_bert", b"audio_lengths", b"vision_lengths", b"covarep", b"labels")
"""Keys by which a file of tensors may be of such a layout."""


def read(path: Path, options: Options = DEFAULTS) -> Corpus | None:
    """The corpus of a pickle, of a file of tensors in the layout of one, or of pickles of its splits.

    Of `train.pkl`, `dev.pkl` and `test.pkl` in one folder, any may be named, or the folder.

    Args:
        path: of the pickle, or of the folder.
        options: what is said of the file.
    Raises:
        DataError: a pickle is of no known layout, or damaged.
    """
    from affect.data.sources import fet
    from affect.data.sources.pickles import is_pickle, read_pickle

    if path.is_dir():
        return _of_splits(path, _files(path), options=options)
    if not path.is_file():
        return None
    if not is_pickle(path):
        content = _tensors(path)
        return None if content is None else _of(content, path, options)
    content = read_pickle(path)
    corpus = _of(content, path, options) or _of(fet.single(content, path.stem), path, options)
    if corpus is None and split_of(path.stem):
        corpus = _of_splits(path, {**_files(path.parent), split_of(path.stem): path}, content, options)
    if corpus is None:
        raise _unknown(path, content)
    return corpus


def files_of(path: Path) -> list[Path]:
    """The pickles of splits that are read with one of them.

    Args:
        path: of one.
    Raises:
        DataError: two are of the same split.
    """
    return list(_files(path.parent).values())


def _of(content: Any, path: Path, options: Options = DEFAULTS) -> Corpus | None:
    for name in LAYOUTS:
        layout = import_module(f"affect.data.sources.{name}")
        if layout.recognises(content):
            said: dict[str, Any] = {"options": options} if name in _NAMED else {}
            if name == "mmsa" and options.tokens is not None:
                said = {"tokens": None}  # where there are any
            return cast(Corpus, layout.read(content, path, **said))
    return None


def with_codes_noted(corpus: Corpus, known: Collection[str]) -> Corpus:
    """The same corpus, whose notes say which targets may be codes of classes, but for those of known kind."""
    notes = []
    for name, target in corpus.targets.items():
        if isinstance(target, Regression) and name not in known:
            labels = np.concatenate([split.labels(name)[:, 0] for split in corpus.splits.values()])
            notes.append(codes.note(name, labels))
    return replace(corpus, notes=(*corpus.notes, *(note for note in notes if note)))


def _of_splits(
    path: Path, files: dict[str, Path], known: Any = None, options: Options = DEFAULTS
) -> Corpus | None:
    """The corpus of one pickle for each split; None where the folder may well be something else."""
    from affect.data.sources.pickles import read_pickle

    endings = {file.suffix.lower() for file in path.iterdir()} if path.is_dir() else set()
    if not files or not endings.isdisjoint(_OTHERS):
        return None
    content = {split: known if file == path else read_pickle(file) for split, file in files.items()}
    folder = path if path.is_dir() else path.parent
    corpus = _of(content, folder if folder.name else real(folder), options)
    if corpus is None and path.is_dir() and endings.isdisjoint(_ARRAYS):
        raise _unknown(path, content)
    return corpus


def _files(folder: Path) -> dict[str, Path]:
    """The pickles of a folder that are named as splits.

    Raises:
        DataError: two are of the same split.
    """
    from affect.data.sources.pickles import is_pickle

    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        split = split_of(file.stem)
        if split and split != "all" and file.is_file() and is_pickle(file):
            if split in found:
                raise DataError(
                    f"{folder}: {found[split].name} and {file.name} are both {split}; keep one of them"
                )
            found[split] = file
    return {split: found[split] for split in ORDER if split in found}


def _tensors(path: Path) -> Any:
    """What a file of tensors holds that may be of a layout of pickles; None of another file."""
    from affect.data.sources.arrays import archives

    if archives.kind(path) != "pt":
        return None
    try:
        with archives.opened(path) as archive:
            info = next(one for one in archive.infolist() if one.filename.endswith("/data.pkl"))
            if info.compress_type != ZIP_STORED:  # PyTorch never packs
                return None
            raw = archive.read(info)
    except Exception:  # whatever the damage leads to, the reader of such files says it
        return None
    return archives.contents(path) if any(mark in raw for mark in _MARKS) else None


def _unknown(path: Path, content: Any) -> DataError:
    from affect.data.sources.outlines import describe

    return DataError(f"{path}: a pickle of no known layout: {describe(content)}; known: {', '.join(LAYOUTS)}")
