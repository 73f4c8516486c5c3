"""What a corpus holds, in one number."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affect.data import synthetic
from affect.data.corpus_files import file_digest
from affect.data.sources.belonging import files_of


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
    files = files_in(corpus)
    if files == [path]:
        return file_digest(path)
    folder = path if path.is_dir() else path.parent
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.relative_to(folder).as_posix()} {file_digest(file)}\n".encode())
    return whole.hexdigest()


def files_in(corpus: str) -> list[Path]:
    """The files that belong to a corpus, sorted; none of a generated one, or of one that is gone.

    Args:
        corpus: as in `corpus_digest`.
    """
    return [] if is_generated(corpus) or not Path(corpus).exists() else files_of(Path(corpus))


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
