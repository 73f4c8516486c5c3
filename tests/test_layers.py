"""Layers that encoders and fusions are made of."""

import pytest
import torch
from torch.nn import functional as F

from affect.attention import TransformerLayer, TransformerStack
from affect.kernels.dropout import dropout
from affect.layers import Dropout, perceptron
from affect.sequences import Sequence, pick


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_loses_at_its_rate_and_makes_up_for_it(rate, dtype):
    torch.manual_seed(0)
    found = dropout(torch.ones(1000, 301, dtype=dtype), rate)
    assert found.dtype == dtype
    lost = (found == 0).double().mean().item()
    assert lost == pytest.approx(rate, abs=5 * (rate * (1 - rate) / found.numel()) ** 0.5 + 2**-16)
    assert found[found > 0].double().unique().item() == pytest.approx(1 / (1 - rate), rel=1e-2)


def test_dropout_draws_each_value_by_itself():
    torch.manual_seed(0)
    kept = (dropout(torch.ones(4000, 64), 0.5) > 0).double()
    apart = (kept.t() @ kept / len(kept) - 0.25)[~torch.eye(64, dtype=torch.bool)]
    assert apart.abs().max() < 5 * (0.25 * 0.75 / len(kept)) ** 0.5


def test_dropout_s_gradient_goes_through_what_was_kept():
    x = torch.randn(5, 7, 3).transpose(0, 1).requires_grad_()
    found = dropout(x, 0.4)
    found.sum().backward()
    assert torch.allclose(found, x * x.grad)
    assert x.grad.unique().tolist() == pytest.approx([0, 1 / 0.6], rel=1e-4)


def test_dropout_leaves_alone_what_it_should():
    x = torch.randn(3, 4)
    assert torch.equal(dropout(x, 0.5, training=False), x)
    assert torch.equal(dropout(x, 0.0), x)
    assert torch.equal(dropout(x, 1.0), torch.zeros_like(x))
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert dropout(torch.ones(0, 4), 0.5).shape == (0, 4)


def test_dropout_repeats_with_the_seed_and_is_pytorch_s_under_a_compiler():
    x = torch.ones(100)
    draws = []
    for _ in range(2):
        torch.manual_seed(3)
        draws.append(dropout(x, 0.5))
    assert torch.equal(*draws)
    torch.manual_seed(3)
    compiled = torch.compile(lambda x: dropout(x, 0.5), backend="eager", fullgraph=True)(x)
    torch.manual_seed(3)
    assert torch.equal(compiled, F.dropout(x, 0.5))


def test_a_perceptron_s_hidden_layers_may_have_a_size_of_their_own():
    sizes = [
        tuple(layer.weight.shape) for layer in perceptron(5, 2, 2, 0.1, hidden=7) if hasattr(layer, "weight")
    ]
    assert sizes == [(7, 5), (7, 7), (2, 7)]


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("local", [False, True])
def test_a_stack_s_last_layer_computes_what_is_wanted_alone(layers, crossed, local, monkeypatch):
    torch.manual_seed(0)
    stack = TransformerStack(8, heads=2, layers=layers, crossed=crossed, local=local).double().eval()
    x, context = (Sequence(torch.randn(3, time, 8).double(), torch.rand(3, time) < 0.7) for time in (6, 4))
    given, wanted = [x, *[context] * crossed], torch.tensor([[5, 0], [1, 1], [2, 3]])
    steps, change = [], TransformerLayer.change

    def counted(self, *args):
        steps.append(change(self, *args))
        return steps[-1]

    monkeypatch.setattr(TransformerLayer, "change", counted)
    every, some = stack(*given), stack(*given, steps=wanted)
    assert torch.allclose(some.values, pick(every.values, wanted))
    assert torch.equal(some.mask, every.mask.gather(1, wanted))
    assert [h.shape[1] for h in steps] == [*[6] * layers, *[6] * (layers - 1), *[2] * bool(layers)]
