"""The sentiment metrics against the published definitions in plain Python, on a thousand hostile cases."""

import math
from fractions import Fraction

import numpy as np
import pytest

from affect import metrics

CASES = 1000
LONGEST = 700
HALVES = [k / 2 for k in range(-9, 10)]  # every tie of rounding, every edge of a bin, and beyond the range
AROUND = [math.nextafter(k / 2, side) for k in range(-7, 8) for side in (-math.inf, math.inf)]
THIRDS = [k / 3 for k in range(-9, 10)]  # the mean of three annotators, as in MOSEI
FIFTHS = [k / 5 for k in range(-15, 16)]  # of five, as in MOSI
TINY = [-1e-300, -1e-9, -0.0, 0.0, 1e-9, 1e-300]
KINDS = ("normal", "halves", "around", "thirds", "fifths", "tiny", "constant", "zeros", "beyond", "mixed")


def numbers(rng, kind, size):
    pools = {"halves": HALVES, "around": AROUND, "thirds": THIRDS, "fifths": FIFTHS, "tiny": TINY}
    if kind in pools:
        return rng.choice(pools[kind], size).tolist()
    if kind == "constant":
        return [rng.choice([*HALVES, 0.3, -2.7, 1e6]).item()] * size
    if kind == "zeros":
        return rng.choice([0.0, -0.0], size).tolist()
    if kind == "beyond":
        return (rng.choice([-1, 1], size) * rng.uniform(2.4, 50, size)).tolist()
    if kind == "mixed":
        return rng.choice([*HALVES, *AROUND, *THIRDS, *TINY, *rng.normal(0, 2, 20)], size).tolist()
    return rng.normal(0, 1.5, size).tolist()


def sizes(rng):
    """Every second one short, where a single label decides; the others up to a whole test split."""
    return int(rng.integers(1, 8) if rng.random() < 0.5 else rng.integers(1, LONGEST + 1))


def cases():
    rng = np.random.default_rng(20)
    yield [1.5] * LONGEST, [-0.0] * LONGEST
    for case in range(CASES - 1):
        size = sizes(rng)
        truth = numbers(rng, KINDS[case % len(KINDS)], size)
        if rng.random() < 0.2:  # almost right, so that scores are not all near chance
            yield [t + rng.normal(0, 0.3) for t in truth], truth
        else:
            yield numbers(rng, rng.choice(KINDS), size), truth


@pytest.fixture(scope="module")
def pairs():
    return list(cases())


# the definitions


def mean(values):
    return math.fsum(values) / len(values)


def mae(said, truth):
    total = []
    for p, t in zip(said, truth, strict=True):
        total.append(t - p if t > p else p - t)
    return mean(total)


def constant(values):
    return max(values) - min(values) <= 1e-13 * max(map(abs, values))  # they differ by rounding alone


def whole(values):
    """The values times one power of two that makes each an integer: a correlation does not see it."""
    ratios = [value.as_integer_ratio() for value in values]
    largest = max(below for _, below in ratios)
    return [above * (largest // below) for above, below in ratios]


def pearson(said, truth):
    """Covariance over both deviations, in exact arithmetic; a constant is unrelated to anything."""
    if constant(said) or constant(truth):
        return 0.0
    said, truth = whole(said), whole(truth)
    size, sum_said, sum_truth = len(said), sum(said), sum(truth)
    together = size * sum(p * t for p, t in zip(said, truth, strict=True)) - sum_said * sum_truth
    of_said = size * sum(p * p for p in said) - sum_said**2
    of_truth = size * sum(t * t for t in truth) - sum_truth**2
    squared = Fraction(together**2, of_said * of_truth)
    return math.sqrt(squared) if together > 0 else -math.sqrt(squared)


def agreement(said, truth):
    right = 0
    for p, t in zip(said, truth, strict=True):
        if p == t:
            right += 1
    return right / len(truth) if truth else math.nan


def weighted_f1(said, truth):
    """F1 of each class by precision and recall; weights are the classes' counts in the truth."""
    if not truth:
        return math.nan
    total = 0.0
    for kind in (False, True):
        hit = alarm = miss = 0
        for p, t in zip(said, truth, strict=True):
            if p == kind and t == kind:
                hit += 1
            elif p == kind:
                alarm += 1
            elif t == kind:
                miss += 1
        if hit:
            precision, recall = hit / (hit + alarm), hit / (hit + miss)
            total += (hit + miss) * 2 * precision * recall / (precision + recall)
    return total / len(truth)


def not_negative(values):
    return [not value < 0 for value in values]  # -0.0 < 0 is False


def positive_of_nonzero(said, truth):
    kept_said, kept_truth = [], []
    for p, t in zip(said, truth, strict=True):
        if t < 0 or t > 0:
            kept_said.append(p > 0)
            kept_truth.append(t > 0)
    return kept_said, kept_truth


def half_to_even(value):
    below = math.floor(value)
    rest = value - below
    if rest == 0.5:
        return below if below % 2 == 0 else below + 1
    return below if rest < 0.5 else below + 1


def clipped(values, limit):
    found = []
    for value in values:
        if value > limit:
            value = limit
        elif value < -limit:
            value = -limit
        found.append(half_to_even(value))
    return found


def binned(values):
    """(-1, 0) and -1 belong to -1, (0, 1] to 1, and so on outward; only zero is 0; ends are open."""
    found = []
    for value in values:
        away, size = 0, abs(value)
        while away < 3 and size > away:
            away += 1
        found.append(-away if value < 0 else away)
    return found


DEFINITIONS = {
    "mae": mae,
    "pearson": pearson,
    "acc2_nonnegative": lambda p, t: agreement(not_negative(p), not_negative(t)),
    "acc2_nonzero": lambda p, t: agreement(*positive_of_nonzero(p, t)),
    "f1_nonnegative": lambda p, t: weighted_f1(not_negative(p), not_negative(t)),
    "f1_nonzero": lambda p, t: weighted_f1(*positive_of_nonzero(p, t)),
    "acc5": lambda p, t: agreement(clipped(p, 2), clipped(t, 2)),
    "acc7": lambda p, t: agreement(clipped(p, 3), clipped(t, 3)),
    "acc7_bins": lambda p, t: agreement(binned(p), binned(t)),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_metrics_conform_to_their_definitions(pairs, name):
    for said, truth in pairs:
        expected = DEFINITIONS[name](said, truth)
        found = getattr(metrics, name)(np.array(said), np.array(truth))
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True), (said, truth)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_metrics_count_the_labels_that_their_definitions_read(pairs, name):
    for _, truth in pairs:
        read = len(positive_of_nonzero(truth, truth)[1]) if name.endswith("_nonzero") else len(truth)
        assert metrics.count(name, np.array(truth)[:, None]) == read


def test_the_cases_are_hostile(pairs):
    lengths = [len(truth) for _, truth in pairs]
    assert len(pairs) == CASES
    assert (min(lengths), max(lengths)) == (1, LONGEST)
    zeros = [truth for _, truth in pairs if not any(truth)]
    assert len(zeros) > CASES / 20
    assert any(math.copysign(1, t) < 0 for truth in zeros for t in truth)
    assert sum(min(said) == max(said) for said, _ in pairs) > CASES / 20
    assert sum(max(said) > 3 and min(said) < -3 for said, _ in pairs) > CASES / 20
    assert sum(any(abs(p) % 1 == 0.5 for p in said) for said, _ in pairs) > CASES / 10
    assert sum(any(abs(t) % 1 == 0.5 for t in truth) for _, truth in pairs) > CASES / 10
