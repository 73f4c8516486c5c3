"""Shapes of published files: as many samples, steps and features, and something to learn."""

import re
import time
from functools import cache

import numpy as np
import pytest

import affect
from affect.data import shapes
from affect.data.corpora import CORPORA
from affect.data.shapes import SHAPES, shaped
from affect.data.targets import Binary, MultiLabel, Regression
from affect.errors import ConfigError

SMALL = ("mosi_context", "mosi_unaligned", "mosi_aligned", "iemocap")  # made whole in the tests


@cache
def small(name, train=40, seed=0):
    return shaped(name, train, seed)


@cache
def whole(name):
    return shaped(name)


def labels(corpus):
    target = corpus.target().name
    return np.concatenate([split.labels(target) for split in corpus.splits.values()])


@pytest.mark.parametrize("name", SHAPES)
class TestEveryShape:
    def test_counts_are_those_of_the_corpus(self, name):
        shape = SHAPES[name]
        assert shape.counts() == (shape.splits or CORPORA[shape.corpus].splits)
        assert not (shape.splits and CORPORA[shape.corpus].splits and not shape.target.per_step)
        few = shape.counts(train=40)
        assert few["train"] == 40
        assert all(8 <= few[split] <= shape.counts()[split] for split in few)
        assert {split: len(own) for split, own in small(name).splits.items()} == few

    def test_sizes(self, name):
        corpus, shape = small(name), SHAPES[name]
        modalities = CORPORA[shape.corpus].modalities
        assert corpus.dims == dict(zip(modalities, shape.dims, strict=True))
        assert corpus.target() == shape.target
        own = modalities if name == "sims" else ()
        assert [*corpus.targets] == [shape.target.name, *(f"{shape.target.name}_{m}" for m in own)]
        assert corpus.aligned is shape.aligned
        for split in corpus.splits.values():
            for m, most in zip(modalities, shape.steps, strict=True):
                rows = split.modalities[m]
                assert rows.values.dtype == np.float32
                assert rows.total == len(rows.values)  # no padding
                assert rows.observed.all()
                assert 1 <= rows.lengths.min() <= rows.lengths.max() <= most

    def test_frames_are_in_proportion_to_words(self, name):
        shape = SHAPES[name]
        words, *others = (small(name)["train"].modalities[m] for m in CORPORA[shape.corpus].modalities)
        assert words.lengths.min() >= shape.fewest
        assert len(set(words.lengths)) > 5
        for rows, most in zip(others, shape.steps[1:], strict=True):
            assert np.abs(rows.lengths - words.lengths * most / shape.steps[0]).max() <= 0.5

    def test_the_same_arguments_give_the_same_corpus(self, name):
        one, same, other = shaped(name, 9), shaped(name, 9), shaped(name, 9, seed=1)
        for split in one.splits:
            for m, rows in one[split].modalities.items():
                assert np.array_equal(rows.values, same[split].modalities[m].values)
                assert rows.values.shape != other[split].modalities[m].values.shape or not np.array_equal(
                    rows.values, other[split].modalities[m].values
                )
        assert np.array_equal(labels(one), labels(same))

    def test_no_video_is_in_two_splits(self, name):
        corpus = small(name)
        groups = [set(split.groups) for split in corpus.splits.values()]
        assert len(set.union(*groups)) == sum(map(len, groups))
        ids = [i for split in corpus.splits.values() for i in split.ids]
        assert len(set(ids)) == len(ids)

    def test_it_says_that_it_is_generated(self, name):
        title = CORPORA[SHAPES[name].corpus].title
        assert small(name).notes == (
            f"Generated in the shape of {title}: its figures say nothing about {title}.",
        )
        assert small(name).ceiling == {}

    def test_its_name_loads_it(self, name):
        assert affect.load(f"synthetic:{name}:9").name == f"synthetic:{name}:9"
        assert shaped(name, 9).name == f"synthetic:{name}:9"

    def test_a_quick_look_is_quick(self, name):
        begin = time.process_time()
        shaped(name, 24)
        assert time.process_time() - begin < 1

    def test_labels(self, name):
        given, target = labels(small(name)), SHAPES[name].target
        if isinstance(target, Regression):
            assert np.abs(given).max() <= target.high
            assert given.std() > 0.3 * target.high
            np.testing.assert_allclose(5 * given, np.rint(5 * given), atol=1e-5)
            assert not np.signbit(given[given == 0]).any()
        elif isinstance(target, Binary):
            assert 0.3 < given.mean() < 0.7
        else:
            assert isinstance(target, MultiLabel)
            for split in small(name).splits.values():  # each can be missed or found in every split
                assert (split.labels(target.name).sum(0) > 0).all() or not SHAPES[name].shares


def test_published_sizes():
    sizes = {name: (shape.dims, shape.steps) for name, shape in SHAPES.items()}
    assert sizes == {
        "mosi_aligned": ((768, 5, 20), (50, 50, 50)),
        "mosi_unaligned": ((768, 5, 20), (50, 375, 500)),
        "mosi_context": ((100, 73, 100), (63, 63, 63)),
        "mosei_aligned": ((768, 74, 35), (50, 50, 50)),
        "mosei_unaligned": ((768, 74, 35), (50, 500, 500)),
        "mosei_emotions": ((300, 74, 35), (50, 50, 50)),
        "sims": ((768, 33, 709), (39, 400, 55)),
        "iemocap": ((300, 74, 35), (20, 20, 20)),
    }


@pytest.mark.parametrize("name", SMALL)
def test_whole(name):
    begin = time.process_time()
    corpus = whole(name)
    assert time.process_time() - begin < 10
    assert corpus.name == f"synthetic:{name}"
    assert {split: len(own) for split, own in corpus.splits.items()} == SHAPES[name].counts()
    lengths = np.concatenate([own.modalities["text"].lengths for own in corpus.splits.values()])
    assert lengths.mean() == pytest.approx(SHAPES[name].words, rel=0.15)
    assert lengths.max() == SHAPES[name].steps[0]


def test_global_randomness_is_left_alone():
    state = np.random.get_state()[1].copy()  # noqa: NPY002  # the state that must not move
    shaped("mosi_aligned", 9)
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002  # the same


def test_a_split_does_not_depend_on_the_size_of_another():
    one, other = shaped("mosi_aligned", 10), shaped("mosi_aligned", 44)
    assert len(one["valid"]) == len(other["valid"]) == 8
    rows = [corpus["valid"].modalities["text"].values for corpus in (one, other)]
    assert np.array_equal(*rows)


def test_one_of_four_emotions_is_true_and_each_is_as_likely():
    given = labels(whole("iemocap"))
    assert (given.sum(1) == 1).all()
    assert np.abs(given.mean(0) - 0.25).max() < 0.03


def test_labels_of_a_modality_are_what_it_alone_says():
    corpus, said, found = shaped("sims", 300), {}, {}
    split, weights = corpus["train"], dict(zip(CORPORA["sims"].modalities, shapes.WEIGHTS, strict=True))
    for m, rows in split.modalities.items():
        label = split.labels(f"sentiment_{m}")[:, 0]
        means = np.array([rows[i].mean(0) for i in range(len(split))], float)
        means = (means - means.mean(0))[:, np.argsort(means.var(0))[-20:]]
        told = means @ np.linalg.lstsq(means, label - label.mean(), rcond=None)[0]
        found[m] = np.corrcoef(told, label)[0, 1]
        said[m] = label
        assert np.abs(label).max() == 1
        assert label.std() == pytest.approx(1 / np.sqrt(3), abs=0.06)
        np.testing.assert_allclose(5 * label, np.rint(5 * label), atol=1e-6)
    assert min(found.values()) > 0.9
    whole = np.corrcoef([split.labels("sentiment")[:, 0], *said.values()])
    noise = np.sqrt(np.square([*weights.values(), shapes.NOISE]).sum())
    for i, m in enumerate(said, 1):
        assert whole[0, i] == pytest.approx(weights[m] / noise, abs=0.1)
    assert np.abs(whole[1:, 1:] - np.eye(3)).max() < 0.15


def test_any_of_six_emotions_may_be_true():
    given = labels(shaped("mosei_emotions", 800))
    assert np.abs(given.mean(0) - SHAPES["mosei_emotions"].shares).max() < 0.02
    assert {0, 1, 2} <= set(given.sum(1))


def test_an_utterance_leans_to_the_side_of_its_video():
    split = whole("mosi_context")["train"]
    given = split.targets["sentiment"]
    ends = given.offsets
    own = np.array([given.values[a:b].mean() for a, b in zip(ends, ends[1:], strict=False)])
    alone = np.sqrt(0.25 * np.mean(1 / given.lengths))
    assert own.std() > 1.5 * alone
    assert split.groups == split.ids


def test_every_modality_says_something_of_the_labels():
    split = whole("mosi_unaligned")["train"]
    said = []
    for m in CORPORA["mosi"].modalities:
        rows = split.modalities[m]
        means = np.add.reduceat(rows.values, rows.offsets[:-1], dtype=np.float64) / rows.lengths[:, None]
        means -= means.mean(0)
        direction = np.ones(rows.dim)
        for _ in range(20):  # the direction of most variance, by powers
            direction = means.T @ (means @ (direction / np.linalg.norm(direction)))
        said.append(abs(np.corrcoef(means @ direction, split.labels("sentiment")[:, 0])[0, 1]))
    assert said[0] > said[1] > said[2] > 0.15
    assert said[0] < 0.8  # labels have noise of their own


@pytest.mark.parametrize(("fusion", "least"), [("ConcatenationFusion", 0.6), ("TensorFusion", 0.6)])
def test_a_small_model_learns(fusion, least):
    corpus = affect.load("synthetic:mosi_unaligned:200")
    model = affect.FusionModel.for_corpus(corpus, fusion=getattr(affect.fusion, fusion), width=16)
    run = affect.fit(model, corpus, training=affect.training.Training(epochs=8, learning_rate=3e-3))
    (r,) = run.results.query("split == 'test' and metric == 'pearson'")["value"]
    assert r > least


REFUSALS = [
    (
        lambda: shaped("mosi_unalined"),
        "no generated corpus in the shape of 'mosi_unalined'; did you mean 'mosi_unaligned'? "
        "known: iemocap, mosei_aligned, mosei_emotions, mosei_unaligned, mosi_aligned, mosi_context, "
        "mosi_unaligned, sims",
    ),
    (lambda: shaped("sims", -1), "synthetic:sims: train must be 0 or more, got -1"),
    (lambda: shaped("sims", 4, seed=-1), "synthetic:sims: seed must be 0 or more, got -1"),
]


@pytest.mark.parametrize(("make", "message"), REFUSALS)
def test_refusals(make, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        make()


def test_steps_are_noise_and_a_signal_along_one_direction():
    rng = np.random.default_rng(0)
    held, direction = np.repeat([-1.0, 0.0, 2.0], 9000), np.array([0.3, -0.2, 0.0])
    values = shapes._steps(rng, held, direction)  # more steps than get their signal at a time
    assert values.dtype == np.float32
    for level in (-1.0, 0.0, 2.0):
        own = values[held == level]
        np.testing.assert_allclose(own.mean(0), level * direction, atol=0.04)
        np.testing.assert_allclose(own.std(0), 1, atol=0.03)
