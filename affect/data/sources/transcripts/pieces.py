"""Pieces of speech with times, as files give them -> words with times."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from affect.data.rules.values import text as plain
from affect.data.sources.features import Transcript
from affect.errors import DataError

_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:[.,]\d+)?)", re.ASCII)
_MISSING = ("", "nan", "na", "null", "none")
_MOST = 1e9
SLOW = 5.0
"""Where letters take longer, in seconds, times are in another unit."""

_FEW = 3
"""Fewer words than these may be as slow."""

_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Thai, Lao, Japanese, Chinese."""

_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u2060\ufeff"))


@dataclass(frozen=True, slots=True)
class Piece:
    """A word or several, and when they are said.

    Args:
        text: the words.
        start: in seconds; None where the file does not say.
        end: in seconds; None where the file does not say.
        where: the place in the file, for messages.
        made: whether a time was made from those of other pieces.
    """

    text: str
    start: float | None
    end: float | None
    where: str
    made: bool = False


def transcript(
    file: Path, pieces: Iterable[Piece], said: tuple[str, ...] = (), units_vary: bool = False
) -> Transcript:
    """The words of pieces, in the order of their starts.

    The time of a piece of several words is spread over them by letters.

    Args:
        file: begins messages.
        pieces: with both times each.
        said: how they were chosen.
        units_vary: whether files of this kind may hold times in other units than seconds; words of an
            impossible length are refused then.
    Raises:
        DataError: a piece has no times, or ends before it starts.
    Example:
        >>> found = transcript(Path("a.srt"), [Piece("so good", 1.0, 4.0, "line 2")])
        >>> found.words, found.times.tolist(), found.approximate
        (('so', 'good'), [[1.0, 2.0], [2.0, 4.0]], True)
    """
    words: list[str] = []
    times: list[tuple[float, float]] = []
    approximate = False
    for piece in pieces:
        tokens = plain(piece.text).translate(_UNSEEN).split()
        if not tokens:
            continue
        if piece.start is None or piece.end is None:
            raise DataError(f"{file}, {piece.where}: {quoted(tokens[0])} has no times")
        if piece.end < piece.start:
            raise DataError(
                f"{file}, {piece.where}: {quoted(tokens[0])} ends at {piece.end:g} s, "
                f"before its start at {piece.start:g} s"
            )
        words.extend(tokens)
        times.extend(_spread(tokens, piece.start, piece.end))
        approximate |= piece.made or len(tokens) > 1
    both = np.array(times, np.float64).reshape(-1, 2)
    if units_vary and len(words) >= _FEW and pace(words, times) > SLOW:
        median = float(np.median(both[:, 1] - both[:, 0]))
        raise DataError(f"{file}: half of the words last {median:,.0f} s or more; times must be in seconds")
    if (np.diff(both[:, 0]) < 0).any():
        order = np.argsort(both[:, 0], kind="stable")
        words, both = [words[i] for i in order], both[order]
        said = (*said, "words were put in the order of their starts")
    return Transcript(tuple(words), both, approximate, said)


def filled(
    file: Path, pieces: Iterable[Piece], begin: float | None = None, finish: float | None = None
) -> list[Piece]:
    """Pieces with both times each: those without share what lies between their neighbours.

    Args:
        file: begins messages.
        pieces: in their order.
        begin: where a first one without a start starts.
        finish: where a last one without an end ends.
    Raises:
        DataError: none has a time.
    Example:
        >>> found = [Piece("from", 1, 2, ""), Piece("12", None, None, ""), Piece("to", 3, 4, "")]
        >>> [(one.text, one.start, one.end) for one in filled(Path("a.json"), found)]
        [('from', 1, 2), ('12', 2, 3), ('to', 3, 4)]
    """
    runs: list[list[Piece]] = []
    for piece in pieces:
        if not piece.text.strip():
            continue
        if runs and runs[-1][-1].end is None and piece.start is None:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    found: list[Piece] = []
    for run, after in itertools.zip_longest(runs, runs[1:]):
        start, end = run[0].start, run[-1].end
        if len(run) == 1 and start is not None and end is not None:
            found.append(run[0])
            continue
        low = start if start is not None else found[-1].end if found else begin
        high = end if end is not None else after[0].start if after else finish
        low, high = high if low is None else low, low if high is None else high
        if low is None or high is None:
            raise DataError(f"{file}, {run[0].where}: {quoted(run[0].text)} has no times")
        if start is None and end is not None:
            low = min(low, high)
        elif end is None:
            high = max(low, high)
        found.append(Piece(" ".join(one.text for one in run), low, high, run[0].where, made=True))
    return found


def joined(parts: Iterable[Piece]) -> list[Piece]:
    """Parts of words -> words: one that no space divides from the part before it belongs to the same word.

    Scripts without spaces keep their parts.

    Example:
        >>> [one.text for one in joined(Piece(part, 0, 1, "") for part in (" fan", "tas", "tic", " it"))]
        [' fantastic', ' it']
    """
    found: list[list[Piece]] = []
    for part in parts:
        last = found[-1][-1].text if found else ""
        if not part.text:
            continue
        if not last or last[-1].isspace() or part.text[0].isspace() or _is_divided(last, part.text):
            found.append([part])
        else:
            found[-1].append(part)
    return [
        replace(run[0], text="".join(one.text for one in run), end=run[-1].end) if len(run) > 1 else run[0]
        for run in found
    ]


def seconds(item: object, file: Path, where: str, decimal_comma: bool = False) -> float | None:
    """A time, from a number, its text or `00:01:02.5`; None where there is none.

    Raises:
        DataError: it is no time.
    Example:
        >>> seconds("1:02.5", Path("a.csv"), "line 2"), seconds("", Path("a.csv"), "line 2")
        (62.5, None)
    """
    found = np.inf
    if item is None or (isinstance(item, str) and item.strip().lower() in _MISSING):
        return None
    if isinstance(item, str):
        said = item.strip().replace(",", ".") if decimal_comma else item.strip()
        with suppress(ValueError):
            found = on_clock(said) if _CLOCK.fullmatch(said) else float(said)
    elif isinstance(item, int | float) and not isinstance(item, bool):
        found = float(item) if abs(item) <= _MOST or item != item else np.inf
    if found != found:
        return None
    if abs(found) > _MOST:
        raise DataError(f"{file}, {where}: expected a time in seconds, got {quoted(item)}")
    return found


def quoted(item: object) -> str:
    r"""What a message shows of something that a file holds: one short line.

    Example:
        >>> quoted("so\n good"), quoted(1.5), quoted([[]])
        ("'so good'", "'1.5'", 'a list')
    """
    if isinstance(item, str | int | float):
        return f"'{' '.join(plain(item).split())[:50]}'"
    return "nothing" if item is None else f"a {type(item).__name__}"


def on_clock(said: str) -> float:
    """The seconds of `01:02:03.5`, of `02:03,5`; hours are optional."""
    hours, minutes, rest = said.rpartition(":")[0].split(":"), 0.0, said.rpartition(":")[2]
    for one in hours:
        minutes = 60 * minutes + float(one)
    return 60 * minutes + float(rest.replace(",", "."))


def pace(words: Iterable[str], times: Iterable[tuple[float, float]]) -> float:
    """The median of the seconds that a letter takes; 0 of no words."""
    both = [(end - start) / _letters(word) for word, (start, end) in zip(words, times, strict=True)]
    return float(np.median(both)) if both else 0.0


def _spread(tokens: list[str], start: float, end: float) -> list[tuple[float, float]]:
    whole = np.cumsum([0, *map(_letters, tokens)])
    edges = (start + (end - start) * whole / whole[-1]).tolist()
    edges[0], edges[-1] = start, end
    return list(zip(edges, edges[1:], strict=False))


def _is_divided(last: str, text: str) -> bool:
    """Whether two texts that nothing divides are words of a script without spaces."""
    return bool(_UNSPACED.match(text) or (text[0].isalnum() and _UNSPACED.match(last[-1])))


def _letters(token: str) -> int:
    return max(1, sum(one.isalnum() for one in token))
