"""Gates against loops, and where the shift stands in an encoder."""

import functools
import math
import re

import pytest
import torch
from loops import add, linear, norm, scaled, sigmoid, softmax, times, weighted

from affect.encoders import TransformerEncoder
from affect.errors import ConfigError
from affect.fusion import GatedAdditionFusion, GatedFusion, GatedShiftFusion, ModulationFusion
from affect.fusion.gating import ShiftGate
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}


def vectors(sample):
    return {m: x.values[0, 0].tolist() for m, x in sample.items()}, {
        m: bool(x.present) for m, x in sample.items()
    }


def length(x):
    return math.sqrt(sum(v * v for v in x))


def shifted(gate, z, others):
    """Equations of the shift for one step; an unobserved modality is None."""
    total = [0.0] * len(z)
    for g, w, x in zip(gate.gates, gate.shifts, others, strict=True):
        if x is not None:
            opened = [max(v, 0.0) for v in linear(g, z + x)]
            total = add(total, times(opened, linear(w, x)))
    if any(x is not None for x in others):
        total = add(total, gate.bias.tolist())
        share = min(gate.scale * length(z) / length(total), 1.0)
        z = add(z, scaled(share, total))
    return norm(gate.layers[0], z)


@pytest.mark.parametrize("scale", [0.05, 1.0, 50.0])
def test_shift_is_the_paper_s(aligned, scale):
    torch.manual_seed(0)
    gate = ShiftGate(5, [3, 4], scale=scale).double().eval()
    torch.nn.init.normal_(gate.bias)
    hidden = Sequence.full(torch.randn(1, 6, 5, dtype=torch.float64))
    out = gate(hidden, [aligned["b"], aligned["c"]]).values[0]
    for step in range(6):
        others = [
            aligned[m].values[0, step].tolist() if aligned[m].mask[0, step] else None for m in ("b", "c")
        ]
        expected = shifted(gate, hidden.values[0, step].tolist(), others)
        assert out[step].tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_layers_after_the_gate_go_on_from_the_shifted_states(built, aligned, layer):
    module = built(GatedShiftFusion, out_dim=8, main="b", layer=layer)
    x, others = aligned["b"], [aligned["a"], aligned["c"]]
    encoder = module.encoder
    before = functools.reduce(lambda h, part: part(h), encoder.layers[:layer], _entered(encoder, x))
    after = functools.reduce(lambda h, part: part(h), encoder.layers[layer:], module.gate(before, others))
    expected = after.with_values(encoder.norm(after.values))
    found = module(aligned)
    assert torch.allclose(found.values, expected.values)
    assert torch.equal(found.mask, x.mask)


def _entered(encoder, x):
    """What goes into the first layer: a stack of none gives it, but for the last norm."""
    bare = TransformerEncoder(x.dim, encoder.out_dim, layers=0).double().eval()
    bare.project.load_state_dict(encoder.project.state_dict())
    bare.norm = torch.nn.Identity()
    return bare(x)


def test_a_gate_of_zero_leaves_the_encoder_alone(built, aligned):
    module = built(GatedShiftFusion, out_dim=8, main="b")
    encoder = module.encoder
    unshifted = encoder.encode_with(aligned["b"], lambda hidden, _: hidden, 1, [])
    assert torch.allclose(unshifted.values, encoder(aligned["b"]).values)


def test_gated_fusion(built, sample):
    module = built(GatedFusion)
    x, there = vectors(sample)
    logits = linear(module.gate, [v for m in DIMS for v in x[m]])
    values = {m: [math.tanh(v) for v in linear(module.project[m], x[m])] for m in DIMS}
    names = [m for m in DIMS if there[m]]
    expected = []
    for o in range(5):
        weights = softmax([logits[list(DIMS).index(m) * 5 + o] for m in names])
        expected.append(sum(w * values[m][o] for w, m in zip(weights, names, strict=True)))
    out, extras = module.with_extras(sample)
    assert out.values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)
    assert extras["gates"][0].sum(0).tolist() == pytest.approx([float(bool(names))] * 5)


def test_two_gates_are_one_gate_and_its_complement():
    """The paper's gate z = sigmoid(W [h_a; h_b]), with 1 - z for the other."""
    torch.manual_seed(0)
    module = GatedFusion({"a": 2, "b": 3}, 4).double().eval()
    a, b = torch.randn(1, 2, dtype=torch.float64), torch.randn(1, 3, dtype=torch.float64)
    weight, bias = (p.view(2, 4, -1) for p in (module.gate.weight, module.gate.bias))
    z = torch.sigmoid((weight[0] - weight[1]) @ torch.cat([a, b], -1)[0] + (bias[0] - bias[1])[:, 0])
    expected = z * module.project["a"](a).tanh() + (1 - z) * module.project["b"](b).tanh()
    assert torch.allclose(module({"a": Sequence.vector(a), "b": Sequence.vector(b)}).values[0], expected)


def test_gated_addition(built, sample):
    module = built(GatedAdditionFusion)
    x, there = vectors(sample)
    h = {m: linear(module.project[m], x[m]) if there[m] else [0.0] * 5 for m in DIMS}
    joined = []
    for to in DIMS:
        total = h[to]
        for source in DIMS:
            if source != to and there[source]:
                pair = f"{source} to {to}"
                gate = [sigmoid(v) for v in linear(module.gates[pair], h[source] + h[to])]
                total = add(total, times(gate, linear(module.added[pair], h[source])))
        joined += [max(v, 0.0) for v in total]
    expected = linear(module.layers[2], joined)
    assert module(sample).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


def test_modulation(built, sample):
    module = built(ModulationFusion)
    x, there = vectors(sample)
    found = []
    for to in DIMS:
        if not there[to]:
            continue
        scale, shift = [1.0] * 5, [0.0] * 5
        for source in DIMS:
            if source != to and there[source]:
                both = linear(module.modulate[f"{source} to {to}"], x[source])
                scale, shift = add(scale, both[:5]), add(shift, both[5:])
        found.append(add(times(scale, linear(module.project[to], x[to])), shift))
    mean = weighted([1 / len(found)] * len(found), found, 5) if found else [0.0] * 5
    expected = linear(module.layers[2], [max(v, 0.0) for v in mean])
    assert module(sample).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: GatedFusion({"a": 2}, 4), "GatedFusion: needs 2 modalities or more, got a"),
        (
            lambda: GatedShiftFusion(DIMS, 4, main="aa"),
            "GatedShiftFusion: no modality 'aa'; did you mean 'a'? known: a, b, c",
        ),
        (
            lambda: GatedShiftFusion(DIMS, 8, special=True),
            "GatedShiftFusion: special: TransformerEncoder has no special tokens; use a PretrainedEncoder, or "
            "leave it out",
        ),
        (
            lambda: GatedShiftFusion(DIMS, 8, layer=3),
            "GatedShiftFusion: TransformerEncoder has layers 0 to 2, got layer=3",
        ),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()
