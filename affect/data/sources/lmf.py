"""The pickles of low-rank fusion, mosi.pkl, pom.pkl, iemocap.pkl: COVAREP, FACET, GloVe and a label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import citation, identify
from affect.data.corpus import Corpus, Split
from affect.data.making.ids_and_words import generated_ids
from affect.data.rules.labels import Labels, lacking
from affect.data.rules.splits import contents, named
from affect.data.rules.values import count, floats
from affect.data.sources.complete import complete
from affect.data.sources.ignored_keys import ignored_keys, shown
from affect.data.sources.padded import features, is_aligned, rows
from affect.data.targets import Binary
from affect.errors import DataError

MODALITIES = {"glove": "text", "covarep": "acoustic", "facet": "visual"}
LABELS = "label"
_KNOWN = frozenset((*MODALITIES, LABELS))
_PAIR = 2


def recognises(content: object) -> bool:
    """Whether a pickle's content is in this layout, for all or for each of several emotions."""
    return _has_splits(content) or bool(_emotions(content))


def read(content: Any, path: Path) -> Corpus:
    """A corpus from the content of a pickle: by split, or by emotion and split.

    The file gives no lengths and no ids. What is (samples, feature) is one step of each sample, being an
    average over time. Two columns of labels are no and yes. A modality and the labels may be missing.

    Args:
        content: what the pickle holds.
        path: where it is, for messages and the name.
    Raises:
        DataError: the parts of a split do not fit together, or the samples of two emotions are others.
    """
    emotions = _emotions(content)
    notes: list[str] = []
    every = {name: _parts(own, f"{path}, {name}", notes) for name, own in emotions.items()}
    parts = _same(every, path) if every else _parts(content, str(path), notes)
    arrays = {name: part.arrays for name, part in parts.items()}
    aligned = is_aligned(arrays)
    modalities, said = rows(arrays, aligned)
    notes += said
    splits = {}
    for name, part in parts.items():
        ids, note = generated_ids(name, part.count)
        notes.append(note)
        splits[name] = Split(ids, modalities[name], {})
    labels = (
        Labels({Binary(emotion): (i,) for i, emotion in enumerate(every)})
        if every
        else _kind(parts, identify(splits), path)
    )
    for name, split in splits.items():
        given = [own[name].labels for own in (every.values() if every else (parts,))]
        if all(one is not None for one in given):
            split.targets.update(labels.of_rows(np.concatenate([one for one in given if one is not None], 1)))
        notes += lacking(name, split.targets)
    splits, said = complete(splits)
    kept = next(iter(splits.values()))
    none = [m for m in MODALITIES.values() if m not in kept.modalities]
    notes += [*said, *([f"The file has no {' and no '.join(none)} features."] if none else [])]
    notes += [] if kept.targets else ["The file has no labels."]
    notes += ignored_keys(content, emotions, {name: part.content for name, part in parts.items()}, _KNOWN)
    return Corpus(
        name=path.stem,
        splits=splits,
        targets={name: target for name, target in labels.targets.items() if name in kept.targets},
        aligned=aligned,
        notes=tuple(dict.fromkeys(notes)),
        citation=citation(splits),
        main=labels.main if labels.main in kept.targets else "",
    )


class _Part:
    """One split of the file."""

    def __init__(self, content: dict[str, Any], where: str, split: str, notes: list[str]) -> None:
        self.content = content
        there = {key: name for key, name in MODALITIES.items() if count(content.get(key))}
        self.labels: NDArray[Any] | None = None
        self.paired = False
        if count(content.get(LABELS)):
            labels = floats(content[LABELS], f"{where}: {LABELS}")
            labels = labels.reshape(count(labels), -1)
            self.labels = _yes(labels)
            self.paired = self.labels.shape != labels.shape
        self.count = count(content.get(LABELS)) or max((count(content[key]) for key in there), default=0)
        if not self.count:
            notes.append(f"{split}: the split is empty and is left out.")
        self.arrays: dict[str, NDArray[Any]] = {}
        for key, name in there.items():
            values = features(content[key], where, key, single=True)
            if len(values) != self.count and values.shape[1] == self.count:
                values = values.swapaxes(0, 1)
                notes.append(f"{split}, {name}: time is the first axis of the file, and becomes the second.")
            if len(values) != self.count:
                raise DataError(f"{where}: {key} has {len(values)} samples for {self.count} {LABELS}")
            self.arrays[name] = values


def _has_splits(content: object) -> bool:
    splits = contents(content)
    return bool(splits) and all(
        isinstance(own, dict) and len(own.keys() & _KNOWN) > 1 and own.keys() & MODALITIES.keys()
        for own in splits
    )


def _emotions(content: object) -> dict[str, Any]:
    """What the file holds of each emotion, as of IEMOCAP; nothing where it holds splits."""
    if not isinstance(content, dict) or contents(content):
        return {}
    return {str(name): own for name, own in content.items() if _has_splits(own)}


def _parts(content: dict[str, Any], where: str, notes: list[str]) -> dict[str, _Part]:
    """The splits that have samples.

    Raises:
        DataError: none has.
    """
    parts = {name: _Part(own, f"{where}, {name}", name, notes) for name, own in named(content, where).items()}
    found = {name: part for name, part in parts.items() if part.count}
    if not found:
        raise DataError(f"{where}: no split has a sample")
    return found


def _same(every: dict[str, dict[str, _Part]], path: Path) -> dict[str, _Part]:
    """The samples that all emotions share.

    Raises:
        DataError: those of some are others.
    """
    (first, parts), *others = every.items()
    for emotion, own in others:
        if own.keys() != parts.keys() or not all(_equal(own[name], part) for name, part in parts.items()):
            raise DataError(
                f"{path}: the samples of {shown(first)} are not those of {shown(emotion)}; save what the "
                "file holds of one emotion as a pickle of its own"
            )
    return parts


def _equal(a: _Part, b: _Part) -> bool:
    return (
        a.count == b.count
        and (a.labels is None) == (b.labels is None)
        and a.arrays.keys() == b.arrays.keys()
        and all(
            x is b.arrays[m] or np.array_equal(x, b.arrays[m], equal_nan=True) for m, x in a.arrays.items()
        )
    )


def _yes(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels (samples, columns); no and yes as 0 and 1, where each row has a single 1 of two columns."""
    known = labels[np.isfinite(labels).all(1)]
    if labels.shape[1] != _PAIR or not np.isin(known, (0, 1)).all() or (known.sum(1) != 1).any():
        return labels
    return np.where(np.isfinite(labels).all(1), labels[:, 1], np.nan)[:, None]


def _kind(parts: Mapping[str, _Part], corpus: str, path: Path) -> Labels:
    """What the labels are, without an emotion's name."""
    widths = {name: part.labels.shape[1] for name, part in parts.items() if part.labels is not None}
    if len(set(widths.values())) > 1:
        raise DataError(f"{path}: expected as many columns of labels in every split, got {widths}")
    width = next(iter(widths.values()), 0)
    if not width:
        return Labels({})
    if width == 1 and all(part.paired for part in parts.values() if part.labels is not None):
        return Labels({Binary("emotion"): (0,)})
    return Labels.of(width, (), corpus)
