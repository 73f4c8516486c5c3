"""Arrays by their names -> what the splits of a corpus consist of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from affect.data.rules.kinds import inferred
from affect.data.rules.splits import EXPECTED, ORDER, split_of
from affect.data.rules.values import texts
from affect.data.sources.arrays.roles import Role, role_of
from affect.data.sources.tables.folds import by_number
from affect.data.sources.tables.of_samples import named
from affect.errors import DataError

Fields: TypeAlias = dict[str, Any]
"""What is known of a modality, a target or the ids: `values`, and what stands beside them."""

_DEPTH = 30
_TEXTUAL = ("id", "group", "words", "split")


@dataclass
class Keyed:
    """The arrays of one split, by what they are.

    Args:
        said: fields of what is said of the samples: `id`, `group`, `words`, `split`.
        shared: fields of all modalities.
        modalities: fields by name.
        labels: fields by target.
        called: the name of the array that says the split of each sample.
    """

    said: dict[str, Fields] = field(default_factory=dict)
    shared: Fields = field(default_factory=dict)
    modalities: dict[str, Fields] = field(default_factory=dict)
    labels: dict[str, Fields] = field(default_factory=dict)
    called: str = ""

    @property
    def every(self) -> list[Fields]:
        """All fields, ids and labels first: by them is known how many samples there are."""
        return [*self.said.values(), *self.labels.values(), *self.modalities.values(), self.shared]

    def take(self, rows: list[int], count: int) -> Keyed:
        """Some of the `count` samples; of what lies end to end, their steps."""

        def taken(fields: Fields) -> Fields:
            steps = _end_to_end(fields, rows, count)
            return {
                key: value if key == "columns"
                else value[steps] if steps is not None and key != "lengths" and isinstance(value, np.ndarray)
                else value if len(value) != count
                else value[rows] if isinstance(value, np.ndarray)
                else [value[i] for i in rows]
                for key, value in fields.items()
            }  # fmt: skip

        return Keyed(
            {key: taken(own) for key, own in self.said.items()},
            taken(self.shared),
            {key: taken(own) for key, own in self.modalities.items()},
            {key: taken(own) for key, own in self.labels.items()},
        )


def leaves(content: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """What containers hold, by the names on the way to it; a list of samples is turned over.

    Example:
        >>> list(leaves({"train": [{"text": 1, "y": 2}, {"text": 3}], "id": "a"}))
        [('train/text', [1, 3]), ('train/y', [2, None]), ('id', 'a')]
    """
    if depth > _DEPTH:
        raise DataError(f"what is nested deeper than {_DEPTH} is not read")
    if isinstance(content, list | tuple) and content and all(isinstance(one, dict) for one in content):
        names = dict.fromkeys(name for one in content for name in one)
        if len(names) * len(content) > 100 * sum(map(len, content)) + 10_000:
            raise DataError(
                f"{key or 'a list'} of {len(content):,} samples, which have hardly a name in common"
            )
        content = {name: [one.get(name) for one in content] for name in names}
    if isinstance(content, dict):
        for name, value in content.items():
            yield from leaves(value, f"{key}/{name}" if key else str(name), depth + 1)
    else:
        yield key, content


def keyed(
    items: Iterable[tuple[str, Any]], where: str, targets: Collection[str]
) -> tuple[dict[str, Keyed], list[str]]:
    """The arrays of each split, and notes on what was guessed and what is not read.

    Args:
        items: names and what they name; a name says the split where there are several.
        where: begins messages.
        targets: names that are labels.
    Raises:
        DataError: two names are the same thing.
    """
    found: dict[str, Keyed] = {}
    unread: list[str] = []
    notes: list[str] = []
    roles = [(key, role_of(key, targets), _tidy(value)) for key, value in items]
    splits = [one for one in ORDER if any(role.split == one for _, role, _ in roles)] or ["all"]
    placed: list[tuple[str, Role, Any]] = []
    for key, role, value in roles:
        homeless = splits != ["all"] and not role.split and role.field != "columns"
        known = None if homeless else _settled(role, value)
        if known is None:
            unread.append(key)
        else:
            placed += [
                (key, replace(known, split=one), value) for one in ([role.split] if role.split else splits)
            ]
    counts = {
        split: _count(value for _, role, value in placed if role.split == split and role.plain)
        for split in splits
    }
    for key, role, value in placed:
        if not role.plain and role.kind == "label":
            if len(value) != counts[role.split]:
                unread.append(key)
                continue
            if not is_text(value):
                notes.append(f"{role.name}: one number for each sample counts as its label.")
        if not _put(found.setdefault(role.split, Keyed()), role, value, f"{where}, {role.split}: '{key}'"):
            unread.append(key)
    notes += [
        f"The indices of words '{key}' are left out." for key in unread if role_of(key).kind == "tokens"
    ]
    unread = [key for key in unread if role_of(key).kind != "tokens"]
    found = {split: found[split] for split in splits if split in found}
    for own in found.values():
        _join_ids(own)
        for group in (own.modalities, own.labels):
            for name in [name for name, fields in group.items() if "values" not in fields]:
                unread += [f"{name} ({key})" for key in group.pop(name)]
    if unread:
        notes.append(f"Not read: {', '.join(dict.fromkeys(unread))}.")
    if set(found) == {"all"} and "split" in found["all"].said:
        found = _parted(found["all"], where, notes)
    return found, list(dict.fromkeys(notes))


def _end_to_end(fields: Fields, rows: list[int], count: int) -> NDArray[np.int64] | None:
    """The steps of some samples, where those of all lie end to end; None where an entry is a sample."""
    values, lengths = fields.get("values"), fields.get("lengths")
    if not isinstance(values, np.ndarray) or not isinstance(lengths, np.ndarray) or values.ndim > 2:
        return None
    if lengths.size != count or lengths.dtype.kind not in "biuf":
        return None
    exact = lengths.reshape(-1).astype(np.float64)
    if not (exact >= 0).all() or (exact != np.rint(exact)).any() or exact.sum() != len(values):
        return None
    steps = exact.astype(np.int64)
    beside = [key for key in ("mask", "times") if key in fields and len(fields[key]) != len(values)]
    if beside:
        return None
    begins = np.cumsum(steps) - steps
    every = [np.arange(begins[i], begins[i] + steps[i]) for i in rows]
    return np.concatenate([np.zeros(0, np.int64), *every])


def _count(values: Iterable[Any]) -> int:
    """The number of samples: what most things are as many as."""
    lengths = Counter(len(value) for value in values)
    return max(lengths, key=lambda length: lengths[length], default=0)


def _put(own: Keyed, role: Role, value: Any, where: str) -> bool:
    """Put an array where it belongs; False where ids or groups are there already.

    Raises:
        DataError: another array is the same thing.
    """
    fields = own.shared
    if role.kind == "split":
        own.called = role.name
    if role.kind in _TEXTUAL:
        clip = role.kind == "id" and role.name.lower().startswith("clip")
        fields = own.said.setdefault("clip" if clip else role.kind, {})
    elif role.kind != "shared":
        fields = (own.labels if role.kind == "label" else own.modalities).setdefault(role.name, {})
    if role.field not in fields:
        fields[role.field] = value
        return True
    if role.kind not in ("id", "group"):
        raise DataError(f"{where} is {role.name or role.kind}, and so is another array; rename one")
    return False


def _join_ids(own: Keyed) -> None:
    """The id of a clip, with that of its video where there is one."""
    clips = own.said.pop("clip", None)
    if clips is not None and "id" not in own.said:
        names = texts(clips["values"], "clip_id")
        videos = texts(own.said["group"]["values"], "video_id") if "group" in own.said else ()
        if len(videos) == len(names):
            names = tuple(f"{video}$_${clip}" for video, clip in zip(videos, names, strict=True))
        own.said["id"] = {"values": list(names)}


def _tidy(value: Any) -> Any:
    """An array, or a list of what the samples have; None where it is a single thing."""
    if isinstance(value, np.ndarray):
        return value if value.ndim else None
    if not isinstance(value, list | tuple) or not value:
        return None
    plain = [one.item() if isinstance(one, np.ndarray) and not one.ndim else one for one in value]
    return np.array(plain) if all(isinstance(one, int | float | np.number) for one in plain) else plain


def _settled(role: Role, value: Any) -> Role | None:
    """What an array is, by its name and what it holds; None where it is not read."""
    textual, flat = is_text(value), isinstance(value, np.ndarray) and value.ndim == 1
    if value is None or role.kind == "tokens" or (role.field == "columns") > textual:
        return None
    if role.field != "values":
        return role
    if role.kind in _TEXTUAL:
        if (
            textual
            or (role.kind in ("id", "group", "split") and flat)
            or (role.kind == "words" and _is_words(value))
        ):
            return role
        return None if flat else Role(role.split, "modality", named(role.name))
    if role.kind != "modality":
        return role
    if textual and role.name == "text":
        return Role(role.split, "words")
    if textual and not _are_classes(role.name, value):
        return None
    if textual or (flat and not role.plain):
        return Role(role.split, "label", role.name, plain=False)
    return replace(role, plain=True)


def is_text(value: Any) -> bool:
    """Whether this is one text for each sample."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "US"
    return isinstance(value, list) and all(one is None or isinstance(one, str | bytes) for one in value)


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(
        one is None or isinstance(one, str | bytes) or is_text(list(one) if isinstance(one, tuple) else one)
        for one in value
    )


def _are_classes(name: str, value: Any) -> bool:
    """Whether tables would take these texts for names of classes."""
    import pandas as pd

    return inferred(name, pd.Series(list(texts(value, name)), dtype=object)) is not None


def _parted(whole: Keyed, where: str, notes: list[str]) -> dict[str, Keyed]:
    """The samples of each split that an array names, or numbers."""
    said = texts(whole.said.pop("split")["values"], f"{where}: {whole.called}")
    found = by_number(said, whole.called, "group" if "group" in whole.said else "")
    if found is not None:
        names = list(found.splits)
        notes.append(found.note.replace("Column", "Array", 1))
        if found.groups is not None:
            whole.said["group"] = {"values": list(found.groups)}
    else:
        names = [split_of(one) for one in said]
    if "" in names:
        i = names.index("")
        raise DataError(f"{where}: split '{said[i]}' of sample {i}; {EXPECTED}")
    return {
        split: whole.take([i for i, name in enumerate(names) if name == split], len(names))
        for split in ORDER
        if split in names
    }
