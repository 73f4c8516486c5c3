"""A pretrained encoder within a model: the laws, the words, what learns, and a gate between its layers."""

import copy
import functools
import re
import shutil

import numpy as np
import pytest
import torch

import affect
from affect import testing
from affect.corruption.draws import Draws
from affect.data.ragged import Ragged, Words
from affect.data.targets import Regression
from affect.errors import ConfigError, DataError
from affect.fusion import CrossModalEnhancementFusion, GatedShiftFusion
from affect.objectives.terms import MaskedWords, Seen
from affect.sequences import Sequence
from affect.training import Learner, Training

transformers = pytest.importorskip("transformers", reason="needs affect[text]")
pytest.importorskip("peft", reason="needs affect[text]")

from small_encoders import PIECES, PLACES, bert, byte_level, write  # noqa: E402, needs transformers

from affect.data.text import embed, tokenize  # noqa: E402
from affect.encoders import PassEncoder, PretrainedEncoder, StepEncoder  # noqa: E402

ROWS = [["so", "good"], [], ["unbelievably", "bad", "film"], ["film", "\u200b", "so"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(bert(tmp_path_factory.mktemp("bert")))


def corpus_of(rows=ROWS, labels=None):
    ids = tuple(f"s{i}" for i in range(len(rows)))
    words = Words.from_rows(rows)
    truth = np.zeros(len(rows)) if labels is None else np.array(labels)
    split = affect.Split(ids, {}, {"y": Ragged.vectors(truth)}, words=words)
    return affect.Corpus("toy", {"train": split, "valid": split}, {"y": Regression("y")})


def batch_of(corpus, name):
    return next(iter(affect.batches(corpus["train"], "y", batch_size=9))).inputs[name]


def made(folder, in_dim=3, out_dim=8, **options):
    torch.manual_seed(0)
    return PretrainedEncoder(in_dim, out_dim, model=folder, **options).eval()


@pytest.mark.parametrize("law", [*testing.LAWS, testing.memory_is_bounded], ids=lambda law: law.__name__)
@pytest.mark.parametrize(
    "options",
    [{}, {"trained": 1}, {"trained": "none"}, {"output": "pooler"}, {"output": "mean"}, {"by_length": True}],
    ids=str,
)
def test_law(folder, law, options):
    law(testing.encoder_part(functools.partial(PretrainedEncoder, model=folder, **options), in_dim=1))


def test_hidden_words_become_the_mask_token_and_are_told_by_the_encoder_s_own_vectors(folder, tmp_path):
    assert made(folder).masked is None
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.mask_token = "film"
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    tokenizer.save_pretrained(tmp_path)
    encoder = functools.partial(PretrainedEncoder, model=str(tmp_path), dropout=0.0)
    torch.manual_seed(0)
    model = affect.FusionModel.for_shape({"text": 3}, Regression("y"), False, encoder=encoder).eval()
    term = MaskedWords(model, ("a", "b"), share=1.0)
    x = batch_of(
        tokenize(corpus_of([["unbelievably", "so"], ["good", "bad", "so"]]), str(tmp_path)), "tokens"
    )
    masked = PIECES.index("film") + 1
    assert model.encoders["text"].masked == masked
    draws = Draws(("a", "b"))
    shown = term.covered(model, "text", x, x.mask, draws).values
    kinds = draws.uniform("kind", 3)
    assert (kinds < 0.8).sum() >= 3
    assert torch.equal(shown == 0, x.values == 0)
    assert (
        shown[(kinds < 0.8) & x.mask] == torch.where(x.values == 0, 0, masked)[(kinds < 0.8) & x.mask]
    ).all()
    assert torch.equal(shown[kinds >= 0.9], x.values[kinds >= 0.9])
    batch = affect.Batch({"text": x}, Sequence.vector(torch.zeros(2, 1)), ("a", "b"))
    value = term(Seen(model, batch, model(batch.inputs), batch.inputs, objective=None))
    value.backward()
    assert 0.5 < value.item() < 3  # weights are far from zero
    assert model.encoders["text"].words.grad.any()


def test_words_are_the_indices_of_their_sub_words(folder):
    rows = tokenize(corpus_of(), folder)["train"].modalities["tokens"]
    assert rows[2].tolist() == [[7, 8, 9], [10, 0, 0], [11, 0, 0]]
    assert rows.dim == 3
    assert rows.lengths.tolist() == [2, 0, 3, 3]
    flat = rows.flat()
    assert flat.observed.tolist() == [True] * 6 + [False, True]  # a word that becomes nothing


def test_of_a_long_word_the_first_sub_words_are_kept(folder):
    assert tokenize(corpus_of(), folder, most=2)["train"].modalities["tokens"][2][0].tolist() == [7, 8]


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "mpnet"])
def test_states_are_those_of_embed(family, tmp_path):
    common = {"vocab_size": 300, "max_position_embeddings": 20}
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    configs = {
        "roberta": lambda: transformers.RobertaConfig(pad_token_id=1, **common, **sizes),
        "distilbert": lambda: transformers.DistilBertConfig(
            dim=16, n_layers=2, n_heads=2, hidden_dim=16, **common
        ),
        "mpnet": lambda: transformers.MPNetConfig(pad_token_id=1, **common, **sizes),
    }
    folder = (
        bert(tmp_path) if family == "bert" else write(tmp_path, configs[family](), byte_level(special=True))
    )
    corpus = corpus_of([["so", "good"], ["bad"], []])
    encoder = made(str(folder))
    encoder.out = torch.nn.Identity()
    encoder.out_dim = encoder.width
    tokens = tokenize(corpus, folder)
    encoder.in_dim = tokens.dims["tokens"]
    found, expected = encoder(batch_of(tokens, "tokens")), batch_of(embed(corpus, folder), "text")
    assert torch.equal(found.mask, expected.mask)
    assert torch.allclose(found.values, expected.values, atol=1e-5)


@pytest.mark.parametrize("output", ["first", "pooler", "mean"])
def test_one_vector_is_that_of_transformers(folder, output):
    encoder = made(folder, in_dim=1, output=output)
    encoder.out = torch.nn.Identity()
    encoder.out_dim = encoder.width
    words = torch.tensor([[[4.0], [5.0], [9.0]], [[5.0], [0.0], [0.0]]])
    x = Sequence(words + 1, torch.tensor([[True] * 3, [True, False, False]]))
    found = encoder(x)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    for row, ids in enumerate(([2, 4, 5, 9, 3], [2, 5, 3])):
        out = model(torch.tensor([ids]))
        expected = {
            "first": out.last_hidden_state[0, 0],
            "pooler": out.pooler_output[0],
            "mean": out.last_hidden_state[0].mean(0),
        }
        assert torch.allclose(found.values[row, 0], expected[output], atol=1e-5)
    assert found.time == encoder.time_of(3) == 1
    assert not encoder(x.keep(torch.zeros_like(x.mask))).mask.any()


def test_a_model_without_a_pooler_has_no_such_output(tmp_path):
    config = transformers.DistilBertConfig(
        dim=16, n_layers=2, n_heads=2, hidden_dim=16, vocab_size=300, max_position_embeddings=20
    )
    folder = str(write(tmp_path, config, byte_level(special=True)))
    with pytest.raises(ConfigError, match="has no pooler; say first or mean$"):
        made(folder, output="pooler")


def test_an_unobserved_word_is_as_if_it_had_not_been_said(folder):
    encoder = made(folder)
    whole = batch_of(tokenize(corpus_of([["so", "bad", "film"]]), folder, most=3), "tokens")
    short = batch_of(tokenize(corpus_of([["so", "film"]]), folder, most=3), "tokens")
    encoder.in_dim = whole.dim
    found = encoder(whole.keep(torch.tensor([[True, False, True]])))
    assert torch.allclose(found.values[0, [0, 2]], encoder(short).values[0], atol=1e-6)


def test_words_behind_the_limit_are_unobserved(folder):
    encoder = made(folder, in_dim=1)
    x = Sequence.full(torch.full((1, PLACES + 3, 1), 6.0))
    found = encoder(x)
    assert found.mask[0].tolist() == [True] * (PLACES - 2) + [False] * 5
    assert torch.allclose(
        found.values[:, : PLACES - 2], encoder(Sequence.full(x.values[:, : PLACES - 2])).values
    )


def test_a_word_that_does_not_fit_whole_is_unobserved(folder):
    x = Sequence.full(torch.full((1, 4, 3), 6.0))  # twelve sub-words, ten places
    assert made(folder)(x).mask[0].tolist() == [True, True, True, False]


def test_an_index_beyond_the_vocabulary_is_the_unknown_word(folder):
    encoder = made(folder, in_dim=1)
    odd, unknown = (encoder(Sequence.full(torch.full((1, 1, 1), value))).values for value in (999.0, 2.0))
    assert torch.equal(odd, unknown)


@pytest.mark.parametrize(
    ("options", "learn"),
    [
        ({}, r"^(?!.*key\.bias)"),
        ({"trained": "none"}, r"^out\."),
        ({"trained": 1}, r"^out\.|layer\.1\.(?!.*key\.bias)"),
        ({"lora": 2}, r"^out\.|lora_"),
    ],
    ids=str,
)
def test_what_learns(folder, options, learn):
    encoder = made(folder, **options)
    learning = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert learning == {name for name, _ in encoder.named_parameters() if re.search(learn, name)}
    assert learning
    before = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    for _ in range(2):  # an adapter's first factor moves when its second has
        optimizer.zero_grad()
        encoder(Sequence.full(torch.tensor([[[7.0, 8, 9], [10, 0, 0]]]))).values.square().sum().backward()
        optimizer.step()
    moved = {name for name, p in encoder.named_parameters() if not torch.equal(p, before[name])}
    frozen = {name for name in before if name not in learning}
    assert not moved & frozen
    assert moved >= {name for name in learning if "embeddings" not in name}


@pytest.mark.parametrize(("options", "parts"), [({}, 3), ({"trained": "none"}, 0), ({"trained": 1}, 1)])
def test_frozen_layers_stay_in_eval_mode(folder, options, parts):
    encoder = made(folder, **options).train()
    bodies = [encoder.encoder.embeddings, *encoder.encoder.encoder.layer]
    assert sum(body.training for body in bodies) == parts
    assert encoder.out.training


def test_learning_rates_are_those_of_the_innermost_module(folder):
    encoder = made(folder, in_dim=2, trained=1, learning_rate=1e-5)
    fusion = GatedShiftFusion(
        {"a": 2, "b": 3}, 8, main="b", encoder=lambda d, o: made(folder, d, o, learning_rate=2e-5)
    )
    model = affect.FusionModel({"a": encoder, "b": StepEncoder(3, 3)}, affect.fusion.LateFusion({"a": 8, "b": 3}, 4),
                               affect.heads.RegressionHead(4, Regression("y")))  # fmt: skip
    model.extra = fusion
    learner = Learner(
        model, affect.objectives.SquaredError(Regression("y")), Training(learning_rate=1e-3), seed=0
    )
    groups = {
        group["lr"]: {id(p) for p in group["params"]} for group in learner.configure_optimizers().param_groups
    }
    learn = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    assert set().union(*groups.values()) == set(learn)
    assert sum(len(group) for group in groups.values()) == len(learn)
    assert {learn[i].split(".")[0] for i in groups[1e-3]} == {"encoders", "fusion", "head", "extra"}
    assert all(learn[i].startswith("encoders.a.encoder.") for i in groups[1e-5])
    assert all(learn[i].startswith("extra.encoder.encoder.") for i in groups[2e-5])


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_gate_meets_the_hidden_states_of_its_layer(folder, layer):
    encoder = made(folder)
    x = batch_of(tokenize(corpus_of(), folder), "tokens")
    other = x.with_values(torch.randn(*x.mask.shape, 2))
    met = []

    def gate(hidden, others):
        met.append((hidden, others))
        return hidden.with_values(2 * hidden.values)

    out = encoder.encode_with(x, gate, layer, [other])
    hidden, (spread,) = met[0]
    tokens = encoder._lay_out(x)
    states = encoder.encoder(tokens.ids, tokens.mask.long(), output_hidden_states=True).hidden_states[layer]
    assert torch.allclose(hidden.values, states * tokens.mask.unsqueeze(-1), atol=1e-6)
    assert torch.equal(spread.mask, tokens.inside)
    row = int((x.lengths == 3).nonzero()[0])
    assert torch.allclose(spread.values[row, 1], other.values[row, 0])
    assert not torch.allclose(out.values, encoder(x).values, atol=1e-3)
    assert torch.allclose(
        encoder.encode_with(x, lambda h, _: h, layer, [other]).values, encoder(x).values, atol=1e-6
    )


@pytest.mark.parametrize("output", ["words", "mean"])
def test_samples_of_like_length_may_be_read_apart(folder, output, monkeypatch):
    monkeypatch.setattr("affect.encoders.pretrained._GROUP", 1)
    rows = [["film"] * 6, ["so"], [], ["bad", "film"], ["good"] * 5, ["unbelievably", "so"]]
    x = batch_of(tokenize(corpus_of(rows), folder), "tokens")
    other = x.with_values(torch.randn(*x.mask.shape, 3))
    shift = torch.nn.Linear(3, 16).double()
    read, found, slopes = [], [], []
    for by_length in (False, True):
        encoder = made(folder, output=output, by_length=by_length).double()
        encoder.encoder.register_forward_hook(
            lambda _, __, given, ___: read.append(given["input_ids"].shape), with_kwargs=True
        )

        def gate(hidden, others):
            return hidden.with_values(hidden.values + shift(others[0].values))

        out = encoder.encode_with(x.to(torch.float64), gate, 1, [other.to(torch.float64)])
        out.values.square().sum().backward()
        found.append(out)
        slopes.append([p.grad for p in encoder.parameters() if p.requires_grad])
    assert read[0][0] == 6
    assert len(read) > 2  # groups, each as long as its own longest
    assert sum(batch for batch, _ in read[1:]) == 6
    assert sum(batch * steps for batch, steps in read[1:]) < read[0].numel()
    assert torch.equal(found[0].mask, found[1].mask)
    assert torch.allclose(found[0].values, found[1].values, atol=1e-12)
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(*slopes, strict=True))


def test_a_shift_within_a_pretrained_encoder_keeps_the_laws(folder):
    """Indices for the main modality, as a PassEncoder hands them over."""
    torch.manual_seed(0)
    encoder = functools.partial(PretrainedEncoder, model=folder)
    fusion = GatedShiftFusion({"a": 2, "b": 1}, 8, main="b", encoder=encoder).double().eval()
    mask = torch.tensor([[True, True, False, True], [True, False, False, False], [False] * 4])
    inputs = {
        "a": Sequence(torch.randn(3, 4, 2, dtype=torch.float64), mask.roll(1, 1)),
        "b": Sequence(torch.randint(1, 11, (3, 4, 1)).double(), mask),
    }
    together = fusion(inputs)
    assert torch.equal(together.mask, mask)
    for row in range(3):
        alone = fusion({m: x.take(torch.tensor([row])) for m, x in inputs.items()})
        assert torch.allclose(alone.values, together.values[row : row + 1])
    without = fusion({**inputs, "a": inputs["a"].keep(torch.tensor(False))})
    assert not torch.allclose(without.values[0], together.values[0])
    assert torch.allclose(without.values[1, 1:], together.values[1, 1:])


@pytest.mark.parametrize("layer", [0, 1])
def test_special_tokens_are_shifted_by_what_biases_make_of_zeros(folder, layer):
    """The states that the next layer meets, token by token, from the gate's weights alone."""
    torch.manual_seed(0)
    encoder = functools.partial(PretrainedEncoder, model=folder, output="first")
    fusion = GatedShiftFusion(
        {"a": 2, "b": 1, "c": 3}, 8, main="b", encoder=encoder, layer=layer, inner=True, special=True, scale=1e9
    ).double().eval()  # fmt: skip
    mask = torch.tensor([[True, True, False], [True, False, False], [True, True, True]])
    inputs = {
        "a": Sequence(torch.randn(3, 3, 2, dtype=torch.float64), mask),
        "b": Sequence(torch.randint(1, 11, (3, 3, 1)).double(), mask),
        "c": Sequence(
            torch.randn(3, 3, 3, dtype=torch.float64), mask & torch.tensor([[True], [False], [True]])
        ),
    }
    gate, met = fusion.gate, []
    gate.register_forward_hook(lambda _, given, made: met.append((given[0], made)))
    fused = fusion(inputs)
    ((states, shifted),) = met
    tokens = fusion.encoder._lay_out(inputs["b"])
    assert (tokens.mask & ~tokens.inside).sum(1).tolist() == [2, 2, 2]
    for row, token in (tokens.mask & ~tokens.inside).nonzero().tolist():
        z = states.values[row, token]
        h = z.clone()
        for place, m in enumerate(("a", "c")):
            if bool(inputs[m].present[row]):
                weights, bias = gate.gates[place].weight[:, : len(z)], gate.gates[place].bias
                h = h + torch.relu(weights @ z + bias) * gate.shifts[place].bias
        assert torch.allclose(shifted.values[row, token], gate.layers[0](h))
    plain = GatedShiftFusion(
        {"a": 2, "b": 1, "c": 3}, 8, main="b", encoder=encoder, layer=layer, inner=True, scale=1e9
    ).double().eval()  # fmt: skip
    plain.load_state_dict(fusion.state_dict())
    assert not torch.allclose(plain(inputs).values, fused.values)
    absent = {**inputs, **{m: inputs[m].keep(torch.tensor(False)) for m in "ac"}}
    assert torch.allclose(plain(absent).values, fusion(absent).values)


def test_words_find_more_in_the_others_within_a_pretrained_encoder(folder):
    torch.manual_seed(0)
    encoder = functools.partial(PretrainedEncoder, model=folder)
    fusion = CrossModalEnhancementFusion({"a": 2, "b": 1}, 8, main="b", encoder=encoder).double().eval()
    mask = torch.tensor([[True, True, False, True], [True, False, False, False], [False] * 4])
    inputs = {
        "a": Sequence.full(torch.randn(3, 7, 2, dtype=torch.float64)),  # not aligned with the words
        "b": Sequence(torch.randint(1, 11, (3, 4, 1)).double(), mask),
    }
    together = fusion(inputs)
    assert torch.equal(together.mask, mask)
    without = fusion({**inputs, "a": inputs["a"].keep(torch.tensor([[True], [False], [True]]))}).values
    assert torch.allclose(without[0], together.values[0])
    assert not torch.allclose(without[1, 0], together.values[1, 0])
    bare = fusion.encoder(inputs["b"]).values
    assert torch.allclose(without[1], bare[1])


def test_it_is_fine_tuned_saved_and_read_back(folder, tmp_path):
    words = [["good", "film"], ["bad", "film"], ["so", "good"], ["so", "bad"]] * 4
    corpus = tokenize(corpus_of(words, [1.0, -1.0] * 8), folder)
    model = affect.FusionModel.for_corpus(
        corpus, encoder=functools.partial(PretrainedEncoder, model=folder, learning_rate=1e-3, dropout=0.0)
    )
    before = model.encoders["tokens"].encoder.embeddings.word_embeddings.weight.detach().clone()
    run = affect.fit(model, corpus, training=Training(epochs=30, learning_rate=1e-2), folder=tmp_path)
    assert run.results.query("split == 'valid' and metric == 'mae'")["value"].item() < 0.3
    assert not torch.equal(before, model.encoders["tokens"].encoder.embeddings.word_embeddings.weight)
    assert model.scaler is None


def test_a_pass_encoder_may_hold_indices(folder):
    corpus = tokenize(corpus_of(), folder)
    fusion = functools.partial(
        GatedShiftFusion, main="tokens", encoder=functools.partial(PretrainedEncoder, model=folder)
    )
    with pytest.raises(ConfigError, match="needs 2 modalities"):
        affect.FusionModel.for_corpus(
            corpus, encoder=functools.partial(PassEncoder, indices=True), fusion=fusion
        )
    assert PassEncoder(3, 8, indices=True).reads_indices
    assert not PassEncoder(3, 8).reads_indices
    with pytest.raises(
        ConfigError,
        match=re.escape(
            "PassEncoder: a word index cannot be dropped, got dropout=0.5 with indices; drop values behind it"
        ),
    ):
        PassEncoder(1, 8, indices=True, dropout=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trained": 3}, "PretrainedEncoder: '{folder}' has 2 layers, got trained=3"),
        ({"trained": -1}, "PretrainedEncoder: trained must be 'all', 'none' or a number of layers, got -1"),
    ],
)
def test_refusals(folder, options, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message.format(folder=folder))}$"):
        made(folder, **options)


def test_tokenize_refuses(folder):
    with pytest.raises(ConfigError, match="^tokenize: most must be at least 1, got 0$"):
        tokenize(corpus_of(), folder, most=0)
    rows = Ragged.vectors(np.zeros(1))
    wordless = affect.Corpus("toy", {"train": affect.Split(("a",), {}, {"y": rows})}, {"y": Regression("y")})
    with pytest.raises(DataError, match="^toy, train: has no words to embed$"):
        tokenize(wordless, folder)


@pytest.mark.parametrize("service", testing.DEPLOYMENT, ids=lambda law: law.__name__)
@pytest.mark.parametrize("options", [{}, {"trained": 1}, {"lora": 2}], ids=str)
def test_deployment(folder, service, options):
    service(testing.encoder_part(functools.partial(PretrainedEncoder, model=folder, **options), in_dim=1))


@pytest.mark.parametrize("service", testing.DEPLOYMENT, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("layer", "special"), [(0, False), (1, True), (2, False)])
def test_deployment_with_a_gate(folder, service, layer, special):
    encoder = functools.partial(PretrainedEncoder, model=folder)
    shifted = functools.partial(GatedShiftFusion, main="text", layer=layer, special=special)
    service(testing.fusion_part(functools.partial(shifted, encoder=encoder)))


@pytest.mark.parametrize(
    "law",
    [law for law in testing.LAWS if law is not testing.every_parameter_learns],
    ids=lambda law: law.__name__,
)
def test_law_with_adapters(folder, law):
    """Not that every parameter learns: until an adapter's second factor has moved, its first has no gradient."""
    law(testing.encoder_part(functools.partial(PretrainedEncoder, model=folder, lora=2), in_dim=1))


WITHOUT_SPECIAL_TOKENS = {
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=259, n_embd=16, n_layer=2, n_head=2, n_positions=20, bos_token_id=2, eos_token_id=2
    ),
    "t5": lambda: transformers.T5Config(
        vocab_size=259, d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2, pad_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", WITHOUT_SPECIAL_TOKENS)
def test_a_sample_without_words_and_special_tokens(family, tmp_path):
    folder = str(write(tmp_path, WITHOUT_SPECIAL_TOKENS[family](), byte_level(special=False)))
    encoder = made(folder, in_dim=1).double()
    leaf = torch.full((2, 3, 1), 50.0, dtype=torch.float64)
    absent = torch.zeros(2, 3, dtype=torch.bool)
    one = torch.tensor([[True] * 3, [False] * 3])
    alone = encoder(Sequence(leaf, absent))
    assert not alone.mask.any()
    assert encoder._lay_out(Sequence(leaf, absent)).mask.sum(1).tolist() == [1, 1]
    together = encoder(Sequence(leaf, one))
    together.values.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)
    assert torch.allclose(together.values[:1], encoder(Sequence.full(leaf[:1])).values)


def test_a_gate_is_gone_after_it_was_used_or_failed(folder):
    encoder = made(folder, in_dim=1)
    x = Sequence.full(torch.full((1, 2, 1), 6.0))
    before = encoder(x).values
    encoder.encode_with(x, lambda h, _: h.with_values(0 * h.values), 1, [])

    def fails(*_):
        raise RuntimeError("gate")

    with pytest.raises(RuntimeError, match="gate"):
        encoder.encode_with(x, fails, 1, [])
    assert torch.equal(encoder(x).values, before)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_layers_after_a_gate_go_on_from_its_states(folder, layer):
    """With the states of another text let in whole, what comes out is that of the other text."""
    encoder = made(folder, in_dim=1)
    x, y = (Sequence.full(torch.tensor([[[a], [b]]])) for a, b in ((5.0, 6.0), (10.0, 11.0)))
    met = []
    other = encoder.encode_with(y, lambda h, _: met.append(h) or h, layer, [])
    assert torch.allclose(
        encoder.encode_with(x, lambda *_: met[0], layer, []).values, other.values, atol=1e-6
    )
    assert not torch.allclose(encoder(x).values, other.values, atol=1e-3)


def test_a_copy_has_gates_of_its_own(folder):
    encoder = made(folder, in_dim=1)
    twin = copy.deepcopy(encoder)
    x = Sequence.full(torch.full((1, 2, 1), 6.0))
    doubled = [
        e.encode_with(x, lambda h, _: h.with_values(2 * h.values), 1, []).values for e in (encoder, twin)
    ]
    assert torch.equal(*doubled)
    assert not torch.allclose(doubled[1], twin(x).values, atol=1e-3)


def test_an_encoder_whose_layers_are_in_several_lists_is_refused(tmp_path):
    config = transformers.XLMConfig(
        vocab_size=300, emb_dim=16, n_layers=2, n_heads=2, max_position_embeddings=20
    )
    folder = str(write(tmp_path, config, byte_level(special=True)))
    with pytest.raises(
        ConfigError, match=f"^PretrainedEncoder: '{re.escape(folder)}' has no list of 2 layers$"
    ):
        made(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trained": "some"}, "trained must be 'all', 'none' or a number of layers, got 'some'"),
        ({"trained": True}, "trained must be 'all', 'none' or a number of layers, got True"),
        ({"lora": -1}, "lora must be at least 0, got -1"),
        (
            {"lora": 2, "trained": 1},
            "lora learns in place of all pretrained weights, got lora=2 with trained=1; leave trained at 'all'",
        ),
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"output": "cls"}, "output must be 'words', 'first', 'pooler' or 'mean', got 'cls'"),
    ],
    ids=str,
)
def test_refusals_of_options(folder, options, message):
    with pytest.raises(ConfigError, match=f"^PretrainedEncoder: {re.escape(message)}$"):
        made(folder, **options)


@pytest.mark.parametrize("layer", [-1, 3])
def test_a_layer_that_is_not_there_is_refused(folder, layer):
    message = f"^PretrainedEncoder: has layers 0 to 2, got layer={layer}$"
    with pytest.raises(ConfigError, match=message):
        made(folder, in_dim=1).encode_with(Sequence.full(torch.ones(1, 1, 1)), lambda h, _: h, layer, [])


def test_a_schedule_scales_every_rate(folder):
    model = affect.FusionModel({"a": made(folder, in_dim=1, learning_rate=1e-5)}, affect.fusion.LateFusion({"a": 8}, 4),
                               affect.heads.RegressionHead(4, Regression("y")))  # fmt: skip
    schedule = functools.partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    training = Training(learning_rate=1e-3, weight_decay=0.1, schedule=schedule)
    made_of = Learner(
        model, affect.objectives.SquaredError(Regression("y")), training, seed=0
    ).configure_optimizers()
    optimizer = made_of["optimizer"]
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.1}
    optimizer.step()
    made_of["lr_scheduler"]["scheduler"].step()
    assert sorted(group["lr"] for group in optimizer.param_groups) == [5e-6, 5e-4]
