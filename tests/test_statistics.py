"""Intervals and tests against theory, scipy and enumeration; their coverage by simulation."""

import itertools
import re
from functools import partial

import numpy as np
import pytest
from scipy import stats

from affect import metrics
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError, DataError, ShapeError
from affect.statistics import (
    bootstrap,
    cohens_d,
    combined,
    corrected_t,
    friedman,
    holm,
    interval,
    least_p,
    measure,
    over_seeds,
    permutation_p,
    resampled_rows,
    spread,
    superiority,
    wilcoxon_p,
)
from affect.statistics.resampling import resampled
from experiments.coverage import (
    ALARMS,
    LABELS,
    coverage,
    folds_alarm,
    permutation_alarm,
    repeated,
    stratified,
    wilcoxon_alarm,
)

EACH = np.arange(40)
SAMPLE = np.random.default_rng(0).exponential(size=40)


def error(prediction, truth):
    return float(np.abs(prediction - truth).mean())


def mean_of(values):
    return lambda rows: np.array([values[rows].mean()])


# resamples


def test_all_quantities_are_measured_on_the_same_resamples():
    found = bootstrap(
        lambda rows: np.array([SAMPLE[rows].mean(), 1 - 2 * SAMPLE[rows].mean()]), EACH, resamples=50
    )
    assert found.draws.shape == (50, 2)
    assert found.draws[:, 1] == pytest.approx(1 - 2 * found.draws[:, 0])
    assert np.ptp(found.draws[:, 0]) > 0
    assert (found.low[1], found.high[1]) == pytest.approx((1 - 2 * found.high[0], 1 - 2 * found.low[0]))


def test_a_seed_says_which_resamples():
    one, same, other = (bootstrap(mean_of(SAMPLE), EACH, resamples=50, seed=seed).draws for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_whole_samples_are_drawn():
    groups = np.array(["b", "a", "b", "a", "b"])
    seen = set()

    def look(rows):
        seen.add(tuple(sorted(rows.tolist())))
        return np.zeros(1)

    bootstrap(look, groups, resamples=50)
    one, other = [1, 3], [0, 2, 4]
    once = {(0, 1, 2, 3, 4), (1, 3), (0, 2, 4)}  # all, and each sample left out
    assert seen == once | {tuple(sorted(2 * one)), tuple(sorted(2 * other))}
    assert {tuple(sorted(rows.tolist())) for rows in resampled_rows(groups, 50)} == seen - {(1, 3), (0, 2, 4)}


def test_a_sample_in_pieces_is_one_sample():
    pieces = np.repeat(EACH, 3)
    whole, cut = bootstrap(mean_of(SAMPLE), EACH), bootstrap(mean_of(SAMPLE[pieces]), pieces)
    assert cut.draws == pytest.approx(whole.draws)
    assert (cut.low, cut.high) == (pytest.approx(whole.low), pytest.approx(whole.high))


def test_stratified_draws_keep_the_counts_of_classes():
    strata = np.array([0] * 7 + [2] * 32 + [1])  # one class has a single sample
    counts = set()

    def look(rows):
        counts.add(tuple(np.bincount(strata[rows], minlength=3)))
        return np.array([SAMPLE[rows].mean()])

    stratified = bootstrap(look, EACH, strata=strata, resamples=100)
    left_out = {(6, 1, 32), (7, 1, 31)}
    assert counts == {(7, 1, 32)} | left_out
    assert stratified.low < stratified.value < stratified.high


def test_strata_that_explain_everything_leave_no_interval():
    strata = EACH % 2
    found = bootstrap(mean_of(strata.astype(float)), EACH, strata=strata, resamples=50)
    assert (found.low[0], found.high[0]) == (0.5, 0.5)


# the intervals


def test_the_interval_is_scipys():
    ours = bootstrap(mean_of(SAMPLE), EACH, resamples=500, seed=3)
    theirs = stats.bootstrap((SAMPLE,), np.mean, n_resamples=500, rng=np.random.default_rng(3))
    assert ours.draws[:, 0] == pytest.approx(theirs.bootstrap_distribution)
    assert (ours.low[0], ours.high[0]) == pytest.approx(tuple(theirs.confidence_interval), rel=1e-10)
    assert (ours.low[0], ours.high[0]) != pytest.approx(interval(ours.draws[:, 0]))  # a skewed sample


def test_the_stratified_interval_is_scipys_of_several_samples():
    strata = np.repeat([0, 1], [15, 25])
    ours = bootstrap(mean_of(SAMPLE), EACH, strata=strata, resamples=64, seed=3)
    theirs = stats.bootstrap(
        (SAMPLE[:15], SAMPLE[15:]),
        lambda a, b, axis: (a.sum(axis) + b.sum(axis)) / (a.shape[axis] + b.shape[axis]),
        n_resamples=64,
        vectorized=True,
        rng=np.random.default_rng(3),
    )
    assert (ours.low[0], ours.high[0]) == pytest.approx(tuple(theirs.confidence_interval), rel=1e-10)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("metric", [metrics.mae, metrics.pearson, metrics.f1_nonzero, metrics.acc7])
def test_the_interval_of_sums_is_scipys_on_the_same_resamples(metric, level):
    rng = np.random.default_rng(5)
    truth = rng.normal(size=40)
    said = truth + rng.normal(size=40)
    ours = measure(metric, {"model": said[None]}, truth, EACH, level=level, resamples=300, seed=2)["model"]
    theirs = stats.bootstrap(
        (said, truth),
        metric,
        paired=True,
        vectorized=False,
        confidence_level=level,
        n_resamples=300,
        rng=np.random.default_rng(2),
    )
    assert ours.draws[:, 0] == pytest.approx(theirs.bootstrap_distribution, rel=1e-12)
    assert ours.sampled == pytest.approx(tuple(theirs.confidence_interval), rel=1e-10)


def test_the_interval_of_a_mean_is_that_of_theory():
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap(mean_of(values), np.arange(400), resamples=4000)
    assert (found.high[0] - found.low[0]) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)


def test_one_degenerate_quantity_does_not_spoil_the_others():
    def several(rows):
        known = 3.0 if 0 in rows else np.nan
        beyond = 9.0 if len(set(rows.tolist())) == 40 else 1 / len(rows) * rows.sum()  # no resample has all
        return np.array([SAMPLE[rows].mean(), 1.0, known * SAMPLE[rows].mean(), np.nan, beyond])

    found = bootstrap(several, EACH, resamples=200)
    alone = bootstrap(mean_of(SAMPLE), EACH, resamples=200)
    assert (found.low[0], found.high[0]) == pytest.approx((alone.low[0], alone.high[0]))
    assert (found.low[1], found.high[1]) == (1, 1)
    for place in (2, 4):
        assert (found.low[place], found.high[place]) == interval(found.draws[:, place])
    assert np.isnan(found.draws[:, 2]).any()
    assert np.isfinite([found.low[2], found.high[2]]).all()
    assert np.isnan([found.low[3], found.high[3]]).all()


def test_one_sample_has_no_interval():
    found = bootstrap(mean_of(np.array([1.0, 2.0])), np.zeros(2), resamples=5)
    assert found.value.tolist() == [1.5]
    assert np.isnan([found.low, found.high]).all()
    assert found.draws.tolist() == [[1.5]] * 5


def test_metrics_that_a_resample_leaves_undefined():
    truth = np.zeros(12)
    truth[0] = 1.0
    found = measure(metrics.acc2_nonzero, {"model": np.ones((2, 12))}, truth, np.arange(12), resamples=100)
    assert np.isnan(found["model"].draws).any()
    assert found["model"].sampled == (1.0, 1.0)
    assert spread(*found["model"]) == {"mean": 1.0, "std": 0.0, "low": 1.0, "high": 1.0, "seeds": 2}


def test_draws_without_a_value_do_not_count():
    assert interval(np.array([1.0, np.nan, 1.0])) == (1.0, 1.0)
    assert np.isnan(interval(np.array([np.nan, np.nan]))).all()


# models and seeds


def test_measure_is_the_bootstrap_of_the_mean_over_seeds():
    rng = np.random.default_rng(0)
    truth, said = rng.normal(size=40), {"a": rng.normal(size=(3, 40)), "b": rng.normal(size=(3, 40))}
    found = measure(error, said, truth, EACH, pairs=[("a", "b")], resamples=100)
    apart = bootstrap(
        lambda rows: np.array(
            [
                np.mean(
                    [
                        error(p[rows], truth[rows]) - error(q[rows], truth[rows])
                        for p, q in zip(*said.values(), strict=True)
                    ]
                )
            ]
        ),
        EACH,
        resamples=100,
    )
    assert list(found) == ["a", "b", ("a", "b")]
    assert found["a", "b"].sampled == pytest.approx((apart.low[0], apart.high[0]))
    assert found["a", "b"].draws.mean(1) == pytest.approx(apart.draws[:, 0])
    assert found["a", "b"].seeds == pytest.approx(found["a"].seeds - found["b"].seeds)
    assert found["a"].seeds == pytest.approx([error(p, truth) for p in said["a"]])
    alone = measure(error, {"a": said["a"]}, truth, EACH, resamples=100)["a"]
    assert alone.sampled == found["a"].sampled


def test_models_may_have_different_numbers_of_seeds():
    truth = SAMPLE
    found = measure(error, {"a": np.zeros((1, 40)), "b": np.ones((4, 40))}, truth, EACH, resamples=10)
    assert [len(one.seeds) for one in found.values()] == [1, 4]
    assert found["b"].draws.shape == (10, 4)


def test_over_seeds_is_students_interval():
    values = np.array([0.3, 0.5, 0.1, 0.4])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert over_seeds(values, 0.9) == pytest.approx((expected.low, expected.high))
    assert np.isnan(over_seeds(values[:1])).all()


def test_sources_of_error_add_as_variances_do_on_each_side():
    assert combined(0.0, (-3.0, 1.0), (-4.0, 0.0), (0.0, 0.0)) == (-5.0, 1.0)
    assert combined(2.0) == (2.0, 2.0)


def test_one_seed_has_the_interval_over_samples_alone():
    draws = np.random.default_rng(0).normal(size=(200, 1))
    said = spread(np.array([0.1]), draws, (-1.0, 3.0))
    assert (said["low"], said["high"], said["mean"], said["seeds"]) == (-1.0, 3.0, 0.1, 1)
    assert np.isnan(said["std"])
    percentile = spread(np.array([0.1]), draws[:, 0])
    assert (percentile["low"], percentile["high"]) == interval(draws)


def test_seeds_that_agree_add_nothing():
    draws = np.random.default_rng(0).normal(size=(200, 1)) + np.zeros(3)
    said = spread(np.full(3, 0.5), draws, (-1.0, 3.0))
    assert (said["low"], said["high"]) == pytest.approx((-1.0, 3.0))


def test_the_interaction_is_counted_once():
    """Draws in which each seed goes its own way say what the seeds' deviation says already."""
    rng = np.random.default_rng(0)
    seeds, own = np.array([0.0, 1.0, 2.0]), rng.normal(size=(20000, 3))
    alone = spread(seeds, seeds + own)
    assert (alone["low"], alone["high"]) == pytest.approx(over_seeds(seeds), rel=0.02)
    common = rng.normal(size=(20000, 1))
    both = spread(seeds, seeds + own + common)
    main = spread(seeds, (seeds + common).mean(1))
    assert (both["low"], both["high"]) == pytest.approx((main["low"], main["high"]), rel=0.02)
    wider = spread(seeds, (seeds + own + common).mean(1))  # where only the means are known
    assert wider["low"] < both["low"]
    assert wider["high"] > both["high"]


# sums of terms, and any function

TARGETS = [
    Regression("sentiment", low=-3, high=3),
    Binary("sarcasm"),
    MultiClass("emotion", classes=("sad", "angry", "happy", "calm")),
    MultiLabel("emotion", classes=("sad", "angry", "happy")),
]
of_every_target = pytest.mark.parametrize("target", TARGETS, ids=lambda t: type(t).__name__)
of_groups = pytest.mark.parametrize("groups", [np.arange(30), np.arange(30) // 2])


def answers(target, rare=False):
    """Two models' predictions of three seeds, (seeds, labels, outputs), and the truth."""
    rng = np.random.default_rng(11)
    if isinstance(target, Regression):
        truth = np.round(rng.normal(size=(30, 1)) * 3) / 3
        said = np.clip(truth + rng.normal(size=(2, 3, 30, 1)), -3, 3)
        said[0, 0] = 0.3  # a seed that learned nothing
    else:
        truth = rng.integers(target.count, size=(30, target.size))
        said = rng.random((2, 3, 30, target.outputs))
    if rare:
        truth[1:] = 0  # so that many resamples have one class alone, or none
    return dict(zip("ab", said, strict=True)), truth


def any_function(metric):
    return lambda prediction, truth: metric(prediction, truth)


@of_every_target
@of_groups
@pytest.mark.parametrize("rare", [False, True])
def test_sums_measure_what_the_metric_does(target, groups, rare):
    said, truth = answers(target, rare)
    strata = groups % 2
    for name, metric in metrics.metrics_for(target).items():
        fast, slow = (
            measure(own, said, truth, groups, pairs=[("a", "b")], strata=strata, resamples=40)
            for own in (metric, any_function(metric))
        )
        assert list(fast) == list(slow)
        for one, other in zip(fast.values(), slow.values(), strict=True):
            for found, expected in zip(one, other, strict=True):
                assert found == pytest.approx(np.array(expected), rel=1e-9, abs=1e-9, nan_ok=True), name


@of_every_target
@of_groups
@pytest.mark.parametrize("labels", [30, 7])  # as drawn, and every swap
def test_sums_are_swapped_as_predictions_are(target, groups, labels):
    said, truth = answers(target)
    a, b = (own[:, :labels] for own in said.values())
    for name, metric in metrics.metrics_for(target).items():
        fast, slow = (
            permutation_p(a, b, truth[:labels], own, groups[:labels], resamples=130)
            for own in (metric, any_function(metric))
        )
        assert fast == slow, name


@of_every_target
@of_groups
def test_sums_are_resampled_as_rows_are(target, groups):
    said, truth = answers(target)
    for metric in metrics.metrics_for(target).values():
        value, draws = resampled(metric, said["a"], truth, groups, resamples=70, seed=3)
        assert value.tolist() == [metric(one, truth) for one in said["a"]]
        for found, rows in zip(draws, resampled_rows(groups, 70, seed=3), strict=True):
            expected = [metric(one[rows], truth[rows]) for one in said["a"]]
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


def test_sums_are_taken_once():
    taken = []

    def terms(prediction, truth):
        taken.append(len(truth))
        return metrics.mae.terms(prediction, truth)

    metric = metrics.Summed(terms, metrics.mae.value)
    truth, said = SAMPLE, {"a": np.zeros((3, 40)), "b": np.ones((3, 40))}
    measure(metric, said, truth, EACH, pairs=[("a", "b")])
    assert taken == [40] * 6
    taken.clear()
    permutation_p(said["a"], said["b"], truth, metric, EACH)
    assert taken == [40] * 12 + [80] * 3  # the scores, those of standardised numbers, and what is swapped


@pytest.mark.parametrize(("scale", "offset"), [(1e200, 0), (1e-200, 0), (1e-7, 0.3)])
def test_a_model_far_out_of_scale_is_swapped_row_by_row(scale, offset):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=12)
    a, b = truth + rng.normal(size=(2, 1, 12))
    a = scale * a + offset
    alike = [stats.zscore(own / np.abs(own).max(), axis=1) for own in (a, b)]
    for metric, swapped in ((metrics.pearson, alike), (metrics.ccc, (a, b))):
        slow = permutation_p(*swapped, truth, any_function(metric), np.arange(12), resamples=50)
        assert permutation_p(a, b, truth, metric, np.arange(12), resamples=50) == slow


# permutation


def every_swap(a, b, truth, metric, groups):
    """p by itertools, over the samples one by one."""
    names = sorted(set(groups.tolist()))
    found = []
    for swap in itertools.product([False, True], repeat=len(names)):
        where = np.array([swap[names.index(g)] for g in groups.tolist()])
        score = [
            np.mean([metric(np.where(where, y, x), truth) for x, y in zip(*pair, strict=True)])
            for pair in ((a, b), (b, a))
        ]
        found.append(abs(score[0] - score[1]))
    return np.mean(np.array(found) >= found[0] - 1e-12)


@pytest.mark.parametrize("metric", [metrics.mae, metrics.pearson, metrics.acc7])
def test_the_exact_permutation_test_tries_every_swap(metric):
    rng = np.random.default_rng(4)
    groups = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 6])
    truth = rng.normal(size=10)
    a, b = truth + 0.3 * rng.normal(size=(3, 10)), truth + rng.normal(size=(3, 10))
    expected = every_swap(a, b, truth, metric, groups)
    assert permutation_p(a, b, truth, metric, groups, resamples=128) == pytest.approx(expected)
    assert permutation_p(b, a, truth, metric, groups, resamples=128) == pytest.approx(expected)
    drawn = permutation_p(a, b, truth, metric, groups, resamples=127)  # one too few for every swap
    assert drawn == pytest.approx(expected, abs=0.2)
    assert drawn * 128 == pytest.approx(round(drawn * 128))


def test_a_correlation_is_tested_whatever_the_scales():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=40)
    near, far = truth + 0.3 * rng.normal(size=(3, 40)), truth + 1.5 * rng.normal(size=(3, 40))
    for scaled in (far, 0.05 * far + 2, 30 * far):
        p = permutation_p(near, scaled, truth, metrics.pearson, np.arange(40), resamples=199)
        assert p == 0.005


@pytest.mark.parametrize("resamples", [99, 200])
def test_the_permutation_test_is_scipys(resamples):
    rng = np.random.default_rng(4)
    truth = rng.normal(size=30)
    a, b = truth + rng.normal(size=(2, 30))

    def distance(a, b, axis):
        return np.abs(np.abs(a - truth).mean(axis) - np.abs(b - truth).mean(axis))

    expected = stats.permutation_test(
        (a, b),
        distance,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=64,
        alternative="greater",
        rng=np.random.default_rng(1),
    ).pvalue
    for metric in (error, metrics.mae):
        assert permutation_p(a[None], b[None], truth, metric, np.arange(30), resamples=resamples, seed=1) == (
            pytest.approx(expected)
        )


def test_columns_of_predictions_are_swapped_together():
    target = metrics.metrics_for(MultiClass("emotion", classes=("sad", "angry", "happy")))
    rng = np.random.default_rng(0)
    truth, (a, b) = rng.integers(3, size=(60, 1)), rng.random((2, 2, 60, 3))
    groups = np.arange(60) // 2
    assert 0 < permutation_p(a, b, truth, target["f1_macro"], groups, resamples=50) <= 1
    right = np.eye(3)[truth[:, 0]][None]
    assert permutation_p(right, b[:1], truth, target["accuracy"], groups, resamples=99) == 0.01


def test_equal_predictions_cannot_be_told_apart():
    truth = np.arange(5.0)
    assert permutation_p(truth[None], truth[None], truth, error, np.arange(5)) == 1
    assert permutation_p(truth[None] + 1, truth[None] - 1, truth, error, np.arange(5)) == 1


def test_a_metric_without_a_value_has_no_p():
    zeros, ones = np.zeros(5), np.ones((1, 5))
    assert np.isnan(permutation_p(ones, -ones, zeros, metrics.acc2_nonzero, np.arange(5)))


def test_a_swap_without_a_value_is_no_evidence():
    truth, a, b = np.zeros(3), np.zeros((1, 3)), np.ones((1, 3))

    def fussy(prediction, _):
        return float(prediction.mean()) if np.ptp(prediction) == 0 else np.nan

    assert permutation_p(a, b, truth, fussy, np.arange(3)) == 1


def test_many_samples_are_no_trouble():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=3000)
    a, b = truth + rng.normal(size=(2, 1, 3000))
    assert permutation_p(a, b, truth, error, np.arange(3000), resamples=9) in {k / 10 for k in range(1, 11)}


# the other tests


def signed_ranks(apart):
    ranks = stats.rankdata(np.abs(apart))
    centre = ranks.sum() / 2
    found = abs(ranks[apart > 0].sum() - centre)
    sums = [abs(np.dot(signs, ranks) - centre) for signs in itertools.product([0, 1], repeat=len(ranks))]
    return np.mean(np.array(sums) >= found - 1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_wilcoxon_is_exact_also_with_ties_and_zeros(seed):
    rng = np.random.default_rng(seed)
    for apart in (rng.normal(size=9), rng.integers(-3, 4, size=9).astype(float)):
        assert wilcoxon_p(apart, np.zeros(9)) == pytest.approx(signed_ranks(apart[apart != 0]))


def test_wilcoxon_of_nothing_apart():
    same = np.array([0.1, 0.2])
    assert wilcoxon_p(same, same) == 1
    assert np.isnan(wilcoxon_p(same, np.array([0.1, np.nan])))


def test_no_pairs_give_less_than_the_least_p():
    for pairs in range(1, 12):
        assert wilcoxon_p(np.arange(1.0, pairs + 1), np.zeros(pairs)) == pytest.approx(least_p(pairs))


def test_the_corrected_test_is_nadeaus_and_bengios_formula():
    differences = np.random.default_rng(0).normal(0.02, 0.05, size=50)  # 10 times 5 folds
    found = corrected_t(differences, test_share=0.2, level=0.9)
    scale = np.sqrt((1 / 50 + 20 / 80) * np.sum((differences - differences.mean()) ** 2) / 49)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(differences.mean()) / scale, 49))
    half = stats.t.ppf(0.95, 49) * scale
    assert found[1:] == pytest.approx((differences.mean() - half, differences.mean() + half))
    assert found.p > stats.ttest_1samp(differences, 0).pvalue


def test_the_interval_excludes_zero_where_p_is_small():
    differences = np.random.default_rng(0).normal(size=10)
    p = corrected_t(differences, 0.1).p
    assert corrected_t(differences, 0.1, level=1 - p)[1:] == pytest.approx(
        (0, 2 * differences.mean()) if differences.mean() > 0 else (2 * differences.mean(), 0)
    )


def test_folds_that_agree_wholly():
    assert corrected_t(np.zeros(5), 0.2) == (1, 0, 0)
    assert corrected_t(np.full(5, 0.5), 0.2) == (0, 0.5, 0.5)
    assert np.isnan(corrected_t(np.array([1.0, np.nan]), 0.2)).all()


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.02, 0.03, 0.04], [0.04, 0.06, 0.06, 0.06]),
        ([0.04, 0.03, 0.02, 0.01], [0.06, 0.06, 0.06, 0.04]),
        ([0.0001, 0.9, 0.8], [0.0003, 1, 1]),
        ([0.02, np.nan, 0.02], [0.04, np.nan, 0.04]),
        ([np.nan], [np.nan]),
        ([], []),
    ],
)
def test_holm_by_hand(p, adjusted):
    assert holm(np.array(p)) == pytest.approx(np.array(adjusted), nan_ok=True)


def test_cohens_d_is_the_paired_t_over_the_root_of_the_count():
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    assert cohens_d(a, b) == pytest.approx(stats.ttest_rel(a, b).statistic / np.sqrt(30))
    assert cohens_d(a, a) == 0
    assert cohens_d(a + 0.1, a) == np.inf
    assert cohens_d(a, a + 0.1) == -np.inf
    assert np.isnan(cohens_d(a[:1], b[:1]))


def test_superiority_is_mann_whitneys_u_as_a_share():
    rng = np.random.default_rng(0)
    a, b = rng.integers(5, size=7).astype(float), rng.integers(5, size=9).astype(float)
    assert superiority(a, b) == pytest.approx(stats.mannwhitneyu(a, b).statistic / 63)
    assert superiority(a, b) + superiority(b, a) == pytest.approx(1)
    assert superiority(b + 9, b) == 1
    assert np.isnan(superiority(np.array([np.nan]), b))


# ranks


def test_the_critical_difference_is_demsars():
    """Four models on 14 sets: q is 2.569 at 5% and 2.291 at 10%, the critical differences 1.25 and 1.12."""
    table = np.random.default_rng(0).random((4, 14))
    for level, q, expected in ((0.95, 2.569, 1.25), (0.9, 2.291, 1.12)):
        found = friedman(table, level).critical_difference
        assert found == pytest.approx(q * np.sqrt(4 * 5 / (6 * 14)), rel=2e-4)
        assert round(found, 2) == expected
    assert friedman(table).p == pytest.approx(stats.friedmanchisquare(*table).pvalue)


def test_ranks_by_hand():
    table = np.array([[0.9, 0.9], [0.7, 0.9], [0.8, 0.1]])
    assert friedman(table).average.tolist() == [1.25, 2.25, 2.5]
    assert friedman(table, higher_is_better=False).average.tolist() == [2.75, 1.75, 1.5]
    alike = friedman(np.ones((3, 5)))
    assert (alike.average.tolist(), alike.p, alike.cliques) == ([2, 2, 2], 1, ((0, 1, 2),))


def test_cliques_are_the_largest_groups_within_the_critical_difference():
    """Five models always in one order: ranks 1 to 5, and a critical difference between 1 and 2 on 20 sets."""
    order = np.array([3, 1, 0, 4, 2])  # the best first
    table = np.empty((5, 20))
    table[order] = -np.arange(5.0)[:, None]
    found = friedman(table)
    assert 1 < found.critical_difference < 2
    assert found.cliques == ((3, 1), (1, 0), (0, 4), (4, 2))
    assert found.p < 1e-10
    few = friedman(table[:, :4])  # 3.05
    assert few.cliques == ((3, 1, 0, 4), (1, 0, 4, 2))
    assert friedman(np.repeat(table[:3], 10, 1)).cliques == ()


# coverage and false alarms, by simulation


def likely(share, benches, tail=1e-4):
    """The shares that as many benches give with a true one of at least, or at most, this."""
    return stats.binom.ppf([tail, 1 - tail], benches, share) / benches


def test_the_interval_covers_new_seeds_and_new_samples():
    benches = 100
    for regime, found in coverage(benches, resamples=400).items():
        if regime.seeds > 1:
            assert found["chosen"] >= likely(0.93, benches)[0], regime
            assert found["chosen"] >= found["samples alone"], regime
        if regime.seeds > 1 and regime.ratio == "large":
            assert found["samples alone"] < likely(0.93, benches)[0], regime  # which is why it is not enough
        if regime.seeds == 1 and regime.ratio == "none":
            assert found["chosen"] >= likely(0.93, benches)[0], regime


def test_stratifying_is_for_shares_by_design():
    by_chance, by_design = (
        repeated(partial(stratified, name=name, resamples=200), benches).mean(0)
        for name, benches in (
            ("shares by chance, accuracy .35 and .95", 300),
            ("shares by design, accuracy .35 and .95", 100),
        )
    )
    assert by_chance[1] < likely(0.93, 300)[0] <= by_chance[0]
    assert by_design[1] >= likely(0.93, 100)[0]


@pytest.mark.parametrize(
    ("alarm", "benches"),
    [(partial(permutation_alarm, score="accuracy"), 120), (wilcoxon_alarm, 800), (folds_alarm, 300)],
)
def test_false_alarms_are_as_rare_as_promised(alarm, benches):
    found = np.ravel(repeated(alarm, benches).mean(0))[0]
    assert found <= likely(0.05, benches)[1]
    assert found > 0


@pytest.mark.slow
@pytest.mark.parametrize("labels", LABELS)
def test_the_interval_covers_in_two_thousand_benches(labels):
    for regime, found in coverage(2000, workers=2, labels=labels).items():
        if regime.seeds > 1 or regime.ratio == "none":
            assert 0.93 - 0.01 <= found["chosen"] <= 0.98 + 0.01, regime  # a share's deviation is 0.005


@pytest.mark.slow
@pytest.mark.parametrize(("score", "labels"), ALARMS)
def test_the_permutation_test_alarms_as_often_as_it_says(score, labels):
    found = repeated(partial(permutation_alarm, score=score, labels=labels), 2000, workers=2).mean()
    least = 0.03 if (score, labels) == ("accuracy", 100) else 0.04  # steps of 1/300, each with many ties
    assert likely(least, 2000, 0.01)[0] <= found <= likely(0.06, 2000, 0.01)[1]


# refusals

VECTOR, TABLE = np.zeros(3), np.zeros((2, 3))
REFUSALS = [
    (
        lambda: bootstrap(mean_of(VECTOR), np.zeros(0)),
        ShapeError,
        "groups need the shape (labels,), at least one label, got (0,); "
        "name the sample of each label: np.arange(labels) where each is its own",
    ),
    (
        lambda: bootstrap(mean_of(VECTOR), np.arange(3), strata=np.zeros(2)),
        ShapeError,
        "strata need the groups' shape (3,), got (2,); name the class of each label",
    ),
    (
        lambda: bootstrap(mean_of(VECTOR), np.array([0, 0, 1]), strata=np.array([0, 1, 1])),
        DataError,
        "strata: 1 of 2 samples have labels of several classes; "
        "give every label of a sample its sample's class, or leave strata out",
    ),
    (
        lambda: bootstrap(lambda rows: 1.0, np.arange(3)),
        ShapeError,
        "bootstrap needs a statistic that returns (k,), got (); "
        "put a single number in an array: np.array([number])",
    ),
    (
        lambda: bootstrap(mean_of(VECTOR), np.arange(3), resamples=0),
        ConfigError,
        "bootstrap: resamples must be at least 1, got 0",
    ),
    (
        lambda: bootstrap(mean_of(VECTOR), np.arange(3), level=95),
        ConfigError,
        "the level of an interval must be between 0 and 1 (0.95 is the usual one), got 95",
    ),
    (
        lambda: measure(error, {"tensor": TABLE}, VECTOR, np.arange(3), pairs=[("tensor", "tenser")]),
        ConfigError,
        "measure: no model 'tenser'; did you mean 'tensor'? known: tensor",
    ),
    (
        lambda: measure(error, {"a": TABLE, "b": TABLE[:1]}, VECTOR, np.arange(3), pairs=[("a", "b")]),
        ShapeError,
        "measure: 'a' has 2 seeds and 'b' 1; cut both to the seeds that they share",
    ),
    (
        lambda: spread(VECTOR, TABLE[:, :2]),
        ShapeError,
        "spread needs values of shape (seeds,), at least one, and draws of shape (resamples, seeds) or "
        "(resamples,), got (3,) and (2, 2); give the draws of the same seeds",
    ),
    (
        lambda: permutation_p(TABLE, TABLE[:1], VECTOR, error, np.arange(3)),
        ShapeError,
        "permutation_p needs predictions of one shape (seeds, labels, ...), got (2, 3) and (1, 3); "
        "cut both models to the seeds that they share",
    ),
    (
        lambda: permutation_p(TABLE, TABLE, VECTOR, error, np.arange(2)),
        ShapeError,
        "permutation_p needs the same labels everywhere, got predictions of 3, truth of 3 and groups of 2",
    ),
    (
        lambda: permutation_p(TABLE, TABLE, VECTOR, error, np.arange(3), resamples=0),
        ConfigError,
        "permutation_p: resamples must be at least 1, got 0",
    ),
    (
        lambda: wilcoxon_p(VECTOR, VECTOR[:2]),
        ShapeError,
        "wilcoxon_p needs two vectors of one length, at least 1, got (3,) and (2,); "
        "give the values of the same seeds, in the same order",
    ),
    (
        lambda: cohens_d(TABLE, TABLE),
        ShapeError,
        "cohens_d needs two vectors of one length, at least 1, got (2, 3) and (2, 3); "
        "give the values of the same seeds, in the same order",
    ),
    (
        lambda: corrected_t(VECTOR[:1], 0.2),
        ShapeError,
        "corrected_t needs differences of shape (folds * repeats,), at least 2, got (1,)",
    ),
    (
        lambda: corrected_t(VECTOR, 5),
        ConfigError,
        "corrected_t: test_share must be between 0 and 1 (1 / k with k folds), got 5",
    ),
    (lambda: holm(np.array([0.1, np.nan, 1.5])), DataError, "holm needs p-values from 0 to 1, got 1.5"),
    (
        lambda: superiority(VECTOR, VECTOR[:0]),
        ShapeError,
        "superiority needs two vectors with at least one value, got (3,) and (0,)",
    ),
    (
        lambda: friedman(TABLE),
        ShapeError,
        "friedman needs a table (models, corpora) of at least 3 models and 2 corpora, got (2, 3); "
        "compare two models with wilcoxon_p",
    ),
    (
        lambda: friedman(np.array([[1.0, np.nan], [1, 2], [3, 4]])),
        DataError,
        "friedman: 1 of 6 values of the table are missing; leave out models or corpora until it is full",
    ),
]


@pytest.mark.parametrize(("wrong", "kind", "message"), REFUSALS)
def test_refusals(wrong, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        wrong()
