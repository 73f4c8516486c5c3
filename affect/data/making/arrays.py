"""Arrays, tensors, lists and frames by split and name -> a corpus."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from affect.data.classes import with_kinds
from affect.data.corpus import Corpus, Split
from affect.data.duplicates import unique
from affect.data.making.extents import ModalityRows, find_rows
from affect.data.making.ids_and_words import DIGITS, generated_ids, ids_of, texts_of, words_of
from affect.data.making.labelling import Kind, read_target
from affect.data.making.masks import mask_notes
from affect.data.making.modalities import ModalityInput, count_of, read_modality
from affect.data.provenance import Provenance
from affect.data.quality import with_notes
from affect.data.ragged import Ragged
from affect.data.rules.columns import UNSURE, left_out
from affect.data.rules.labels import lacking
from affect.data.rules.observed import unobserved
from affect.data.rules.splits import EXPECTED, SPLITS, split_of
from affect.data.targets import MultiLabel, Target, main_of
from affect.errors import ConfigError, DataError, check_flag, described, did_you_mean

_IDS, _GROUPS, _WORDS, _TIMES = ("id", "ids"), ("group", "groups"), "words", "times"
_LABELS = ("y", "label", "labels", "target", "targets", "class")


@dataclass
class Part:
    """One split as it is given; what is None is not given.

    Args:
        ids: a name for each sample.
        groups: what must not be on two sides of a split, for each sample.
        words: a text, or a list of words, for each sample.
        word_times: start and end of the words of each sample.
        modalities: features, as `affect.data.making.modalities.read_modality` takes them.
        labels: as `affect.data.making.labels.labels_of` takes them.
    """

    ids: Any = None
    groups: Any = None
    words: Any = None
    word_times: Any = None
    modalities: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)


def from_arrays(splits: Mapping[str, Mapping[str, Any]], targets: Any, name: str, **about: Any) -> Corpus:
    """A corpus from arrays by split and name; `Corpus.from_arrays` says what the arguments are."""
    if not isinstance(splits, Mapping):
        raise ConfigError(
            f"Corpus.from_arrays: expected a dict of arrays by split, got {described(splits)}; write "
            "{'train': {...}, 'test': {...}}"
        )
    check_about("Corpus.from_arrays", about)
    for split in splits:
        near = difflib.get_close_matches(str(split).lower(), [*SPLITS], n=1)
        if near and not split_of(split):
            raise DataError(f"{name}: no split '{split}'; did you mean '{near[0]}'? {EXPECTED}")
    asked = kinds(targets or (), name)
    parts: dict[str, Part] = {}
    for split, content in splits.items():
        where = f"{name}, {split}"
        if not isinstance(content, Mapping):
            raise DataError(
                f"{where}: expected a dict of arrays, got {type(content).__name__}; without splits, give "
                "{'all': {...}}"
            )
        part = Part()
        for key, value in content.items():
            if value is None:
                continue
            if key in asked:
                part.labels[key] = value
            elif key in _IDS:
                part.ids = value
            elif key in _GROUPS:
                part.groups = value
            elif key == _WORDS:
                part.words = value
            elif key == _TIMES:
                part.word_times = value
            elif str(key).lower() in _LABELS:
                raise DataError(
                    f"{where}: '{key}' would be a modality; name it in targets=['{key}'] where it holds "
                    "labels, and call it something else where it does not"
                )
            else:
                part.modalities[str(key)] = value
        parts[str(split)] = part
    return corpus_of(parts, name, name, asked, **about)


def check_about(who: str, about: Mapping[str, Any]) -> None:
    """Refuse what a corpus is not told.

    Args:
        who: begins the message.
        about: by name.
    Raises:
        ConfigError: there is no such argument; `aligned` is none of True, False and None.
    Example:
        >>> check_about("Corpus.from_arrays", {"nots": ["made up"]})
        Traceback (most recent call last):
        affect.errors.ConfigError: Corpus.from_arrays: no argument 'nots'; did you mean 'notes'? known:
        aligned, ceiling, citation, columns, duplicates, main, notes, provenance
    """
    known = set(inspect.signature(corpus_of).parameters) - {"parts", "where", "name", "targets"}
    for key in about:
        if key not in known:
            raise ConfigError(f"{who}: no argument '{key}'; {did_you_mean(key, known)}")
    if about.get("aligned") is not None:
        check_flag(f"{who}: aligned", about["aligned"])


def kinds(targets: Any, where: str) -> dict[str, Kind]:
    """What is said of each target.

    Raises:
        ConfigError: that is no kind.
    Example:
        >>> kinds(["y"], "doc"), kinds({"y": "regression"}, "doc")
        ({'y': None}, {'y': {'kind': 'regression'}})
    """
    if isinstance(targets, str):
        targets = [targets]
    if isinstance(targets, Iterable) and not isinstance(targets, Mapping):
        listed = list(targets)
        targets = {one.name if isinstance(one, Target) else one: one for one in listed}
        targets = {one: kind if isinstance(kind, Target) else None for one, kind in targets.items()}
    if not isinstance(targets, Mapping):
        raise ConfigError(f"{where}: targets: expected names, or a kind by name, got {targets!r}")
    found: dict[str, Kind] = {}
    for one, kind in targets.items():
        plain = {"kind": kind} if isinstance(kind, str) else kind
        if isinstance(plain, Mapping) and str(plain.get("kind", "")).lower() == "multilabel":
            plain = MultiLabel(str(one), classes=tuple(map(str, plain.get("classes", ()))))
        if isinstance(plain, Target) and plain.name != one:
            raise ConfigError(f"{where}: targets: '{one}' is a target that is named '{plain.name}'")
        if not (plain is None or isinstance(plain, Target) or isinstance(plain, Mapping) and "kind" in plain):
            raise ConfigError(
                f"{where}: targets: {one}: expected a target, or a kind such as 'regression', got {kind!r}"
            )
        found[str(one)] = plain
    return found


def corpus_of(
    parts: Mapping[str, Part],
    where: str,
    name: str,
    targets: Mapping[str, Kind],
    *,
    columns: Mapping[str, Iterable[str]] | None = None,
    aligned: bool | None = None,
    provenance: Mapping[str, Provenance] | None = None,
    duplicates: str = "refuse",
    notes: Iterable[str] = (),
    citation: str = "",
    main: str = "",
    ceiling: Mapping[str, float] | None = None,
) -> Corpus:
    """The corpus of splits as they are given.

    Args:
        parts: by the names of splits.
        where: begins messages.
        name: as in `Corpus`; what follows, but for `duplicates`, too.
        targets: what is said of each target.
        columns: the names of the features by modality; of a frame, the columns that are features.
        aligned: None: guessed from the lengths, with a note.
        provenance: who made the features.
        duplicates: as in `affect.load`.
        notes: stand before those that are made here.
        citation: whom to cite.
        main: by default `sentiment`, or the only one.
        ceiling: the best possible scores.
    Raises:
        DataError: the parts do not fit together.
    """
    said = list(notes)
    parts = _normal(parts, where)
    counts = {split: _count(part, f"{where}, {split}") for split, part in parts.items()}
    ids = {
        split: ids_of(part.ids, split, counts[split], f"{where}, {split}") for split, part in parts.items()
    }
    said += [generated_ids(s, counts[s], DIGITS)[1] for s, part in parts.items() if part.ids is None]
    chosen = {m: tuple(map(str, own)) for m, own in (columns or {}).items()}
    every = dict.fromkeys(m for part in parts.values() for m in part.modalities)
    for m in (*chosen, *(provenance or {})):
        if m not in every:
            raise DataError(f"{where}: no modality '{m}'; {did_you_mean(m, every)}")
    found: dict[str, dict[str, ModalityInput]] = {}
    for split, part in parts.items():
        found[split] = {
            m: read_modality(content, f"{where}, {split}: {m}", ids[split], chosen.get(m), targets)
            for m, content in part.modalities.items()
            if content is not None
        }
    dims, known = _agreed(found, where, chosen)
    settled = find_rows(found, ids, aligned)
    said += modality_notes(found, settled)
    labels = {
        t: read_target(t, kind, {s: part.labels.get(t) for s, part in parts.items()}, ids, where)
        for t, kind in targets.items()
    }
    said += [note for own in labels.values() for note in own.notes]
    for split, part in parts.items():
        here = {t: own.rows[split] for t, own in labels.items() if part.labels.get(t) is not None}
        said += lacking(split, here, "missing")
    splits = {}
    for split, part in parts.items():
        rows = settled.rows[split]
        for m in dims:
            if m not in rows:
                said.append(f"{m}: no sample of {split} has it.")
        splits[split] = Split(
            ids=ids[split],
            modalities={m: rows.get(m, Ragged.from_rows([None] * counts[split], n)) for m, n in dims.items()},
            targets={t: own.rows[split] for t, own in labels.items()},
            groups=None if part.groups is None else texts_of(part.groups, f"{where}, {split}: group"),
            words=words_of(part.words, part.word_times, ids[split], f"{where}, {split}"),
        )
    corpus = Corpus(
        name=name,
        splits=splits,
        targets={t: own.target for t, own in labels.items()},
        aligned=settled.aligned,
        notes=tuple(said),
        citation=citation,
        ceiling=dict(ceiling or {}),
        main=main or main_of(labels),
        columns=known,
        provenance=dict(provenance or {}),
    )
    return with_kinds(
        with_notes(unique(corpus, duplicates)), {t: own.kind for t, own in labels.items() if own.kind}
    )


def _normal(parts: Mapping[str, Part], where: str) -> dict[str, Part]:
    """The splits under the names that they have elsewhere."""
    found: dict[str, Part] = {}
    for split, part in parts.items():
        plain = split_of(split) or split
        if plain in found:
            raise DataError(f"{where}: two splits are '{plain}', one is called '{split}'; rename one")
        found[plain] = part
    return found


def _count(part: Part, where: str) -> int:
    """The number of samples, once everything has as many."""
    every = {
        "id": part.ids,
        **{f"target '{t}'": content for t, content in part.labels.items()},
        **part.modalities,
        "group": part.groups,
        "words": part.words,
        "times": part.word_times,
    }
    counts = {key: count_of(x, f"{where}: {key}") for key, x in every.items() if x is not None}
    if not any(counts.values()):
        raise DataError(f"{where}: the split is empty; leave it out")
    first, expected = next(iter(counts.items()))
    for key, got in counts.items():
        if got != expected:
            raise DataError(f"{where}: {key} has {got} samples, expected {expected} as {first} has")
    return expected


def _agreed(
    found: Mapping[str, Mapping[str, ModalityInput]], where: str, chosen: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
    """Feature sizes and names of columns, once they are the same in every split."""
    dims: dict[str, int] = {}
    columns: dict[str, tuple[str, ...]] = {}
    first: dict[str, str] = {}
    for split, parts in found.items():
        for m, own in parts.items():
            if own.dim is None:
                continue
            if own.dim != dims.setdefault(m, own.dim):
                raise DataError(
                    f"{where}: {m} has {dims[m]} features in {first[m]} and {own.dim} in {split}; "
                    "a modality has one size"
                )
            names = own.columns or chosen.get(m)
            if names is not None and names != columns.setdefault(m, names):
                raise DataError(
                    f"{where}: {m} has other columns in {split} than in {first[m]}, or another order of them"
                )
            first.setdefault(m, split)
    return dims, columns


def modality_notes(found: Mapping[str, Mapping[str, ModalityInput]], settled: ModalityRows) -> list[str]:
    """The notes on what was left out and what counts as what, by modality.

    Args:
        found: by split and modality.
        settled: the rows of the same.
    """
    notes = list(settled.notes)
    for m in dict.fromkeys(m for parts in found.values() for m in parts):
        own = [parts[m] for parts in found.values() if m in parts]
        if all(one.dim is None for one in own):
            notes.append(f"{m}: no sample has it, and it is left out.")
            continue
        left = dict.fromkeys(name for one in own for name in one.left)
        if left:
            notes.append(left_out(m, left))
        longer = sum(
            int((one.lengths > one.padded.shape[1]).sum())
            for one in own
            if one.lengths is not None and one.padded is not None
        )
        if longer:
            notes.append(
                f"{m}: {longer:,} samples are longer by their lengths than the steps that are given."
            )
        notes += mask_notes(own[0].where, m, [one.masked for one in own])
        untimed = sum(one.untimed for one in own)
        if untimed:
            count = sum(int((one.rows.lengths > 0).sum()) for one in own if one.rows is not None)
            verb = "has" if untimed == 1 else "have"
            notes.append(f"{m}: {untimed:,} of {count:,} samples {verb} no times, where others do.")
        failed, beyond = sum(one.failed for one in own), sum(one.beyond for one in own)
        if failed:
            notes.append(f"{m}: {failed:,} steps were not measured ({UNSURE}) and count as unobserved.")
        if beyond:
            notes.append(f"{m}: {beyond:,} finite values beyond float32 count as infinite.")
        empty, steps = settled.empty[m]
        if empty:
            notes.append(unobserved(m, np.repeat([False, True], [empty, steps - empty])))
    return notes
