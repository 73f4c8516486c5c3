import re

import numpy as np
import pytest
import torch

from affect.aligners.resampling import extent, resample, resample_to
from affect.errors import ConfigError, ShapeError
from affect.sequences import Sequence

RNG = np.random.default_rng(0)


def holey(batch, time, dim, dtype=torch.float64, share=0.6):
    """Random sequences with holes anywhere; sample 1 lacks the modality, sample 2 has a single step."""
    mask = torch.from_numpy(RNG.random((batch, time)) < share)
    mask[1], mask[2] = False, torch.arange(time) == time // 2
    return Sequence(torch.from_numpy(RNG.normal(size=(batch, time, dim))).to(dtype), mask)


def slow(x, mask):
    """One sample, one step and one feature at a time, with numpy's own interpolation."""
    out = np.zeros((*mask.shape, x.dim))
    for row in range(len(mask)):
        old, new = (np.flatnonzero(m[row].numpy()) for m in (x.mask, mask))
        if not old.size or not new.size:
            continue
        for t in new:
            share = (t - new[0]) / (new[-1] - new[0]) if len(new) > 1 else 0.5
            at = old[0] + share * (old[-1] - old[0])
            for f in range(x.dim):
                out[row, t, f] = np.interp(at, old, x.values[row, old, f].numpy())
    return torch.from_numpy(out)


@pytest.mark.parametrize(("time", "other"), [(9, 4), (4, 9), (30, 30), (1, 6), (6, 1), (7, 70)])
def test_resampling_is_interpolation_between_observed_neighbours(time, other):
    x, reference = holey(20, time, 3), holey(20, other, 1)
    new = resample_to(x, reference.mask)
    assert torch.allclose(new.values, slow(x, reference.mask), atol=1e-12)
    assert torch.equal(new.mask, reference.mask & x.present.unsqueeze(1))


def test_lengths_are_the_first_steps():
    x = holey(20, 9, 3)
    lengths = torch.from_numpy(RNG.integers(0, 6, 20))
    new = resample(x, 5, lengths)
    assert torch.equal(new.lengths, lengths * x.present)
    assert torch.equal(new.values, resample_to(x, torch.arange(5) < lengths.unsqueeze(1)).values)
    assert torch.equal(resample(x, 5).values, resample(x, 5, torch.full((20,), 5)).values)


def test_its_own_steps_give_the_same_values():
    x = holey(50, 12, 3, torch.float32)
    same = resample_to(x, x.mask)
    assert torch.equal(same.values, x.values)
    assert torch.equal(same.mask, x.mask)


def test_a_hole_keeps_its_place_in_time():
    x = Sequence(
        torch.tensor([[[7.0], [0.0], [9.0], [9.0], [4.0], [9.0]]]),
        torch.tensor([[False, True, False, False, True, False]]),
    )
    assert resample(x, 7).values.flatten().tolist() == pytest.approx([0, 2 / 3, 4 / 3, 2, 8 / 3, 10 / 3, 4])


def test_a_long_hole_in_half_precision():
    x = Sequence(
        torch.linspace(0, 1, 1000).view(1, -1, 1).half(), (torch.arange(1000) % 999 == 0).unsqueeze(0)
    )
    assert torch.allclose(resample(x, 999).values.flatten().float(), torch.linspace(0, 1, 999), atol=1e-3)


def test_gradients_are_exact_and_reach_only_what_is_read():
    x = holey(6, 7, 2)
    leaf = x.values.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: resample(x.with_values(v), 5).values, leaf)
    resample(x.with_values(leaf), 5).values.sum().backward()
    assert not leaf.grad[~x.mask].any()


def test_extent():
    first, span = extent(torch.tensor([[False, True, False, True], [True, False, False, False], [False] * 4]))
    assert first.flatten().tolist() == [1, 0, 0]
    assert span.flatten().tolist() == [2, 0, 0]


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda x: resample(x, 0), ConfigError, "resample: time must be at least 1, got 0"),
        (
            lambda x: resample(x, 3, torch.tensor([1, 4])),
            ShapeError,
            "resample: lengths must be 2 numbers from 0 to 3, got [1, 4]; time must be at least the longest",
        ),
        (
            lambda x: resample(x, 3, torch.tensor([-1, 3])),
            ShapeError,
            "resample: lengths must be 2 numbers from 0 to 3, got [-1, 3]; time must be at least the longest",
        ),
        (
            lambda x: resample(x, 3, torch.tensor([1])),
            ShapeError,
            "resample: lengths must be 2 numbers from 0 to 3, got [1]; time must be at least the longest",
        ),
        (
            lambda x: resample_to(x, torch.ones(3, 4, dtype=torch.bool)),
            ShapeError,
            "resample_to: mask must be torch.bool of shape (2, time), got torch.bool of shape (3, 4)",
        ),
        (
            lambda x: resample_to(x, torch.ones(2, 4)),
            ShapeError,
            "resample_to: mask must be torch.bool of shape (2, time), got torch.float32 of shape (2, 4)",
        ),
    ],
)
def test_refusals(ask, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask(Sequence.full(torch.ones(2, 4, 1)))
