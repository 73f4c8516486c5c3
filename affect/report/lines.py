"""Tables for the terminal in which every row is one line, however narrow it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

Kind: TypeAlias = Literal["name", "number", "picture"]
"""Names are cut in the middle where there is no room; numbers stay whole, and so do pictures, on the left."""

_LEAST = 5


@dataclass(frozen=True)
class Lines:
    r"""A table of one line to a row.

    Args:
        title: stands above it.
        heads: of the columns, with what they hold; a column without a head is left out.
        rows: of text, as many cells as columns.
    Example:
        >>> heads = (("modality", "name"), ("most", "number"))
        >>> table = Lines("steps", heads, [("a_very_long_name", "1,024")])
        >>> print("\n".join(table.lines(16)))
        steps
        modality    most
        a_ver…name 1,024
    """

    title: str
    heads: tuple[tuple[str, Kind], ...]
    rows: Collection[tuple[str, ...]]

    def lines(self, width: int) -> list[str]:
        """The title, the heads and the rows, in this many columns of a terminal."""
        shown = [place for place, (head, _) in enumerate(self.heads) if head]
        kinds = [self.heads[place][1] for place in shown]
        heads = tuple(head for head, _ in self.heads)
        cells = [[_clean(row[place], self.heads[place][1]) for place in shown] for row in (heads, *self.rows)]
        widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
        gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= width else 1
        names = [place for place, kind in enumerate(kinds) if kind == "name"]
        while sum(widths) + gap * (len(widths) - 1) > width and names:
            widest = max(names, key=lambda place: widths[place])
            if widths[widest] <= _LEAST:
                break
            widths[widest] -= 1
        rows = [(" " * gap).join(map(_placed, row, widths, kinds)) for row in cells]
        return [self.title, *(row.rstrip() for row in rows)]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        title, heads, *rows = self.lines(options.max_width)
        for line, style in [("", ""), (title, "bold"), (heads, "dim"), *((row, "") for row in rows)]:
            yield Text(line, style, no_wrap=True, overflow="ignore")


def plain(text: str) -> str:
    r"""A text on one line, without what moves a terminal's cursor.

    Example:
        >>> plain("a\n b\x1b[1m")
        'a b�[1m'
    """
    return "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))


def shortened(text: str, width: int) -> str:
    """A text in so many columns of a terminal, cut in the middle where it is longer.

    Example:
        >>> shortened("equivalentSoundLevel_dBp", 11), shortened("text", 11)
        ('equiv…l_dBp', 'text')
    """
    if cell_len(text) <= width:
        return text
    begin, end = "", ""
    for left, right in zip(text, reversed(text), strict=True):
        if cell_len(begin + left + end) >= width:
            break
        begin += left
        if cell_len(begin + end + right) >= width:
            break
        end = right + end
    return f"{begin}…{end}"


def _clean(text: str, kind: Kind) -> str:
    return plain(text) if kind == "name" else text


def _placed(text: str, width: int, kind: Kind) -> str:
    text = shortened(text, width) if kind == "name" else text
    space = " " * (width - cell_len(text))
    return space + text if kind == "number" else text + space
