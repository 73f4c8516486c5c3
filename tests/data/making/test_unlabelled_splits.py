"""Splits without a label, and ids as they are given."""

import numpy as np
import pytest

import affect
from affect.data.corpus import Corpus
from affect.data.targets import MultiClass, MultiLabel
from affect.errors import DataError

CLASSES = ("sad", "happy")


@pytest.mark.parametrize(
    ("target", "label", "none"),
    [
        (MultiClass("k", classes=CLASSES), "happy", None),
        (MultiClass("k", classes=CLASSES), None, None),
        (MultiClass("k", classes=CLASSES, per_step=True), ["happy", None, "sad"], [None]),
        (MultiClass("k", classes=CLASSES, per_step=True), ["happy", None, "sad"], []),
        (MultiLabel("k", classes=CLASSES), [1, 1], None),
        (MultiLabel("k", classes=CLASSES), None, None),
        (MultiLabel("k", classes=CLASSES, per_step=True), [[0, 1], [1, 1], [0, 0]], [[np.nan] * 2]),
        (MultiLabel("k", classes=CLASSES, per_step=True), [[0, 1], [1, 1], [0, 0]], []),
    ],
)
def test_a_split_without_labels_is_given_back(target, label, none):
    labelled = affect.Sample("a", {"ecg": np.ones((3, 1))}, {"k": label}, split="train")
    steps = np.ones((1 if none is None else len(none), 1))
    bare = affect.Sample("b", {"ecg": steps}, {"k": none}, split="test")
    corpus = Corpus.from_samples([labelled, bare], name="doc", targets={"k": target}, aligned=target.per_step)
    assert not corpus["test"].targets["k"].observed.any()
    again = Corpus.from_samples(corpus.samples(), corpus.targets, name="doc", aligned=target.per_step)
    assert again.targets == corpus.targets == {"k": target}
    for split in ("train", "test"):
        ours, theirs = corpus[split].targets["k"], again[split].targets["k"]
        assert ours.lengths.tolist() == theirs.lengths.tolist()
        assert ours.values.tolist() == theirs.values.tolist()
        assert ours.observed.tolist() == theirs.observed.tolist()


def test_names_in_one_split_and_numbers_in_another_stay_refused():
    samples = [
        affect.Sample(str(x), {"ecg": [1.0]}, {"k": x}, split=s) for x, s in (("sad", "train"), (1, "test"))
    ]
    with pytest.raises(DataError) as error:
        Corpus.from_samples(samples, targets={"k": MultiClass("k", classes=CLASSES)}, name="doc")
    assert str(error.value) == "doc: target 'k' holds names in one split and numbers in another"


def test_ids_stay_as_they_are_given():
    samples = [affect.Sample(one, {"e": [1.0]}) for one in (" a", "a")]
    assert Corpus.from_samples(samples, name="doc")["all"].ids == (" a", "a")
    with pytest.raises(DataError) as error:
        Corpus.from_samples([affect.Sample(" ", {"e": [1.0]})], name="doc")
    assert str(error.value) == "doc, all: the id of sample 0 is empty"


def test_lengths_beyond_int64():
    ecg = {"values": np.ones((2, 3), np.float32), "lengths": np.array([2**63] * 2, np.uint64)}
    with pytest.raises(DataError) as error:
        Corpus.from_arrays({"all": {"ecg": ecg}}, name="doc")
    assert str(error.value) == (
        "doc, all: ecg: the length of sample 0 must be a whole number of steps from 0 to 2,147,483,647, got 9,223,372,036,854,775,808"
    )
