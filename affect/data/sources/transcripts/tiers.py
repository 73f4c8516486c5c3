"""Layers of annotation: which one holds words, and which labels are silence."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from affect.data.sources.transcripts.pieces import Piece, quoted
from affect.errors import DataError

_WORDS = ("words", "word", "ort-mau", "tokensalign")
"""What people and Montreal's, Munich's and the SPPAS aligner call their words."""
_SPEAKERS_WORDS = re.compile(r".* ?- ?words?")
_SOUNDS = re.compile(r"(?:.*\W)?(?:phon.*|phns?|segments?|mau|syll.*)", re.DOTALL)
_SILENT = frozenset(("", "sp", "sil", "<sil>", "<eps>", "<p:>", "{sl}", "#", "+"))


@dataclass(frozen=True)
class Tier:
    """One layer.

    Args:
        name: as the file has it.
        pieces: its labels but for silences.
    """

    name: str
    pieces: list[Piece] = field(default_factory=list)


def is_silent(label: str) -> bool:
    """Whether a label says that nothing is said.

    Example:
        >>> is_silent("SIL"), is_silent(" "), is_silent("silly")
        (True, True, False)
    """
    return label.strip().lower() in _SILENT


def words(tiers: list[Tier], file: Path) -> tuple[list[Piece], tuple[str, ...]]:
    """The words among layers, and what is to be said of the choice.

    A tier named `words` or `word`, or as known aligners name theirs; else those of all speakers
    (`Mary - words`); else, of those that are not named after phones or syllables, the one with most labels.

    Raises:
        DataError: there are no layers, or only ones of phones or syllables.
    """
    by_name = [(one.name.strip().strip('"').lower(), one) for one in tiers]
    for name in _WORDS:
        named = [one for low, one in by_name if low == name]
        if named:
            first = f"the first of {len(named)} tiers {quoted(named[0].name)} was read"
            return named[0].pieces, (first,) if len(named) > 1 else ()
    speakers = [one for low, one in by_name if _SPEAKERS_WORDS.fullmatch(low)]
    if speakers:
        return [piece for one in speakers for piece in one.pieces], ()
    others = [one for low, one in by_name if not _SOUNDS.fullmatch(low)]
    if not others:
        said = ", ".join(quoted(one.name) for one in tiers)[:200] or "none"
        raise DataError(f"{file}: no tier of words; expected one named 'words', got {said}")
    best = max(others, key=lambda one: len(one.pieces))
    of = f" of {len(tiers)}" if len(tiers) > 1 else ""
    return best.pieces, (f"tier {quoted(best.name)}{of} was read, as none is named words",)
