"""The pickles of the Multimodal Transformer: mosi_data.pkl, iemocap_data.pkl, their noalign twins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import citation
from affect.data.corpus import Corpus, Split
from affect.data.duplicates import numbered
from affect.data.making.ids_and_words import generated_ids
from affect.data.ragged import Ragged, Words
from affect.data.rules.labels import finite, lacking
from affect.data.rules.splits import contents, named
from affect.data.rules.values import count, floats, text, texts
from affect.data.sources.complete import complete
from affect.data.sources.ignored_keys import ignored_keys
from affect.data.sources.padded import features, is_aligned, rows
from affect.data.targets import MultiLabel, Regression, Target
from affect.errors import DataError

MODALITIES = {"text": "text", "audio": "acoustic", "vision": "visual"}
LABELS = "labels"
_WORDS = "raw_text"
_KNOWN = frozenset(("id", LABELS, _WORDS, *MODALITIES))
_EMOTIONS = ("neutral", "happy", "sad", "angry")


def recognises(content: object) -> bool:
    """Whether a pickle's content is in this layout: features of some modality, and `labels` if any."""
    splits = contents(content)
    if not splits or not all(isinstance(split, dict) for split in splits):
        return False
    keys = set().union(*splits)
    known = LABELS in keys or keys <= _KNOWN or any(map(has_spans, splits))
    return bool(keys & MODALITIES.keys()) and known


def has_spans(split: dict[str, Any]) -> bool:
    """Whether the ids of a split are of this layout alone: of several columns, as `video`, `start`, `end`."""
    ids = split.get("id")
    return isinstance(ids, np.ndarray) and ids.ndim == 2 and ids.shape[1] > 1


def read(content: Any, path: Path) -> Corpus:
    """A corpus from the content of a pickle; the arrays stay where they are, their padding is not read.

    The file gives no lengths: steps of zeros at the side on which it has more of them are padding; a step of
    zeros elsewhere is one at which nothing was observed. Any modality and the labels may be missing.

    Args:
        content: what the pickle holds.
        path: where it is, for messages and the name.
    Raises:
        DataError: the parts of a split do not fit together.
    """
    notes: list[str] = []
    parts = {
        name: part
        for name, own in named(content, str(path)).items()
        if (part := _Part(own, f"{path}, {name}", name, notes)).count
    }
    if not parts:
        raise DataError(f"{path}: no split has a sample")
    kinds = {name: part.target for name, part in parts.items() if part.target is not None}
    target = next(iter(kinds.values()), None)
    for name, kind in kinds.items():
        if target is not None and kind != target:
            raise DataError(
                f"{parts[name].where}: expected labels of {target.name} as in the other splits, got "
                f"{kind.name}"
            )
    arrays = {name: part.arrays for name, part in parts.items()}
    aligned = is_aligned(arrays)
    modalities, said = rows(arrays, aligned)
    ids, numbers = numbered({name: part.ids for name, part in parts.items()})
    notes += [*said, *numbers]
    splits = {}
    for name, part in parts.items():
        labels = (
            {}
            if part.target is None
            else {part.target.name: Ragged.vectors(part.labels, finite(part.labels))}
        )
        notes += lacking(name, labels)
        splits[name] = Split(ids[name], modalities[name], labels, part.groups, part.words)
    splits, said = complete(splits)
    first = next(iter(splits.values()))
    none = [m for m in MODALITIES.values() if m not in first.modalities]
    notes += [*said, *([f"The file has no {' and no '.join(none)} features."] if none else [])]
    if target is None:
        notes.append("The file has no labels.")
    notes += ignored_keys(content, (), {name: part.content for name, part in parts.items()}, _KNOWN)
    targets = {target.name: target} if target is not None and target.name in first.targets else {}
    return Corpus(
        name=path.stem,
        splits=splits,
        targets=targets,
        aligned=aligned,
        notes=tuple(notes),
        citation=citation(splits),
        main=next(iter(targets), ""),
    )


class _Part:
    """One split of the file."""

    def __init__(self, content: dict[str, Any], where: str, split: str, notes: list[str]) -> None:
        self.content, self.where = content, where
        there = {key: name for key, name in MODALITIES.items() if count(content.get(key))}
        self.arrays = {name: features(content[key], where, key) for key, name in there.items()}
        self.labels, self.target = np.zeros((0, 0)), None
        if count(content.get(LABELS)):
            self.labels, self.target = _labels(content[LABELS], where)
        first = next((key for key in (LABELS, "id", *there) if count(content.get(key))), "")
        self.count = count(content.get(first))
        if not self.count:
            notes.append(f"{split}: the split is empty and is left out.")
        self.ids, self.groups = _ids(content.get("id"), split, self.count, where, first)
        if self.count and content.get("id") is None:
            notes.append(generated_ids(split, self.count)[1])
        for key, name in there.items():
            if len(self.arrays[name]) != self.count:
                raise DataError(
                    f"{where}: {key} has {len(self.arrays[name])} samples for {self.count} {first}"
                )

    @property
    def words(self) -> Words | None:
        """The transcripts, split at blanks, which later files have."""
        if not count(self.content.get(_WORDS)):
            return None
        said = texts(self.content[_WORDS], f"{self.where}: {_WORDS}")
        if len(said) != self.count:
            raise DataError(f"{self.where}: {len(said)} {_WORDS} for {self.count} ids")
        return Words.from_rows([line.split() for line in said])


def _labels(content: object, where: str) -> tuple[NDArray[Any], Target]:
    """Sentiment (samples, 1), or four emotions, each a pair of no and yes, as 0 and 1."""
    labels = floats(content, f"{where}: {LABELS}")
    if labels.ndim == 3 and labels.shape[1:] == (len(_EMOTIONS), 2):
        yes = np.where(np.isfinite(labels).all(-1), labels.argmax(-1), np.nan)
        return yes, MultiLabel("emotion", classes=_EMOTIONS)
    if labels.ndim == 2 and labels.shape[1] == len(_EMOTIONS):
        return labels, MultiLabel("emotion", classes=_EMOTIONS)
    if not labels.ndim or labels.size != len(labels):
        raise DataError(
            f"{where}: {LABELS} must have shape (samples, 1, 1) or (samples, {len(_EMOTIONS)}, 2), "
            f"got {labels.shape}"
        )
    return labels.reshape(-1, 1), Regression("sentiment", low=-3, high=3)


def _ids(
    content: Any, split: str, count: int, where: str, beside: str
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Ids, and the videos where they say them: `video`, or `video start end`."""
    if content is None:
        return generated_ids(split, count)[0], None
    if not isinstance(content, list | tuple | np.ndarray) or (
        isinstance(content, np.ndarray) and not content.ndim
    ):
        raise DataError(f"{where}: id must be a list or an array, got {type(content).__name__}")
    rows = [
        list(row) if isinstance(row, list | tuple) else np.asarray(row).reshape(-1).tolist()
        for row in content
    ]
    if len(rows) != count:
        raise DataError(f"{where}: {len(rows)} ids for {count} {beside}")
    ids = tuple(" ".join(map(text, row)) for row in rows)
    videos = tuple(
        text(row[0]) if len(row) > 1 else one.partition("[")[0] for row, one in zip(rows, ids, strict=True)
    )
    return ids, videos
