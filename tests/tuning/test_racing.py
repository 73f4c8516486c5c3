"""A configuration is stopped rarely by chance, and soon where it is worse."""

import numpy as np
import pytest

from affect.tuning import significantly_worse


def known(rng, count=8, seeds=3, spread=0.01, noise=0.01):
    """Values of configurations that had all seeds."""
    return (
        rng.normal(0.8, spread, (count, 1))
        + rng.normal(0, 0.02, seeds)
        + rng.normal(0, noise, (count, seeds))
    )


@pytest.mark.parametrize("others", [[], [[0.8, 0.8, 0.8]], [[0.8, 0.7], [0.7, 0.9]]])
def test_nothing_is_said_before_the_scatter_is_known(others):
    assert not significantly_worse([0.0], others)
    assert not significantly_worse([], [[1.0, 1.0, 1.0]] * 9)


def test_what_is_far_behind_loses_with_its_first_seed():
    others = known(np.random.default_rng(0))
    assert significantly_worse(others[0, :1] - 0.2, others)


def test_what_is_as_good_as_the_best_seldom_loses():
    rng, rounds = np.random.default_rng(0), 2000
    losses = 0
    for _ in range(rounds):
        hard = rng.normal(0, 0.02, 3)
        others = 0.8 + hard + rng.normal(0, 0.01, (6, 3))
        others[0] += 0.02  # the best is the best, not the luckiest
        losses += significantly_worse(0.82 + hard[:1] + rng.normal(0, 0.01, 1), others)
    assert 0.02 < losses / rounds < 0.08


def test_a_seed_that_is_hard_for_all_is_no_loss():
    others = known(np.random.default_rng(1), noise=0.001) + np.array([-0.5, 0.0, 0.0])
    best = others[others.mean(1).argmax()]
    assert not significantly_worse(best[:1], others)
    assert significantly_worse(best[:1] - 0.1, others)


def test_the_level_decides():
    others = known(np.random.default_rng(2))
    best = others[others.mean(1).argmax()]
    behind = best[:1] - 0.018
    assert significantly_worse(behind, others, 0.3)
    assert not significantly_worse(behind, others, 0.001)
