"""Random numbers that depend on a seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from affect.errors import ConfigError, described


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
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(f"seed: expected a whole number of at least 0, got {described(seed)}")
    with torch.random.fork_rng():
        torch.manual_seed(int(seed))
        yield
