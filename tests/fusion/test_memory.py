"""Memories against loops over steps, and what stays where nothing is observed."""

import math
import re

import pytest
import torch
from loops import add, apply, linear, sigmoid, softmax, times

from affect.errors import ConfigError, ShapeError
from affect.fusion import HybridMemoryFusion, MemoryFusion
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}


def lstm(cell, x, state):
    hidden, memory = state
    width = len(hidden)
    gates = [
        sum(w * v for w, v in zip(row, x, strict=True))
        + sum(u * h for u, h in zip(recurrent, hidden, strict=True))
        + b
        + c
        for row, recurrent, b, c in zip(
            *(p.tolist() for p in (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)), strict=True
        )
    ]
    enter, forget = ([sigmoid(v) for v in gates[i * width : (i + 1) * width]] for i in (0, 1))
    new, out = [math.tanh(v) for v in gates[2 * width : 3 * width]], [sigmoid(v) for v in gates[3 * width :]]
    memory = add(times(forget, memory), times(enter, new))
    return times(out, [math.tanh(v) for v in memory]), memory


def moments(aligned):
    """At each step, what is observed of each modality."""
    for step in range(6):
        yield {m: x.values[0, step].tolist() for m, x in aligned.items() if x.mask[0, step]}


def agrees(module, aligned, found):
    seen = [bool(now) for now in moments(aligned)]
    expected = [
        linear(module.out, state) if now else [0.0] * 5 for state, now in zip(found, seen, strict=True)
    ]
    out = module(aligned)
    if module.steps:
        assert out.mask[0].tolist() == seen
        assert out.values[0].tolist() == [pytest.approx(step, abs=1e-9) for step in expected]
    else:
        assert out.values[0, 0].tolist() == pytest.approx(linear(module.out, found[-1]), abs=1e-9)


@pytest.mark.parametrize("steps", [False, True])
def test_memory_fusion_is_the_paper_s(built, aligned, steps):
    width, size = 3, 4
    module = built(MemoryFusion, width=width, memory=size, steps=steps)
    states = {m: ([0.0] * width, [0.0] * width) for m in DIMS}
    memory, found = [0.0] * size, []
    for now in moments(aligned):
        before = [v for m in DIMS for v in states[m][1]]
        states |= {m: lstm(module.cells[m], x, states[m]) for m, x in now.items()}
        if now:
            cells = before + [v for m in DIMS for v in states[m][1]]
            attended = times(softmax(apply(module.attention, cells)), cells)
            new = [math.tanh(v) for v in apply(module.new, attended)]
            gates = [sigmoid(v) for v in apply(module.gates, attended + memory)]
            memory = add(times(gates[:size], memory), times(gates[size:], new))
        found.append([v for m in DIMS for v in states[m][0]] + memory)
    agrees(module, aligned, found)


@pytest.mark.parametrize("steps", [False, True])
def test_hybrid_memory_fusion_is_the_paper_s(built, aligned, steps):
    width, size, attentions = 3, 4, 2
    module = built(HybridMemoryFusion, width=width, code=size, attentions=attentions, steps=steps)
    states = {m: ([0.0] * width, [0.0] * width) for m in DIMS}
    code, found = [0.0] * size, []
    for now in moments(aligned):
        states |= {m: lstm(module.cells[m], x + code, states[m]) for m, x in now.items()}
        hidden = [v for m in DIMS for v in states[m][0]]
        if now:
            scores, reduced = apply(module.attend, hidden), []
            views = [
                times(softmax(scores[k * len(hidden) : (k + 1) * len(hidden)]), hidden)
                for k in range(attentions)
            ]
            for i, m in enumerate(DIMS):
                reduced += apply(
                    module.reduce[m], [v for view in views for v in view[i * width : (i + 1) * width]]
                )
            code = apply(module.encode, reduced)
        found.append(hidden + code)
    agrees(module, aligned, found)


@pytest.mark.parametrize("fusion", [MemoryFusion, HybridMemoryFusion])
def test_the_last_step_is_the_vector(built, aligned, fusion):
    whole, last = built(fusion, steps=True), built(fusion)
    seen = torch.stack([x.mask for x in aligned.values()]).any(0)[0]
    if seen.any():
        step = int(seen.nonzero()[-1])
        assert torch.allclose(whole(aligned).values[:, step], last(aligned).values[:, 0])


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda: MemoryFusion(DIMS, 4, memory=0),
            ConfigError,
            "MemoryFusion: sizes must be at least 1, got width=32, memory=0",
        ),
        (
            lambda: HybridMemoryFusion(DIMS, 4, attentions=0),
            ConfigError,
            "HybridMemoryFusion: sizes must be at least 1, got width=32, code=16, attentions=0",
        ),
        (
            lambda: MemoryFusion(DIMS, 4)(
                {m: Sequence.full(torch.ones(1, 1 + d, d)) for m, d in DIMS.items()}
            ),
            ShapeError,
            "MemoryFusion: needs aligned sequences, got steps a 3, b 4, c 5; put an aligner before it "
            "(ResamplingAligner, WarpingAligner or AttentionAligner)",
        ),
    ],
)
def test_refusals(ask, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask()
