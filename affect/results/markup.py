"""Texts as LaTeX and Markdown show them to the letter."""

from __future__ import annotations

import re
from typing import Final

LATEX: Final = {
    "\\": r"\textbackslash{}", "±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}  # fmt: skip
"""What stands for each sign that LaTeX would read, or has no letter for."""

MARKDOWN: Final = re.compile(r"[\\|<`*]")
"""Signs that Markdown would read."""


def latex_text(text: str) -> str:
    r"""A text for LaTeX.

    Example:
        >>> print(latex_text("50% ± a_b"))
        50\% $\pm$ a\_b
    """
    return "".join(LATEX.get(sign, sign) for sign in text)


def latex_row(cells: list[str]) -> str:
    r"""A table's row; after the end of the one before, a bracket or star at its begin would be an option.

    Args:
        cells: as `latex_text` makes them, or LaTeX.
    Example:
        >>> print(latex_row(["[a]", "1"]))
        {}[a] & 1 \\
    """
    return ("{}" if cells[0][:1] in ("[", "*") else "") + " & ".join(cells) + r" \\"


def markdown_text(text: str) -> str:
    r"""A text for Markdown.

    Example:
        >>> print(markdown_text("a|b"))
        a\|b
    """
    return MARKDOWN.sub(lambda found: f"\\{found[0]}", text)
