"""`python -m affect` does not import from the folder that it was started in, where any file may lie.

What is imported here has been imported when Python begins: anything else could be a file of that folder.
"""

import os
import sys

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder that holds affect."""


def leave_folder() -> None:
    """Take the folder off the import path, where Python is about to execute `python -m affect`.

    The command `affect` does not look there. A checkout that is not installed stays.

    Example:
        >>> leave_folder()
    """
    asked = sys.argv[:1] == ["-m"] and "affect" in sys.orig_argv
    if asked and not sys.flags.safe_path and sys.path[:1] == [os.getcwd()] != [HOME]:
        del sys.path[0]


leave_folder()
