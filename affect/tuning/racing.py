"""When a configuration is clearly worse than the best one, before all of its seeds were trained."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import stats

from affect.bounds import RATE


def significantly_worse(
    values: Iterable[float], others: Iterable[Iterable[float]], level: float = 0.05
) -> bool:
    """Whether a configuration, after some of its seeds, is significantly worse than the best of the others.

    Both had the same seeds, so they are compared seed by seed. How much such differences scatter by chance is
    learned from all configurations that had all seeds: it is what their values leave when each
    configuration's and each seed's mean is taken out.

    Args:
        values: of the configuration's first seeds, the larger the better.
        others: the values of all seeds of each configuration that had all.
        level: how often a configuration that is as good as the best may lose, at each look.
    Returns:
        False too where nothing can be said yet: fewer than four degrees of freedom.
    Raises:
        ConfigError: the level is not at least 0 and below 1.
    Reference:
        Birattari et al., A Racing Algorithm for Configuring Metaheuristics, GECCO 2002. Differs: Student's t
        on differences to the best alone, with one scatter for all.
    Example:
        >>> known = [[0.80, 0.82, 0.81], [0.79, 0.82, 0.82], [0.70, 0.73, 0.71]]
        >>> significantly_worse([0.79], known), significantly_worse([0.60], known)
        (False, True)
    """
    RATE.check("significantly_worse: level", level)
    own, known = np.array([*values]), np.array([[*seeds] for seeds in others])
    if not len(own) or known.ndim != 2 or not known.size:
        return False
    freedom = (known.shape[0] - 1) * (known.shape[1] - 1)
    if freedom < 4:
        return False
    rest = known - known.mean(1, keepdims=True) - known.mean(0) + known.mean()
    deviation = np.sqrt((rest**2).sum() / freedom)
    best = known[known.mean(1).argmax()]
    behind = float((best[: len(own)] - own).mean())
    return bool(behind > stats.t.ppf(1 - level, freedom) * deviation * np.sqrt(2 / len(own)))
