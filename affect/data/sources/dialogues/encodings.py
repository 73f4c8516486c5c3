"""Text that was read in another encoding than it was written in."""

from __future__ import annotations

import contextlib
import re

from affect.data.sources.cells import encoding
from affect.errors import DataError

_OFTEN = 4
"""Where more than one in so many bytes is no ASCII, the text is of another script."""

_CONTROLS = re.compile(r"[\x80-\x9f]")
_TWICE = re.compile("\u00e2\u20ac|\u00c3[\u0080-\u00bf\u0152-\u2122]")
"""How quotes and accented letters in UTF-8 begin where they were read as Windows-1252."""


def decoded(raw: bytes, where: str) -> tuple[str, tuple[str, ...]]:
    r"""The text of a file, and the note on lines in another encoding than the others.

    UTF-16 where its mark stands in front, else UTF-8. A line that is none is taken for Windows-1252, whose
    quotes and dashes become control characters that `mended` knows.

    Args:
        raw: the file.
        where: begins messages, and is what the note is of.
    Raises:
        DataError: such lines are made of other letters than those of Western Europe.
    Example:
        >>> decoded(b"caf\xc3\xa9\nit\x92s", "a.csv")
        ('café\nit\x92s', ('a.csv: 1 line is no UTF-8, and was read as Windows-1252.',))
    """
    code = encoding(raw)
    try:
        return raw.decode(code), ()
    except UnicodeDecodeError:
        if code == "utf-16":
            raise DataError(f"{where}: not whole UTF-16; save it as UTF-8") from None
    lines: list[str] = []
    count = letters = others = 0
    for line in raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            lines.append(line.decode("latin-1"))
            count, letters = count + 1, letters + len(line)
            others += sum(byte > 0x7F for byte in line)
    if _OFTEN * others > letters:
        raise DataError(f"{where}: neither UTF-8 nor Windows-1252; save it as UTF-8")
    what = "line is" if count == 1 else "lines are"
    verb = "was" if count == 1 else "were"
    return "\n".join(lines), (f"{where}: {count:,} {what} no UTF-8, and {verb} read as Windows-1252.",)


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
