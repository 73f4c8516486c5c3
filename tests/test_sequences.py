import re

import pytest
import torch

from affect.errors import ShapeError
from affect.sequences import Batch, Sequence


def test_unobserved_values_are_zero_whatever_lay_there():
    x = Sequence(torch.full((1, 3, 2), torch.nan), torch.tensor([[True, False, False]]))
    assert x.values[0, 1:].eq(0).all()
    assert x.values[0, 0].isnan().all()


def test_no_gradient_reaches_an_unobserved_step():
    values = torch.ones(1, 2, 1, requires_grad=True)
    Sequence(values, torch.tensor([[True, False]])).values.sum().backward()
    assert values.grad.flatten().tolist() == [1, 0]


def test_presence_and_lengths_come_from_the_mask():
    x = Sequence(torch.ones(3, 2, 1), torch.tensor([[True, True], [False, True], [False, False]]))
    assert x.lengths.tolist() == [2, 1, 0]
    assert x.present.tolist() == [True, True, False]
    assert x.mean().flatten().tolist() == [1, 1, 0]


def test_a_vector_is_a_sequence_of_one_step():
    x = Sequence.vector(torch.ones(2, 3), torch.tensor([True, False]))
    assert x.values.shape == (2, 1, 3)
    assert x.present.tolist() == [True, False]


def test_keeping_fewer_steps_moves_nothing():
    x = Sequence.full(torch.arange(6.0).view(1, 3, 2)).keep(torch.tensor([True, False, True]))
    assert x.values[0].tolist() == [[0, 1], [0, 0], [4, 5]]


def test_a_batch_moves_and_casts_as_one():
    x = Sequence.full(torch.ones(2, 3, 4))
    batch = Batch({"ecg": x}, Sequence.vector(torch.zeros(2, 1)), ("a", "b")).to(torch.float64)
    assert batch.inputs["ecg"].values.dtype == batch.target.values.dtype == torch.float64
    assert batch.inputs["ecg"].mask.dtype == torch.bool


@pytest.mark.parametrize(
    ("values", "mask", "message"),
    [
        (
            torch.ones(2, 3),
            torch.ones(2, 3, dtype=torch.bool),
            "Sequence: values must be floating point of shape (batch, time, feature), "
            "got torch.float32 of shape (2, 3)",
        ),
        (
            torch.ones(2, 3, 4, dtype=torch.int64),
            torch.ones(2, 3, dtype=torch.bool),
            "Sequence: values must be floating point of shape (batch, time, feature), "
            "got torch.int64 of shape (2, 3, 4)",
        ),
        (
            torch.ones(2, 3, 4),
            torch.ones(2, 3),
            "Sequence: mask must be torch.bool of shape (2, 3), got torch.float32 of shape (2, 3)",
        ),
        (
            torch.ones(2, 3, 4),
            torch.ones(3, 2, dtype=torch.bool),
            "Sequence: mask must be torch.bool of shape (2, 3), got torch.bool of shape (3, 2)",
        ),
    ],
)
def test_refusals(values, mask, message):
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        Sequence(values, mask)
