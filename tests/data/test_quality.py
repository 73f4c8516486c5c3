import hashlib

import numpy as np
import pytest

import affect
from affect.data import corpora
from affect.data.corpus import Corpus, Split
from affect.data.quality import Columns, empty_steps, lag, sha256
from affect.data.ragged import Ragged, Words
from affect.data.targets import Regression
from affect.report.inspection import describe, warnings

RNG = np.random.default_rng(0)


def test_columns_are_counted_over_observed_steps():
    values = RNG.normal(size=(6, 4))
    values[0, 1], values[1, 1], values[2, 2], values[3, 3] = np.nan, np.nan, -np.inf, np.inf
    values[:, 0] = 7
    values[5] = [np.nan, np.nan, np.nan, np.nan]
    observed = np.array([True] * 5 + [False])
    found = Columns.of(Ragged.from_rows([values[:2], values[2:]], 4).keep(observed))
    assert (found.nan.tolist(), found.infinite.tolist()) == ([0, 2, 0, 0], [0, 0, 1, 1])
    assert found.constant.tolist() == [True, False, False, False]
    finite = np.where(np.isfinite(values[:5]), values[:5], np.nan).astype(np.float32)
    assert np.array_equal(found.low, np.nanmin(finite, 0))
    assert np.array_equal(found.high, np.nanmax(finite, 0))


def test_mean_and_spread_are_those_of_all_blocks_together():
    dim = 2**17  # two steps to a block
    values = RNG.normal(size=(7, dim)) * 3 + 1e4
    values[0, :5], values[1:, 1], values[:, 2] = np.inf, np.nan, np.nan
    found = Columns.of(Ragged.from_rows([values[:3], values[3:]], dim))
    finite = np.where(np.isfinite(values), values, np.nan).astype(np.float32).astype(np.float64)
    some = np.isfinite(finite).any(0)
    assert not found.mean[~some].any()
    assert not found.spread[~some].any()
    assert np.allclose(found.mean[some], np.nanmean(finite[:, some], 0), rtol=1e-12)
    assert np.allclose(found.spread[some], np.nanstd(finite[:, some], 0), rtol=1e-9, atol=1e-9)


def test_a_modality_without_steps():
    found = Columns.of(Ragged.from_rows([None, None], 2))
    assert found.mean.tolist() == found.spread.tolist() == [0, 0]
    assert not found.nan.any()
    assert not found.constant.any()


def test_steps_of_zeros_are_counted_where_they_are_observed():
    rows = Ragged.from_rows([np.zeros((3, 2)), np.ones((1, 2))], 2)
    assert empty_steps(rows) == 3
    assert empty_steps(rows.keep(np.array([True, False, False, True]))) == 1


@pytest.mark.parametrize("places", [-1, 0, 1])
def test_shifted_words_are_noticed(places):
    sizes = RNG.integers(1, 12, 400)
    tokens = ["x" * n for n in sizes]
    ends = np.cumsum(0.06 * sizes + RNG.uniform(0, 0.05, 400))
    times = np.stack([np.concatenate([[0], ends[:-1]]), ends], 1)
    shifted = [tokens[(i - places) % 400] for i in range(400)]
    assert lag(Words.from_offsets(shifted, np.array([0, 400]), times)) == places


def test_words_whose_lengths_say_nothing_are_not_called_shifted():
    times = np.stack([np.arange(400.0), np.arange(400.0) + RNG.uniform(0.1, 0.9, 400)], 1)
    tokens = ["x" * n for n in RNG.integers(1, 12, 400)]
    offsets = np.array([0, 400])
    assert lag(Words.from_offsets(tokens, offsets, times)) == 0
    assert lag(Words.from_offsets(["x"] * 400, offsets, times)) == 0
    assert lag(Words.from_offsets(tokens, offsets)) == 0


def test_the_shifted_file_of_mosi_is_noticed(real_data):
    corpus = affect.load(real_data / "mosi" / "CMU_MOSI_ModifiedTimestampedWords.csd")
    assert [lag(split.words) for split in corpus.splits.values()] == [1, 1, 1]
    mended = affect.load(real_data / "mosi" / "mosi_words_shiftfixed.csd")
    assert [lag(split.words) for split in mended.splits.values()] == [0, 0, 0]


def test_checksums(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    known = corpora.CORPORA["mosi"].checksums["aligned_50.pkl"]
    assert corpora.published_file(known) == "CMU-MOSI, aligned_50.pkl"
    assert corpora.published_file("0" * 64) == ""
    assert all(len(sha) == 64 for corpus in corpora.CORPORA.values() for sha in corpus.checksums.values())


def test_folds_are_disjoint_and_as_many_as_published():
    for name, counts in (("mosi", (52, 10, 31)), ("mosei", (2250, 300, 678)), ("pom", (600, 100, 203))):
        splits = list(corpora.folds()[name].values())
        assert tuple(splits.count(split) for split in ("train", "valid", "test")) == counts
    both = sorted(corpora.folds()["pom"].keys() & corpora.folds()["mosei"].keys())
    assert corpora.recognise(both) == "pom"  # 459 of the 903 videos of POM, and of the 3228 of MOSEI
    assert corpora.recognise(corpora.folds()["mosei"]) == "mosei"
    assert corpora.recognise([]) == ""


def a_corpus():
    """With everything that spoils results."""
    values = RNG.normal(size=(6, 3))
    values[0, 1], values[3, 2] = np.nan, -np.inf
    values[:, 0] = 1
    values[5] = 0
    train = Split(
        ids=("v$_$1", "v$_$1", "w$_$2"), modalities={"ecg": Ragged.from_rows([values[:2], values[2:5], values[5:]], 3)},
        targets={"y": Ragged.vectors(np.array([1.0, 5.0, 0.0]), np.array([True, True, False]))}, groups=("v", "v", "w"),
    )  # fmt: skip
    test = Split(
        ids=("w$_$2",), modalities={"ecg": Ragged.from_rows([RNG.normal(size=(4, 3))], 3)},
        targets={"y": Ragged.vectors(np.array([1.0]))}, groups=("w",),
    )  # fmt: skip
    return Corpus(
        "toy", {"train": train, "test": test}, {"y": Regression("y", low=-3, high=3)}, notes=("Beware.",)
    )


def test_everything_that_spoils_results_is_said():
    corpus = a_corpus()
    columns = {
        (name, m): Columns.of(rows)
        for name, split in corpus.splits.items()
        for m, rows in split.modalities.items()
    }
    assert list(warnings(corpus, columns)) == [
        "train: 1 ids occur more than once, the first is v$_$1",
        "train, ecg: 1 NaN values, in columns 1",
        "train, ecg: 1 infinite values, in columns 2",
        "train, ecg: 1 of 6 steps hold only zeros and count as observed: were they measured?",
        "train: 1 samples have no label 'y'",
        "train: 1 labels 'y' lie outside [-3, 3]",
        "1 ids are in more than one split, such as w$_$2",
        "1 groups are in more than one split, such as w",
    ]


def test_the_counts_are_held_against_the_published_ones(tmp_path):
    videos = [v for v, split in corpora.folds()["mosi"].items() if split == "test"]
    split = Split(
        ids=tuple(videos),
        modalities={},
        targets={"sentiment": Ragged.vectors(np.zeros(len(videos)))},
        groups=tuple(videos),
    )
    corpus = Corpus("mine", {"test": split}, {"sentiment": Regression("sentiment", low=-3, high=3)})
    said = list(warnings(corpus, {}))
    assert said[0] == (
        "not the counts published for CMU-MOSI (train 1,284, valid 229, test 686): figures are not comparable"
    )
    assert said[1] == "test: all labels 'sentiment' are the same"
    path = tmp_path / "any.csd"
    path.write_bytes(b"x")
    lines = [part for part in describe(corpus, path) if isinstance(part, str)]
    assert f"SHA-256: {sha256(path)}, of no published file" in lines
