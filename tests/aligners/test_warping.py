import math
import re

import numpy as np
import pytest
import torch

from affect.aligners.dtw import soft_dtw, warp
from affect.errors import ConfigError, ShapeError
from affect.sequences import Sequence

RNG = np.random.default_rng(1)
LENGTHS = [(9, 14), (14, 9), (1, 7), (7, 1), (1, 1), (12, 12), (2, 14), (5, 6)]
BANDS = [None, 0, 2, 0.0, 0.3, 1.0]


def euclidean(a, b):
    return math.dist(a, b)


def squared(a, b):
    return math.dist(a, b) ** 2


def cosine(a, b):
    return 1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def within(band, i, j, n, m):
    """Whether a cell is in the band, by the definition in steps of the longer sequence."""
    if band is None or 1 in (n, m):
        return True
    steps = round(band * max(n, m)) if isinstance(band, float) else band
    away = abs(i / (n - 1) - j / (m - 1)) * (max(n, m) - 1)
    skipped = (max(n, m) - 1) / (min(n, m) - 1)
    return away <= max(steps, skipped / 2) + 1e-9


def slow(a, b, distance, band=None, gamma=None):
    """The sums of every cell, one after the other."""
    n, m = len(a), len(b)
    sums = np.full((n + 1, m + 1), np.inf)
    sums[0, 0] = 0
    for i in range(n):
        for j in range(m):
            before = [sums[i, j], sums[i, j + 1], sums[i + 1, j]]
            least = min(before)
            if not within(band, i, j, n, m) or least == np.inf:
                continue
            if gamma is not None:
                least -= gamma * math.log(sum(math.exp((least - x) / gamma) for x in before))
            sums[i + 1, j + 1] = distance(a[i], b[j]) + least
    return sums[n, m]


def scattered(rows, time):
    """The rows as a Sequence with holes between their steps, anywhere, and values under them."""
    mask = torch.zeros(len(rows), time, dtype=torch.bool)
    values = torch.full((len(rows), time, 3), torch.nan, dtype=torch.float64)
    for row, steps in enumerate(rows):
        at = np.sort(RNG.choice(time, len(steps), replace=False))
        mask[row, at] = True
        values[row, at] = torch.from_numpy(steps)
    return Sequence(values, mask)


@pytest.fixture(scope="module")
def pairs():
    one = [RNG.normal(size=(n, 3)) for n, _ in LENGTHS]
    other = [RNG.normal(size=(m, 3)) for _, m in LENGTHS]
    return one, other, scattered(one, 20), scattered(other, 17)


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("distance", [euclidean, cosine])
def test_cost_and_path_are_those_of_the_slow_way(pairs, distance, band):
    one, other, x, y = pairs
    warping = warp(x, y, distance.__name__, band)
    assert warping.cost.tolist() == pytest.approx(
        [slow(a, b, distance, band) for a, b in zip(one, other, strict=True)], abs=1e-12
    )
    for row, (a, b) in enumerate(zip(one, other, strict=True)):
        seen = [m[row].nonzero().flatten().tolist() for m in (x.mask, y.mask)]
        path = [(seen[0].index(i), seen[1].index(j)) for i, j in warping.path(row).tolist()]
        assert (path[0], path[-1]) == ((0, 0), (len(a) - 1, len(b) - 1))
        moves = {(i - k, j - h) for (k, h), (i, j) in zip(path, path[1:], strict=False)}
        assert moves <= {(0, 1), (1, 0), (1, 1)}
        assert all(within(band, i, j, len(a), len(b)) for i, j in path)
        assert sum(distance(a[i], b[j]) for i, j in path) == pytest.approx(
            warping.cost[row].item(), abs=1e-12
        )


def test_no_band_is_too_narrow():
    for n in range(1, 12):
        for m in range(1, 12):
            x, y = (Sequence.full(torch.zeros(1, time, 1)) for time in (n, m))
            assert len(warp(x, y, band=0).path(0)) == max(n, m)


def test_a_band_of_zero_steps_is_the_diagonal():
    x, y = (Sequence.full(torch.from_numpy(RNG.normal(size=(1, 9, 2)))) for _ in range(2))
    assert warp(x, y, band=0).path(0).tolist() == [[i, i] for i in range(9)]


def test_of_equal_ways_the_one_through_both_is_taken():
    x = Sequence.full(torch.zeros(1, 5, 2))
    assert warp(x, x).path(0).tolist() == [[i, i] for i in range(5)]


def test_company_does_not_choose_between_equal_ways():
    x, y = torch.tensor([0.0, 0.0, 1.0, 0.0]), torch.tensor([1.0, 1.0, 0.0, 1.0])
    mine = [Sequence.full(z.view(1, -1, 1)) for z in (x, y)]
    expected = warp(*mine).path(0)
    for times in [(4, 9), (9, 4), (9, 9)]:
        longer = [
            Sequence(
                torch.zeros(2, t, 1).index_put((torch.zeros(4).long(), torch.arange(4)), z.view(4, 1)),
                torch.arange(t) < torch.tensor([[4], [t]]),
            )
            for t, z in zip(times, (x, y), strict=True)
        ]
        assert torch.equal(warp(*longer).path(0), expected)


def test_steps_are_carried_as_the_mean_of_those_matched(pairs):
    _, _, x, y = pairs
    warping = warp(x, y)
    carried = warping.carry(y)
    assert torch.equal(carried.mask, x.mask)
    for row in range(len(LENGTHS)):
        path = warping.path(row)
        for step in x.mask[row].nonzero().flatten():
            mean = y.values[row, path[path[:, 0] == step, 1]].mean(0)
            assert torch.allclose(carried.values[row, step], mean, atol=1e-12)


def test_a_stretched_sequence_is_carried_back():
    x = Sequence.full(torch.from_numpy(RNG.normal(size=(4, 8, 3))))
    y = Sequence.full(x.values.repeat_interleave(3, 1))
    warping = warp(x, y)
    assert warping.cost.abs().max() == 0
    assert torch.allclose(warping.carry(y).values, x.values, atol=1e-12)


def test_absence_costs_nothing_and_matches_nothing(pairs):
    _, _, x, y = pairs
    gone = torch.arange(len(LENGTHS)).unsqueeze(1) != 3
    for a, b in [(x.keep(gone), y), (x, y.keep(gone)), (x.keep(gone), y.keep(gone))]:
        warping = warp(a, b)
        assert warping.cost[3] == 0
        assert not warping.matched[3].any()
        assert not warping.carry(b).mask[3].any()
        assert torch.equal(warping.cost[4:], warp(x, y).cost[4:])


def test_no_gradient_flows_through_the_path():
    x = torch.randn(2, 4, 3, requires_grad=True)
    warping = warp(Sequence.full(x), Sequence.full(x.flip(1)))
    assert not warping.cost.requires_grad
    assert warping.carry(Sequence.full(x)).values.requires_grad


def test_company_and_padding_do_not_matter(pairs):
    _, _, x, y = pairs
    together, soft = warp(x, y, "cosine", 0.3), soft_dtw(x, y, band=0.3)
    for row in range(len(LENGTHS)):
        a, b = (Sequence(z.values[[row]], z.mask[[row]]) for z in (x, y))
        alone = warp(a, b, "cosine", 0.3)
        assert torch.equal(alone.cost, together.cost[[row]])
        assert torch.equal(alone.matched, together.matched[[row]])
        assert torch.allclose(soft_dtw(a, b, band=0.3), soft[[row]], atol=1e-12)


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("gamma", [0.01, 1.0, 50.0])
def test_soft_score_is_that_of_the_slow_way(pairs, gamma, band):
    one, other, x, y = pairs
    expected = [slow(a, b, squared, band, gamma) for a, b in zip(one, other, strict=True)]
    assert soft_dtw(x, y, gamma, band).tolist() == pytest.approx(expected, abs=1e-10)
    own = [
        slow(a, a, squared, band, gamma) + slow(b, b, squared, band, gamma)
        for a, b in zip(one, other, strict=True)
    ]
    divergence = [score - both / 2 for score, both in zip(expected, own, strict=True)]
    assert soft_dtw(x, y, gamma, band, normalise=True).tolist() == pytest.approx(divergence, abs=1e-10)


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("band", [None, 0.3])
def test_soft_gradient_is_exact(pairs, band, normalise):
    _, _, x, y = pairs
    rows = torch.tensor([0, 2, 3, 4, 7])
    x, y = x.take(rows), y.take(rows)
    x = x.keep(torch.tensor([True, True, False, True, True]).unsqueeze(1))
    leaves = [z.values.clone().requires_grad_() for z in (x, y)]
    assert torch.autograd.gradcheck(
        lambda a, b: soft_dtw(x.with_values(a), y.with_values(b), 0.5, band, normalise=normalise),
        leaves,
        fast_mode=normalise,  # in a direction drawn at random; it is three of the plain ones
    )
    soft_dtw(x.with_values(leaves[0]), y.with_values(leaves[1]), normalise=normalise).sum().backward()
    for z, leaf in zip((x, y), leaves, strict=True):
        assert leaf.grad.isfinite().all()
        assert not leaf.grad[2].any()
        assert not leaf.grad[~z.mask].any()


def test_an_absent_sample_scores_zero(pairs):
    _, _, x, y = pairs
    gone = torch.arange(len(LENGTHS)).unsqueeze(1) != 0
    for normalise in (False, True):
        assert soft_dtw(x.keep(gone), y, normalise=normalise)[0] == 0
        assert soft_dtw(x, y.keep(gone), normalise=normalise)[0] == 0


def test_the_divergence_is_zero_for_equal_sequences_and_not_below(pairs):
    _, _, x, y = pairs
    assert soft_dtw(x, x, normalise=True).abs().max() == 0
    assert (soft_dtw(x, y, normalise=True) > 0).all()


@pytest.mark.parametrize("gamma", [1e-4, 1.0, 1e4])
def test_soft_score_is_stable_in_float32(gamma):
    x, y = (Sequence.full(30 * torch.from_numpy(RNG.normal(size=(2, 300, 4))).float()) for _ in range(2))
    leaf = x.values.clone().requires_grad_()
    score = soft_dtw(x.with_values(leaf), y, gamma)
    exact = soft_dtw(x.to(torch.float64), y.to(torch.float64), gamma)
    assert torch.allclose(score.double(), exact, rtol=1e-5)
    score.sum().backward()
    assert leaf.grad.isfinite().all()


def test_with_little_softness_it_is_the_best_path(pairs):
    _, _, x, y = pairs
    path = warp(x, y).matched
    best = (torch.cdist(x.values, y.values).square() * path).sum((1, 2))
    assert (soft_dtw(x, y, 1e-6) <= best + 1e-5).all()  # of squared distances the best path may be another


def test_a_dtype_stays():
    x = Sequence.full(torch.randn(2, 4, 3).bfloat16())
    warping = warp(x, x)
    assert warping.cost.dtype == warping.carry(x).values.dtype == soft_dtw(x, x).dtype == torch.bfloat16


ONES = Sequence.full(torch.ones(2, 4, 3))


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda: warp(ONES, Sequence.full(torch.ones(2, 5, 4))),
            ShapeError,
            "warp: expected the same batch and feature size, got (2, 4, 3) and (2, 5, 4); "
            "bring both into one space first (encoders with the same out_dim)",
        ),
        (
            lambda: soft_dtw(ONES, Sequence.full(torch.ones(1, 4, 3))),
            ShapeError,
            "soft_dtw: expected the same batch and feature size, got (2, 4, 3) and (1, 4, 3); "
            "bring both into one space first (encoders with the same out_dim)",
        ),
        (
            lambda: warp(ONES, ONES, "cosinus"),
            ConfigError,
            "warp: no distance 'cosinus'; did you mean 'cosine'? known: cosine, euclidean",
        ),
        (
            lambda: warp(ONES, ONES, band=-1),
            ConfigError,
            "warp: band must be a number of steps (an int, at least 0) or a share of the longer sequence "
            "(a float from 0 to 1), got -1",
        ),
        (
            lambda: soft_dtw(ONES, ONES, band=1.5),
            ConfigError,
            "soft_dtw: band must be a number of steps (an int, at least 0) or a share of the longer sequence "
            "(a float from 0 to 1), got 1.5",
        ),
        (lambda: soft_dtw(ONES, ONES, gamma=0), ConfigError, "soft_dtw: gamma must be positive, got 0"),
        (
            lambda: warp(ONES, ONES).carry(Sequence.full(torch.ones(2, 5, 3))),
            ShapeError,
            "Warping.carry: expected (batch, time) (2, 4), got (2, 5)",
        ),
    ],
)
def test_refusals(ask, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask()
