"""Processes that affect starts do not import from the folder that they start in, where any file may lie.

Python looks there first where it is started with `-m` or `-c`, as joblib, Lightning and Ray start it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

_SAFE = "PYTHONSAFEPATH"


@contextmanager
def processes_apart() -> Iterator[None]:
    """Within the block, processes of Python that are started do not look in their folder.

    Example:
        >>> with processes_apart():
        ...     os.environ["PYTHONSAFEPATH"]
        '1'
    """
    before = os.environ.get(_SAFE)
    os.environ[_SAFE] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_SAFE, None)
        else:
            os.environ[_SAFE] = before


@contextmanager
def elsewhere() -> Iterator[None]:
    """Within the block, this process stands in an empty folder: Ray hands the folder's path to its workers.

    Example:
        >>> with elsewhere():
        ...     os.listdir()
        []
    """
    before = os.getcwd()
    with TemporaryDirectory() as empty:
        os.chdir(empty)
        try:
            yield
        finally:
            os.chdir(before)
