import re

import numpy as np
import pytest

import affect
from affect.data.classes import with_kinds
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged
from affect.data.sources.options import Options
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError, DataError


def a_corpus(labels, target=None, observed=None):
    target = target or Regression("e")
    labels = np.asarray(labels, dtype=float)
    rows = Ragged.vectors(labels, observed)
    half = len(labels) // 2
    whole = Split(tuple(f"s{i}" for i in range(len(labels))), {}, {"e": rows})
    parts = {"train": whole.take(np.arange(half)), "test": whole.take(np.arange(half, len(labels)))}
    return Corpus("toy", parts, {"e": target})


def labels_of(corpus):
    return [corpus[name].labels("e").ravel().tolist() for name in ("train", "test")]


def test_codes_are_those_of_all_splits_in_ascending_order():
    corpus = with_kinds(a_corpus([3, 1, 3, 10, 1, 7]), {"e": {"kind": "multiclass"}})
    assert corpus.target() == MultiClass("e", classes=("1", "3", "7", "10"))
    assert labels_of(corpus) == [[1, 0, 1], [3, 0, 2]]


def test_classes_may_have_names():
    wanted = {"e": {"kind": "multiclass", "classes": ["sad", "happy"]}}
    assert with_kinds(a_corpus([-1, 1]), wanted).target() == MultiClass("e", classes=("sad", "happy"))


def test_two_codes_are_binary_and_the_greater_is_yes():
    corpus = with_kinds(a_corpus([-1, 1, 1, -1]), {"e": {"kind": "binary"}})
    assert (corpus.target(), labels_of(corpus)) == (Binary("e"), [[0, 1], [1, 0]])


def test_a_label_that_is_not_given_stays_so():
    observed = np.array([True, False, True, True])
    corpus = with_kinds(a_corpus([5, 99, 2, 5], observed=observed), {"e": {"kind": "multiclass"}})
    assert corpus.target() == MultiClass("e", classes=("2", "5"))
    assert labels_of(corpus) == [[1], [0, 1]]
    assert corpus["train"].targets["e"].present.tolist() == [True, False]


def test_kinds_that_are_there_and_scales():
    assert with_kinds(a_corpus([0, 1], Binary("e")), {"e": {"kind": "regression"}}).target() == Regression(
        "e"
    )
    two = MultiClass("e", classes=("no", "yes"))
    happy = {"e": {"kind": "binary", "classes": ["yes", "no"]}}
    assert labels_of(with_kinds(a_corpus([0, 1], two), happy)) == [[1], [0]]
    many = a_corpus([[0, 1], [1, 1]], MultiLabel("e", classes=("a", "b")))
    assert with_kinds(many, {"e": {"kind": "multilabel", "classes": ["a", "b"]}}) is many
    assert with_kinds(a_corpus([0, 1], two), {"e": {"kind": "binary"}}).target() == Binary("e")
    turned = with_kinds(a_corpus([0, 1, 1, 0], two), {"e": {"kind": "multiclass", "classes": ["yes", "no"]}})
    assert (turned.target().classes, labels_of(turned)) == (("yes", "no"), [[1, 0], [0, 1]])
    scaled = with_kinds(a_corpus([0, 1]), {"e": {"kind": "regression", "low": -1, "high": 1}})
    assert scaled.target() == Regression("e", low=-1, high=1)
    assert with_kinds(corpus := a_corpus([0, 1]), {"e": {"kind": "regression"}}) is corpus


@pytest.mark.parametrize(
    ("corpus", "kinds", "error", "message"),
    [
        (a_corpus([0, 1]), {"f": {"kind": "binary"}}, ConfigError, "toy: targets: no target 'f'; known: e"),
        (
            a_corpus([0, 1]), {"e": {"kind": "multiclas"}}, ConfigError,
            "toy: targets: e: no kind 'multiclas'; did you mean 'multiclass'? known: binary, multiclass, multilabel, regression",
        ),
        (
            a_corpus([0, 1]), {"e": {"kind": "binary", "low": 0}}, ConfigError,
            "toy: targets: e: binary has no 'low'; known: classes",
        ),
        (
            a_corpus([0, 1]), {"e": {"kind": "binary", "classes": ["no", "yes"]}}, ConfigError,
            "toy: targets: e: numbers have no names of classes; the greater is yes",
        ),
        (
            a_corpus([0, 1]), {"e": {"kind": "multilabel"}}, DataError,
            "toy: targets: e: a Regression cannot be multilabel",
        ),
        (
            a_corpus([0, 0.5]), {"e": {"kind": "multiclass"}}, DataError,
            "toy: targets: e: codes of classes are whole numbers, got 0.5",
        ),
        (
            a_corpus([0, 1, 2, 2]), {"e": {"kind": "binary"}}, DataError,
            "toy: targets: e: a binary target has two classes, got 3: 0, 1, 2",
        ),
        (
            a_corpus([0, 1]), {"e": {"kind": "multiclass", "classes": ["sad"]}}, DataError,
            "toy: targets: e: expected a name for each of the 2 classes 0, 1, got 1",
        ),
        (
            a_corpus([0, 1], MultiClass("e", classes=("a", "b"))), {"e": {"kind": "regression"}}, DataError,
            "toy: targets: e: its labels are names of classes, which are no numbers",
        ),
        (
            a_corpus([0, 1], MultiClass("e", classes=("a", "b"))),
            {"e": {"kind": "multiclass", "classes": ["a", "c"]}}, DataError,
            "toy: targets: e: its classes are named a, b; `classes` can only put them in another order, got a, c",
        ),
        (
            a_corpus([[0, 1], [1, 1]], MultiLabel("e", classes=("a", "b"))), {"e": {"kind": "binary"}}, DataError,
            "toy: targets: e: a MultiLabel of 2 labels cannot be binary",
        ),
    ],
)  # fmt: skip
def test_refusals(corpus, kinds, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        with_kinds(corpus, kinds)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"columns": "confidence"}, "columns: expected a list of names, got 'confidence'"),
        ({"prefixes": [3]}, "prefixes: expected a list of names, got [3]"),
        (
            {"duplicates": "numbr"},
            "duplicates: no 'numbr'; did you mean 'number'? known: first, keep, number, refuse",
        ),
        ({"targets": ["e"]}, "targets: expected a name and a kind for each, got ['e']"),
        ({"targets": {"e": 3}}, "targets: e: expected a kind, as in {kind: multiclass}, got 3"),
    ],
)
def test_options_of_another_form_are_refused(given, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Options.of(**given)


def test_loading_takes_kinds_and_refuses_columns_that_are_not_there(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"s{i},{i % 6},{'train' if i < 20 else 'test'},{i / 10}" for i in range(30)]
    path.write_text("\n".join(["id,emotion,split,ecg.hr", *rows]))
    corpus = affect.load(path, targets={"emotion": "multiclass"})
    assert corpus.target() == MultiClass("emotion", classes=tuple("012345"))
    assert corpus["test"].labels("emotion").ravel().tolist() == [i % 6 for i in range(20, 30)]
    message = f"{path}: columns: no column 'confidence'; known: emotion, hr"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        affect.load(path, columns=["confidence"])
