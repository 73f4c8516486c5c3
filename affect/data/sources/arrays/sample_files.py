"""A file of arrays for each sample, with all its modalities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from affect.data.corpus import Corpus
from affect.data.making.arrays import Part, corpus_of, modality_notes
from affect.data.making.extents import find_rows
from affect.data.making.ids_and_words import given_any, groups_of, words_of
from affect.data.making.modalities import read_modality
from affect.data.making.step_features import StepFeatures
from affect.data.rules.columns import kept
from affect.data.rules.splits import split_of
from affect.data.rules.values import text
from affect.data.sources.arrays.archives import contents
from affect.data.sources.arrays.by_name import Fields, is_text, leaves
from affect.data.sources.arrays.roles import role_of
from affect.data.sources.arrays.single import sample_features
from affect.data.sources.options import Options
from affect.data.sources.progress import counted
from affect.data.sources.tables import column_names, label_tables
from affect.data.sources.tables.of_samples import samples
from affect.errors import DataError
from affect.files import real


@dataclass
class _One:
    """What the file of one sample holds."""

    id: str
    said: dict[str, Any] = field(default_factory=dict)
    modalities: dict[str, StepFeatures] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)
    doubtful: dict[str, Any] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def read(path: Path, files: Iterable[tuple[str, str, Path]], options: Options) -> Corpus:
    """A corpus from a file of all arrays for each sample, `ID.npz` or `ID.pt`.

    An array is (steps, feature), (1, steps, feature) or (feature,); `audio_times`, `audio_mask` and
    `audio_columns` may stand beside `audio`. Labels are in a table beside the files, `labels.csv` or the only
    one, whose columns are as in `affect.data.sources.folders`; or in the files, as single numbers or names.
    There, `id`, `split`, `words` and `speaker` may stand too; the id is else the name of the file, and the
    split that of its folder.

    Args:
        path: the folder, or one of the files.
        files: split, id and path of each; the split is empty where no name says it.
        options: which names are targets.
    Raises:
        DataError: a file is damaged, or the files do not fit together.
    """
    folder = path if path.is_dir() else path.parent
    own = {file: (split, name) for split, name, file in files}
    found = [
        _one(own[file][1], own[file][0], file, options) for file in counted(list(own), "files of samples")
    ]
    labels_file = label_tables.single(folder, own)
    notes = _decided(found, labels_file is not None)
    if labels_file is not None:
        return _with_table(folder, labels_file, found, notes, options)
    parts: dict[str, list[_One]] = {}
    for one in found:
        parts.setdefault(one.said.get("split") or "all", []).append(one)
    names = dict.fromkeys(m for one in found for m in one.modalities)
    labels = dict.fromkeys(t for one in found for t in one.labels)
    return corpus_of(
        {split: _part(own, names, labels) for split, own in parts.items()},
        str(folder),
        real(folder).name,
        {t: options.targets.get(t) for t in labels},
        duplicates="keep",
        notes=notes,
    )


def _part(own: list[_One], modalities: Iterable[str], labels: Iterable[str]) -> Part:
    ids = [one.id for one in own]
    return Part(
        ids=ids,
        groups=groups_of([one.said.get("group") for one in own], ids),
        words=given_any([one.said.get("words") for one in own]),
        word_times=given_any([one.said.get("times") for one in own]),
        modalities={m: [one.modalities.get(m) for one in own] for m in modalities},
        labels={t: [one.labels.get(t) for one in own] for t in labels},
    )


def _with_table(folder: Path, file: Path, found: list[_One], notes: list[str], options: Options) -> Corpus:
    """The corpus whose samples, labels and splits a table says."""
    whole, renamed = column_names.table(file, options)
    notes += [*renamed, *label_tables.passed_over(folder, file)]
    table = samples(whole, file, label_tables.RULE, options, steps=False)
    ids = table.whole.ids
    by_id = {one.id: one for one in found}
    if len(by_id) < len(found):
        twice_named = next(one.id for i, one in enumerate(found) if by_id[one.id] is not found[i])
        raise DataError(f"{folder}: two files hold sample '{twice_named}'; keep one")
    own = [by_id.get(one) for one in ids]
    if not any(own):
        raise DataError(f"{folder}: none of its {len(found)} files is named after an id, such as '{ids[0]}'")
    left = len(by_id.keys() - set(ids))
    if left:
        notes.append(f"{left:,} files have no row in {file.name} and are left out.")
    names = dict.fromkeys(m for one in own if one is not None for m in one.modalities)
    rows = {
        m: read_modality(
            [None if one is None else one.modalities.get(m) for one in own], f"{folder}: {m}", ids,
            targets=table.labels,
        )
        for m in names
    }  # fmt: skip
    words = [one and one.said.get("words") for one in own]
    if given_any(words) is not None and table.whole.words is None:
        times = [one and one.said.get("times") for one in own]
        said = words_of(words, times, ids, str(folder))
        table = replace(table, whole=replace(table.whole, words=said))
    splits = [str(one.said.get("split", "")) if one else "" for one in own]
    if all(splits) and set(table.splits) == {"all"}:
        table = replace(table, splits=tuple(split_of(one) or "all" for one in splits))
    settled = find_rows({"all": rows}, {"all": ids}, None)
    notes += modality_notes({"all": rows}, settled)
    corpus = table.corpus(real(folder).name, settled.rows["all"], settled.aligned, {}, notes)
    columns = {m: one.columns for m, one in rows.items() if one.columns is not None}
    return replace(corpus, columns=columns)


def _one(name: str, split: str, file: Path, options: Options) -> _One:
    """What a file holds, by the names of its arrays."""
    found = _One(name, {"split": split} if split else {})
    fields: dict[str, Fields] = {}
    shared: Fields = {}
    for key, value in leaves(contents(file)):
        role, item = role_of(key, options.targets), _item(value)
        many = isinstance(item, np.ndarray | list)
        if item is None or role.kind == "tokens":
            found.unread.append(key)
        elif role.kind == "shared":
            shared[role.field] = item
        elif role.kind == "label":
            found.labels[role.name] = item
        elif role.kind == "words" and role.field == "times":
            found.said["times"] = item
        elif role.kind == "words" or (role.name == "text" and is_text(item if many else [item])):
            found.said["words"] = item
        elif role.kind in ("id", "group", "split") and not many:
            found.said[role.kind] = text(item)
        elif role.kind == "modality" and role.field != "values":
            fields.setdefault(role.name, {})[role.field] = item
        elif role.kind == "modality" and (role.plain or many) and not is_text(item):
            fields.setdefault(role.name, {})["values"] = item
        elif not many:
            found.doubtful[role.name] = item
        else:
            found.unread.append(key)
    for m, own in fields.items():
        if "values" not in own:
            found.unread += [f"{m} ({key})" for key in own]
            continue
        beside = {
            key: x
            for key, x in shared.items()
            if len(fields) == 1 or np.shape(x)[:1] == np.shape(own["values"])[:1]
        }
        found.modalities[m] = sample_features(
            own["values"], {**beside, **own}, f"{file}: {m}", kept(options.columns, m), options.targets
        )
    found.id = found.said.get("id", name)
    return found


def _item(value: Any) -> Any:
    """A single number or text, an array, or a list; None where it is nothing that is read."""
    if isinstance(value, np.ndarray):
        if value.ndim == 0 or (value.size == 1 and value.dtype.kind in "US"):
            return value.reshape(-1)[0].item()
        return value
    if isinstance(value, bytes | str | int | float | np.generic):
        return value.item() if isinstance(value, np.generic) else value
    return list(value) if isinstance(value, list | tuple) and value else None


def _decided(found: list[_One], has_table: bool) -> list[str]:
    """Single values of any name are labels where samples differ in them; the notes on what is not read."""
    unread = list(dict.fromkeys(key for one in found for key in one.unread))
    for name in dict.fromkeys(name for one in found for name in one.doubtful):
        values = {text(one.doubtful[name]) for one in found if name in one.doubtful}
        if len(values) < 2:
            unread.append(name)
            continue
        for one in found:
            if name in one.doubtful:
                one.labels[name] = one.doubtful[name]
    if has_table:
        unread += list(dict.fromkeys(name for one in found for name in one.labels))
    return [f"Not read: {', '.join(unread)}."] if unread else []
