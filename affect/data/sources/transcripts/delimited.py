"""Tables of words with times: `word,start,end`, and what aligners and Whisper write."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from affect.data.rules.columns import unique
from affect.data.sources.cells import delimiter, is_number
from affect.data.sources.features import Transcript
from affect.data.sources.transcripts.pieces import (
    SLOW,
    Piece,
    filled,
    pace,
    seconds,
    transcript,
)
from affect.data.sources.transcripts.tiers import Tier, is_silent, words
from affect.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader

_TEXT = ("word", "token", "text", "label")
_START = ("start", "begin", "start_time", "begin_time", "tmin", "xmin", "onset")
_END = ("end", "end_time", "stop", "tmax", "xmax", "offset")
_LENGTH = ("duration", "dur")
_TIER = ("type", "tier")
_BESIDE = frozenset(
    (
        *("", "unnamed: 0", "index", "id", "seek", "speaker", "channel", "file", "language", "tokens"),
        *("confidence", "probability", "prob", "score", "temperature", "avg_logprob", "compression_ratio"),
        *("no_speech_prob", "word_index", "segment", "utterance", *_LENGTH),
    )
)
_OF_SAMPLES = frozenset(("video_id", "clip_id", "split", "mode", "fold"))
_WHISPERS = ("start", "end", "text")


@dataclass(frozen=True)
class _Header:
    delimiter: str
    names: tuple[str, ...]
    text: int
    start: int
    end: int
    is_length: bool
    tier: int | None

    @property
    def is_whispers(self) -> bool:
        return self.names == _WHISPERS


def recognises(start: str) -> bool:
    r"""Whether a text begins as a table of words with times.

    Further columns may say how sure or whose a word is; where others hold numbers, it is a table of features.

    Example:
        >>> recognises("word,start,end\nso,0.1,0.3"), recognises("word,start,end,F0\nso,0.1,0.3,120")
        (True, False)
    """
    lines = start.split("\n", 2)
    header = _header(lines[0])
    if header is None:
        return False
    try:
        row: list[str] = next(_rows(lines[1] if len(lines) > 1 else "", header), [])
    except csv.Error:  # a text in quotes goes on
        row = []
    own = {header.names[i] for i in (header.text, header.start, header.end, header.tier) if i is not None}
    others = [i for i, name in enumerate(header.names) if name not in own | _BESIDE]
    return not any(i < len(row) and is_number(row[i].strip() or "x") for i in others)


def read(text: str, file: Path) -> Transcript:
    """The words of a table.

    Raises:
        DataError: it is damaged.
    """
    header = _header(text.split("\n", 1)[0])
    if header is None:
        raise DataError(f"{file}: expected columns word, start and end")
    unique(header.names, file, blanks=False)
    tiers: dict[str, Tier] = {}
    rows = _rows(text, header)
    try:
        next(rows, None)
        for row in rows:
            where = f"line {rows.line_num}"
            if not row:
                continue
            if len(row) != len(header.names):
                raise DataError(f"{file}, {where}: {len(row)} cells for {len(header.names)} columns")
            tier = "words" if header.tier is None else row[header.tier]
            label = row[header.text]
            tiers.setdefault(tier, Tier(tier))
            if not is_silent(label):
                start, end = (
                    seconds(row[i], file, where, header.delimiter != ",") for i in (header.start, header.end)
                )
                if header.is_length and start is not None and end is not None:
                    end += start
                tiers[tier].pieces.append(Piece(label, start, end, where))
    except csv.Error as error:
        raise DataError(f"{file}, line {rows.line_num}: not a whole table ({str(error)[:200]})") from None
    found, said = words(list(tiers.values()), file) if tiers else ([], ())
    pieces = filled(file, found)
    if header.is_whispers and _are_milliseconds(pieces):
        pieces = [replace(one, start=_second(one.start), end=_second(one.end)) for one in pieces]
        said = (*said, "times were milliseconds, as Whisper writes them into such tables")
    return transcript(file, pieces, said, units_vary=True)


def _are_milliseconds(pieces: list[Piece]) -> bool:
    spans = [(one.start or 0.0, one.end or 0.0) for one in pieces]
    whole = all(time.is_integer() for span in spans for time in span)
    return whole and pace((one.text for one in pieces), spans) > SLOW


def _second(time: float | None) -> float | None:
    return None if time is None else time / 1000


def _header(line: str) -> _Header | None:
    mark = delimiter(line)
    try:
        names = tuple(name.strip().lower() for name in next(csv.reader([line], delimiter=mark), []))
    except csv.Error:
        return None
    found = [
        next((names.index(name) for name in known if name in names), None)
        for known in (_TEXT, _START, _END, _LENGTH, _TIER)
    ]
    text, start, end, length, tier = found
    last = length if end is None else end
    if text is None or start is None or last is None or _OF_SAMPLES & set(names):
        return None
    return _Header(mark, names, text, start, last, end is None, tier)


def _rows(text: str, header: _Header) -> Reader:
    plain = header.is_whispers and header.delimiter == "\t"  # it puts nothing in quotes
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=header.delimiter,
        skipinitialspace=header.delimiter != "\t",
        quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
        strict=not plain,
    )
