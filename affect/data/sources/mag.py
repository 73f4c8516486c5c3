"""Lists of samples: the pickles of MAG-BERT, mosi.pkl and mosei.pkl, and the splits of MISA and of MMIM."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import citation
from affect.data.corpus import Corpus, Split
from affect.data.duplicates import numbered
from affect.data.making.ids_and_words import generated_ids
from affect.data.ragged import Ragged, Words
from affect.data.rules.labels import Labels, lacking
from affect.data.rules.observed import observed
from affect.data.rules.padding import empty_steps_note
from affect.data.rules.splits import contents, named
from affect.data.rules.values import count, floats, text
from affect.data.sources.complete import complete
from affect.data.sources.ignored_keys import ignored_keys
from affect.data.targets import Binary
from affect.errors import DataError

RULE = "((words, visual, acoustic), label, segment)"
_STEPS = ("visual", "acoustic")
_WORDS = "The file has words and no features of them: affect.data.text.embed makes some."
_INDICES = "The words are indices into a vocabulary that the file does not have: learn features of them."
_BESIDE = "The indices of the words are left out: the words are there, and the vocabulary is not."
_HUMOR = "The samples have no segments, and labels of 0 and 1: they count as UR-FUNNY's, `humor`."
_ALIGNED, _UNALIGNED = 4, 6
"""Parts of a sample with its words behind their indices; and with its lengths behind those (MMIM)."""


def recognises(content: object) -> bool:
    """Whether a pickle's content is in this layout."""
    splits = contents(content)
    return (
        any(isinstance(split, list) and split for split in splits)
        and all(isinstance(split, list) for split in splits)
        and all(is_sample(split[0]) for split in splits if split)
    )


def read(content: Any, path: Path) -> Corpus:
    """A corpus from the content of a pickle: samples of ((words, visual, acoustic), label, segment).

    Words are strings, which become `Split.words`, or indices into a vocabulary that the file does not have,
    which become a modality `words`; MISA and MMIM keep the strings behind them. Visual and acoustic steps are
    those of the words, but where MMIM keeps their numbers too. UR-FUNNY's samples have no segment.

    Args:
        content: what the pickle holds.
        path: where it is, for messages and the name.
    Raises:
        DataError: a sample is not of that form, or its parts have different lengths.
    """
    found = named(content, str(path))
    notes = [f"{name}: the split is empty and is left out." for name, own in found.items() if not own]
    parts = {name: _Part.of(own, f"{path}, {name}", name) for name, own in found.items() if own}
    notes += [note for part in parts.values() for note in part.notes]
    widths = {name: part.labels.shape[1] for name, part in parts.items()}
    if len(set(widths.values())) > 1:
        raise DataError(f"{path}: expected as many labels for every sample of every split, got {widths}")
    for modality in _STEPS:
        if not any(modality in part.modalities for part in parts.values()):
            raise DataError(f"{path}: {modality} has no features in any sample")
    labels = _kind(parts, next(iter(widths.values())))
    if any(isinstance(target, Binary) for target in labels.columns):
        notes.append(_HUMOR)
    ids = {name: part.ids for name, part in parts.items()}
    if not all(part.aligned for part in parts.values()):  # MMIM's may name nothing but the videos
        ids, said = numbered(ids)
        notes += said
    splits = {}
    for name, part in parts.items():
        targets = labels.of_rows(part.labels)
        notes += lacking(name, targets)
        splits[name] = Split(ids[name], part.modalities, targets, part.groups, part.words)
    splits, said = complete(splits)
    for name, split in splits.items():
        for modality in _STEPS:
            seen = split.modalities[modality].observed
            if not seen.all():
                notes.append(f"{name}, {modality}: {empty_steps_note(int((~seen).sum()), len(seen))}")
    kept = next(iter(splits.values())).targets
    indexed = any("words" in split.modalities for split in splits.values())
    return Corpus(
        name=path.stem,
        splits=splits,
        targets={name: target for name, target in labels.targets.items() if name in kept},
        aligned=all(part.aligned for part in parts.values()),
        notes=tuple(
            dict.fromkeys(
                (*notes, *said, _INDICES if indexed else _WORDS, *ignored_keys(content, (), {}, ()))
            )
        ),
        citation=citation(splits),
        main=labels.main if labels.main in kept else "",
    )


def is_sample(sample: object) -> bool:
    """Whether this is a sample of this layout, by its form alone."""
    if not isinstance(sample, tuple | list) or len(sample) not in (2, 3):
        return False
    parts = sample[0]
    if not isinstance(parts, tuple | list) or len(parts) < len(_STEPS) + 1:
        return False
    return len(sample) == 3 or all(isinstance(part, np.ndarray) and part.ndim for part in parts[1:3])


@dataclass(frozen=True, eq=False)
class _Part:
    """One split of the file."""

    ids: tuple[str, ...]
    groups: tuple[str, ...] | None
    labels: NDArray[Any]
    modalities: dict[str, Ragged]
    words: Words | None
    aligned: bool
    segmented: bool
    notes: tuple[str, ...]

    @classmethod
    def of(cls, samples: list[Any], where: str, split: str) -> _Part:
        for i, sample in enumerate(samples):
            if not is_sample(sample):
                raise DataError(f"{where}, sample {i}: expected {RULE}")
        notes: list[str] = []
        segmented = all(len(sample) == 3 for sample in samples)
        ids, note = generated_ids(split, len(samples))
        if segmented:
            ids = tuple(text(sample[2]) for sample in samples)
        else:
            notes.append(note)
        aligned = not any(len(sample[0]) >= _UNALIGNED for sample in samples)
        said = [_words(sample[0], f"{where}, sample {one}") for one, sample in zip(ids, samples, strict=True)]
        modalities = {
            name: _steps(samples, place, name, ids, said if aligned else None, where)
            for place, name in enumerate(_STEPS, 1)
            if any(count(sample[0][place]) for sample in samples)
        }
        if any(len(sample[0]) >= _ALIGNED and count(sample[0][0]) for sample in samples):
            notes.append(_BESIDE)
        notes += _apart(samples, modalities, split)
        indexed = all(isinstance(word, int | float | np.number) for words in said for word in words)
        if indexed and any(said):
            rows = [np.asarray(words, np.float32).reshape(-1, 1) for words in said]
            modalities["words"] = Ragged.from_rows(rows, 1)
        return cls(
            ids=ids,
            groups=tuple(map(_video, ids)) if segmented else None,
            labels=_labels(samples, ids, where),
            modalities=modalities,
            words=None if indexed else Words.from_rows([map(text, words) for words in said]),
            aligned=aligned,
            segmented=segmented,
            notes=tuple(notes),
        )


def _words(parts: Any, where: str) -> list[Any]:
    """The words of a sample, or their indices: MISA and MMIM keep the words behind those."""
    words = parts[3 if len(parts) >= _ALIGNED else 0]
    if not isinstance(words, list | tuple | np.ndarray):
        raise DataError(f"{where}: words must be a list or an array, got {type(words).__name__}")
    return list(words) if isinstance(words, list | tuple) else np.asarray(words).reshape(-1).tolist()


def _steps(
    samples: list[Any], place: int, name: str, ids: tuple[str, ...], words: list[list[Any]] | None, where: str
) -> Ragged:
    """The steps of one modality, as many as words where they are given."""
    rows: list[NDArray[Any]] = []
    dim = 0
    for i, (one, sample) in enumerate(zip(ids, samples, strict=True)):
        content = sample[0][place]
        if words is not None and not words[i] and not count(content):
            rows.append(np.zeros((0, dim)))
            continue
        values = floats(content, f"{where}, sample {one}: {name}", axes=2)
        if words is not None and len(values) != len(words[i]):
            raise DataError(
                f"{where}, sample {one}: {len(words[i])} words and {len(values)} {name} steps, but they "
                "must be aligned"
            )
        dim = dim or values.shape[1]
        if values.shape[1] != dim:
            raise DataError(
                f"{where}, sample {one}: {name} needs feature size {dim} as in the first sample, got "
                f"{values.shape[1]}"
            )
        rows.append(values)
    if not dim:
        raise DataError(f"{where}: {name} has no features in any sample")
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and inspected as that
        values = np.concatenate(
            [row.reshape(len(row), dim) for row in rows], dtype=np.float32, casting="same_kind"
        )
    return Ragged.from_offsets(values, np.cumsum([0, *map(len, rows)]), observed(values))


def _apart(samples: list[Any], modalities: dict[str, Ragged], split: str) -> list[str]:
    """Notes on samples whose steps are not as many as MMIM says: all that are there are kept."""
    notes = []
    for place, name in enumerate(_STEPS, _ALIGNED):
        if name not in modalities:
            continue
        said = [sample[0][place] if len(sample[0]) >= _UNALIGNED else None for sample in samples]
        apart = sum(
            number is not None and int(floats(number, f"{split}: lengths").reshape(-1)[0]) != length
            for number, length in zip(said, modalities[name].lengths.tolist(), strict=True)
        )
        if apart:
            notes.append(
                f"{split}, {name}: {apart:,} samples have other numbers of steps than the file says; all are "
                "kept."
            )
    return notes


def _labels(samples: list[Any], ids: tuple[str, ...], where: str) -> NDArray[Any]:
    """What is said of each sample, (samples, columns)."""
    labels = [
        floats(sample[1], f"{where}, sample {one}: label").reshape(-1)
        for one, sample in zip(ids, samples, strict=True)
    ]
    widths = {len(label) for label in labels}
    if len(widths) > 1:
        raise DataError(f"{where}: expected as many labels for every sample, got {sorted(widths)}")
    return np.stack(labels)


def _kind(parts: dict[str, _Part], width: int) -> Labels:
    """What the labels are."""
    if width == 1 and not any(part.segmented for part in parts.values()):
        every = np.concatenate([part.labels for part in parts.values()])
        if np.isin(every[np.isfinite(every)], (0, 1)).all():
            return Labels({Binary("humor"): (0,)})
    return Labels.of(width, (), "mosei" if width == 7 else "mosi")


def _video(one: str) -> str:
    """The video of a segment: `video[3]`, or `video_3`.

    Example:
        >>> _video("abc[3]"), _video("d_e_3"), _video("a_b")
        ('abc', 'd_e', 'a_b')
    """
    return one.partition("[")[0] or one if "[" in one else re.sub(r"(?<=.)_\d+$", "", one)
