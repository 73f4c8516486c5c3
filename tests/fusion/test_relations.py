"""Relational convolutions over a conversation, against loops over its edges."""

import itertools
import re
from functools import partial

import pytest
import torch
from loops import add, dot, linear, moments, recurrent, scaled, softmax, weighted

from affect import testing
from affect.errors import ConfigError, DataError
from affect.fusion import RelationalGraphFusion
from affect.fusion.graph import RelationalConvolution
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "who": 1}
WIDTH = 4

OPTIONS = {
    "the same or not": {"past": 3, "future": 2},
    "without speakers": {"speaker": None, "past": 1, "future": 1, "context": "lstm"},
    "parties": {"relations": "parties", "parties": 3, "past": 2, "future": 4, "bases": 3},
    "nodal attention": {"nodal_attention": True, "past": 10, "future": 10, "bases": 2},
    "causal": {"causal": True, "future": 0, "past": 4, "nodal_attention": True},
    "no past": {"past": 0, "future": 1, "relations": "parties", "parties": 1},
    "itself alone": {"past": 0, "future": 0},
}


def build(built, **options):
    return built(RelationalGraphFusion, dims=DIMS, **{"speaker": "who", "width": WIDTH, **options})


def relations_of(module):
    """All relations in the order of their matrices: of a step and itself, then by time and speakers."""
    pairs = {
        1: ["anybody"],
        3: ["other", "same", "unknown"],
    }.get(module.pairs, [*itertools.product(range(module.count + 1), repeat=2)])
    ways = [way for way, many in (("past", module.past), ("future", module.future)) if many]
    return ["self", *itertools.product(ways, pairs)]


def relation(module, i, j, who):
    """That of the edge from j to i, by who speaks there, None where nobody knows."""
    if i == j:
        return "self"
    way, own, other = "past" if j < i else "future", who[i], who[j]
    if module.speaker is None:
        return way, "anybody"
    if module.relations == "parties":
        return way, tuple(min(party or 0, module.count) for party in (other, own))
    return way, "unknown" if None in (own, other) else "same" if own == other else "other"


def matrix(convolution, kind):
    """As rows by what comes in, of which a product with a vector is a sum."""
    matrices = convolution.matrices.tolist()
    if convolution.shares is None:
        return matrices[kind]
    shares = convolution.shares[kind].tolist()
    return [weighted(shares, [m[i] for m in matrices], WIDTH) for i in range(WIDTH)]


def relu(x):
    return [max(v, 0.0) for v in x]


def expected(module, talk):
    """What comes out of each observed step, by number, and the weights of its edges."""
    steps = [(at, now) for at, now in enumerate(moments(talk)) if now]
    who = [now.get("who", [0.0])[0] or None for _, now in steps]
    who = [None if party is None else int(party) for party in who]
    said = [m for m in DIMS if m != module.speaker]
    rows = [[v for m in said for v in now.get(m, module.absent[m].tolist())] for _, now in steps]
    context, names, count = recurrent(module.read, rows), relations_of(module), len(rows)
    edges, first, shares = [], [], []
    for i in range(count):
        near = [j for j in range(i - module.past, i + module.future + 1) if 0 <= j < count]
        asked = linear(module.similarity, context[i])
        weights = softmax([dot(asked, context[j]) for j in near])
        kinds = [relation(module, i, j, who) for j in near]
        heard = [
            scaled(w / kinds.count(kind), weighted(context[j], matrix(module.convolution, names.index(kind)), WIDTH))
            for j, w, kind in zip(near, weights, kinds, strict=True)
        ]  # fmt: skip
        edges.append(near)
        first.append(relu(add(*heard)))
        shares.append(weights)
    both = []
    for i in range(count):
        around = add([0.0] * WIDTH, *(first[j] for j in edges[i] if j != i))
        both.append(context[i] + relu(add(linear(module.neighbours, around), linear(module.own, first[i]))))
    if module.nodal is not None:
        read = [both[: i + 1] if module.causal else both for i in range(count)]
        asked = [linear(module.nodal, one) for one in both]
        both = [
            weighted(softmax([dot(one, other) for other in others]), others, 2 * WIDTH)
            for one, others in zip(asked, read, strict=True)
        ]
    out = [relu(linear(module.out[0], one)) for one in both]
    return {at: (one, share) for (at, _), one, share in zip(steps, out, shares, strict=True)}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_is_what_loops_over_edges_find(built, talk, options):
    module = build(built, **options)
    if module.speaker is None:
        talk = {**talk, "who": talk["who"].keep(torch.tensor(False))}
    out, extras = module.with_extras(talk)
    found = expected(module, talk)
    assert out.mask[0].nonzero().flatten().tolist() == [*found]
    assert module.convolution.kinds == len(relations_of(module))
    for at, (one, weights) in found.items():
        assert out.values[0, at].tolist() == pytest.approx(one, abs=1e-9)
        held = [w for w in extras["attention"][0, at].tolist() if w]
        assert held == pytest.approx(weights, abs=1e-9)


def test_bases_that_are_as_many_as_kinds_are_matrices_of_their_own():
    torch.manual_seed(0)
    own, shared = RelationalConvolution(4, 3).double(), RelationalConvolution(4, 3, bases=3).double()
    shared.load_state_dict({"matrices": own.matrices, "shares": torch.eye(3)})
    near, kind = torch.randn(2, 5, 6, 4, dtype=torch.float64), torch.randint(3, (2, 5, 6))
    mask, weights = torch.rand(2, 5, 6) < 0.7, torch.rand(2, 5, 6, dtype=torch.float64)
    assert torch.allclose(own(near, kind, mask, weights * mask), shared(near, kind, mask, weights * mask))


@pytest.mark.parametrize(
    "law", [testing.padding_is_not_read, testing.any_subset_works, testing.batch_independent],
    ids=lambda law: law.__name__,
)  # fmt: skip
@pytest.mark.parametrize("options", [{}, {"nodal_attention": True, "causal": True, "future": 0, "bases": 3}])
def test_with_a_speaker_it_keeps_the_laws(law, options):
    law(testing.fusion_part(partial(RelationalGraphFusion, speaker="text", **options)))


@pytest.mark.parametrize("relations", ["same", "parties"])
def test_causal_it_reads_nothing_later(built, nothing_later_is_read, relations):
    options = {"relations": relations, "nodal_attention": True, "future": 0}
    module = build(built, causal=True, **options)
    assert module.causal
    assert nothing_later_is_read(module)
    assert not nothing_later_is_read(build(built, **options))


def spoken(module, who):
    said = {m: torch.linspace(-1, 1, len(who) * DIMS[m]).sin().view(1, -1, DIMS[m]).double() for m in "ab"}
    turns = torch.tensor(who, dtype=torch.float64).view(1, -1, 1)
    return module({m: Sequence.full(x) for m, x in {**said, "who": turns}.items()}).values


def test_whether_it_is_the_same_speaker_matters_and_which_party_does_not(built):
    module = build(built)
    assert torch.equal(spoken(module, [1, 2, 1, 3]), spoken(module, [3, 1, 3, 2]))
    assert not torch.allclose(spoken(module, [1, 2, 1, 3]), spoken(module, [1, 2, 2, 3]))


def test_parties_beyond_the_last_share_its_relations(built):
    module = build(built, relations="parties", parties=2)
    assert torch.equal(spoken(module, [1, 2, 1, 3]), spoken(module, [1, 9, 1, 2]))
    assert not torch.allclose(spoken(module, [1, 2, 1, 3]), spoken(module, [2, 1, 2, 3]))
    assert not torch.allclose(spoken(module, [1, 2, 1, 3]), spoken(module, [1, 2, 1, 0]))


def test_numbers_of_parties_that_were_scaled_are_refused(built):
    message = (
        "RelationalGraphFusion: expected whole numbers of parties from 'who', got others; leave them unscaled: "
        "PassEncoder with indices=True"
    )
    assert spoken(build(built), [-0.7, 1.2]).isfinite().all()
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        spoken(build(built, relations="parties"), [-0.7, 1.2])


@pytest.mark.parametrize(
    ("dims", "options", "message"),
    [
        (DIMS, {"speaker": "c"}, "no modality 'c'; known: a, b, who"),
        ({"who": 1}, {}, "expected something that is said, got the speaker alone"),
        (DIMS, {"relations": "party"}, "no relations 'party'; did you mean 'parties'? known: parties, same"),
        (DIMS, {"context": "rnn"}, "no context 'rnn'; known: gru, lstm"),
        (
            DIMS,
            {"speaker": None, "relations": "parties"},
            "relations 'parties' needs the number of a party; name the modality that has it as speaker",
        ),
        (
            {"a": 2, "who": 3},
            {"relations": "parties"},
            "relations 'parties' needs the number of a party, got 'who' with feature size 3",
        ),
        (DIMS, {"causal": True}, "causal, it has no edges from later steps, got future 10; set future to 0"),
        (DIMS, {"causal": "no", "future": 0}, "causal: expected True or False, got the text 'no'"),
        (DIMS, {"bases": 0}, "bases must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_is_refused(dims, options, message):
    with pytest.raises(ConfigError, match=f"^RelationalGraphFusion: {re.escape(message)}$"):
        RelationalGraphFusion(dims, 4, **{"speaker": "who", **options})
