"""Published figures of the papers' models."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from affect.papers.files import Paper


@dataclass(frozen=True)
class Figure:
    """One published number.

    Args:
        corpus: of which corpus, by its name among `affect.data.corpora.CORPORA`.
        setting: in which setting, in a few words.
        model: what its publisher calls the model.
        metric: as affect calls the metric of that definition.
        value: the number.
        source: who published it.
    """

    corpus: str
    setting: str
    model: str
    metric: str
    value: float
    source: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))


def figures(paper: Paper) -> list[Figure]:
    """The published figures of a paper's model; `experiments/published.csv` has them too, and more.

    Example:
        >>> [(one.metric, one.value) for one in figures(affect.papers.misa)][0]
        ('acc2_nonnegative', 0.8184)
    """
    return [one for one in _all() if one.model == paper.published]


def lines(paper: Paper) -> Iterator[str]:
    """The same as lines of text, one for each setting."""
    tables: dict[tuple[str, str, str], list[str]] = {}
    for one in figures(paper):
        place = (one.corpus, one.setting, one.source)
        tables.setdefault(place, []).append(f"{one.metric} {one.value:g}")
    for (corpus, setting, source), values in tables.items():
        yield f"{corpus} ({setting}): {', '.join(values)}; {source}"


@cache
def _all() -> list[Figure]:
    text = (files("affect.papers") / "published.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return [Figure(**row) for row in rows]  # type: ignore[arg-type]  # text that is made a number
