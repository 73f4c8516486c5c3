import hashlib

import numpy as np
import pytest

import affect
from affect.data import corpora
from affect.data.corpus import Corpus, Split
from affect.data.native import save
from affect.data.precision import LIMIT, beyond, in_float32_range
from affect.data.quality import (
    Columns,
    empty_samples,
    empty_samples_notes,
    empty_steps,
    lag,
    sha256,
    with_notes,
)
from affect.data.ragged import Ragged, Words

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


def test_what_float32_cannot_hold_is_infinite_and_counted_apart():
    values = RNG.normal(size=(500, 3))
    values[7, 1], values[8, 1], values[9, 1], values[10, 2], values[11, 2] = (
        1e300,
        -1e39,
        np.inf,
        np.nan,
        -np.inf,
    )
    rows = Ragged.from_offsets(values, np.array([0, 100, 500]))
    found, usual = Columns.of(rows), np.where(np.abs(values) < 1e38, values, np.nan)
    assert (found.infinite.tolist(), found.beyond.tolist(), found.nan.tolist()) == (
        [0, 3, 1],
        [0, 2, 0],
        [0, 0, 1],
    )
    for got, right in ((found.mean, np.nanmean(usual, 0)), (found.spread, np.nanstd(usual, 0))):
        np.testing.assert_allclose(got, right, rtol=1e-12)
    assert np.array_equal(found.high, np.nanmax(usual, 0))
    assert values[7, 1] == 1e300  # the corpus is as it was
    single = Columns.of(Ragged.from_rows([values], 3))
    assert (single.infinite.tolist(), single.beyond.tolist()) == ([0, 3, 1], [0, 0, 0])
    both = Columns.of(Ragged.from_offsets(np.array([[1e300], [-1e300], [2.0]]), np.array([0, 3])))
    assert (both.mean.tolist(), both.infinite.tolist()) == ([2], [2])


def test_float32_is_said_to_hold_what_it_holds():
    below = np.nextafter(LIMIT, 0)
    values = np.array([LIMIT, -LIMIT, below, -below, 3.5e38, np.inf, np.nan, 0.0])
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    assert np.array_equal(beyond(values), np.isinf(single) & np.isfinite(values))
    for kind in (np.float64, np.longdouble):
        assert np.array_equal(np.isinf(in_float32_range(values.astype(kind))), np.isinf(single))
    for kind in (np.float16, np.float32):
        with np.errstate(over="ignore"):
            small = values.astype(kind)
        assert not beyond(small).any()
        assert np.array_equal(in_float32_range(small), small.astype(np.float64), equal_nan=True)


def test_blocks_and_batches_hold_the_same_without_a_warning():
    values = np.array([[1e300, 1.0], [-1e39, np.nan], [LIMIT, -np.inf]])
    rows = Ragged.from_offsets(values, np.array([0, 2, 3])).take(np.array([1, 0]))
    batch = rows.pad(np.array([0, 1])).values.numpy()
    blocks = np.concatenate(list(rows.chunks(1)))
    np.testing.assert_array_equal(blocks, np.concatenate([batch[0, :1], batch[1]]))
    assert np.isinf(blocks[:, 0]).all()
    labels = Ragged.vectors(np.array([1e300, 1.0]))
    assert labels.values.ravel().tolist() == [np.inf, 1]


def parts(**rows):
    return {name: Ragged.from_rows(x, 1) for name, x in rows.items()}


ONE = np.ones((2, 1))


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        (Split(tuple("abc"), parts(ecg=[ONE, None, None], eeg=[None, ONE, None]), {}), [2]),
        (Split(tuple("ab"), parts(ecg=[ONE, ONE]), {}), []),
        (Split(tuple("ab"), {"ecg": Ragged.from_rows([ONE, ONE], 1).keep(np.array([False, True, False, False]))}, {}), [1]),
        (Split(tuple("ab"), parts(ecg=[None, None]), {}), [0, 1]),
        (Split(tuple("ab"), parts(ecg=[None, None]), {}, words=Words.from_rows([["so"], []])), [1]),
        (Split(tuple("ab"), {}, {}, words=Words.from_rows([["so"], []])), [1]),
        (Split(tuple("ab"), {}, {}), []),  # labels alone
        (Split(tuple("abc"), parts(ecg=[ONE, None, None]), {}).take(np.array([2, 0])), [0]),
    ],
)  # fmt: skip
def test_samples_that_hold_nothing(split, rows):
    assert empty_samples(split) == rows


def test_what_holds_nothing_is_noted_once_and_anew_where_it_changed(tmp_path):
    split = Split(tuple("abcd"), parts(ecg=[ONE, None, None, ONE], eeg=[None, ONE, None, None]), {})
    test = Split(("e",), parts(ecg=[ONE], eeg=[None]), {})
    corpus = with_notes(Corpus("c", {"train": split, "test": test}, {}, notes=("Beware.",)))
    assert corpus.notes == (
        "Beware.",
        "train: 1 of 4 samples hold nothing in any modality, such as 'c'.",
    )
    assert with_notes(corpus) is corpus
    save(corpus, tmp_path / "c.safetensors")
    assert affect.load(tmp_path / "c.safetensors").notes == corpus.notes
    save(corpus.select(["eeg"]), tmp_path / "eeg.safetensors")
    assert affect.load(tmp_path / "eeg.safetensors").notes == (
        "Beware.",
        "train: 3 of 4 samples hold nothing in any modality, such as 'a'.",
        "test: 1 of 1 samples hold nothing in any modality, such as 'e'.",
    )
    assert (
        empty_samples_notes(corpus.select(["eeg"]).splits)
        == affect.load(tmp_path / "eeg.safetensors").notes[1:]
    )


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
