"""Every operation's fast way against its plain reference, and those against PyTorch's own."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jvp, stack_module_state, vmap
from torch.nn import functional as F

import affect
from affect import testing
from affect.encoders import GRUEncoder, LSTMEncoder, TransformerEncoder
from affect.fusion import CrossModalTransformer, GraphMemoryFusion, LowRankFusion, MemoryFusion, TensorFusion
from affect.kernels import attention, fast, tracing
from affect.kernels.attention import attend, plain_attend
from affect.kernels.dropout import dropout, plain_dropout
from affect.kernels.gated_memory import gated_memory, plain_gated_memory
from affect.kernels.products import plain_product, product
from affect.kernels.recurrence import both_ways, lstm, plain_both_ways, plain_lstm
from affect.kernels.recurrent_layers import gru_layers, lstm_layers, plain_gru
from affect.kernels.spans import lstm_of_spans, plain_lstm_of_spans
from affect.sequences import Sequence

SEEN = torch.tensor([[True] * 4, [True, False, True, True], [False] * 4])
"""Of three samples with four steps: all, with a hole, none."""


def numbers(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def heads():
    return numbers(3, 2, 5, 3), numbers(3, 2, 4, 3), numbers(3, 2, 4, 2)


def beside():
    return *heads(), numbers(2, 1, 1), numbers(3, 1, 5, 1), numbers(3, 1, 4, 1), numbers(2, 4, 1)


def weights(gates=4, of_in=2, width=3):
    return [
        numbers(*shape)
        for shape in ((gates * width, of_in), (gates * width, width), (gates * width,), (gates * width,))
    ]


def with_features(attend, query, key, value, one, two, three, four):
    return attend(query, key, value, SEEN, [one, two], [three, four])


def of_both(both, x, *given):
    return both(x, SEEN, given[:4], given[4:])


def remembered(gated, *given, kept=None):
    return gated(given[0], given[1], SEEN.t(), *given[2:], kept)


def memory():
    return numbers(4, 3, 5), numbers(4, 3, 2), numbers(5, 2), numbers(4, 5), numbers(4)


SPANS = torch.tensor([[0, 0, 1, 1], [1, -1, 1, 2], [-1] * 4])
"""Of three samples with four steps: which of three spans they are of."""
KEPT = torch.tensor([0.0, 2.0, 2.0, 0.0, 2.0], dtype=torch.float64).expand(4, 3, 5)
CASES = {
    "attend": (attend, plain_attend, lambda f, *x: f(*x, SEEN), heads),
    "attend, features beside": (attend, plain_attend, with_features, beside),
    "lstm": (lstm, plain_lstm, lambda f, x, *own: f(x, SEEN, *own), lambda: (numbers(3, 4, 2), *weights())),
    "both ways": (
        both_ways, plain_both_ways, of_both, lambda: (numbers(3, 4, 2), *weights(), *weights())
    ),
    "gated memory": (gated_memory, plain_gated_memory, remembered, memory),
    "gated memory, dropout": (gated_memory, plain_gated_memory, partial(remembered, kept=KEPT), memory),
    "lstm of spans": (
        lstm_of_spans, plain_lstm_of_spans, lambda f, x, *own: f(x, SPANS, 3, own),
        lambda: (numbers(3, 4, 2), *weights()),
    ),
    "product": (product, plain_product, lambda f, *x: f(*x), lambda: (numbers(2, 4, 3), numbers(5, 3))),
}  # fmt: skip
SCRIPTED = pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
"""PyTorch's forward mode calls it."""
EACH = pytest.mark.parametrize(("fastest", "plain", "call", "given"), CASES.values(), ids=CASES)


def parts_of(found):
    return found if isinstance(found, tuple) else (found,)


def all_derivatives(function, values):
    """What comes out, the gradients of a sum over it, and those of a sum over them."""
    found = parts_of(function(*values))
    total = sum((x.sin() * (i + 1)).sum() for i, x in enumerate(found))
    first = torch.autograd.grad(total, values, create_graph=True)
    second = torch.autograd.grad(sum(x.square().sum() for x in first), values, allow_unused=True)
    return *found, *first, *(torch.zeros(()) if x is None else x for x in second)


@EACH
def test_values_and_two_derivatives_are_the_reference_s(fastest, plain, call, given):
    torch.manual_seed(0)
    values = given()
    found, expected = (all_derivatives(partial(call, way), values) for way in (fastest, plain))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-10)


@EACH
def test_the_switch_takes_the_reference(fastest, plain, call, given, monkeypatch):
    def forbidden(*_):
        raise AssertionError("a kernel ran")

    monkeypatch.setattr(tracing.Kernel, "apply", forbidden)
    torch.manual_seed(0)
    values = given()
    with fast(False):
        found = parts_of(call(fastest, *values))
    assert all(torch.equal(x, y) for x, y in zip(found, parts_of(call(plain, *values)), strict=True))
    with pytest.raises(AssertionError, match="a kernel ran"):
        call(fastest, *values)


@EACH
@pytest.mark.parametrize("half", ["autocast", torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_near_the_reference(fastest, plain, call, given, half):
    torch.manual_seed(0)
    values = [x.detach().float() for x in given()]
    expected = parts_of(call(plain, *values))
    low = values if half == "autocast" else [x.to(half) for x in values]
    for way in (fastest, plain):
        with torch.autocast("cpu", torch.bfloat16, enabled=half == "autocast"):
            found = parts_of(call(way, *low))
        for one, other in zip(found, expected, strict=True):
            assert (one.float() - other).abs().max() < 0.05 * other.abs().max().clamp(min=1)


@pytest.mark.parametrize(("batch", "time"), [(0, 4), (3, 0), (0, 0)])
def test_nothing_to_compute_with(batch, time):
    x, seen = torch.ones(batch, time, 2), torch.ones(batch, time, dtype=torch.bool)
    own, again = ([w.float() for w in weights()] for _ in range(2))
    read, new = torch.ones(time, batch, 5), torch.ones(time, batch, 2)
    of_memory = [torch.ones(5, 2), torch.ones(4, 5), torch.ones(4)]
    query = torch.ones(batch, 2, 3, 2)
    key = torch.ones(batch, 2, time, 2)
    for enabled in (True, False):
        with fast(enabled):
            assert [y.shape for y in lstm(x, seen, *own)] == [(batch, time, 3)] * 2
            assert both_ways(x, seen, own, again).shape == (batch, time, 6)
            assert gated_memory(read, new, seen.t(), *of_memory).shape == (time, batch, 2)
            assert attend(query, key, key, seen).shape == query.shape
            assert product(torch.ones(2, 4, 3), torch.ones(batch, 3)).shape == (2, 4, batch)
            assert lstm_of_spans(x, seen.long(), 2, own).shape == (batch, 2, 3)
            assert dropout(x, 0.5).shape == x.shape


def test_the_reference_of_attention_is_pytorch_s():
    torch.manual_seed(0)
    query, key, value = heads()
    found = plain_attend(query, key, value, SEEN)
    expected = F.scaled_dot_product_attention(query, key, value, SEEN[:, None, None], scale=1.0)
    assert torch.allclose(found[:2], expected[:2], atol=1e-12)


@pytest.mark.parametrize("steps", ["held", "too many"])
def test_many_weights_go_to_pytorch_s_kernel(steps, monkeypatch):
    if steps == "too many":
        monkeypatch.setattr(attention, "HELD", 19)
    torch.manual_seed(0)
    values = beside()
    found, expected = (with_features(way, *values) for way in (attend, plain_attend))
    assert torch.allclose(found, expected, atol=1e-10)


def layers_of(kind, networks, layers=2):
    torch.manual_seed(0)
    sizes = [2, *[3 * networks] * (layers - 1)]
    return [[kind(size, 3, batch_first=True, dtype=torch.float64) for _ in range(networks)] for size in sizes]


@pytest.mark.parametrize("networks", [1, 2])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_recurrent_layers_are_the_reference_s(kind, networks):
    layers, x = layers_of(kind, networks), numbers(3, 4, 2)
    every = [x, *(p for both in layers for own in both for p in own.parameters())]

    def run(*_):
        if kind is nn.GRU:
            return gru_layers(x, SEEN, layers, torch.tanh)[SEEN]
        plain = [[own.parameters() for own in both] for both in layers]
        return lstm_layers(x, SEEN, plain, torch.tanh)[SEEN]

    found = all_derivatives(run, every)
    with fast(False):
        expected = all_derivatives(run, every)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-10)


def test_the_references_of_recurrent_layers_are_pytorch_s():
    torch.manual_seed(0)
    x, every = torch.randn(3, 4, 2), torch.ones(3, 4, dtype=torch.bool)
    one, other = nn.LSTM(2, 3, batch_first=True), nn.GRU(2, 3, batch_first=True)
    assert torch.allclose(plain_lstm(x, every, *one.parameters())[0], one(x)[0], atol=1e-6)
    assert torch.allclose(plain_gru(x, every, *other.parameters()), other(x)[0], atol=1e-6)


def test_the_reference_of_dropout_draws_as_pytorch_does():
    x, draws = torch.ones(1000), []
    for draw in (dropout, plain_dropout, F.dropout):
        torch.manual_seed(0)
        with fast(False):
            draws.append(draw(x, 0.3))
    assert torch.equal(draws[0], draws[1])
    assert torch.equal(draws[1], draws[2])
    torch.manual_seed(0)
    assert not torch.equal(dropout(x, 0.3), draws[0])
    assert dropout(x, 0.3).unique().tolist() == pytest.approx(draws[0].unique().tolist(), rel=1e-4)


@EACH
def test_gradients_by_torch_func(fastest, plain, call, given):
    torch.manual_seed(0)
    values = [x.detach() for x in given()]
    every = tuple(range(len(values)))
    found, expected = (
        grad(lambda *x, way=way: sum(y.square().sum() for y in parts_of(call(way, *x))), every)(*values)
        for way in (fastest, plain)
    )
    assert all(torch.allclose(one, other, atol=1e-10) for one, other in zip(found, expected, strict=True))


@SCRIPTED
@EACH
def test_without_kernels_vmap_and_forward_mode_go_through(fastest, plain, call, given):
    torch.manual_seed(0)
    values = [x.detach() for x in given()]
    many = [torch.stack([x, 2 * x]) for x in values]
    along = [torch.randn_like(x) for x in values]
    with fast(False):
        found = parts_of(vmap(partial(call, fastest))(*many))
        alone = parts_of(call(fastest, *(2 * x for x in values)))
        _, slope = jvp(lambda *x: parts_of(call(fastest, *x)), tuple(values), tuple(along))
    assert all(torch.allclose(one[1], other) for one, other in zip(found, alone, strict=True))
    step = 1e-6
    there, back = (
        parts_of(call(plain, *(x + sign * y for x, y in zip(values, along, strict=True))))
        for sign in (step, -step)
    )
    for one, after, before in zip(slope, there, back, strict=True):
        assert torch.allclose(one, (after - before) / (2 * step), atol=1e-6)


@SCRIPTED
@EACH
def test_with_kernels_vmap_and_forward_mode_are_refused(fastest, plain, call, given):
    values = [x.detach() for x in given()]
    many = [torch.stack([x, x]) for x in values]
    way_out = "affect's kernels; run it within `with affect.kernels.fast(False):`"
    with pytest.raises(NotImplementedError) as refused:
        vmap(partial(call, fastest))(*many)
    assert str(refused.value) == f"torch.func.vmap does not go through {way_out}"
    with pytest.raises(NotImplementedError) as refused:
        jvp(partial(call, fastest), tuple(values), tuple(values))
    assert str(refused.value) == f"forward-mode differentiation does not go through {way_out}"


def test_many_models_run_as_one_without_kernels():
    """What `torch.func` is most used for: an ensemble, of parameters that are stacked."""
    corpus = affect.load("synthetic")
    models = []
    for seed in range(2):
        torch.manual_seed(seed)
        models.append(
            affect.FusionModel.for_corpus(corpus, encoder=LSTMEncoder, fusion=LowRankFusion, width=4).eval()
        )
    (batch,) = affect.batches(corpus["valid"].take(range(6)), None, 6)
    with fast(False):
        parameters, buffers = stack_module_state(models)
        found = vmap(lambda own, held: functional_call(models[0], (own, held), (batch.inputs,)).prediction)(
            parameters, buffers
        )
    for one, model in zip(found, models, strict=True):
        assert torch.allclose(one, model(batch.inputs).prediction, atol=1e-5)


PARTS = {
    "attention": (testing.encoder_part, TransformerEncoder),
    "graph and memory": (testing.fusion_part, GraphMemoryFusion),
    "memory": (testing.fusion_part, MemoryFusion),
    "tensor": (testing.fusion_part, TensorFusion),
    "lstm": (testing.encoder_part, LSTMEncoder),
    "gru": (testing.encoder_part, GRUEncoder),
}


@pytest.mark.parametrize(("part", "cls"), PARTS.values(), ids=PARTS)
def test_laws_hold_without_kernels(part, cls):
    with fast(False):
        for law in testing.LAWS:
            law(part(cls))


@pytest.mark.parametrize("fusion", [CrossModalTransformer, MemoryFusion, TensorFusion])
def test_a_model_is_the_same_without_kernels(fusion):
    torch.manual_seed(0)
    module = fusion({"a": 2, "b": 3}, 4).double().eval()
    masks = torch.rand(5, 6) < 0.7
    masks[1] = False
    inputs = {m: Sequence(torch.randn(5, 6, d).double(), masks) for m, d in module.dims.items()}
    found = {}
    for enabled in (True, False):
        with fast(enabled):
            module.zero_grad()
            out = module(inputs).values
            out.sin().sum().backward()
            found[enabled] = [out, *(p.grad for p in module.parameters())]
    for one, other in zip(found[True], found[False], strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-10)


def test_compiled_it_follows_the_switch():
    torch.compiler.reset()
    torch.manual_seed(0)
    encoder = LSTMEncoder(2, 4).eval()
    x = Sequence(torch.randn(3, 4, 2), SEEN)
    compiled = torch.compile(encoder, backend="eager", fullgraph=True)
    expected = encoder(x).values
    for enabled in (True, False):
        with fast(enabled):
            assert torch.allclose(compiled(x).values, expected, atol=1e-6)
