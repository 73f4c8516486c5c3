"""The one switch between the fast ways and the plain references."""

from __future__ import annotations

import os

from affect.errors import ConfigError, check_flag


def fast(enabled: bool) -> _Switched:
    """Take the fast ways of all operations, or the plain references that stand beside them.

    As `torch.set_grad_enabled`: a call sets it from then on; in a `with` statement the earlier state comes
    back after the block. The references are slower, need more memory, and are made of PyTorch's own
    operations alone, so that `torch.func.vmap` and forward-mode differentiation go through them. The results
    of both differ by rounding, and in training by which values dropout draws.

    The state is the process's: all of its threads see it. Processes that are started later do not: set the
    variable of the environment `AFFECT_FAST=0`, which workers inherit and which is read when affect is
    imported. A model that `torch.compile` took compiles once more after a change.

    Args:
        enabled: whether the fast ways are taken; they are by default.
    Raises:
        ConfigError: it is neither True nor False.
    Example:
        >>> with affect.kernels.fast(False):
        ...     is_fast()
        False
        >>> is_fast()
        True
    """
    global _enabled
    check_flag("affect.kernels.fast", enabled)
    before, _enabled = _enabled, enabled
    return _Switched(before)


def is_fast() -> bool:
    """Whether the fast ways are taken.

    Example:
        >>> is_fast()
        True
    """
    return _enabled


class _Switched:
    """What ends a block of `fast`: the state from before comes back."""

    def __init__(self, before: bool) -> None:
        self._before = before

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        global _enabled
        _enabled = self._before


def _chosen() -> bool:
    """What the environment says."""
    value = os.environ.get("AFFECT_FAST", "1")
    if value not in ("0", "1"):
        raise ConfigError(f"AFFECT_FAST: expected 0 or 1, got '{value}'")
    return value == "1"


_enabled = _chosen()
