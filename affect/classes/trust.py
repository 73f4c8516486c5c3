"""Whose code may be executed: digests of the modules that the user's own runs were made with."""

from __future__ import annotations

import logging
import os
import sys
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


def is_trusted(digest: str) -> bool:
    """Whether a run of the user's own was made with the modules of this digest.

    Example:
        >>> is_trusted("0" * 64)
        False
    """
    try:
        lines = file().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return bool(digest) and any(line.split(" ")[0] == digest for line in lines)


def trust(modules: Modules) -> None:
    """Write down that the user's own runs are made with these modules; a log line says where that failed."""
    from filelock import FileLock

    if not modules.files or is_trusted(modules.digest):
        return
    path = file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=10):
            before = path.read_text(encoding="utf-8") if path.is_file() else ""
            with writing(path) as partial:
                partial.write_text(f"{before}{modules.digest} {' '.join(modules.names)}\n", encoding="utf-8")
    except OSError as error:  # a lock that is not given up is one too
        logger.warning(
            "%s cannot be written (%s): to load runs made with %s later, say --trust (trust=True)",
            path,
            error.strerror or type(error).__name__,
            ", ".join(modules.names),
        )
