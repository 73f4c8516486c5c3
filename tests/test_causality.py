"""Parts and models that read no later step: what they say of themselves is so, and what reads on is refused."""

from functools import partial
from inspect import signature

import numpy as np
import pytest
import torch
from torch import nn

import affect
from affect import ConfigError, FusionModel, testing
from affect import causality as told
from affect.causality import CAUSAL, causal
from affect.data.corpus import Corpus
from affect.data.loading import batches
from affect.encoders import (
    ConvolutionalEncoder,
    Encoder,
    GRUEncoder,
    LSTMEncoder,
    PooledEncoder,
    SpeakerEncoder,
    StepEncoder,
    TransformerEncoder,
)
from affect.fusion import (
    ConcatenationFusion,
    ContextGraphFusion,
    ContextualAttentionFusion,
    CrossModalTransformer,
    DialogueRNNFusion,
    DialogueTransformerFusion,
    EarlyFusion,
    Fusion,
    GatedShiftFusion,
    GraphMemoryFusion,
    HybridMemoryFusion,
    MemoryFusion,
    PerStep,
    RelationalGraphFusion,
    TensorFusion,
)
from affect.pooling import LastPooling
from affect.sequences import Sequence
from affect.testing import BrokenLawError, nothing_later_is_read
from affect.tuning.search import with_parts

PARTS = {
    "lstm": testing.encoder_part(
        partial(LSTMEncoder, layers=2, bidirectional=False, normed=True, joined=True)
    ),
    "gru": testing.encoder_part(partial(GRUEncoder, layers=2, bidirectional=False)),
    "transformer": testing.encoder_part(partial(TransformerEncoder, layers=3, causal=True, post_norm=True)),
    "convolution": testing.encoder_part(partial(ConvolutionalEncoder, kernel=5, causal=True)),
    "early": testing.fusion_part(causal(EarlyFusion)),
    "early attention": testing.fusion_part(causal(partial(EarlyFusion, encoder=TransformerEncoder))),
    "memory": testing.fusion_part(partial(MemoryFusion, steps=True)),
    "graph memory": testing.fusion_part(partial(GraphMemoryFusion, steps=True)),
    "hybrid memory": testing.fusion_part(partial(HybridMemoryFusion, steps=True)),
    "shifted": testing.fusion_part(causal(GatedShiftFusion)),
    "speakers": testing.encoder_part(partial(SpeakerEncoder, form="change"), 1),
    "context": testing.fusion_part(causal(partial(ContextGraphFusion, speaker="text"))),
    "relations": testing.fusion_part(causal(partial(RelationalGraphFusion, speaker="text"))),
    "dialogue": testing.fusion_part(causal(partial(DialogueRNNFusion, speaker="text", listeners=True))),
    "dialogue attention": testing.fusion_part(causal(partial(DialogueTransformerFusion, speaker="text"))),
    "per step": testing.fusion_part(partial(PerStep, fusion=TensorFusion)),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_parts_that_say_so_read_nothing_later(part):
    assert part.make().causal
    nothing_later_is_read(part)


def test_the_same_parts_do_not_say_so_where_they_read_on():
    for encoder in (LSTMEncoder, GRUEncoder, TransformerEncoder, ConvolutionalEncoder, PooledEncoder):
        assert not encoder(3, 4).causal
    assert not LSTMEncoder(3, 4, bidirectional=False, pooling=LastPooling()).causal
    dims = {"a": 3, "b": 3}
    for fusion in (MemoryFusion, GraphMemoryFusion, HybridMemoryFusion, EarlyFusion, GatedShiftFusion):
        assert not fusion(dims, 4).causal
    assert not CrossModalTransformer(dims, 4, causal=True).causal  # it pools all steps
    assert not EarlyFusion(dims, 4, encoder=StepEncoder, pooling=LastPooling()).causal


class Backwards(LSTMEncoder):
    """Says that it is causal, and reads in both directions."""

    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.causal = True


class Pooled(PooledEncoder):
    causal = True


class Expecting(Fusion):
    """Knows from the first step on which modalities a sample will have."""

    causal = needs_alignment = True

    def __init__(self, dims, out_dim):
        super().__init__(dims, out_dim)
        self.layer = nn.Linear(sum(self.dims.values()) + len(self.dims), out_dim)

    def fuse(self, inputs):
        there = torch.stack([x.present for x in inputs.values()], 1).unsqueeze(1)
        values = torch.cat([x.values for x in inputs.values()], -1)
        observed = torch.stack([x.mask for x in inputs.values()]).any(0)
        read = torch.cat([values, there.expand(-1, values.shape[1], -1).to(values)], -1)
        return Sequence(self.layer(read), observed)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (testing.encoder_part(Backwards), "it says causal, and step 0 depends on later ones"),
        (testing.encoder_part(Pooled), "it says causal, and makes 1 of 5 steps"),
        (testing.fusion_part(Expecting), "it says causal, and step 0 depends on later ones"),
    ],
)
def test_a_part_that_says_so_and_reads_on_is_caught(part, message):
    with pytest.raises(BrokenLawError) as caught:
        nothing_later_is_read(part)
    assert str(caught.value) == message


def test_a_causal_transformer_is_torch_s_with_a_mask():
    torch.manual_seed(0)
    own = TransformerEncoder(
        6, 6, layers=1, heads=2, dropout=0.0, hidden=10, post_norm=True, causal=True
    ).double()
    layer, x = own.layers[0], torch.randn(3, 7, 6, dtype=torch.float64)
    other = nn.TransformerEncoderLayer(6, 2, 10, 0.0, "gelu", batch_first=True).double()
    attention, mine = layer.attention, other.self_attn
    with torch.no_grad():
        mine.in_proj_weight.copy_(
            torch.cat([attention.query.weight, attention.key.weight, attention.value.weight])
        )
        mine.in_proj_bias.copy_(torch.cat([attention.query.bias, torch.randn(6), attention.value.bias]))
        pairs = (
            (mine.out_proj, attention.out),
            (other.linear1, layer.feedforward[0]),
            (other.linear2, layer.feedforward[2]),
        )
        for goal, source in (*pairs, (other.norm1, layer.norm), (other.norm2, layer.last_norm)):
            goal.load_state_dict(source.state_dict())
        read = own.project(x) + affect.layers.sinusoids(
            torch.arange(7.0, dtype=torch.float64).expand(3, 7), 6
        )
        later = torch.ones(7, 7, dtype=torch.bool).triu(1)
        assert (own(Sequence.full(x)).values - other(read, src_mask=later)).abs().max() < 1e-12  # fmt: skip


def test_a_causal_convolution_is_a_loop_over_what_was_before():
    torch.manual_seed(0)
    layer = affect.layers.Convolution(2, 3, kernel=5, dilation=2, causal=True).double()
    x = torch.randn(1, 12, 2, dtype=torch.float64)
    for step in range(12):
        expected = layer.bias.clone()
        for place in range(5):
            if (read := step - 2 * (4 - place)) >= 0:
                expected = expected + layer.weight[:, :, place] @ x[0, read]
        assert (layer(x)[0, step] - expected).abs().max() < 1e-12


@pytest.fixture(scope="module")
def talks():
    """Dialogues with a target per utterance, at some utterances of which modalities are lost."""
    corpus = affect.load("synthetic:mosi_context")
    train = corpus["train"].take(np.arange(12))
    return Corpus("talks", {"train": train, "valid": train, "test": train}, corpus.targets)


MODELS = {
    "recurrent": {"encoder": LSTMEncoder, "fusion": PerStep},
    "transformer": {"encoder": TransformerEncoder, "fusion": ContextualAttentionFusion},
    "memory": {
        "encoder": StepEncoder,
        "fusion": partial(MemoryFusion, steps=True),
        "imputer": partial(affect.imputation.TranslationImputer, per_step=True),
    },
    "joined": {"encoder": ConvolutionalEncoder, "fusion": EarlyFusion},
}


@pytest.mark.parametrize("parts", MODELS.values(), ids=MODELS)
def test_a_prediction_does_not_change_when_more_is_said(parts, talks):
    model = FusionModel.for_corpus(talks, seed=0, width=8, out_dim=8, causal=True, **parts).eval()
    assert model.causal
    assert model.spec.causal
    inputs = next(iter(batches(talks["test"], "sentiment", batch_size=6))).inputs
    generator = torch.Generator().manual_seed(0)
    lost = {m: x.keep(torch.rand(x.mask.shape, generator=generator) < 0.7) for m, x in inputs.items()}
    first = next(iter(lost))
    lost[first] = lost[first].keep((torch.arange(6) > 2).unsqueeze(1))  # of some it is never there
    with torch.no_grad():
        for whole in (inputs, lost):
            time = next(iter(whole.values())).time
            expected = model(whole).prediction
            for count in (1, 2, 5, time - 1):
                past = torch.arange(time) < count
                changed = {
                    m: Sequence(torch.where(past.unsqueeze(-1), x.values, 3 - x.values), x.mask | ~past)
                    for m, x in whole.items()
                }
                cut = {m: Sequence(x.values[:, :count], x.mask[:, :count]) for m, x in whole.items()}
                for other in (changed, {m: x.keep(past) for m, x in whole.items()}, cut):
                    found = model(other).prediction[:, :count]
                    torch.testing.assert_close(found, expected[:, :count], rtol=0, atol=1e-5)


def test_without_it_more_that_is_said_does_change_a_prediction(talks):
    model = FusionModel.for_corpus(talks, seed=0, width=8, out_dim=8, **MODELS["recurrent"]).eval()
    assert not model.causal
    inputs = next(iter(batches(talks["test"], "sentiment", batch_size=6))).inputs
    begun = {m: x.keep(torch.arange(x.time) < 5) for m, x in inputs.items()}
    assert not torch.allclose(model(begun).prediction[:, :5], model(inputs).prediction[:, :5], atol=1e-3)


def test_what_is_changed_is_said_and_a_saved_run_is_built_alike(talks, tmp_path, caplog):
    told._say.cache_clear()
    parts = {"encoder": LSTMEncoder, "fusion": PerStep, "causal": True}
    model = FusionModel.for_corpus(talks, seed=0, width=4, out_dim=4, **parts)
    line = "causal: LSTMEncoder reads forwards alone, as with bidirectional: false"
    assert [message for message in caplog.messages if "causal" in message] == [line]
    run = affect.fit(model, talks, training=affect.Training(epochs=1))
    again = affect.load_run(run.save(tmp_path / "run"))
    assert again.model.causal
    assert again.model.spec.causal
    assert not len(again.model.encoders["text"].backwards)
    assert again.predict(talks["test"]).equals(run.predict(talks["test"]))


def test_a_configuration_says_so_for_all_parts(talks):
    model = {
        "causal": True,
        "encoder": "TransformerEncoder",
        "fusion": {"class_path": "EarlyFusion", "init_args": {"encoder": "GRUEncoder"}},
    }
    content = {"corpus": "synthetic:mosi_context", "model": model}
    searched = with_parts(content, talks, [], "tune")
    assert searched["model"]["causal"] is True
    for one in (content, searched, affect.runs.configuration.complete(content, "doc")):
        spec = affect.runs.configuration.parse(one, "doc").model
        made = spec.for_corpus(talks)
        assert made.causal
        assert not len(made.fusion.encoder.backwards)


def test_every_class_that_a_message_names_can_be_causal():
    for name in CAUSAL["encoder"]:
        cls = getattr(affect.encoders, name)
        made = causal(cls)(1 if cls.reads_indices else 3, 4)
        assert made.causal, name
    for name in CAUSAL["fusion"]:
        cls = getattr(affect.fusion, name)
        steps = {"steps": True} if "steps" in signature(cls).parameters else {}
        assert causal(partial(cls, **steps))({"a": 3, "b": 3}, 4).causal, name


ABSTRACT = {"Encoder", "LayeredEncoder", "PretrainedEncoder", "Fusion", "ProjectedFusion", "VectorFusion"}


@pytest.mark.parametrize(
    ("kind", "room", "base", "sizes"),
    [
        ("encoder", affect.encoders, Encoder, (1, 4)),
        ("fusion", affect.fusion, Fusion, ({"a": 3, "b": 3}, 4)),
    ],
    ids=["encoder", "fusion"],
)
def test_every_class_that_can_be_causal_is_named(kind, room, base, sizes):
    classes = [getattr(room, name) for name in room.__all__ if name not in ABSTRACT]
    parts = [cls for cls in classes if isinstance(cls, type) and issubclass(cls, base)]
    unnamed = {cls.__name__ for cls in parts if causal(cls)(*sizes).causal} - {*CAUSAL[kind]}
    assert not unnamed, "name them in affect.causality.CAUSAL"


@pytest.mark.parametrize(
    ("make", "who"),
    [
        (lambda: TransformerEncoder(3, 4, causal="no"), "TransformerEncoder"),
        (lambda: ConvolutionalEncoder(3, 4, causal="no"), "ConvolutionalEncoder"),
        (lambda: ContextualAttentionFusion({"a": 3, "b": 3}, 4, causal="no"), "ContextualAttentionFusion"),
        (lambda: affect.ModelSpec(causal="no"), "FusionModel"),
    ],
)
def test_a_text_is_no_answer(make, who):
    with pytest.raises(ConfigError) as refused:
        make()
    assert str(refused.value) == f"{who}: causal: expected True or False, got the text 'no'"


def test_edges_from_later_steps_are_left_out_and_said_to_be(caplog):
    told._say.cache_clear()
    assert causal(partial(ContextGraphFusion, past=3, future=4)).keywords == {
        "past": 3,
        "future": 0,
        "causal": True,
    }
    assert causal(partial(ContextGraphFusion, future=0)).keywords == {"future": 0, "causal": True}
    assert caplog.messages == ["causal: ContextGraphFusion has no edges from later steps, as with future: 0"]


ENCODERS = ", ".join([*CAUSAL["encoder"], "or one of your own that says causal = True"])
FUSIONS = ", ".join([*CAUSAL["fusion"], "or one of your own that says causal = True"])
GIVEN = {"encoder": StepEncoder, "fusion": PerStep}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"encoder": PooledEncoder},
            f"encoder: acoustic: PooledEncoder reads later steps; choose {ENCODERS}",
        ),
        ({"fusion": ConcatenationFusion}, f"fusion: ConcatenationFusion reads later steps; choose {FUSIONS}"),
        ({"fusion": MemoryFusion}, "fusion: MemoryFusion reads later steps; say steps: true"),
        (
            {"encoder": partial(LSTMEncoder, pooling=LastPooling())},
            "encoder: acoustic: LSTMEncoder reads later steps; leave its pooling out",
        ),
        (
            {"fusion": partial(EarlyFusion, encoder=PooledEncoder)},
            "fusion: EarlyFusion reads later steps; choose another encoder in it than PooledEncoder: "
            + ", ".join(CAUSAL["encoder"]),
        ),
        (
            {"imputer": affect.imputation.MeanImputer},
            "imputer: MeanImputer reads later steps; say per_step: true",
        ),
        (
            {"aligner": affect.aligners.ResamplingAligner},
            "aligner: ResamplingAligner reads later steps; leave it out, and align the corpus",
        ),
    ],
)
def test_what_reads_on_is_refused(talks, parts, message):
    with pytest.raises(ConfigError) as refused:
        FusionModel.for_corpus(talks, causal=True, **{**GIVEN, **parts})
    assert str(refused.value) == f"FusionModel: causal: {message}"


def test_a_label_of_a_whole_sample_is_refused():
    with pytest.raises(ConfigError) as refused:
        FusionModel.for_corpus(affect.load("synthetic"), causal=True)
    assert str(refused.value) == (
        "FusionModel: causal: 'sentiment' is one label of a whole sample, so that all of its steps are read; "
        "choose a target per step, such as one of utterances, or leave causal out"
    )
