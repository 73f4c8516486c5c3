"""Estimates from samples: of models' outputs, and of features that are learned from by folds."""

from dataclasses import astuple

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from affect.errors import DataError, ShapeError
from affect.interactions import of_features, of_outputs
from affect.interactions.posteriors import CrossFit, held_out_predictions

BITS = np.random.default_rng(0).integers(0, 2, (2, 600))


def noisy(symbols, seed, dim=3):
    """Features from which a symbol can be read."""
    rng = np.random.default_rng(seed)
    return np.outer(2 * symbols - 1, rng.normal(size=dim)) + 0.2 * rng.normal(size=(len(symbols), dim))


@pytest.mark.parametrize(
    ("labels", "parts"),
    [
        (BITS[0] ^ BITS[1], (0, 0, 0, 1)),
        (BITS[0] & BITS[1], (0.311, 0, 0, 0.5)),
        (BITS[0], (0, 1, 0, 0)),
        (2 * BITS[0] + BITS[1], (0, 1, 1, 0)),
    ],
    ids=["xor", "and", "copy", "both copied"],
)
def test_outputs_and_features_give_the_parts_that_are_known(labels, parts):
    one, other = BITS
    found = of_outputs(one, other, np.stack(BITS, 1), labels, resamples=20)
    assert astuple(found.value) == pytest.approx(parts, abs=0.06)
    assert found.halved is None
    learned = of_features(noisy(one, 1)[:200], noisy(other, 2)[:200], labels[:200], resamples=5)
    exact = of_outputs(one[:200], other[:200], np.stack(BITS, 1)[:200], labels[:200], resamples=5)
    assert astuple(learned.value) == pytest.approx(astuple(exact.value), abs=0.06)


def test_what_counting_adds_is_taken_off():
    rng = np.random.default_rng(1)
    nothing, labels = rng.random((3, 200, 4)), rng.integers(0, 3, 200)
    found = of_outputs(*nothing, labels)
    assert found.counted.first > 0.01
    assert abs(found.value.first) < found.counted.first / 2
    assert (np.array(astuple(found.low)) <= astuple(found.value)).all()
    assert (np.array(astuple(found.value)) <= astuple(found.high)).all()


def test_negative_parts_are_not_clipped():
    """The model of both knows less than that of the first."""
    found = of_outputs(BITS[0], BITS[1], np.zeros(600), BITS[0])
    assert found.value.synergy == pytest.approx(-1, abs=0.02)
    assert found.counted.synergy == pytest.approx(-1, abs=0.02)


def test_no_label_takes_part_in_its_own_prediction():
    """Labels that nothing knows of, more features than samples: nothing is found."""
    rng = np.random.default_rng(2)
    for labels in rng.integers(0, 2, (3, 60)):
        found = of_features(rng.normal(size=(60, 80)), rng.normal(size=(60, 90)), labels, resamples=5)
        assert np.abs(astuple(found.value)).max() < 0.25


def test_groups_are_on_one_side_and_drawn_whole():
    """The group gives the label away: known groups leave nothing to be found, and unknown ones all of it."""
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(30), 6)
    labels, mark = rng.integers(0, 2, 30)[group], rng.normal(size=(30, 4))[group]
    x = mark + 0.01 * rng.normal(size=mark.shape)
    apart, known = of_features(x, x, labels, resamples=5), of_features(x, x, labels, group, resamples=5)
    assert apart.value.redundancy > 0.8
    assert abs(known.value.redundancy) < 0.2
    assert (apart.groups, known.groups, known.samples) == (180, 30, 180)
    alone, whole = (
        of_outputs(labels, labels, labels, labels),
        of_outputs(labels, labels, labels, labels, group),
    )
    assert whole.high.redundancy - whole.low.redundancy > 1.5 * (alone.high.redundancy - alone.low.redundancy)


def test_intervals_are_longer_by_what_half_of_the_samples_change():
    labels = BITS[0] ^ BITS[1]
    rng = np.random.default_rng(4)
    one, other = (np.hstack([noisy(bit, 5), rng.normal(size=(600, 30))])[:200] for bit in BITS)
    found = of_features(one, other, labels[:200], resamples=20)
    moved = abs(found.value.synergy - found.halved.synergy)
    assert moved > 0.05
    assert found.high.synergy - found.value.synergy >= moved
    assert found.value.synergy - found.low.synergy >= moved


def test_too_few_samples_to_halve_are_said():
    found = of_features(noisy(BITS[0], 1)[:30], noisy(BITS[1], 2)[:30], BITS[0][:30], resamples=10)
    assert found.halved is None
    assert found.notes == (
        "too few samples to estimate from half of them: how far the estimates still move is not known",
    )
    assert found.table()["halved"].isna().all()


def test_the_same_seed_finds_the_same():
    given = noisy(BITS[0], 1)[:100], noisy(BITS[1], 2)[:100], BITS[0][:100]
    first, again, other = (of_features(*given, resamples=10, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_one_inverse_gives_what_each_fold_learns_from_the_others():
    rng = np.random.default_rng(5)
    x, truth = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    kernel = np.exp(-((x[:, None] - x) ** 2).sum(-1))
    folds = [np.sort(own) for own in np.array_split(rng.permutation(40), 6)]
    found = held_out_predictions(kernel, truth, folds, 0.3)
    for fold in folds:
        rest = np.delete(np.arange(40), fold)
        model = KernelRidge(alpha=0.3, kernel="precomputed").fit(kernel[np.ix_(rest, rest)] + 1, truth[rest])
        assert found[fold] == pytest.approx(model.predict(kernel[np.ix_(fold, rest)] + 1), abs=1e-10)


def test_posteriors_are_distributions_though_a_class_is_in_one_fold_alone():
    labels = np.r_[np.zeros(20), np.ones(19), 2].astype(np.int64)
    features = {"ecg": noisy(labels, 1), "eeg": np.ones((40, 2))}
    fit = CrossFit(features, labels, np.arange(40))
    for names in (["ecg"], ["eeg"], ["ecg", "eeg"]):
        found = fit.posteriors(names)
        assert found.sum(1) == pytest.approx(np.ones(40))
        assert found[39, 2] == 0


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (dict(labels=np.zeros((30, 1))), ShapeError, "of_features: expected labels of shape (samples,), got (30, 1)"),
        (dict(labels=np.zeros(30)), DataError, "of_features: all labels are the same: there is nothing to be known of them"),
        (dict(groups=[0, 1]), ShapeError, "of_features: expected a group for each of the 30 labels, got (2,)"),
        (dict(groups=[0] * 30), DataError, "of_features: expected at least 20 samples of 4 groups, got 30 of 1; nothing can be estimated from so few"),
        (dict(first=np.ones(30)), ShapeError, "of_features: first: expected shape (30, feature), got (30,)"),
        (dict(second=np.full((30, 2), np.nan)), DataError, "of_features: second: 30 samples are NaN or infinite; leave them out or impute them"),
        (dict(names=("ecg", "ecg")), DataError, "of_features: expected two names, got 'ecg' twice"),
    ],
)  # fmt: skip
def test_wrong_samples_are_refused(given, error, message):
    right = {"first": np.ones((30, 2)), "second": np.ones((30, 2)), "labels": np.arange(30) % 2}
    with pytest.raises(error) as caught:
        of_features(**right | given)
    assert str(caught.value) == message
