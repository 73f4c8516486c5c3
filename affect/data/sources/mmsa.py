"""The pickles of the MMSA toolkit: aligned_50.pkl, unaligned_50.pkl, unaligned_39.pkl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import citation
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Rows, Words
from affect.data.sources.padding import extent, holding, told, unpad
from affect.data.sources.values import floats, texts
from affect.data.targets import MultiClass, Regression, Target
from affect.errors import DataError

_MODALITIES = {"text": "text", "audio": "acoustic", "vision": "visual"}
_SPLITS = ("train", "valid", "test")
_CLASSES = ("negative", "neutral", "positive")
_UNIMODAL = {"T": "text", "A": "acoustic", "V": "visual"}
_WITHOUT_TOKENS = (
    "The token ids of text_bert are left out; affect.data.sources.mmsa.read(..., tokens=True) keeps them."
)


def recognises(content: object) -> bool:
    """Whether a pickle's content is in this layout."""
    if not isinstance(content, dict) or not any(name in content for name in _SPLITS):
        return False
    splits = [content[name] for name in _SPLITS if name in content]
    return all(isinstance(split, dict) and "regression_labels" in split for split in splits)


def read(content: Any, path: Path, tokens: bool = False) -> Corpus:
    """A corpus from the content of a pickle; the arrays stay where they are, their padding is not read.

    Lengths are those that the file gives; a step of zeros within them is one at which nothing was observed.

    Args:
        content: what the pickle holds.
        path: where it is, for messages and the name.
        tokens: keep the token ids of text_bert as a modality `tokens` of one feature.
    Raises:
        DataError: a part is missing, or the parts of a split do not fit together.
    """
    found = {name: _Part(content[name], f"{path}, {name}") for name in _SPLITS if name in content}
    aligned = all(part.is_aligned for part in found.values())
    notes: list[str] = []
    splits, labels = {}, {}
    for name, part in found.items():
        labels[name] = part.labels(notes)
        splits[name] = Split(
            ids=part.ids,
            modalities=part.modalities(aligned, tokens, notes),
            targets={kind: Ragged.vectors(values, seen) for kind, (values, seen) in labels[name].items()},
            groups=tuple(one.partition("$_$")[0] for one in part.ids),
            words=part.words(),
        )
    every = dict.fromkeys(kind for known in labels.values() for kind in known)
    lacking = {kind: [name for name, known in labels.items() if kind not in known] for kind in every}
    notes += [
        f"The target {kind} is left out: {', '.join(own)} has no labels of it."
        for kind, own in lacking.items()
        if own
    ]
    kinds = [kind for kind, own in lacking.items() if not own]
    for name, split in splits.items():
        splits[name] = Split(
            split.ids,
            split.modalities,
            {kind: split.targets[kind] for kind in kinds},
            split.groups,
            split.words,
        )
    if not tokens and any("text_bert" in part.content for part in found.values()):
        notes.append(_WITHOUT_TOKENS)
    beyond = any((np.abs(split.labels("sentiment")) > 1).any() for split in splits.values())
    return Corpus(
        name=path.stem,
        splits=splits,
        targets={kind: _target(kind, 3 if beyond else 1) for kind in kinds},
        aligned=aligned,
        notes=tuple(notes),
        citation=citation(splits),
        main="sentiment",
    )


class _Part:
    """One split of the file."""

    def __init__(self, content: dict[str, Any], where: str) -> None:
        self.content, self.where = content, where
        missing = [key for key in ("id", *_MODALITIES) if key not in content]
        if missing:
            raise DataError(f"{where}: {', '.join(missing)} is missing beside regression_labels")
        self.ids = texts(content["id"], f"{where}: id")
        self.arrays = {name: self._array(key) for key, name in _MODALITIES.items()}

    @property
    def is_aligned(self) -> bool:
        """Whether there is one time axis, and no lengths of single modalities."""
        times = {values.shape[1] for values in self.arrays.values()}
        return len(times) == 1 and not any(f"{key}_lengths" in self.content for key in _MODALITIES)

    def modalities(self, aligned: bool, tokens: bool, notes: list[str]) -> dict[str, Ragged]:
        """Views of the padded arrays."""
        found = {}
        for key, name in _MODALITIES.items():
            values = self.arrays[name]
            begin, lengths = self._extent(key, aligned, notes)
            steps = np.arange(values.shape[1]) - begin[:, None]
            inside = (steps >= 0) & (steps < lengths[:, None])
            held = holding(values, inside)
            empty = int(inside.sum() - held.sum())
            if empty:
                notes.append(f"{self._split}, {name}: {told(empty, int(inside.sum()))}")
            found[name] = unpad(values, begin, lengths, held)
        if tokens:
            ids, mask = self._tokens()
            found["tokens"] = unpad(ids[..., None], np.zeros(len(mask), dtype=int), mask.sum(1))
        return found

    def labels(self, notes: list[str]) -> dict[str, tuple[NDArray[Any], NDArray[np.bool_]]]:
        """The labels of each target, and which of them are given."""
        found = {"sentiment": self._numbers("regression_labels")}
        for letter, name in _UNIMODAL.items():
            if f"regression_labels_{letter}" in self.content:
                found[f"sentiment_{name}"] = self._numbers(f"regression_labels_{letter}")
        if "classification_labels" in self.content:
            found["sentiment_class"] = self._numbers("classification_labels")
        elif "annotations" in self.content:
            classes = {name: float(i) for i, name in enumerate(_CLASSES)}
            said = texts(self.content["annotations"], f"{self.where}: annotations")
            found["sentiment_class"] = np.array([classes.get(one.lower(), np.nan) for one in said])
            unknown = [one for one in said if one.lower() not in classes]
            if unknown:
                notes.append(
                    f"{self._split}: {len(unknown):,} annotations such as '{unknown[0]}' are none of "
                    f"{', '.join(_CLASSES)} and count as not given."
                )
        for name, values in found.items():
            if len(values) != len(self.ids):
                raise DataError(f"{self.where}: {len(values)} labels '{name}' for {len(self.ids)} ids")
        missing = np.flatnonzero(~np.isfinite(found["sentiment"]))
        if missing.size:
            raise DataError(f"{self.where}, sample {self.ids[missing[0]]}: regression_labels is not a number")
        given = found.get("sentiment_class", np.zeros(0))
        wrong = np.flatnonzero(np.isfinite(given) & ~np.isin(given, range(len(_CLASSES))))
        if wrong.size:
            raise DataError(
                f"{self.where}, sample {self.ids[wrong[0]]}: classification_labels must be 0 to "
                f"{len(_CLASSES) - 1}, got {given[wrong[0]]:g}"
            )
        return {name: (values, np.isfinite(values)) for name, values in found.items()}

    def words(self) -> Words | None:
        """The transcripts, split at blanks."""
        if "raw_text" not in self.content:
            return None
        said = texts(self.content["raw_text"], f"{self.where}: raw_text")
        return Words.from_rows([line.split() for line in said])

    @property
    def _split(self) -> str:
        return self.where.rpartition(", ")[2]

    def _array(self, key: str) -> NDArray[Any]:
        values = floats(self.content[key], f"{self.where}: {key}", axes=3)
        if len(values) != len(self.ids):
            raise DataError(f"{self.where}: {key} has {len(values)} samples for {len(self.ids)} ids")
        if 0 in values.shape[1:]:
            raise DataError(
                f"{self.where}: {key} needs at least one step and one feature, got {values.shape}"
            )
        return values

    def _numbers(self, key: str) -> NDArray[Any]:
        return floats(self.content[key], f"{self.where}: {key}").reshape(-1)

    def _tokens(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Token ids, and which of them are there, (samples, time)."""
        if "text_bert" not in self.content:
            raise DataError(f"{self.where}: the file has no text_bert, so there are no tokens to keep")
        tokens = floats(self.content["text_bert"], f"{self.where}: text_bert", axes=3)
        if len(tokens) != len(self.ids) or tokens.shape[1] != 3:
            raise DataError(
                f"{self.where}: text_bert must have shape ({len(self.ids)}, 3, time), got {tokens.shape}"
            )
        return np.ascontiguousarray(tokens[:, 0], dtype=np.float32), tokens[:, 1] > 0

    def _extent(self, key: str, aligned: bool, notes: list[str]) -> tuple[Rows, Rows]:
        """First steps and true lengths, as the file gives them; those of the text where it is aligned."""
        values = self.arrays[_MODALITIES[key]]
        time = values.shape[1]
        if f"{key}_lengths" in self.content:
            given = self._numbers(f"{key}_lengths")
        elif (key == "text" or aligned) and "text_bert" in self.content:
            given = self._tokens()[1].sum(1)
        else:
            together = self.arrays.values() if aligned else [values]
            begin, found, side = extent(np.any([holding(one) for one in together], axis=0))
            where = "no padding was found" if side == "none" else f"the padding found stands in {side}"
            notes.append(f"{self._split}, {_MODALITIES[key]}: the file gives no lengths; {where}.")
            return begin, found
        if len(given) != len(self.ids):
            raise DataError(f"{self.where}: {len(given)} {key}_lengths for {len(self.ids)} ids")
        lengths: NDArray[np.int64] = np.clip(np.nan_to_num(given), 0, time).astype(np.int64)
        if (given > time).any():
            notes.append(
                f"{self._split}, {_MODALITIES[key]}: {(given > time).sum()} samples are longer than the "
                f"{time} steps that the file keeps."
            )
        return np.zeros_like(lengths), lengths


def _target(name: str, bound: float) -> Target:
    """One scale for all modalities: between -1 and 1 where no sentiment lies beyond, as in CH-SIMS."""
    if name == "sentiment_class":
        return MultiClass(name, classes=_CLASSES)
    return Regression(name, low=-bound, high=bound)
