"""Seconds that `import affect` and `affect --help` take in a fresh process, beside `import torch`.

python experiments/speed/startup.py [--runs 7]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import affect": [sys.executable, "-c", "import affect"],
    "affect --help": [sys.executable, "-m", "affect", "--help"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def main() -> None:
    """Print the median of each command, taken in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            begin = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - begin)
    for name, values in seconds.items():
        print(
            f"{name:16} {statistics.median(values):.3f} s (least {min(values):.3f}, most {max(values):.3f})"
        )


if __name__ == "__main__":
    main()
