"""Random numbers that depend on a seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from affect.bounds import SEED


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from `seed` within the block, and leave the caller's random state as it was; None changes nothing.

    Raises:
        ConfigError: the seed is no whole number of at least 0.

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
    SEED.check("seed", seed)
    with torch.random.fork_rng():
        torch.manual_seed(int(seed))
        yield
