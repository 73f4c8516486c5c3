"""The pickles of the MMSA toolkit: aligned_50.pkl, unaligned_50.pkl, unaligned_39.pkl; and MMSA-FET's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import citation
from affect.data.corpus import Corpus, Split
from affect.data.making.ids_and_words import generated_ids
from affect.data.provenance import Provenance
from affect.data.ragged import Ragged, Rows, Words
from affect.data.rules.labels import finite, lacking
from affect.data.rules.lengths import LONGEST, whole
from affect.data.rules.splits import contents, named
from affect.data.rules.values import count, floats, texts
from affect.data.sources import fet, mult
from affect.data.sources.complete import complete
from affect.data.sources.ignored_keys import ignored_keys
from affect.data.sources.mmsa_steps import Padded, rows
from affect.data.targets import MultiClass, Regression, Target, main_of
from affect.data.tokens import IDS, TOKENS
from affect.errors import DataError

MODALITIES = {"text": "text", "audio": "acoustic", "vision": "visual"}
LABELS = "regression_labels"
_CLASSES = ("negative", "neutral", "positive")
_UNIMODAL = {"T": "text", "A": "acoustic", "V": "visual"}
_MARKS = frozenset(
    (
        *(LABELS, *(f"{LABELS}_{letter}" for letter in _UNIMODAL), "classification_labels", "annotations"),
        *("text_bert", *(f"{key}_lengths" for key in MODALITIES)),
    )
)
_KNOWN = _MARKS | {"id", "raw_text", *MODALITIES}
_CONFIG, _ALIGN = "config", "align"
_WITHOUT_TOKENS = (
    "The token ids of text_bert are left out; affect.data.sources.mmsa.read(..., tokens=True) keeps them."
)
_EMBED = "affect.data.text.embed makes features of words"


def recognises(content: object) -> bool:
    """Whether a pickle's content is in this layout: some of its keys are there, and none of `mult`."""
    splits = contents(content)
    if not splits or not all(isinstance(split, dict) for split in splits):
        return False
    keys = set().union(*splits)
    if mult.LABELS in keys and LABELS not in keys:
        return False
    if keys & _MARKS:
        return True
    named = not keys.isdisjoint(("id", "raw_text"))
    return bool(keys & MODALITIES.keys()) and named and not any(map(mult.has_spans, splits))


def read(content: Any, path: Path, tokens: bool | None = False) -> Corpus:
    """A corpus from the content of a pickle; the arrays stay where they are, their padding is not read.

    Lengths are those that the file gives, once the content agrees; a step of zeros within them is one at
    which nothing was observed. Any modality and any labels may be missing.

    Args:
        content: what the pickle holds.
        path: where it is, for messages and the name.
        tokens: keep the token ids of text_bert as a modality `tokens` of one feature; None: where there are
            any.
    Raises:
        DataError: there are neither features nor words, or the parts of a split do not fit together.
    """
    notes: list[str] = []
    parts = {
        name: part
        for name, own in named(content, str(path)).items()
        if (part := _Part(own, f"{path}, {name}", name, notes)).ids
    }
    if not parts:
        raise DataError(f"{path}: no split has a sample")
    some = any(part.padded.tokens.size for part in parts.values())
    if tokens and not some:
        raise DataError(f"{path}: the file has no text_bert, so there are no tokens to keep")
    by_file = {TOKENS: Provenance(IDS)} if tokens is None and some else {}
    tokens = some if tokens is None else tokens
    labels = {name: part.labels(notes) for name, part in parts.items()}
    aligned = all(part.is_aligned for part in parts.values())
    modalities, said = rows({name: part.padded for name, part in parts.items()}, aligned, tokens)
    notes += said
    splits, said = complete(
        {
            name: Split(
                ids=part.ids,
                modalities=modalities[name],
                targets=labels[name],
                groups=tuple(one.partition("$_$")[0] for one in part.ids),
                words=part.words(),
            )
            for name, part in parts.items()
        }
    )
    notes += said + _lacking(splits, path)
    if not tokens and any("text_bert" in part.content for part in parts.values()):
        notes.append(_WITHOUT_TOKENS)
    made = fet.made(content.get(_CONFIG), next(iter(splits.values())).modalities)
    if made:
        notes += fet.config_notes(content[_CONFIG], splits)
    known = _KNOWN | {_ALIGN for part in parts.values() if part.is_timed}
    beside = {_CONFIG} if made else set()
    notes += ignored_keys(content, beside, {name: part.content for name, part in parts.items()}, known)
    targets = _targets(splits)
    return Corpus(
        name=path.stem,
        splits=splits,
        targets=targets,
        aligned=aligned,
        notes=tuple(notes),
        citation=citation(splits),
        main=main_of(targets),
        provenance={**made, **by_file},
    )


class _Part:
    """One split of the file."""

    def __init__(self, content: dict[str, Any], where: str, split: str, notes: list[str]) -> None:
        self.content, self.where, self.split = content, where, split
        self.is_timed = False
        there = {key: name for key, name in MODALITIES.items() if count(content.get(key))}
        self.ids = self._ids(there, notes)
        self.padded = Padded(
            ids=self.ids,
            where=where,
            values={name: self._array(key) for key, name in there.items()} if self.ids else {},
            lengths={},
            keys={name: key for key, name in there.items()},
            **self._tokens(),
        )
        for name, key in self.padded.keys.items():
            if f"{key}_lengths" in content and self.ids:
                self.padded.lengths[name] = self._lengths(name, key, notes)

    @property
    def is_aligned(self) -> bool:
        """Whether there is one time axis, and no lengths of single modalities."""
        times = {values.shape[1] for values in self.padded.values.values()}
        return len(times) < 2 and not any(f"{key}_lengths" in self.content for key in MODALITIES)

    def labels(self, notes: list[str]) -> dict[str, Ragged]:
        """The labels of each target."""
        keys = {LABELS: "sentiment"} | {f"{LABELS}_{x}": f"sentiment_{name}" for x, name in _UNIMODAL.items()}
        found = {name: self._numbers(key) for key, name in keys.items() if count(self.content.get(key))}
        if count(self.content.get("classification_labels")):
            found["sentiment_class"] = self._numbers("classification_labels")
        for name, values in found.items():
            if len(values) != len(self.ids):
                raise DataError(f"{self.where}: {len(values)} labels '{name}' for {len(self.ids)} ids")
        if "sentiment_class" in found:
            self._check_classes(found["sentiment_class"])
        labelled = {name: Ragged.vectors(own, finite(own[:, None])) for name, own in found.items()}
        notes += lacking(self.split, labelled)
        if "sentiment_class" not in found and count(self.content.get("annotations")):
            labelled["sentiment_class"] = self._annotations(notes)
        return labelled

    def words(self) -> Words | None:
        """The transcripts, split at blanks; as MMSA-FET aligned them, where it did."""
        if not count(self.content.get("raw_text")):
            return None
        said = texts(self.content["raw_text"], f"{self.where}: raw_text")
        if len(said) != len(self.ids):
            raise DataError(f"{self.where}: {len(said)} raw_text for {len(self.ids)} ids")
        timed = fet.timed(self.content[_ALIGN], said) if _ALIGN in self.content else None
        self.is_timed = timed is not None
        return Words.from_rows([line.split() for line in said]) if timed is None else timed

    def _ids(self, there: dict[str, str], notes: list[str]) -> tuple[str, ...]:
        if "id" in self.content:
            ids = texts(self.content["id"], f"{self.where}: id")
            if not ids:
                notes.append(f"{self.split}: the split is empty and is left out.")
            return ids
        kept = next((key for key in (LABELS, "raw_text", *there) if count(self.content.get(key))), "")
        samples = count(self.content.get(kept))
        ids, note = generated_ids(self.split, samples)
        notes += [note] if ids else []
        return ids

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

    def _check_classes(self, values: NDArray[Any]) -> None:
        wrong = np.flatnonzero(np.isfinite(values) & ~np.isin(values, range(len(_CLASSES))))
        if wrong.size:
            raise DataError(
                f"{self.where}, sample {self.ids[wrong[0]]}: classification_labels must be 0 to "
                f"{len(_CLASSES) - 1}, got {values[wrong[0]]:g}"
            )

    def _annotations(self, notes: list[str]) -> Ragged:
        """Classes by their names."""
        classes = {name: float(i) for i, name in enumerate(_CLASSES)}
        said = texts(self.content["annotations"], f"{self.where}: annotations")
        if len(said) != len(self.ids):
            raise DataError(f"{self.where}: {len(said)} annotations for {len(self.ids)} ids")
        unknown = [one for one in said if one.lower() not in classes]
        if unknown:
            notes.append(
                f"{self.split}: {len(unknown):,} annotations such as '{unknown[0]}' are none of "
                f"{', '.join(_CLASSES)} and count as not given."
            )
        places = np.array([classes.get(one.lower(), np.nan) for one in said])
        return Ragged.vectors(places, np.isfinite(places))

    def _tokens(self) -> dict[str, NDArray[Any]]:
        """Token ids, and which of them are there, (samples, time)."""
        if not count(self.content.get("text_bert")):
            return {
                "tokens": np.zeros((len(self.ids), 0), np.float32),
                "mask": np.zeros((len(self.ids), 0), bool),
            }
        tokens = floats(self.content["text_bert"], f"{self.where}: text_bert", axes=3)
        if len(tokens) != len(self.ids) or tokens.shape[1] != 3:
            raise DataError(
                f"{self.where}: text_bert must have shape ({len(self.ids)}, 3, time), got {tokens.shape}"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            indices = np.ascontiguousarray(tokens[:, 0], dtype=np.float32)
        return {"tokens": indices, "mask": tokens[:, 1] > 0}

    def _lengths(self, name: str, key: str, notes: list[str]) -> Rows:
        """How many steps the file says there are, no more than there is room for."""
        said, time = self._numbers(f"{key}_lengths"), self.padded.values[name].shape[1]
        if len(said) != len(self.ids):
            raise DataError(f"{self.where}: {len(said)} {key}_lengths for {len(self.ids)} ids")
        longer = int((said > time).sum())
        if longer:
            notes.append(
                f"{self.split}, {name}: {longer:,} samples are longer than the {time} steps that the file "
                "keeps."
            )
        lengths = whole(said, lambda i: f"{self.where}, sample {self.ids[i]}: {key}_lengths", LONGEST)
        return np.minimum(lengths, time)


def _lacking(splits: dict[str, Split], path: Path) -> list[str]:
    """Notes on what no split has.

    Raises:
        DataError: there is nothing to learn from.
    """
    first = next(iter(splits.values()))
    spoken = any(split.words is not None for split in splits.values())
    none = [name for name in MODALITIES.values() if name not in first.modalities]
    if not first.modalities and not spoken:
        raise DataError(
            f"{path}: no features in {', '.join(MODALITIES)}, and no words in raw_text; one of them would "
            f"do: {_EMBED}, and affect.data.sources.mmsa.read(..., tokens=True) keeps the ids of text_bert"
        )
    notes = []
    if "text" in none and spoken:
        none.remove("text")
        notes.append(f"The file has words and no features of them: {_EMBED}.")
    if none:
        notes.append(f"The file has no {' and no '.join(none)} features.")
    return notes + ([] if first.targets else ["The file has no labels."])


def _targets(splits: dict[str, Split]) -> dict[str, Target]:
    """One scale for all modalities: between -1 and 1 where no sentiment lies beyond, as in CH-SIMS."""
    names = next(iter(splits.values())).targets
    scaled = ["sentiment"] if "sentiment" in names else [name for name in names if name != "sentiment_class"]
    far = any((np.abs(split.labels(name)) > 1).any() for split in splits.values() for name in scaled)
    bound = 3 if far else 1
    return {
        name: MultiClass(name, classes=_CLASSES)
        if name == "sentiment_class"
        else Regression(name, low=-bound, high=bound)
        for name in names
    }
