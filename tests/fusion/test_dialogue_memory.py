"""Memories of a conversation, against loops over utterances."""

import re
from functools import partial

import pytest
import torch
from loops import add, dot, gru, linear, moments, softmax, weighted
from test_dialogue_rnn import DIMS, SPEAKERS, WIDTH, talk

from affect import testing
from affect.errors import ConfigError
from affect.fusion import ConversationMemoryFusion
from affect.sequences import Sequence


def build(built, **options):
    return built(ConversationMemoryFusion, dims=DIMS, **{"speaker": "who", "width": WIDTH, **options})


def remembered(cell, rows, who):
    states, found = {}, []
    for row, party in zip(rows, who, strict=True):
        states[party] = gru(list(cell.parameters()), row, states.get(party, [0.0] * WIDTH))
        found.append(states[party])
    return found


def expected(module, rows, who):
    kept = [remembered(cell, rows, who) for cell in module.memories]
    fused, shares = [], []
    for i, row in enumerate(rows):
        own = [j for j in range(i) if who[i] is not None and who[j] == who[i]]
        others = [j for j in range(i) if j not in own]
        histories = [own[-module.past :], others[-module.past :]]
        question = linear(module.question, row)
        for memory, told in zip(kept, kept[1:], strict=False):
            share = [softmax([dot(question, memory[j]) for j in those]) for those in histories]
            heard = [
                weighted(w, [told[j] for j in those], WIDTH)
                for w, those in zip(share, histories, strict=True)
            ]
            question = add(question, *heard)
        fused.append(linear(module.out, question))
        shares.append([dict(zip(those, w, strict=True)) for those, w in zip(histories, share, strict=True)])
    return fused, shares


@pytest.mark.parametrize(
    "options", [{}, {"past": 2, "hops": 1}, {"speaker": None}], ids=["hops", "few", "without speakers"]
)
@pytest.mark.parametrize("who", SPEAKERS.values(), ids=SPEAKERS.keys())
def test_conversation_memory(built, options, who):
    module, inputs = build(built, **options), talk(who)
    said = ["a", "b", *(["who"] if module.speaker is None else [])]
    seen = [(i, now) for i, now in enumerate(moments(inputs)) if now]
    rows = [[v for m in said for v in now.get(m, module.absent[m].tolist())] for _, now in seen]
    known = [0 if module.speaker is None else who[i] or None for i, _ in seen]
    fused, shares = expected(module, rows, known)
    out, extras = module.with_extras(inputs)
    places = [i for i, _ in seen]
    assert out.mask[0].nonzero().flatten().tolist() == places
    for i, one, share in zip(places, fused, shares, strict=True):
        assert out.values[0, i].tolist() == pytest.approx(one, abs=1e-9)
        for name, own in zip(("own", "others"), share, strict=True):
            assert extras[name][0, i].sum().item() == pytest.approx(sum(own.values()))
            for j, weight in own.items():
                assert extras[name][0, i, places[j]].item() == pytest.approx(weight, abs=1e-9)


@pytest.mark.parametrize(
    "law", [testing.padding_is_not_read, testing.any_subset_works, testing.batch_independent],
    ids=lambda law: law.__name__,
)  # fmt: skip
def test_with_a_speaker_it_keeps_the_laws(law):
    law(testing.fusion_part(partial(ConversationMemoryFusion, speaker="text")))


def test_nothing_later_is_read(built):
    module = build(built)
    before, after = talk([1, 2, 1, 3, 0, 2]), talk([1, 2, 1, 3, 0, 2])
    for m in ("a", "b", "who"):
        values = after[m].values.clone()
        values[:, 4:] += 1
        after[m] = after[m].with_values(values)
    one, other = module(before).values, module(after).values
    assert torch.equal(one[:, :4], other[:, :4])
    assert not torch.allclose(one[:, 4:], other[:, 4:])


@pytest.mark.parametrize("time", [1, 100])
def test_dialogues_of_one_utterance_and_of_a_hundred(time):
    fusion = ConversationMemoryFusion({"text": 3, "who": 1}, 4, speaker="who")
    text, who = torch.randn(2, time, 3, requires_grad=True), torch.randint(1, 9, (2, time, 1)).float()
    out = fusion({"text": Sequence.full(text), "who": Sequence.full(who)})
    out.values.sum().backward()
    assert text.grad.isfinite().all()
    assert (text.grad.abs().sum(-1) > 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"hops": 0}, "hops must be at least 1, got 0"), ({"past": -1}, "past must be at least 0, got -1")],
    ids=["hops", "past"],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ConfigError, match=re.escape(f"ConversationMemoryFusion: {message}")):
        ConversationMemoryFusion({"a": 2}, 4, **options)
