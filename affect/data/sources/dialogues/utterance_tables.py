"""The rows of tables of utterances, and which tables are read together."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect.data.formats.room import check_room
from affect.data.rules.columns import is_no_label, quoted
from affect.data.rules.splits import EXPECTED, ORDER, SPLITS, split_of
from affect.data.sources.cells import MISSING, delimiter
from affect.data.sources.dialogues.encodings import decoded
from affect.data.sources.tables import headers
from affect.errors import DataError

ROLES = {
    "dialogue": ("dialogueid", "dialogid", "conversationid", "sceneid", "scene"),
    "utterance": ("utteranceid", "turnid", "key"),
    "text": ("utterance", "sentence", "text", "transcript"),
    "speaker": ("speaker", "speakers"),
    "start": ("starttime", "start"),
    "end": ("endtime", "end"),
    "season": ("season",),
    "episode": ("episode",),
    "split": ("split", "mode"),
}
"""What columns are called, in small letters and without blanks and signs; of several the first one counts."""

_NO_LABELS = ("srno", "olddialogueid", "oldutteranceid", "show")
_NEEDED = ("dialogue", "utterance", "text")
_SUFFIXES = (".csv", ".tsv", ".txt")
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d+)?)")
_LISTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")
_TOKEN = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(SPLITS)})(?![A-Za-z0-9])", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Utterance:
    """A row.

    Args:
        split: whose it is.
        dialogue: the number or name of its dialogue.
        place: season and episode, where the table has them.
        number: of the utterance, or its name.
        text: what is said.
        speaker: who says it; None where that is not known.
        times: start and end in seconds; None where they are not known.
        labels: the cells of labels that are given, by column.
    """

    split: str
    dialogue: str
    place: str
    number: str
    text: str
    speaker: str | None
    times: tuple[float, float] | None
    labels: dict[str, str]


@dataclass(frozen=True, eq=False)
class Table:
    """A table of utterances.

    Args:
        path: where it is.
        roles: the place of each column that is read, by its role.
        labels: the place of each column of labels.
        names: of all columns.
        rows: the cells of every row.
        notes: what was left out.
    """

    path: Path
    roles: dict[str, int]
    labels: dict[str, int]
    names: tuple[str, ...]
    rows: list[list[str]]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, path: Path) -> Table:
        """Read a table that `is_table` knows.

        Raises:
            DataError: its cells cannot be told apart, or two columns share a name.
        """
        check_room(path.stat().st_size, str(path), 8)
        lines, said = decoded(path.read_bytes(), str(path))
        try:
            mark = delimiter(lines.partition("\n")[0])
            names, *rows = (row for row in csv.reader(io.StringIO(lines, newline=""), delimiter=mark) if row)
        except csv.Error as error:
            raise DataError(f"{path}: cannot be read as a table ({error})") from None
        names = [name.strip() for name in names]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{path}: two columns are named '{twice}'; rename one")
        roles = roles_of(names)
        good = [len(row) == len(names) and bool(row[roles["dialogue"]].strip()) for row in rows]
        whole = [row for row, is_good in zip(rows, good, strict=True) if is_good]
        notes = [note.replace(str(path), path.name) for note in said]
        if len(whole) < len(rows):
            first = good.index(False) + 2
            count = len(rows) - len(whole)
            verb = "row is" if count == 1 else "rows are"
            notes.append(
                f"{path.name}: {count:,} {verb} left out, without a dialogue or with other numbers of cells "
                f"than the header's {len(names)}; the first is row {first}."
            )
        used = {*roles.values()}
        if not {"start", "end"} <= roles.keys():
            used -= {roles[role] for role in ("start", "end") if role in roles}
        labels = {
            name: i
            for i, name in enumerate(names)
            if i not in roles.values() and not is_no_label(name) and _plain(name) not in _NO_LABELS
        }
        ignored = [name for i, name in enumerate(names) if i not in used and name not in labels]
        notes += [f"Not read: {quoted(ignored)[0]}."] if ignored else []
        return cls(path, roles, labels, tuple(names), whole, tuple(notes))

    @property
    def is_timed(self) -> bool:
        """Whether it has times."""
        return {"start", "end"} <= self.roles.keys()

    @property
    def has_scenes(self) -> bool:
        """Whether it is MUStARD++'s, in which the last utterance of a scene is labelled."""
        return _plain(self.names[self.roles["utterance"]]) == "key"

    def utterances(self, split: str) -> Iterator[Utterance]:
        """The rows; of the split that is given, or of those in a column of splits.

        Raises:
            DataError: a row names no split.
        """
        for i, row in enumerate(self.rows, 2):
            own = split
            if split == "all" and "split" in self.roles:
                own = split_of(cell := row[self.roles["split"]])
                if not own:
                    raise DataError(f"{self.path}, row {i}: no split '{cell}'; {EXPECTED}")
            yield Utterance(
                split=own,
                dialogue=row[self.roles["dialogue"]].strip(),
                place="_".join(self._cell(row, role) for role in ("season", "episode") if role in self.roles),
                number=self._cell(row, "utterance"),
                text=row[self.roles["text"]],
                speaker=_speaker(self._cell(row, "speaker")),
                times=_span(self._cell(row, "start"), self._cell(row, "end")) if self.is_timed else None,
                labels={
                    name: cell
                    for name, place in self.labels.items()
                    if (cell := row[place].strip()) not in MISSING
                },
            )

    def _cell(self, row: list[str], role: str) -> str:
        return row[self.roles[role]].strip() if role in self.roles else ""


def is_table(path: Path) -> bool:
    """Whether a file is a table with a row for each utterance, by its header. Never raises.

    One with a column `id`, or `video_id` and `clip_id`, has a row for each sample instead, and one with
    features (`modality.feature`) needs such a column.
    """
    if path.suffix.lower() not in _SUFFIXES:
        return False
    names = headers.columns(path)
    plain = {name.strip().lower() for name in names}
    if (
        not names
        or "id" in plain
        or {"video_id", "clip_id"} <= plain
        or any("." in n.strip(".") for n in plain)
    ):
        return False
    return {*_NEEDED} <= roles_of(list(names)).keys()


def recognises(path: Path) -> bool:
    """Whether this is such a table, or a folder with some whose names say their splits. Never raises."""
    if not path.is_dir():
        return is_table(path)
    try:
        return any(template(file.name)[1] and is_table(file) for file in tables(path))
    except OSError:
        return False


def by_split(path: Path) -> dict[str, Path]:
    """The tables of a set by split, in the order of training; one without a split in its name is of all.

    Args:
        path: of one of them, or of their folder.
    Raises:
        DataError: two are of the same split, or a folder holds several sets.
    """
    if not path.is_dir():
        pattern, split = template(path.name)
        if not split:
            return {"all": path}
        return _ordered(
            [file for file in tables(path.parent) if template(file.name)[0] == pattern and is_table(file)]
        )
    sets: dict[str, list[Path]] = {}
    for file in tables(path):
        pattern, split = template(file.name)
        if split and is_table(file):
            sets.setdefault(pattern, []).append(file)
    if len(sets) > 1:
        first = " and ".join(own[0].name for own in list(sets.values())[:2])
        raise DataError(
            f"{path}: {len(sets)} sets of tables of utterances, such as {first}; name one of the files"
        )
    return _ordered(next(iter(sets.values()), []))


def template(name: str) -> tuple[str, str]:
    """The name of a file without its split, and the split; empty where it names none.

    Example:
        >>> template("dev_sent_emo.csv"), template("notes.csv")
        (('{}_sent_emo.csv', 'valid'), ('notes.csv', ''))
    """
    found = _TOKEN.search(name)
    if found is None or split_of(found[0]) == "all":
        return name, ""
    return f"{name[: found.start()]}{{}}{name[found.end() :]}", split_of(found[0])


def tables(folder: Path) -> list[Path]:
    """The files of a folder that may be tables."""
    return sorted(one for one in folder.iterdir() if one.suffix.lower() in _SUFFIXES and one.is_file())


def roles_of(names: list[str]) -> dict[str, int]:
    """The place of each column that has a role.

    Example:
        >>> roles_of(["Sr No.", "Utterance", "Dialogue_ID", "Utterance_ID"])
        {'dialogue': 2, 'utterance': 3, 'text': 1}
    """
    plain = [_plain(name) for name in names]
    found = {role: [plain.index(name) for name in known if name in plain] for role, known in ROLES.items()}
    return {role: places[0] for role, places in found.items() if places}


def _ordered(files: list[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        split = template(file.name)[1]
        if split in found:
            raise DataError(
                f"{file.parent}: {found[split].name} and {file.name} are both {split}; keep one of them"
            )
        found[split] = file
    return {split: found[split] for split in ORDER if split in found}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _speaker(cell: str) -> str | None:
    """Who speaks; several at once are a party of their own.

    Example:
        >>> _speaker("['Joey Tribbiani', 'Ross Geller']"), _speaker("")
        ('Joey Tribbiani, Ross Geller', None)
    """
    if cell[:1] == "[" and cell[-1:] == "]":
        cell = ", ".join(a or b for a, b in _LISTED.findall(cell))
    return None if cell in MISSING else cell


def _span(start: str, end: str) -> tuple[float, float] | None:
    """Start and end in seconds; None where one cannot be read, or the end is before the start.

    Example:
        >>> _span("00:20:57,256", "00:21:00,049"), _span("1:00", "0:30")
        ((1257.256, 1260.049), None)
    """
    found = [_TIME.fullmatch(one) for one in (start, end)]
    if any(one is None for one in found):
        return None
    begin, finish = (
        60 * (60 * int(one[1] or 0) + int(one[2] or 0)) + float(one[3].replace(",", "."))
        for one in found
        if one is not None
    )
    return (round(begin, 6), round(finish, 6)) if finish >= begin else None


def seconds(rows: list[Utterance]) -> NDArray[np.float64] | None:
    """(utterances, 2): start and end of each; None where those of any are not known."""
    times = [row.times for row in rows]
    return None if any(one is None for one in times) else np.array(times, np.float64)
