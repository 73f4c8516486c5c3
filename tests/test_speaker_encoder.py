"""Who speaks, read by a model: beside loops, and the same whoever the persons are."""

import re
from functools import partial

import numpy as np
import pytest
import torch

import affect
from affect import testing
from affect.data.loading import batches
from affect.data.ragged import Ragged
from affect.data.speakers import identities, parties
from affect.encoders import EmbeddingEncoder, GRUEncoder, PassEncoder, SpeakerEncoder, StepEncoder
from affect.errors import ConfigError
from affect.fusion import ConcatenationFusion, ContextGraphFusion, DialogueRNNFusion, PerStep
from affect.sequences import Sequence

TALKS = {
    "two parties": ["M", "F", "F", "M"],
    "one utterance": ["Joey"],
    "one party": ["Joey"] * 5,
    "nobody known": [None, None],
    "unknown between": ["a", None, "a", None, "b", None, "a"],
    "four parties": ["d", "c", "d", "b", "a", "a", "c"],
    "a hundred utterances": [f"p{i * i % 13}" for i in range(100)],
}


def padded(talks, front=0, behind=0):
    """The rows of some dialogues in float64, with so many steps of padding before and behind."""
    x = parties(talks).pad(np.arange(len(talks)))
    values = torch.nn.functional.pad(x.values.double(), (0, 0, front, behind), value=0)
    return Sequence(values, torch.nn.functional.pad(x.mask, (front, behind)))


def by_loops(names, form, most):
    """The category of each utterance of one dialogue; None where it is not known who speaks."""
    met, last, found = [], None, []
    for name in names:
        if name is None:
            found.append(None)
            continue
        if name not in met:
            met.append(name)
        change = 1 if last is None else 2 if last == name else 3
        found.append(min(met.index(name) + 1, most) if form == "party" else change)
        last = name
    return found


@pytest.mark.parametrize("form", ["party", "change"])
@pytest.mark.parametrize("front", [0, 3])
def test_categories_are_those_of_loops(form, front):
    encoder = SpeakerEncoder(1, 3, form=form, parties=4, dropout=0).double()
    x = padded([*TALKS.values()], front=front, behind=2)
    encoded, found = encoder(x), encoder.categories(x)
    for row, names in enumerate(TALKS.values()):
        for step, wanted in enumerate(by_loops(names, form, 4)):
            assert bool(x.mask[row, front + step]) == (wanted is not None)
            expected = encoder.table.weight[wanted] if wanted is not None else torch.zeros(3).double()
            assert torch.equal(encoded.values[row, front + step], expected)
            assert wanted is None or found[row, front + step] == wanted
    assert torch.equal(encoded.mask, x.mask)


@pytest.mark.parametrize("form", ["party", "change"])
def test_nothing_later_is_read_and_names_do_not_matter(form):
    encoder = SpeakerEncoder(1, 3, form=form).double().eval()
    whole = encoder(padded([TALKS["four parties"]])).values
    for count in range(1, 8):
        begun = encoder(padded([TALKS["four parties"][:count]])).values
        assert torch.equal(begun, whole[:, :count])
    renamed = [f"person {name}" for name in TALKS["four parties"]]
    assert torch.equal(encoder(padded([renamed])).values, whole)


def test_an_observed_step_of_an_unknown_party_has_a_vector():
    x = Sequence.full(torch.tensor([[[0.0], [2.0], [float("nan")], [-1.0], [2.0]]]))
    assert SpeakerEncoder(1, 2, form="change").categories(x).tolist() == [[0, 1, 0, 0, 2]]
    assert SpeakerEncoder(1, 2).categories(x).tolist() == [[0, 2, 0, 0, 2]]


def test_it_keeps_the_laws_of_encoders_in_its_other_form():
    for law in testing.LAWS:
        law(testing.encoder_part(lambda i, o: SpeakerEncoder(1, o, form="change"), 1))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: SpeakerEncoder(3, 4), "SpeakerEncoder: expected in_dim 1 (the number of a party), got 3; use StepEncoder"),
        (lambda: SpeakerEncoder(1, 4, form="person"), "SpeakerEncoder: no form 'person'; known: change, party"),
        (lambda: SpeakerEncoder(1, 4, parties=0), "SpeakerEncoder: parties must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_refusals(ask, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ask()


def test_persons_are_those_of_training_and_others_are_unknown():
    spoken = {"test": [["b", "z", None]], "train": [["a", "b", "b"], [], ["a", "b"]]}
    rows, names = identities(spoken)
    assert names == ("b", "a")
    assert (rows["test"].values.ravel().tolist(), rows["test"].observed.tolist()) == (
        [1, 0, 0],
        [True, False, False],
    )
    assert rows["train"].lengths.tolist() == [3, 0, 2]
    everybody, names = identities({"all": [["b", "a"], ["a"]]})
    assert (everybody["all"].values.ravel().tolist(), names) == ([2, 1, 1], ("a", "b"))


def test_steps_keep_the_times_of_their_utterances():
    times = np.array([[0.0, 1.0], [1.5, 2.0]])
    assert parties([["a", "b"], ["a"]], [times, None]).times.tolist()[:2] == times.tolist()


@pytest.mark.parametrize("encoder", [SpeakerEncoder, EmbeddingEncoder])
def test_a_model_reads_who_speaks_beside_what_is_said(encoder):
    """Labels say whether the speaker is the second party, which the text does not."""
    rng = np.random.default_rng(0)
    talks = [[f"p{n}" for n in rng.integers(0, 3, rng.integers(2, 6))] for _ in range(40)]
    speaker = parties(talks)
    text = Ragged.from_offsets(rng.normal(size=(speaker.total, 4)).astype("f4"), speaker.offsets)
    label = Ragged.from_offsets((speaker.values == 2).astype("f4"), speaker.offsets)
    split = affect.Split(
        tuple(map(str, range(40))), {"text": text, "speaker": speaker}, {"emotion": label}, aligned=True
    )
    target = affect.Binary("emotion", per_step=True)
    corpus = affect.Corpus("talk", {"train": split, "valid": split, "test": split}, {"emotion": target})
    by_step = partial(PerStep, fusion=ConcatenationFusion)
    model = affect.FusionModel.for_corpus(
        corpus, encoder={"speaker": encoder, "text": StepEncoder}, fusion=by_step
    )
    batch = next(iter(batches(split, "emotion", batch_size=40)))
    passed = partial(PassEncoder, indices=True)
    plain = affect.FusionModel.for_corpus(
        corpus, encoder={"speaker": passed, "text": StepEncoder}, fusion=by_step
    )
    assert model.indices == plain.indices == ["speaker"]
    assert torch.equal(plain(batch.inputs).encoded["speaker"].values, batch.inputs["speaker"].values)
    loss = torch.nn.BCEWithLogitsLoss()
    optimiser = torch.optim.Adam(model.parameters(), 0.05)
    for _ in range(60):
        output = model(batch.inputs).prediction
        seen = batch.target.mask
        now = loss(output[seen], batch.target.values[seen])
        optimiser.zero_grad()
        now.backward()
        optimiser.step()
    assert now < 0.3


SPOKEN = affect.load("synthetic:conversations")
STEP = partial(StepEncoder, layers=0)


def model_of(encoder, fusion=DialogueRNNFusion, speaker="speaker"):
    return affect.FusionModel.for_corpus(
        SPOKEN, encoder=STEP, encoders={"speaker": encoder}, fusion=partial(fusion, speaker=speaker)
    )


HIDDEN = {
    "dropped": (STEP, "StepEncoder", "dropout 0.1"),
    "SpeakerEncoder": (SpeakerEncoder, "SpeakerEncoder", "dropout 0.1"),
    "passed and dropped": (partial(PassEncoder, dropout=0.2), "PassEncoder", "dropout 0.2"),
    "changes": (partial(SpeakerEncoder, form="change", dropout=0.0), "SpeakerEncoder", "it looks at others"),
    "context": (partial(GRUEncoder, dropout=0.0), "GRUEncoder", "it looks at others"),
}


@pytest.mark.parametrize("fusion", [DialogueRNNFusion, ContextGraphFusion])
@pytest.mark.parametrize(("encoder", "name", "why"), HIDDEN.values(), ids=HIDDEN)
def test_an_encoder_that_hides_who_is_the_same_speaker_is_refused(fusion, encoder, name, why):
    message = (
        f"{fusion.__name__}: expected the same values of 'speaker' wherever the same party speaks, and {name} "
        f"has others at each step ({why}); leave it unencoded: PassEncoder with indices=True"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        model_of(encoder, fusion)


SHOWN = {
    "unencoded": partial(PassEncoder, indices=True),
    "scaled": PassEncoder,
    "without dropout": partial(StepEncoder, layers=0, dropout=0.0),
    "vectors": partial(SpeakerEncoder, dropout=0.0),
}


@pytest.mark.parametrize("encoder", SHOWN.values(), ids=SHOWN)
def test_in_training_a_party_is_the_same_at_all_of_its_steps(encoder):
    model = model_of(encoder).train()
    batch = next(iter(affect.batches(SPOKEN["test"], "emotion", batch_size=4)))
    encoded = model.encode(batch.inputs)["speaker"]
    parties = batch.inputs["speaker"].values[..., 0]
    for row, party, mask in zip(encoded.values, parties, encoded.mask, strict=True):
        same = (row[mask, None] == row[None, mask]).all(-1)
        assert torch.equal(same, party[mask, None] == party[None, mask])


def test_an_encoder_that_hides_who_speaks_is_fused_where_no_fusion_asks_who():
    assert model_of(SpeakerEncoder, speaker=None).encoders["speaker"].out_dim == 32
