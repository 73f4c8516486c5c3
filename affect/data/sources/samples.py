"""What a table says of samples: ids, splits, groups, words, times, and labels of a kind that is inferred."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Rows, Words
from affect.data.sources.padding import holding
from affect.data.targets import Binary, MultiClass, Regression, Target
from affect.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_IDS = ("id", "video_id", "clip_id")
_SPLIT = ("split", "mode", "fold")
_GROUP = ("group", "speaker", "video_id")
_TEXT = ("text", "transcript")
_TIMES = ("time", "start", "end")
TEXTS = (*_IDS, *_SPLIT, *_GROUP, *_TEXT)
KNOWN = (*TEXTS, *_TIMES)
LABELS = {
    "label": "sentiment",
    "label_T": "sentiment_text",
    "label_A": "sentiment_acoustic",
    "label_V": "sentiment_visual",
}
_MODALITIES = {"audio": "acoustic", "video": "visual", "vision": "visual"}
_SPLITS = {
    "train": "train", "training": "train", "valid": "valid", "val": "valid", "dev": "valid",
    "validation": "valid", "test": "test", "testing": "test", "all": "all",
}  # fmt: skip
_ORDER = ("train", "valid", "test", "all")
_MANY = 20
"""So many classes are believed of a column of text; of more, each must recur."""


@dataclass(frozen=True)
class Samples:
    """What a table says of samples, but for their features.

    Args:
        whole: all samples, without modalities.
        splits: the split of each.
        targets: what the labels are.
        order: rows of the table, those of a sample together.
        offsets: where each sample begins in `order`, and the end.
        times: start and end of each row in `order`, where the table has them.
        notes: what was left out.
    """

    whole: Split
    splits: tuple[str, ...]
    targets: dict[str, Target]
    order: Rows
    offsets: Rows
    times: NDArray[np.float64] | None
    notes: tuple[str, ...]

    def corpus(
        self, name: str, modalities: dict[str, Ragged], aligned: bool, notes: tuple[str, ...]
    ) -> Corpus:
        """The corpus, once the features are known."""
        whole = replace(self.whole, modalities=modalities)
        of = np.array(self.splits)
        names = list(self.targets)
        return Corpus(
            name=name,
            splits={s: whole.take(np.flatnonzero(of == s)) for s in _ORDER if s in self.splits},
            targets=self.targets,
            aligned=aligned,
            notes=(*self.notes, *notes),
            main="sentiment" if "sentiment" in names else names[0] if len(names) == 1 else "",
        )


def named(modality: str) -> str:
    """The name of a modality, from what tables and folders call it."""
    return _MODALITIES.get(modality.lower(), modality)


def observed(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Steps (steps, feature) at which anything was observed; a single feature may well be zero.

    Example:
        >>> observed(np.array([[0.0, 0.0], [0.0, 1.0], [np.nan, np.nan]])).tolist()
        [False, True, False]
        >>> observed(np.array([[0.0], [np.nan]])).tolist()
        [True, False]
    """
    seen: NDArray[np.bool_] = ~np.isnan(values).all(1)
    return seen & holding(values[None])[0] if values.shape[1] > 1 else seen


def unobserved(modality: str, seen: NDArray[np.bool_]) -> str:
    """The note on the steps at which nothing was observed."""
    return (
        f"{modality}: {(~seen).sum():,} of {len(seen):,} steps hold nothing or zeros and count as unobserved."
    )


def samples(frame: pd.DataFrame, path: Path, rule: str) -> Samples:
    """Ids, splits, groups, words and labels of a table.

    Args:
        frame: as `frames.frame` reads it, without features.
        path: begins messages.
        rule: what tables of this kind have, for messages.
    Raises:
        DataError: there are no ids, or what belongs to a sample differs between its rows.
    """
    ids = _ids(frame, path, rule)
    first: dict[str, int] = {}
    for i, one in enumerate(ids):
        first.setdefault(one, i)
    number = {one: i for i, one in enumerate(first)}
    sample = np.array([number[one] for one in ids])
    times = _seconds(frame, path)
    order = np.argsort(sample, kind="stable") if times is None else np.lexsort((times[:, 0], sample))
    offsets = np.searchsorted(sample[order], np.arange(len(first) + 1))
    rows = _Rows(path, tuple(first), order, offsets)
    kept = {str(name): column for name, column in frame.items() if str(name) not in KNOWN}
    targets, labels, notes = rows.labels(kept)
    if len(first) < len(frame):
        notes.insert(0, f"A row is a step: {len(frame):,} rows of {len(first):,} samples.")
    split = next((name for name in _SPLIT if name in frame), None)
    group = next((name for name in _GROUP if name in frame), None)
    text = next((name for name in _TEXT if name in frame), None)
    said = ["all"] * len(first) if split is None else rows.once(frame[split], split)
    unknown = next((i for i, name in enumerate(said) if name.lower() not in _SPLITS), None)
    if unknown is not None:
        raise DataError(
            f"{path}, sample {rows.ids[unknown]}: split '{said[unknown]}'; "
            "expected train, valid (dev, val) or test"
        )
    return Samples(
        whole=Split(
            ids=rows.ids,
            modalities={},
            targets=labels,
            groups=None if group is None else rows.shared(frame[group], group),
            words=None if text is None else rows.words(frame[text]),
        ),
        splits=tuple(_SPLITS[name.lower()] for name in said),
        targets=targets,
        order=order,
        offsets=offsets,
        times=None if times is None else times[order],
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Rows:
    """The rows of every sample."""

    path: Path
    ids: tuple[str, ...]
    order: Rows
    offsets: Rows

    @property
    def starts(self) -> Rows:
        return self.order[self.offsets[:-1]]

    @property
    def sample(self) -> Rows:
        """(rows,): the sample of each row, in order."""
        return np.repeat(np.arange(len(self.ids)), np.diff(self.offsets))

    def once(self, column: pd.Series[Any], name: str) -> list[str]:
        """A text that all rows of a sample share."""
        own = column.to_numpy(object)
        apart = np.flatnonzero(own[self.order] != own[self.starts][self.sample])
        if apart.size:
            raise DataError(
                f"{self.path}, sample {self.ids[self.sample[apart[0]]]}: '{name}' differs between its rows"
            )
        return [str(one).strip() for one in own[self.starts]]

    def shared(self, column: pd.Series[Any], name: str) -> tuple[str, ...]:
        """The group of each sample; one without is its own."""
        return tuple(said or one for said, one in zip(self.once(column, name), self.ids, strict=True))

    def words(self, column: pd.Series[Any]) -> Words:
        """The transcript of each sample, or the words of its rows."""
        own = column.to_numpy(object)
        if (own[self.order] == own[self.starts][self.sample]).all():
            return Words.from_rows(str(one).split() for one in own[self.starts])
        said = own[self.order]
        spans = zip(self.offsets, self.offsets[1:], strict=False)
        return Words.from_rows(" ".join(map(str, said[begin:end])).split() for begin, end in spans)

    def labels(
        self, columns: dict[str, pd.Series[Any]]
    ) -> tuple[dict[str, Target], dict[str, Ragged], list[str]]:
        """Targets, labels, and notes on columns that are none."""
        targets: dict[str, Target] = {}
        labels: dict[str, Ragged] = {}
        notes: list[str] = []
        for column, content in columns.items():
            name = LABELS.get(column, column)
            if name in targets:
                raise DataError(f"{self.path}: column '{column}' is '{name}', and so is another; rename one")
            found = _inferred(name, content)
            if found is None:
                notes.append(f"Column '{column}' is no label and is left out.")
                continue
            target, values, seen = found
            values, seen = values[self.order], seen[self.order]
            given = self._given(values, seen)
            if given is None:
                targets[name] = replace(target, per_step=True)
                labels[name] = Ragged.from_offsets(values[:, None], self.offsets, seen)
            else:
                targets[name], labels[name] = target, Ragged.vectors(*given)
        return targets, labels, notes

    def _given(
        self, values: NDArray[np.float32], seen: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
        """The one label of each sample; None where the rows of some sample differ."""
        of, own = self.sample[seen], values[seen]
        one, known = np.zeros(len(self.ids), np.float32), np.zeros(len(self.ids), dtype=bool)
        one[of], known[of] = own, True
        return (one, known) if np.array_equal(one[of], own, equal_nan=True) else None


def _inferred(
    name: str, column: pd.Series[Any]
) -> tuple[Target, NDArray[np.float32], NDArray[np.bool_]] | None:
    """What a column of labels is, its labels, and which are given; None where it is no label."""
    from pandas.api.types import is_numeric_dtype

    seen = column.notna().to_numpy()
    values = np.zeros(len(column), np.float32)
    if not name or not seen.any() or name.startswith("__index_level_"):
        return None
    if is_numeric_dtype(column):  # yes and no among them
        with np.errstate(over="ignore", invalid="ignore"):
            values[seen] = column[seen].to_numpy(np.float64)
        target = Binary(name) if np.isin(values[seen], (0, 1)).all() else Regression(name)
        return target, values, seen
    said = [str(one) for one in column[seen]]
    classes = {one: i for i, one in enumerate(sorted(set(said)))}
    if len(classes) > max(_MANY, len(said) // 2):
        return None
    values[seen] = [classes[one] for one in said]
    return MultiClass(name, classes=tuple(classes)), values, seen


def _ids(frame: pd.DataFrame, path: Path, rule: str) -> list[str]:
    if "id" in frame:
        ids = [str(one).strip() for one in frame["id"]]
    elif {"video_id", "clip_id"} <= set(frame.columns):
        both = zip(frame["video_id"], frame["clip_id"], strict=True)
        ids = [f"{video}$_${clip}" if video and clip else "" for video, clip in both]
    else:
        raise DataError(f"{path}: no column `id`; expected {rule}")
    if not ids:
        raise DataError(f"{path}: the table has no rows")
    if "" in ids:
        raise DataError(f"{path}, row {ids.index('') + 2}: the id is empty")
    return ids


def _seconds(frame: pd.DataFrame, path: Path) -> NDArray[np.float64] | None:
    """Start and end of every row, (rows, 2)."""
    if {"start", "end"} <= set(frame.columns):
        both = numbers(frame[["start", "end"]], path)
    elif "time" in frame:
        both = numbers(frame[["time", "time"]], path)
    else:
        return None
    times = both.to_numpy(np.float64)
    wrong = np.flatnonzero(~np.isfinite(times).all(1))
    if wrong.size:
        raise DataError(f"{path}, row {wrong[0] + 2}: the time is missing")
    return times


def numbers(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The same columns, once they hold numbers.

    Raises:
        DataError: one holds text.
    """
    from pandas.api.types import is_numeric_dtype

    for i, name in enumerate(map(str, frame.columns)):
        column = frame.iloc[:, i]
        if not is_numeric_dtype(column) and column.notna().any():
            wrong = next((one for one in column.dropna() if not is_number(one)), "numbers as text")
            raise DataError(f"{path}: column '{name}' must hold numbers, got '{str(wrong)[:50]}'")
    return frame


def is_number(item: object) -> bool:
    """Whether a text says a number.

    Example:
        >>> is_number("1e-3"), is_number("f0")
        (True, False)
    """
    try:
        float(str(item))
    except ValueError:
        return False
    return True
