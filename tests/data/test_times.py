"""Times are kept wherever samples with and without them come together."""

import numpy as np
import pytest

import affect
from affect.data import native
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Words, times_of
from affect.data.writer import CorpusWriter
from affect.errors import DataError

SECONDS = np.array([[0.0, 0.5], [0.5, 1.0]])
NAN = [[np.nan, np.nan]]


def a_split(one, timed, steps=2, words=True, groups=None):
    """One sample with times or without, or with nothing at all."""
    times = SECONDS[:steps] if timed else None
    return Split(
        (one,),
        {"ecg": Ragged.from_rows([np.full((steps, 1), ord(one))], 1, times=[times])},
        {},
        groups,
        Words.from_rows([["so", "good"][:steps]], [times]) if words else None,
    )


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([("a", True, 2), ("b", False, 0)], SECONDS.tolist()),
        ([("b", False, 0), ("a", True, 2)], SECONDS.tolist()),
        ([("a", True, 2), ("b", False, 1)], SECONDS.tolist() + NAN),
        ([("b", False, 1), ("a", True, 2)], NAN + SECONDS.tolist()),
        ([("a", False, 2), ("b", False, 1)], None),
        ([("a", False, 2), ("b", True, 0)], None),
        ([("a", True, 0), ("b", False, 0)], []),
    ],
)
def test_joining_keeps_times(parts, expected, tmp_path):
    splits = [a_split(*part) for part in parts]
    whole = Split.join(splits)
    with CorpusWriter(tmp_path / "a", "all") as growing:
        for split in splits:
            growing.append("all", split)
        grown = growing.finish("grown", {})["all"]
    native.save(Corpus("whole", {"all": whole}, {}), tmp_path / "b")
    for found in (whole, grown, affect.load(tmp_path / "b")["all"]):
        for rows in (found.modalities["ecg"], found.words):
            if expected is None:
                assert rows.times is None or np.isnan(rows.times).all()
            else:
                assert np.array_equal(rows.times, np.array(expected).reshape(-1, 2), equal_nan=True)
    for i, (_, timed, steps) in enumerate(parts):
        for rows in (whole.modalities["ecg"], whole.words):
            own = times_of(rows, i)
            assert own is None if not (timed and steps) else own.tolist() == SECONDS[:steps].tolist()


def test_growing_on_after_a_kill_keeps_times(tmp_path):
    with CorpusWriter(tmp_path / "a", "all") as growing:
        growing.append("all", a_split("a", False))
        growing.checkpoint(1)
        growing.append("all", a_split("b", True))
    with CorpusWriter(tmp_path / "a", "all") as growing:
        growing.append("all", a_split("c", True))
        growing.append("all", a_split("d", False, 1))
        grown = growing.finish("grown", {})["all"]
    assert grown.ids == ("a", "c", "d")
    assert np.array_equal(grown.modalities["ecg"].times, NAN * 2 + SECONDS.tolist() + NAN, equal_nan=True)


def test_growing_refuses_another_precision(tmp_path):
    piece = a_split("a", False)
    wide = Split(("b",), {"ecg": Ragged.from_offsets(np.ones((1, 1)), [0, 1])}, {}, None, piece.words)
    with CorpusWriter(tmp_path / "a", "all") as growing:
        growing.append("all", piece)
        with pytest.raises(DataError) as error:
            growing.append("all", wide)
    assert str(error.value) == (
        f"{tmp_path / 'a'}, all/modality/ecg/values: expected float32, got float64, at sample b"
    )


def test_joining_keeps_words_and_groups_of_some():
    whole = Split.join([a_split("a", True), a_split("b", True, words=False, groups=("x",))])
    assert [whole.words[i] for i in range(2)] == [["so", "good"], []]
    assert whole.words.times.tolist() == SECONDS.tolist()
    assert whole.groups == ("a", "x")
    bare = Split.join([a_split("a", True, words=False)] * 2)
    assert (bare.words, bare.groups) == (None, None)


def test_rows_with_masks_and_times():
    rows = Ragged.from_rows(
        [np.ones((2, 1)), None, np.ones((1, 1))],
        1,
        observed=[[True, False], None, None],
        times=[None, None, [[1, 2]]],
    )
    assert rows.observed.tolist() == [True, False, True]
    assert np.array_equal(rows.times, [*NAN, *NAN, [1, 2]], equal_nan=True)
    assert Ragged.from_rows([np.array([[1e300]])], 1).values.tolist() == [[np.inf]]
    assert Words.from_rows([["a"], []], [None, None]).times is None


ROWS = [np.ones((2, 1)), None]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ragged.from_rows(ROWS, 1, times=[SECONDS]), "times: expected one for each of 2 rows, got 1"),
        (lambda: Ragged.from_rows(ROWS, 1, times=[SECONDS[:1], None]), "times of row 0 must have shape (2, 2), got (1, 2)"),
        (lambda: Ragged.from_rows(ROWS, 1, observed=[None, [True]]), "observed of row 1 must have shape (0,), got (1,)"),
        (lambda: Words.from_rows([["a"]], [SECONDS]), "times of row 0 must have shape (1, 2), got (2, 2)"),
        (lambda: Ragged.join([Ragged.vectors([1.0]), Ragged.vectors([[1.0, 2.0]])]), "Ragged: parts with features of one size can be joined, got sizes [1, 2]"),
        (lambda: Split.join([Split(("a",), {}, {}), Split(("a",), {"ecg": Ragged.vectors([1.0])}, {})]), "Split.join: expected modalities [] in every part, got ['ecg']"),
        (lambda: Split.join([Split(("a",), {}, {"y": Ragged.vectors([1.0])}), Split(("a",), {}, {})]), "Split.join: expected targets ['y'] in every part, got []"),
    ],
)  # fmt: skip
def test_what_is_refused(make, message):
    with pytest.raises(DataError) as error:
        make()
    assert str(error.value) == message
