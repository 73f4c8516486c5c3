"""Recurrences over all steps against loops, their hand-written gradients, and where else they must run."""

import math

import pytest
import torch
from loops import add, linear, sigmoid, times
from loops import lstm as lstm_step
from torch import nn

from affect.kernels import fast
from affect.kernels.gated_memory import gated_memory
from affect.kernels.recurrence import both_ways, lstm
from affect.kernels.steps import before

OBSERVED = torch.tensor(
    [[False, True, True], [True, True, False], [False, True, False], [True, False, False]]
)
NUMBERS = {"dtype": torch.float64, "requires_grad": True}


def of_lstm():
    """Four steps of three samples, with holes, and the weights."""
    torch.manual_seed(0)
    shapes = [(3, 4, 2), (8, 2), (8, 2), (8,), (8,)]
    return [torch.randn(*shape, **NUMBERS) for shape in shapes]


def of_memory():
    torch.manual_seed(0)
    shapes = [(4, 3, 3), (4, 3, 2), (3, 2), (4, 3), (4,)]
    return [torch.randn(*shape, **NUMBERS) for shape in shapes]


def through_lstm(x, *weights):
    return lstm(x, OBSERVED.t(), *weights)


def through_memory(read, new, *weights, kept=None):
    return gated_memory(read, new, OBSERVED, *weights, kept)


def through_both_ways(x, *weights):
    return both_ways(x, OBSERVED.t(), weights, [w * 2 for w in weights])


CASES = {
    "both ways": (through_both_ways, of_lstm),
    "lstm": (through_lstm, of_lstm),
    "memory": (through_memory, of_memory),
}
BOTH = pytest.mark.parametrize(("run", "given"), CASES.values(), ids=CASES)


def test_lstm_is_one_step_after_the_other():
    x, *weights = of_lstm()
    hidden, cell = lstm(x, OBSERVED.t(), *weights)
    for row in range(3):
        state = [0.0] * 2, [0.0] * 2
        for step in range(4):
            if OBSERVED[step, row]:
                state = lstm_step(weights, x[row, step].tolist(), state)
            assert hidden[row, step].tolist() == pytest.approx(state[0], abs=1e-9)
            assert cell[row, step].tolist() == pytest.approx(state[1], abs=1e-9)


@pytest.mark.parametrize(("batch", "time"), [(0, 4), (3, 4)])
def test_lstm_of_nothing(batch, time):
    _, *weights = of_lstm()
    x = torch.randn(batch, time, 2, **NUMBERS)
    hidden, cell = lstm(x, torch.zeros(batch, time, dtype=torch.bool), *weights)
    assert hidden.eq(0).all()
    assert hidden.shape == cell.shape == (batch, time, 2)
    assert all(grad.eq(0).all() for grad in torch.autograd.grad((hidden + cell).sum(), [x, *weights]))


def test_lstm_computes_observed_steps_alone():
    x, *weights = of_lstm()
    hidden, cell = lstm(x, OBSERVED.t(), *weights)
    (of_x,) = torch.autograd.grad((hidden + cell).sum(), x)
    assert torch.equal(of_x.ne(0).all(-1), OBSERVED.t())
    hollow = torch.where(OBSERVED.t().unsqueeze(-1), x, torch.nan)
    assert torch.equal(lstm(hollow, OBSERVED.t(), *weights)[0], hidden)


def test_both_ways_is_two_networks_of_which_one_reads_backwards():
    x, *weights = of_lstm()
    _, *others = (w * 2 for w in of_lstm())
    found = both_ways(x, OBSERVED.t(), weights, others)
    there = lstm(x, OBSERVED.t(), *weights)[0]
    back = lstm(x.flip(1), OBSERVED.t().flip(1), *others)[0].flip(1)
    assert torch.allclose(found, torch.cat([there, back], -1), atol=1e-12)


@pytest.mark.parametrize("dropped", [False, True])
def test_a_gated_memory_is_one_step_after_the_other(dropped):
    read, new, weight, weight_out, bias = of_memory()
    kept = torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64).expand(4, 3, 3) if dropped else None
    found = gated_memory(read, new, OBSERVED, weight, weight_out, bias, kept)
    into, out = nn.Linear(2, 3, bias=False), nn.Linear(3, 4)
    into.weight, out.weight, out.bias = (nn.Parameter(p) for p in (weight, weight_out, bias))
    for row in range(3):
        memory = [0.0] * 2
        for step in range(4):
            if OBSERVED[step, row]:
                values = add(read[step, row].tolist(), linear(into, memory))
                hidden = [v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in values]
                hidden = times(hidden, [0.0, 2.0, 1.0]) if dropped else hidden
                gates = [sigmoid(v) for v in linear(out, hidden)]
                memory = add(times(gates[:2], memory), times(gates[2:], new[step, row].tolist()))
            assert found[step, row].tolist() == pytest.approx(memory, abs=1e-9)


@BOTH
def test_gradients(run, given):
    assert torch.autograd.gradcheck(run, given())
    assert torch.autograd.gradgradcheck(run, given())


def test_gradients_with_dropout():
    kept = torch.rand(4, 3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *given: through_memory(*given, kept=kept), of_memory())
    assert torch.autograd.gradgradcheck(lambda *given: through_memory(*given, kept=kept), of_memory())


@pytest.mark.parametrize("which", [0, 1], ids=["hidden", "cell"])
def test_a_gradient_of_one_kind_of_state_is_enough(which):
    assert torch.autograd.gradcheck(lambda *given: through_lstm(*given)[which], of_lstm())


@BOTH
def test_without_kernels_only_the_weights_may_be_many(run, given):
    values = [x.detach() for x in given()]
    for place in range(len(values)):
        many = [torch.stack([x, 2 * x]) if i == place else x for i, x in enumerate(values)]
        dims = tuple(0 if i == place else None for i in range(len(values)))
        with fast(False):
            found = torch.func.vmap(run, dims)(*many)
        alone = run(*(2 * x if i == place else x for i, x in enumerate(values)))
        pairs = zip(found, alone, strict=True) if isinstance(found, tuple) else [(found, alone)]
        assert all(torch.allclose(one[1], other) for one, other in pairs)


@BOTH
def test_half_precision_is_near(run, given):
    values = [x.detach().float().requires_grad_() for x in given()]
    found = {}
    for half in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            # what comes of a linear layer, as the two are used
            read = values[0] @ torch.eye(3) if run is through_memory else values[0]
            out = run(read, *values[1:])
        out = out[0] if isinstance(out, tuple) else out
        assert out.dtype == torch.float32
        found[half] = [out, *torch.autograd.grad(out.square().sum(), values)]
    for one, other in zip(found[False], found[True], strict=True):
        assert one.dtype == other.dtype
        assert (one - other).abs().max() < 0.05 * one.abs().max().clamp(min=1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_of_half_precision(dtype):
    for run, given in CASES.values():
        values = [x.detach().to(dtype).requires_grad_() for x in given()]
        out = run(*values)
        out = out[0] if isinstance(out, tuple) else out
        assert out.dtype == dtype
        assert all(g.dtype == dtype for g in torch.autograd.grad(out.sum(), values))


@BOTH
def test_compiled_it_learns_the_same(run, given):
    torch.compiler.reset()
    values = given()

    def total(*values):
        found = run(*values)
        return (found[0] if isinstance(found, tuple) else found).square().sum()

    compiled = torch.compile(total, backend="eager", fullgraph=True)
    for one, other in zip(
        torch.autograd.grad(compiled(*values), values),
        torch.autograd.grad(total(*values), values),
        strict=True,
    ):
        assert torch.allclose(one, other)


def test_before():
    assert before(torch.ones(3, 1)).tolist() == [[0.0], [1.0], [1.0]]
