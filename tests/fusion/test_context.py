"""A graph over utterances, against loops over its edges."""

import re

import pytest
import torch
from loops import add, linear, lstm, moments
from test_graph import through

from affect.errors import ConfigError
from affect.fusion import ContextGraphFusion
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}


def read(encoder, rows):
    """An LSTM in both directions over rows, and its linear layer."""
    width = encoder.project.in_features // 2
    ways = []
    for network, own in ((encoder.forwards[0], rows), (encoder.backwards[0], rows[::-1])):
        state, found = ([0.0] * width, [0.0] * width), []
        for row in own:
            state = lstm(list(network.parameters()), row, state)
            found.append(state[0])
        ways.append(found)
    return [linear(encoder.project, one + other) for one, other in zip(ways[0], ways[1][::-1], strict=True)]


@pytest.mark.parametrize("speaker", [None, "b"])
def test_context_graph(built, aligned, speaker):
    module = built(ContextGraphFusion, speaker=speaker, width=4, heads=2, past=2, future=1)
    if speaker and aligned["b"].present:  # two turns of one, one of another
        turns = torch.tensor([[0.0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0]])
        aligned = {**aligned, "b": aligned["b"].with_values(turns.double().unsqueeze(0))}
    said = [m for m in DIMS if m != speaker]
    seen = [(i, now) for i, now in enumerate(moments(aligned)) if any(m in now for m in said)]
    rows = [[v for m in said for v in now.get(m, module.absent[m].tolist())] for _, now in seen]
    nodes = read(module.read, rows)
    kinds = [[], []]
    for i, (_, now) in enumerate(seen):
        near = [j for j in range(i - 2, i + 2) if 0 <= j < len(seen)]
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
        found = read(reread, [n + own for n, own in zip(nodes, x, strict=True)])
        expected = [add(one, other) for one, other in zip(expected, found, strict=True)]
    out = module(aligned)
    assert len(module.graphs) == 1 + (speaker is not None)
    assert out.mask[0].nonzero().flatten().tolist() == [i for i, _ in seen]
    for (i, _), one in zip(seen, expected, strict=True):
        assert out.values[0, i].tolist() == pytest.approx(one, abs=1e-9)


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
        (DIMS, {"past": -1}, "ContextGraphFusion: past and future must be 0 or more, got -1 and 2"),
        (DIMS, {"layers": 0}, "ContextGraphFusion: layers must be at least 1, got 0"),
    ],
    ids=["speaker", "alone", "past", "layers"],
)
def test_what_cannot_be_is_refused(dims, options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        ContextGraphFusion(dims, 4, **options)
