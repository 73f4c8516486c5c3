"""Every metric against a slow transcription of its definition, and against scikit-learn and scipy."""

import math
import re

import numpy as np
import pytest

from affect import metrics, statistics
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError, DataError, ShapeError, described
from affect.metrics import Metric, Score, Summed, constant_baselines, higher_is_better, metrics_for, score

SENTIMENT = Regression("sentiment", low=-3, high=3)
SIMS = Regression("sentiment", low=-1, high=1)
CLASSES = MultiClass("emotion", classes=("sad", "angry", "happy", "calm"))
LABELS = MultiLabel("emotion", classes=("sad", "angry", "happy"))
POOLS = (
    np.array(
        [-4, -3, -2.5, -2, -1.5, -1, -0.5, -0.0, 0.0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 9]
    ),  # halves and ends
    np.array([-1e-9, -0.0, 0.0, 1e-9]),
    np.nextafter([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], 9),
    np.array([1.0]),  # constant
    np.array([0.0]),
    np.arange(-9, 10) / 3,  # MOSEI's scale
)


def numbers(rng, size):
    pool = POOLS[rng.integers(len(POOLS))]
    return rng.choice(pool, size) if rng.random() < 0.7 else rng.normal(0, 2, size)


def number_cases(count=1000):
    rng = np.random.default_rng(0)
    for _ in range(count):
        size = rng.integers(1, 25)
        yield numbers(rng, size), numbers(rng, size)


def class_cases(count=1000):
    """Two classes as one probability, four as a distribution; ties, constants and absent classes among them."""
    rng = np.random.default_rng(1)
    for case in range(count):
        size, levels = rng.integers(1, 25), rng.integers(2, 12)
        if case % 2:
            prediction, classes = rng.integers(levels, size=size) / (levels - 1), 2
        else:
            prediction, classes = rng.integers(1, levels, size=(size, 4)) / 10, 4
        yield prediction, rng.choice(rng.permutation(classes)[: rng.integers(1, classes + 1)], size)


# the definitions in loops


def slow_f1(pairs, average="weighted"):
    values, weights = [], []
    for c in sorted({t for _, t in pairs}):
        hits = sum(p == c and t == c for p, t in pairs)
        misses = sum(p != c and t == c for p, t in pairs)
        alarms = sum(p == c and t != c for p, t in pairs)
        precision = hits / (hits + alarms) if hits + alarms else 0
        recall = hits / (hits + misses)
        values.append(2 * precision * recall / (precision + recall) if hits else 0)
        weights.append(hits + misses if average == "weighted" else 1)
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)


def share(pairs):
    return sum(p == t for p, t in pairs) / len(pairs) if pairs else math.nan


def nonnegative(pairs):
    return [(p >= 0, t >= 0) for p, t in pairs]


def nonzero(pairs):
    return [(p > 0, t > 0) for p, t in pairs if t < 0 or t > 0]


def rounded(pairs, limit):
    return [
        tuple(round(max(-limit, min(limit, v))) for v in pair) for pair in pairs
    ]  # Python's halves are even


def bin_of(a):
    if a < -2:
        return -3
    if a < -1:
        return -2
    if a < 0:
        return -1
    if a == 0:
        return 0
    if a <= 1:
        return 1
    return 2 if a <= 2 else 3


def slow_ccc(pairs):
    n, (p, t) = len(pairs), zip(*pairs, strict=True)
    mean_p, mean_t = math.fsum(p) / n, math.fsum(t) / n
    if len(set(p)) == 1 or len(set(t)) == 1:
        return 0
    covariance = math.fsum((a - mean_p) * (b - mean_t) for a, b in pairs) / n
    spread = math.fsum((a - mean_p) ** 2 + (b - mean_t) ** 2 for a, b in pairs) / n
    return 2 * covariance / (spread + (mean_p - mean_t) ** 2)


SLOW_NUMBERS = {
    "mae": lambda pairs: math.fsum(abs(p - t) for p, t in pairs) / len(pairs),
    "ccc": slow_ccc,
    "acc2_nonnegative": lambda pairs: share(nonnegative(pairs)),
    "acc2_nonzero": lambda pairs: share(nonzero(pairs)),
    "f1_nonnegative": lambda pairs: slow_f1(nonnegative(pairs)),
    "f1_nonzero": lambda pairs: slow_f1(nonzero(pairs)) if nonzero(pairs) else math.nan,
    "acc5": lambda pairs: share(rounded(pairs, 2)),
    "acc7": lambda pairs: share(rounded(pairs, 3)),
    "acc7_bins": lambda pairs: share([(bin_of(p), bin_of(t)) for p, t in pairs]),
}


def slow_uar(pairs):
    classes = {t for _, t in pairs}
    return sum(share([(p, t) for p, t in pairs if t == c]) for c in classes) / len(classes)


SLOW_CLASSES = {
    "accuracy": share,
    "f1_weighted": slow_f1,
    "f1_macro": lambda pairs: slow_f1(pairs, "macro"),
    "uar": slow_uar,
}


def slow_decision(probabilities):
    if np.ndim(probabilities) == 0:
        return int(probabilities > 0.5)
    return max(range(len(probabilities)), key=lambda c: (probabilities[c], -c))


@pytest.mark.parametrize("name", SLOW_NUMBERS)
def test_numbers_agree_with_the_definition(name):
    for prediction, truth in number_cases():
        pairs = list(zip(prediction.tolist(), truth.tolist(), strict=True))
        assert getattr(metrics, name)(prediction, truth) == pytest.approx(
            SLOW_NUMBERS[name](pairs), abs=1e-12, nan_ok=True
        ), pairs


@pytest.mark.parametrize("name", SLOW_CLASSES)
def test_classes_agree_with_the_definition(name):
    for prediction, truth in class_cases():
        pairs = [(slow_decision(p), int(t)) for p, t in zip(prediction, truth, strict=True)]
        assert getattr(metrics, name)(prediction, truth) == pytest.approx(SLOW_CLASSES[name](pairs)), pairs


def test_weighted_accuracy_agrees_with_the_papers_formula():
    for prediction, truth in class_cases():
        p, n = (truth == 1).sum(), (truth == 0).sum()
        if prediction.ndim == 1 and p and n:
            tp, tn = ((prediction > 0.5) & (truth == 1)).sum(), ((prediction <= 0.5) & (truth == 0)).sum()
            assert metrics.weighted_accuracy(prediction, truth) == pytest.approx((tp * n / p + tn) / (2 * n))


# the libraries


def test_pearson_agrees_with_scipy():
    from scipy.stats import pearsonr

    compared = 0
    for prediction, truth in number_cases():
        if np.ptp(prediction) == 0 or np.ptp(truth) == 0:
            assert metrics.pearson(prediction, truth) == 0
        else:
            compared += 1
            assert metrics.pearson(prediction, truth) == pytest.approx(
                pearsonr(prediction, truth).statistic, abs=1e-9
            )
    assert compared > 500


@pytest.mark.parametrize("name", ["f1_nonnegative", "f1_nonzero"])
def test_sentiment_f1_agrees_with_sklearn(name):
    from sklearn.metrics import f1_score

    for prediction, truth in number_cases(300):
        kept = truth != 0 if name == "f1_nonzero" else np.full(len(truth), fill_value=True)
        side = np.greater if name == "f1_nonzero" else np.greater_equal
        if kept.any():
            assert getattr(metrics, name)(prediction, truth) == pytest.approx(
                f1_score(side(truth[kept], 0), side(prediction[kept], 0), average="weighted", zero_division=0)
            )


def test_classes_agree_with_sklearn():
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    for prediction, truth in class_cases(300):
        decided = [slow_decision(p) for p in prediction]
        here = {"labels": np.unique(truth), "zero_division": 0}
        expected = {
            "accuracy": accuracy_score(truth, decided),
            "f1_weighted": f1_score(truth, decided, average="weighted", zero_division=0),
            "f1_macro": f1_score(truth, decided, average="macro", **here),
            "uar": recall_score(truth, decided, average="macro", **here),
        }
        assert {name: getattr(metrics, name)(prediction, truth) for name in expected} == pytest.approx(
            expected
        )


# sums of terms


def target_cases(target, count):
    """Predictions and truths of every kind of target; constants, absent classes and odd numbers among them."""
    rng = np.random.default_rng(7)
    for _ in range(count):
        size = rng.integers(1, 25)
        if isinstance(target, Regression):
            yield numbers(rng, size)[:, None], numbers(rng, size)[:, None]
        else:
            classes = rng.integers(1, target.count + 1, size=target.size)
            prediction = rng.integers(5, size=(size, target.outputs)) / 4
            yield prediction, rng.integers(classes, size=(size, target.size))


@pytest.mark.parametrize(
    "target", [SENTIMENT, SIMS, Binary("sarcasm"), CLASSES, LABELS], ids=lambda t: type(t).__name__
)
def test_a_resample_needs_nothing_but_sums(target):
    rng = np.random.default_rng(3)
    undefined = 0
    for prediction, truth in target_cases(target, 150):
        rows = rng.integers(len(truth), size=(5, len(truth)))
        weights = np.array([np.bincount(one, minlength=len(truth)) for one in rows])
        with metrics.using(*metrics.catalogue.OURS):
            known = {name: metric for name, metric in metrics_for(target).items() if name[:3] != "auc"}
        for name, metric in known.items():
            terms = metric.terms(prediction, truth)
            found = metric.value(weights @ terms)
            expected = [metric(prediction[one], truth[one]) for one in rows]
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), name
            assert terms.shape == (len(truth), terms.size // len(truth))
            assert metric.value(terms.sum(0)) == pytest.approx(metric(prediction, truth), nan_ok=True)
            undefined += np.isnan(found).sum()
    assert (undefined > 0) == isinstance(target, Regression)


@pytest.mark.parametrize("scale", [1e-200, 1, 1e200])
@pytest.mark.parametrize("name", ["pearson", "ccc"])
def test_a_resample_can_be_constant(name, scale):
    metric, rng = getattr(metrics, name), np.random.default_rng(0)
    truth = rng.normal(size=40) * scale
    prediction = (
        np.where(np.arange(40) < 20, 0.3, rng.normal(size=40)) * scale
    )  # the first half says one thing
    for level in (prediction, prediction + 7 * scale, prediction * (1 + 1e-16 * np.arange(40))):
        terms = metric.terms(level, truth)
        first, second = np.repeat([1.0, 0.0], 20), np.repeat([0.0, 1.0], 20)
        assert metric.value(np.stack([first, second]) @ terms) == pytest.approx(
            [0, metric(level[20:], truth[20:])]
        )
        assert metric.value(7 * terms[3]) == 0  # one label alone


def test_a_label_far_out_costs_no_digits_where_it_is_not_drawn():
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    a[0], b[0] = 1e9, -1e9
    without = np.arange(50) > 0
    for metric in (metrics.pearson, metrics.ccc):
        found = metric.value(without @ metric.terms(a, b))
        assert found == pytest.approx(metric(a[1:], b[1:]), rel=1e-12)


def test_a_metric_says_its_name_and_what_it_is():
    assert repr(metrics.mae) == "affect.metrics.regression.mae(prediction, truth)"
    assert metrics.mae.__name__ == "mae"
    assert metrics.mae.__doc__.startswith("Mean absolute error")
    assert isinstance(metrics.mae, Summed)


# the order of the arguments, and the edges


def test_the_arguments_of_f1_are_not_exchangeable():
    from sklearn.metrics import f1_score

    said, true = np.array([1.0, 1, 1, 1]), np.array([1.0, -1, -1, -1])
    for metric in (metrics.f1_nonnegative, metrics.f1_nonzero):
        assert metric(said, true) == pytest.approx(0.1)
        assert metric(true, said) == pytest.approx(0.4)
        assert metric(said, true) == pytest.approx(f1_score(true > 0, said > 0, average="weighted"))
    said, true = (said + 1) / 2, (true + 1) / 2
    assert (metrics.f1_weighted(said, true), metrics.f1_weighted(true, said)) == pytest.approx((0.1, 0.4))


CLASS_OF = [  # a number, its class in acc5, in acc7, in acc7_bins
    (-7, -2, -3, -3),
    (-3, -2, -3, -3),
    (-2.5, -2, -2, -3),
    (-2.001, -2, -2, -3),
    (-2, -2, -2, -2),
    (-1.5, -2, -2, -2),
    (-1, -1, -1, -1),
    (-0.5, 0, 0, -1),
    (-0.0, 0, 0, 0),
    (0, 0, 0, 0),
    (1e-12, 0, 0, 1),
    (0.5, 0, 0, 1),
    (0.50001, 1, 1, 1),
    (1, 1, 1, 1),
    (1.5, 2, 2, 2),
    (2, 2, 2, 2),
    (2.5, 2, 2, 3),
    (2.50001, 2, 3, 3),
    (3, 2, 3, 3),
    (7, 2, 3, 3),
]


@pytest.mark.parametrize(("number", "five", "seven", "binned"), CLASS_OF)
def test_a_number_has_its_class_and_no_other(number, five, seven, binned):
    for name, limit, own in [("acc5", 2, five), ("acc7", 3, seven), ("acc7_bins", 3, binned)]:
        hit = [
            c for c in range(-limit, limit + 1) if getattr(metrics, name)(np.array([number]), np.array([c]))
        ]
        assert hit == [own], name


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_zero_is_not_negative_nor_positive_whatever_its_sign(zero):
    said, true = np.array([zero, zero]), np.array([1.0, -1.0])
    assert metrics.acc2_nonnegative(said, true) == 0.5
    assert metrics.acc2_nonnegative(said, np.abs(true)) == 1
    assert metrics.acc2_nonzero(said, -np.abs(true)) == 1
    assert math.isnan(metrics.acc2_nonzero(true, said))
    assert math.isnan(metrics.f1_nonzero(true, said))


@pytest.mark.parametrize("level", [0.0, 0.1, 1 / 3, -2.7, 1e9, 1e-300])
@pytest.mark.parametrize("name", ["pearson", "ccc"])
def test_a_constant_is_unrelated(name, level):
    varied, constant = np.linspace(-1, 1, 7), np.full(7, level)
    metric = getattr(metrics, name)
    assert metric(constant, varied) == metric(varied, constant) == metric(constant, constant) == 0
    noise = constant * (1 + 1e-16 * np.arange(7))
    assert metric(noise, varied) == 0


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1, 1e30, 1e200])
def test_correlation_does_not_depend_on_the_scale(scale):
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    assert metrics.pearson(a * scale, b) == pytest.approx(metrics.pearson(a, b))
    assert metrics.ccc(a * scale, b * scale) == pytest.approx(metrics.ccc(a, b))
    assert metrics.pearson(a * scale, a) <= 1
    assert metrics.ccc(a * scale, a * scale) == pytest.approx(1)


def test_ties_go_to_no_and_to_the_first_class():
    assert metrics.accuracy(np.array([0.5]), np.array([0])) == 1
    assert metrics.accuracy(np.array([[0.4, 0.4, 0.2]]), np.array([0])) == 1


def test_a_class_without_samples_is_left_out_of_means():
    said, true = np.eye(3)[[0, 1, 2]], np.array([0, 1, 1])
    assert metrics.uar(said, true) == pytest.approx(3 / 4)
    assert metrics.f1_macro(said, true) == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.weighted_accuracy(np.array([0.9, 0.1, 0.1]), np.array([0, 0, 0])) == pytest.approx(2 / 3)


# score


def test_score_counts_what_each_metric_read():
    truth = np.array([[-1.0], [0.0], [-0.0], [2.0], [3.0]])
    counts = {name: found.count for name, found in score(SENTIMENT, truth, truth).items()}
    assert counts.pop("acc2_nonzero") == counts.pop("f1_nonzero") == 3
    assert set(counts.values()) == {5}
    zeros = score(SENTIMENT, truth, truth * 0)["acc2_nonzero"]
    assert zeros.count == 0
    assert math.isnan(zeros.value)


NUMBER = ["mae", "pearson", "ccc"]
ORDINAL = ["acc2_nonnegative", "f1_nonnegative", "acc2_nonzero", "f1_nonzero", "acc5", "acc7", "acc7_bins"]
CUT = ["sims_mae", "sims_pearson", "sims_acc2", "sims_f1", "sims_acc3", "sims_acc5"]
PER_LABEL = ["weighted_accuracy", "accuracy", "f1_weighted"]


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (SENTIMENT, NUMBER + ORDINAL),
        (Regression("valence"), NUMBER),
        (Regression("rating", low=1, high=5), NUMBER),
        (SIMS, NUMBER + CUT),
        (Binary("sarcasm"), list(SLOW_CLASSES)),
        (CLASSES, list(SLOW_CLASSES)),
        (LABELS, [name + end for name in PER_LABEL for end in ("", ".sad", ".angry", ".happy")]),
    ],
)
def test_each_kind_of_target_has_its_metrics(target, names):
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=(40, target.size))
    found = score(target, rng.random((40, target.outputs)).astype(np.float32), truth)
    assert list(found) == list(metrics_for(target)) == list(constant_baselines(target, truth)) == names
    assert all(isinstance(one, Score) and isinstance(one.value, float) for one in found.values())


def test_score_is_the_function_on_the_columns():
    rng = np.random.default_rng(0)
    said, true = rng.random((30, 4)), rng.integers(4, size=(30, 1))
    assert score(CLASSES, said, true)["f1_macro"].value == metrics.f1_macro(said, true[:, 0])
    labels = rng.integers(2, size=(30, 3))
    found = score(LABELS, said[:, :3], labels)
    for name in PER_LABEL:
        each = [getattr(metrics, name)(said[:, i], labels[:, i]) for i in range(3)]
        assert [found[f"{name}.{c}"].value for c in LABELS.classes] == each
        assert found[name].value == pytest.approx(np.mean(each))


def test_a_probability_may_miss_its_range_by_rounding():
    found = score(Binary("sarcasm"), np.array([[1 + 1e-7], [-1e-7]]), np.array([[1], [0]]))
    assert found["accuracy"] == Score(1.0, 2)


# constant_baselines


def grid(target):
    """Constants of every kind, (constants, outputs)."""
    if isinstance(target, Regression):
        return np.concatenate([np.linspace(-3.5, 3.5, 141), [1e-9, -1e-9]])[:, None]
    if isinstance(target, MultiClass):
        return np.random.default_rng(0).random((60, target.outputs))
    return np.stack(np.meshgrid(*[[0.0, 0.3, 0.5, 0.7, 1.0]] * target.outputs), -1).reshape(
        -1, target.outputs
    )


def assert_floors_are_the_best_constants(target, truth, slack=0.0):
    with metrics.using(*metrics.catalogue.OURS):
        found = constant_baselines(target, truth)
        tried = [score(target, np.tile(c, (len(truth), 1)), truth) for c in grid(target)]
    for name, floor in found.items():
        values = [one[name].value for one in tried]
        if math.isnan(floor):
            assert np.isnan(values).all()
        elif higher_is_better(name):
            between = slack if name == "krippendorff_interval" else 0  # best at the mean, off the grid
            assert max(values) - 1e-9 <= floor <= max(values) + between + 1e-9, name
        else:
            assert min(values) - slack - 1e-12 <= floor <= min(values) + 1e-12, name


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "target", [SENTIMENT, SIMS, Binary("sarcasm"), CLASSES, LABELS], ids=lambda t: type(t).__name__
)
def test_no_constant_beats_the_floor(target, seed):
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 30)
    if isinstance(target, Regression):
        truth = np.clip(numbers(rng, size), target.low, target.high)[:, None]
    else:
        truth = (rng.random((size, target.size)) < rng.random(target.size)) * rng.integers(1, target.count)
    assert_floors_are_the_best_constants(target, truth, slack=0.05)  # the grid's step


@pytest.mark.parametrize("mode", range(-3, 4))
def test_the_best_class_need_not_hold_the_median(mode):
    others = [c for c in range(-3, 4) if c != mode]
    truth = np.array([mode] * 3 + 2 * (others[-3:] if mode < 0 else others[:3]))[:, None]
    assert np.median(truth) != mode
    found = constant_baselines(SENTIMENT, truth)
    assert found["acc7"] == found["acc7_bins"] == 3 / 9


def test_the_floors_of_mosi(real_data):
    with np.load(real_data / "mosi" / "mosi_joined.npz") as mosi:
        truth = mosi["label"][mosi["split"] == "test"].astype(np.float64)[:, None]
    assert_floors_are_the_best_constants(SENTIMENT, truth, slack=0.05)
    found = constant_baselines(SENTIMENT, truth)
    assert found["pearson"] == found["ccc"] == 0
    assert found["acc2_nonnegative"] == max((truth < 0).mean(), (truth >= 0).mean())
    assert found["mae"] == np.abs(truth - np.median(truth)).mean()
    half_up = np.floor(truth + 0.5)
    assert (half_up != truth.round()).sum() == 13  # so many samples hang on how acc7 rounds


def test_floors_of_a_corpus_of_mostly_one_side_are_high():
    truth = np.repeat([1.0, -1.0], [71, 29])[:, None]
    found = constant_baselines(SENTIMENT, truth)
    assert (found["acc2_nonnegative"], found["acc7"]) == (0.71, 0.71)
    assert found["f1_nonnegative"] == pytest.approx(2 * 0.71**2 / 1.71)
    swapped = metrics.f1_nonnegative(truth[:, 0], np.ones(100))  # the constant passed as the truth
    assert swapped == pytest.approx(2 * 0.71 / 1.71)  # .830, above the accuracy


# which way is better, and refusals


def test_the_direction_is_where_the_perfect_prediction_lies():
    truth = np.array([[-2.0], [-0.4], [0.0], [1.0], [3.0]])
    for name, best in score(SENTIMENT, truth, truth).items():
        worse = score(SENTIMENT, 0.3 - truth, truth)[name]
        assert (best.value > worse.value) == higher_is_better(name), name


def test_only_metrics_of_labels_carry_a_class():
    assert higher_is_better("f1_weighted.happy")
    assert higher_is_better("weighted_accuracy.a.b")


def column(*values):
    return np.array(values)[:, None]


ONE = column(0.5, 0.5)
NUMBERS = "metrics: numbers need predictions and truth of one shape (n,), n at least 1, got "
OF_CLASSES = "metrics: classes need probabilities of shape (n,) or (n, classes) and truth of shape (n,), n at least 1, got "
REFUSALS = [
    (
        lambda: score(SENTIMENT, np.zeros(2), np.zeros((2, 1))),
        ShapeError,
        "metrics: target 'sentiment' needs predictions of shape (n, 1) and truth of shape (n, 1), n at least 1, "
        "got (2,) and (2, 1); give a row per label and a column even for one number",
    ),
    (
        lambda: score(CLASSES, np.zeros((2, 3)), np.zeros((2, 1))),
        ShapeError,
        "metrics: target 'emotion' needs predictions of shape (n, 4) and truth of shape (n, 1), n at least 1, "
        "got (2, 3) and (2, 1); give a row per label and a column even for one number",
    ),
    (
        lambda: score(SENTIMENT, np.zeros((1, 1)), np.array(1.0)),
        ShapeError,
        "metrics: target 'sentiment' needs predictions of shape (n, 1) and truth of shape (n, 1), n at least 1, "
        "got (1, 1) and (); give a row per label and a column even for one number",
    ),
    (
        lambda: constant_baselines(SENTIMENT, np.zeros((0, 1))),
        ShapeError,
        "metrics: target 'sentiment' needs predictions of shape (n, 1) and truth of shape (n, 1), n at least 1, "
        "got (0, 1) and (0, 1); give a row per label and a column even for one number",
    ),
    (
        lambda: score(SENTIMENT, column(np.nan, 1, np.inf), np.zeros((3, 1))),
        DataError,
        "metrics: 2 of 3 predictions of 'sentiment' are NaN or infinite; "
        "lower the learning rate or look at the inputs (affect inspect)",
    ),
    (
        lambda: score(Binary("sarcasm"), column(-0.001, 0.5, 1.001), np.zeros((3, 1))),
        DataError,
        "metrics: 2 of 3 predictions of 'sarcasm' are no probabilities from 0 to 1; "
        "turn the head's raw numbers into them first (head.decide)",
    ),
    (
        lambda: score(Binary("sarcasm"), ONE, column(0, 2)),
        DataError,
        "metrics: target 'sarcasm' needs labels 0 to 1, got 2",
    ),
    (
        lambda: constant_baselines(SENTIMENT, column(0, np.nan)),
        DataError,
        "metrics: target 'sentiment' has 1 labels that are NaN or infinite, the first is label 1; "
        "mark unlabelled steps as unobserved instead",
    ),
    (
        lambda: metrics.mae(np.zeros((2, 1)), np.zeros(2)),
        ShapeError,
        f"{NUMBERS}(2, 1) and (2,); take a column, as in prediction[:, 0]",
    ),
    (
        lambda: metrics.acc7(np.zeros(0), np.zeros(0)),
        ShapeError,
        f"{NUMBERS}(0,) and (0,); take a column, as in prediction[:, 0]",
    ),
    (
        lambda: metrics.uar(np.zeros((2, 3)), np.zeros((2, 1))),
        ShapeError,
        f"{OF_CLASSES}(2, 3) and (2, 1); take a column, as in truth[:, 0]",
    ),
    (
        lambda: metrics.acc2_nonzero(np.array([np.nan, 0, 0]), np.array([0, 0, np.nan])),
        DataError,
        "metrics: 2 of 3 samples have a prediction or truth that is NaN or infinite; "
        "leave them out, or look at the inputs (affect inspect)",
    ),
    (
        lambda: metrics.accuracy(np.array([[np.nan, 0], [0, 1]]), np.zeros(2)),
        DataError,
        "metrics: 1 of 2 samples have a prediction or truth that is NaN or infinite; "
        "leave them out, or look at the inputs (affect inspect)",
    ),
    (
        lambda: higher_is_better("acc2_nonzer"),
        ConfigError,
        f"no metric 'acc2_nonzer'; did you mean 'acc2_nonzero'? known: {', '.join(sorted(metrics.catalogue.OURS))}",
    ),
    (
        lambda: higher_is_better("mae.happy"),
        ConfigError,
        f"no metric 'mae.happy'; did you mean 'mae'? known: {', '.join(sorted(metrics.catalogue.OURS))}",
    ),
]


@pytest.mark.parametrize(("wrong", "error", "message"), REFUSALS)
def test_refusals(wrong, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        wrong()


# one's own


class Gap(Metric):
    name = "gap"
    higher_is_better = False
    kinds = (Regression, Binary, MultiLabel)
    bounds = (0.0, np.inf)

    def __call__(self, prediction, truth):
        assert prediction.shape == truth.shape == (len(truth),)
        return np.abs(prediction - truth).mean()


class Sure(Metric):
    name = "sure"
    kinds = (MultiClass,)

    def __call__(self, prediction, truth):
        return prediction[np.arange(len(truth)), truth.astype(int)].mean()


def test_ones_own_is_measured_where_it_is_in_use():
    said, truth = np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [3.0], [2.0]])
    plain = score(SENTIMENT, said, truth)
    with metrics.using(Gap, Sure):
        found = score(SENTIMENT, said, truth)
        assert list(found) == [*plain, "gap"]
        assert found["gap"] == found["mae"] == Score(1.0, 3)
        assert constant_baselines(SENTIMENT, truth)["gap"] == constant_baselines(SENTIMENT, truth)["mae"]
    assert score(SENTIMENT, said, truth) == plain
    assert not higher_is_better("gap")  # it was met
    assert metrics.bounds("gap") == (0, np.inf)


def test_ones_own_has_a_value_for_each_class_and_their_mean():
    rng = np.random.default_rng(0)
    said, truth = rng.random((9, 3)), rng.integers(2, size=(9, 3)).astype(float)
    with metrics.using(Gap()):
        found = score(LABELS, said, truth)
        assert not higher_is_better("gap.angry")
    gaps = np.abs(said - truth).mean(0)
    assert [found[f"gap.{name}"].value for name in LABELS.classes] == pytest.approx(gaps.tolist())
    assert found["gap"].value == pytest.approx(gaps.mean())


def test_ones_own_of_classes_is_given_a_distribution():
    said = np.full((4, 4), 0.1) + 0.6 * np.eye(4)
    with metrics.using(Sure):
        assert score(CLASSES, said, np.array([[0.0], [1.0], [2.0], [0.0]]))["sure"].value == pytest.approx(
            0.55
        )


def test_statistics_are_those_of_the_same_metric_in_sums():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(40, 1))
    said = {name: truth + rng.normal(size=(2, 40, 1)) * size for name, size in (("a", 1), ("b", 2))}
    with metrics.using(Gap):
        known = metrics_for(SENTIMENT)
    samples, own, ours = np.arange(40), known["gap"], known["mae"]
    pairs = [
        statistics.measure(metric, said, truth, samples, pairs=[("a", "b")], resamples=50)
        for metric in (own, ours)
    ]
    for name in ("a", "b", ("a", "b")):
        for one, other in zip(pairs[0][name], pairs[1][name], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9)
    p = [
        statistics.permutation_p(said["a"], said["b"], truth, metric, samples, resamples=50)
        for metric in (own, ours)
    ]
    assert p[0] == p[1]


def test_old_names_of_predictions_work_for_one_more_release():
    truth = np.arange(4.0)
    predictions, groups = truth[None] + 1, np.arange(4)
    with pytest.warns(DeprecationWarning, match="measure: 'said' is 'predictions' now"):
        old = statistics.measure(metrics.mae, said={"a": predictions}, truth=truth, groups=groups)
    assert old["a"].seeds.tolist() == [1.0]
    with pytest.warns(DeprecationWarning, match="permutation_p: 'said_[ab]' is 'predictions_[ab]' now"):
        p = statistics.permutation_p(
            said_a=predictions, said_b=predictions, truth=truth, metric=metrics.mae, groups=groups
        )
    assert p == 1.0


def test_one_that_raises_is_nan_and_that_is_said_once(caplog):
    class Odd(Gap):
        name = "odd"

        def __call__(self, prediction, truth):
            if len(truth) > 2:
                raise ZeroDivisionError("too\nmany")
            return np.nan

    with metrics.using(Odd):
        for _ in range(2):
            assert np.isnan(score(SENTIMENT, np.zeros((3, 1)), np.ones((3, 1)))["odd"].value)
        assert metrics.failure("odd") == "ZeroDivisionError: too many"
        assert metrics.failure("mae") == ""
    with metrics.using(Odd):
        score(SENTIMENT, np.zeros((2, 1)), np.ones((2, 1)))
    assert [record.getMessage() for record in caplog.records] == [
        "metrics: odd has no value: ZeroDivisionError: too many; it is NaN in the results",
        "metrics: odd has no value: it is NaN on 2 labels; it is NaN in the results",
    ]


def named(name, base=Gap, **about):
    return type("Own", (base,), {"name": name, **about})


OWN_WRONG = [
    ((named("mae"),), "Own: the name 'mae' is taken by affect; give the metric another one"),
    ((named("loss"),), "Own: the name 'loss' is taken by affect; give the metric another one"),
    ((named("near.by"),), "Own: name: expected letters, digits, _ and -, got 'near.by'"),
    ((named(""),), "Own: name: expected letters, digits, _ and -, got ''"),
    ((Gap, named("gap")), "metrics: two metrics are called 'gap'; rename one"),
    (
        (named("odd", higher_is_better="yes"),),
        f"Own: higher_is_better: expected True or False, got {described('yes')}",
    ),
    (
        (named("odd", kinds=[Regression]),),
        f"Own: kinds: expected kinds of targets, as in (Regression,), got {[Regression]!r}",
    ),
    (
        (named,),
        "named: expected a class that derives from affect.metrics.Metric, or an object of one, got a function",
    ),
]


@pytest.mark.parametrize(("given", "message"), OWN_WRONG)
def test_what_is_no_metric_is_refused(given, message):
    with pytest.raises(ConfigError) as caught, metrics.using(*given):
        pass
    assert str(caught.value) == message


def test_ours_can_be_named_in_any_way():
    with metrics.using(metrics.mae, "mae", "affect.metrics.mae", "loss"):
        assert list(metrics_for(SENTIMENT))[0] == "mae"
    assert metrics.known("affect.metrics.mae") is metrics.mae
