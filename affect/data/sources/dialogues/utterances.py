"""Tables of annotations with a row for every utterance: MELD's, EmoryNLP's and MUStARD++'s."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect.data.sources.dialogues.assembly import Dialogue, Found
from affect.data.sources.dialogues.known import KNOWN
from affect.data.sources.dialogues.label_columns import kinds
from affect.data.sources.dialogues.utterance_tables import Table, Utterance, by_split, seconds
from affect.data.targets import MultiClass
from affect.errors import DataError
from affect.files import real

Gathered = dict[str, dict[str, list[int]]]
"""Rows by split and dialogue, by their number."""


def read(path: Path) -> Found:
    """The dialogues of one table, or of one for each split: `train_sent_emo.csv` and its like beside it.

    A row is an utterance. `Dialogue_ID` and `Utterance_ID` say where it stands (or `Scene_ID`; or MUStARD++'s
    `SCENE` and `KEY`), `Utterance` (`SENTENCE`) what is said, `Speaker` by whom, `StartTime` and `EndTime`
    when. Every other column is a label, but `Season`, `Episode`, `Show` and row numbers. Where one number
    names dialogues of several episodes, ids have season and episode in front; and the split, where dialogues
    are numbered anew in each.

    Args:
        path: of a table, or a folder.
    Raises:
        DataError: a table is damaged.
    """
    files = by_split(path)
    tables = {split: Table.of(file) for split, file in files.items()}
    notes = [note for table in tables.values() for note in table.notes]
    rows = [row for split, table in tables.items() for row in table.utterances(split)]
    if not rows:
        raise DataError(f"{path}: no row of it is an utterance")
    gathered, said = _gathered(rows)
    notes += said
    scenes = any(table.has_scenes for table in tables.values())
    columns = dict.fromkeys(name for table in tables.values() for name in table.labels)
    targets, labels, said = kinds(columns, rows, scenes)
    notes += said
    timed = any(table.is_timed for table in tables.values())
    bad = sum(row.times is None for row in rows) if timed else 0
    if bad:
        verb = "utterance has" if bad == 1 else "utterances have"
        notes.append(f"{bad:,} {verb} no start before an end, and no times of their dialogues are kept.")
    has_speakers = any("speaker" in table.roles for table in tables.values())
    splits = {
        split: [
            _dialogue(
                name, [rows[i] for i in own], {t: x[own] for t, x in labels.items()}, has_speakers, scenes
            )
            for name, own in dialogues.items()
        ]
        for split, dialogues in gathered.items()
    }
    first = next(iter(tables.values()))
    emotions = [one.classes for one in targets if isinstance(one, MultiClass)]
    public = next((n for n, known in KNOWN.items() if any(c in known.classes.values() for c in emotions)), "")
    return Found(
        where=str(path),
        name=real(path if path.is_dir() else path.parent).name if len(files) > 1 else first.path.stem,
        splits=splits,
        targets=targets,
        column=first.names[first.roles["speaker"]] if has_speakers and "speaker" in first.roles else "",
        public="mustard" if scenes else public,
        notes=tuple(dict.fromkeys(notes)),
    )


def _gathered(rows: list[Utterance]) -> tuple[Gathered, list[str]]:
    """The rows of each dialogue in their order, by its id; and notes on what was moved or left out."""
    episodes: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        episodes.setdefault((row.split, row.dialogue), set()).add(row.place)
    placed = any(len(own) > 1 for own in episodes.values())
    notes = ["One number names dialogues of several episodes: ids have season and episode in front."] * placed
    found: Gathered = {}
    for i, row in enumerate(rows):
        name = f"{row.place}_{row.dialogue}" if placed else row.dialogue
        found.setdefault(row.split, {}).setdefault(name, []).append(i)
    twice = moved = 0
    for dialogues in found.values():
        for name, own in dialogues.items():
            first = {rows[i].number: i for i in reversed(own)}
            kept = [i for i in own if first[rows[i].number] == i]
            twice += len(own) - len(kept)
            if all(rows[i].number.isdecimal() for i in kept):
                order = sorted(kept, key=lambda i: int(rows[i].number))
                moved += order != kept
                kept = order
            dialogues[name] = kept
    if twice:
        verb = "utterance stands" if twice == 1 else "utterances stand"
        notes.append(f"{twice:,} {verb} there twice, by dialogue and number; the first is kept.")
    if moved:
        what = "dialogue" if moved == 1 else "dialogues"
        notes.append(
            f"The utterances of {moved:,} {what} are not in the order of their numbers, and were sorted."
        )
    every = [name for dialogues in found.values() for name in dialogues]
    anew = len(set(every)) < len(every) or any(name.isdecimal() for name in every)
    if anew and "all" not in found:
        found = {s: {f"{s}-{name}": own for name, own in dialogues.items()} for s, dialogues in found.items()}
        notes.append("Dialogues are numbered anew in each split: their ids have the split in front.")
    return found, notes


def _dialogue(
    name: str, rows: list[Utterance], labels: dict[str, NDArray[np.float64]], spoken: bool, scenes: bool
) -> Dialogue:
    return Dialogue(
        name=name,
        count=len(rows),
        said=tuple(row.text for row in rows),
        spoken=tuple(row.speaker for row in rows) if spoken else None,
        labels=labels,
        times=seconds(rows),
        group=(rows[-1].speaker or "") if scenes else "",
    )
