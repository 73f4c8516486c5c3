"""Praat's TextGrids, in the long and the short form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from affect.data.sources.features import Transcript
from affect.data.sources.transcripts.pieces import Piece, quoted, seconds, transcript
from affect.data.sources.transcripts.tiers import Tier, is_silent, words
from affect.errors import DataError

_HEAD = re.compile(r'\s*(?:File type\s*=\s*)?"ooTextFile[^"]*"\s*(?:Object class\s*=\s*)?"TextGrid')
_OTHER = re.compile(r'\s*(?:ooBinaryFile\s*TextGrid|"Praat chronological TextGrid)')
_TOKEN = re.compile(
    r"""
    "(?P<text>[^"]*+(?:""[^"]*+)*+)"
    | (?P<open>")
    | (?<!\S) (?P<number>[-+]?(?:\d++\.?\d*+|\.\d++)(?:[eE][-+]?\d++)?) s? (?!\S)
    | (?<!\S) (?P<flag><\w++>) (?!\S)
    | (?<!\S) ![^\n]*
    | \S [^\s"]*
    """,
    re.VERBOSE | re.ASCII,
)


def recognises(start: str) -> bool:
    """Whether a text begins as a TextGrid, long or short."""
    return _HEAD.match(start) is not None


def is_of_other_form(start: str) -> bool:
    """Whether a text begins as a binary or a chronological TextGrid."""
    return _OTHER.match(re.sub(r"[^\x20-\x7e\n]", "", start[:200])) is not None


def read(text: str, file: Path) -> Transcript:
    """The words of a TextGrid.

    In either form it is a row of texts, numbers and a flag, with other things between them that do not count.

    Raises:
        DataError: it is damaged, or has no tier of words.
    """
    tokens = _Tokens(text, file)
    for _ in range(2):  # what the file is
        tokens.text("a header")
    for _ in range(2):  # its span
        tokens.time("the times of the grid")
    if not tokens.exists():
        return transcript(file, ())
    tiers = []
    for _ in range(tokens.count("the number of tiers")):
        kind, name = tokens.text("the class of a tier"), tokens.text("the name of a tier")
        if kind not in ("IntervalTier", "TextTier"):
            raise DataError(f"{tokens.where}: expected an IntervalTier or a TextTier, got {quoted(kind)}")
        said = f"tier {quoted(name)}"
        for _ in range(2):
            tokens.time(said)
        tier = Tier(name)
        for _ in range(tokens.count(said)):
            start = tokens.time(said)
            place = tokens.place
            end = tokens.time(said) if kind == "IntervalTier" else start
            label = tokens.text(said)
            if not is_silent(label):
                tier.pieces.append(Piece(label, start, end, place))
        if kind == "IntervalTier":
            tiers.append(tier)
    return transcript(file, *words(tiers, file))


class _Tokens:
    """What counts in the text, one after the other."""

    def __init__(self, text: str, file: Path) -> None:
        self._all = self._found(text)
        self._file = file
        self._line = 1

    @property
    def place(self) -> str:
        return f"line {self._line}"

    @property
    def where(self) -> str:
        return f"{self._file}, {self.place}"

    def text(self, of: str) -> str:
        kind, said = self._next(of)
        if kind != "text":
            raise DataError(f"{self.where}: expected a text in quotes ({of}), got {quoted(said)}")
        return said.replace('""', '"')

    def time(self, of: str) -> float:
        kind, said = self._next(of)
        found = seconds(said, self._file, self.place) if kind == "number" else None
        if found is None:
            raise DataError(f"{self.where}: expected a time ({of}), got {quoted(said)}")
        return found

    def count(self, of: str) -> int:
        found = self.time(of)
        if found < 0 or found != int(found):
            raise DataError(f"{self.where}: expected a count ({of}), got {found:g}")
        return int(found)

    def exists(self) -> bool:
        kind, said = self._next("the tiers")
        if kind != "flag":
            raise DataError(f"{self.where}: expected <exists>, got {quoted(said)}")
        return said == "<exists>"

    def _next(self, of: str) -> tuple[str, str]:
        found = next(self._all, None)
        if found is None:
            raise DataError(f"{self.where}: the file ends within {of}")
        return found

    def _found(self, text: str) -> Iterator[tuple[str, str]]:
        at = 0
        for match in _TOKEN.finditer(text):
            self._line += text.count("\n", at, match.start())
            at = match.start()
            kind = match.lastgroup
            if kind == "open":
                raise DataError(f"{self.where}: a text in quotes has no end")
            if kind:
                yield kind, match[kind]
