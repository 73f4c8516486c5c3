"""CSV and Parquet tables: a row for every sample, or a row for every step of every sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from affect.data.corpus import Corpus
from affect.data.ragged import Ragged
from affect.data.sources import frames
from affect.data.sources.options import NOTHING, Options
from affect.data.sources.samples import KNOWN, LABELS, TEXTS, named, numbers, observed, samples, unobserved
from affect.errors import DataError

_RULE = "a column `id` (or `video_id` and `clip_id`), features as `modality{0}feature`, all else is a label"


def recognises(path: Path) -> bool:
    """Whether this is a Parquet file, or text whose first line names columns that a corpus can have."""
    return frames.is_parquet(path) or any(
        name in (*KNOWN, *LABELS) or "." in name.strip(".") for name in frames.columns(path)
    )


def read(path: Path, separator: str = ".", options: Options = NOTHING) -> Corpus:
    """A corpus from one table.

    - `id`, or `video_id` and `clip_id`, names the sample. Rows of the same id are its steps, in the order of
      `time` or `start` where there is one; modalities of one row are the same moment.
    - `modality.feature`, such as `ecg.hr`, is a feature. A step at which all features of a modality are
      missing, or are zero where it has several, is one at which nothing was observed.
    - `split` (or `mode`, `fold`) says `train`, `valid` or `test`; `text` (or `transcript`) holds words;
      `group`, `speaker` or `video_id` is what must not be on two sides of a split; `time`, or `start` and
      `end`, is in seconds.
    - Every other column is a label: of the sample where no two of its rows differ, else of the step. Only 0
      and 1 is binary, other numbers are a regression, text names classes. An empty cell is a label not given.

    Args:
        path: the table.
        separator: what stands between modality and feature in the names of columns.
        options: which columns and prefixes are meant.
    Raises:
        DataError: the table is damaged or does not follow the rule.
    """
    frame = frames.frame(path, TEXTS)
    rule = _RULE.format(separator)
    columns: dict[str, list[str]] = {}
    for name in map(str, frame.columns):
        modality, _, feature = name.partition(separator)
        if modality and feature and name not in (*KNOWN, *LABELS):
            columns.setdefault(named(modality), []).append(name)
    table = samples(frame.drop(columns=[name for own in columns.values() for name in own]), path, rule)
    if not columns and table.whole.words is None:
        raise DataError(f"{path}: no features and no text; expected {rule}")
    rows, notes = {}, []
    for m, own in columns.items():
        with np.errstate(over="ignore", invalid="ignore"):
            values = numbers(frame[own], path).iloc[table.order].to_numpy(np.float32)
        seen = observed(values)
        rows[m] = Ragged.from_offsets(values, table.offsets, seen, table.times)
        if not seen.all():
            notes.append(unobserved(m, seen))
    return table.corpus(path.stem, rows, True, tuple(notes))
