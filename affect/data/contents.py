"""What a corpus holds, in one number."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from affect.data import synthetic
from affect.data.sources.belonging import files_of

_NOT_DATA = (".py", ".yaml", ".yml", ".md", ".ipynb", ".html", ".log", ".db", ".partial")
_RUNS = (("run.json", "config.yaml"), ("study.db",), ("metrics.csv", "hparams.yaml"))
"""Files that lie together in a folder of a run, of a search or of Lightning's logs."""


def corpus_digest(corpus: str) -> str | None:
    """Changes with what a corpus holds; None where it is gone.

    Of a file its SHA-256; of a folder, or a file that is read with others, of the names and contents of all
    that belong to it; a generated corpus is known by its name and the generator's version.

    Args:
        corpus: a file's whole path, or the name of a generated one.
    Example:
        >>> file = getfixture("tmp_path") / "a.csv"
        >>> corpus_digest(str(file)) is None, file.write_text("id"), corpus_digest(str(file))[:8]
        (True, 2, 'a5614527')
    """
    if is_generated(corpus):
        named = synthetic.full_name(corpus)
        return hashlib.sha256(f"{named} {synthetic.VERSION}".encode()).hexdigest()
    path = Path(corpus)
    if not path.exists():
        return None
    files = sorted(_data(path)) if path.is_dir() else files_of(path)
    if files == [path]:
        return file_digest(path)
    folder = path if path.is_dir() else path.parent
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.relative_to(folder).as_posix()} {file_digest(file)}\n".encode())
    return whole.hexdigest()


def file_digest(path: Path) -> str | None:
    """SHA-256 of a file, read once as long as its size and time stay; None where it is gone."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return _digest(str(path), seen.st_size, seen.st_mtime_ns) if path.is_file() else None


def kept_digest(facts: Mapping[str, Any], corpus: str) -> str | None:
    """What a corpus held when a run was made.

    Args:
        facts: what `run.json` says of the corpus; an older release said less.
        corpus: its path or name.
    """
    if "content" in facts:
        return None if facts["content"] is None else str(facts["content"])
    known = facts.get("sha256")
    same = is_generated(corpus) or (known is not None and known == file_digest(Path(corpus)))
    return corpus_digest(corpus) if same else known


def is_generated(corpus: str) -> bool:
    """Whether this is the name of a generated corpus, not a file."""
    return corpus.partition(":")[0] == "synthetic"


@lru_cache(4096)
def _digest(path: str, size: int, time: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _data(folder: Path) -> Iterator[Path]:
    """The files below a folder that may be of a corpus: none of code, configurations, logs or results."""
    found: list[tuple[str, Path]] = []
    of_runs = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name[0] != "." and name != "__pycache__"]
        top = Path(place).relative_to(folder).parts[:1]
        if top and any({*files} >= {*marks} for marks in _RUNS):
            of_runs.add(top[0])
        found += [("".join(top), Path(place) / name) for name in files if name[0] != "."]
    for within, path in found:
        if within not in of_runs and path.suffix.lower() not in _NOT_DATA:
            yield path
