import numpy as np
import pytest

from affect.statistics import interval, resample


def error(prediction, truth):
    return float(np.abs(prediction - truth).mean())


def test_the_same_draws_for_every_model():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=40)
    said = rng.normal(size=(2, 40))
    one, other = resample(said, truth, error), resample(said + 0, truth, error)
    assert np.array_equal(one, other)
    assert not np.array_equal(one, resample(said, truth, error, seed=1))


def test_the_interval_of_a_mean_is_that_of_theory():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400)
    low, high = interval(resample(np.zeros((1, 400)), truth, lambda p, t: float(t.mean()), resamples=4000))
    half = 1.96 * truth.std() / 20
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_whole_samples_are_drawn():
    groups = np.array([1, 0, 1, 0, 1])
    truth = np.array([5.0, 2.0, 5.0, 2.0, 5.0])
    sums = {(2.0, 2.0, 2.0, 2.0), (5.0,) * 6, (2.0, 2.0, 5.0, 5.0, 5.0)}
    seen = set()
    resample(truth[None], truth, lambda p, t: float(seen.add(tuple(sorted(t))) or 0), groups, resamples=50)
    assert seen == sums


def test_draws_without_a_value_do_not_count():
    assert interval(np.array([1.0, np.nan, 1.0])) == (1.0, 1.0)
