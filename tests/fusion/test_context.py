"""A graph over utterances, against loops over its edges."""

import re
from functools import partial

import pytest
import torch
from loops import add, moments, recurrent
from test_graph import through

from affect import testing
from affect.errors import ConfigError
from affect.fusion import ContextGraphFusion
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("speaker", [None, "b"])
def test_context_graph(built, aligned, speaker, causal):
    future = int(not causal)
    module = built(
        ContextGraphFusion, speaker=speaker, width=4, heads=2, past=2, future=future, causal=causal
    )
    if speaker and aligned["b"].present:  # two turns of one, one of another
        turns = torch.tensor([[0.0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]])
        aligned = {**aligned, "b": aligned["b"].with_values(turns.double().unsqueeze(0))}
    said = [m for m in DIMS if m != speaker]
    seen = [(i, now) for i, now in enumerate(moments(aligned)) if now]
    rows = [[v for m in said for v in now.get(m, module.absent[m].tolist())] for _, now in seen]
    nodes = recurrent(module.read, rows)
    kinds = [[], []]
    for i, (_, now) in enumerate(seen):
        near = [j for j in range(i - 2, i + 1 + future) if 0 <= j < len(seen)]
        kinds[0].append([(j, (j > i) - (j < i) + 1) for j in near])
        who = [seen[j][1].get(speaker) for j in near]
        kinds[1].append(
            [
                (j, 2 if None in (other, now.get(speaker)) else int(other == now[speaker]))
                for j, other in zip(near, who, strict=True)
            ]
        )
    expected = [[0.0] * 5 for _ in rows]
    for graph, edges, reread in zip(module.graphs, kinds, module.reread, strict=False):
        x = nodes
        for layer in graph:
            x, _ = through(layer, x, edges)
        found = recurrent(reread, [n + own for n, own in zip(nodes, x, strict=True)])
        expected = [add(one, other) for one, other in zip(expected, found, strict=True)]
    out = module(aligned)
    assert len(module.graphs) == 1 + (speaker is not None)
    assert out.mask[0].nonzero().flatten().tolist() == [i for i, _ in seen]
    for (i, _), one in zip(seen, expected, strict=True):
        assert out.values[0, i].tolist() == pytest.approx(one, abs=1e-9)


@pytest.mark.parametrize(
    "law", [testing.padding_is_not_read, testing.any_subset_works, testing.batch_independent],
    ids=lambda law: law.__name__,
)  # fmt: skip
def test_with_a_speaker_it_keeps_the_laws(law):
    law(testing.fusion_part(partial(ContextGraphFusion, speaker="text")))


def test_causal_it_reads_nothing_later(built, nothing_later_is_read):
    build = partial(
        built, ContextGraphFusion, dims={"a": 2, "b": 3, "who": 1}, speaker="who", width=4, heads=2
    )
    module = build(future=0, causal=True)
    assert module.causal
    assert nothing_later_is_read(module)
    assert not nothing_later_is_read(build(future=0))


def test_who_speaks_matters_and_what_it_is_called_does_not():
    torch.manual_seed(0)
    fusion = ContextGraphFusion({"said": 3, "who": 2}, 4, speaker="who").eval()
    said = Sequence.full(torch.randn(1, 4, 3))
    turns = torch.tensor([[[1.0, 0], [0, 1], [1, 0], [0, 1]]])
    one, renamed, other = (
        fusion({"said": said, "who": Sequence.full(who)}).values
        for who in (turns, 1 - turns, turns[:, :1].expand(1, 4, 2))
    )
    assert torch.equal(one, renamed)
    assert not torch.allclose(one, other)


@pytest.mark.parametrize(
    ("dims", "options", "message"),
    [
        (DIMS, {"speaker": "d"}, "ContextGraphFusion: no modality 'd'; known: a, b, c"),
        (
            {"a": 2},
            {"speaker": "a"},
            "ContextGraphFusion: expected something that is said, got the speaker alone",
        ),
        (DIMS, {"past": -1}, "ContextGraphFusion: past must be at least 0, got -1"),
        (DIMS, {"layers": 0}, "ContextGraphFusion: layers must be at least 1, got 0"),
        (
            DIMS,
            {"causal": True},
            "ContextGraphFusion: causal, it has no edges from later steps, got future 2; set future to 0",
        ),
    ],
    ids=["speaker", "alone", "past", "layers", "causal"],
)
def test_what_cannot_be_is_refused(dims, options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        ContextGraphFusion(dims, 4, **options)
