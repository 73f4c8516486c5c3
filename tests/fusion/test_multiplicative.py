"""Multiplicative interactions against loops, and against the two-modal layers of their papers."""

import itertools
import re

import pytest
import torch
from loops import add, dot, linear, scaled, times

from affect.errors import ConfigError
from affect.fusion import MultiplicativeInteractionFusion
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}


def products(weight, one, other):
    """h' W h for each feature that comes out."""
    rows = weight.tolist()
    return [
        sum(one[i] * other[j] * rows[i][j][o] for i in range(len(one)) for j in range(len(other)))
        for o in range(weight.shape[2])
    ]


@pytest.mark.parametrize("form", ["matrix", "vector", "scalar"])
def test_a_sum_over_pairs(built, sample, form):
    module = built(MultiplicativeInteractionFusion, form=form)
    there = [m for m in DIMS if bool(sample[m].present)]
    h = {m: sample[m].values[0, 0].tolist() for m in there}
    expected = add(module.bias.tolist(), *(linear(module.own[m], h[m]) for m in there))
    if form == "matrix":
        for one, other in itertools.combinations(there, 2):
            expected = add(expected, products(module.weights[f"{one} to {other}"], h[one], h[other]))
    else:
        for source, to in itertools.permutations(there, 2):
            made, brought = (
                linear(module.made[f"{source} to {to}"], h[source]),
                linear(module.brought[to], h[to]),
            )
            expected = add(expected, times(made, brought) if form == "vector" else scaled(made[0], brought))
    assert module(sample).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


def two(form):
    """A fusion of two modalities whose second one keeps its size, so that it needs not be brought to one."""
    torch.manual_seed(0)
    module = MultiplicativeInteractionFusion({"x": 4, "z": 3}, 4, form=form).double().eval()
    inputs = {m: torch.randn(5, d, dtype=torch.float64) for m, d in module.dims.items()}
    with torch.no_grad():
        torch.nn.init.normal_(module.bias)
        if form != "matrix":  # x alone is changed, by z
            module.made["x to z"].weight.zero_()
            module.brought["x"].weight.copy_(torch.eye(4))
    fused = module({m: Sequence.full(v.unsqueeze(1)) for m, v in inputs.items()}).values[:, 0]
    return module, inputs["x"], inputs["z"], fused


def test_two_modalities_of_the_paper():
    """f(x, z) = (the weights that z makes) x + (the bias that z makes), as the paper writes each form."""
    module, x, z, fused = two("matrix")
    own, bias = module.own, module.bias
    made = torch.einsum("ijo,bj->bio", module.weights["x to z"], z) + own["x"].weight.T
    assert torch.allclose(fused, torch.einsum("bi,bio->bo", x, made) + z @ own["z"].weight.T + bias)
    module, x, z, fused = two("vector")
    diagonal = torch.randn(4, dtype=torch.float64)
    assert torch.allclose(
        fused, module.made["z to x"](z) * x + x @ module.own["x"].weight.T + module.own["z"](z) + module.bias
    )
    with torch.no_grad():
        module.own["x"].weight.copy_(diagonal.diag())
    fused = module({m: Sequence.full(v.unsqueeze(1)) for m, v in (("x", x), ("z", z))}).values[:, 0]
    assert torch.allclose(fused, (module.made["z to x"](z) + diagonal) * x + module.own["z"](z) + module.bias)
    module, x, z, fused = two("scalar")
    with torch.no_grad():
        module.own["x"].weight.copy_(0.5 * torch.eye(4))
        fused = module({m: Sequence.full(v.unsqueeze(1)) for m, v in (("x", x), ("z", z))}).values[:, 0]
    loudness = [dot(module.made["z to x"].weight[0].tolist(), row) + 0.5 for row in z.tolist()]
    assert torch.allclose(
        fused, torch.tensor(loudness).double().unsqueeze(1) * x + module.own["z"](z) + module.bias, atol=1e-6
    )


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: MultiplicativeInteractionFusion({"a": 2}, 4),
            "MultiplicativeInteractionFusion: needs 2 modalities or more, got a",
        ),
        (
            lambda: MultiplicativeInteractionFusion(DIMS, 4, form="vektor"),
            "MultiplicativeInteractionFusion: no form 'vektor'; did you mean 'vector'? known: matrix, scalar, vector",
        ),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()
