"""A transformer over a conversation, against loops over what each of its heads may read."""

import math
import re
from functools import partial

import pytest
import torch
from loops import add, apply, dot, linear, moments, norm, scaled, sinusoids, softmax, weighted

from affect import testing
from affect.errors import ConfigError, DataError
from affect.fusion import DialogueTransformerFusion
from affect.kernels import fast
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "who": 1}
WIDTH = 4

OPTIONS = {
    "all kinds": {"window": 1},
    "two heads of each kind": {"vectors": "party", "reads": ["global", "listener"], "layers": 1},
    "a vector of change": {"vectors": "change", "reads": ["local"], "heads": 2, "window": 0},
    "listeners alone": {"reads": ["listener"], "heads": 1},
    "causal": {"causal": True, "window": 2},
    "without speakers": {"speaker": None, "heads": 2, "window": 3},
}


def build(built, **options):
    return built(DialogueTransformerFusion, dims=DIMS, **{"speaker": "who", "width": WIDTH, **options})


def reads(module, kind, i, j, who):
    """Whether a head of a kind may read step j from step i."""
    if module.causal and j > i:
        return False
    known = who[i] is not None and who[j] is not None
    return {
        "global": True,
        "local": abs(i - j) <= module.window,
        "speaker": i == j or known and who[i] == who[j],
        "listener": known and who[i] != who[j],
    }[kind]


def attention(module, layer, steps, who):
    size = WIDTH // module.heads
    queries, keys, values = ([linear(p, x) for x in steps] for p in (layer.query, layer.key, layer.value))
    found = []
    for i, query in enumerate(queries):
        mixed, some = [], False
        for head in range(module.heads):
            own, kind = slice(head * size, (head + 1) * size), module.reads[head % len(module.reads)]
            seen = [j for j in range(len(steps)) if reads(module, kind, i, j, who)]
            shares = softmax([dot(query[own], keys[j][own]) / math.sqrt(size) for j in seen])
            mixed += weighted(shares, [values[j][own] for j in seen], size)
            some = some or bool(seen)
        found.append(linear(layer.out, mixed) if some else [0.0] * WIDTH)
    return found


def vector(module, who, i):
    """The learned vector of who speaks; zeros where that is not known."""
    if module.vectors.form == "party":
        return module.vectors.table.weight[min(who[i], 10)].tolist()
    before = [party for party in who[:i] if party is not None]
    return module.vectors.table.weight[1 if not before else 2 if before[-1] == who[i] else 3].tolist()


def expected(module, talk):
    steps = [(at, now) for at, now in enumerate(moments(talk)) if now]
    spoken = [int(now["who"][0]) if "who" in now else None for now in moments(talk)]
    said = [m for m in DIMS if m != module.speaker]
    h = []
    for number, (at, now) in enumerate(steps):
        row = [v for m in said for v in now.get(m, module.absent[m].tolist())]
        place = scaled(module.loudness.item(), sinusoids(number, WIDTH))
        h.append(add(linear(module.project, row), place))
        if module.vectors is not None and spoken[at]:
            h[-1] = add(h[-1], vector(module, [party or None for party in spoken], at))
        elif module.vectors is not None and spoken[at] == 0:
            h[-1] = add(h[-1], module.vectors.table.weight[0].tolist())
    who = [spoken[at] or None for at, _ in steps]
    for layer in module.layers:
        heard = attention(module, layer.attention, [norm(layer.norm, x) for x in h], who)
        h = [add(x, own) for x, own in zip(h, heard, strict=True)]
        h = [add(x, apply(layer.feedforward, x)) for x in h]
    return {at: apply(module.out, x) for (at, _), x in zip(steps, h, strict=True)}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_is_what_loops_over_heads_find(built, talk, options):
    module = build(built, **options)
    if module.speaker is None:
        talk = {**talk, "who": talk["who"].keep(torch.tensor(False))}
    out, found = module(talk), expected(module, talk)
    with fast(False):
        plain = module(talk)
    assert torch.allclose(plain.values, out.values, atol=1e-10)
    assert out.mask[0].nonzero().flatten().tolist() == [*found]
    for at, one in found.items():
        assert out.values[0, at].tolist() == pytest.approx(one, abs=1e-9)


@pytest.mark.parametrize(
    "law", [testing.padding_is_not_read, testing.any_subset_works, testing.batch_independent],
    ids=lambda law: law.__name__,
)  # fmt: skip
@pytest.mark.parametrize("causal", [False, True])
def test_with_a_speaker_it_keeps_the_laws(law, causal):
    law(testing.fusion_part(partial(DialogueTransformerFusion, speaker="text", causal=causal)))


def test_with_vectors_every_parameter_learns():
    build = partial(DialogueTransformerFusion, {**DIMS}, 4, speaker="who", vectors="change")

    def call(module, inputs):
        return module({**inputs, "who": inputs["who"].with_values(inputs["who"].values.round())})

    testing.every_parameter_learns(testing.Part(build, DIMS, call, 4, aligned=True))


@pytest.mark.parametrize("vectors", [None, "party", "change"])
def test_causal_it_reads_nothing_later(built, nothing_later_is_read, vectors):
    module = build(built, causal=True, vectors=vectors)
    assert module.causal
    assert nothing_later_is_read(module)
    assert not nothing_later_is_read(build(built, vectors=vectors))


def test_numbers_of_parties_that_were_scaled_are_refused(built):
    said = {m: Sequence.full(torch.full((1, 2, d), 0.5, dtype=torch.float64)) for m, d in DIMS.items()}
    assert build(built)(said).values.isfinite().all()
    with pytest.raises(
        DataError, match=r"expected whole numbers of parties from 'who', got others; leave them"
    ):
        build(built, vectors="party")(said)


@pytest.mark.parametrize(
    ("dims", "options", "message"),
    [
        (DIMS, {"speaker": "c"}, "no modality 'c'; known: a, b, who"),
        ({"who": 1}, {}, "expected something that is said, got the speaker alone"),
        (DIMS, {"layers": 0}, "layers must be at least 1, got 0"),
        (DIMS, {"width": 30}, "width must be divisible by heads, got 30 and 4"),
        (
            DIMS,
            {"heads": 2},
            "heads must be divisible by the 4 kinds that are read (global, local, speaker, listener), got 2",
        ),
        (DIMS, {"reads": "global"}, "reads: expected a list of kinds of heads, got 'global'"),
        (DIMS, {"reads": []}, "reads: expected a list of kinds of heads, got []"),
        (
            DIMS,
            {"reads": ["globl"]},
            "reads: no kind 'globl'; did you mean 'global'? known: global, listener, local, speaker",
        ),
        (
            DIMS,
            {"reads": ["listener"], "speaker": None},
            "reads: heads of kind 'listener' need a speaker; name its modality",
        ),
        (
            DIMS,
            {"vectors": "party", "speaker": None},
            "a vector of who speaks needs the number of a party; name the modality that has it as speaker",
        ),
        (
            {"a": 2, "who": 3},
            {"vectors": "party"},
            "a vector of who speaks needs the number of a party, got 'who' with feature size 3",
        ),
        (DIMS, {"causal": 1}, "causal: expected True or False, got 1"),
    ],
)
def test_what_cannot_be_is_refused(dims, options, message):
    with pytest.raises(ConfigError, match=f"^DialogueTransformerFusion: {re.escape(message)}$"):
        DialogueTransformerFusion(dims, 4, **{"speaker": "who", **options})
