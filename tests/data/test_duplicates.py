import re

import numpy as np
import pytest

import affect
from affect.data import native
from affect.data.corpus import Corpus, Split
from affect.data.duplicates import unique
from affect.data.ragged import Ragged
from affect.data.targets import Regression
from affect.errors import DataError


def a_corpus(**ids):
    splits, begin = {}, 0
    for name, own in ids.items():
        values = np.arange(begin, begin + len(own), dtype=float)
        splits[name] = Split(
            tuple(own), {"ecg": Ragged.vectors(np.stack([values, -values], 1))}, {"y": Ragged.vectors(values)}
        )
        begin += len(own)
    return Corpus("toy", splits, {"y": Regression("y")})


TWICE = {"train": ["a", "b", "a", "c"], "valid": ["b"], "test": ["d", "a"]}


def test_they_are_refused_with_the_first_ones_and_where_they_stand():
    message = (
        "toy: 2 ids occur more than once: 'a', 'b'; 'a' in train (2), test (1); make them unique, "
        "or choose duplicates: number, or first"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        unique(a_corpus(**TWICE))


def test_numbers_follow_the_order_of_splits_and_samples():
    corpus = unique(a_corpus(**TWICE), "number")
    assert [corpus[name].ids for name in TWICE] == [("a[0]", "b[0]", "a[1]", "c"), ("b[1]",), ("d", "a[2]")]
    assert corpus.notes == (
        "2 ids occur more than once, such as 'a', 'b': they are numbered, 'a[0]' and so on.",
    )
    assert corpus["test"].labels("y").ravel().tolist() == [5, 6]


def test_a_number_is_never_an_id_that_is_there():
    assert unique(a_corpus(all=["a", "a[0]", "a", "a[2]", "a"]), "number")["all"].ids == (
        "a[1]", "a[0]", "a[3]", "a[2]", "a[4]",
    )  # fmt: skip


def test_the_first_alone_is_kept():
    corpus = unique(a_corpus(**{**TWICE, "valid": ["b", "e"]}), "first")
    assert [corpus[name].ids for name in TWICE] == [("a", "b", "c"), ("e",), ("d",)]
    assert [corpus[name].labels("y").ravel().tolist() for name in TWICE] == [[0, 1, 3], [5], [6]]
    assert corpus.notes == (
        "2 ids occur more than once, such as 'a', 'b': 3 samples behind the first of each are left out.",
    )
    with pytest.raises(
        DataError, match="^toy, valid: all its ids occur before; nothing is left of the split$"
    ):
        unique(a_corpus(**TWICE), "first")


def test_a_corpus_without_any_is_itself():
    corpus = a_corpus(train=["a", "b"], test=["c"])
    assert unique(corpus) is corpus
    assert unique(twice := a_corpus(**TWICE), "keep") is twice


def test_a_native_file_that_has_some_opens_numbered(tmp_path):
    native.save(a_corpus(**TWICE), path := tmp_path / "a.safetensors")
    corpus = affect.load(path)
    assert corpus["train"].ids == ("a[0]", "b[0]", "a[1]", "c")
    assert "they are numbered" in corpus.notes[-1]
    assert affect.load(path, duplicates="keep")["train"].ids == tuple(TWICE["train"])
    native.save(corpus, path)
    assert affect.load(path).notes == corpus.notes
