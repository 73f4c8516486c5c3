import numpy as np
import pytest

from affect.data.rules.padding import extent, holding, unpad

RNG = np.random.default_rng(0)


def padded(lengths, side, time=9, dim=4):
    values = np.zeros((len(lengths), time, dim))
    for row, length in zip(values, lengths, strict=True):
        place = slice(0, length) if side == "back" else slice(time - length, time)
        row[place] = RNG.normal(size=(length, dim))
    return values


@pytest.mark.parametrize("side", ["front", "back"])
def test_true_lengths_and_the_side_of_the_padding_are_found(side):
    lengths = [9, 3, 1, 5]
    values = padded(lengths, side)
    begin, found, where = extent(holding(values))
    assert (found.tolist(), where) == (lengths, side)
    rows = unpad(values, begin, found)
    for i, length in enumerate(lengths):
        expected = values[i, :length] if side == "back" else values[i, 9 - length :]
        assert np.array_equal(rows[i], expected)


def test_a_sample_of_zeros_has_no_steps():
    values = padded([4, 0], "front")
    begin, lengths, _ = extent(holding(values))
    assert unpad(values, begin, lengths).lengths.tolist() == [4, 0]
    assert extent(np.zeros((2, 3), dtype=bool))[1].tolist() == [0, 0]


def test_without_padding_every_step_counts():
    values = RNG.normal(size=(3, 9, 4))
    values[1, 4] = 0
    held = holding(values)
    begin, lengths, side = extent(held)
    assert (begin.tolist(), lengths.tolist(), side) == ([0, 0, 0], [9, 9, 9], "none")
    assert (
        unpad(values, begin, lengths, held).observed.reshape(3, 9)[1].tolist()
        == [True] * 4 + [False] + [True] * 4
    )


def test_empty_steps_at_the_other_edge_belong_to_the_sample():
    values = padded([4, 6], "front")
    values[0, -1] = 0
    assert extent(holding(values))[1].tolist() == [4, 6]


def test_a_first_feature_of_zero_does_not_hide_a_step():
    values = padded([9] * 600, "back")
    values[..., 0] = 0
    assert holding(values).all()
    inside = np.arange(9) < 3
    assert np.array_equal(
        holding(values, np.broadcast_to(inside, (600, 9))), np.broadcast_to(inside, (600, 9))
    )


def test_nothing_is_copied():
    values = padded([9, 3], "back")
    assert np.shares_memory(unpad(values, *extent(holding(values))[:2]).values, values)


def test_a_step_of_nan_only_holds_nothing():
    values = padded([4, 6], "back")
    values[0, 4:] = np.nan
    values[1, 2, 0] = np.nan
    values[1, 3] = [np.nan, 0, np.nan, 0]
    held = holding(values)
    assert np.array_equal(held, (values != 0).any(-1) & ~np.isnan(values).all(-1))
    assert (held[0].sum(), held[1].sum()) == (4, 6)
    assert extent(held)[1].tolist() == [4, 6]
