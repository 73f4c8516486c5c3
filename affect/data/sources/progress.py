"""A progress bar for reading that takes long: on a terminal, and only there."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Collection, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")
_SHOWN_AFTER = 2.0
"""Seconds before anything is shown."""


def counted(items: Collection[_Item], what: str) -> Iterator[_Item]:
    """The same items; once they have taken two seconds, a bar on stderr counts them, if that is a terminal.

    Worker processes show none, and the bar is gone when all is done.

    Args:
        items: each takes some time of whoever iterates.
        what: they are, beside the bar: `files of face`.
    Example:
        >>> list(counted(["a", "b"], "files"))
        ['a', 'b']
    """
    rest = enumerate(items)
    begin = time.monotonic()
    for _, item in rest:
        yield item
        if time.monotonic() - begin > _SHOWN_AFTER:
            break
    else:
        return
    if not sys.stderr.isatty() or multiprocessing.current_process().name != "MainProcess":
        yield from (item for _, item in rest)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=len(items))
        for done, item in rest:
            bar.update(task, completed=done)
            yield item
