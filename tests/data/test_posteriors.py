"""Exact posteriors against scipy and enumeration."""

import itertools

import numpy as np
from scipy.stats import truncnorm

from affect.data.posteriors import EDGE, UniformPosterior, median_count

CENTRE = np.array([-2.1, -1.0, 0.0, 0.7, 1.6, 2.4])
SPREAD = np.array([0.2, 0.5, 1.4, 0.05, 0.3, 0.25])


def test_cut_normal():
    cut = UniformPosterior(CENTRE, SPREAD)
    edges = [(edge - CENTRE) / SPREAD for edge in (-EDGE, EDGE)]
    known = truncnorm(*edges, loc=CENTRE, scale=SPREAD)
    np.testing.assert_allclose(cut.mean(), known.mean(), rtol=1e-6)
    for latent in (-2.0, -1.2, 0.0, 0.9, 2.0):
        np.testing.assert_allclose(cut.below(np.full(6, latent)), known.cdf(latent), atol=1e-9)
    shares = np.array([0.001, 0.3, 0.5, 0.99])
    np.testing.assert_allclose(cut.at(shares), known.ppf(shares[:, None]), atol=1e-7)


def test_median_of_a_count():
    rng = np.random.default_rng(1)
    counts = np.array([1, 5, 8, 3])
    shares = rng.uniform(size=counts.sum())
    ends = np.concatenate([[0], np.cumsum(counts)])
    for i, median in enumerate(median_count(shares, ends)):
        own = shares[ends[i] : ends[i + 1]]
        chances = np.zeros(len(own) + 1)
        for events in itertools.product([0, 1], repeat=len(own)):
            chances[sum(events)] += np.prod(np.where(events, own, 1 - own))
        assert median == np.flatnonzero(chances.cumsum() >= 0.5)[0]
