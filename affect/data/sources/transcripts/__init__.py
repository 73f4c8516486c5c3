"""Transcripts with times, one file for each sample: TextGrids, subtitles, tables of words, Whisper's JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from affect.data.sources.cells import encoding
from affect.data.sources.features import Transcript
from affect.data.sources.transcripts import delimited, subtitles, textgrid, whisper
from affect.errors import DataError

_HEAD = 1 << 16
_MOST = 32_000_000
"""Bytes of a transcript: hours of speech with each of its sounds take less."""

_SAID = 6
"""So many different notes are told; tiers may be named after each speaker."""


def read(file: Path) -> Transcript | None:
    r"""The words of a file with their times; None where it is no transcript with times.

    What a file is, is told from its content, never from its name:

    - Praat's TextGrid, long or short, in UTF-8 or UTF-16, also Montreal's aligner's. Its tier of words is
      read; labels of silence are none.
    - SubRip and WebVTT. The time of a cue is spread over its words by letters, but for WebVTT's words with
      times of their own.
    - A table with columns `word` (`token`, `text`, `label`), `start` (`begin`) and `end`, or `duration`, with
      commas, tabs or semicolons; also Montreal's `Begin,End,Label,Type,Speaker` and Whisper's tables in
      milliseconds.
    - JSON of Whisper, faster-whisper, WhisperX, whisper.cpp, transformers, Gentle, Montreal's aligner, with
      words, or with segments whose time is spread like a cue's.

    Words come in the order of their starts.

    Raises:
        DataError: it is a transcript, but damaged, too large or in another encoding.
    Example:
        >>> file = getfixture("tmp_path") / "a"
        >>> _ = file.write_text("1\n00:00:01,000 --> 00:00:04,000\n<i>So good</i>\n")
        >>> found = read(file)
        >>> found.words, found.times.tolist(), found.approximate
        (('So', 'good'), [[1.0, 2.0], [2.0, 4.0]], True)
    """
    if not file.is_file():  # a pipe would be waited for
        return None
    with file.open("rb") as opened:
        start = _start(opened.read(_HEAD))
    if textgrid.is_of_other_form(start):
        raise DataError(f"{file}: a binary or chronological TextGrid; save it in Praat as a text file")
    reader = _reader(start)
    if reader is None:
        return None
    size = file.stat().st_size
    if size > _MOST:
        raise DataError(
            f"{file}: {size / 1e6:,.0f} MB are no transcript of one sample; expected at most "
            f"{_MOST / 1e6:,.0f} MB"
        )
    return reader(_text(file.read_bytes(), file), file)


def note(approximate: int, total: int, name: str = "words") -> str:
    """The note on transcripts whose words' times were made.

    Args:
        approximate: how many are such.
        total: of all transcripts.
        name: of the words, as notes call them.
    Example:
        >>> note(3, 40)
        'words: the times of 3 of 40 transcripts are those of whole cues, segments or gaps, spread over their
        words by letters.'
    """
    return (
        f"{name}: the times of {approximate:,} of {total:,} transcripts are those of whole cues, segments "
        "or gaps, spread over their words by letters."
    )


def notes(found: Iterable[Transcript], name: str = "words") -> tuple[str, ...]:
    """The notes on how transcripts were read: times that were made, tiers that were chosen, repairs.

    Example:
        >>> notes([Transcript((), None, said=("words were put in the order of their starts",))])
        ('words: in 1 of 1 transcripts words were put in the order of their starts.',)
    """
    every = list(found)
    approximate = sum(one.approximate for one in every)
    said = Counter(one for each in every for one in each.said)
    left = len(said) - _SAID
    return (
        *((note(approximate, len(every), name),) if approximate else ()),
        *(f"{name}: in {n:,} of {len(every):,} transcripts {one}." for one, n in said.most_common(_SAID)),
        *((f"{name}: {left:,} more notes on how transcripts were read are left out.",) if left > 0 else ()),
    )


def _reader(start: str) -> Callable[[str, Path], Transcript | None] | None:
    for layout in (textgrid, subtitles, whisper, delimited):
        if layout.recognises(start):
            found: Callable[[str, Path], Transcript | None] = layout.read
            return found
    return None


def _start(raw: bytes) -> str:
    """The beginning in whatever encoding, as far as it is read to tell what it is."""
    return _lines(raw.decode(encoding(raw), errors="ignore").replace("\0", ""))


def _text(raw: bytes, file: Path) -> str:
    try:
        text = raw.decode(encoding(raw))
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(f"{file}: the transcript is in neither UTF-8 nor UTF-16; save it as UTF-8")
    return _lines(text)


def _lines(text: str) -> str:
    return re.sub(r"\r\n?", "\n", text)
