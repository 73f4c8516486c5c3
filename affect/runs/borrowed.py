"""A configuration that a search wrote is data, as a run is, until it is known to be the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affect.classes import modules_in
from affect.classes.strangers import present, strange
from affect.classes.trust import digest_of, is_trusted
from affect.errors import ConfigError
from affect.files import real
from affect.runs.studies import SEARCH


def check_borrowed(path: Path, content: Mapping[str, Any], trust: bool) -> None:
    """Refuse a file that a search wrote, where it names code that is not known to be the user's own.

    A file that a user wrote is the user's code, and so is a search's file that was copied out of its folder.

    Args:
        path: the configuration's file.
        content: its plain values; classes are looked for as the block around says.
        trust: whether it may name any code.
    Raises:
        ConfigError: it may not, and does.
    Example:
        >>> check_borrowed(Path("best.yaml"), {"reader": "my_readers.read"}, trust=False)
    """
    if trust or not _of_search(path):
        return
    carried = modules_in(content)
    others = strange(content, carried)
    named = [*carried.files, *present(others)]
    if named and not is_trusted(digest_of(carried, others)):
        raise ConfigError(
            f"{path}: was written by a search, and names code that is not known to be yours: "
            f"{', '.join(named)}; read it in {path.parent}, then allow it with --trust (trust=True)"
        )


def _of_search(path: Path) -> bool:
    """Whether a search wrote a file: `best.yaml` beside its `search.json`, or a file of its `front`."""
    folder = real(path).parent
    beside = path.name == "best.yaml" and (folder / SEARCH).is_file()
    return beside or (folder.name == "front" and (folder.parent / SEARCH).is_file())
