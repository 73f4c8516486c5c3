import importlib
import json
import logging
import math
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.svm import SVC
from threadpoolctl import threadpool_info, threadpool_limits

import affect
from affect.baselines import (
    Baseline,
    BayesianNetwork,
    HiddenMarkov,
    KernelSVM,
    MultipleKernelSVM,
    PooledFeatures,
)
from affect.baselines.kernels import alignment, weighted_kernel
from affect.cli import main
from affect.data import native, synthetic
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError, DataError, ShapeError
from affect.runs import Job, load_model
from affect.training import evaluate, predict

SMALL = {"train": 150, "valid": 50, "test": 80}
QUICK = {"costs": (1.0, 10.0), "gammas": (0.1, 1.0)}
EMOTIONS = ("calm", "fear", "joy")


def planted(target, labels, counts=(60, 30, 40), seed=0, dims=None):
    """Each class has two places that its samples go between; some samples lack a modality, or any."""
    dims = dims or {"ecg": 2, "eeg": 3}
    rng = np.random.default_rng(seed)
    places = {m: rng.normal(size=(4, 2, dim)) * 2 for m, dim in dims.items()}
    splits = {}
    for name, count in zip(("train", "valid", "test"), counts, strict=True):
        kind, stored = labels(rng, count)
        rows = {}
        for m, dim in dims.items():
            steps = [rng.integers(0, 2, rng.integers(1, 9)) for _ in range(count)]
            own = [places[m][k][s] + rng.normal(size=(len(s), dim)) for k, s in zip(kind, steps, strict=True)]
            rows[m] = Ragged.from_rows([None if rng.random() < 0.1 else x for x in own], dim)
        ids = tuple(f"{name}{i}" for i in range(count))
        splits[name] = Split(ids, rows, {"emotion": Ragged.vectors(stored)})
    return Corpus("planted", splits, {"emotion": target})


def classes(rng, count):
    kind = rng.integers(0, 3, count)
    return kind, kind


def pairs(rng, count):
    both = rng.integers(0, 2, (count, 2))
    return both @ [1, 2], both


def halves(rng, count):
    kind = rng.integers(0, 2, count)
    return kind, kind


def heights(rng, count):
    kind = rng.integers(0, 4, count)
    return kind, 10 + 100 * kind + rng.normal(size=count)


KINDS = [
    (Regression("emotion"), heights, "pearson", 0.8),
    (Binary("emotion"), halves, "accuracy", 0.85),
    (MultiClass("emotion", classes=EMOTIONS), classes, "accuracy", 0.8),
    (MultiLabel("emotion", classes=("sad", "angry")), pairs, "weighted_accuracy", 0.8),
]
BAYES = {
    f"{structure} {features}": partial(BayesianNetwork, structure=structure, features=features, levels=3)
    for structure in ("naive", "tree")
    for features in ("gaussian", "discrete")
}
BASELINES = [
    KernelSVM,
    MultipleKernelSVM,
    HiddenMarkov,
    *(pytest.param(own, id=name) for name, own in BAYES.items()),
]


@pytest.fixture(scope="module")
def emotions():
    return planted(MultiClass("emotion", classes=EMOTIONS), classes)


def fitted(make, corpus, seed=0, **options):
    return make(corpus.dims, corpus.target(), **options).fit(corpus, seed)


def scores(baseline, corpus, split="test"):
    return baseline.evaluate(corpus, split)[0].set_index("metric")["value"]


# What the author of a baseline is given


class Looking(Baseline):
    def learn(self, train, valid, seed):
        self.train, self.valid, self.seed = train, valid, seed

    def decide(self, split):
        self.asked = split
        return np.zeros((len(split), self.target.outputs))


def test_steps_come_observed_finite_and_scaled_as_by_loops():
    rng = np.random.default_rng(0)
    rows = Ragged.from_offsets(rng.normal(5, 3, (12, 2)).astype(np.float32), np.array([0, 4, 4, 9, 12]))
    rows.values[2, 1], rows.values[5, 0] = np.nan, -np.inf
    rows = rows.keep(np.arange(12) % 5 != 1)
    other = Ragged.vectors(np.ones((4, 1)))
    split = Split(tuple("abcd"), {"ecg": rows, "eeg": other}, {"y": Ragged.vectors(np.arange(4.0))})
    corpus = Corpus("toy", {"train": split, "valid": split}, {"y": Regression("y")})
    own = Looking({"ecg": 2}, Regression("y")).fit(corpus, 7)
    assert own.seed == 7
    expected = [[] for _ in range(4)]
    for column in range(2):
        held = [
            (i, float(rows.values[t, column]))
            for i, (begin, length) in enumerate(zip(rows.starts, rows.lengths, strict=True))
            for t in range(begin, begin + length)
            if rows.observed[t]
        ]
        good = [v for _, v in held if math.isfinite(v)]
        mean = sum(good) / len(good)
        spread = math.sqrt(sum((v - mean) ** 2 for v in good) / len(good))
        for i, v in held:
            expected[i].append((column, (v - mean) / spread if math.isfinite(v) else 0.0))
    for seen in (own.train, own.valid):
        assert set(seen.modalities) == {"ecg"}
        assert seen.modalities["ecg"].observed.all()
        for i in range(4):
            for column in range(2):
                loops = [v for c, v in expected[i] if c == column]
                assert seen.modalities["ecg"][i][:, column] == pytest.approx(loops, abs=1e-5)
    assert own.predict(split)["id"].tolist() == list("abcd")
    assert own.asked.targets == {}


def test_each_labelled_step_is_a_sample_of_its_own():
    values = np.arange(10.0)[:, None]
    labels = Ragged.from_offsets(values.copy(), np.array([0, 3, 5, 10])).keep(np.arange(10) != 4)
    ecg = Ragged.from_offsets(values.copy(), np.array([0, 3, 5, 10])).keep(np.arange(10) != 7)
    eeg = Ragged.from_offsets(values[:5].copy(), np.array([0, 3, 5, 5]))
    split = Split(tuple("abc"), {"ecg": ecg, "eeg": eeg}, {"y": labels})
    target = Regression("y", per_step=True)
    corpus = Corpus("toy", {"train": split, "valid": split}, {"y": target}, aligned=True)
    own = Looking(corpus.dims, target).fit(corpus, scaling="none")
    assert own.needs_alignment
    assert own.train.ids == tuple("aaabccccc")
    assert own.truth(own.train)[:, 0].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert [x.ravel().tolist() for x in (own.train.modalities["ecg"][i] for i in range(9))] == [
        [0], [1], [2], [3], [5], [6], [], [8], [9],
    ]  # fmt: skip
    assert own.train.modalities["eeg"].lengths.tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0]
    asked = own.predict(replace(split, targets={}))  # every step that some modality has
    assert list(zip(asked["id"], asked["step"], strict=True)) == [
        *(("a", i) for i in range(3)), *(("b", i) for i in range(2)), *(("c", i) for i in (0, 1, 3, 4)),
    ]  # fmt: skip
    rows, said = own.evaluate(corpus, "valid")
    assert said["truth"].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert rows["count"].max() == 9


def test_rows_and_predictions_have_the_columns_of_torch_models(emotions):
    model = affect.FusionModel.for_corpus(emotions)
    baseline = fitted(KernelSVM, emotions, **QUICK)
    for ours, theirs in zip(
        baseline.evaluate(emotions, "test"), evaluate(model, emotions, "test"), strict=True
    ):
        assert ours.columns.tolist() == theirs.columns.tolist()
        assert len(ours) == len(theirs)
    ours, theirs = baseline.predict(emotions["test"]), predict(model, emotions["test"])
    pd.testing.assert_frame_equal(ours[["id", "step"]], theirs[["id", "step"]])
    assert ours.columns.tolist() == theirs.columns.tolist()


# All baselines


@pytest.mark.parametrize("make", BASELINES)
@pytest.mark.parametrize(
    ("target", "labels", "metric", "least"), KINDS, ids=[type(k[0]).__name__ for k in KINDS]
)
def test_every_kind_of_target_is_learned(make, target, labels, metric, least, caplog):
    corpus = planted(target, labels)
    with caplog.at_level(logging.INFO):
        baseline = fitted(make, corpus)
    assert scores(baseline, corpus)[metric] > least
    assert caplog.text == ""


@pytest.mark.parametrize("make", BASELINES)
def test_the_same_seed_says_the_same_on_any_number_of_cores(make, emotions):
    said = []
    for cores in (1, 2):
        with threadpool_limits(cores):
            said.append(fitted(make, emotions, seed=3).predict(emotions["test"]))
    pd.testing.assert_frame_equal(*said, check_exact=True)


class Counting(Looking):
    def learn(self, train, valid, seed):
        self.cores = [library["num_threads"] for library in threadpool_info()]

    def decide(self, split):
        self.cores += [library["num_threads"] for library in threadpool_info()]
        return super().decide(split)


def test_a_baseline_keeps_to_one_core(emotions):
    with threadpool_limits(2):
        baseline = fitted(Counting, emotions)
        baseline.predict(emotions["test"])
    assert set(baseline.cores) == {1}
    assert len(baseline.cores) > 1


class Watched(Split):
    touched = False

    def __getattribute__(self, name):
        if not name.startswith("__"):
            Watched.touched = True
        return super().__getattribute__(name)


@pytest.mark.parametrize("make", BASELINES)
def test_the_test_split_is_not_touched_before_all_is_chosen(make, emotions):
    whole = fitted(make, emotions)
    test = emotions["test"]
    corpus = Corpus("planted", dict(emotions.splits), emotions.targets)
    corpus.splits["test"] = Watched(test.ids, test.modalities, test.targets)
    Watched.touched = False
    baseline = fitted(make, corpus)
    assert not Watched.touched
    other = replace(test, targets={"emotion": Ragged.vectors((test.labels("emotion") + 1) % 3)})
    corpus.splits["test"] = other
    changed, said = fitted(make, corpus).evaluate(corpus, "test")
    assert baseline.chosen == whole.chosen
    kept = [c for c in said if not c.startswith("truth")]
    pd.testing.assert_frame_equal(said[kept], whole.evaluate(emotions, "test")[1][kept], check_exact=True)
    assert not changed["value"].equals(whole.evaluate(emotions, "test")[0]["value"])


@pytest.mark.parametrize("make", BASELINES)
def test_predictions_do_not_depend_on_company_or_order(make, emotions):
    baseline = fitted(make, emotions)
    whole = baseline.predict(emotions["test"])
    rows = np.array([7, 3, 20])
    some = baseline.predict(emotions["test"].take(rows))
    assert some["id"].tolist() == whole["id"].iloc[rows].tolist()
    for column in whole.columns[2:]:
        assert some[column].to_numpy() == pytest.approx(whole[column].to_numpy()[rows], abs=1e-12)


@pytest.mark.parametrize("make", BASELINES)
@pytest.mark.parametrize(("target", "labels", "_", "__"), KINDS, ids=[type(k[0]).__name__ for k in KINDS])
def test_nothing_but_one_kind_of_label_and_modalities_that_never_occur(make, target, labels, _, __):
    corpus = planted(target, labels, counts=(12, 4, 4))
    none = Ragged.from_rows([None] * 12, 2)
    one = Ragged.vectors(np.repeat(corpus["train"].labels("emotion")[:1], 12, 0))
    corpus.splits["train"] = replace(
        corpus["train"], modalities={**corpus["train"].modalities, "ecg": none}, targets={"emotion": one}
    )
    said = fitted(make, corpus).predict(corpus["test"]).iloc[:, 2:].to_numpy()
    expected = np.eye(3)[one[0][0].astype(int)] if isinstance(target, MultiClass) else one[0]
    assert said == pytest.approx(np.tile(expected, (4, 1)))


@pytest.mark.parametrize("make", BASELINES)
def test_a_class_that_was_never_seen_has_probability_zero(make):
    labels = lambda rng, count: (kind := 2 * rng.integers(0, 2, count), kind)  # noqa: E731  # beside its name
    corpus = planted(MultiClass("emotion", classes=EMOTIONS), labels)
    baseline = fitted(make, corpus)
    said = baseline.predict(corpus["test"])
    assert (said["prediction.fear"] == 0).all()
    assert said.iloc[:, 2:].sum(axis=1).to_numpy() == pytest.approx(1)
    assert scores(baseline, corpus)["accuracy"] > 0.85


# Support vector machines


def rows_of(corpus, name="train"):
    return Looking(corpus.dims, corpus.target()).fit(corpus).__getattribute__(name)


def test_pooled_features_are_those_of_loops(emotions):
    train, valid = rows_of(emotions), rows_of(emotions, "valid")
    for name, rows in train.modalities.items():
        pooled = PooledFeatures(rows)

        def raw(steps):
            means = [sum(map(float, column)) / len(column) for column in steps.T]
            spreads = [
                math.sqrt(sum((float(v) - m) ** 2 for v in column) / len(column))
                for column, m in zip(steps.T, means, strict=True)
            ]
            return [*means, *spreads]

        known = [raw(rows[i]) for i in range(len(rows)) if len(rows[i])]
        for split in (train, valid):
            own = split.modalities[name]
            expected = []
            for i in range(len(own)):
                if not len(own[i]):
                    expected.append([0.0] * 2 * own.dim)
                    continue
                expected.append([])
                for column, value in enumerate(raw(own[i])):
                    column = [one[column] for one in known]
                    mean = sum(column) / len(column)
                    spread = math.sqrt(sum((v - mean) ** 2 for v in column) / len(column))
                    expected[-1].append((value - mean) / spread)
            assert pooled(own) == pytest.approx(np.array(expected), abs=1e-9)


def loops_rbf(x, y, gamma):
    return math.exp(-gamma * sum((float(a) - float(b)) ** 2 for a, b in zip(x, y, strict=True)))


def loops_variance(features):
    total = 0.0
    for column in zip(*features, strict=True):
        mean = sum(column) / len(column)
        total += sum((v - mean) ** 2 for v in column) / len(column)
    return total


def test_the_machine_on_all_modalities_is_scikit_learn_s_own(emotions):
    baseline = fitted(KernelSVM, emotions)
    train, test = (
        rows_of(emotions),
        baseline._samples(emotions["test"], np.stack([np.arange(40), np.zeros(40, int)], 1)),
    )

    def features(split):
        columns = []
        for name, rows in split.modalities.items():
            columns += [PooledFeatures(train.modalities[name])(rows), (rows.lengths > 0)[:, None]]
        return np.concatenate(columns, 1)

    x, chosen = features(train), baseline.chosen
    gamma = chosen["gamma"] / loops_variance(x.tolist())
    own = SVC(C=chosen["C"], gamma=gamma, break_ties=True).fit(x, baseline.truth(train)[:, 0])
    said = baseline.predict(emotions["test"]).iloc[:, 2:].to_numpy()
    assert (said.argmax(1) == own.predict(features(test))).all()
    decision = own.decision_function(features(test))
    expected = [[math.exp(v) / sum(map(math.exp, row)) for v in row] for row in decision.tolist()]
    assert said == pytest.approx(np.array(expected), abs=1e-6)


@pytest.mark.parametrize(
    ("target", "labels"), [(k[0], k[1]) for k in KINDS[1:]], ids=["binary", "classes", "labels"]
)
def test_probabilities_name_the_machine_s_own_decision(target, labels):
    corpus = planted(target, labels)
    baseline = fitted(KernelSVM, corpus)
    train, places = rows_of(corpus), np.stack([np.arange(40), np.zeros(40, int)], 1)
    blocks, seen = baseline.blocks(train), baseline.blocks(baseline._samples(corpus["test"], places))
    gamma = baseline.chosen["gamma"] / loops_variance(blocks["all"][0].tolist())
    said = baseline.predict(corpus["test"]).iloc[:, 2:].to_numpy()
    for column, truth in enumerate(baseline.truth(train).T):
        own = SVC(C=baseline.chosen["C"], gamma=gamma, break_ties=said.shape[1] == 3).fit(
            blocks["all"][0], truth
        )
        decided = said.argmax(1) if said.shape[1] == 3 else said[:, column] > 0.5
        assert (own.predict(seen["all"][0]) == decided).all()


@pytest.mark.parametrize("weighting", ["average", "alignment"])
def test_the_sum_of_kernels_is_that_of_loops(emotions, weighting):
    baseline = fitted(MultipleKernelSVM, emotions, weighting=weighting)
    train, valid = rows_of(emotions), rows_of(emotions, "valid")
    gamma, weights = baseline.chosen["gamma"], baseline.weights
    blocks = baseline.blocks(train), baseline.blocks(valid)
    own = baseline._summed(blocks[1], baseline._kernels(blocks[1], gamma), weights)
    for i in range(len(valid)):
        for j in range(len(train)):
            total, left, above = 0.0, 0.0, 0.0
            for m in ("ecg", "eeg"):
                (x, here), (y, there) = blocks[1][m], blocks[0][m]
                known = [row for row, has in zip(y.tolist(), there, strict=True) if has]
                if j == 0 and i == 0:
                    assert loops_variance(known) == pytest.approx(2 * emotions.dims[m])
                unit = gamma / (2 * emotions.dims[m])
                left += weights[m] if here[i] else 0.0
                above += weights[m] if there[j] else 0.0
                if here[i] and there[j]:
                    total += weights[m] * loops_rbf(x[i], y[j], unit)
            expected = total / math.sqrt(left * above) if left * above > 0 else 0.0
            assert own[i, j] == pytest.approx(expected, abs=1e-9)


def loops_alignment(kernel, labels):
    n = len(labels)
    other = [[sum(a * b for a, b in zip(p, q, strict=True)) for q in labels] for p in labels]

    def centred(k):
        rows = [sum(row) / n for row in k]
        whole = sum(rows) / n
        return [[k[i][j] - rows[i] - rows[j] + whole for j in range(n)] for i in range(n)]

    def product(a, b):
        return sum(a[i][j] * b[i][j] for i in range(n) for j in range(n))

    k, t = centred(kernel), centred(other)
    return product(k, t) / math.sqrt(product(k, k) * product(t, t))


def test_alignment_weights_are_those_of_loops(emotions):
    baseline = fitted(MultipleKernelSVM, emotions, weighting="alignment")
    train = rows_of(emotions)
    found = {}
    for m, (x, there) in baseline.blocks(train).items():
        rows = [i for i in range(len(train)) if there[i]]
        unit = baseline.chosen["gamma"] / (2 * emotions.dims[m])
        kernel = [[loops_rbf(x[i], x[j], unit) for j in rows] for i in rows]
        labels = [[float(train.targets["emotion"][i][0, 0] == c) for c in range(3)] for i in rows]
        found[m] = loops_alignment(kernel, labels)
        assert alignment(np.array(kernel), np.array(labels)) == pytest.approx(found[m], abs=1e-9)
    assert len(rows) < len(train)
    for m in found:
        assert baseline.weights[m] == pytest.approx(found[m] / sum(found.values()), abs=1e-9)


def test_the_summed_kernel_is_one_on_its_diagonal_and_positive_where_modalities_are_absent(emotions):
    baseline = fitted(MultipleKernelSVM, emotions, weighting="alignment")
    blocks = baseline.blocks(rows_of(emotions))
    kernel = baseline._summed(blocks, baseline._kernels(blocks, 1.0), baseline.weights)
    some = np.any([there for _, there in blocks.values()], axis=0)
    assert np.diag(kernel) == pytest.approx(some.astype(float))
    assert np.linalg.eigvalsh(kernel).min() > -1e-9
    there = {m: there for m, (_, there) in blocks.items()}
    assert np.isfinite(weighted_kernel(baseline._kernels(blocks, 1.0), baseline.weights, there, there)).all()


def test_what_is_chosen_is_best_on_validation_and_the_smoother_of_equals():
    corpus = synthetic.additive(samples=SMALL)
    for monitor, sign in (("loss", -1), ("mae", -1), ("pearson", 1)):
        best = {}
        for cost in (0.1, 1.0, 10.0):
            for gamma in (0.01, 0.1, 1.0):
                one = KernelSVM(corpus.dims, corpus.target(), costs=(cost,), gammas=(gamma,)).fit(corpus)
                value = scores(one, corpus, "valid")["mae" if monitor == "loss" else monitor]
                best[cost, gamma] = sign * value
        own = KernelSVM(corpus.dims, corpus.target(), (10.0, 1.0, 0.1), (1.0, 0.1, 0.01)).fit(
            corpus, monitor=monitor
        )
        assert (own.chosen["C"], own.chosen["gamma"]) == max(best, key=best.get)
    own = KernelSVM(corpus.dims, corpus.target(), (3.0, 2.0)).fit(corpus, monitor="acc2_nonnegative")
    assert own.chosen_by.startswith("acc2_nonnegative on valid: C=")
    flat = Corpus("flat", {n: s.take(np.arange(4)) for n, s in corpus.splits.items()}, corpus.targets)
    same = replace(flat["train"], targets={"sentiment": Ragged.vectors(np.ones(4))})
    flat.splits["train"] = same
    own = KernelSVM(flat.dims, flat.target(), (3.0, 2.0), (0.5, 0.2)).fit(flat)
    assert own.chosen_by == "mae on valid: C=2.0, gamma=0.2"


def test_only_the_kernel_on_all_features_sees_a_product():
    corpus = synthetic.interaction(samples={"train": 500, "valid": 100, "test": 200})
    assert scores(fitted(KernelSVM, corpus), corpus)["pearson"] > 0.75 * corpus.ceiling["pearson"]
    for weighting in ("average", "alignment"):
        own = fitted(MultipleKernelSVM, corpus, weighting=weighting)
        assert scores(own, corpus)["pearson"] < 0.4 * corpus.ceiling["pearson"]


def test_the_ceiling_of_a_sum_is_near():
    corpus = synthetic.additive(samples={"train": 400, "valid": 100, "test": 200})
    for own in (KernelSVM, MultipleKernelSVM):
        assert scores(fitted(own, corpus), corpus)["pearson"] > 0.93 * corpus.ceiling["pearson"]
    assert scores(fitted(HiddenMarkov, corpus), corpus)["pearson"] > 0.8 * corpus.ceiling["pearson"]


# Hidden Markov models


def loops_forward(model, steps):
    """The likelihood of steps, by the forward recursion over plain numbers."""
    states = range(model.n_components)

    def density(s, x):
        total = 0.0
        for value, mean, variance in zip(x, model.means_[s], np.diag(model.covars_[s]), strict=True):
            total += -0.5 * math.log(2 * math.pi * variance) - (value - mean) ** 2 / (2 * variance)
        return math.exp(total)

    alpha = [model.startprob_[s] * density(s, steps[0]) for s in states]
    for x in steps[1:]:
        alpha = [sum(alpha[r] * model.transmat_[r][s] for r in states) * density(s, x) for s in states]
    return sum(alpha)


def test_the_posterior_is_that_of_loops(emotions):
    baseline = fitted(HiddenMarkov, emotions, states=2)
    (question,) = baseline._questions
    labels = emotions["train"].labels("emotion")[:, 0].tolist()
    valid = rows_of(emotions, "valid")
    said = baseline.evaluate(emotions, "valid")[1].filter(regex="^prediction").to_numpy()
    for i in range(len(valid)):
        each = []
        for c in range(3):
            chance = labels.count(c) / len(labels)
            for m, rows in valid.modalities.items():
                if len(rows[i]):
                    chance *= loops_forward(question.models[m][c], rows[i].astype(float).tolist())
            each.append(chance)
        assert said[i] == pytest.approx([chance / sum(each) for chance in each], abs=1e-9)


def test_a_sample_without_steps_gets_the_prior_and_holes_are_left_out(emotions):
    baseline = fitted(HiddenMarkov, emotions)
    test = emotions["test"]
    gone = replace(test, modalities={m: x.keep(np.array(False)) for m, x in test.modalities.items()})
    shares = np.bincount(emotions["train"].labels("emotion")[:, 0].astype(int)) / 60
    assert baseline.predict(gone).iloc[:, 2:].to_numpy() == pytest.approx(np.tile(shares, (40, 1)))
    holes = {}
    for m, x in test.modalities.items():
        rows = [np.insert(x[i], 1, np.nan, 0) if len(x[i]) else None for i in range(40)]
        with_holes = Ragged.from_rows(rows, x.dim)
        holes[m] = with_holes.keep(~np.isnan(with_holes.values).any(1))
    pd.testing.assert_frame_equal(baseline.predict(replace(test, modalities=holes)), baseline.predict(test))


def test_numbers_are_the_bins_means_weighted_by_the_posterior():
    corpus = planted(Regression("emotion"), heights)
    baseline = fitted(HiddenMarkov, corpus, bins=4)
    question = baseline._questions[0].question
    labels = sorted(corpus["train"].labels("emotion")[:, 0].tolist())
    edges = np.quantile(labels, [0.25, 0.5, 0.75]).tolist()
    bins = [[v for v in labels if sum(v >= e for e in edges) == k] for k in range(4)]
    assert question.worth[:, 0] == pytest.approx([sum(b) / len(b) for b in bins])
    assert np.exp(question.prior) == pytest.approx([len(b) / 60 for b in bins])
    said = baseline.predict(corpus["test"])["prediction"]
    assert min(question.worth[:, 0]) <= said.min()
    assert said.max() <= max(question.worth[:, 0])


def test_labels_that_coincide_leave_fewer_bins():
    rng = lambda r, count: (kind := r.integers(0, 3, count), kind - 1.0)  # noqa: E731  # beside its name
    corpus = planted(Regression("emotion"), rng)
    question = fitted(HiddenMarkov, corpus, bins=9)._questions[0].question
    assert question.worth[:, 0].tolist() == [-1, 0, 1]


def test_order_in_time_is_what_tells_classes_apart():
    """Both classes hold the same steps; one changes places slowly, the other at every step."""
    rng, splits = np.random.default_rng(0), {}
    for name, count in (("train", 60), ("valid", 10), ("test", 60)):
        kind = rng.integers(0, 2, count)
        rows = [
            np.where(
                (np.arange(12) + rng.integers(2)) % 2 if k else (np.arange(12) + rng.integers(12)) % 12 < 6,
                2.0,
                -2.0,
            )
            for k in kind
        ]
        rows = [(row + 0.3 * rng.normal(size=12))[:, None] for row in rows]
        ids = tuple(f"{name}{i}" for i in range(count))
        splits[name] = Split(ids, {"ecg": Ragged.from_rows(rows, 1)}, {"emotion": Ragged.vectors(kind)})
    corpus = Corpus("order", splits, {"emotion": Binary("emotion")})
    assert scores(fitted(HiddenMarkov, corpus, states=2), corpus)["accuracy"] > 0.95
    assert scores(fitted(KernelSVM, corpus), corpus)["accuracy"] < 0.7


def test_of_labels_on_a_bin_s_edge_the_upper_bin_is_theirs():
    corpus = planted(Regression("emotion"), heights, counts=(4, 2, 2))
    corpus.splits["train"] = replace(corpus["train"], targets={"emotion": Ragged.vectors([0, 1, 1, 1])})
    question = fitted(HiddenMarkov, corpus, states=1, bins=2)._questions[0].question
    assert question.worth[:, 0].tolist() == [0, 1]


def test_few_steps_equal_steps_and_classes_without_a_modality(caplog):
    target = MultiClass("emotion", classes=EMOTIONS)
    same = np.ones((1, 2))
    rows = [same, same, None, same, same, None]
    ids = tuple("abcdef")
    labels = Ragged.vectors([0, 0, 1, 2, 2, 1])
    other = Ragged.from_rows([np.full((1, 1), float(i)) for i in range(6)], 1)
    split = Split(ids, {"ecg": Ragged.from_rows(rows, 2), "eeg": other}, {"emotion": labels})
    corpus = Corpus("few", {"train": split, "valid": split}, {"emotion": target})
    baseline = fitted(HiddenMarkov, corpus, states=5)
    said = baseline.predict(split).iloc[:, 2:].to_numpy()
    assert np.isfinite(said).all()
    assert said.sum(1) == pytest.approx(1)
    assert (said[[0, 1]].argmax(1) == 0).all()
    assert caplog.text == ""


def test_seeds_draw_where_states_begin():
    corpus = synthetic.additive(samples={"train": 40, "valid": 4, "test": 20})
    said = [
        fitted(HiddenMarkov, corpus, seed, bins=2).predict(corpus["test"])["prediction"] for seed in (0, 0, 1)
    ]
    assert said[0].equals(said[1])
    assert not said[0].equals(said[2])


# Behind the bench


BENCH = {
    "corpus": "c.safetensors",
    "seeds": [0, 1],
    "metrics": ["pearson", "mae"],
    "training": {"epochs": 1, "monitor": "pearson"},
    "model": {
        "encoder": {"class_path": "PooledEncoder", "init_args": {"layers": 0}},
        "width": 4,
        "scaling": "robust",
    },
    "models": {
        "torch": {},
        "kernel SVM": {"baseline": "KernelSVM"},
        "multiple kernels": {
            "baseline": {
                "class_path": "MultipleKernelSVM",
                "init_args": {"weighting": "alignment", "costs": [1, 10]},
            }
        },
        "hidden Markov": {
            "baseline": {"class_path": "HiddenMarkov", "init_args": {"states": 2, "bins": 2}},
            "modalities": ["acoustic"],
        },
        "mine": {"baseline": {"class_path": "my_baselines.MyBaseline", "init_args": {"shift": 0.5}}},
    },
}
MINE = '''
import numpy as np
from affect.baselines import Baseline


class MyBaseline(Baseline):
    """The training mean, and a shift."""

    def __init__(self, dims, target, shift=0.0):
        super().__init__(dims, target)
        self.shift = shift

    def learn(self, train, valid, seed):
        self.value = self.truth(train).mean(0) + self.shift

    def decide(self, split):
        return np.tile(self.value, (len(split), 1))
'''


def write(folder, content, name="toy.yaml"):
    (folder / "my_baselines.py").write_text(MINE)
    path = folder / name
    path.write_text(yaml.safe_dump(content))
    if not (folder / "c.safetensors").exists():
        native.save(
            synthetic.additive(samples={"train": 60, "valid": 20, "test": 30}), folder / "c.safetensors"
        )
    return path


def bench(path, out, jobs=1):
    main(["bench", str(path), "--out", str(out), "--jobs", str(jobs)])
    return {name: (out / name).read_bytes() for name in ("results.csv", "summary.csv", "comparisons.csv")}


def test_baselines_stand_in_the_same_table_resume_and_repeat(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    path = write(tmp_path, BENCH)
    first = bench(path, tmp_path / "out")
    summary = pd.read_csv(tmp_path / "out" / "summary.csv").query("metric == 'mae'").set_index("model")
    assert set(summary.index) == set(BENCH["models"])
    assert (summary["seeds"] == 2).all()
    assert (summary["count"] == 30).all()
    assert set(summary["reference"]) == {"hidden Markov"}  # the one that has a single modality
    assert summary.loc["kernel SVM", "mean"] < summary.loc["mine", "mean"]
    runs = {
        json.loads(f.read_text())["name"]: f.parent for f in (tmp_path / "out").rglob("seed1-fold0/run.json")
    }
    chosen = {name: json.loads((run / "run.json").read_text())["chosen_by"] for name, run in runs.items()}
    assert re.fullmatch(r"pearson on valid: C=[\d.]+, gamma=[\d.]+", chosen["kernel SVM"])
    assert re.fullmatch(r"pearson on valid: C=(1|10)(\.0)?, gamma=[\d.]+", chosen["multiple kernels"])
    assert chosen["hidden Markov"] == chosen["mine"] == "nothing was chosen"
    assert chosen["torch"] == "pearson on valid"
    content = yaml.safe_load((runs["kernel SVM"] / "config.yaml").read_text())["model"]
    assert content == {
        "modalities": None,
        "scaling": "robust",
        "nonfinite": "mean",
        "baseline": {
            "class_path": "affect.baselines.KernelSVM",
            "init_args": {"costs": [0.1, 1.0, 10.0, 100.0], "gammas": [0.01, 0.1, 1.0]},
        },
    }
    assert {f.name for f in runs["mine"].iterdir()} == {
        "config.yaml", "modules", "predictions.csv", "results.csv", "run.json",
    }  # fmt: skip
    stamps = {f: f.stat().st_mtime_ns for f in (tmp_path / "out").rglob("run.json")}
    (runs["kernel SVM"] / "run.json").unlink()
    assert bench(path, tmp_path / "out") == first
    again = {f: f.stat().st_mtime_ns for f in (tmp_path / "out").rglob("run.json")}
    assert {f.parent for f in stamps if again[f] != stamps[f]} == {runs["kernel SVM"]}
    assert bench(path, tmp_path / "other", jobs=2) == first


def test_train_and_predict_with_a_baseline(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    corpus = tmp_path / "c.safetensors"
    for baseline in ("KernelSVM", "HiddenMarkov"):
        path = write(
            tmp_path, {"corpus": "c.safetensors", "model": {"baseline": baseline, "modalities": ["text"]}}
        )
        main(["train", str(path), "--seeds", "3", "--out", str(tmp_path / baseline)])
        assert "test mae" in capsys.readouterr().out.replace("\n", " ")
        (folder,) = (tmp_path / baseline).glob("*/seed3-fold0")
        main(["predict", str(folder), str(corpus), "--out", str(tmp_path / "said.csv")])
        said, kept = pd.read_csv(tmp_path / "said.csv"), pd.read_csv(folder / "predictions.csv")
        kept = kept.query("split == 'test'").reset_index(drop=True)
        pd.testing.assert_frame_equal(said, kept[said.columns.tolist()])
    main(
        [
            "predict",
            str(folder),
            "synthetic:additive",
            "--split",
            "valid",
            "--out",
            str(tmp_path / "said.csv"),
        ]
    )
    assert len(pd.read_csv(tmp_path / "said.csv")) == 200
    with pytest.raises(
        ConfigError, match=r"^.*: a baseline has no weights to load; affect\.runs\.predict fits it again$"
    ):
        load_model(folder)
    corpus.write_bytes(corpus.read_bytes() + b" ")
    for _ in range(2):
        with pytest.raises(SystemExit) as end:
            main(["predict", str(folder), "synthetic:additive"])
        assert str(end.value) == (
            f"DataError: {folder}: a baseline is fitted again to predict, but {corpus} is gone or is not the file that "
            "the run was made with; put that file back, or train again"
        )
        corpus.unlink(missing_ok=True)
    folds = write(
        tmp_path, {"corpus": "synthetic:additive", "model": {"baseline": "KernelSVM"}, "seeds": [0]}, "g.yaml"
    )
    main(["train", str(folds), "--out", str(tmp_path / "generated")])
    (folder,) = (tmp_path / "generated").glob("*/seed0-fold0")
    main(["predict", str(folder), "synthetic:additive", "--out", str(tmp_path / "said.csv")])
    kept = pd.read_csv(folder / "predictions.csv").query("split == 'test'").reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "said.csv"), kept[["id", "step", "prediction"]])


def test_a_run_is_what_the_class_says_by_hand(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    options = {"scaling": "none", "nonfinite": "mask"}
    path = write(tmp_path, {"corpus": "c.safetensors", "model": {"baseline": "KernelSVM", **options}})
    main(["train", str(path), "--out", str(tmp_path / "runs")])
    (folder,) = (tmp_path / "runs").glob("*/seed0-fold0")
    corpus = affect.load(tmp_path / "c.safetensors")
    own = KernelSVM(corpus.dims, corpus.target()).fit(corpus, **options)
    assert own.scaler.scaling == "none"
    kept = pd.read_csv(folder / "predictions.csv")
    both = pd.concat([own.evaluate(corpus, split)[1] for split in ("valid", "test")], ignore_index=True)
    pd.testing.assert_frame_equal(kept, both, check_dtype=False)
    seen = {}
    monkeypatch.setattr(KernelSVM, "fit", lambda self, corpus, seed, **given: seen.update(given) or own)
    Job(
        yaml.safe_load((folder / "config.yaml").read_text()), "again", 0, 0, tmp_path, tmp_path / "again"
    ).run()
    assert seen == {**options, "monitor": "loss"}


def test_folds_are_those_of_torch_models(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    whole = synthetic.additive(samples={"train": 90})
    native.save(Corpus("whole", {"all": whole["train"]}, whole.targets), tmp_path / "c.safetensors")
    content = {**BENCH, "folds": 3, "seeds": [0], "models": {"torch": {}, "SVM": {"baseline": "KernelSVM"}}}
    bench(write(tmp_path, content), tmp_path / "out")
    tests = {}
    for run in (tmp_path / "out").rglob("run.json"):
        facts = json.loads(run.read_text())
        said = pd.read_csv(run.parent / "predictions.csv")
        tests[facts["name"], facts["fold"]] = [
            said.query("split == @s")["id"].tolist() for s in ("valid", "test")
        ]
    for fold in range(3):
        assert tests["torch", fold] == tests["SVM", fold]
    (folder,) = (tmp_path / "out").glob("runs/SVM*/seed0-fold1")
    main(["predict", str(folder), str(tmp_path / "c.safetensors"), "--out", str(tmp_path / "said.csv")])
    kept = pd.read_csv(folder / "predictions.csv").query("split == 'test'").set_index("id")["prediction"]
    said = pd.read_csv(tmp_path / "said.csv").set_index("id")["prediction"]
    assert said[kept.index].equals(kept)


# What is refused


REFUSED = {
    "torch's part": (
        {"baseline": "KernelSVM", "fusion": "TensorFusion"},
        "{path}: model: no key 'fusion'; known: baseline, modalities, nonfinite, scaling",
    ),
    "class": (
        {"baseline": "KernelSMV"},
        "{path}: model: baseline: no Baseline 'KernelSMV' in affect.baselines; did you mean 'KernelSVM'? "
        "known: BayesianNetwork, HiddenMarkov, KernelSVM, MultipleKernelSVM",
    ),
    "argument": (
        {"baseline": {"class_path": "HiddenMarkov", "init_args": {"state": 2}}},
        "{path}: model: baseline: HiddenMarkov has no argument 'state'; did you mean 'states'? known: bins, states",
    ),
    "modality": (
        {"baseline": "KernelSVM", "modalities": ["txt"]},
        "{path}: synthetic:additive: no modality 'txt'; did you mean 'text'? known: acoustic, text, visual",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_configurations_are_refused_in_one_line(case, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    model, message = REFUSED[case]
    path = write(tmp_path, {"corpus": "c.safetensors", "model": model})
    with pytest.raises(SystemExit) as end:
        main(["train", str(path), "--out", str(tmp_path / "runs")])
    assert str(end.value) == "ConfigError: " + message.format(path=path)


class Wide(Looking):
    def decide(self, split):
        return np.zeros((len(split), 2))


def refusals():
    corpus, y = synthetic.additive(samples={"train": 20, "valid": 5, "test": 5}), Regression("y")
    dims, target = corpus.dims, corpus.target()
    return [
        (lambda: KernelSVM({}, y), ConfigError, "KernelSVM: needs at least one modality, got none"),
        (
            lambda: KernelSVM(dims, y, costs=(1, 0)),
            ConfigError,
            "KernelSVM: costs must be positive, got 0",
        ),
        (
            lambda: MultipleKernelSVM(dims, y, gammas=()),
            ConfigError,
            "MultipleKernelSVM: gammas must be positive numbers, got []",
        ),
        (
            lambda: HiddenMarkov(dims, y, states=0),
            ConfigError,
            "HiddenMarkov: states must be at least 1, got 0",
        ),
        (
            lambda: BayesianNetwork(dims, y, structure="forest"),
            ConfigError,
            "BayesianNetwork: structure: no 'forest'; known: naive, tree",
        ),
        (
            lambda: BayesianNetwork(dims, y, features="gausian"),
            ConfigError,
            "BayesianNetwork: features: no 'gausian'; did you mean 'gaussian'? known: discrete, gaussian",
        ),
        (
            lambda: BayesianNetwork(dims, y, smoothing=0),
            ConfigError,
            "BayesianNetwork: smoothing must be positive, got 0",
        ),
        (lambda: HiddenMarkov(dims, y, bins=0), ConfigError, "HiddenMarkov: bins must be at least 1, got 0"),
        (
            lambda: HiddenMarkov(dims, Binary("y", per_step=True)),
            ConfigError,
            "HiddenMarkov: needs one label per sample, and target 'y' has one per step; "
            "use KernelSVM or MultipleKernelSVM",
        ),
        (
            lambda: KernelSVM(dims, target).predict(corpus["test"]),
            ConfigError,
            "KernelSVM: has not learned yet; call fit first",
        ),
        (
            lambda: KernelSVM({"text": 9}, target).fit(corpus),
            ShapeError,
            "KernelSVM: text needs feature size 9, got 8",
        ),
        (
            lambda: KernelSVM({"ecg": 9}, target).fit(corpus),
            ShapeError,
            "KernelSVM: ecg needs feature size 9, got no such modality",
        ),
        (
            lambda: KernelSVM(dims, target).fit(Corpus("c", {"train": corpus["train"]}, corpus.targets)),
            ConfigError,
            "c: no split 'valid' for KernelSVM; cut the corpus first (affect.data.splitting)",
        ),
        (
            lambda: KernelSVM(dims, target).fit(corpus, monitor="uar"),
            ConfigError,
            "training: monitor 'uar' is not measured for target 'sentiment'; known: acc2_nonnegative, "
            "acc2_nonzero, acc5, acc7, acc7_bins, ccc, f1_nonnegative, f1_nonzero, mae, pearson",
        ),
        (
            lambda: Wide(dims, target).fit(corpus).predict(corpus["test"]),
            ShapeError,
            "Wide.decide must return shape (5, 1) for target 'sentiment', got (5, 2)",
        ),
        (
            lambda: Baseline(dims, target).fit(corpus),
            NotImplementedError,
            "Baseline must define learn",
        ),
        (
            lambda: Baseline(dims, target).decide(corpus["test"]),
            NotImplementedError,
            "Baseline must define decide",
        ),
    ]


@pytest.mark.parametrize("case", range(len(refusals())))
def test_refusals(case):
    ask, error, message = refusals()[case]
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask()


def test_nonfinite_values_are_refused_on_request(emotions):
    spoilt = replace(emotions["train"], modalities=dict(emotions["train"].modalities))
    values = spoilt.modalities["ecg"].values.copy()
    values[3, 1] = np.nan
    spoilt.modalities["ecg"] = replace(spoilt.modalities["ecg"], values=values)
    corpus = Corpus("spoilt", {**emotions.splits, "train": spoilt}, emotions.targets)
    with pytest.raises(DataError, match=r"^ecg: NaN or infinite values: 1 in column 1; choose"):
        KernelSVM(corpus.dims, corpus.target()).fit(corpus, nonfinite="refuse")
    for how in ("mean", "mask"):
        assert (
            scores(KernelSVM(corpus.dims, corpus.target()).fit(corpus, nonfinite=how), corpus)["accuracy"]
            > 0.8
        )


def test_hmmlearn_is_asked_for_by_its_extra(monkeypatch):
    def absent(name, *args):
        if name.startswith("hmmlearn"):
            raise ModuleNotFoundError(name)
        return real(name, *args)

    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", absent)
    message = 'HiddenMarkov: needs hmmlearn, which is not installed; pip install "affect[baselines]"'
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        HiddenMarkov({"ecg": 2}, Regression("y"))
