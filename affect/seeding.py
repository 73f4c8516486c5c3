"""Random numbers that depend on a seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from `seed` within the block, and leave the caller's random state as it was; None changes nothing.

    Example:
        >>> with seeded(1):
        ...     a = torch.rand(1)
        >>> with seeded(1):
        ...     b = torch.rand(1)
        >>> bool(a == b)
        True
    """
    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
