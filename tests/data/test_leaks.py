from math import comb, factorial

import numpy as np
import pytest

from affect.data.corpus import Corpus, Split
from affect.data.leaks import Leak, leaks
from affect.data.ragged import Ragged
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression

RNG = np.random.default_rng(0)
NUMBER, YES = Regression("y"), Binary("y")
CLASS = MultiClass("y", classes=tuple("abcd"))


def found(columns, label, target, observed=None):
    """What is found in a modality of these columns."""
    values = np.stack([np.asarray(x, dtype=np.float64) for x in columns], 1)
    rows = Ragged.from_offsets(values, np.arange(len(values) + 1), observed)
    split = Split(
        tuple(map(str, range(len(values)))), {"ecg": rows}, {"y": Ragged.vectors(np.asarray(label))}
    )
    return [(leak.column, leak.equal) for leak in leaks(Corpus("c", {"all": split}, {"y": target}))]


Y = RNG.normal(size=60)
C = RNG.integers(0, 4, 60)
NOISE = RNG.normal(size=60)


@pytest.mark.parametrize(
    ("column", "label", "target", "kinds"),
    [
        (Y, Y, NUMBER, [(0, True)]),
        (-np.exp(Y), Y, NUMBER, [(0, False)]),  # in the order of the labels
        (np.round(Y), Y, NUMBER, [(0, False)]),  # a step function of them
        (Y, np.round(Y), NUMBER, [(0, False)]),  # they are one of the column
        (Y > 0, Y, NUMBER, [(0, False)]),
        (Y > 0, Y > 0, YES, [(0, True)]),
        (Y, Y > 0, YES, [(0, False)]),
        (-Y, Y > 0, YES, [(0, False)]),
        (C, C, CLASS, [(0, True)]),
        ((C + 1) % 4, C, CLASS, [(0, False)]),  # other codes of the classes
        (C + RNG.uniform(0, 0.5, 60), C, CLASS, [(0, False)]),  # the classes lie apart
        (C == 2, C, CLASS, [(0, False)]),  # one of them
        (NOISE, Y, NUMBER, []),
        (NOISE, Y > 0, YES, []),
        (NOISE, C, CLASS, []),
        (np.zeros(60), Y, NUMBER, []),
        (Y, np.zeros(60), NUMBER, []),
        (np.where(np.arange(60) == Y.argmax(), -9, Y), Y, NUMBER, []),  # one is out of order
        (np.arange(60) == Y.argmax(), Y, NUMBER, []),  # one sample of 60 may well be the last one
        (np.abs(Y), Y, NUMBER, []),
    ],
)  # fmt: skip
def test_what_gives_a_target_away(column, label, target, kinds):
    assert found([column], label, target) == kinds


def test_numbers_are_compared_in_float32_and_missing_ones_not_at_all():
    column = np.where(np.arange(60) % 7 == 0, np.nan, Y)
    column[3] = 1e300
    assert found([NOISE, column], Y, NUMBER) == [(1, True)]
    assert found([np.full(60, np.nan)], Y, NUMBER) == []


def test_few_samples_are_no_evidence():
    for count in range(2, 20):
        y = RNG.normal(size=count)
        told = found([y, 2 * y], y, NUMBER)
        assert ((0, True) in told) == (1 / factorial(count) * 2 < 1e-2)
        assert ((1, False) in told) == (2 / factorial(count) * 2 < 1e-6)
    for count in range(2, 40, 2):
        y = np.arange(count) % 2
        told = found([y, 1 - y], y, YES)
        assert ((0, True) in told) == (1 / comb(count, count // 2) * 2 < 1e-2)
        assert ((1, False) in told) == (2 / comb(count, count // 2) * 2 < 1e-6)


def test_noise_is_left_alone():
    for count, dim in ((6, 300), (12, 200), (30, 200)):
        kinds = [
            RNG.normal(size=(count, dim)),
            RNG.integers(0, 2, (count, dim)),
            RNG.random((count, dim)) < 0.1,
        ]
        columns = np.concatenate(kinds, 1).T
        for target, label in ((NUMBER, RNG.normal(size=count)), (YES, RNG.integers(0, 2, count)), (CLASS, RNG.integers(0, 4, count))):  # fmt: skip
            assert found(columns, label, target) == []


def test_a_column_that_changes_within_a_sample_is_a_feature():
    lengths = np.array([3, 0, *RNG.integers(1, 4, 40)])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    label = RNG.normal(size=42)
    values = np.stack([np.repeat(label, lengths)] * 3, 1)
    values[1, 1] += 1  # within the first sample
    observed = RNG.random(len(values)) < 0.8
    observed[:3] = [False, True, True]
    values[~observed, 2] = 7  # nothing was observed there
    values[1, 2] += 0
    rows = Ragged.from_offsets(values, offsets, observed)
    split = Split(tuple(map(str, range(42))), {"ecg": rows}, {"y": Ragged.vectors(label, np.arange(42) != 9)})
    count = int((rows.present & (np.arange(42) != 9)).sum())
    for part in (split, split.take(RNG.permutation(42))):
        assert list(leaks(Corpus("c", {"all": part}, {"y": NUMBER}))) == [
            Leak("ecg", 0, "y", True, {"all": count}), Leak("ecg", 2, "y", True, {"all": count}),
        ]  # fmt: skip


def test_every_step_counts_where_the_target_is_per_step():
    lengths = RNG.integers(1, 9, 20)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    label = RNG.integers(0, 2, offsets[-1])
    observed = RNG.random(offsets[-1]) < 0.9
    values = np.stack([label, RNG.normal(size=len(label))], 1).astype(np.float32)
    target = Binary("y", per_step=True)
    labels = Ragged.from_offsets(label[:, None].astype(np.float32), offsets, observed)
    split = Split(tuple(map(str, range(20))), {"ecg": Ragged.from_offsets(values, offsets)}, {"y": labels})
    corpus = Corpus("c", {"all": split}, {"y": target}, aligned=True)
    assert list(leaks(corpus)) == [Leak("ecg", 0, "y", True, {"all": int(observed.sum())})]


def test_each_of_several_labels_and_each_split_by_itself():
    label = RNG.integers(0, 2, (60, 2))
    split = Split(
        tuple(map(str, range(60))),
        {"ecg": Ragged.vectors(np.stack([NOISE, label[:, 1]], 1)), "eeg": Ragged.vectors(NOISE)},
        {"y": Ragged.vectors(label)},
    )
    few = split.take(np.arange(4))
    hidden = Split(few.ids, few.modalities, {"y": Ragged.vectors(np.zeros((4, 2)))})
    corpus = Corpus(
        "c", {"train": split, "valid": few, "test": hidden}, {"y": MultiLabel("y", classes=("happy", "sad"))}
    )
    assert list(leaks(corpus)) == [Leak("ecg", 1, "y, sad", True, {"train": 60})]


def test_nothing_to_compare():
    empty = Split(
        ("a",), {"ecg": Ragged.from_rows([None], 1)}, {"y": Ragged.vectors(np.ones(1), np.array([False]))}
    )
    assert list(leaks(Corpus("c", {"all": empty}, {"y": NUMBER}))) == []
