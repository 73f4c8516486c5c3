"""Whether the files of a corpus are still what they were when it was read."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from affect.errors import DataError

State: TypeAlias = tuple[int, ...]
"""Size, time, number and time of the last change of a file, as the system says them."""


@dataclass(frozen=True)
class CorpusFiles:
    """The files that a corpus is read from, as they were; looked at again, they cost a call each.

    Args:
        states: of each file.
        digests: SHA-256 of each file, where it was taken: one that was touched and holds the same passes.
    Example:
        >>> file = getfixture("tmp_path") / "a.csv"
        >>> _ = file.write_text("id,sentiment")
        >>> files = CorpusFiles.of([file])
        >>> files.check()
        >>> _ = file.write_text("id")
        >>> files.check()
        Traceback (most recent call last):
        affect.errors.DataError: .../a.csv: the corpus changed while it was learned from: it was 12 bytes of
        ..., and is 2 bytes of ...; bring it back, or run the command again
    """

    states: Mapping[Path, State] = field(default_factory=dict)
    digests: Mapping[Path, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Iterable[Path], digests: bool = False) -> CorpusFiles:
        """Files as they are.

        Args:
            files: of a corpus, such as `affect.data.contents.files_in` finds.
            digests: whether to read them for their digests, too.
        """
        states = {}
        for file in files:
            try:
                states[file] = _state(os.stat(file))
            except OSError:  # a link to nothing, or gone since: whoever reads it says so
                continue
        return cls(states, {file: file_digest(file) for file in states} if digests else {})

    def check(self) -> None:
        """Refuse to go on where a file is gone, was cut, replaced or written to.

        Raises:
            DataError: as said.
        """
        for file, was in self.states.items():
            try:
                now = _state(os.stat(file))
            except OSError:
                now = ()
            if now == was:
                continue
            if file in self.digests:
                same = bool(now) and file_digest(file) == self.digests[file]
            else:  # other rights or one more link are no other content
                same = now[:3] == was[:3]
            if not same:
                found = "is gone" if not now else f"is {_said(now)}"
                if now and _said(now) == _said(was):
                    found = "holds something else"
                raise DataError(
                    f"{file}: the corpus changed while it was learned from: it was {_said(was)}, and "
                    f"{found}; bring it back, or run the command again"
                )


def file_digest(path: Path) -> str | None:
    """SHA-256 of a file, read once as long as it is not touched; None where it is gone."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return _digest(str(path), *_state(seen)) if path.is_file() else None


@lru_cache(4096)
def _digest(path: str, *state: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state(seen: os.stat_result) -> State:
    return seen.st_size, seen.st_mtime_ns, seen.st_ino, seen.st_ctime_ns


def _said(state: State) -> str:
    size, when, *_ = state
    return f"{size:,} bytes of {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(when / 1e9))}"
