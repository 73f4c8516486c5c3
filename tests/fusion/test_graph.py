"""Graphs against loops over their edges, and graph attention against PyTorch Geometric."""

import itertools
import math
import re

import pytest
import torch
from loops import add, apply, dot, linear, mean, norm, observed, places, scaled, sigmoid, softmax, weighted

from affect.errors import ConfigError
from affect.fusion import DynamicGraphFusion, ModalityGraphFusion, TemporalGraphFusion
from affect.fusion.graph import GraphAttention
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "c": 4}


def attention(layer, nodes, edges):
    """Graph attention where edges[i] are (node, kind) of each edge to node i; and the weights, by head."""
    heads, size = layer.score.shape
    found, weights = [], []
    sources, targets = ([linear(part, x) for x in nodes] for part in (layer.source, layer.target))
    for i, incoming in enumerate(edges):
        out, mine = [], []
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            scores = []
            for j, kind in incoming:
                heard = add(sources[j][own], targets[i][own], layer.kinds[kind].tolist()[own])
                scores.append(dot(layer.score[head].tolist(), [v if v > 0 else 0.2 * v for v in heard]))
            shares = softmax(scores) if scores else []
            out += weighted(shares, [sources[j][own] for j, _ in incoming], size)
            mine.append(shares)
        found.append(out)
        weights.append([sum(shares) / heads for shares in zip(*mine, strict=True)])
    return found, weights


def through(layer, nodes, edges):
    found, weights = attention(layer.attention, [norm(layer.norm, x) for x in nodes], edges)
    nodes = [add(x, f) for x, f in zip(nodes, found, strict=True)]
    return [add(x, apply(layer.feedforward, x)) for x in nodes], weights


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # PyTorch Geometric's own
def test_graph_attention_is_that_of_pytorch_geometric():
    from torch_geometric.nn import GATv2Conv

    torch.manual_seed(0)
    layer = GraphAttention(8, heads=2, kinds=3).double()
    nodes = torch.randn(1, 6, 8, dtype=torch.float64)
    index, kind = torch.randint(6, (1, 6, 4)), torch.randint(3, (1, 6, 4))
    mask = torch.rand(1, 6, 4) < 0.7
    mask[0, 2] = False  # a node without edges
    conv = GATv2Conv(8, 4, heads=2, edge_dim=3, add_self_loops=False).double()
    with torch.no_grad():
        for ours, theirs in ((layer.source, conv.lin_l), (layer.target, conv.lin_r)):
            theirs.load_state_dict(ours.state_dict())
        conv.lin_edge.weight.copy_(layer.kinds.T)
        conv.att.copy_(layer.score.unsqueeze(0))
        conv.bias.zero_()
    edges = torch.stack([index[mask], torch.arange(6).view(1, 6, 1).expand(1, 6, 4)[mask]])
    expected = conv(nodes[0], edges, torch.nn.functional.one_hot(kind[mask], 3).double())
    assert torch.allclose(layer(nodes, index, kind, mask)[0][0], expected)


def test_gradients_of_graph_attention():
    torch.manual_seed(0)
    layer = GraphAttention(4, heads=2, kinds=2).double()
    index, kind = torch.randint(3, (2, 3, 4)), torch.randint(2, (2, 3, 4))
    mask = torch.rand(2, 3, 4) < 0.6
    mask[1, 1] = False
    nodes = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x, index, kind, mask)[0], (nodes,))


def steps_of(inputs):
    """All observed steps: (modality, number among the modality's observed steps, place in time)."""
    return [(m, i, at) for m, x in inputs.items() for i, at in enumerate(places(x))]


def expected_edges(inputs, reach):
    """For each observed step, the others that it has an edge from, with the kind, in order."""
    steps, names = steps_of(inputs), list(inputs)
    found = []
    for m, _, at in steps:
        incoming = []
        for other in names:
            theirs = [(i, when) for n, i, when in steps if n == other]
            if not theirs:
                continue
            nearest = min(theirs, key=lambda step: (abs(step[1] - at), step[0]))[0]
            for i in range(nearest - reach, nearest + reach + 1):
                if 0 <= i < len(theirs):
                    when = (i > nearest) - (i < nearest) + 1
                    kind = 3 * (len(names) * names.index(m) + names.index(other)) + when
                    incoming.append((steps.index((other, i, dict(theirs)[i])), kind))
        found.append(incoming)
    return found


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_edges_come_from_the_nearest_steps(steps, reach):
    fusion = TemporalGraphFusion(DIMS, 4, reach=reach)
    index, kind, mask = (part[0] for part in fusion.edges(steps))
    seen = torch.cat([x.mask[0] for x in steps.values()])
    number = seen.cumsum(0) - 1  # of a step among the observed ones
    found = [
        [(int(number[i]), int(k)) for i, k, there in zip(index[n], kind[n], mask[n], strict=True) if there]
        for n in seen.nonzero().flatten()
    ]
    assert found == expected_edges(steps, reach)
    assert not mask[~seen].any()


@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_temporal_graph(built, steps, keep):
    module = built(TemporalGraphFusion, width=4, heads=2, layers=3, reach=1, keep=keep)
    nodes = [linear(module.project[m], v) for m, x in steps.items() for v in observed(x)]
    edges, weights = expected_edges(steps, 1), []
    for i, layer in enumerate(module.layers):
        if i:
            edges = [pruned(e, w, keep) for e, w in zip(edges, weights, strict=True)]
        nodes, weights = through(layer, nodes, edges)
    whole, at = [], 0
    for m in DIMS:
        count = int(steps[m].lengths)
        whole += mean(nodes[at : at + count], 4)
        at += count
    out, extras = module.with_extras(steps)
    assert out.values[0, 0].tolist() == pytest.approx(apply(module.out, whole), abs=1e-9)
    assert extras["attention"].sum().item() == pytest.approx(len(nodes), abs=1e-9)


def pruned(edges, weights, keep):
    kept = sorted(range(len(edges)), key=lambda i: (-weights[i], i))[: math.ceil(keep * len(edges))]
    return [edges[i] for i in sorted(kept)]


def test_a_hole_is_no_step_of_the_past():
    fusion = TemporalGraphFusion({"a": 2, "b": 2}, 4, reach=1)
    x = Sequence(torch.ones(1, 4, 2), torch.tensor([[True, False, True, True]]))
    index, kind, mask = fusion.edges({"a": x, "b": x.keep(torch.tensor(False))})
    own = [
        (int(i), int(k) % 3) for i, k, there in zip(index[0, 2], kind[0, 2], mask[0, 2], strict=True) if there
    ]
    assert own == [(0, 0), (2, 1), (3, 2)]


def test_between_two_steps_that_are_as_near_the_earlier_is_the_present():
    fusion = TemporalGraphFusion({"a": 2, "b": 2}, 4, reach=0)
    one, two = (Sequence.full(torch.ones(1, time, 2)) for time in (1, 2))
    index, _, mask = fusion.edges({"a": one, "b": two})  # at 0.5, and at 0 and 1
    assert index[0, 0].tolist() == [0, 1]
    assert mask.all()


def test_cost_grows_with_the_steps():
    fusion = TemporalGraphFusion({"a": 2, "b": 2}, 4, reach=2)
    for time in (50, 100):
        x = Sequence.full(torch.ones(1, time, 2))
        assert fusion.edges({"a": x, "b": x})[0].shape == (1, 2 * time, 10)


def test_modality_graph(built, sample):
    module = built(ModalityGraphFusion, width=4, heads=2)
    there = [i for i, m in enumerate(DIMS) if sample[m].present]
    names = list(DIMS)
    nodes = [linear(module.project[names[i]], sample[names[i]].values[0, 0].tolist()) for i in there]
    edges = [[(place, 3 * i + j) for place, j in enumerate(there)] for i in there]
    for layer in module.layers:
        nodes, weights = through(layer, nodes, edges)
    out, extras = module.with_extras(sample)
    assert out.values[0, 0].tolist() == pytest.approx(apply(module.out, mean(nodes, 4)), abs=1e-9)
    for row, i in enumerate(there):
        assert extras["attention"][0, i, there].tolist() == pytest.approx(weights[row], abs=1e-9)


def test_dynamic_graph(built, sample):
    module = built(DynamicGraphFusion, width=4)
    there = {m for m in DIMS if sample[m].present}
    value = {
        (m,): linear(module.project[m], x.values[0, 0].tolist()) if m in there else [0.0] * 4
        for m, x in sample.items()
    }
    efficacies = iter([sigmoid(v) for v in apply(module.efficacy, [v for m in DIMS for v in value[m,]])])

    def come(parts):
        shares = [next(efficacies) for _ in parts]
        return [
            v for s, u in zip(shares, parts, strict=True) for v in scaled(s * (set(u) <= there), value[u])
        ]

    sets = [s for size in (1, 2, 3) for s in itertools.combinations(DIMS, size)]
    for vertex in sets[3:]:
        value[vertex] = apply(module.networks[str(vertex)], come([u for u in sets if set(u) < set(vertex)]))
    expected = linear(module.out, come(sets))
    out, extras = module.with_extras(sample)
    assert out.values[0, 0].tolist() == pytest.approx(expected, abs=1e-9)
    assert extras["efficacies"].shape == (1, 2 + 2 + 2 + 6 + 7)
    assert next(efficacies, None) is None


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: GraphAttention(6, heads=4), "GraphAttention: width must be divisible by heads, got 6 and 4"),
        *(
            (
                lambda keep=keep: TemporalGraphFusion(DIMS, 4, keep=keep),
                f"TemporalGraphFusion: keep must be above 0 and at most 1, got {keep}",
            )
            for keep in (0, 1.5)
        ),
        (
            lambda: TemporalGraphFusion(DIMS, 4, reach=-1),
            "TemporalGraphFusion: reach must be at least 0, got -1",
        ),
        (
            lambda: TemporalGraphFusion(DIMS, 4, width=6, heads=4),
            "TemporalGraphFusion: width must be divisible by heads, got 6 and 4",
        ),
        (
            lambda: TemporalGraphFusion(DIMS, 4, layers=0),
            "TemporalGraphFusion: layers must be at least 1, got 0",
        ),
        (
            lambda: ModalityGraphFusion(DIMS, 4, layers=0),
            "ModalityGraphFusion: layers must be at least 1, got 0",
        ),
        (
            lambda: ModalityGraphFusion({"a": 2}, 4),
            "ModalityGraphFusion: needs 2 modalities or more, got a",
        ),
        (lambda: DynamicGraphFusion({"a": 2}, 4), "DynamicGraphFusion: needs 2 modalities or more, got a"),
        (
            lambda: ModalityGraphFusion(DIMS, 4, width=6, heads=4),
            "ModalityGraphFusion: width must be divisible by heads, got 6 and 4",
        ),
        (
            lambda: DynamicGraphFusion(dict.fromkeys("abcdefg", 1), 4),
            "DynamicGraphFusion: needs 2 to 6 modalities, got 7, which would make 127 vertices",
        ),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()
