"""The pickles of DialogueRNN, DialogueGCN, COSMIC, MMGCN and GCNet: dictionaries by dialogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpora import recognise
from affect.data.corpus import Corpus
from affect.data.rules.values import floats, text
from affect.data.sources.dialogues import assembly
from affect.data.sources.dialogues.assembly import Dialogue, Found
from affect.data.sources.dialogues.known import KNOWN, recognised
from affect.data.sources.dialogues.parts import Roles, kind_of, roles
from affect.data.sources.dialogues.split_lists import splits_of
from affect.data.sources.options import DEFAULTS, Options
from affect.data.targets import MultiClass, Regression, Target
from affect.errors import DataError

RULE = "dictionaries by dialogue, and lists of dialogues for training, validation and test"
_MODALITIES = ("text", "acoustic", "visual")
_FEW, _MOST_PARTS, _MOST_LISTS = 2, 40, 3
_SENTIMENTS = 3
_POSITIVE = "positive"


def recognises(content: object) -> bool:
    """Whether a pickle's content is parts, of which several have rows of the same dialogues."""
    if not isinstance(content, list | tuple) or not _FEW <= len(content) <= _MOST_PARTS:
        return False
    tables = _tables(content)
    return len(tables) >= _FEW and any(kind_of(rows) not in ("", "texts") for rows in tables.values())


def read(content: Any, path: Path, options: Options = DEFAULTS) -> Corpus:
    """A corpus from the content of a pickle: ids, speakers, labels, texts and features by dialogue.

    The parts have other orders in every published file; what each is, is told from what it holds
    (`affect.data.sources.dialogues.parts.roles`), and which list of dialogues is which split, from its names
    and sizes. Features alone are taken in the order that all files have: text (one, or one for each of
    several layers), acoustic, visual. A label of -1 is none given.

    Args:
        content: what the pickle holds.
        path: where it is, for messages and the name.
        options: `columns` with `speaker` asks for who speaks, where the file names persons.
    Raises:
        DataError: the parts do not fit together, or there are more than three lists of dialogues.
    """
    tables = _tables(content)
    found = roles(tables)
    keys = list(next(iter(tables.values())))
    public = recognised(keys) or recognise(keys)
    lists = {place: own for place, part in enumerate(content, 1) if (own := _names(part, keys)) is not None}
    if len(lists) > _MOST_LISTS:
        raise DataError(f"{path}: expected at most {_MOST_LISTS} lists of dialogues, got {len(lists)}")
    splits, notes = splits_of(list(lists.values()), public, found.labels_first)
    if not splits:
        splits = {"all": tuple(keys)}
    targets = _targets(found, public)
    features, said = _modalities(found, tables, path)
    notes += said
    notes += _left(content, tables, lists, found, keys, splits)
    notes += _named_twice(found)
    if len(targets) and not any(found.classes) and public not in KNOWN:
        notes.append("The file names neither its labels nor their classes.")
    dialogues = {}
    for split, own in splits.items():
        there = [key for key in own if key in tables[next(iter(tables))]]
        dialogues[split] = [_dialogue(key, found, targets, features, f"{path}, {split}") for key in there]
        if len(there) < len(own):
            notes.append(f"{split}: {len(own) - len(there):,} of {len(own):,} dialogues are not in the file.")
    return assembly.corpus(
        Found(
            where=str(path),
            name=path.stem,
            splits=dialogues,
            targets=targets,
            column="speaker" if found.named else "",
            public=public,
            notes=tuple(notes),
        ),
        options,
    )


def _tables(content: Any) -> dict[int, dict[str, Any]]:
    """The parts that hold rows of the same dialogues, by their place from 1."""
    every = {
        place: {_key(key): row for key, row in part.items()}
        for place, part in enumerate(content, 1)
        if isinstance(part, dict) and part and all(map(_is_row, part.values()))
    }
    best: dict[int, dict[str, Any]] = {}
    for own in every.values():
        alike = {p: t for p, t in every.items() if 2 * len(t.keys() & own.keys()) > max(len(t), len(own))}
        best = max(best, alike, key=len)
    keys = dict.fromkeys(key for table in best.values() for key in table)
    return {place: {key: table[key] for key in keys if key in table} for place, table in best.items()}


def _is_row(row: object) -> bool:
    return isinstance(row, list | tuple) or (isinstance(row, np.ndarray) and row.ndim > 0)


def _key(key: object) -> str:
    return text(key.item() if isinstance(key, np.generic) else key)


def _names(part: Any, keys: list[str]) -> tuple[str, ...] | None:
    """The dialogues that a part lists, those of a set in the order of the file; None of no list."""
    if isinstance(part, np.ndarray) and part.ndim == 1:
        part = part.tolist()
    if not isinstance(part, list | tuple | set | frozenset):
        return None
    if not all(isinstance(one, str | bytes | int | np.generic) for one in part):
        return None
    known, named = set(keys), [_key(one) for one in part]
    if 2 * sum(name in known for name in named) < len(named):
        return None
    if isinstance(part, set | frozenset):
        order = {key: i for i, key in enumerate(keys)}
        named.sort(key=lambda name: (order.get(name, len(keys)), name))
    return tuple(named)


def _targets(found: Roles, public: str) -> tuple[Target, ...]:
    """What the labels are, emotion, and of two the one of at most three classes sentiment."""
    counts = [_classes(labels) for labels in found.labels]
    names = ["label"] * len(counts)
    if public in ("mosi", "mosei") and len(counts) == 1:
        names = ["sentiment"]
    else:
        classes = [i for i, count in enumerate(counts) if count]
        if classes:
            names[max(classes, key=lambda i: counts[i])] = "emotion"
        if len(classes) == _FEW and min(counts[i] for i in classes) <= _SENTIMENTS < max(
            counts[i] for i in classes
        ):
            names[min(classes, key=lambda i: counts[i])] = "sentiment"
        names = [
            "sentiment" if _POSITIVE in _names_of(public, counts[i]) else name for i, name in enumerate(names)
        ]
    targets: list[Target] = []
    for i, count in enumerate(counts):
        name = names[i] if names[i] != "label" or names.count("label") == 1 else f"label{i + 1}"
        if not count:
            ends = (-3, 3) if public in ("mosi", "mosei") else (None, None)
            targets.append(Regression(name, per_step=True, low=ends[0], high=ends[1]))
            continue
        classes_ = found.classes[i] or _names_of(public, count) or tuple(map(str, range(count)))
        targets.append(MultiClass(name, per_step=True, classes=classes_))
    return tuple(targets)


def _names_of(public: str, count: int) -> tuple[str, ...]:
    return KNOWN[public].classes.get(count, ()) if public in KNOWN else ()


def _classes(labels: dict[str, NDArray[np.float64]]) -> int:
    """How many classes these numbers are codes of; 0 where they are none."""
    every = np.concatenate([np.zeros(0), *labels.values()])
    known = every[np.isfinite(every)]
    if not len(known) or (known != np.rint(known)).any() or known.min() < -1:
        return 0
    return int(known.max()) + 1


def _modalities(found: Roles, tables: Any, path: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The features by modality, and the note on their order."""
    sizes = []
    for part in found.features:
        first = next(row for row in part.values() if len(row))
        sizes.append(int(np.asarray(first).shape[1]))
    if not sizes:
        return {}, []
    layers = 1
    while len(sizes) > len(_MODALITIES) and layers < len(sizes) and sizes[layers] == sizes[0]:
        layers += 1
    names = ["text", *(f"text{i}" for i in range(2, layers + 1)), *_MODALITIES[1:]][: len(sizes)]
    if len(names) < len(sizes):
        names = [f"features{i}" for i in range(1, len(sizes) + 1)]
    said = ", ".join(f"{name} {size}" for name, size in zip(names, sizes, strict=True))
    return dict(zip(names, found.features, strict=True)), [
        f"The file does not name its features, which are taken in their order as {said}."
    ]


def _left(
    content: Any,
    tables: dict[int, Any],
    lists: dict[int, Any],
    found: Roles,
    keys: list[str],
    splits: dict[str, tuple[str, ...]],
) -> list[str]:
    """Notes on parts and dialogues that are not read."""
    notes = []
    others = [p for p in range(1, len(content) + 1) if p not in tables and p not in lists]
    if places := sorted((*found.unread, *others)):
        which = "part" if len(places) == 1 else "parts"
        notes.append(f"Not read: {which} {', '.join(map(str, places))} of the {len(content)} of the file.")
    listed = {one for own in splits.values() for one in own}
    none = sum(key not in listed for key in keys)
    if none:
        what = "dialogue is" if none == 1 else "dialogues are"
        notes.append(f"{none:,} {what} in no split and left out.")
    return notes


def _named_twice(found: Roles) -> list[str]:
    every = [
        f"{key} {one}" if one.isdecimal() else one for key, row in (found.ids or {}).items() for one in row
    ]
    twice = len(every) - len({*every})
    return [f"{twice:,} utterances have an id that another one has, too."] if twice else []


def _dialogue(
    key: str, found: Roles, targets: tuple[Target, ...], features: dict[str, dict[str, Any]], where: str
) -> Dialogue:
    parts = (found.said, found.ids, found.spoken, *found.labels, *features.values())
    counts = [len(part[key]) for part in parts if part is not None and key in part]
    if len(set(counts)) > 1:
        raise DataError(
            f"{where}, dialogue {key}: its parts have {', '.join(map(str, sorted(set(counts))))} utterances; "
            "expected as many in all"
        )
    count = counts[0] if counts else 0
    labels = {}
    for target, own in zip(targets, found.labels, strict=True):
        if key in own:
            values = own[key]
            none = values < 0 if isinstance(target, MultiClass) else np.zeros(len(values), bool)
            labels[target.name] = np.where(none, np.nan, values)
    said = None if found.said is None else tuple(found.said.get(key, [""] * count))
    spoken = None if found.spoken is None else tuple(found.spoken.get(key, [None] * count))
    rows = {
        m: floats(own[key], f"{where}, dialogue {key}: {m}", 2)
        for m, own in features.items()
        if count and key in own
    }
    return Dialogue(key, count, said, spoken, labels, rows)
