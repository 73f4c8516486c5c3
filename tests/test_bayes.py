"""Bayesian networks: against the enumeration of their states, and against scikit-learn's."""

import inspect
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.preprocessing import KBinsDiscretizer

import affect
from affect.baselines import BayesianNetwork
from affect.baselines.bayes import _edges
from affect.baselines.networks import DiscreteNetwork, GaussianNetwork, chow_liu, discrete_information
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.targets import Binary, MultiClass

NAN = math.nan


def chained(rng, count, classes=2):
    """Features that hang together: each of the next one, otherwise in each class; some are missing."""
    labels = rng.integers(0, classes, count)
    x = rng.normal(size=(count, 4))
    for j in range(1, 4):
        x[:, j] += (1 + labels) * x[:, j - 1] * 0.7
    return x[:, [2, 0, 3, 1]] + labels[:, None], labels


def with_holes(rng, x, rate=0.3):
    return np.where(rng.random(x.shape) < rate, np.nan, x)


def every_hole(x):
    """A sample with each subset of its features."""
    masks = np.array([*itertools.product([True, False], repeat=len(x))])
    return np.where(masks, x, np.nan)


# Levels


def loops_table(codes, labels, c, j, parent, smoothing, k):
    """P(x_j = k | class, the parent's level) by counting; what a class never shows is as in all of them."""
    levels = 1 + max(row[j] for row in codes if row[j] >= 0)

    def count(own, level):
        return sum(
            1
            for row, label in zip(codes, labels, strict=True)
            if (own is None or label == own)
            and row[j] == level
            and (parent is None or row[parent[0]] == parent[1])
        )

    seen = any(
        label == c and row[j] >= 0 and (parent is None or row[parent[0]] >= 0)
        for row, label in zip(codes, labels, strict=True)
    )
    own = c if seen else None
    return (count(own, k) + smoothing) / (sum(count(own, v) for v in range(levels)) + smoothing * levels)


@pytest.mark.parametrize("tree", [False, True])
def test_levels_equal_the_enumeration_of_all_states(tree):
    rng = np.random.default_rng(0)
    x, labels = chained(rng, 60)
    levels = np.clip(np.floor(x), 0, 2)
    levels[:, 3] = levels[:, 3] > 0  # features of several sizes
    known = with_holes(rng, levels)
    network = DiscreteNetwork(known, labels, 2, tree=tree, smoothing=0.5)
    codes = np.where(np.isnan(known), -1, known).astype(int).tolist()
    parents = network.parents.tolist()
    assert (sorted(parents) == [-1] * 4) != tree
    sizes = [1 + max(row[j] for row in codes if row[j] >= 0) for j in range(4)]
    assert sizes == [3, 3, 3, 2]
    asked = every_hole(levels[0])
    said = np.exp(network.likelihoods(asked))
    for c in range(2):
        joint = {}
        for state in itertools.product(*map(range, sizes)):
            joint[state] = 1.0
            for j, k in enumerate(state):
                parent = None if parents[j] < 0 else (parents[j], state[parents[j]])
                joint[state] *= loops_table(codes, labels.tolist(), c, j, parent, 0.5, k)
        assert sum(joint.values()) == pytest.approx(1, abs=1e-12)
        for i, row in enumerate(asked.tolist()):
            expected = sum(
                chance
                for state, chance in joint.items()
                if all(math.isnan(v) or v == k for v, k in zip(row, state, strict=True))
            )
            assert said[i, c] == pytest.approx(expected, abs=1e-12)


def test_what_is_told_of_pairs_is_that_of_loops_over_their_tables():
    rng = np.random.default_rng(1)
    x, labels = chained(rng, 40)
    codes = np.where(rng.random(x.shape) < 0.2, -1, np.clip(np.floor(x), 0, 2)).astype(int)
    found = discrete_information(codes, labels, 2)
    for i, j in itertools.combinations(range(4), 2):
        both = [
            (c, a, b)
            for c, a, b in zip(labels.tolist(), codes[:, i].tolist(), codes[:, j].tolist(), strict=True)
            if min(a, b) >= 0
        ]

        def share(*keep, both=both):
            return len([1 for one in both if all(one[p] == v for p, v in keep)]) / len(both)

        expected = sum(
            share((0, c), (1, a), (2, b))
            * math.log(
                share((0, c), (1, a), (2, b)) * share((0, c)) / share((0, c), (1, a)) / share((0, c), (2, b))
            )
            for c, a, b in {*both}
        )
        assert found[i, j] == pytest.approx(expected, abs=1e-6)  # tables are counted in float32, exactly
        assert found[i, j] == pytest.approx(found[j, i], abs=1e-12)


def test_a_tree_worked_by_hand():
    # b is a in three of four samples of each class, c is b always; so a - b - c, and b's other edge is certain
    a, b = [0, 0, 1, 1, 0, 0, 1, 1], [0, 0, 1, 0, 0, 0, 1, 0]
    x, labels = np.array([a, b, b], float).T, np.array([0, 0, 0, 0, 1, 1, 1, 1])
    network = DiscreteNetwork(x, labels, 2, tree=True, smoothing=1.0)
    assert network.parents[0] == -1
    assert sorted((network.parents[1:]).tolist()) in ([0, 1], [0, 2])  # b and c are the same feature
    # P(a = 0) = 3/6, P(b = 0 | a = 0) = 3/4, P(b = 0 | a = 1) = 2/4, P(c = 0 | b = 0) = 4/5
    first, second = (1, 2) if network.parents[1] == 0 else (2, 1)
    asked = np.full((3, 3), NAN)
    asked[0] = 0
    asked[1, second] = 0
    asked[2, [0, second]] = [1, 0]
    up, down = 3 / 6 * 3 / 4 + 3 / 6 * 2 / 4, 3 / 6 * 1 / 4 + 3 / 6 * 2 / 4
    expected = [
        3 / 6 * 3 / 4 * 4 / 5,
        up * 4 / 5 + down * 1 / 3,  # P(c = 0 | b = 1) = 1/3
        3 / 6 * (2 / 4 * 4 / 5 + 2 / 4 * 1 / 3),
    ]
    assert first != second
    assert np.exp(network.likelihoods(asked)) == pytest.approx(np.tile(expected, (2, 1)).T, abs=1e-12)


def test_the_tree_holds_the_most_information():
    rng = np.random.default_rng(2)
    for _ in range(5):
        half = np.triu(rng.random((5, 5)), 1)
        parents, order = chow_liu(half + half.T)
        own = sum((half + half.T)[j, p] for j, p in enumerate(parents.tolist()) if p >= 0)
        best = 0.0
        for edges in itertools.combinations(itertools.combinations(range(5), 2), 4):
            reached = {0}
            for _ in range(4):
                reached |= {v for edge in edges if reached & {*edge} for v in edge}
            if len(reached) == 5:
                best = max(best, sum(half[edge] for edge in edges))
        assert own == pytest.approx(best, abs=1e-12)
        placed = {-1}
        for j in order.tolist():
            assert parents[j] in placed
            placed.add(j)
    assert chow_liu(np.zeros((3, 3)))[0].tolist().count(-1) == 1  # a tree, though nothing is told


# Numbers


@pytest.mark.parametrize("tree", [False, True])
def test_numbers_equal_the_normal_distribution_that_their_tree_makes(tree):
    rng = np.random.default_rng(3)
    x, labels = chained(rng, 60)
    network = GaussianNetwork(with_holes(rng, x), labels, 2, tree=tree, smoothing=0.5)
    asked = every_hole(x[0])
    said = network.likelihoods(asked)
    for c in range(2):
        mean, weights = np.zeros(4), np.zeros((4, 4))  # each feature as a sum of noises of variance one
        for j in network.order.tolist():
            parent, slope = int(network.parents[j]), network.slope[c, j]
            mean[j] = network.intercept[c, j] + (slope * mean[parent] if parent >= 0 else 0)
            weights[j] = slope * weights[parent] if parent >= 0 else 0
            weights[j, j] = math.sqrt(network.variance[c, j])
        whole = weights @ weights.T
        for i, row in enumerate(asked):
            known = np.flatnonzero(~np.isnan(row))
            expected = 0.0
            if known.size:
                own = multivariate_normal(mean[known], whole[np.ix_(known, known)])
                expected = own.logpdf(row[known])
            assert said[i, c] == pytest.approx(expected, abs=1e-9)


def test_the_parameters_of_a_tree_are_those_of_loops():
    rng = np.random.default_rng(4)
    x, labels = chained(rng, 50)
    x = with_holes(rng, x, 0.2)
    network = GaussianNetwork(x, labels, 2, tree=True, smoothing=2.0)
    overall = [np.var([v for v in column if not math.isnan(v)]) for column in x.T.tolist()]

    def fitted(c, j, i):
        """Intercept, slope and variance, and the share of i's variance that j tells."""
        pairs = [
            (a, b)
            for a, b, label in zip(x[:, j].tolist(), x[:, i].tolist(), labels.tolist(), strict=True)
            if label == c and not math.isnan(a + b)
        ]
        n, floor = len(pairs), 1e-9 * max(overall)
        own, other = (sum(one[k] for one in pairs) / n for k in (0, 1))
        square = [
            (sum((one[k] - m) ** 2 for one in pairs) + 2 * v) / (n + 2) + floor
            for k, m, v in ((0, own, overall[j]), (1, other, overall[i]))
        ]
        together = sum((a - own) * (b - other) for a, b in pairs) / (n + 2)
        slope = together / square[1]
        return (
            own - slope * other,
            slope,
            square[0] - slope * together,
            n,
            together**2 / square[0] / square[1],
        )

    told = np.zeros((4, 4))
    for i, j in itertools.combinations(range(4), 2):
        both = [fitted(c, j, i)[3:] for c in range(2)]
        told[i, j] = told[j, i] = sum(-n / 2 * math.log(1 - r) for n, r in both) / sum(n for n, _ in both)
    assert network.parents.tolist() == chow_liu(told)[0].tolist()
    for j, i in enumerate(network.parents.tolist()):
        for c in range(2):
            if i >= 0:
                own = network.intercept[c, j], network.slope[c, j], network.variance[c, j]
                assert own == pytest.approx(fitted(c, j, i)[:3], abs=1e-9)


# The baseline, against scikit-learn's where nothing is missing and there is no tree


def pooled(split):
    """(samples, 2 * feature): the modalities' means and deviations, side by side."""
    return np.array(
        [
            np.concatenate([np.concatenate([x[i].mean(0), x[i].std(0)]) for x in split.modalities.values()])
            for i in range(len(split))
        ]
    )


@pytest.fixture(scope="module")
def corpus():
    rng, splits = np.random.default_rng(5), {}
    for name, count in (("train", 90), ("valid", 20), ("test", 40)):
        labels = rng.integers(0, 3, count)
        rows = {
            m: Ragged.from_rows(
                [rng.normal(0.4 * c, 1 + 0.3 * c, (rng.integers(2, 9), dim)) for c in labels], dim
            )
            for m, dim in (("ecg", 2), ("eeg", 3))
        }
        splits[name] = Split(tuple(f"{name}{i}" for i in range(count)), rows, {"y": Ragged.vectors(labels)})
    return Corpus("complete", splits, {"y": MultiClass("y", classes=("a", "b", "c"))})


def said_of(network, split):
    return network.predict(split).iloc[:, 2:].to_numpy()


def test_numbers_without_a_tree_are_scikit_learn_s(corpus):
    network = BayesianNetwork(corpus.dims, corpus.target(), smoothing=1e-12).fit(corpus, scaling="none")
    train = pooled(corpus["train"])
    centre, spread = train.mean(0), train.std(0)
    judge = GaussianNB().fit((train - centre) / spread, corpus["train"].labels("y")[:, 0])
    expected = judge.predict_proba((pooled(corpus["test"]) - centre) / spread)
    assert said_of(network, corpus["test"]) == pytest.approx(expected, abs=1e-5)  # features are in 32 bits


def sklearn_has_methods():
    """Before 1.7, quantiles were linear alone."""
    return "quantile_method" in inspect.signature(KBinsDiscretizer).parameters


def test_levels_without_a_tree_are_scikit_learn_s(corpus):
    network = BayesianNetwork(corpus.dims, corpus.target(), features="discrete", levels=4, smoothing=0.5)
    network.fit(corpus, scaling="none")
    linear = {"quantile_method": "linear"} if sklearn_has_methods() else {}
    cut = KBinsDiscretizer(4, encode="ordinal", strategy="quantile", **linear)
    train = cut.fit_transform(pooled(corpus["train"]))
    judge = CategoricalNB(alpha=0.5, min_categories=4).fit(train, corpus["train"].labels("y")[:, 0])
    expected = judge.predict_proba(cut.transform(pooled(corpus["test"])))
    assert said_of(network, corpus["test"]) == pytest.approx(expected, abs=1e-9)


def test_values_that_coincide_are_of_one_level():
    assert _edges(np.array([0, 0, 0, 0, 1, NAN, 2.0]), 5).tolist() == pytest.approx([1.0])
    assert _edges(np.array([3.0, 3.0]), 4).tolist() == []


# What is missing


@pytest.mark.parametrize("structure", ["naive", "tree"])
@pytest.mark.parametrize("features", ["gaussian", "discrete"])
def test_an_absent_modality_and_a_feature_without_values_are_summed_over(corpus, structure, features):
    network = BayesianNetwork(corpus.dims, corpus.target(), structure, features).fit(corpus)
    test, shares = corpus["test"], np.bincount(corpus["train"].labels("y")[:, 0].astype(int)) / 90

    def expected(known):
        x = np.where(known, network._pooled(network._samples(test, PLACES)), NAN)
        logs = network.networks[0].likelihoods(network._features_of(network._standardised(x)))
        odds = shares * np.exp(logs - logs.max(1, keepdims=True))
        return odds / odds.sum(1, keepdims=True)

    eeg = np.repeat([True, False], [4, 6])
    absent = replace(
        test, modalities={**test.modalities, "eeg": test.modalities["eeg"].keep(np.array(False))}
    )
    assert said_of(network, absent) == pytest.approx(expected(eeg), abs=1e-9)
    values = test.modalities["eeg"].flat().values.copy()
    values[:, 1], values[0, 2] = NAN, math.inf  # the third has other steps
    whole = replace(test.modalities["eeg"].flat(), values=values)
    holed = said_of(network, replace(test, modalities={**test.modalities, "eeg": whole}))
    known = np.ones(10, bool)
    known[[5, 8]] = False
    assert holed[1:] == pytest.approx(expected(known)[1:], abs=1e-6)
    assert features == "discrete" or holed[0] != pytest.approx(expected(known)[0], abs=1e-6)
    none = replace(test, modalities={m: x.keep(np.array(False)) for m, x in test.modalities.items()})
    assert said_of(network, none) == pytest.approx(np.tile(shares, (40, 1)), abs=1e-12)


PLACES = np.stack([np.arange(40), np.zeros(40, np.int64)], 1)


def test_what_is_not_finite_is_the_mean_to_others_and_masked_on_request(corpus):
    train = corpus["train"]
    values = train.modalities["ecg"].flat().values.copy()
    values[::3, 0] = NAN
    spoilt = replace(
        train, modalities={**train.modalities, "ecg": replace(train.modalities["ecg"].flat(), values=values)}
    )
    whole = Corpus("spoilt", {**corpus.splits, "train": spoilt}, corpus.targets)
    said = {}
    for how in ("mean", "mask"):
        network = BayesianNetwork(corpus.dims, corpus.target()).fit(whole, nonfinite=how)
        said[how] = said_of(network, corpus["test"])
        assert np.isfinite(said[how]).all()
    assert not np.allclose(said["mean"], said["mask"])
    seen = affect.baselines.HiddenMarkov(corpus.dims, corpus.target(), states=1).fit(whole)
    assert np.isfinite(said_of(seen, corpus["test"])).all()


def test_steps_that_have_labels_are_samples_of_one_step():
    rng = np.random.default_rng(6)
    ends = np.array([0, 30, 60, 90])
    labels = rng.integers(0, 2, 90).astype(float)
    rows = {"ecg": Ragged.from_offsets(labels[:, None] * 3 + rng.normal(size=(90, 2)), ends)}
    split = Split(tuple("abc"), rows, {"y": Ragged.from_offsets(labels[:, None], ends)})
    target = Binary("y", per_step=True)
    corpus = Corpus("steps", {"train": split, "valid": split}, {"y": target}, aligned=True)
    for structure in ("naive", "tree"):
        network = BayesianNetwork(corpus.dims, target, structure).fit(corpus)
        said = network.predict(split)["prediction"].to_numpy()
        assert np.mean((said > 0.5) == labels) > 0.95  # deviations, all zero, are left out


def test_a_tree_sees_a_product_that_single_features_do_not():
    made = affect.load("synthetic:interaction")
    found = {}
    for structure in ("naive", "tree"):
        network = BayesianNetwork(made.dims, made.target(), structure).fit(made)
        found[structure] = network.evaluate(made, "test")[0].set_index("metric")["value"]["pearson"]
    assert found["naive"] < 0.4 < 0.55 < found["tree"]
