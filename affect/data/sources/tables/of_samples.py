"""What a table says of samples: ids, splits, groups, words, times, and labels of a kind that is inferred."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Rows
from affect.data.rules import codes
from affect.data.rules.columns import CONFIDENCE, SUCCESS, is_no_label, quoted
from affect.data.rules.kinds import LABELS, texts
from affect.data.rules.labels import lacking
from affect.data.rules.splits import EXPECTED, ORDER, split_of
from affect.data.sources.cells import is_number
from affect.data.sources.options import DEFAULTS, Options
from affect.data.sources.tables.decimals import note as decimal_note
from affect.data.sources.tables.folds import by_number
from affect.data.sources.tables.ids import ids as ids_of
from affect.data.sources.tables.sample_rows import SampleRows
from affect.data.targets import Regression, Target, main_of
from affect.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from affect.data.sources.modality import Modality
    from affect.data.sources.tables.frames import Table

_IDS = ("id", "video_id", "clip_id")
SPLIT = ("split", "mode", "fold")
_GROUP = ("group", "speaker", "video_id")
_TEXT = ("text", "transcript")
TIMES = ("time", "start", "end")
TIMESTAMP = "timestamp"
_ORDERS = ("frame", "step")
TEXTS = (*_IDS, *SPLIT, *_GROUP, *_TEXT)
KNOWN = (*TEXTS, *TIMES)
_MODALITIES = {"audio": "acoustic", "video": "visual", "vision": "visual"}


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
        measured: columns that say of each step whether it was measured, in every modality.
    """

    whole: Split
    splits: tuple[str, ...]
    targets: dict[str, Target]
    order: Rows
    offsets: Rows
    times: NDArray[np.float64] | None
    notes: tuple[str, ...]
    measured: tuple[str, ...] = ()

    @property
    def labels(self) -> frozenset[str]:
        """What columns of labels are called, in this table and in the corpus."""
        also = (column for column, name in LABELS.items() if name in self.targets)
        return frozenset((*self.targets, *also))

    def corpus(
        self,
        name: str,
        rows: dict[str, Ragged],
        aligned: bool,
        found: Mapping[str, Modality],
        notes: Iterable[str] = (),
    ) -> Corpus:
        """The corpus, once the features are known.

        Args:
            name: of the corpus.
            rows: the features of each modality.
            aligned: as in `Corpus`.
            found: what is known of each modality's features.
            notes: beside those of the modalities.
        """
        whole = replace(self.whole, modalities=rows)
        of = np.array(self.splits)
        splits = {s: whole.take(np.flatnonzero(of == s)) for s in ORDER if s in self.splits}
        blank = [note for s, own in splits.items() for note in lacking(s, own.targets, "missing")]
        return Corpus(
            name=name,
            splits=splits,
            targets=self.targets,
            aligned=aligned,
            notes=(*self.notes, *blank, *notes, *(note for one in found.values() for note in one.notes)),
            main=main_of(self.targets),
            columns={m: one.columns for m, one in found.items() if one.columns is not None},
            provenance={m: one.made for m, one in found.items() if one.made is not None},
        )


def named(modality: str) -> str:
    """The name of a modality, from what tables and folders call it."""
    return _MODALITIES.get(modality.lower(), modality)


def samples(
    table: Table,
    path: Path,
    rule: str,
    options: Options = DEFAULTS,
    columns: Iterable[str] = (),
    steps: bool = True,
) -> Samples:
    """Ids, splits, groups, words and labels of a table.

    Args:
        table: without features.
        path: begins messages.
        rule: what tables of this kind have, for messages.
        options: which columns are labels though they look like none.
        columns: the names of all its columns, for messages.
        steps: whether rows of the same id are the steps of one sample; each is a sample otherwise.
    Raises:
        DataError: there are no ids, or what belongs to a sample differs between its rows.
    """
    frame = table.frame
    ids = ids_of(frame, path, rule, columns or map(str, frame))
    first: dict[str, int] = {}
    for i, one in enumerate(ids):
        first.setdefault(one, i)
    number = {one: i for i, one in enumerate(first)}
    sample = np.array([number[one] for one in ids]) if steps else np.arange(len(ids))
    names = tuple(first) if steps else tuple(ids)
    times, timed = _seconds(frame, path)
    several = len(names) < len(frame)
    ordered = _columns(_ORDERS, frame, options) if several else []
    measured = _columns((SUCCESS, CONFIDENCE), frame, options) if several else []
    if measured and measured[0].strip().lower() != SUCCESS:
        measured = []
    if times is not None:
        order = np.lexsort((times[:, 0], sample))
    elif ordered and frame[ordered[0]].notna().all():
        order = np.lexsort((frame[ordered[0]].to_numpy(np.float64), sample))
    else:
        order = np.argsort(sample, kind="stable")
    offsets = np.searchsorted(sample[order], np.arange(len(names) + 1))
    rows = SampleRows(path, names, order, offsets)
    targets, labels, notes = _labels(rows, table, (*timed, *ordered, *measured), options)
    if several:
        notes.insert(0, f"A row is a step: {len(frame):,} rows of {len(names):,} samples.")
    if ordered:
        notes.append(_ordered_note(ordered, times is not None, frame))
    if measured:
        said, is_one = quoted(measured)
        verb = "says" if is_one else "say"
        notes.append(f"C{said[1:]} {verb} of every modality without its own which steps were measured.")
    if table.commas:
        notes.append(decimal_note(table.commas))
    group, text = (_one_of(known, frame, notes) for known in (_GROUP, _TEXT))
    groups = rows.shared(frame[group], group) if group else None
    splits, folds = _splits(rows, frame, group, notes)
    return Samples(
        whole=Split(
            ids=rows.ids,
            modalities={},
            targets=labels,
            groups=folds or groups,
            words=rows.words(frame[text]) if text else None,
        ),
        splits=splits,
        targets=targets,
        order=order,
        offsets=offsets,
        times=None if times is None else times[order],
        notes=tuple(notes),
        measured=tuple(measured),
    )


def _columns(names: Iterable[str], frame: pd.DataFrame, options: Options) -> list[str]:
    """The columns of numbers of such names, in whatever letters, that are nothing else by the options."""
    from pandas.api.types import is_numeric_dtype

    there = {str(one).strip().lower(): str(one) for one in frame if is_numeric_dtype(frame[one])}
    found = [there[name] for name in names if name in there]
    return [one for one in found if one not in (*options.columns, *options.targets)]


def _ordered_note(ordered: list[str], timed: bool, frame: pd.DataFrame) -> str:
    """The note on the columns that number steps; the first one orders them where there is no time."""
    said, is_one = quoted(ordered)
    if timed or frame[ordered[0]].isna().any():
        verb = "numbers steps and is" if is_one else "number steps and are"
        return f"C{said[1:]} {verb} not read."
    also = "" if is_one else f" Column '{ordered[1]}' is not read."
    return f"Column '{ordered[0]}' orders the steps of each sample, as there is no time.{also}"


def _labels(
    rows: SampleRows, table: Table, timed: Collection[str], options: Options
) -> tuple[dict[str, Target], dict[str, Ragged], list[str]]:
    """Targets, labels, and notes on what is none and on what may be another kind."""
    kept = {str(name): x for name, x in table.frame.items() if str(name) not in (*KNOWN, *timed)}
    spared = {*options.columns, *options.targets}
    beside = [name for name in kept if is_no_label(name) and name not in spared]
    targets, labels, notes = rows.labels({name: x for name, x in kept.items() if name not in beside})
    if beside:
        said, is_one = quoted(beside)
        verb = "is no label and is" if is_one else "are no labels and are"
        notes.insert(0, f"C{said[1:]} {verb} left out; `columns` keeps any by name.")
    for name, (marks, count) in table.marks.items():
        if LABELS.get(name, name) in targets:
            listed = " or ".join(f"'{mark}'" for mark in marks)
            notes.append(f"Column '{name}': cells that hold {listed} are labels not given, {count:,} in all.")
    for name, target in targets.items():
        if isinstance(target, Regression) and name not in options.targets:
            given = labels[name].values[labels[name].observed][:, 0]
            notes += filter(None, [codes.note(name, given)])
    return targets, labels, notes


def _splits(
    rows: SampleRows, frame: pd.DataFrame, group: str, notes: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The split of each sample; and its fold, where the table has folds."""
    column = _one_of(SPLIT, frame, notes)
    if not column:
        return ("all",) * len(rows.ids), None
    said = rows.once(frame[column], column)
    found = by_number(said, column, group)
    if found is not None:
        notes.append(found.note)
        return found.splits, found.groups
    names = tuple(map(split_of, said))
    if "" in names:
        i = names.index("")
        raise DataError(f"{rows.path}, sample {rows.ids[i]}: split '{said[i]}'; {EXPECTED}")
    return names, None


def _one_of(known: Iterable[str], frame: pd.DataFrame, notes: list[str]) -> str:
    """The first of some columns that is there, with a note on the others; empty where none is."""
    there = [name for name in known if name in frame]
    for other in there[1:]:
        if other not in _IDS:
            notes.append(f"Column '{other}' is not read, as '{there[0]}' is.")
    return there[0] if there else ""


def _seconds(frame: pd.DataFrame, path: Path) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """Start and end of every row, (rows, 2), and the columns that say it."""
    from pandas.api.types import is_numeric_dtype

    if {"start", "end"} <= set(frame.columns):
        names = ["start", "end"]
    elif "time" in frame:
        names = ["time", "time"]
    elif TIMESTAMP in frame and is_numeric_dtype(frame[TIMESTAMP]) and frame[TIMESTAMP].notna().all():
        names = [TIMESTAMP, TIMESTAMP]
    else:
        return None, ()
    times = numbers(frame[names], path).to_numpy(np.float64)
    wrong = np.flatnonzero(~np.isfinite(times).all(1))
    if wrong.size:
        raise DataError(f"{path}, row {wrong[0] + 2}: the time is missing")
    return times, tuple(names)


def numbers(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The same columns, once they hold numbers.

    Raises:
        DataError: one holds text.
    """
    for i in texts(frame):
        column = frame.iloc[:, i]
        if column.notna().any():
            wrong = next((one for one in column.dropna() if not is_number(one)), "numbers as text")
            raise DataError(f"{path}: column '{frame.columns[i]}' must hold numbers, got '{str(wrong)[:50]}'")
    return frame
