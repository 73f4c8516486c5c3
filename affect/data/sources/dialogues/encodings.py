"""Text that was read in another encoding than it was written in."""

from __future__ import annotations

import contextlib
import re

from affect.data.sources.cells import encoding

_CONTROLS = re.compile(r"[\x80-\x9f]")
_TWICE = re.compile("\u00e2\u20ac|\u00c3[\u0080-\u00bf\u0152-\u2122]")
"""How quotes and accented letters in UTF-8 begin where they were read as Windows-1252."""


def decoded(raw: bytes) -> str:
    r"""The text of a file, line by line where it is not all in one encoding.

    UTF-16 where its mark stands in front, else UTF-8. A line that is none is taken for Latin-1, in which the
    quotes of Windows-1252 are control characters, which `mended` knows.

    Example:
        >>> decoded(b"caf\xc3\xa9\nit\x92s")
        'café\nit\x92s'
    """
    code = encoding(raw)
    try:
        return raw.decode(code)
    except UnicodeDecodeError:
        if code == "utf-16":
            raise
    lines = []
    for line in raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            lines.append(line.decode("latin-1"))
    return "\n".join(lines)


def mended(said: str) -> str:
    r"""The same text, in which what is left of Windows-1252 has become the characters that were meant.

    Control characters from 0x80 to 0x9F are never text, and stand for the quotes and dashes of Windows-1252;
    UTF-8 that was read as Windows-1252 is read as what it is, where all of it can be.

    Example:
        >>> mended("it\x92s"), mended("itâ€™s"), mended("so")
        ('it’s', 'it’s', 'so')
    """
    if _TWICE.search(said):
        with contextlib.suppress(UnicodeError):
            said = said.encode("cp1252").decode()
    return _CONTROLS.sub(_meant, said)


def _meant(found: re.Match[str]) -> str:
    try:
        return found[0].encode("latin-1").decode("cp1252")
    except UnicodeDecodeError:  # five of them mean nothing there either
        return found[0]
