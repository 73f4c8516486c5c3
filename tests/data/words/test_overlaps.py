import numpy as np
import pytest

from affect.data.words.overlaps import collapse, overlaps
from affect.errors import ConfigError, DataError

RNG = np.random.default_rng(0)


def by_hand(reference, intervals, tolerance):
    """The rule, entry by entry: sorted by start, clipped, and longer than the tolerance."""
    order = sorted(range(len(intervals)), key=lambda i: intervals[i][0])
    rows = []
    for a, b in reference:
        row = []
        for i in order:
            left, right = max(intervals[i][0], a), min(intervals[i][1], b)
            if right - left > tolerance:
                row.append((i, left, right))
        rows.append(row)
    return rows


def as_rows(found):
    return [
        [(int(i), *inside) for i, inside in zip(found.entry[a:b], found.inside[a:b].tolist(), strict=True)]
        for a, b in zip(found.begin[:-1], found.begin[1:], strict=True)
    ]


def drawn(count, longest, span=20.0):
    start = RNG.uniform(0, span, count).round(1)  # rounded, so that bounds coincide
    return np.stack([start, start + RNG.uniform(0, longest, count).round(1)], 1)


@pytest.mark.parametrize("tolerance", [1e-5, 1e-3, 0.25])
@pytest.mark.parametrize("longest", [0.1, 1.0, 30.0])
def test_entries_belong_where_they_overlap_by_more_than_the_tolerance(longest, tolerance):
    for _ in range(20):
        reference, intervals = drawn(15, 2.0), drawn(40, longest)
        found = overlaps(reference, intervals, tolerance)
        assert as_rows(found) == by_hand(reference.tolist(), intervals.tolist(), tolerance)


@pytest.mark.parametrize(
    ("interval", "held"),
    [
        ((0.0, 1.0), True),
        ((1.0, 1.0), False),  # zero length
        ((0.9, 5.0), True),
        ((1.999, 3.0), True),
        ((2.0, 3.0), False),  # touches
        ((1.99999, 3.0), False),  # overlaps by no more than the tolerance
        ((np.nan, 1.5), False),
        ((0.5, np.nan), False),
    ],
)
def test_the_boundaries(interval, held):
    found = overlaps(np.array([[0.5, 2.0]]), np.array([interval]), tolerance=1e-4)
    assert found.counts.tolist() == [int(held)]


def test_an_entry_on_a_boundary_counts_in_both_intervals():
    found = overlaps(np.array([[0.0, 1.0], [1.0, 2.0]]), np.array([[0.9, 1.1]]))
    assert found.counts.tolist() == [1, 1]


def test_nothing_on_either_side():
    none = np.zeros((0, 2))
    assert overlaps(none, drawn(3, 1.0)).counts.tolist() == []
    assert overlaps(np.array([[0.0, 1.0]]), none).counts.tolist() == [0]
    assert collapse(overlaps(np.array([[0.0, 1.0]]), none), np.zeros((0, 4))).tolist() == [[0, 0, 0, 0]]


def test_one_endless_entry_does_not_fill_the_memory():
    intervals = np.concatenate([[[0.0, 1e9]], np.stack([np.arange(4000.0), np.arange(4000.0) + 1], 1)])
    reference = np.stack([np.arange(4000.0) + 0.25, np.arange(4000.0) + 0.75], 1)
    assert overlaps(reference, intervals).counts.tolist() == [2] * 4000


WAYS = {
    "mean": lambda values, seconds: values.mean(0),
    "max": lambda values, seconds: values.max(0),
    "last": lambda values, seconds: values[-1],
    "weighted": lambda values, seconds: np.average(values, axis=0, weights=seconds),
}


@pytest.mark.parametrize("way", WAYS)
def test_collapses_against_loops(way):
    reference, intervals = np.concatenate([drawn(29, 2.0), [[30.0, 31.0]]]), drawn(60, 1.0)
    values = (RNG.normal(size=(60, 3)) + 1000).astype(np.float32)
    found = overlaps(reference, intervals)
    assert (found.counts == 0).any()
    got = collapse(found, values, way)
    for i in range(30):
        pairs = slice(found.begin[i], found.begin[i + 1])
        seconds = found.inside[pairs, 1] - found.inside[pairs, 0]
        held = values[found.entry[pairs]].astype(np.float64)
        expected = WAYS[way](held, seconds) if len(held) else np.zeros(3)
        np.testing.assert_allclose(got[i], expected, rtol=1e-6)
    np.testing.assert_allclose(
        collapse(found, values, lambda i, v: WAYS[way](v, i[:, 1] - i[:, 0])), got, rtol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_are_those_of_numpy_to_the_last_bit_far_into_a_long_sequence(dtype):
    steps = np.arange(200_000.0)
    values = (1e4 + RNG.normal(size=(200_000, 2))).astype(dtype)
    found = overlaps(np.stack([steps[::20], steps[::20] + 20], 1), np.stack([steps, steps + 1], 1))
    expected = np.stack([values[i : i + 20].mean(0) for i in range(0, 200_000, 20)])
    assert np.array_equal(collapse(found, values), expected.astype(np.float32))


def test_values_that_are_not_finite_stay_in_their_intervals():
    found = overlaps(np.array([[0.0, 1.0], [1.0, 2.0]]), np.array([[0.0, 1.0], [1.0, 2.0]]))
    assert collapse(found, np.array([[-np.inf], [2.0]])).tolist() == [[-np.inf], [2.0]]


def test_what_is_refused():
    found = overlaps(np.array([[0.0, 1.0], [0.0, 2.0]]), np.array([[0.0, 1.0], [1.0, 2.0]]))
    values = np.ones((2, 3))
    with pytest.raises(ConfigError) as error:
        collapse(found, values, "means")
    assert (
        str(error.value) == "collapse: no way 'means'; did you mean 'mean'? known: last, max, mean, weighted"
    )

    def ragged(intervals, values):
        return values.ravel()

    with pytest.raises(DataError) as error:
        collapse(found, values, ragged)
    assert str(error.value) == (
        "collapse: ragged must return one vector of the same size for every interval, got shapes [(3,), (6,)]"
    )
    with pytest.raises(DataError, match=r"collapse: <lambda> must return one vector .*, got shapes \[\(\)\]"):
        collapse(found, values, lambda intervals, values: values.mean())
