"""JSON of Whisper and its kin (faster-whisper, WhisperX, whisper.cpp, transformers), and of aligners."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from affect.data.sources.features import Transcript
from affect.data.sources.transcripts.pieces import (
    Piece,
    filled,
    joined,
    quoted,
    seconds,
    transcript,
)
from affect.data.sources.transcripts.tiers import Tier, is_silent, words
from affect.errors import DataError

_KEYS = re.compile(r'"(?:segments|words|word_segments|transcription|chunks|tiers|word|text)"\s*:')
_TEXTS = ("word", "text", "token")
_TIMES = ("start", "timestamp", "offsets")
_SEGMENTS = ("segments", "transcription", "chunks")
_WORDS = ("words", "word_segments")
_SPECIAL = re.compile(r"\s*\[_\w+\]\s*")  # whisper.cpp: [_BEG_], [_TT_150]


def recognises(start: str) -> bool:
    """Whether a text begins as JSON that may be a transcript.

    Example:
        >>> recognises('{"text": " So good.", "segments": ['), recognises('{"mean": 0}')
        (True, False)
    """
    return start.lstrip()[:1] in ("{", "[") and _KEYS.search(start) is not None


def read(text: str, file: Path) -> Transcript | None:
    """The words of segments, or of tiers; None where there are none with times.

    Segments without words are spread over the words of their text. Words without times, which WhisperX and
    Gentle leave, lie between their neighbours.

    Raises:
        DataError: it is damaged.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{file}, line {error.lineno}: not whole JSON ({error.msg})") from None
    except RecursionError:
        raise DataError(f"{file}: not a transcript: its JSON is nested too deeply") from None
    except ValueError as error:
        raise DataError(f"{file}: not JSON that can be read ({str(error)[:100]})") from None
    if isinstance(content, list):
        content = {"segments": content}
    if not isinstance(content, dict):
        return None
    tiers = _tiers(content.get("tiers"), file)
    if tiers:
        return transcript(file, *words(tiers, file), units_vary=True)
    segments, alone = _timed(content, _SEGMENTS), _timed(content, _WORDS)
    if alone and not any(_inside(one) for one in segments or ()):  # OpenAI's service, Gentle
        pieces = [_piece(one, file, f"word {i}") for i, one in enumerate(alone, 1)]
    elif segments is not None:
        pieces = [one for i, item in enumerate(segments, 1) for one in _segment(item, file, f"segment {i}")]
    elif alone is None:
        return None
    else:
        pieces = []
    return transcript(file, filled(file, pieces), units_vary=True)


def _timed(content: dict[str, Any], keys: tuple[str, ...]) -> list[Any] | None:
    """The first list in which something has a text and times; an empty one is one of nothing said."""
    for key in keys:
        found = content.get(key)
        if isinstance(found, list) and (not found or any(map(_is_timed, found))):
            return found
    return None


def _is_timed(item: object) -> bool:
    if not isinstance(item, dict) or not any(name in item for name in _TIMES):
        return False
    return any(isinstance(item.get(name), str) for name in _TEXTS) or bool(_inside(item))


def _inside(item: object) -> list[Any]:
    """The words of a segment, or its parts of words; empty where it has none with times."""
    for key in ("words", "tokens"):
        found = item.get(key) if isinstance(item, dict) else None
        if isinstance(found, list) and any(map(_is_timed, found)):
            return found
    return []


def _segment(item: object, file: Path, where: str) -> list[Piece]:
    inside = _inside(item)
    if not inside or not isinstance(item, dict):
        return [_piece(item, file, where)]
    found = [_piece(one, file, f"{where}, word {i}") for i, one in enumerate(inside, 1)]
    if inside is item.get("tokens"):
        found = joined(one for one in found if not _SPECIAL.fullmatch(one.text))
    return filled(file, found, *_span(item, file, where))


def _piece(item: object, file: Path, where: str) -> Piece:
    if not isinstance(item, dict):
        raise DataError(f"{file}, {where}: expected a text with times, got {quoted(item)}")
    text = next((item[name] for name in _TEXTS if isinstance(item.get(name), str)), None)
    if text is None:
        raise DataError(f"{file}, {where}: expected a text under {' or '.join(map(repr, _TEXTS))}")
    return Piece(text, *_span(item, file, where), where)


def _span(item: dict[str, Any], file: Path, where: str) -> tuple[float | None, float | None]:
    pair, offsets = item.get("timestamp"), item.get("offsets")
    if isinstance(offsets, dict):  # milliseconds, of whisper.cpp
        start, end = (seconds(offsets.get(name), file, where) for name in ("from", "to"))
        return None if start is None else start / 1000, None if end is None else end / 1000
    if isinstance(pair, list) and len(pair) == 2:
        return seconds(pair[0], file, where), seconds(pair[1], file, where)
    return seconds(item.get("start"), file, where), seconds(item.get("end"), file, where)


def _tiers(content: object, file: Path) -> list[Tier]:
    """The tiers of a TextGrid written as JSON, by Montreal's aligner or by praatio."""
    if isinstance(content, list):
        named = [(one.get("name"), one) for one in content if isinstance(one, dict)]
    else:
        named = list(content.items()) if isinstance(content, dict) else []
    found = []
    for name, tier in named:
        entries = tier.get("entries") if isinstance(tier, dict) else None
        if not isinstance(entries, list) or "point" in str(tier.get("type", tier.get("class"))).lower():
            continue
        found.append(Tier(str(name)))
        for i, entry in enumerate(entries, 1):
            where = f"tier {quoted(name)}, entry {i}"
            if not isinstance(entry, list) or len(entry) != 3 or not isinstance(entry[2], str):
                raise DataError(f"{file}, {where}: expected start, end and text, got {quoted(entry)}")
            if not is_silent(entry[2]):
                start, end = (seconds(time, file, where) for time in entry[:2])
                found[-1].pieces.append(Piece(entry[2], start, end, where))
    return found
