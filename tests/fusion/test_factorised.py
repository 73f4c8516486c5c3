"""Shared and private spaces against loops."""

import pytest
from loops import apply, linear, transformer

from affect.fusion import SharedPrivateFusion

DIMS = {"a": 2, "b": 3, "c": 4}


def test_shared_and_private_spaces(built, sample):
    module = built(SharedPrivateFusion, width=4, heads=2)
    spaces = {"projected": {}, "shared": {}, "private": {}}
    for m, x in sample.items():
        if x.present:
            u = apply(module.project[m], x.values[0, 0].tolist())
            spaces["projected"][m] = u
            spaces["shared"][m], spaces["private"][m] = apply(module.shared, u), apply(module.private[m], u)
    there = [(name, m) for name in ("shared", "private") for m in spaces[name]]
    attended = transformer(module.attention, [spaces[name][m] for name, m in there])
    rows = dict(zip(there, attended, strict=True))
    whole = [v for name in ("shared", "private") for m in DIMS for v in rows.get((name, m), [0.0] * 4)]
    out, extras = module.with_extras(sample)
    assert out.values[0, 0].tolist() == pytest.approx(linear(module.out, whole), abs=1e-9)
    for name, parts in spaces.items():
        for i, m in enumerate(DIMS):
            assert extras[name][0, i].tolist() == pytest.approx(parts.get(m, [0.0] * 4), abs=1e-9)
