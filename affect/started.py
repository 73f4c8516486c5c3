"""What the command does before it imports anything: its folder is not imported from, and Ctrl-C is quiet.

What is imported here has been imported when Python begins: anything else could be a file of the folder that
the command was started in, where any file may lie.
"""

import _signal  # type: ignore[import-not-found]  # typeshed does not have it
import os
import sys

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder that holds affect."""

COMMANDS = ("affect", "affect.exe", "affect-script.py")
"""What the command's file is called."""


def leave_folder() -> None:
    """Take the folder off the import path, where Python is about to execute `python -m affect`.

    The command `affect` does not look there. A checkout that is not installed stays.

    Example:
        >>> leave_folder()
    """
    if not _is_module() or sys.flags.safe_path:
        return
    try:
        here = os.getcwd()
    except OSError:  # it was deleted
        return
    if sys.path[:1] == [here] != [HOME]:
        del sys.path[0]


def end_quietly() -> None:
    """Have Ctrl-C end the command without a traceback, before and after `affect.cli.stopping` listens.

    Example:
        >>> end_quietly()
    """
    asked = _is_module() or os.path.basename("".join(sys.argv[:1])) in COMMANDS
    if asked and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def _is_module() -> bool:
    return sys.argv[:1] == ["-m"] and "affect" in sys.orig_argv


leave_folder()
end_quietly()
