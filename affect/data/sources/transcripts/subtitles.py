"""Subtitles: SubRip (.srt) and WebVTT (.vtt)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from affect.data.sources.features import Transcript
from affect.data.sources.transcripts.pieces import (
    Piece,
    filled,
    joined,
    on_clock,
    quoted,
    transcript,
)
from affect.errors import DataError

_CLOCK = r"(?:\d{1,4}:)?\d{1,3}:\d{1,2}(?:[.,]\d{1,9})?"
_TIMES = re.compile(rf"\s*({_CLOCK})\s*-->\s*({_CLOCK})(?:\s.*)?", re.ASCII)
_STAMP = re.compile(rf"<({_CLOCK})>", re.ASCII)
_BESIDE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s.*)?")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<[\d:.,]*>|\{\\[^{}]*\}")
_MARK = re.compile(r"<u>([^<>]*)</u>")
_DIALOGUE = re.compile(r"^[^\S\n]*[-\u2013\u2014][^\S\n]*(?=[^\W\d])", re.MULTILINE)
_NO_WORD = re.compile(r"(?<!\S)[-\u2013\u2014>\u2669-\u266c]+(?!\S)")
_INSTANT, _GAP = 0.0201, 0.0501
_SCREEN = 8
"""Lines that are shown at once, at most."""


@dataclass
class _Cue:
    start: float
    end: float
    where: str
    lines: list[str] = field(default_factory=list)

    @property
    def raw(self) -> str:
        return "\n".join(self.lines)

    @cached_property
    def shown(self) -> list[str]:
        return [line for line in map(_plain, self.lines) if line]


def recognises(start: str) -> bool:
    r"""Whether a text begins as subtitles: with `WEBVTT`, or with a number and times.

    Example:
        >>> recognises("1\n00:00:01,000 --> 00:00:02,000\nHello"), recognises("a --> b")
        (True, False)
    """
    if _is_vtt(start):
        return True
    lines = [line.strip() for line in start.split("\n") if line.strip()][:2]
    first = lines[0] if lines else ""
    return ("-->" in first and first[0].isdigit()) or (first.isdigit() and "-->" in lines[-1])


def read(text: str, file: Path) -> Transcript:
    """The words of subtitles, without tags, styles, comments and speakers.

    A cue's time is spread over its words, but for words with times of their own: WebVTT's
    `<00:00:01.000>`, and words underlined one after the other, as Whisper's `highlight_words` has them.

    Raises:
        DataError: times are damaged.
    """
    cues = [cue for cue in _cues(text, file) if cue.shown]
    said: tuple[str, ...] = ()
    if _roll(cues):
        cues = list(_unrolled(cues))
        said = ("lines that rolling captions repeat were left out",)
    pieces: list[Piece] = []
    for run in _runs(cues):
        marks = sum(bool(_MARK.search(cue.raw)) for cue in run)
        if len(run) > 1 and marks:
            pieces += _marked(run, file)
        else:
            pieces += [piece for cue in run for piece in _stamped(cue, file)]
    return transcript(file, pieces, said)


def _cues(text: str, file: Path) -> Iterator[_Cue]:
    is_vtt, beside, cue, before = _is_vtt(text), False, None, ""
    for number, line in enumerate(text.split("\n"), 1):
        blank = not line.strip()
        if "-->" in line:
            if cue:
                yield _without_name(cue, is_vtt)
            cue, beside = _begun(line, file, number), False
        elif blank:
            beside = False
        elif is_vtt and not before and _BESIDE.fullmatch(line):
            beside = True
        if cue and not beside and "-->" not in line:
            cue.lines.append(line)
        before = "" if blank else line
    if cue:
        yield cue


def _begun(line: str, file: Path, number: int) -> _Cue:
    match = _TIMES.fullmatch(line)
    if match is None:
        raise DataError(
            f"{file}, line {number}: expected times as in 00:00:01.000 --> 00:00:02.500, got {quoted(line)}"
        )
    start, end = on_clock(match[1]), on_clock(match[2])
    if end < start:
        raise DataError(f"{file}, line {number}: the cue ends at {end:g} s, before its start at {start:g} s")
    return _Cue(start, end, f"line {number}")


def _without_name(cue: _Cue, is_vtt: bool) -> _Cue:
    """A cue without the number or name of the next one, which stands above the next one's times."""
    *others, last = [*cue.lines, ""] if not cue.lines else cue.lines
    apart = not others or not others[-1].strip()
    if last.strip() and (last.strip().isdigit() or (is_vtt and apart)):
        cue.lines.pop()
    return cue


def _plain(line: str) -> str:
    """What is read out of a line."""
    found = _unmarked(line).replace("\xa0", " ")
    return _NO_WORD.sub(" ", _DIALOGUE.sub("", found)).strip()


def _unmarked(line: str) -> str:
    """A line without tags, its characters written out."""
    said = _TAG.sub("", line)
    try:
        return html.unescape(said)
    except ValueError:  # a character of thousands of digits
        return said


def _stamped(cue: _Cue, file: Path) -> list[Piece]:
    """The words of a cue between the times that stand among them."""
    parts = _STAMP.split(cue.raw)
    texts, edges = parts[::2], [cue.start, *map(on_clock, parts[1::2]), cue.end]
    if sorted(edges) != edges:
        raise DataError(f"{file}, {cue.where}: the times within the cue do not ascend or leave it")
    spaced = [_unmarked(one) for one in texts]
    spans = zip(spaced, edges, edges[1:], strict=False)
    found = joined(Piece(one, start, end, cue.where) for one, start, end in spans)
    return [Piece(_plain(one.text), one.start, one.end, one.where) for one in found]


def _roll(cues: list[_Cue]) -> bool:
    """Whether lines move up: then there are cues of an instant that only show lines once more."""
    return any(
        cue.end - cue.start <= _INSTANT and _repeated(last, cue) == len(cue.shown)
        for last, cue in zip(cues, cues[1:], strict=False)
    )


def _repeated(last: _Cue, cue: _Cue) -> int:
    """How many first lines of a cue are the last ones of the cue before it."""
    if cue.start - last.end > _GAP:
        return 0
    shown, new = last.shown, cue.shown
    most = min(len(shown), len(new), _SCREEN)
    return next((n for n in range(most, 0, -1) if shown[-n:] == new[:n]), 0)


def _unrolled(cues: list[_Cue]) -> Iterator[_Cue]:
    for last, cue in zip([None, *cues], cues, strict=False):
        lines = [line for line in cue.lines if _plain(line)]
        yield _Cue(cue.start, cue.end, cue.where, lines[_repeated(last, cue) if last else 0 :])


def _runs(cues: list[_Cue]) -> Iterator[list[_Cue]]:
    """Cues that follow each other and show the same."""
    run: list[_Cue] = []
    for cue in cues:
        if run and (cue.shown != run[-1].shown or cue.start - run[-1].end > _GAP):
            yield run
            run = []
        run.append(cue)
    if run:
        yield run


def _marked(run: list[_Cue], file: Path) -> list[Piece]:
    """The words that cues with one text underline one after the other; the rest lies between them."""
    pieces = [Piece(word, None, None, run[0].where) for word in _plain(run[0].raw).split()]
    for cue in run:
        mark = _MARK.search(cue.raw)
        if mark is None:
            continue
        first = len(_plain(cue.raw[: mark.start()]).split())
        count = len(_plain(mark[1]).split())
        if count and first + count <= len(pieces):
            pieces[first] = Piece(
                " ".join(one.text for one in pieces[first : first + count]), cue.start, cue.end, cue.where
            )
            for at in range(first + 1, first + count):
                pieces[at] = Piece("", None, None, cue.where)
    return filled(file, pieces, run[0].start, run[-1].end)


def _is_vtt(text: str) -> bool:
    return re.match(r"WEBVTT(?:\s|$)", text) is not None
