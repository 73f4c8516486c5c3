"""The `affect` command: one function per verb, and nothing heavy is imported before a verb is known."""

from __future__ import annotations

import sys
from pathlib import Path

from affect.cli.ending import one_line
from affect.cli.parser import parse


def main(arguments: list[str] | None = None) -> None:
    """Run a verb; whatever goes wrong ends with one line on stderr and an exit status that is not 0.

    Args:
        arguments: as they stand behind `affect`; those of this process by default.
    """
    with one_line():
        args = parse(arguments)
        from affect.classes import beside, within

        if args.computes:
            from affect.kernels import keep_freed_memory

            keep_freed_memory()
        with within(beside(Path.cwd())):  # what a flag names: a metric, a reader, a protocol of the user's
            args.run(args)
        sys.stdout.flush()  # what a closed pipe refuses is refused here, not while Python ends
