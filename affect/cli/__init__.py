"""The `affect` command: one function per verb, and nothing heavy is imported before a verb is known."""

from __future__ import annotations

import sys
from pathlib import Path

from affect.cli.ending import one_line
from affect.cli.parser import parse
from affect.cli.streams import open_streams
from affect.memory import limit
from affect.terminal import escape_log


def main(arguments: list[str] | None = None) -> None:
    """Run a verb; whatever goes wrong ends with one line on stderr and an exit status that is not 0.

    Args:
        arguments: as they stand behind `affect`; those of this process by default.
    """
    open_streams()
    with one_line():
        escape_log()
        args = parse(arguments)
        from affect.classes import beside, within
        from affect.workers.apart import processes_apart
        from affect.workers.crashes import trace_crashes, traced_as

        trace_crashes()
        if args.computes:
            from affect.kernels import keep_freed_memory

            keep_freed_memory()
            if args.memory is not None:
                limit(args.memory)
        here = beside(Path.cwd())  # for what a flag names: a metric, a reader, a protocol of the user's
        with processes_apart(), within(here):
            traced_as(f"affect {' '.join(arguments or sys.argv[1:])}", args.run)(args)
        sys.stdout.flush()  # what a closed pipe refuses is refused here, not while Python ends
