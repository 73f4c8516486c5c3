"""`python -m affect` is the `affect` command."""

import os
import sys

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

if __name__ == "__main__":
    # Python looks first in the folder that it was started in, and would execute a `safetensors.py` that lies
    # there. The command `affect` does not look there either. A checkout that is not installed stays.
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()] != [_HOME]:
        del sys.path[0]
    from affect.cli import main

    main()
