"""CSV and Parquet tables: a row for every sample, or a row for every step of every sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from affect.data.corpus import Corpus
from affect.data.ragged import Ragged
from affect.data.rules.columns import kept, left_out
from affect.data.rules.kinds import LABELS
from affect.data.sources.modality import Modality, together
from affect.data.sources.options import DEFAULTS, Options
from affect.data.sources.tables import column_names, frames, headers, rows
from affect.data.sources.tables.of_samples import KNOWN, samples
from affect.data.sources.tables.prefixes import modalities
from affect.errors import DataError

_RULE = "a column `id` (or `video_id` and `clip_id`), features as `modality{0}feature`, all else is a label"


def recognises(path: Path) -> bool:
    """Whether this is a Parquet file, or delimited text with a header."""
    return frames.is_parquet(path) or has_known_columns(path) or headers.is_table(path)


def has_known_columns(path: Path) -> bool:
    """Whether this is a Parquet file, or text whose first line names columns that a corpus can have."""
    return frames.is_parquet(path) or any(
        name in (*KNOWN, *LABELS) or "." in name.strip(".") for name in headers.columns(path)
    )


def read(path: Path, separator: str = ".", options: Options = DEFAULTS) -> Corpus:
    """A corpus from one table.

    - `id`, or `video_id` and `clip_id`, names the sample. Rows of the same id are its steps, in the order of
      `time`, `start` or `timestamp` where there is one, else of `frame` or `step`; modalities of one
      row are the same moment.
    - `modality.feature`, such as `ecg.hr`, is a feature; of several dots the first one counts, or the last of
      a name in `options.prefixes`. A step at which all features of a modality are missing, or are zero where
      it has several, is one at which nothing was observed, and so is one at which `modality.success` is 0, or
      `success` where it has none of its own.
      What says something else of a step, `face.confidence` or `face.frame`, is no feature
      (`affect.data.rules.columns`).
    - `split` (or `mode`, `fold`) says `train`, `valid` or `test`; `text` (or `transcript`) holds words;
      `group`, `speaker` or `video_id` is what must not be on two sides of a split; `time`, or `start` and
      `end`, is in seconds. Numbers in `fold` are folds and become groups.
    - Every other column is a label, but for row numbers and the like: of the sample where no two of its rows
      differ, else of the step. Only 0 and 1 is binary, other numbers are a regression, text names classes. An
      empty cell is a label not given.

    Args:
        path: the table.
        separator: what stands between modality and feature in the names of columns.
        options: which columns and prefixes are meant.
    Raises:
        DataError: the table is damaged or does not follow the rule.
        ConfigError: no column has a prefix that is named.
    """
    whole, said = column_names.table(path, options)
    doubles = column_names.counted(map(str, whole.frame), options.prefixes)
    frame, rule = whole.frame.drop(columns=[*doubles]), _RULE.format(separator)
    names = [str(name) for name in frame]
    columns, notes = modalities(names, path, separator, options.prefixes, options.required)
    notes = (*said, *([column_names.counted_note(doubles)] if doubles else []), *notes)
    others = frame.drop(columns=[name for one in columns.values() for name in one.columns])
    table = samples(replace(whole, frame=others), path, rule, options, headers.columns(path) or names)
    judged = frame[list(table.measured)].iloc[table.order] if table.measured else None
    found: dict[str, Modality] = {}
    features: dict[str, Ragged] = {}
    for m, own in columns.items():
        keep = kept(options.columns, m)
        steps = rows.steps(
            frame[list(own.columns)].iloc[table.order], path, keep, table.labels, own.prefix, judged
        )
        if not steps.columns:
            notes = (*notes, left_out(m, steps.left))
            continue
        if (label := own.prefix.removesuffix(separator)) in table.labels:
            notes = (*notes, f"{m}: column '{label}' is a target, whose name its columns begin with.")
        found[m] = together(m, [steps], keep)
        times, its = table.times, found[m].times
        if times is not None and its is not None:
            notes = (*notes, f"{m}: its own times are not read, as the table has times for all.")
        elif its is not None:
            (times,) = its
        features[m] = Ragged.from_offsets(found[m].values[0], table.offsets, found[m].observed[0], times)
    if not features and table.whole.words is None:
        raise DataError(f"{path}: no features and no text; expected {rule}")
    return table.corpus(path.stem, features, True, found, notes)
