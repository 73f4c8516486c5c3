"""The JSON of MUStARD: an utterance that is sarcastic or not, and those before it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from affect.data.formats.room import check_room
from affect.data.sources.dialogues.assembly import Dialogue, Found
from affect.data.sources.dialogues.encodings import decoded
from affect.data.sources.ignored_keys import shown
from affect.data.targets import Binary
from affect.errors import DataError, described

_HEAD = 1 << 16
_MARKS = (b'"utterance"', b'"context"')
_KNOWN = frozenset(("utterance", "speaker", "context", "context_speakers", "show", "sarcasm"))


def recognises(path: Path) -> bool:
    """Whether a file begins as such a JSON. Never raises."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{" and all(mark in head for mark in _MARKS)


def read(path: Path) -> Found:
    """The dialogues of the file: the `context`, and behind it the `utterance`, which alone has a label.

    Who says the last utterance is the group: in the corpus's own setting, speakers of the test are others.

    Raises:
        DataError: it is damaged, or an entry is of another form.
    """
    check_room(path.stat().st_size, str(path), 8)
    lines, said = decoded(path.read_bytes(), str(path))
    try:
        content = json.loads(lines, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a whole JSON file ({str(error)[:200]})") from None
    notes = [note.replace(str(path), path.name) for note in said]
    dialogues = []
    unread = dict.fromkeys(key for own in content.values() if isinstance(own, dict) for key in own)
    if ignored := [shown(key) for key in unread if key not in _KNOWN]:
        notes.append(f"Not read: {', '.join(ignored[:12])}.")
    for name, own in content.items():
        dialogues.append(_dialogue(own, name, f"{path}, {shown(name)}"))
    unsaid = sum(None in (one.spoken or ()) for one in dialogues)
    if unsaid:
        what = "dialogue lacks" if unsaid == 1 else "dialogues lack"
        notes.append(f"{unsaid:,} {what} speakers of some utterances.")
    return Found(
        where=str(path),
        name=path.stem,
        splits={"all": dialogues},
        targets=(Binary("sarcasm", per_step=True),),
        column="speaker",
        public="mustard",
        notes=tuple(notes),
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dictionary of which no key stands there twice, which JSON allows and Python forgets.

    Raises:
        ValueError: one does.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {shown(next(n for n in names if names.count(n) > 1))} is there twice")
    return found


def _dialogue(own: Any, name: str, where: str) -> Dialogue:
    if not isinstance(own, dict) or not isinstance(own.get("utterance"), str):
        raise DataError(f"{where}: expected an utterance and its context, got {described(own)}")
    context, speakers = own.get("context") or [], own.get("context_speakers") or []
    for key, items in (("context", context), ("context_speakers", speakers)):
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise DataError(f"{where}: {key} must be a list of texts, got {described(items)}")
    if len(speakers) > len(context):
        raise DataError(f"{where}: {len(speakers)} speakers for {len(context)} utterances of context")
    speaker, label = own.get("speaker"), own.get("sarcasm")
    if not isinstance(speaker, str | None) or label not in (True, False, None):
        raise DataError(f"{where}: expected a name as speaker, and true or false as sarcasm")
    before = [*speakers, *[None] * (len(context) - len(speakers))]
    return Dialogue(
        name=name,
        count=len(context) + 1,
        said=(*context, own["utterance"]),
        spoken=tuple(one or None for one in (*before, speaker)),
        labels={"sarcasm": np.array([*[np.nan] * len(context), np.nan if label is None else float(label)])},
        group=speaker or "",
    )
