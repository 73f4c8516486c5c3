"""Transformers over shared and private parts of steps against loops."""

import re
from functools import partial

import pytest
from loops import add, apply, linear, mean, places, projected, sigmoid, stack

from affect import testing
from affect.errors import ConfigError
from affect.fusion import SharedPrivateTransformer
from affect.pooling import LastPooling, MeanStdPooling

DIMS = {"a": 2, "b": 3, "c": 4}
WIDTH = 4


@pytest.mark.parametrize(
    "options",
    [{}, {"main": "b"}, {"pooling": LastPooling(), "kernel": 3}],
    ids=lambda options: ", ".join(options) or "nothing",
)
def test_private_parts_ask_others_and_shared_ones_their_own(built, steps, options):
    module = built(SharedPrivateTransformer, width=WIDTH, heads=2, layers=2, own_layers=2, **options)
    u, at, main = projected(module, steps), {m: places(x) for m, x in steps.items()}, options.get("main")
    shared = {m: [linear(module.shared, step) for step in x] for m, x in u.items()}
    private = {m: [linear(module.private[m], step) for step in x] for m, x in u.items()}

    def asks(to, source):
        part = module.directions[f"{source} to {to}"]
        return stack(part, private[to], private[source], at[to], at[source])

    def pooled(part, x, dim):
        read = stack(part, x)
        return mean(read[-1:] if "pooling" in options else read, dim)

    attended, gated, common = {}, [], []
    for m in DIMS:
        if main is None:
            learned = [asks(m, source) for source in DIMS if source != m]
            wide, own = 2 * WIDTH, [one + other for one, other in zip(*learned, strict=True)]
        else:
            wide, own = WIDTH, private[main] if m == main else asks(main, m)
        here = bool(steps[m].present)
        attended[m] = pooled(module.own[m], own, wide) if here else [0.0] * wide
        gated += [sigmoid(v) for v in linear(module.gates[m], attended[m])] if here else [0.0] * wide
        common += pooled(module.common[m], shared[m], WIDTH)
    fused = gated + [sigmoid(v) for v in linear(module.common_gate, common)]
    expected = linear(module.out, add(fused, apply(module.residual, fused)))
    out, extras = module.with_extras(steps)
    assert out.values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)
    assert {name: x.shape[-1] for name, x in extras.items()} == module.offers
    for place, m in enumerate(DIMS):
        assert extras["attended"][0, place].tolist() == pytest.approx(attended[m], abs=1e-9)
        for name, part in (("projected", u), ("shared", shared), ("private", private)):
            assert extras[name][0, place].tolist() == pytest.approx(mean(part[m], WIDTH), abs=1e-9)


def test_nobody_asks_but_the_main_modality():
    assert list(SharedPrivateTransformer(DIMS, 5, main="b").directions) == ["a to b", "c to b"]
    assert len(SharedPrivateTransformer(DIMS, 5).directions) == 6


def test_the_laws_hold_with_a_main_modality():
    """With three modalities; `test_laws` has two to four without one."""
    testing.check_fusion(partial(SharedPrivateTransformer, main="text", layers=1), modalities=(3,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"main": "d"}, "no modality 'd'; known: a, b, c"),
        ({"width": 6, "heads": 4}, "width must be divisible by heads, got 6 and 4"),
        ({"pooling": MeanStdPooling()}, "MeanStdPooling changes the feature size; use one that keeps it"),
        ({"kernel": 4}, "kernel must be odd, got 4"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ConfigError, match=f"^SharedPrivateTransformer: {re.escape(message)}$"):
        SharedPrivateTransformer(DIMS, 4, **options)
