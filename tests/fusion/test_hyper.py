"""A fusion that one modality guides against loops."""

import math
import re
from functools import partial

import pytest
import torch
from loops import (
    add,
    apply,
    dot,
    linear,
    mean,
    norm,
    projected,
    scaled,
    sigmoid,
    softmax,
    stack,
    transformer,
    weighted,
)

from affect import testing
from affect.errors import ConfigError
from affect.fusion import HyperModalityFusion
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}
WIDTH, HEADS, TOKENS = 4, 2, 3


def shifted(layer, hyper, asks, others):
    """The hyper-modality behind a layer: what every token finds among those of each other modality is added."""
    size, found = WIDTH // HEADS, []
    for token, ask in zip(hyper, asks, strict=True):
        query, mixed = linear(layer.query, norm(layer.norm, ask)), [0.0] * WIDTH
        for m, context in others.items():
            normed = [norm(layer.norms[m], step) for step in context]
            keys, values = ([linear(part[m], step) for step in normed] for part in (layer.keys, layer.values))
            answer = []
            for head in range(HEADS):
                own = slice(head * size, (head + 1) * size)
                weights = softmax([dot(query[own], key[own]) / math.sqrt(size) for key in keys])
                answer += weighted(weights, [value[own] for value in values], size)
            mixed = add(mixed, answer)
        found.append(add(token, linear(layer.out[0], mixed)))
    return found


def corrected(proxy, own, there, others):
    """The main modality's tokens, mixed with what learned tokens read of all others; and the share of the first."""
    share = sigmoid(apply(proxy.complete, mean(own, WIDTH))[0]) if there else 0.0
    steps = [step for x in others.values() for step in x]
    read = stack(proxy.read, proxy.tokens[0].tolist() + steps)[:TOKENS]
    return [add(scaled(share, a), scaled(1 - share, b)) for a, b in zip(own, read, strict=True)], share


@pytest.mark.parametrize(("layers", "proxy_layers"), [(1, 0), (3, 0), (2, 2)])
def test_what_the_main_modality_asks_for_is_gathered(built, steps, layers, proxy_layers):
    options = {"width": WIDTH, "heads": HEADS, "tokens": TOKENS, "token_layers": 2, "crossed_layers": 2}
    module = built(HyperModalityFusion, main="b", layers=layers, proxy_layers=proxy_layers, **options)
    told = {
        m: stack(module.read[m], module.tokens[m][0].tolist() + x)[:TOKENS]
        for m, x in projected(module, steps).items()
    }
    asks, hyper = told.pop("b"), module.hyper[0].tolist()
    others = {m: x for m, x in told.items() if steps[m].present}
    out, extras = module.with_extras(steps)
    assert {name: x.shape[-1] for name, x in extras.items()} == module.offers
    if proxy_layers:
        asks, share = corrected(module.proxy, asks, steps["b"].present, others)
        assert extras["completeness"].item() == pytest.approx(share, abs=1e-12)
    for place, layer in enumerate(module.layers):
        asks = transformer(module.own[place - 1], asks) if place else asks
        hyper = shifted(layer, hyper, asks, others)
    expected = linear(module.out, mean(stack(module.crossed, asks, hyper), WIDTH))
    assert out.values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


def test_the_laws_hold_with_a_proxy():
    """With three modalities; `test_laws` has two to four without one."""
    testing.check_fusion(partial(HyperModalityFusion, main="text", layers=1, proxy_layers=1), modalities=(3,))


def test_the_main_modality_alone_is_read_too():
    """Were it asked with alone, as in the authors' code, nothing of it would come out without the others."""
    torch.manual_seed(0)
    module = HyperModalityFusion(DIMS, 5, main="b").eval()
    nothing = {m: Sequence.full(torch.zeros(2, 3, d)).keep(torch.tensor(False)) for m, d in DIMS.items()}
    out = module({**nothing, "b": Sequence.full(torch.randn(2, 3, 3))}).values
    assert (out[0] - out[1]).abs().max() > 1e-3


def test_the_first_modality_by_name_asks_where_none_is_named():
    assert HyperModalityFusion({"text": 2, "acoustic": 3}, 4).main == "acoustic"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"main": "d"}, "no modality 'd'; known: a, b, c"),
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"tokens": 0}, "tokens must be at least 1, got 0"),
        ({"token_layers": 0}, "token_layers must be at least 1, got 0"),
        ({"width": 6, "heads": 4}, "width must be divisible by heads, got 6 and 4"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ConfigError, match=f"^HyperModalityFusion: {re.escape(message)}$"):
        HyperModalityFusion(DIMS, 4, **options)


def test_one_modality_is_refused():
    with pytest.raises(ConfigError, match="^HyperModalityFusion: needs 2 modalities or more, got a$"):
        HyperModalityFusion({"a": 2}, 4)
