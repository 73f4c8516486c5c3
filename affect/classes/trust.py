"""Whose code may be executed: digests of what the user's own runs were made with.

Of the user's modules, and of the import paths that are no parts of affect, torch, optuna or lightning.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Collection
from pathlib import Path

from affect.classes.sources import Modules
from affect.files import writing

logger = logging.getLogger(__name__)


def file() -> Path:
    """The user's list: what `AFFECT_TRUST` names, or `affect/trusted` in the folder of users' data."""
    if named := os.environ.get("AFFECT_TRUST"):
        return Path(named)
    if named := os.environ.get("XDG_DATA_HOME"):
        return Path(named) / "affect" / "trusted"
    if sys.platform == "win32" and (named := os.environ.get("LOCALAPPDATA")):
        return Path(named) / "affect" / "trusted"
    ours = ("Library", "Application Support") if sys.platform == "darwin" else (".local", "share")
    return Path(os.path.expanduser("~")).joinpath(*ours, "affect", "trusted")


def digest_of(modules: Modules, others: Collection[str] = ()) -> str:
    """Of modules and of other import paths that a run names; empty where there is neither.

    Args:
        modules: the user's own.
        others: as `affect.classes.strangers.strange` finds them.
    Example:
        >>> digest_of(Modules()), digest_of(Modules(), ["deap.read"])[:8]
        ('', 'a59ca250')
    """
    if not others:
        return modules.digest
    return hashlib.sha256("\n".join([modules.digest, *sorted(others)]).encode()).hexdigest()


def is_trusted(digest: str) -> bool:
    """Whether a run of the user's own was made with what has this digest.

    Example:
        >>> is_trusted("0" * 64)
        False
    """
    try:
        lines = file().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return bool(digest) and any(line.split(" ")[0] == digest for line in lines)


def mark_trusted(modules: Modules, others: Collection[str] = ()) -> None:
    """Write down that the user's own runs are made with this; a log line says where that failed.

    Args:
        modules: the user's own.
        others: other import paths that the run names.
    """
    from filelock import FileLock

    digest, names = digest_of(modules, others), [*modules.names, *others]
    if not digest or is_trusted(digest):
        return
    path = file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=10):
            before = path.read_text(encoding="utf-8") if path.is_file() else ""
            with writing(path) as partial:
                partial.write_text(f"{before}{digest} {' '.join(names)}\n", encoding="utf-8")
    except OSError as error:  # a lock that is not given up is one too
        logger.warning(
            "%s cannot be written (%s): to load runs made with %s later, say --trust (trust=True)",
            path,
            error.strerror or type(error).__name__,
            ", ".join(names),
        )
