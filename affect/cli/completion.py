"""Completion of verbs, flags and paths by the shell."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from affect.cli.flags import one_of
from affect.errors import ConfigError

SHELLS = ("bash", "zsh", "tcsh")
_PATHS = (
    "path",
    "out",
    "config",
    "experiment",
    "run_folder",
    "run_folders",
    "folders",
    "reference",
    "sequences",
    "labels",
)


class Completion(argparse.Action):
    """Print a shell's completion of the command, and end.

    shtab writes it once, as a file that needs no Python; argcomplete would start Python at every press of the
    key.
    """

    def __init__(self, option_strings: list[str], dest: str, **options: Any) -> None:
        super().__init__(
            option_strings, dest, choices=SHELLS, type=one_of(SHELLS), default=argparse.SUPPRESS, **options
        )

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """What argparse calls where the flag stands."""
        try:
            import shtab  # type: ignore[import-not-found, unused-ignore]  # optional
        except ImportError:
            raise ConfigError(
                'completion: shtab is not installed; pip install "affect[completion]"'
            ) from None
        for group in parser._actions:
            for verb in (group.choices or {}).values() if isinstance(group.choices, dict) else ():
                for action in verb._actions:
                    if action.dest in _PATHS:
                        action.complete = shtab.FILE
        sys.stdout.write(shtab.complete(parser, shell=values))
        parser.exit()
