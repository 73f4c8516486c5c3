"""Exact decompositions: against dit's figures, and of tables whose parts are known."""

import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from affect.errors import DataError, ShapeError
from affect.interactions import Interactions, of_table

KNOWN = json.loads((Path(__file__).parent / "broja.json").read_text())


def table_of(label, values=2):
    """Two independent symbols, each value as probable as any other."""
    table = np.zeros((values, values, values * values))
    for x1, x2 in np.ndindex(values, values):
        table[x1, x2, label(x1, x2)] = 1 / values**2
    return table


def test_a_hundred_tables_agree_with_dit():
    """What dit's cone program makes of them: python -m experiments.interactions broja --out ..."""
    assert len(KNOWN) == 100
    for known in KNOWN:
        assert astuple(of_table(known["counts"])) == pytest.approx(known["parts"], abs=1e-6)


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        (lambda a, b: a ^ b, (0, 0, 0, 1)),
        (lambda a, b: a & b, (0.311278, 0, 0, 0.5)),
        (lambda a, b: a, (0, 1, 0, 0)),
        (lambda a, b: b, (0, 0, 1, 0)),
        (lambda a, b: 2 * a + b, (0, 1, 1, 0)),
        (lambda a, b: 0, (0, 0, 0, 0)),
    ],
    ids=["xor", "and", "copy of the first", "copy of the second", "both copied", "constant"],
)
def test_tables_whose_parts_are_known(label, parts):
    assert astuple(of_table(table_of(label))) == pytest.approx(parts, abs=1e-6)


def test_the_same_symbol_twice_is_redundant():
    assert astuple(of_table(np.eye(3)[:, None] * np.eye(3)[..., None])) == pytest.approx(
        (np.log2(3), 0, 0, 0), abs=1e-6
    )


def test_parts_of_independent_tables_add_up():
    rng = np.random.default_rng(0)
    one, other = (rng.dirichlet(np.ones(8)).reshape(2, 2, 2) for _ in range(2))
    both = np.einsum("abc,xyz->axbycz", one, other).reshape(4, 4, 4)
    assert np.add(astuple(of_table(one)), astuple(of_table(other))) == pytest.approx(
        astuple(of_table(both)), abs=1e-5
    )


def test_counts_are_probabilities_and_what_does_not_occur_changes_nothing():
    counts = np.random.default_rng(1).integers(0, 9, (3, 4, 3))
    wide = np.zeros((4, 5, 5))
    wide[1:, :4, [0, 2, 4]] = counts
    assert astuple(of_table(wide)) == pytest.approx(astuple(of_table(counts / counts.sum())), abs=1e-6)


def test_the_two_may_change_places():
    counts = np.random.default_rng(2).integers(0, 9, (3, 4, 3))
    found, turned = of_table(counts), of_table(counts.swapaxes(0, 1))
    assert found.unique_first == pytest.approx(turned.unique_second, abs=1e-6)
    assert found.synergy == pytest.approx(turned.synergy, abs=1e-6)


def test_sums_are_the_mutual_information():
    counts = np.random.default_rng(3).integers(1, 9, (3, 4, 3))
    p = counts / counts.sum()
    both = (p * np.log2(p / (p.sum(2, keepdims=True) * p.sum((0, 1))))).sum()
    one = p.sum(1)
    alone = (one * np.log2(one / (one.sum(1, keepdims=True) * one.sum(0)))).sum()
    found = of_table(counts)
    assert found.both == pytest.approx(both)
    assert found.first == pytest.approx(alone)
    assert found == Interactions.of(np.array(astuple(found)))


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (np.ones((2, 2)), ShapeError, "of_table: expected a table of shape (values of the first, values of the second, values of the target), got (2, 2)"),
        (np.zeros((2, 2, 2)), DataError, "of_table: expected probabilities or counts, at least one above zero, got zeros alone"),
        (-np.ones((2, 2, 2)), DataError, "of_table: expected probabilities or counts, at least one above zero, got negative numbers"),
        (np.full((2, 2, 2), np.nan), DataError, "of_table: expected probabilities or counts, at least one above zero, got NaN or infinite values"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(table, error, message):
    with pytest.raises(error) as caught:
        of_table(table)
    assert str(caught.value) == message
