"""Weights that are drawn from the vectors, against loops."""

import pytest
from loops import add, apply, linear, scaled, softmax

from affect.fusion import AttentionSumFusion

DIMS = {"a": 2, "b": 3, "c": 4}


@pytest.mark.parametrize("normed", [False, True])
def test_attention_sum(built, sample, normed):
    module = built(AttentionSumFusion, softmax=normed)
    vectors = {
        m: [max(v, 0.0) for v in linear(module.project[m], x.values[0, 0].tolist())]
        if x.present
        else [0.0] * 5
        for m, x in sample.items()
    }
    told = apply(module.weigh, [v for vector in vectors.values() for v in vector])
    there = [place for place, x in enumerate(sample.values()) if x.present]
    shares = softmax([told[place] for place in there]) if normed else [told[place] for place in there]
    expected = add(
        [0.0] * 5, *(scaled(w, vectors["abc"[place]]) for w, place in zip(shares, there, strict=True))
    )
    out, extras = module.with_extras(sample)
    assert out.values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)
    weights = dict(zip(there, shares, strict=True))
    assert extras["weights"][0].tolist() == pytest.approx([weights.get(i, 0.0) for i in range(3)], abs=1e-9)
