"""Crossed attention against loops, in memory, and over unaligned steps."""

import re
import subprocess
import sys
from functools import partial

import pytest
import torch
from loops import (
    add,
    apply,
    ended,
    linear,
    mean,
    observed,
    places,
    projected,
    scaled,
    sinusoids,
    stack,
    transformer,
)

from affect import batches, load, testing
from affect.attention import Attention, TransformerLayer
from affect.errors import ConfigError
from affect.fusion import CrossModalTransformer, PerStep
from affect.layers import Dropout
from affect.model import FusionModel
from affect.pooling import LastPooling
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pooling": LastPooling(), "kernel": 3},
        {"pooling": LastPooling(), "blank": True, "bare": True},
        {"blank": True, "local": False},
        {"main": "b"},
        {"main": "c", "blank": True},
        {"fixed_positions": True},
        {"fixed_positions": True, "main": "c", "blank": True, "local": False},
    ],
    ids=lambda options: ", ".join(options) or "nothing",
)
def test_cross_modal_transformer_is_the_paper_s(built, steps, options):
    module = built(CrossModalTransformer, width=4, heads=2, layers=2, own_layers=2, **options)
    inputs, vector = projected(module, steps), []
    if module.blank:
        inputs = {m: [*rows, [0.0] * 4] if rows else [] for m, rows in inputs.items()}
    whole = {m: ended(x) if module.blank else x for m, x in steps.items()}
    at = {m: places(x) for m, x in whole.items()}
    told = partial(numbered, whole) if "fixed_positions" in options else lambda m, rows: rows
    for to in DIMS:
        learned = []
        for source in (m for m in DIMS if m != to):
            pair, main = f"{source} to {to}", options.get("main", to)
            read = told(source, inputs[source])
            if main not in (source, to):  # before a third one reads them, its steps read the main modality's
                context = told(main, inputs[main])
                read = told(source, stack(module.enhance[pair], read, context, at[source], at[main]))
            learned.append(stack(module.directions[pair], told(to, inputs[to]), read, at[to], at[source]))
        own = stack(module.own[to], told(to, [one + other for one, other in zip(*learned, strict=True)]))
        vector += mean(own[-1:] if "pooling" in options else own, 8)
    fused = add(vector, apply(module.residual, vector))
    expected = fused if "bare" in options else linear(module.out, fused)
    assert module.out_dim == len(expected)
    assert module(steps).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


def numbered(steps, m, rows):
    """Observed steps, scaled, with the sinusoids of how many steps each is behind the one before the first."""
    seen = [at for at, there in enumerate(steps[m].mask[0].tolist()) if there]
    return [
        add(scaled(len(row) ** 0.5, row), sinusoids(at - seen[0] + 1, len(row)))
        for at, row in zip(seen, rows, strict=True)
    ]


@pytest.mark.parametrize(("crossed", "local"), [(False, False), (True, False), (True, True), (False, True)])
def test_a_transformer_layer(steps, crossed, local):
    torch.manual_seed(0)
    layer = TransformerLayer(4, heads=2, crossed=crossed, local=local).double().eval()
    x, context = steps["c"], Sequence(torch.randn(1, 4, 4, dtype=torch.float64), steps["b"].mask)
    if not x.present.any():
        return
    read = context if crossed else x
    expected = transformer(layer, observed(x), observed(read), places(x), places(read))
    found = layer(x, context if crossed else None)
    assert [v.tolist() for v in found.values[0][x.mask[0]]] == [pytest.approx(v, abs=1e-9) for v in expected]


def test_a_local_head_leans_to_the_same_moment():
    attention = Attention(4, heads=1, local=True).eval()
    for part in (attention.query, attention.key):
        torch.nn.init.zeros_(part.weight)
    torch.nn.init.eye_(attention.value.weight)
    torch.nn.init.eye_(attention.out.weight)
    with torch.no_grad():
        attention.sharpness.fill_(50.0)
    x, context = Sequence.full(torch.zeros(1, 3, 4)), Sequence.full(torch.randn(1, 9, 4))
    offset = attention.value.bias + attention.out.bias
    found = attention(x.values, x.mask, context.values, context.mask)
    assert torch.allclose(found, context.values[:, [0, 4, 8]] + offset, atol=1e-5)


def test_key_dropout_loses_whole_steps_in_training_and_leaves_one():
    torch.manual_seed(0)
    attention = Attention(4, heads=2, dropout=0.9)
    x, context = torch.randn(64, 3, 4), torch.randn(64, 2, 4)
    every = torch.ones(64, 3, dtype=torch.bool)
    first, second = (
        attention.eval()(x, every, context, torch.eye(2, dtype=torch.bool)[[i] * 64]) for i in (0, 1)
    )
    both = attention(x, every, context, every[:, :2])
    found = attention.train()(x, every, context, every[:, :2])
    alike = [
        torch.isclose(found, one, atol=1e-6).all(-1).all(-1)  # all queries and heads of a sample alike
        for one in (first, second, both)
    ]
    assert torch.stack(alike).any(0).all()
    assert all(some.any() for some in alike)


SCRIPT = """
import torch
from affect.fusion import CrossModalTransformer
from affect.sequences import Sequence
from pathlib import Path
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
fusion = CrossModalTransformer({"a": 4, "b": 4}, 4, width=8, heads=8, layers=1, own_layers=1, key_dropout=0.1)
time = 2000
inputs = {m: Sequence.full(torch.randn(2, time, 4)) for m in "ab"}
fusion({m: Sequence.full(torch.randn(2, 8, 4)) for m in "ab"}).values.sum().backward()
before = peak()
fusion(inputs).values.sum().backward()
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads peak memory from /proc")
def test_attention_matrices_are_never_held():
    """Two samples, eight heads, 2000 x 2000 steps: one matrix of weights would be 256 MB, in training too."""
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 128


def test_heads_that_are_not_local_do_not_see_where_a_step_stands():
    torch.manual_seed(0)
    x, order = torch.randn(2, 5, 3), torch.randperm(5)
    inputs = {"a": Sequence.full(torch.randn(2, 4, 3)), "b": Sequence.full(x)}
    turned = inputs | {"b": Sequence.full(x[:, order])}
    apart = {}
    for local in (True, False):
        fusion = CrossModalTransformer({"a": 3, "b": 3}, 4, width=8, local=local).eval()
        with torch.no_grad():
            apart[local] = (fusion(inputs).values - fusion(turned).values).abs().max().item()
    assert apart[False] < 1e-5 < 1e-3 < apart[True]


def test_only_what_stands_behind_the_pooling_has_the_residual_dropout():
    def rates(**options):
        module = CrossModalTransformer(DIMS, 4, layers=1, dropout=0.2, **options)
        behind = {id(part) for part in module.residual.modules()}
        parts = [part for part in module.modules() if isinstance(part, Dropout)]
        return tuple({part.p for part in parts if (id(part) in behind) is there} for there in (True, False))

    assert rates() == ({0.2}, {0.2})
    assert rates(residual_dropout=0.5) == ({0.5}, {0.2})


def test_a_head_is_built_for_the_size_that_a_fusion_has_of_its_own():
    corpus = load("synthetic")
    bare = partial(CrossModalTransformer, width=4, heads=2, bare=True)
    model = FusionModel.for_corpus(corpus, fusion=bare, out_dim=7)
    batch = next(iter(batches(corpus["test"], batch_size=4)))
    assert model.fusion.out_dim == 4 * len(corpus.dims) * (len(corpus.dims) - 1)
    assert model(batch.inputs).prediction.shape == (4, 1, 1)
    assert PerStep(DIMS, 7, fusion=bare).out_dim == 24


OPTIONS = [
    {"kernel": 3},
    {"blank": True, "bare": True, "pooling": LastPooling()},
    {"blank": True},
    {"main": "text", "layers": 1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_laws_hold_with_options(options):
    """With two and three modalities: `test_laws` has four, and what the options change is of every pair."""
    testing.check_fusion(partial(CrossModalTransformer, **options), modalities=(2, 3))


@pytest.mark.parametrize("service", testing.DEPLOYMENT, ids=lambda service: service.__name__)
@pytest.mark.parametrize(
    "options", [OPTIONS[1], *(pytest.param(o, marks=pytest.mark.slow) for o in OPTIONS[::2])], ids=str
)
def test_it_is_deployed_with_options(options, service):
    service(testing.fusion_part(partial(CrossModalTransformer, **options)))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: CrossModalTransformer({"a": 2}, 4),
            "CrossModalTransformer: needs 2 modalities or more, got a",
        ),
        (
            lambda: CrossModalTransformer(DIMS, 4, width=10, heads=4),
            "CrossModalTransformer: width must be divisible by heads, got 10 and 4",
        ),
        (
            lambda: CrossModalTransformer(DIMS, 4, kernel=4),
            "CrossModalTransformer: kernel must be odd, got 4",
        ),
        (
            lambda: CrossModalTransformer(DIMS, 4, main="d"),
            "CrossModalTransformer: no modality 'd'; known: a, b, c",
        ),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()
