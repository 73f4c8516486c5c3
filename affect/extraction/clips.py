"""What is to be extracted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from affect.data.samples import Sample
from affect.media import Recording


@dataclass(frozen=True, eq=False)
class Clip:
    """A sample that is a recording, or a part of one.

    Args:
        id: its name, which no other clip has.
        path: of the recording.
        start: second at which it begins.
        end: second before which it ends; None: where the recording does.
        targets: its labels, as in `affect.Sample`.
        words: what is said, where it is known: a list, or a text that is split at blanks.
        word_times: start and end of each word, in seconds of the recording, (words, 2).
        group: what must not be on two sides of a split (speaker, video).
        split: `train`, `valid` or `test`.
    """

    id: str
    path: str | PathLike[str]
    start: float = 0.0
    end: float | None = None
    targets: Mapping[str, Any] = field(default_factory=dict)
    words: str | Iterable[str] | None = None
    word_times: Any = None
    group: str | None = None
    split: str = "all"

    def recording(self) -> Recording:
        """Its sound and pictures.

        Raises:
            DataError: there is no such file, or it is no recording.
        """
        return Recording(self.path, self.start, self.end)

    def sample(self) -> Sample:
        """All but its features."""
        return Sample(self.id, {}, self.targets, self.words, self.word_times, self.group, self.split)
