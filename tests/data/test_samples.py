from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import affect
from affect.data.corpus import Corpus, Split
from affect.data.provenance import Provenance
from affect.data.ragged import Ragged, Words
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError, DataError

RNG = np.random.default_rng(0)


def known(rows):
    """The times of rows; NaN where none are known, as where no others are."""
    return np.full((int(rows.lengths.sum()), 2), np.nan) if rows.times is None else rows.times


def same(one, other):
    """Whether two corpora hold the same, to the last bit."""
    for name in ("targets", "aligned", "columns", "provenance", "dims"):
        assert getattr(one, name) == getattr(other, name)
    assert list(one.splits) == list(other.splits)
    for name, split in one.splits.items():
        again = other[name]
        assert (split.ids, split.groups) == (again.ids, again.groups)
        pairs = [
            (x, getattr(again, kind)[m])
            for kind in ("modalities", "targets")
            for m, x in getattr(split, kind).items()
        ]
        for x, y in pairs:
            a, b = x.flat(), y.flat()
            assert a.lengths.tolist() == b.lengths.tolist()
            assert np.array_equal(a.values[a.observed], b.values[b.observed], equal_nan=True)
            assert a.observed.tolist() == b.observed.tolist()
            assert np.array_equal(known(a), known(b), equal_nan=True)
        assert (split.words is None) == (again.words is None)
        if split.words is not None:
            a, b = split.words.flat(), again.words.flat()
            assert (a.tokens, a.lengths.tolist()) == (b.tokens, b.lengths.tolist())
            assert np.array_equal(known(a), known(b), equal_nan=True)
    return True


def again(corpus):
    about = {name: getattr(corpus, name) for name in ("name", "columns", "aligned", "provenance", "main")}
    return Corpus.from_samples(corpus.samples(), corpus.targets, **about)


@pytest.mark.parametrize("name", ["additive", "interaction", "temporal"])
def test_generated_corpora_come_back(name):
    corpus = affect.load(f"synthetic:{name}")
    assert same(corpus, again(corpus))


def everything():
    seconds = np.array([[0, 0.5], [0.5, 1], [0, 1], [np.nan, np.nan]])
    ecg = Ragged.from_offsets(
        np.array([[0, 0], [1, np.nan], [np.inf, 1], [2, 2]], np.float32),
        np.array([0, 2, 2, 3, 4]),
        np.array([True, True, False, True]),
        seconds,
    )
    eeg = Ragged.from_rows([None, np.zeros((1, 3)), None, np.ones((2, 3))], 3)
    gone = Ragged.from_rows([None] * 4, 5)
    targets = {
        "score": Regression("score", low=-1, high=1),
        "class": MultiClass("class", classes=("z", "a", "m")),
        "many": MultiLabel("many", classes=("p", "q")),
        "yes": Binary("yes"),
    }
    labels = {
        "score": Ragged.vectors([0.5, -1, 0, 0.25], np.array([True, True, False, True])),
        "class": Ragged.vectors([2, 0, 1, 0], np.array([True, False, True, True])),
        "many": Ragged.vectors([[1, 0], [1, 1], [0, 0], [0, 1]], np.array([True, True, True, False])),
        "yes": Ragged.vectors([0, 1, 1, 0]),
    }
    words = Words.from_rows([["so", "good"], [], ["ä"], []], [seconds[:2], None, None, None])
    split = Split(tuple("abcd"), {"ecg": ecg, "eeg": eeg, "gone": gone}, labels, ("x", "x", "c", "y"), words)
    parts = {
        "train": split.take(np.array([2, 0, 1])),
        "test": replace(split.take(np.array([3])), words=None, groups=None),
    }
    return Corpus(
        "toy", parts, targets, columns={"ecg": ("p", "q")}, provenance={"eeg": Provenance("a cap", rate=2.0)}, main="yes"
    )  # fmt: skip


def test_a_corpus_with_everything_comes_back():
    corpus = everything()
    assert same(corpus, again(corpus))
    assert again(corpus).main == "yes"
    samples = {sample.id: sample for sample in corpus.samples()}
    assert list(samples) == ["c", "a", "b", "d"]
    assert samples["a"].targets == {"score": 0.5, "class": "m", "many": pytest.approx([1, 0]), "yes": 0.0}
    assert samples["b"].targets["class"] is None
    assert (samples["a"].words, samples["a"].group, samples["a"].split) == (["so", "good"], "x", "train")
    assert samples["d"].modalities["ecg"].times is None
    assert samples["b"].modalities["ecg"].values.shape == (0, 2)


def test_labels_of_steps_come_back():
    ecg = Ragged.from_rows([np.ones((3, 2)), None, np.ones((1, 2))], 2)
    seen = np.array([True, False, True, True])
    targets = {
        "mood": MultiClass("mood", per_step=True, classes=("b", "a")),
        "score": Regression("score", per_step=True),
        "many": MultiLabel("many", per_step=True, classes=("p", "q")),
    }
    labels = {
        "mood": Ragged.from_offsets(np.array([[0.0], [0], [1], [1]]), ecg.offsets, seen),
        "score": Ragged.from_offsets(np.array([[0.5], [0], [1], [2]]), ecg.offsets, seen),
        "many": Ragged.from_offsets(np.array([[0.0, 1], [0, 0], [1, 1], [1, 0]]), ecg.offsets, seen),
    }
    corpus = Corpus("toy", {"all": Split(tuple("abc"), {"ecg": ecg}, labels)}, targets, aligned=True)
    assert same(corpus, again(corpus))
    assert next(corpus.samples()).targets["mood"] == ["b", None, "a"]


def test_from_a_loop():
    def clips():
        yield affect.Sample(
            "a", {"ecg": np.ones((3, 2)), "eeg": None}, {"y": 1.5}, words="so good", split="train"
        )
        yield affect.Sample(
            "b",
            {"ecg": torch.zeros(2, 2), "face": pd.DataFrame({"frame": [1], "AU01": [0.5]})},
            {"y": None},
            group="v",
            split="dev",
        )
        yield affect.Sample("c", {"face": [0.5]}, {}, word_times=[[0, 1]], words=["hm"], split="train")  # fmt: skip

    corpus = Corpus.from_samples(clips(), name="toy")
    assert corpus.dims == {"ecg": 2, "face": 1}
    assert {name: split.ids for name, split in corpus.splits.items()} == {
        "train": ("a", "c"),
        "valid": ("b",),
    }
    assert corpus.targets == {"y": Regression("y")}
    assert corpus["train"].targets["y"].observed.tolist() == [True, False]
    assert corpus["valid"].targets["y"].observed.tolist() == [False]
    assert corpus["valid"].groups == ("v",)
    assert corpus["train"].groups is None
    assert np.array_equal(corpus["train"].words.times, [[np.nan] * 2, [np.nan] * 2, [0, 1]], equal_nan=True)
    assert corpus["valid"].words is None
    assert corpus["valid"].modalities["ecg"].observed.tolist() == [False, False]
    assert corpus.columns == {"face": ("AU01",)}
    assert corpus.notes == (
        "The modalities count as not aligned, since their steps differ: ecg 2, face 1 in sample b.",
        "ecg: 2 of 5 steps hold nothing or zeros and count as unobserved.",
        "eeg: no sample has it, and it is left out.",
        "face: column 'frame' is no feature and is left out; `columns` keeps any by name.",
        "train: 1 of 2 labels of y is missing, and counts as not given.",
        "valid: 1 of 1 labels of y is missing, and counts as not given.",
    )


def test_steps_are_what_they_are_made_from():
    steps = affect.Steps(torch.ones(2, 3), times=[0.5, 1], observed=[1, 0])
    assert steps.values.tolist() == [[1, 1, 1]] * 2
    assert steps.times.tolist() == [[0.5, 0.5], [1, 1]]
    assert steps.observed.tolist() == [True, False]
    assert affect.Steps([1, 2]).values.tolist() == [[1, 2]]
    assert affect.Steps([]).values.shape == (0, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: affect.Steps(np.ones((1, 2, 3))), "Steps: values must have shape (steps, feature), got (1, 2, 3)"),
        (lambda: affect.Steps(["a"]), "Steps: values must hold numbers, got 'a'"),
        (lambda: affect.Steps(np.ones((2, 3)), times=[0]), "Steps: times must have shape (2, 2) (start and end) or (2,) (instants), got (1,)"),
        (lambda: affect.Steps(np.ones((2, 3)), observed=[1]), "Steps: observed must have shape (2,), got (1,)"),
        (lambda: Corpus.from_samples([{"id": "a"}]), "samples: sample 0: expected affect.Sample, got dict"),
        (lambda: Corpus.from_samples([]), "samples: a corpus needs at least one split"),
        (lambda: Corpus.from_samples([affect.Sample("a")] * 2, name="toy"), "toy: 1 id occurs more than once: 'a'; 'a' in all (2); make them unique, or choose duplicates: number, or first"),
        (lambda: Corpus.from_samples([affect.Sample("a", {}, {"y": 1})], ["z"]), "samples, sample a: expected targets ['z'], got 'y'; name it too"),
        (lambda: Corpus.from_samples([affect.Sample("a", {"x": np.ones((2, 3))}), affect.Sample("b", {"x": np.ones((2, 4))})]), "samples, all: x: sample a has 3 features and sample b 4; a modality has one size"),
        (lambda: Corpus.from_samples([affect.Sample("a", {"x": "so"})]), "samples, all: x must hold numbers, got 'so'; name it in `targets`, or call it `group` or `words`"),
        (lambda: Corpus.from_samples([affect.Sample("a", {"x": [1]}, words="a b", word_times=[0.0])]), "samples, all, sample a: times of words must have shape (2, 2) (start and end) or (2,) (instants), got (1,)"),
        (lambda: Corpus.from_samples([affect.Sample("a", {"x": [1]}, {"y": "s"})], {"y": "binari"}), "samples: targets: y: no kind 'binari'; did you mean 'binary'? known: binary, multiclass, multilabel, regression"),
    ],
)  # fmt: skip
def test_what_is_refused(make, message):
    with pytest.raises((DataError, ConfigError)) as error:
        make()
    assert str(error.value) == message
