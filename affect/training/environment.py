"""What figures depend on beside a configuration."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

_AFFECT = Path(__file__).resolve().parents[1]
_SPEAKS_FOR = ("torch", "lightning", "numpy", "scipy", "scikit-learn", "pandas")


def environment(accelerator: str) -> dict[str, Any]:
    """Versions, commit, machine and threads, as `run.json` keeps them.

    Example:
        >>> environment("cpu")["torch"] == version("torch")
        True
    """
    commit = _described(Path())
    return {
        **versions(),
        "commit": commit or None,
        "python": platform.python_version(),
        **{name: version(name) for name in _SPEAKS_FOR},
        "machine": platform.platform(),
        "accelerator": accelerator,
        "threads": torch.get_num_threads(),
    }


@cache
def versions() -> dict[str, Any]:
    """Of affect: its version, and the commit of a checkout that is used as it stands.

    Example:
        >>> sorted(versions())
        ['affect', 'affect_commit']
    """
    checkout = (_AFFECT.parent / ".git").exists()
    return {"affect": version("affect"), "affect_commit": _described(_AFFECT) or None if checkout else None}


def _described(folder: Path) -> str:
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # there is no git
        return ""
    return answer.stdout.strip()
