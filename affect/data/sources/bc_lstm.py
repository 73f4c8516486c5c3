"""The pickles of bc-LSTM and its kin, padded dialogues: text_2way.pickle, audio_2way.pickle and the like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus
from affect.data.making.ids_and_words import generated_ids
from affect.data.rules.values import floats
from affect.data.sources.dialogues.assembly import Dialogue, Found, corpus
from affect.data.sources.options import DEFAULTS, Options
from affect.data.targets import Binary, MultiClass, Regression, Target
from affect.errors import DataError

RULE = "data and labels of each split, (dialogues, time, feature), and how many utterances each dialogue has"
MODALITIES = {
    "text": "text",
    "audio": "acoustic",
    "acoustic": "acoustic",
    "video": "visual",
    "visual": "visual",
}
_SPLITS = {1: ("all",), 2: ("train", "test"), 3: ("train", "valid", "test")}
_TOKEN = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(MODALITIES)})(?![A-Za-z0-9])", re.IGNORECASE)
_FEW, _STEPS = 3, 3


@dataclass(eq=False)
class _Block:
    """One split: its features, what stands behind them of each utterance, and how many there are."""

    data: NDArray[Any]
    beside: list[NDArray[Any]] = field(default_factory=list)
    lengths: NDArray[np.int64] | None = None


def recognises(content: object) -> bool:
    """Whether a pickle's content is a list of padded features and labels, of one split or up to three."""
    if not isinstance(content, list | tuple) or len(content) < _FEW:
        return False
    blocks, _ = _blocks(content)
    return 0 < len(blocks) <= len(_SPLITS) and all(block.beside for block in blocks)


def read(content: Any, path: Path, options: Options = DEFAULTS) -> Corpus:
    """A corpus from the content of a pickle, and of those of other modalities beside it.

    The parts are told from what they hold: three axes of numbers with a fraction are features, and begin a
    split (training and test, or with validation between them); what has their dialogues and their time is
    labels, a 1 among zeros or a number for each utterance, and behind them speakers; a whole number for each
    dialogue is how many utterances it has. The name of a file says its modality: of `text_2way.pickle` and
    `audio_2way.pickle` in one folder, both are read.

    Args:
        content: what the pickle holds.
        path: where it is.
        options: not used yet.
    Raises:
        DataError: the files of two modalities are not of the same dialogues.
    """
    files = modality_files(path)
    blocks, unread = _blocks(content)
    notes = [f"Not read: part {', '.join(map(str, unread))} of the {len(content)} of the file."] * bool(
        unread
    )
    features = {files.get(path, "features"): blocks}
    for file, name in files.items():
        if file == path:
            continue
        other = _content(file)
        if not recognises(other):
            notes.append(f"Not read: {file.name}, which is of another layout.")
            continue
        features[name] = _same(blocks, _blocks(other)[0], path, file)
    targets, labels, said = _labels(blocks)
    notes += said
    splits = {}
    for i, split in enumerate(_SPLITS[len(blocks)]):
        ids, note = generated_ids(split, len(blocks[i].data))
        notes.append(note)
        splits[split] = [
            Dialogue(
                name=one,
                count=int(count),
                spoken=_spoken(blocks[i], row, int(count)),
                labels={name: own[i][row, :count] for name, own in labels.items()},
                features={
                    m: floats(own[i].data[row, :count], f"{path}, {split}: {m}")
                    for m, own in features.items()
                },
            )
            for row, (one, count) in enumerate(zip(ids, _lengths(blocks[i]), strict=True))
        ]
    name = (
        path.stem if len(features) == 1 else _template(path)[0].format("").strip("_.- ") or path.parent.name
    )
    return corpus(Found(str(path), name, splits, targets, notes=tuple(notes)), options)


def modality_files(path: Path) -> dict[Path, str]:
    """The pickles that are read with one, and their modalities: those whose names differ in it alone.

    Args:
        path: of one.
    """
    from affect.data.sources.pickles import is_pickle

    pattern, modality = _template(path)
    if not modality or not path.is_file():
        return {}
    found = {path: modality}
    for file in sorted(path.parent.iterdir()):
        own, name = _template(file)
        if own == pattern and name and name not in found.values() and file.is_file() and is_pickle(file):
            found[file] = name
    return found


def _template(path: Path) -> tuple[str, str]:
    found = _TOKEN.search(path.stem)
    if found is None:
        return path.stem, ""
    return f"{path.stem[: found.start()]}{{}}{path.stem[found.end() :]}", MODALITIES[found[0].lower()]


def _content(file: Path) -> Any:
    from affect.data.sources.pickles import read_pickle

    return read_pickle(file)


def _blocks(content: Any) -> tuple[list[_Block], list[int]]:
    """The splits, and the places of parts that are not read, from 1."""
    blocks: list[_Block] = []
    unread = []
    for place, (part, values) in enumerate(_arrays(content), 1):
        last = blocks[-1] if blocks else None
        if values is None or values.dtype.kind not in "iufb":
            unread += [place] if not isinstance(part, int | np.integer) else []
        elif values.ndim == _STEPS and not _is_one_hot(values):
            blocks.append(_Block(values))
        elif values.ndim == 1 and (block := _without_lengths(blocks, values)) is not None:
            block.lengths = values.astype(np.int64)
        elif last is not None and values.shape[:2] == last.data.shape[:2] and not _is_mask(values):
            last.beside.append(values)
        elif values.ndim > 1 and not _is_mask(values):
            unread.append(place)
    return blocks, unread


def _arrays(content: Any) -> Iterator[tuple[Any, NDArray[Any] | None]]:
    for part in content:
        try:
            yield part, np.asarray(part) if isinstance(part, list | tuple | np.ndarray) else None
        except ValueError:  # of different lengths
            yield part, None


def _without_lengths(blocks: list[_Block], values: NDArray[Any]) -> _Block | None:
    """The first split whose numbers of utterances these may be."""
    if (values != np.rint(values)).any() or values.min(initial=0) < 0:
        return None
    most = values.max(initial=0)
    for block in blocks:
        if block.lengths is None and len(values) == len(block.data) and most <= block.data.shape[1]:
            return block
    return None


def _is_one_hot(values: NDArray[Any]) -> bool:
    return values.ndim == _STEPS and bool(np.isin(values, (0, 1)).all() and (values.sum(2) <= 1).all())


def _is_mask(values: NDArray[Any]) -> bool:
    """Whether this is ones, and zeros behind them, for each dialogue."""
    if values.ndim != 2 or not np.isin(values, (0, 1)).all():
        return False
    return bool((np.diff(values.astype(np.int8), axis=1) <= 0).all() and values[:, 0].all())


def _lengths(block: _Block) -> NDArray[np.int64]:
    """How many utterances each dialogue has; where that is not given, up to the last that holds anything."""
    if block.lengths is not None:
        return block.lengths
    held = (block.data != 0).any(2)
    found: NDArray[np.int64] = np.where(held.any(1), held.shape[1] - held[:, ::-1].argmax(1), 0)
    return found


def _same(blocks: list[_Block], others: list[_Block], path: Path, file: Path) -> list[_Block]:
    """The splits of another modality, which are of the same dialogues.

    Raises:
        DataError: they are not.
    """
    same = len(blocks) == len(others) and all(
        np.array_equal(_lengths(a), _lengths(b)) and np.array_equal(a.beside[0], b.beside[0])
        for a, b in zip(blocks, others, strict=True)
    )
    if not same:
        raise DataError(
            f"{path}: the labels or lengths of {file.name} beside it are others; keep one of the two"
        )
    return others


def _labels(
    blocks: list[_Block],
) -> tuple[tuple[Target, ...], dict[str, list[NDArray[np.float64]]], list[str]]:
    """The target, and the labels of each split, (dialogues, time), and a note."""
    own = [block.beside[0] for block in blocks]
    notes = ["The file names neither its labels nor their classes."]
    if all(labels.ndim == _STEPS for labels in own):
        count = own[0].shape[2]
        coded = [np.where(one.any(2), one.argmax(2), np.nan).astype(np.float64) for one in own]
    else:
        coded = [np.asarray(one, np.float64).reshape(one.shape[:2]) for one in own]
        every = np.concatenate([one.ravel() for one in coded])
        known = every[np.isfinite(every)]
        whole = bool((known == np.rint(known)).all()) and known.min(initial=0) >= 0
        count = int(known.max(initial=0)) + 1 if whole else 0
    name = "emotion" if count > _FEW else "sentiment"
    if not count:
        return (Regression(name, per_step=True),), {name: coded}, notes
    if count == 2:
        return (Binary(name, per_step=True),), {name: coded}, notes
    return (MultiClass(name, per_step=True, classes=tuple(map(str, range(count)))),), {name: coded}, notes


def _spoken(block: _Block, row: int, count: int) -> tuple[int | None, ...] | None:
    """The party of each utterance, where something beside the labels says it."""
    if len(block.beside) < 2:
        return None
    own = block.beside[1][row, :count]
    if own.ndim == 1:
        return tuple(int(one) for one in own)
    return tuple(int(one.argmax()) if one.any() else None for one in own)
