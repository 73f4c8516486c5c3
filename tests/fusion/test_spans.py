"""Shifts by what lies within a step's span, against loops."""

import math
import re

import pytest
import torch
from loops import add, apply, dot, linear, lstm, scaled, sigmoid

from affect.encoders import LSTMEncoder, PassEncoder, StepEncoder
from affect.errors import ConfigError
from affect.fusion import SpanShiftFusion
from affect.pooling import LastPooling, MeanStdPooling
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}


def within(other, main):
    """The observed steps of the only sample of `other` that lie within each step of `main`."""
    there, here = ([i for i, seen in enumerate(x.mask[0].tolist()) if seen] for x in (other, main))
    found = {i: [] for i in here}
    for i in there if here else []:
        middle = (i - there[0] + 0.5) / (there[-1] - there[0] + 1)
        step = here[0] + math.floor(middle * (here[-1] - here[0] + 1))
        if step in found:
            found[step].append(other.values[0, i].tolist())
    return found


@pytest.mark.parametrize("main", ["a", "c"])
def test_each_step_is_shifted_by_what_lies_within_it(built, steps, main):
    module = built(SpanShiftFusion, main=main, width=3, scale=0.7, encoder=StepEncoder)
    spans = {m: within(steps[m], steps[main]) for m in module.cells}
    out, extras = module.with_extras(steps)
    assert torch.equal(out.mask, steps[main].mask)
    for i, seen in enumerate(steps[main].mask[0].tolist()):
        if not seen:
            continue
        x, parts = steps[main].values[0, i].tolist(), []
        for place, (m, cell) in enumerate(module.cells.items()):
            state = [0.0] * 3, [0.0] * 3
            for step in spans[m][i]:
                state = lstm(list(cell.parameters()), step, state)
            gate = sigmoid(linear(module.gates[m], state[0] + x)[0]) if spans[m][i] else 0.0
            assert extras["gates"][0, i, place].item() == pytest.approx(gate, abs=1e-9)
            if spans[m][i]:
                parts.append(scaled(gate, linear(module.shifts[m], state[0])))
        if parts:
            shift = add(module.bias.tolist(), *parts)
            x = add(x, scaled(min(0.7 * math.sqrt(dot(x, x) / dot(shift, shift)), 1.0), shift))
        expected = apply(module.encoder.layers[1], x)  # behind dropout
        assert out.values[0, i].tolist() == pytest.approx(expected, abs=1e-9)


def test_a_pooling_makes_one_vector():
    fusion = SpanShiftFusion(DIMS, 4, encoder=LSTMEncoder, pooling=LastPooling())
    assert fusion({m: Sequence.full(torch.ones(2, 5, d)) for m, d in DIMS.items()}).time == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"main": "d"}, "SpanShiftFusion: no modality 'd'; known: a, b, c"),
        (
            {"encoder": PassEncoder},
            "SpanShiftFusion: PassEncoder gives feature size 2, expected 5; use an encoder that gives the size it",
        ),
        (
            {"pooling": MeanStdPooling()},
            "SpanShiftFusion: MeanStdPooling changes the feature size; use one that keeps it",
        ),
    ],
    ids=["main", "encoder", "pooling"],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        SpanShiftFusion(DIMS, 5, **options)
