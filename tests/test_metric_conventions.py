"""The conventions of single corpora, and metrics that are measured where they are named, against other software."""

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest

import affect
from affect import metrics, statistics
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError, DataError, ShapeError
from affect.metrics import metrics_for, score
from affect.metrics.ours import ALWAYS, OURS
from affect.runs.configuration import metrics_in

SIMS = Regression("sentiment", low=-1, high=1)
CLASSES = MultiClass("emotion", classes=("sad", "angry", "happy"))
LABELS = MultiLabel("emotion", classes=("sad", "angry", "happy"))
EXTRA = OURS.keys() - ALWAYS.keys()
ENDS = {"sims_acc2": [0.0], "sims_acc3": [-0.1, 0.1], "sims_acc5": [-0.7, -0.1, 0.1, 0.7]}
PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"


def sims_cases(count=300):
    """Labels as SIMS has them, in float32; predictions beyond the scale and on the ends of classes among them."""
    rng = np.random.default_rng(0)
    labels = np.round(np.arange(-10, 11) / 10, 1).astype(np.float32)
    for _ in range(count):
        size = rng.integers(2, 30)
        prediction = np.where(rng.random(size) < 0.5, rng.choice(labels, size), rng.normal(0, 1, size))
        yield prediction.astype(np.float32), rng.choice(labels, size)


@pytest.mark.parametrize("name", ENDS)
def test_sims_classes_are_numpys(name):
    from sklearn.metrics import accuracy_score

    ends = np.array(ENDS[name], np.float32)
    for prediction, truth in sims_cases():
        predicted, true = (np.digitize(np.clip(own, -1, 1), ends, right=True) for own in (prediction, truth))
        assert getattr(metrics, name)(prediction, truth) == pytest.approx(accuracy_score(true, predicted))


def test_sims_numbers_are_those_of_sklearn_and_scipy_when_cut():
    from scipy.stats import pearsonr
    from sklearn.metrics import f1_score, mean_absolute_error

    compared = 0
    for prediction, truth in sims_cases():
        cut = np.clip(prediction.astype(float), -1, 1)
        assert metrics.sims_mae(prediction, truth) == pytest.approx(mean_absolute_error(truth, cut))
        assert metrics.sims_f1(prediction, truth) == pytest.approx(
            f1_score(truth > 0, prediction > 0, average="weighted", zero_division=0)
        )
        if np.ptp(cut) and np.ptp(truth):
            compared += 1
            assert metrics.sims_pearson(prediction, truth) == pytest.approx(
                pearsonr(cut, truth.astype(float)).statistic, abs=1e-9
            )
    assert compared > 200
    assert metrics.sims_pearson([2, 3, 4], [-1, 0, 1]) == 0  # one number when cut


@pytest.mark.parametrize(
    ("number", "two", "three", "five"),
    [
        (-9, -1, -1, -2),
        (-0.7, -1, -1, -2),
        (-0.69, -1, -1, -1),
        (-0.1, -1, -1, -1),
        (-0.09, -1, 0, 0),
        (-0.0, -1, 0, 0),
        (0.0, -1, 0, 0),
        (0.01, 1, 0, 0),
        (0.1, 1, 0, 0),
        (0.11, 1, 1, 1),
        (0.7, 1, 1, 1),
        (0.71, 1, 1, 2),
        (9, 1, 1, 2),
    ],
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_sims_intervals_are_closed_on_the_right(number, two, three, five, kind):
    for name, own, known in [
        ("sims_acc2", two, {-1: -0.5, 1: 0.5}),
        ("sims_acc3", three, {-1: -0.5, 0: 0.05, 1: 0.5}),
        ("sims_acc5", five, {-2: -1, -1: -0.5, 0: 0.05, 1: 0.5, 2: 1}),
    ]:
        hit = [c for c, one in known.items() if getattr(metrics, name)(np.array([number], kind), [one])]
        assert hit == [own], name


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_weak_samples_are_up_to_the_end(kind):
    truth = np.array([-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6], kind)
    assert metrics.count("sims_acc2_weak", truth.astype(float)) == 5
    assert metrics.sims_acc2_weak(np.where(np.abs(truth) > 0.5, -truth, truth), truth) == 1
    assert metrics.sims_acc2_weak(np.ones(7), truth) == pytest.approx(2 / 5)
    assert math.isnan(metrics.sims_acc2_weak(truth[:1], truth[:1]))


def test_sims_constant_baseline_is_the_published_one():
    truth = np.repeat([-0.8, 0.0, 0.6], [248, 69, 140])[:, None]  # 317 of 457 are not positive
    found = metrics.constant_baselines(SIMS, truth)
    assert round(found["sims_acc2"], 4) == 0.6937  # as EF-LSTM's in MMSA's table
    assert round(found["sims_f1"], 4) == 0.5682


def test_acc3_is_that_of_rounded_numbers():
    from sklearn.metrics import accuracy_score

    rng = np.random.default_rng(0)
    for _ in range(100):
        pair = rng.choice(np.arange(-12, 13) / 4, (2, 20))
        predicted, true = ([round(max(-1, min(1, one))) for one in own] for own in pair)  # halves are even
        assert metrics.acc3(*pair) == pytest.approx(accuracy_score(true, predicted))


def test_labels_have_sklearns_accuracy_and_f1():
    from sklearn.metrics import accuracy_score, f1_score

    rng = np.random.default_rng(0)
    for _ in range(50):
        prediction, truth = rng.random((20, 3)), rng.integers(2, size=(20, 3)) * rng.integers(2, size=3)
        with metrics.using("f1"):
            found = {name: one.value for name, one in score(LABELS, prediction, truth).items()}
        decided = prediction > 0.5
        each = f1_score(truth, decided, average=None, zero_division=0)
        assert [found[f"f1.{c}"] for c in LABELS.classes] == pytest.approx(each.tolist())
        assert found["f1"] == pytest.approx(each.mean())
        shares = [accuracy_score(truth[:, i], decided[:, i]) for i in range(3)]
        assert [found[f"accuracy.{c}"] for c in LABELS.classes] == pytest.approx(shares)
        assert found["accuracy"] == pytest.approx(np.mean(shares)) == (decided == truth).mean()


def test_classes_have_sklearns_f1_one_by_one():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    for _ in range(50):
        prediction, truth = rng.random((12, 3)), rng.integers(3 - rng.integers(2), size=(12, 1))
        with metrics.using("f1.sad"):
            found = score(CLASSES, prediction, truth)
        each = f1_score(truth[:, 0], prediction.argmax(1), labels=[0, 1, 2], average=None, zero_division=0)
        assert [found[f"f1.{c}"].value for c in CLASSES.classes] == pytest.approx(each.tolist())
        assert found["f1"].value == pytest.approx(each.mean())


def test_yes_has_sklearns_f1():
    from sklearn.metrics import f1_score

    truth, prediction = np.array([1, 1, 0, 0, 1]), np.array([0.9, 0.2, 0.7, 0.1, 0.6])
    assert metrics.f1(prediction, truth) == pytest.approx(f1_score(truth, prediction > 0.5))
    assert metrics.f1(prediction * 0, truth) == metrics.f1(prediction, truth * 0) == 0


def test_auc_is_sklearns():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    for _ in range(200):
        prediction = rng.integers(rng.integers(1, 9), size=30) / 8  # with ties
        truth = rng.permutation(np.arange(30) < rng.integers(1, 30)).astype(float)
        assert metrics.auc(prediction, truth) == pytest.approx(roc_auc_score(truth, prediction))


def test_auc_of_one_side_is_nan_and_of_a_constant_one_half():
    assert math.isnan(metrics.auc([0.1, 0.2], [1, 1]))
    assert math.isnan(metrics.auc([0.1, 0.2], [0, 0]))
    assert metrics.auc([0.2, 0.2], [0, 1]) == 0.5
    with metrics.using("auc"):
        assert metrics.constant_baselines(Binary("sarcasm"), np.array([[0.0], [1.0]]))["auc"] == 0.5


def test_auc_has_resamples():
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(2, size=(40, 3)).astype(float), rng.random((2, 40, 3))
    with metrics.using("auc"):
        known = metrics_for(LABELS)
    found = statistics.measure(known["auc"], {"a": prediction}, truth, np.arange(40), resamples=50)["a"]
    each = [[metrics.auc(seed[:, i], truth[:, i]) for i in range(3)] for seed in prediction]
    assert found.seeds == pytest.approx(np.mean(each, 1))
    assert found.draws.shape == (50, 2)
    assert found.sampled[0] < found.seeds.mean() < found.sampled[1]


# Krippendorff's alpha


def slow_alpha(prediction, truth, distance):
    """The definition: pairs within samples against pairs of any two values."""
    values = [*prediction, *truth]
    pairs = [distance(values[i], values[j]) for i, j in itertools.permutations(range(len(values)), 2)]
    expected = sum(pairs) / len(pairs)
    observed = sum(distance(p, t) for p, t in zip(prediction, truth, strict=True)) / len(truth)
    return 1 - observed / expected if expected else 0


def test_alpha_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    for _ in range(100):
        size = rng.integers(1, 9)
        pair = rng.choice([-1, 0, 0.25, 3], (2, size))
        assert metrics.krippendorff_interval(*pair) == pytest.approx(
            slow_alpha(*pair.tolist(), lambda a, b: (a - b) ** 2), abs=1e-12
        )
        decided, truth = rng.integers(3, size=(2, size))
        assert metrics.krippendorff_nominal(np.eye(3)[decided], truth) == pytest.approx(
            slow_alpha(decided.tolist(), truth.tolist(), lambda a, b: a != b), abs=1e-12
        )


@pytest.mark.parametrize(
    ("one", "other", "alpha"),
    [
        ("0100000010", "1110010000", 0.095),
        ("aabbdcccedda", "babbbccceddd", 0.692),
    ],
)
def test_alpha_is_that_of_krippendorffs_own_examples(one, other, alpha):
    """Computing Krippendorff's Alpha-Reliability, 2011, examples A and B: two observers, nothing missing."""
    names = sorted({*one, *other})
    prediction, truth = np.eye(len(names))[[names.index(c) for c in one]], [names.index(c) for c in other]
    assert round(metrics.krippendorff_nominal(prediction, np.array(truth)), 3) == alpha
    if len(names) == 2:
        assert round(metrics.krippendorff_nominal(prediction[:, 1], np.array(truth)), 3) == alpha


@pytest.mark.parametrize("scale", [1e-200, 1, 1e200])
def test_alpha_does_not_depend_on_the_scale(scale):
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    b += a
    found = metrics.krippendorff_interval(a * scale, b * scale)
    assert found == pytest.approx(metrics.krippendorff_interval(a, b))
    assert metrics.krippendorff_interval(a * scale, a * scale) == 1
    assert metrics.krippendorff_interval(np.full(5, 0.3 * scale), np.full(5, 0.3 * scale)) == 0


def test_alpha_of_a_constant():
    truth = np.random.default_rng(0).normal(size=20)
    assert metrics.krippendorff_interval(np.full(20, truth.mean()), truth) == pytest.approx(1 / 40)
    yes = np.repeat([1, 0], [14, 6])
    assert metrics.krippendorff_nominal(np.ones(20), yes) == pytest.approx(1 - 39 / 34)
    assert metrics.krippendorff_nominal(np.ones(20), np.ones(20)) == 0


# which are measured


@pytest.mark.parametrize("target", [SIMS, Regression("y", low=-3, high=3), Binary("y"), CLASSES, LABELS])
def test_the_others_are_measured_where_they_are_named(target):
    assert not {name.partition(".")[0] for name in metrics_for(target)} & EXTRA
    with metrics.using(*EXTRA):
        assert {name.partition(".")[0] for name in metrics_for(target)} & EXTRA == {
            name for name in EXTRA if OURS[name].suits(target)
        }
    with metrics.using("mae", "affect.metrics.mae", "auc: worst subset", metrics.auc, "loss"):
        assert metrics.own() == ["auc"]  # a name, which another process knows too


def test_a_configuration_names_them():
    content = {"training": {"monitor": "auc.sad"}, "metrics": ["f1", "mae"]}
    assert metrics_in(content) == ["f1", "auc.sad"]


def test_one_can_be_monitored():
    corpus = affect.load("synthetic:sims:16")
    model = affect.FusionModel.for_corpus(corpus)
    run = affect.fit(model, corpus, training=affect.Training(monitor="sims_acc2_weak", epochs=1))
    assert {"sims_acc2", "sims_acc2_weak"} < set(run.results["metric"])


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: metrics.sims_mae([np.inf], [0.0]), DataError, "NaN or infinite"),  # infinity is not cut
        (lambda: metrics.sims_acc2_weak(np.zeros((2, 1)), np.zeros((2, 1))), ShapeError, "numbers need"),
        (lambda: metrics.auc(np.zeros((2, 2)), np.zeros(2)), ShapeError, "numbers need"),
        (lambda: metrics.auc([np.nan, 0], [0, 1]), DataError, "NaN or infinite"),
        (lambda: metrics.krippendorff_nominal([0.5], [[0]]), ShapeError, "classes need"),
        (lambda: metrics.known("acc3.sad"), ConfigError, "no metric 'acc3.sad'"),
    ],
)
def test_wrong_input_is_refused(wrong, error, message):
    with pytest.raises(error, match=re.escape(message)):
        wrong()


def test_the_page_names_metrics_that_there_are_and_all_of_them():
    rows = [line.split("|")[-2] for line in PAGE.read_text().splitlines() if line.startswith("|")][2:]
    named = re.findall(r"`([^`]+)`( \*)?", " ".join(rows))
    for name, star in named:
        assert metrics.known(name).name in OURS, name
        assert bool(star) == metrics.is_extra(name), name
    assert {name.partition(".")[0] for name, _ in named} == OURS.keys()
