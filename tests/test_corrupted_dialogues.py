"""What gets lost in conversations: utterances and parties, from all modalities at once."""

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conversations import conversation, corpus

import affect
from affect.corruption import Draws, PartyDropout, UtteranceDropout
from affect.data.ragged import Ragged
from affect.encoders import PassEncoder, SpeakerEncoder, StepEncoder
from affect.errors import ConfigError, ShapeError
from affect.fusion import PerStep
from affect.robustness import protocols, sweep
from affect.robustness.protocols import protocol
from affect.runs.configuration import parse
from affect.sequences import Sequence

RNG = np.random.default_rng(3)
SPOKEN = [
    [*"abacbc"], [*"aab", None, "b", "a"], ["a"] * 4, ["a"], [None, None], [*"abcde" * 4], [*"ab" * 50],
]  # fmt: skip
IDS = tuple(f"d{i}" for i in range(len(SPOKEN)))
SPLIT = conversation(
    SPOKEN,
    [[0] * len(own) for own in SPOKEN],
    [RNG.normal(size=(len(own), 2)).astype(np.float32) for own in SPOKEN],
    acoustic=Ragged.from_rows([RNG.normal(size=(len(own), 3)).astype(np.float32) for own in SPOKEN], 3),
)
(BATCH,) = affect.batches(SPLIT, batch_size=9)
EVERY = {"text", "acoustic"}


def lost(corruption, seed=0, inputs=BATCH.inputs, ids=IDS):
    """(batch, time): the steps that are lost; the same of every modality but of who speaks."""
    damaged = corruption(inputs, ids, seed)
    found = [inputs[name].mask & ~damaged[name].mask for name in sorted(EVERY & inputs.keys())]
    assert all(torch.equal(one, found[0]) for one in found)
    if "speaker" in inputs:
        assert damaged["speaker"] is inputs["speaker"]
    return found[0]


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.7, 1.0])
def test_utterances_are_lost_as_a_loop_says(rate):
    for seed in (0, 1):
        found = lost(UtteranceDropout(rate=rate), seed)
        for row, own in enumerate(SPOKEN):
            drawn = Draws((IDS[row],), seed).uniform("step", len(own))[0]
            for step in range(found.shape[1]):
                assert found[row, step] == (step < len(own) and bool(drawn[step] < rate))


def test_a_share_of_utterances_is_lost():
    x = Sequence.full(torch.ones(400, 50, 1))
    found = UtteranceDropout(rate=0.3)({"text": x, "acoustic": x}, map(str, range(400)))
    share = (~found["text"].mask).double().mean().item()
    assert share == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 20000))


@pytest.mark.parametrize("spare", [True, False])
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_parties_are_lost_as_a_loop_says(rate, spare):
    for seed in range(4):
        found = lost(PartyDropout(rate=rate, spare=spare).bound(SPLIT), seed)
        for row, own in enumerate(SPOKEN):
            known = list(dict.fromkeys(name for name in own if name is not None))
            drawn = Draws((IDS[row],), seed).uniform("party", len(known))[0].tolist() if known else []
            gone = [name for name, draw in zip(known, drawn, strict=True) if draw < rate]
            if spare and known and len(gone) == len(known):
                gone.remove(max(known, key=lambda name: drawn[known.index(name)]))
            for step, name in enumerate(own):
                assert bool(found[row, step]) == (name in gone)
            assert not found[row, len(own) :].any()


def test_a_share_of_parties_is_lost():
    split = conversation([[*"abcab"]] * 2000, [[0] * 5] * 2000, [np.ones((5, 1), np.float32)] * 2000)
    batch = next(iter(affect.batches(split, batch_size=2000)))
    rate = 0.4
    share = lost(PartyDropout(rate=rate, spare=False).bound(split), 0, batch.inputs, split.ids)[
        :, :3
    ].double()
    assert share.mean(0).tolist() == pytest.approx([rate] * 3, abs=4 * math.sqrt(0.24 / 2000))
    assert (share.T.corrcoef() - torch.eye(3)).abs().max() < 4 / math.sqrt(2000)  # independently
    spared = lost(PartyDropout(rate=1.0).bound(split), 0, batch.inputs, split.ids)[:, :3]
    assert (spared.sum(1) == 2).all()
    assert (~spared).double().mean(0).tolist() == pytest.approx([1 / 3] * 3, abs=4 * 0.5 / math.sqrt(2000))


def test_more_contains_less_for_every_dialogue():
    for corruption in (
        UtteranceDropout(),
        PartyDropout().bound(SPLIT),
        PartyDropout(spare=False).bound(SPLIT),
    ):
        before = lost(corruption.at(0.0))
        assert not before.any()
        for rate in np.linspace(0.05, 1, 20):
            after = lost(corruption.at(rate))
            assert not (before & ~after).any()
            before = after
        assert before.any()


def test_a_model_that_does_not_know_who_speaks_meets_the_same_damage():
    for corruption in (UtteranceDropout(rate=0.5), PartyDropout(rate=0.5).bound(SPLIT)):
        alone = lost(corruption, inputs={"text": BATCH.inputs["text"]})
        assert torch.equal(alone, lost(corruption))
        assert alone.any()


def test_numbers_of_parties_may_have_gaps():
    rows = SPLIT.modalities["speaker"]
    far = replace(
        SPLIT, modalities={**SPLIT.modalities, "speaker": replace(rows, values=rows.values * 10**6)}
    )
    for rate in (0.3, 0.9):
        assert torch.equal(
            lost(PartyDropout(rate=rate).bound(far)), lost(PartyDropout(rate=rate).bound(SPLIT))
        )


def test_what_is_left_may_be_zeros_or_noise():
    gone = lost(PartyDropout(rate=0.7).bound(SPLIT))
    for becomes in ("zero", "noise"):
        damaged = PartyDropout(rate=0.7, becomes=becomes).bound(SPLIT)(BATCH.inputs, IDS)
        for name in EVERY:
            x, y = BATCH.inputs[name], damaged[name]
            assert torch.equal(x.mask, y.mask)
            assert torch.equal((x.values != y.values).all(-1), gone)
            assert (y.values[gone] == 0).all() == (becomes == "zero")


def test_who_speaks_is_lost_where_it_is_named():
    damaged = UtteranceDropout(rate=1.0, modalities=("speaker", "text"))(BATCH.inputs, IDS)
    assert [name for name, x in sorted(damaged.items()) if x.mask.any()] == ["acoustic"]


def test_an_absent_modality_has_any_number_of_steps():
    nothing = Sequence(torch.zeros(len(IDS), 1, 3), torch.zeros(len(IDS), 1, dtype=torch.bool))
    damaged = UtteranceDropout(rate=0.5)({**BATCH.inputs, "acoustic": nothing}, IDS)
    assert torch.equal(damaged["text"].mask, UtteranceDropout(rate=0.5)(BATCH.inputs, IDS)["text"].mask)
    assert not damaged["acoustic"].mask.any()


def test_numbers_that_say_who_speaks_are_no_quantities_and_are_not_at_risk():
    for corruption in (UtteranceDropout(becomes="noise"), PartyDropout(becomes="noise")):
        corruption.check_indices(["speaker", "speaker_identity"])
        assert corruption.among(["text", "speaker", "speaker_identity"]) == ["text"]
        with pytest.raises(ConfigError, match="uses values as quantities, but those of 'tokens' are word"):
            corruption.check_indices(["speaker", "tokens"])
    with pytest.raises(ConfigError, match="uses values as quantities, but those of 'speaker' are word"):
        UtteranceDropout(becomes="noise", modalities=("speaker",)).check_indices(["speaker"])


UNALIGNED = replace(SPLIT, aligned=False)
SHORT = {**BATCH.inputs, "acoustic": Sequence.full(torch.ones(len(IDS), 4, 3))}
NOT_ALIGNED = (
    "needs modalities of the same steps, one an utterance, and those of the corpus are not aligned ({}); read it "
    "aligned, or take StepDropout, which draws for each by itself"
)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda: UtteranceDropout(rate={"text": 0.1}),
            ConfigError,
            "UtteranceDropout: rate is one for all modalities, not one by modality",
        ),
        (lambda: PartyDropout(rate=2), ConfigError, "PartyDropout: rate must be between 0 and 1, got 2"),
        (lambda: PartyDropout(spare=1), ConfigError, "PartyDropout: spare: expected True or False, got 1"),
        (
            lambda: UtteranceDropout()(SHORT, IDS),
            ShapeError,
            "UtteranceDropout: needs modalities of the same steps, one an utterance, got acoustic 4, text 100; name "
            "those that have the same (modalities)",
        ),
        (
            lambda: UtteranceDropout().bound(UNALIGNED),
            ConfigError,
            "UtteranceDropout: " + NOT_ALIGNED.format("acoustic, text"),
        ),
        (
            lambda: PartyDropout(modalities=("text",)).bound(UNALIGNED),
            ConfigError,
            "PartyDropout: " + NOT_ALIGNED.format("speaker, text"),
        ),
        (
            lambda: PartyDropout()(BATCH.inputs, IDS),
            ConfigError,
            "PartyDropout: knows no split that says who speaks; call bound(split) first",
        ),
        (
            lambda: PartyDropout().bound(SPLIT)(BATCH.inputs, ("d0", "dx", *IDS[2:])),
            ConfigError,
            "PartyDropout: the split that it was bound to has no sample 'dx'; bind it to the split whose samples "
            "are damaged",
        ),
        (
            lambda: PartyDropout().bound(affect.load("synthetic")["valid"]),
            ConfigError,
            "PartyDropout: the corpus has no modality 'speaker' that says who speaks at each step; take a corpus of "
            "conversations, or add it (affect.data.speakers.parties)",
        ),
        (
            lambda: UtteranceDropout().bound(affect.load("synthetic")["valid"]),
            ConfigError,
            "UtteranceDropout: the corpus has no modality 'speaker' and no label of each step: its steps are no "
            "utterances; take RunDropout(steps=1, together=True), which loses the same of all modalities",
        ),
        (
            lambda: UtteranceDropout(modalities=("txt",)).bound(SPLIT),
            ConfigError,
            "UtteranceDropout: no modality 'txt'; did you mean 'text'? known: acoustic, speaker, text",
        ),
    ],
)  # fmt: skip
def test_refusals(ask, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        ask()


@pytest.fixture(scope="module")
def talk():
    return corpus()


def model_of(talk, **more):
    return affect.FusionModel.for_corpus(
        talk,
        seed=0,
        encoder={"text": StepEncoder, **more},
        modalities=["text", *more],
        fusion=PerStep,
        width=4,
    )


@pytest.mark.parametrize("more", [{}, {"speaker": SpeakerEncoder}], ids=["text", "named"])
def test_protocols_sweep_conversations(more, talk):
    model, split = model_of(talk, **more).eval(), talk["test"]
    found = sweep(model, split, protocol(["utterances", "parties"], draws=2), batch_size=5)
    assert {*found.conditions["condition"]} == {"clean", "utterances missing", "parties missing"}
    assert len(found.conditions) == 1 + 2 * 11 * 2
    (batch,) = affect.batches(split, "emotion", batch_size=99)
    own = {"utterances missing": UtteranceDropout(), "parties missing": PartyDropout().bound(split)}
    for name, corruption in own.items():
        (at,) = found.conditions.index[
            found.conditions.eq({"condition": name, "level": 0.7, "draw": 1}).all(axis=1)
        ]
        inputs = {m: batch.inputs[m] for m in model.modalities}
        with torch.no_grad():
            said = model.head.decide(model(corruption.at(0.7)(inputs, batch.ids, 1)).prediction)
        assert np.allclose(found.predictions[at], said[batch.target.mask].double(), atol=1e-6)
        assert not np.allclose(found.predictions[at], found.predictions[0])


def test_protocols_are_refused_where_there_is_no_conversation():
    plain = affect.load("synthetic")
    model = affect.FusionModel.for_corpus(plain, width=4)
    for name, who in (
        ("parties", "PartyDropout: the corpus has no modality 'speaker' "),
        ("utterances", "UtteranceDropout: the corpus has no "),
    ):
        with pytest.raises(ConfigError) as refused:
            sweep(model, plain["valid"], protocols.PROTOCOLS[name]())
        assert str(refused.value).startswith(who)
        assert "\n" not in str(refused.value)


def test_utterances_need_no_speaker_where_each_has_a_label(talk):
    nameless = talk.select(["text"])["test"]
    assert UtteranceDropout(rate=0.5).bound(nameless) == UtteranceDropout(rate=0.5)


def test_training_is_damaged_too(talk, tmp_path):
    model = model_of(talk, speaker=PassEncoder)
    for corruption in (UtteranceDropout(rate=0.5), PartyDropout(rate=0.5)):
        training = affect.Training(epochs=1, batch_size=8, corruption=corruption)
        run = affect.fit(model, talk, seed=0, training=training, progress=False)
        assert np.isfinite(run.results["value"]).all()
        assert pd.notna(run.predictions["speaker"]).all()
    named = {"class_path": "PartyDropout", "init_args": {"rate": 0.25, "spare": False}}
    assert parse({"corpus": "synthetic", "training": {"corruption": named}}, "doc").training.corruption == (
        PartyDropout(rate=0.25, spare=False)
    )
