"""A table of labels beside a folder of feature files for each modality, as extraction toolkits leave them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from affect.data.corpus import Corpus
from affect.data.duplicates import unique
from affect.data.ragged import Ragged
from affect.data.rules.columns import kept
from affect.data.sources.folders import feature_files, transcript_files
from affect.data.sources.modality import Modality
from affect.data.sources.options import DEFAULTS, Options
from affect.data.sources.tables import column_names, label_tables
from affect.data.sources.tables.of_samples import named, samples
from affect.data.steps import guess_alignment
from affect.errors import DataError
from affect.files import real

_TIMED = (".textgrid", ".srt", ".vtt", ".json")


def recognises(path: Path) -> bool:
    """Whether this is a folder with a table, and with folders of feature files or transcripts."""
    try:
        return (
            path.is_dir()
            and bool(label_tables.candidates(path))
            and any(any(_files(one, (*feature_files.SUFFIXES, *_TIMED))) for one in _folders(path))
        )
    except (OSError, ValueError):
        return False


def read(path: Path, options: Options = DEFAULTS) -> Corpus:
    """A corpus from a table of labels and `MODALITY/ID.npy`, `MODALITY/ID.csv` or `MODALITY/VIDEO/CLIP.npy`.

    The table is `labels.csv`, or the only table in the folder: a row per sample, its columns as in
    `affect.data.sources.tables`, without features. The files of a modality are arrays, with a row per step or
    of one step, tables, or what a tool wrote (`affect.data.sources.folders.feature_files`). A sample without
    a file lacks the modality; a step of zeros, where there are several features, is one at which nothing was
    observed. A folder of transcripts with times, whatever its name, holds the words.

    Args:
        path: the folder.
        options: which columns are features though they look like none, and whether ids that are there
            twice are refused: both rows have the same files.
    Raises:
        DataError: the table or a file is damaged, or files of one modality do not fit together.
    """
    labels = label_tables.single(path)
    if labels is None:
        raise DataError(f"{path}: expected one table of labels, got none; name it labels.csv")
    whole, said_of_names = column_names.table(labels, options)
    table = samples(whole, labels, label_tables.RULE, options, steps=False)
    if options.duplicates == "refuse":  # before the files are read
        unique(table.corpus(str(labels), {}, True, {}))
    ids = table.whole.ids
    found: dict[str, Modality] = {}
    rows: dict[str, Ragged] = {}
    notes = [*said_of_names, *label_tables.passed_over(path, labels)]
    words = ""
    for folder in _folders(path):
        files, are_words = _content(folder)
        if not files:
            if any(_files(folder, feature_files.SUFFIXES)):
                notes.append(f"Folder '{folder.name}' holds texts that are neither tables nor timed words.")
            continue
        modality = named(folder.name)
        name = "words" if are_words else modality
        if modality in rows or (are_words and words):
            other = words or folder.name
            raise DataError(f"{path}: two folders hold {name}, one is '{other}'; keep one of them")
        own = {one: files.pop(key) for one in dict.fromkeys(ids) if (key := _key(one, files))}
        if not own:
            raise DataError(
                f"{folder}: none of its {len(files)} files is named after an id, such as '{ids[0]}'"
            )
        if files:
            notes.append(f"{name}: {len(files):,} files have no row in {labels.name} and are left out.")
        if are_words:
            if table.whole.words is not None:
                notes.append(
                    f"words: those of the transcripts in '{folder.name}' are read, and the text in "
                    f"{labels.name} is not."
                )
            words = folder.name
            timed, said = transcript_files.words(own, ids, words)
            table = replace(table, whole=replace(table.whole, words=timed))
            notes += said
        else:
            keep = kept(options.columns, modality)
            found[modality], rows[modality] = feature_files.modality(
                own, ids, folder, modality, keep, table.labels
            )
    if not rows and not words:
        raise DataError(f"{path}: no feature files; expected MODALITY/{ids[0]}.npy or .csv")
    aligned, apart = guess_alignment({"all": {name: one.lengths for name, one in rows.items()}}, {"all": ids})
    if sum(int(one.lengths.max(initial=0)) > 1 for one in rows.values()) > 1:
        notes += apart
    return table.corpus(real(path).name, rows, aligned, found, notes)


def _content(folder: Path) -> tuple[dict[str, Path], bool]:
    """The files of a folder that are read, by what they are named after, and whether they are transcripts."""
    features = list(_files(folder, feature_files.SUFFIXES))
    if all(file.suffix.lower() in feature_files.TEXTS for file in features):
        if transcript_files.are_transcripts(features):
            return _by_key(folder, (*feature_files.TEXTS, *_TIMED)), True
        if features and not feature_files.are_features(features):
            features = []
    if features:
        return _by_key(folder, feature_files.SUFFIXES), False
    if transcript_files.are_transcripts(_files(folder, _TIMED)):
        return _by_key(folder, _TIMED), True
    return {}, False


def _folders(path: Path) -> list[Path]:
    return sorted(one for one in path.iterdir() if one.is_dir() and not one.name.startswith("."))


def _files(folder: Path, suffixes: Collection[str], depth: int = 2) -> Iterator[Path]:
    """Files with such suffixes in a folder and in those in it."""
    for one in sorted(folder.iterdir()):
        if one.name.startswith("."):
            continue
        if one.suffix.lower() in suffixes and one.is_file():
            yield one
        elif depth > 1 and one.is_dir():
            yield from _files(one, suffixes, depth - 1)


def _by_key(folder: Path, suffixes: Collection[str]) -> dict[str, Path]:
    """Files by what they are named after: `id`, or `video/clip`."""
    found: dict[str, Path] = {}
    for file in _files(folder, suffixes):
        key = file.relative_to(folder).with_suffix("").as_posix()
        other = found.setdefault(key, file)
        if other != file:
            raise DataError(f"{folder}: both {other.name} and {file.name}; keep one of them")
    return found


def _key(one: str, files: Mapping[str, Path]) -> str:
    """What the file of a sample is named after; empty where there is none."""
    return next((key for key in (one, one.replace("$_$", "/")) if key in files), "")
