"""Cross-modal enhancement against loops, and where it stands in an encoder."""

import functools
import re

import pytest
import torch
from loops import add, apply, attention, linear, norm, observed, sinusoids, transformer

from affect.encoders import TransformerEncoder
from affect.errors import ConfigError
from affect.fusion import CrossModalEnhancementFusion

DIMS = {"a": 2, "b": 3, "c": 4}


@pytest.mark.parametrize(("layer", "heads"), [(0, 1), (1, 2), (2, 1)])
def test_hidden_states_find_more_in_the_others(built, steps, layer, heads):
    encoder = functools.partial(TransformerEncoder, heads=2)
    module = built(
        CrossModalEnhancementFusion, out_dim=4, main="b", encoder=encoder, layer=layer, heads=heads
    )
    at = [i for i, seen in enumerate(steps["b"].mask[0].tolist()) if seen]
    hidden = [
        add(linear(module.encoder.project, x), sinusoids(i - at[0], 4))
        for i, x in zip(at, observed(steps["b"]), strict=True)
    ]
    for place in range(3):
        if place == layer:
            found = [
                attention(module.enhance.attention[m], hidden, read)
                for m in ("a", "c")
                if (read := [apply(module.enhance.project[m], x) for x in observed(steps[m])])
            ]
            hidden = [add(h, *(own[i] for own in found)) for i, h in enumerate(hidden)]
        hidden = transformer(module.encoder.layers[place], hidden) if place < 2 else hidden
    out = module(steps)
    expected = [pytest.approx(norm(module.encoder.norm, h), abs=1e-9) for h in hidden]
    assert observed(out) == expected
    assert torch.equal(out.mask, steps["b"].mask)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"main": "aa"}, "no modality 'aa'; did you mean 'a'? known: a, b, c"),
        ({"layer": 3}, "TransformerEncoder has layers 0 to 2, got layer=3"),
        ({"heads": 3}, "width must be divisible by heads, got 8 and 3"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ConfigError, match=f"^CrossModalEnhancementFusion: {re.escape(message)}$"):
        CrossModalEnhancementFusion(DIMS, 8, **options)


def test_one_modality_is_refused():
    with pytest.raises(ConfigError, match="^CrossModalEnhancementFusion: needs 2 modalities or more, got a$"):
        CrossModalEnhancementFusion({"a": 2}, 8)
