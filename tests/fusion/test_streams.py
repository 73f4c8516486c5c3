"""Transformers over several streams against loops."""

import re

import pytest
from loops import apply, linear, mean, norm, projected, stack, transformer

from affect.errors import ConfigError
from affect.fusion import BottleneckFusion, CoAttentionFusion, LearnedQueryFusion, MergedAttentionFusion

DIMS = {"a": 2, "b": 3, "c": 4}
OPTIONS = {"width": 4, "heads": 2}


def agrees(module, steps, expected):
    assert module(steps).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


def test_co_attention(built, steps):
    module = built(CoAttentionFusion, layers=2, **OPTIONS)
    streams = projected(module, steps)
    for layer in module.layers:
        read = {
            m: transformer(layer.crossed[m], x, [v for n in DIMS if n != m for v in streams[n]])
            for m, x in streams.items()
        }
        streams = {m: transformer(layer.own[m], x) for m, x in read.items()}
    vector = []
    for m in DIMS:
        vector += mean([norm(module.norms[m], v) for v in streams[m]], 4)
    agrees(module, steps, linear(module.out, vector))


def test_merged_attention(built, steps):
    module = built(MergedAttentionFusion, layers=2, **OPTIONS)
    stream = module.token[0].tolist() + [v for x in projected(module, steps).values() for v in x]
    agrees(module, steps, linear(module.out, stack(module.layers, stream)[0]))


def test_bottlenecks(built, steps):
    module = built(BottleneckFusion, layers=3, bottlenecks=2, **OPTIONS)
    streams = {
        m: module.tokens[m][0].tolist() + x for m, x in projected(module, steps).items() if steps[m].present
    }
    shared = module.bottlenecks[0].tolist()
    for layer in range(3):
        made = {m: transformer(module.streams[m][layer], shared + x) for m, x in streams.items()}
        streams = {m: x[2:] for m, x in made.items()}
        shared = [mean([x[i] for x in made.values()], 4) for i in range(2)]
    agrees(module, steps, apply(module.out, mean([x[0] for x in streams.values()], 4)))


def test_learned_queries(built, steps):
    module = built(LearnedQueryFusion, layers=2, queries=3, **OPTIONS)
    context = [v for x in projected(module, steps).values() for v in x]
    queries = module.queries[0].tolist()
    for read, own in zip(module.read, module.own, strict=True):
        queries = transformer(own, transformer(read, queries, context))
    agrees(module, steps, apply(module.out, mean(queries, 4)))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: CoAttentionFusion({"a": 1}, 4), "CoAttentionFusion: needs 2 modalities or more, got a"),
        (
            lambda: MergedAttentionFusion(DIMS, 4, width=6, heads=4),
            "MergedAttentionFusion: width must be divisible by heads, got 6 and 4",
        ),
        (
            lambda: BottleneckFusion(DIMS, 4, layers=1),
            "BottleneckFusion: layers must be at least 2, got 1",
        ),
        (
            lambda: LearnedQueryFusion(DIMS, 4, queries=0),
            "LearnedQueryFusion: queries must be at least 1, got 0",
        ),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()
