"""Memories against loops over steps, and what stays where nothing is observed."""

import itertools
import math
import re

import pytest
import torch
from loops import add, apply, linear, lstm, moments, scaled, sigmoid, softmax, times

from affect.errors import ConfigError, ShapeError
from affect.fusion import GraphMemoryFusion, HybridMemoryFusion, MemoryFusion
from affect.kernels import fast
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}
WIDTHS = [3, {"a": 2, "b": 3, "c": 2}]
MEMORIES = [MemoryFusion, GraphMemoryFusion, HybridMemoryFusion]


def begun(module):
    return {m: ([0.0] * w, [0.0] * w) for m, w in module.widths.items()}


def states_of(states, which):
    return [v for m in DIMS for v in states[m][which]]


def remembered(module, read, memory):
    """The next gated memory."""
    new = [math.tanh(v) for v in apply(module.new, read)]
    gates = [sigmoid(v) for v in apply(module.gates, read + memory)]
    return add(times(gates[: len(memory)], memory), times(gates[len(memory) :], new))


def advanced(module, states, now):
    """The next states; those of a modality without a value stay."""
    own = {m: list(module.cells[m].parameters()) for m in now}
    return states | {m: lstm(own[m], x, states[m]) for m, x in now.items()}


def agrees(module, aligned, found):
    seen = [bool(now) for now in moments(aligned)]
    expected = [
        linear(module.out, state) if now else [0.0] * 5 for state, now in zip(found, seen, strict=True)
    ]
    out = module(aligned)
    if module.steps:
        assert out.mask[0].tolist() == seen
        assert out.values[0].tolist() == [pytest.approx(step, abs=1e-9) for step in expected]
    else:
        assert out.values[0, 0].tolist() == pytest.approx(linear(module.out, found[-1]), abs=1e-9)


@pytest.mark.parametrize("width", WIDTHS, ids=["one", "each"])
@pytest.mark.parametrize("steps", [False, True])
def test_memory_fusion_is_the_paper_s(built, aligned, steps, width):
    module = built(MemoryFusion, width=width, memory=4, steps=steps)
    states, memory, found = begun(module), [0.0] * 4, []
    for now in moments(aligned):
        cells = states_of(states, 1)
        states = advanced(module, states, now)
        if now:
            cells += states_of(states, 1)
            memory = remembered(module, times(softmax(apply(module.attention, cells)), cells), memory)
        found.append(states_of(states, 0) + memory)
    agrees(module, aligned, found)


@pytest.mark.parametrize("width", WIDTHS, ids=["one", "each"])
@pytest.mark.parametrize("steps", [False, True])
def test_graph_memory_fusion_is_the_paper_s(built, aligned, steps, width):
    module = built(GraphMemoryFusion, width=width, memory=4, vertex=3, steps=steps)
    states, memory, found, met = begun(module), [0.0] * 4, [], set()
    sets = [s for size in (1, 2, 3) for s in itertools.combinations(DIMS, size)]
    for step, now in enumerate(moments(aligned)):
        before, states = states, advanced(module, states, now)
        met |= set(now)
        value = {
            (m,): linear(module.project[m], before[m][0] + states[m][0]) if m in met else [0.0] * 3
            for m in DIMS
        }
        drawn = apply(module.efficacy, [v for m in DIMS for v in value[m,]])
        efficacies = [sigmoid(v) for v in drawn]
        places = iter(range(len(efficacies)))

        def come(parts, value=value, efficacies=efficacies, places=places, there=frozenset(met)):
            coming = []
            for u in parts:
                place = next(places)
                efficacies[place] *= set(u) <= there
                coming += scaled(efficacies[place], value[u])
            return coming

        for v in sets[3:]:
            value[v] = apply(module.networks[str(v)], come([u for u in sets if set(u) < set(v)]))
        summary = linear(module.summary, come(sets))
        if now:
            memory = remembered(module, summary, memory)
        found.append(states_of(states, 0) + memory)
        extras = module.with_extras(aligned)[1]["efficacies"]
        assert extras[0, step].tolist() == pytest.approx(efficacies, abs=1e-9)
    agrees(module, aligned, found)


@pytest.mark.parametrize("width", WIDTHS, ids=["one", "each"])
@pytest.mark.parametrize("steps", [False, True])
def test_hybrid_memory_fusion_is_the_paper_s(built, aligned, steps, width):
    size, attentions = 4, 2
    module = built(HybridMemoryFusion, width=width, code=size, attentions=attentions, steps=steps)
    states, code, found = begun(module), [0.0] * size, []
    for now in moments(aligned):
        states = advanced(module, states, {m: x + code for m, x in now.items()})
        hidden = states_of(states, 0)
        if now:
            scores, reduced, at = apply(module.attend, hidden), [], 0
            views = [
                times(softmax(scores[k * len(hidden) : (k + 1) * len(hidden)]), hidden)
                for k in range(attentions)
            ]
            for m, own in module.widths.items():
                reduced += apply(module.reduce[m], [v for view in views for v in view[at : at + own]])
                at += own
            code = apply(module.encode, reduced)
        found.append(hidden + code)
    agrees(module, aligned, found)


@pytest.mark.parametrize("fusion", MEMORIES)
def test_dropout_is_drawn_anew_in_training(built, fusion):
    module = built(fusion, dropout=0.5).train()
    inputs = {m: Sequence.full(torch.ones(2, 4, d, dtype=torch.float64)) for m, d in DIMS.items()}
    one, two = module(inputs).values, module(inputs).values
    assert not torch.allclose(one, two)
    assert not torch.allclose(one[0], one[1])


def test_an_absent_modality_gets_no_gradient_and_a_late_one_does(built):
    module = built(GraphMemoryFusion)
    inputs = {m: Sequence.full(torch.ones(1, 4, d, dtype=torch.float64)) for m, d in DIMS.items()}
    inputs["a"] = inputs["a"].keep(torch.tensor([[False, False, True, False]]))
    inputs["b"] = inputs["b"].keep(torch.tensor(False))
    leaves = {m: x.values.clone().requires_grad_() for m, x in inputs.items()}
    out = module({m: inputs[m].with_values(leaf) for m, leaf in leaves.items()}).values
    out.sum().backward()
    assert not leaves["b"].grad.any()
    assert leaves["a"].grad.any(-1).tolist() == [[False, False, True, False]]
    assert leaves["c"].grad.any(-1).all()


@pytest.mark.parametrize("fusion", MEMORIES)
def test_without_kernels_many_sets_of_parameters_run_as_one(aligned, fusion):
    from torch.func import functional_call, grad, stack_module_state, vmap

    modules = [fusion(DIMS, 5, width=WIDTHS[1]).double().eval() for _ in range(3)]
    parameters, buffers = stack_module_state(modules)

    def loss(own, held):
        return functional_call(modules[0], (own, held), (aligned,)).values.square().sum()

    with fast(False):
        gradients = vmap(grad(loss))(parameters, buffers)
    for i, module in enumerate(modules):
        module(aligned).values.square().sum().backward()
        for name, parameter in module.named_parameters():
            assert torch.allclose(gradients[name][i], parameter.grad, atol=1e-12), name


@pytest.mark.parametrize("fusion", MEMORIES)
def test_compiled_for_training_it_learns_the_same(built, fusion):
    module = built(fusion, dropout=0.0).train()
    masks = torch.tensor([[True, False, True], [True, True, False]])
    inputs = {m: Sequence(torch.ones(2, 3, d, dtype=torch.float64), masks) for m, d in DIMS.items()}
    torch.compiler.reset()
    for call in (module, torch.compile(module, backend="eager", fullgraph=True)):
        call(inputs).values.square().sum().backward()
    own = torch.cat([p.grad.flatten() for p in module.parameters()])
    module.zero_grad()
    module(inputs).values.square().sum().backward()
    assert torch.allclose(own, 2 * torch.cat([p.grad.flatten() for p in module.parameters()]))


@pytest.mark.parametrize("fusion", MEMORIES)
def test_the_last_step_is_the_vector(built, aligned, fusion):
    whole, last = built(fusion, steps=True), built(fusion)
    seen = torch.stack([x.mask for x in aligned.values()]).any(0)[0]
    if seen.any():
        step = int(seen.nonzero()[-1])
        assert torch.allclose(whole(aligned).values[:, step], last(aligned).values[:, 0])


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda: MemoryFusion(DIMS, 4, memory=0),
            ConfigError,
            "MemoryFusion: memory must be at least 1, got 0",
        ),
        (
            lambda: MemoryFusion(DIMS, 4, width={"a": 3, "b": 0, "c": 3}),
            ConfigError,
            "MemoryFusion: width: b must be at least 1, got 0",
        ),
        (
            lambda: MemoryFusion(DIMS, 4, width={"a": 3, "bb": 3, "c": 3}),
            ConfigError,
            "MemoryFusion: no modality 'bb'; did you mean 'b'? known: a, b, c",
        ),
        (
            lambda: HybridMemoryFusion(DIMS, 4, width={"c": 3, "a": 3}),
            ConfigError,
            "HybridMemoryFusion: width: modality 'b' has none; given for: a, c",
        ),
        (
            lambda: GraphMemoryFusion(DIMS, 4, width={}),
            ConfigError,
            "GraphMemoryFusion: width: modality 'a' has none; given for: none",
        ),
        (
            lambda: GraphMemoryFusion(DIMS, 4, vertex=0),
            ConfigError,
            "GraphMemoryFusion: vertex must be at least 1, got 0",
        ),
        (
            lambda: GraphMemoryFusion({"a": 2}, 4),
            ConfigError,
            "GraphMemoryFusion: needs 2 modalities or more, got a",
        ),
        (
            lambda: GraphMemoryFusion(dict.fromkeys("abcdefg", 1), 4),
            ConfigError,
            "GraphMemoryFusion: needs 2 to 6 modalities, got 7, which would make 127 vertices",
        ),
        (
            lambda: HybridMemoryFusion(DIMS, 4, attentions=0),
            ConfigError,
            "HybridMemoryFusion: attentions must be at least 1, got 0",
        ),
        (
            lambda: MemoryFusion(DIMS, 4)(
                {m: Sequence.full(torch.ones(1, 1 + d, d)) for m, d in DIMS.items()}
            ),
            ShapeError,
            "MemoryFusion: needs aligned sequences, got steps a 3, b 4, c 5; put an aligner before it "
            "(ResamplingAligner, WarpingAligner or AttentionAligner)",
        ),
    ],
)
def test_refusals(ask, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask()
