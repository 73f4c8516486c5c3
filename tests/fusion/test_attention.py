"""Attention under questions, memories and context, against loops."""

import math
import re

import pytest
import torch
from loops import add, apply, dot, linear, mean, observed, softmax, times, weighted

from affect.errors import ConfigError
from affect.fusion import ContextualAttentionFusion, DualAttentionFusion, StackedAttentionFusion
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}
WIDTH = 6


def tanh(x):
    return [math.tanh(v) for v in x]


@pytest.mark.parametrize("main", ["a", "b"])
def test_stacked_attention_is_the_paper_s(built, steps, main):
    module = built(StackedAttentionFusion, main=main, width=WIDTH, layers=3)
    question = linear(module.project[main], mean(observed(steps[main]), DIMS[main]))
    answers = [linear(module.project[m], v) for m in DIMS if m != main for v in observed(steps[m])]
    for step, ask, score in zip(module.step, module.question, module.score, strict=True):
        if answers:
            asked = linear(ask, question)
            scores = [linear(score, tanh(add(linear(step, v), asked)))[0] for v in answers]
            question = add(question, weighted(softmax(scores), answers, WIDTH))
    out, extras = module.with_extras(steps)
    assert out.values[0, 0].tolist() == pytest.approx(linear(module.out[1], question), abs=1e-9)
    assert extras["weights"][0].sum(1).tolist() == pytest.approx([float(bool(answers))] * 3)


def test_dual_attention_is_the_paper_s(built, steps):
    module = built(DualAttentionFusion, width=WIDTH, layers=2)
    there = {m: observed(x) for m, x in steps.items() if x.present}
    memory = [0.0] * WIDTH
    if there:
        memory = times(*(tanh(linear(module.first[m], mean(x, DIMS[m]))) for m, x in there.items()))
    for layer in range(2):
        found = []
        for m, x in there.items():
            recall = module.recalls[m][layer]
            told = tanh(linear(recall.memory, memory))
            scores = [linear(recall.score, times(tanh(linear(recall.step, v)), told))[0] for v in x]
            found.append(tanh(linear(recall.out, weighted(softmax(scores), x, DIMS[m]))))
        if found:
            memory = add(memory, times(*found))
    expected = linear(module.out[1], memory)
    assert module(steps).values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("causal", [False, True])
def test_contextual_attention_is_the_paper_s(built, aligned, causal):
    module = built(ContextualAttentionFusion, width=WIDTH, causal=causal)
    seen = {m: x.mask[0].tolist() for m, x in aligned.items()}
    x = {
        m: [
            apply(module.project[m], v) if s else None
            for v, s in zip(aligned[m].values[0].tolist(), seen[m], strict=True)
        ]
        for m in DIMS
    }
    out = module(aligned)
    for step in range(6):
        parts = []
        for source in DIMS:
            for to in DIMS:
                if source == to:
                    continue
                context = [v for v in x[source][: step + 1 if causal else None] if v is not None]
                found = [0.0] * WIDTH
                if x[to][step] is not None and context:
                    weights = softmax([dot(x[to][step], v) for v in context])
                    found = times(weighted(weights, context, WIDTH), x[to][step])
                parts += found
        for m in DIMS:
            parts += x[m][step] or [0.0] * WIDTH
        there = any(seen[m][step] for m in DIMS)
        assert out.mask[0, step] == there
        expected = linear(module.out, parts) if there else [0.0] * 5
        assert out.values[0, step].tolist() == pytest.approx(expected, abs=1e-9)


def test_an_utterance_reads_the_others_of_its_video():
    torch.manual_seed(0)
    module = ContextualAttentionFusion({"a": 2, "b": 3}, 4).eval()
    inputs = {"a": Sequence.full(torch.randn(1, 5, 2)), "b": Sequence.full(torch.randn(1, 5, 3))}
    changed = inputs["b"].values.clone()
    changed[0, 4] += 1
    before, after = module(inputs).values, module({**inputs, "b": Sequence.full(changed)}).values
    assert not torch.allclose(before[0, 0], after[0, 0])


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: StackedAttentionFusion(DIMS, 4, main="d"),
            "StackedAttentionFusion: no modality 'd'; known: a, b, c",
        ),
        (lambda: DualAttentionFusion({"a": 1}, 4), "DualAttentionFusion: needs 2 modalities or more, got a"),
        (
            lambda: ContextualAttentionFusion({"a": 1}, 4),
            "ContextualAttentionFusion: needs 2 modalities or more, got a",
        ),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()
