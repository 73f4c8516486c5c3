"""Dialogues of any file -> a corpus in which a sample is a dialogue and a step an utterance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from affect.data import speakers
from affect.data.corpora import CORPORA
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Words
from affect.data.rules.observed import observed, unobserved
from affect.data.rules.splits import ORDER
from affect.data.sources.dialogues.encodings import mended
from affect.data.sources.options import DEFAULTS, Options
from affect.data.targets import Target, main_of
from affect.errors import DataError

_UTTERANCES = "The words of a dialogue are its utterances, one for each step."
_PARTIES = (
    "speaker: a step says which party of its dialogue speaks, by the order in which they speak first, and is "
    "for an encoder of indices."
)
_MAIN = ("emotion", "sarcasm")


@dataclass(frozen=True, eq=False)
class Dialogue:
    """One dialogue of a file, whatever the file.

    Args:
        name: its id.
        count: how many utterances it has.
        said: their texts, where the file has them.
        spoken: who speaks, a name or a number, None where that is not known; where the file has speakers.
        labels: by target, NaN where none is given.
        features: by modality, a row for each utterance.
        times: start and end of each in seconds.
        group: what must not be on two sides of a split; where empty, the dialogue itself.
    Shapes:
        labels: (utterances,) each
        features: (utterances, feature) each
        times: (utterances, 2)
    """

    name: str
    count: int
    said: tuple[str, ...] | None = None
    spoken: tuple[str | int | None, ...] | None = None
    labels: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    features: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    times: NDArray[np.float64] | None = None
    group: str = ""


@dataclass(frozen=True, eq=False)
class Found:
    """What a reader found in a file.

    Args:
        where: the file, which begins messages.
        name: of the corpus.
        splits: the dialogues of each.
        targets: what their labels are.
        column: what the file calls its speakers, where it names persons; empty where it tells parties apart.
        public: the public corpus, where that is known.
        notes: what was left out, guessed and repaired.
    """

    where: str
    name: str
    splits: Mapping[str, list[Dialogue]]
    targets: tuple[Target, ...]
    column: str = ""
    public: str = ""
    notes: tuple[str, ...] = ()


def corpus(found: Found, options: Options = DEFAULTS) -> Corpus:
    """The corpus of a file's dialogues.

    Args:
        found: what was read.
        options: `columns` with the name of the column of speakers asks for who they are.
    Raises:
        DataError: no dialogue has an utterance, or the parts of one do not fit together.
    """
    splits, notes = _held(found)
    splits, said = _mended(splits)
    notes = [*found.notes, *notes, *said]
    every = [one for own in splits.values() for one in own]
    rows: dict[str, dict[str, Ragged]] = {split: {} for split in splits}
    dims = _sizes(found.where, splits)
    for m, dim in dims.items():
        for split, own in splits.items():
            rows[split][m] = _features(own, m, dim)
        seen = np.concatenate([rows[split][m].observed for split in splits])
        notes += [] if seen.all() else [unobserved(m, seen)]
        notes += _absent(splits, m)
    columns: dict[str, tuple[str, ...]] = {}
    if any(name is not None for one in every for name in one.spoken or ()):
        rows, columns, said = _spoken(splits, rows, found.column, options)
        notes += said
    else:
        notes.append("The file does not say who speaks.")
    back = sum(one.times is not None and bool((np.diff(one.times[:, 0]) < 0).any()) for one in every)
    if back:
        what = "dialogue" if back == 1 else "dialogues"
        notes.append(f"In {back:,} {what} an utterance begins before the one in front of it.")
    has_words = any(one.said is not None for one in every)
    notes += [_UTTERANCES] if has_words else []
    kept, said = _targets(found.targets, splits)
    notes += said
    names = {target.name: target for target in kept}
    return Corpus(
        name=found.name,
        splits={
            split: Split(
                ids=tuple(one.name for one in own),
                modalities=rows[split],
                targets={name: _labels(own, name) for name in names},
                groups=tuple(one.group or one.name for one in own),
                words=_words(own) if has_words else None,
            )
            for split, own in splits.items()
        },
        targets=names,
        aligned=True,
        notes=tuple(notes),
        citation=CORPORA[found.public].citation if found.public in CORPORA else "",
        main=next((name for name in _MAIN if name in names), main_of(names)),
        columns=columns,
    )


def _held(found: Found) -> tuple[dict[str, list[Dialogue]], list[str]]:
    """The dialogues that have utterances, by split in the order of training, and notes on the others."""
    notes, held = [], {}
    for split in (name for name in ORDER if name in found.splits):
        own = [one for one in found.splits[split] if one.count]
        empty = len(found.splits[split]) - len(own)
        if empty:
            verb, which = ("has", "is") if empty == 1 else ("have", "are")
            what = "dialogue" if empty == 1 else "dialogues"
            notes.append(f"{split}: {empty:,} {what} {verb} no utterance and {which} left out.")
        if own:
            held[split] = own
        elif not empty:
            notes.append(f"{split}: the split is empty and is left out.")
    if not held:
        raise DataError(f"{found.where}: no dialogue has an utterance")
    return held, notes


def _mended(splits: Mapping[str, list[Dialogue]]) -> tuple[dict[str, list[Dialogue]], list[str]]:
    """The same dialogues with their texts and names in one encoding."""
    count, empty = 0, 0
    changed: dict[str, list[Dialogue]] = {}
    for split, own in splits.items():
        changed[split] = []
        for one in own:
            said = None if one.said is None else tuple(map(mended, one.said))
            names = None if one.spoken is None else tuple(map(_mended_name, one.spoken))
            for before, after in ((one.said, said), (one.spoken, names)):
                count += sum(a != b for a, b in zip(before or (), after or (), strict=True))
            empty += sum(not text.strip() for text in said or ())
            changed[split].append(replace(one, said=said, spoken=names))
    notes = []
    if count:
        what = "text or name" if count == 1 else "texts or names"
        notes.append(f"{count:,} {what} held characters in another encoding (Windows-1252), and were mended.")
    if empty:
        what = "utterance holds" if empty == 1 else "utterances hold"
        notes.append(f"{empty:,} {what} no text.")
    return changed, notes


def _mended_name(name: str | int | None) -> str | int | None:
    return mended(name) if isinstance(name, str) else name


def _sizes(where: str, splits: Mapping[str, list[Dialogue]]) -> dict[str, int]:
    """Feature sizes by modality, once every dialogue has as many rows as utterances."""
    dims: dict[str, int] = {}
    for split, own in splits.items():
        for one in own:
            for part, rows in (("times", one.times), *one.features.items()):
                if rows is not None and len(rows) != one.count:
                    raise DataError(
                        f"{where}, {split}, dialogue {one.name}: {part} has {len(rows)} rows for {one.count} "
                        "utterances"
                    )
            for m, rows in one.features.items():
                if dims.setdefault(m, rows.shape[1]) != rows.shape[1]:
                    raise DataError(
                        f"{where}, {split}, dialogue {one.name}: {m} needs feature size {dims[m]} as in the "
                        f"first dialogue, got {rows.shape[1]}"
                    )
    return dims


def _features(own: list[Dialogue], modality: str, dim: int) -> Ragged:
    rows = [one.features.get(modality) for one in own]
    seen = [None if row is None else observed(row) for row in rows]
    return Ragged.from_rows(rows, dim, seen, _times(own, modality))


def _times(own: list[Dialogue], modality: str = "") -> list[NDArray[np.float64] | None] | None:
    if all(one.times is None for one in own):
        return None
    return [one.times if not modality or modality in one.features else None for one in own]


def _absent(splits: Mapping[str, list[Dialogue]], modality: str) -> list[str]:
    notes = []
    for split, own in splits.items():
        none = sum(modality not in one.features for one in own)
        if none:
            notes.append(f"{split}: {none:,} of {len(own):,} dialogues lack {modality}.")
    return notes


def _spoken(
    splits: Mapping[str, list[Dialogue]],
    rows: dict[str, dict[str, Ragged]],
    column: str,
    options: Options,
) -> tuple[dict[str, dict[str, Ragged]], dict[str, tuple[str, ...]], list[str]]:
    """The rows with those of the speakers, the names of their columns, and what is said of them."""
    names = {split: [one.spoken or (None,) * one.count for one in own] for split, own in splits.items()}
    times = {split: _times(own) for split, own in splits.items()}
    found = {s: {**rows[s], speakers.SPEAKER: speakers.parties(names[s], times[s])} for s in splits}
    columns: dict[str, tuple[str, ...]] = {speakers.SPEAKER: ("party",)}
    notes = [_PARTIES]
    unknown = sum(name is None for own in names.values() for one in own for name in one)
    if unknown:
        total = sum(len(one) for own in names.values() for one in own)
        notes.append(f"speaker: of {unknown:,} of {total:,} utterances it is not known who speaks.")
    asked = next((one for one in options.columns if column and one.lower() == column.lower()), "")
    if not asked:
        return found, columns, notes
    persons, known = speakers.identities(names, times=times)
    found = {split: {**own, speakers.IDENTITY: persons[split]} for split, own in found.items()}
    where = "train" if "train" in splits else "all splits"
    said = (
        f"{speakers.IDENTITY}: `columns` asks for who speaks, and {len(known):,} persons of {where} are told"
    )
    notes.append(f"{said} apart; a model may know a person by them in place of what is felt.")
    for split in [name for name in splits if name != "train"] if "train" in splits else ():
        steps = persons[split].observed
        notes.append(
            f"{speakers.IDENTITY}: {steps.sum():,} of {len(steps):,} utterances of {split} are of persons of "
            "train."
        )
    return found, {**columns, speakers.IDENTITY: (asked,)}, notes


def _words(own: list[Dialogue]) -> Words:
    return Words.from_rows([one.said or ("",) * one.count for one in own], _times(own))


def _targets(
    targets: Iterable[Target], splits: Mapping[str, list[Dialogue]]
) -> tuple[list[Target], list[str]]:
    """The targets of which there are labels, and notes on labels that are not given."""
    kept, notes = [], []
    for target in targets:
        if any(_given(one, target.name).any() for own in splits.values() for one in own):
            kept.append(target)
        else:
            notes.append(f"The target {target.name} is left out: the file gives no label of it.")
    for split, own in splits.items():
        lacking: dict[int, list[str]] = {}
        total = sum(one.count for one in own)
        for target in kept:
            none = total - sum(int(_given(one, target.name).sum()) for one in own)
            lacking.setdefault(none, []).append(target.name)
        for none, names in lacking.items():
            if none:
                notes.append(
                    f"{split}: {none:,} of {total:,} utterances have no label of {', '.join(names)}."
                )
    return kept, [*notes, *([] if kept else ["The file has no labels."])]


def _given(one: Dialogue, target: str) -> NDArray[np.bool_]:
    labels = one.labels.get(target)
    found: NDArray[np.bool_] = np.zeros(one.count, bool) if labels is None else np.isfinite(labels)
    return found


def _labels(own: list[Dialogue], target: str) -> Ragged:
    given = [_given(one, target) for one in own]
    values = [
        np.where(seen, one.labels[target], 0)[:, None] if target in one.labels else np.zeros((one.count, 1))
        for one, seen in zip(own, given, strict=True)
    ]
    return Ragged.from_rows(values, 1, given)
