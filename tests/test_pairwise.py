"""Whether models differ: against scipy's tests where there is one, and against chance everywhere."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from affect.errors import ConfigError, ShapeError
from affect.metrics import mae, pearson
from affect.statistics import corrected_t, fold_tests, measure, pairwise_tests
from experiments.coverage import repeated
from experiments.verdicts import Setting, by_folds, held, split, told

EACH = np.arange(60)
TRUTH = np.random.default_rng(0).normal(size=60)


def told_apart(predictions, truth=TRUTH, groups=EACH, metric=mae, **options):
    return pairwise_tests(measure(metric, predictions, truth, groups), len({*groups.tolist()}), **options)


def test_where_seeds_do_not_differ_it_is_the_paired_t_test():
    rng = np.random.default_rng(1)
    a, b = (TRUTH + size * rng.normal(size=60) for size in (1.0, 1.3))
    found = told_apart({"a": np.stack([a] * 3), "b": np.stack([b] * 3)})["a", "b"]
    errors = np.abs(a - TRUTH), np.abs(b - TRUTH)
    expected = stats.ttest_rel(*errors)
    low, high = expected.confidence_interval()
    assert found.value == pytest.approx(errors[0].mean() - errors[1].mean())
    assert found.p == pytest.approx(expected.pvalue, rel=0.15)
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.1)
    assert found.p_all == found.p


def test_correlations_are_compared_as_meng_rosenthal_and_rubin_do():
    """Psychological Bulletin 1992, eq. 1 to 3: two predictors of one truth, on Fisher's z."""
    rng, n = np.random.default_rng(4), 2000
    truth, common = rng.normal(size=(2, n))
    a, b = (truth + common + size * rng.normal(size=n) for size in (0.4, 0.6))
    of_a, of_b, between = (np.corrcoef(*two)[0, 1] for two in ((a, truth), (b, truth), (a, b)))
    square = (of_a**2 + of_b**2) / 2
    f = min(1, (1 - between) / (2 * (1 - square)))
    h = (1 - f * square) / (1 - square)
    z = (np.arctanh(of_a) - np.arctanh(of_b)) * np.sqrt((n - 3) / (2 * (1 - between) * h))
    models = {"a": np.stack([a] * 3), "b": np.stack([b] * 3)}
    found = told_apart(models, truth, np.arange(n), pearson, correlation=True)["a", "b"]
    assert found.value == pytest.approx(of_a - of_b)
    assert stats.norm.isf(found.p / 2) == pytest.approx(z, rel=0.05)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * found.value / z, rel=0.05)


def test_the_interval_of_a_correlation_leaves_zero_out_where_p_is_small():
    rng = np.random.default_rng(5)
    for size in np.linspace(1, 2, 40):
        models = {name: TRUTH + own * rng.normal(size=(3, 60)) for name, own in (("a", 1), ("b", size))}
        found = told_apart(models, metric=pearson, correlation=True)["a", "b"]
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)
    perfect = {"a": np.stack([TRUTH] * 3), "b": np.stack([TRUTH] * 3)}
    assert told_apart(perfect, metric=pearson, correlation=True)["a", "b"].p == 1


def of_seeds(*values):
    """Models whose every sample has the same error: seeds alone differ."""
    return {str(n): np.repeat(np.abs(own)[:, None], 60, 1) for n, own in enumerate(values)}


def test_where_samples_do_not_differ_it_is_welchs_t_test():
    rng = np.random.default_rng(2)
    one, other = rng.normal(10, 1, size=4), rng.normal(11, 3, size=7)
    found = told_apart(of_seeds(one, other), np.zeros(60))["0", "1"]
    expected = stats.ttest_ind(one, other, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_all_pairs_are_corrected_as_tukey_does():
    rng = np.random.default_rng(3)
    seeds = [10 + 0.4 * n + stats.zscore(rng.normal(size=30), ddof=1) for n in range(4)]
    found = told_apart(of_seeds(*seeds), np.zeros(60), draws=20_000)
    expected = stats.tukey_hsd(*seeds).pvalue
    for (a, b), own in found.items():
        assert own.p_all == pytest.approx(expected[int(a), int(b)], abs=0.02)
        assert own.p_all >= own.p
    with_one = told_apart(of_seeds(*seeds), np.zeros(60), pairs=[("0", "3")])["0", "3"]
    assert (with_one.p, with_one.p_all) == (found["0", "3"].p, found["0", "3"].p)


def test_few_samples_are_corrected_as_simulated_t_tests_are():
    rng, labels, models = np.random.default_rng(5), 10, 8
    errors = np.linalg.qr(rng.normal(size=(labels, models)))[0]  # as variable, and unrelated
    errors -= errors.mean(0)
    errors[:, 0] += 0.7 * errors.std(0).mean()
    found = told_apart(
        {str(n): np.stack([own] * 3) for n, own in enumerate(errors.T)},
        np.zeros(labels),
        np.arange(labels),
        lambda predictions, truth: (predictions - truth).mean(-1),
        draws=4000,
    )
    first, second = np.triu_indices(models, 1)
    drawn = rng.normal(size=(4000, labels, models))
    simulated = stats.ttest_1samp(drawn[..., first] - drawn[..., second], 0, axis=1).pvalue.min(-1)
    for own in found.values():
        assert own.p_all == pytest.approx((simulated <= own.p).mean(), abs=0.06)


def test_folds_have_the_corrected_t_test_and_all_pairs_are_between_it_and_bonferroni():
    rng = np.random.default_rng(4)
    folds = {name: rng.normal(size=5) for name in "abc"}
    found = fold_tests(folds, 0.2)
    for (a, b), own in found.items():
        expected = corrected_t(folds[a] - folds[b], 0.2)
        assert (own.p, own.low, own.high) == (expected.p, expected.low, expected.high)
        assert own.p <= own.p_all <= 1.1 * min(1, 3 * own.p) + 0.02
    assert fold_tests({"a": folds["a"], "b": folds["a"]}, 0.2)["a", "b"].p_all == 1


def test_many_models_are_corrected_by_bonferroni():
    rng = np.random.default_rng(5)
    many = {str(n): TRUTH + rng.normal(size=(2, 60)) for n in range(102)}
    found = told_apart(many)
    assert len(found) == 102 * 101 // 2
    assert all(own.p_all == pytest.approx(min(1, own.p * len(found))) for own in found.values())
    folds = {name: rng.normal(size=4) for name in many}
    assert all(own.p_all == min(1, own.p * 5151) for own in fold_tests(folds, 0.25).values())


def test_one_seed_says_nothing_of_another():
    rng = np.random.default_rng(6)
    models = {"a": TRUTH + rng.normal(size=(1, 60)), "b": TRUTH + rng.normal(size=(4, 60))}
    found = told_apart({**models, "c": models["b"] + 1})
    assert np.isnan([found["a", "b"].p, found["a", "b"].p_all, found["a", "c"].p_all]).all()
    assert found["a", "b"].low < found["a", "b"].value < found["a", "b"].high
    assert found["b", "c"].p_all == pytest.approx(
        told_apart({"b": models["b"], "c": models["b"] + 1})["b", "c"].p, rel=0.01
    )


def test_an_undefined_metric_takes_no_other_pair_with_it():
    rng = np.random.default_rng(7)
    models = {"flat": np.ones((3, 60)), "b": TRUTH + rng.normal(size=(3, 60)), "c": rng.normal(size=(3, 60))}
    found = told_apart(models, metric=lambda p, t: pearson(p, t) if p.std() else np.nan)
    assert np.isnan(found["flat", "b"].p_all)
    assert np.isnan(found["flat", "b"].value)
    assert found["b", "c"].p_all < 0.05


def test_the_scale_of_predictions_does_not_matter_to_a_correlation():
    rng = np.random.default_rng(8)
    models = {"a": TRUTH + 0.4 * rng.normal(size=(5, 60)), "b": TRUTH + 2 * rng.normal(size=(5, 60))}
    found = told_apart(models, metric=pearson)["a", "b"]
    scaled = told_apart({**models, "b": 0.1 * models["b"] + 3}, metric=pearson)["a", "b"]
    assert scaled == pytest.approx(found)
    assert found.p_all < 0.01


def test_groups_are_drawn_whole():
    rng = np.random.default_rng(9)
    videos = np.repeat(np.arange(12), 5)
    shared = rng.normal(size=12)[videos]
    models = {
        "a": TRUTH + shared + 0.1 * rng.normal(size=(3, 60)),
        "b": TRUTH + 0.1 * rng.normal(size=(3, 60)),
    }
    by_label, by_video = told_apart(models)["a", "b"], told_apart(models, groups=videos)["a", "b"]
    assert by_video.high - by_video.low > 1.5 * (by_label.high - by_label.low)
    assert by_video.p > by_label.p


def test_wrong_calls_are_one_line():
    found = measure(mae, {"a": TRUTH[None], "b": TRUTH[None]}, TRUTH, EACH)
    with pytest.raises(ConfigError, match="^pairwise_tests: no model 'c'; known: a, b$"):
        pairwise_tests(found, 60, [("a", "c")])
    with pytest.raises(ConfigError, match="^pairwise_tests: draws must be at least 1, got 0$"):
        pairwise_tests(found, 60, draws=0)
    with pytest.raises(ShapeError, match="^pairwise_tests needs at least 2 samples, got 1$"):
        pairwise_tests(found, 1)


@pytest.mark.parametrize("models", [2, 8])
def test_equal_models_are_told_apart_about_as_often_as_it_says(models):
    found = repeated(partial(told, setting=Setting(models, 5)), 200)[:, 0]
    assert 0 < (found <= 0.05).sum() <= stats.binom.ppf(0.9999, 200, 0.06)
    folds = repeated(partial(by_folds, models=models), 60)
    assert (folds <= 0.05).sum() <= stats.binom.ppf(0.9999, 60, 0.06)


def test_intervals_hold_the_truth_where_samples_come_in_videos():
    setting = Setting(labels=120, videos=30, icc=0.3)
    _, said, of = split(np.random.default_rng(0), setting)
    assert (said.shape, len({*of.tolist()})) == ((2, 3, 120), 30)
    assert repeated(partial(held, setting=setting), 60).sum() >= stats.binom.ppf(0.0001, 60, 0.93)
