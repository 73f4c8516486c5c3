"""The pickles of MAG-BERT and MISA: mosi.pkl, mosei.pkl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import citation
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Words
from affect.data.sources.labels import Labels
from affect.data.sources.padding import told
from affect.data.sources.values import floats, text
from affect.errors import DataError

_STEPS = ("visual", "acoustic")
_WORDS = "The file has words and no features of them: affect.data.text.embed makes some."
_INDICES = "The words are indices into a vocabulary that the file does not have: learn features of them."
_SPLITS = {"train": "train", "dev": "valid", "valid": "valid", "test": "test"}


def recognises(content: object) -> bool:
    """Whether a pickle's content is in this layout."""
    if not isinstance(content, dict) or not any(name in content for name in _SPLITS):
        return False
    splits = [content[name] for name in _SPLITS if name in content]
    return all(isinstance(split, list) and split and _is_sample(split[0]) for split in splits)


def read(content: Any, path: Path) -> Corpus:
    """A corpus from the content of a pickle: samples of ((words, visual, acoustic), label, segment).

    Words are strings, which become `Split.words`, or indices into a vocabulary that the file does not have,
    which become a modality `words`. Visual and acoustic steps are those of the words.

    Args:
        content: what the pickle holds.
        path: where it is, for messages and the name.
    Raises:
        DataError: a sample is not of that form, or its parts have different lengths.
    """
    samples = {ours: content[theirs] for theirs, ours in _SPLITS.items() if theirs in content}
    splits, labels, notes = {}, Labels({}), list[str]()
    for name, rows in samples.items():
        where = f"{path}, {name}"
        values = _labels(rows, where)
        labels = Labels.of(values.shape[1], (), "mosei" if values.shape[1] == 7 else "mosi")
        splits[name] = _split(rows, labels.of_rows(values), where)
    for name, split in splits.items():
        for modality in _STEPS:
            seen = split.modalities[modality].observed
            if not seen.all():
                notes.append(f"{name}, {modality}: {told(int((~seen).sum()), len(seen))}")
    return Corpus(
        name=path.stem,
        splits=splits,
        targets=labels.targets,
        aligned=True,
        notes=(*notes, _INDICES if any("words" in split.modalities for split in splits.values()) else _WORDS),
        citation=citation(splits),
        main=labels.main,
    )


def _is_sample(sample: object) -> bool:
    return (
        isinstance(sample, tuple | list)
        and len(sample) == 3
        and isinstance(sample[0], tuple | list)
        and len(sample[0]) >= 3
    )


def _split(rows: list[Any], targets: dict[str, Ragged], where: str) -> Split:
    ids = tuple(text(sample[2]) for sample in rows)
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in _STEPS}
    said = []
    for one, sample in zip(ids, rows, strict=True):
        words = sample[0][3 if len(sample[0]) > 3 else 0]  # MISA keeps the words behind their indices
        if not isinstance(words, list | tuple | np.ndarray):
            raise DataError(
                f"{where}, sample {one}: words must be a list or an array, got {type(words).__name__}"
            )
        said.append(words if isinstance(words, list | tuple) else np.asarray(words).reshape(-1).tolist())
        for place, (name, found) in enumerate(parts.items(), 1):
            values = floats(sample[0][place], f"{where}, sample {one}: {name}", axes=2)
            if len(values) != len(said[-1]):
                raise DataError(
                    f"{where}, sample {one}: {len(said[-1])} words and {len(values)} {name} steps, but they "
                    "must be aligned"
                )
            if found and values.shape[1] != found[0].shape[1]:
                raise DataError(
                    f"{where}, sample {one}: {name} needs feature size {found[0].shape[1]} as in the first "
                    f"sample, got {values.shape[1]}"
                )
            found.append(values)
    modalities = {}
    for name, found in parts.items():
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and inspected as that
            values = np.concatenate(found, dtype=np.float32, casting="same_kind")
        modalities[name] = Ragged.from_offsets(values, np.cumsum([0, *map(len, found)]), (values != 0).any(1))
    indexed = all(isinstance(word, int | float | np.number) for words in said for word in words)
    if indexed:
        modalities["words"] = Ragged.from_rows([np.asarray(words, np.float32)[:, None] for words in said], 1)
    return Split(
        ids=ids,
        modalities=modalities,
        targets=targets,
        groups=tuple(one.partition("[")[0] if "[" in one else one.rpartition("_")[0] or one for one in ids),
        words=None if indexed else Words.from_rows([map(text, words) for words in said]),
    )


def _labels(rows: list[Any], where: str) -> NDArray[Any]:
    """What is said of each sample, (samples, columns)."""
    for i, sample in enumerate(rows):
        if not _is_sample(sample):
            raise DataError(f"{where}, sample {i}: expected ((words, visual, acoustic), label, segment)")
    labels = [floats(sample[1], f"{where}, sample {text(sample[2])}: label").reshape(-1) for sample in rows]
    widths = {len(label) for label in labels}
    if len(widths) > 1:
        raise DataError(f"{where}: expected as many labels for every sample, got {sorted(widths)}")
    return np.stack(labels)
