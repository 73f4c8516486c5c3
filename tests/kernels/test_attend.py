"""Attention of queries to keys."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from affect import attention as layers_of_attention
from affect.attention import Attention
from affect.kernels import attention, fast
from affect.kernels.attention import attend


@pytest.fixture
def given():
    """Queries, keys and values of three heads, and which keys are seen: none of the third sample."""
    torch.manual_seed(0)
    shapes = (4, 3, 5, 2), (4, 3, 7, 2), (4, 3, 7, 6)
    parts = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    seen = torch.rand(4, 7) < 0.6
    seen[2], seen[3] = False, True
    return *parts, seen


def formula(query, key, value, seen):
    return (query @ key.mT).masked_fill(~seen[:, None, None], -torch.inf).softmax(-1) @ value


@pytest.mark.parametrize("way", ["ours", "ours, in pieces", "ours, not kept", "PyTorch's kernel"])
def test_attention_is_its_formula(given, way, monkeypatch):
    if way == "ours, in pieces":
        monkeypatch.setattr(attention, "HELD", 35)
        monkeypatch.setattr(torch, "get_num_threads", lambda: 5)  # of twelve heads: 5, 5 and 2
    if way == "ours, not kept":
        monkeypatch.setattr(attention, "KEPT", 0)
    if way == "PyTorch's kernel":
        monkeypatch.setattr(attention, "HELD", 0)
    *parts, seen = given
    some = seen.any(1)
    found, expected = (f(*parts, seen)[some] for f in (attend, formula))
    assert torch.allclose(found, expected)
    weights = torch.randn_like(found)
    gradients = [torch.autograd.grad((x * weights).sum(), parts) for x in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.allclose(ours[some], theirs[some])


def test_where_no_key_is_seen_all_is_finite(given):
    *parts, seen = given
    found = attend(*parts, seen & False)
    gradients = torch.autograd.grad(found.square().sum(), parts)
    assert all(x.isfinite().all() for x in (found, *gradients))


def test_features_beside_are_multiplied_too(given):
    query, key, value, seen = given
    asked = torch.randn(3, 1, 1, dtype=torch.float64), torch.randn(4, 1, 5, 1, dtype=torch.float64)
    offered = torch.randn(4, 1, 7, 1, dtype=torch.float64), torch.randn(3, 7, 1, dtype=torch.float64)
    found = attend(query, key, value, seen, asked, offered)
    scores = sum(a * o.mT for a, o in zip(asked, offered, strict=True)) + query @ key.mT
    expected = scores.masked_fill(~seen[:, None, None], -torch.inf).softmax(-1) @ value
    assert torch.allclose(found[seen.any(1)], expected[seen.any(1)])


@pytest.mark.parametrize("kept", [0, 2**21])
@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0, 1e3])
@pytest.mark.parametrize("sign", [-1, 0, 1], ids=["below zero", "around it", "above"])
def test_scores_may_have_any_size(given, sign, size, kept, monkeypatch):
    """Powers of them would be zero, or infinite, by themselves."""
    monkeypatch.setattr(attention, "KEPT", kept)
    query, key, value, _ = (x.detach() for x in given)
    if sign:
        query, key = query.abs(), sign * key.abs()
    parts = [x.float().requires_grad_() for x in (size * query, key, value)]
    seen = torch.ones(4, 7, dtype=torch.bool)
    found, expected = (f(*parts, seen) for f in (attend, formula))
    assert torch.allclose(found, expected, atol=1e-3 * max(1, size / 100))
    weights = torch.randn_like(found)
    gradients = [torch.autograd.grad((x * weights).sum(), parts) for x in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours - theirs).norm() <= 2e-3 * theirs.norm().clamp(min=1)


@pytest.mark.parametrize("kept", [0, 2**21])
def test_its_derivatives_are_right_twice(given, kept, monkeypatch):
    monkeypatch.setattr(attention, "KEPT", kept)
    *parts, seen = given
    seen[2] = True

    def mixed(*parts):
        return attend(*parts, seen)

    assert gradcheck(mixed, parts)
    assert gradgradcheck(mixed, parts, fast_mode=True)  # in a direction drawn at random


def test_a_query_that_does_not_learn_has_no_derivatives(given):
    query, *parts, seen = given
    seen[2] = True
    assert gradgradcheck(lambda *parts: attend(query.detach(), *parts, seen), parts)


@pytest.mark.parametrize(("batch", "time", "keys"), [(0, 5, 7), (4, 0, 7), (4, 5, 0)])
def test_nothing_to_attend_to_or_from(batch, time, keys):
    query, key, value = (torch.ones(batch, 3, n, 2, requires_grad=True) for n in (time, keys, keys))
    found = attend(query, key, value, torch.ones(batch, keys, dtype=torch.bool))
    assert found.shape == (batch, 3, time, 2)
    found.sum().backward()
    assert not found.any()
    assert not any(x.grad.any() for x in (query, key, value))


def test_half_precision_computes_scores_in_single():
    query = torch.full((1, 1, 1, 1), 300.0, dtype=torch.bfloat16)
    # scores are 300 and 302.34, which is no bfloat16
    key = torch.tensor([1.0, 1.0078125]).bfloat16().view(1, 1, 2, 1)
    value = torch.tensor([0.0, 1.0]).bfloat16().view(1, 1, 2, 1)
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(query, key, value, torch.ones(1, 2, dtype=torch.bool))
    assert found.dtype == torch.bfloat16
    assert found.item() == pytest.approx(torch.tensor(300 * 0.0078125).sigmoid().item(), abs=2**-8)


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_lost_steps_are_not_computed(local, own, monkeypatch):
    """What is lost in training is left out by the CPU kernel, and masked elsewhere."""
    torch.manual_seed(0)
    layer = Attention(8, heads=2, dropout=0.5, local=local).double()
    x = torch.randn(3, 20, 8, dtype=torch.float64)
    mask = torch.rand(3, 20) < 0.7
    mask[1] = False
    context, context_mask = (x, mask) if own else (torch.randn(3, 9, 8, dtype=torch.float64), mask[:, 4:13])
    sizes = []
    monkeypatch.setattr(
        layers_of_attention, "attend", lambda *given: sizes.append(given[1].shape[2]) or attend(*given)
    )

    def run():
        torch.manual_seed(1)
        layer.zero_grad()
        found = layer(x, mask, context, context_mask)
        found.square().sum().backward()
        return found, [p.grad for p in layer.parameters()]

    left_out = run()
    with fast(False):
        masked = run()
    assert torch.allclose(left_out[0], masked[0])
    for ours, theirs in zip(left_out[1], masked[1], strict=True):
        assert torch.allclose(ours, theirs)
    assert sizes[0] < sizes[1] == context.shape[1]


@pytest.mark.parametrize("batch", [0, 3])
def test_no_step_is_left_of_any_sample(batch):
    layer, x = Attention(8, heads=2, dropout=0.5, local=True), torch.randn(batch, 5, 8)
    found = layer(x, torch.ones(batch, 5, dtype=torch.bool), x + 1, torch.zeros(batch, 5, dtype=torch.bool))
    found.sum().backward()
    assert torch.equal(found, torch.zeros(batch, 5, 8))


@pytest.mark.parametrize("held", [0, 2**18])
def test_half_precision_keeps_where_steps_stand(held, monkeypatch):
    """Heads lean to the same moment by scores that are large and cancel out."""
    monkeypatch.setattr(attention, "HELD", held)
    torch.manual_seed(0)
    layer, x, mask = (
        Attention(8, heads=4, local=True),
        torch.randn(3, 60, 8),
        torch.ones(3, 60, dtype=torch.bool),
    )
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x, mask, x, mask).double()
    expected = layer.double()(x.double(), mask, x.double(), mask)
    assert (found - expected).norm() < 0.02 * expected.norm()
