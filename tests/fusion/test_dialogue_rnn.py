"""Recurrent networks of parties, against loops over utterances with a dictionary of states."""

import re
from functools import partial

import pytest
import torch
from loops import dot, gru, linear, moments, softmax, weighted

from affect import testing
from affect.errors import ConfigError
from affect.fusion import DialogueRNNFusion
from affect.sequences import Sequence

DIMS = {"a": 2, "b": 3, "who": 1}
WIDTH = 4
OPTIONS = {
    "both ways": {},
    "listeners": {"listeners": True},
    "not gathered": {"gathered": False},
    "causal": {"causal": True, "listeners": True},
    "without speakers": {"speaker": None},
}
SPEAKERS = {
    "three parties": [1, 2, 1, 3, 2, 1, 3],
    "one party": [1] * 7,
    "unknown": [0, 1, 0, 2, 1, 0, 2],
    "seven": [1, 2, 3, 4, 5, 6, 7],
}


def build(built, **options):
    return built(DialogueRNNFusion, dims=DIMS, **{"speaker": "who", "width": WIDTH, **options})


def course(way, rows, who):
    """Emotions and weights of one direction: all states are kept by party, and begin with zeros."""
    states, emotion, history, emotions, shares = {}, [0.0] * WIDTH, [], [], []
    for row, party in zip(rows, who, strict=True):
        before = states.get(party, [0.0] * WIDTH)
        query = linear(way.query, row)
        share = softmax([dot(query, g) for g in history]) if history else []
        gathered = weighted(share, history, WIDTH)
        history.append(
            gru(list(way.course.parameters()), row + before, history[-1] if history else [0.0] * WIDTH)
        )
        now = gru(list(way.party.parameters()), row + gathered, before)
        if party is not None:
            if way.listener is not None:
                for other in {*who} - {None, party}:
                    own = states.get(other, [0.0] * WIDTH)
                    states[other] = gru(list(way.listener.parameters()), row + gathered, own)
            states[party] = now
        emotion = gru(list(way.emotion.parameters()), now, emotion)
        emotions.append(emotion)
        shares.append(share)
    return emotions, shares


def expected(module, rows, who):
    emotions, shares = course(module.ways[0], rows, who)
    if not module.causal:
        back, _ = course(module.ways[1], rows[::-1], who[::-1])
        emotions = [one + other for one, other in zip(emotions, back[::-1], strict=True)]
    if module.gather is not None:
        heard = [emotions[: i + 1] if module.causal else emotions for i in range(len(emotions))]
        emotions = [
            weighted(softmax([dot(linear(module.gather, e), o) for o in those]), those, len(e))
            for e, those in zip(emotions, heard, strict=True)
        ]
    return [linear(module.out, e) for e in emotions], shares


def talk(who, seed=0):
    torch.manual_seed(seed)
    return {
        "a": Sequence(torch.randn(1, len(who), 2).double(), torch.rand(1, len(who)) < 0.8),
        "b": Sequence(torch.randn(1, len(who), 3).double(), torch.rand(1, len(who)) < 0.7),
        "who": Sequence.full(torch.tensor(who).double().view(1, -1, 1)),
    }


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@pytest.mark.parametrize("who", SPEAKERS.values(), ids=SPEAKERS.keys())
def test_dialogue_rnn(built, options, who):
    module, inputs = build(built, **options), talk(who)
    said = ["a", "b", *(["who"] if module.speaker is None else [])]
    seen = [(i, now) for i, now in enumerate(moments(inputs)) if now]
    rows = [[v for m in said for v in now.get(m, module.absent[m].tolist())] for _, now in seen]
    known = [0 if module.speaker is None else who[i] or None for i, _ in seen]
    values, shares = expected(module, rows, known)
    out, extras = module.with_extras(inputs)
    assert out.mask[0].nonzero().flatten().tolist() == [i for i, _ in seen]
    places = [i for i, _ in seen]
    for i, one, share in zip(places, values, shares, strict=True):
        assert out.values[0, i].tolist() == pytest.approx(one, abs=1e-9)
        assert extras["attention"][0, i, places[: len(share)]].tolist() == pytest.approx(share, abs=1e-9)


def test_compilers_are_given_a_state_for_every_utterance_with_the_same_result(built, monkeypatch):
    module, inputs = build(built, listeners=True), talk(SPEAKERS["three parties"])
    plain = module(inputs)
    monkeypatch.setattr("affect.fusion.dialogue.is_traced", lambda: True)
    assert torch.allclose(module(inputs).values, plain.values, atol=1e-12)


@pytest.mark.parametrize(
    "law", [testing.padding_is_not_read, testing.any_subset_works, testing.batch_independent],
    ids=lambda law: law.__name__,
)  # fmt: skip
@pytest.mark.parametrize("listeners", [False, True])
def test_with_a_speaker_it_keeps_the_laws(law, listeners):
    law(testing.fusion_part(partial(DialogueRNNFusion, speaker="text", listeners=listeners)))


def test_nothing_later_is_read(built):
    module, who = build(built, causal=True, listeners=True), [1, 2, 1, 3, 0, 2, 3, 1]
    before, after = talk(who), talk(who[:5] + [2, 1, 2])
    for m, x in after.items():
        values, mask = x.values.clone(), x.mask.clone()
        values[:, :5], mask[:, :5] = before[m].values[:, :5], before[m].mask[:, :5]
        values[:, 5:] = values[:, 5:] + 1
        after[m] = Sequence(values, mask)
    one, other = module(before), module(after)
    assert torch.equal(one.values[:, :5], other.values[:, :5])
    assert not torch.allclose(one.values[:, 5:], other.values[:, 5:])
    both = build(built, listeners=True)
    assert not torch.allclose(both(before).values[:, :5], both(after).values[:, :5])


def test_who_speaks_matters_and_what_it_is_called_does_not(built):
    module = build(built)
    inputs = talk([1, 2, 1, 2, 3])
    renamed = {**inputs, "who": inputs["who"].with_values(7 - 2 * inputs["who"].values)}
    other = {**inputs, "who": Sequence.full(torch.ones(1, 5, 1).double())}
    assert torch.equal(module(inputs).values, module(renamed).values)
    assert not torch.allclose(module(inputs).values, module(other).values)


@pytest.mark.parametrize("time", [1, 100])
def test_dialogues_of_one_utterance_and_of_a_hundred(time):
    fusion = DialogueRNNFusion({"text": 3, "who": 1}, 4, speaker="who", listeners=True)
    text = torch.randn(2, time, 3, requires_grad=True)
    who = torch.randint(1, 9, (2, time, 1)).float()
    out = fusion({"text": Sequence.full(text), "who": Sequence.full(who)})
    out.values.sum().backward()
    assert out.values.shape == (2, time, 4)
    assert text.grad.isfinite().all()
    assert text.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("dims", "options", "message"),
    [
        ({"a": 2}, {"speaker": "a"}, "DialogueRNNFusion: expected something that is said, got the speaker"),
        ({"a": 2}, {"speaker": "b"}, "DialogueRNNFusion: no modality 'b'; known: a"),
        ({"a": 2}, {"width": 0}, "DialogueRNNFusion: width must be at least 1, got 0"),
    ],
    ids=["alone", "speaker", "width"],
)
def test_what_cannot_be_is_refused(dims, options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        DialogueRNNFusion(dims, 4, **options)
