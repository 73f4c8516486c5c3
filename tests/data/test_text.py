import logging
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import affect
from affect.data import native
from affect.data.ragged import Ragged, Words
from affect.data.targets import Regression
from affect.data.text import Vocabulary, embed, tokenize
from affect.encoders import EmbeddingEncoder
from affect.errors import ConfigError, DataError

transformers = pytest.importorskip("transformers", reason="needs affect[text]")

from small_encoders import PLACES, bert, byte_level, write  # noqa: E402, needs transformers

ROWS = [["so", "good"], [], ["unbelievably", "bad", "film"], ["film", "\u200b", "unbelievably"]]


def corpus_of(*splits, times=False):
    parts = {}
    for name, rows in zip(("train", "valid", "test"), splits, strict=False):
        words = Words.from_rows(rows)
        if times:
            starts = np.arange(len(words.tokens), dtype=np.float64)
            words = Words.from_offsets(words.tokens, words.offsets, np.stack([starts, starts + 0.5], 1))
        ids = tuple(f"{name}{i}" for i in range(len(rows)))
        parts[name] = affect.Split(ids, {}, {"y": Ragged.vectors(np.zeros(len(rows)))}, words=words)
    return affect.Corpus("toy", parts, {"y": Regression("y")})


def text_of(rows, model, **options):
    return embed(corpus_of(rows), model, **options)["train"].modalities["text"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return bert(tmp_path_factory.mktemp("bert"))


def slowly(words, folder, layer=-1):
    """One sample that fits a window, word by word: the mean of the states of its pieces."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    pieces = [tokenizer.tokenize(word) for word in words]
    ids = [2, *tokenizer.convert_tokens_to_ids([piece for word in pieces for piece in word]), 3]
    with torch.no_grad():
        states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]
    rows, at = [], 1
    for word in pieces:
        rows.append(states[at : at + len(word)].mean(0).numpy() if word else None)
        at += len(word)
    return rows


@pytest.mark.parametrize("layer", [-1, 0, 1])
def test_a_word_is_the_mean_of_its_pieces(encoder, layer):
    text = text_of(ROWS, encoder, layer=layer)
    assert text.dim == 16
    assert text.lengths.tolist() == [2, 0, 3, 3]
    assert text.present.tolist() == [True, False, True, True]
    for row, words in enumerate(ROWS):
        for step, expected in enumerate(slowly(words, encoder, layer) if words else []):
            place = text.starts[row] + step
            assert text.observed[place] == (expected is not None)
            if expected is not None:
                np.testing.assert_allclose(text.values[place], expected, atol=1e-5)


def test_a_word_that_becomes_no_token_is_an_unobserved_step_and_alone_an_absent_modality(encoder):
    text = text_of([["film", "\u200b"], ["\u200b"], [""]], encoder)
    assert text.observed.tolist() == [True, False, False, False]
    assert text.present.tolist() == [True, False, False]
    assert not text.values[~text.observed].any()


def test_nothing_but_absent_words(encoder):
    assert text_of([[], []], encoder).present.tolist() == [False, False]


def test_company_and_batch_size_do_not_matter(encoder):
    rows = [["so", "good"], ["unbelievably"] * 3, ["bad"], ["film", "so", "bad", "film"]]
    together = text_of(rows, encoder)
    np.testing.assert_allclose(text_of(rows, encoder, batch_size=1).values, together.values, atol=1e-5)
    for row, words in enumerate(rows):
        np.testing.assert_allclose(text_of([words], encoder)[0], together[row], atol=1e-5)


def test_the_same_twice_and_neighbours_count(encoder):
    text = text_of([["so", "good"], ["so", "bad"]], encoder)
    np.testing.assert_array_equal(text.values, text_of([["so", "good"], ["so", "bad"]], encoder).values)
    assert np.abs(text[0][0] - text[1][0]).max() > 1e-3


def test_a_sample_beyond_the_limit_is_read_in_windows(encoder):
    words = ["so", "good", "unbelievably", "bad", "film"] * 4
    text = text_of([words], encoder)
    assert text.observed.all()
    begin = 0
    for cut in windows_of(words):
        np.testing.assert_allclose(
            text[0][begin : begin + len(cut)], np.stack(slowly(cut, encoder)), atol=1e-5
        )
        begin += len(cut)
    assert begin == len(words)


def windows_of(words, limit=PLACES - 2):
    cuts, size = [[]], 0
    for word in words:
        pieces = 3 if word == "unbelievably" else 1
        if size + pieces > limit:
            cuts, size = [*cuts, []], 0
        cuts[-1].append(word)
        size += pieces
    return cuts


def test_a_single_word_beyond_the_limit_is_read_from_its_beginning(encoder):
    endless = "un" + "believably"[:6] * 20  # un ##believ ##believ ...
    text = text_of([[endless, "film"]], encoder)
    assert text.observed.tolist() == [True, True]


def test_every_split_is_embedded_with_the_times_of_its_words_and_survives_a_file(encoder, tmp_path):
    corpus = embed(corpus_of(ROWS, ROWS[:2], ROWS[2:], times=True), encoder, name="lines")
    assert corpus.dims == {"lines": 16}
    for split in corpus.splits.values():
        np.testing.assert_array_equal(split.modalities["lines"].times, split.words.times)
        np.testing.assert_array_equal(split.modalities["lines"].lengths, split.words.lengths)
    native.save(corpus, tmp_path / "toy.safetensors")
    kept = native.load(tmp_path / "toy.safetensors")
    np.testing.assert_array_equal(
        kept["test"].modalities["lines"].values, corpus["test"].modalities["lines"].values
    )


def test_rows_in_another_order_are_embedded_in_that_order(encoder):
    corpus = corpus_of(ROWS)
    whole = embed(corpus, encoder)["train"].modalities["text"]
    turned = affect.Corpus("toy", {"train": corpus["train"].take(np.array([3, 0]))}, corpus.targets)
    text = embed(turned, encoder)["train"].modalities["text"]
    np.testing.assert_allclose(text[0], whole[3], atol=1e-5)
    np.testing.assert_allclose(text[1], whole[0], atol=1e-5)


CONFIGS = {
    # 20 positions, of which RoBERTa leaves the first two for padding
    "roberta": lambda: transformers.RobertaConfig(
        vocab_size=259, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=20, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    ),
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=259, n_embd=16, n_layer=2, n_head=2, n_positions=20, bos_token_id=2, eos_token_id=2
    ),
    "t5": lambda: transformers.T5Config(
        vocab_size=259, d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2, pad_token_id=1,
        eos_token_id=2, decoder_start_token_id=1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", CONFIGS)
def test_other_families_of_encoders(family, tmp_path, recwarn):
    folder = write(tmp_path, CONFIGS[family](), byte_level(special=family == "roberta"))
    rows = [["so", "good"], ["unbelievably", "bad"], [], ["so", "good", "film"] * 20]
    text = text_of(rows, folder)
    assert text.observed.all()
    assert text.lengths.tolist() == [2, 2, 0, 60]
    assert np.isfinite(text.values).all()
    np.testing.assert_allclose(text_of(rows[1:2], folder)[0], text[1], atol=1e-5)
    assert not recwarn.list


def test_a_model_is_loaded_in_silence_and_leaves_transformers_as_it_was(encoder, capfd):
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    talk, before = transformers.utils.logging, transformers.utils.logging.get_verbosity()
    talk.get_logger().addHandler(handler)
    try:
        talk.set_verbosity_warning()
        talk.enable_progress_bar()
        text_of([["so"] * 50], encoder)
        assert talk.get_verbosity() == talk.WARNING
        assert talk.is_progress_bar_enabled()
    finally:
        talk.get_logger().removeHandler(handler)
        talk.set_verbosity(before)
    assert said == []
    assert capfd.readouterr() == ("", "")


HOW = (
    "expected a folder with config.json, tokenizer.json and model.safetensors, "
    "or the name of one on the Hugging Face hub"
)


def test_refusals_of_options(encoder):
    for options, message in [
        ({"layer": 3}, f"embed: '{encoder}' has layers -3 to 2, got 3"),
        ({"layer": -4}, f"embed: '{encoder}' has layers -3 to 2, got -4"),
        ({"batch_size": 0}, "embed: batch_size must be at least 1, got 0"),
    ]:
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            text_of(ROWS, encoder, **options)


@pytest.mark.parametrize("what", ["no folder", "empty folder", "broken weights", "pickled weights"])
def test_refusals_of_folders_are_one_line(what, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "model"
    if what != "no folder":
        folder.mkdir()
    if what.endswith("weights"):
        bert(folder)
        weights = folder / "model.safetensors"
        if what == "broken weights":
            weights.write_bytes(weights.read_bytes()[:100])
        else:
            weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError) as refusal:
        text_of(ROWS, folder)
    message = str(refusal.value)
    assert message.startswith(f"embed: no pretrained encoder '{folder}': ")
    assert message.endswith(f"; {HOW}")
    assert "\n" not in message


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    import json

    folder = bert(tmp_path)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Evil: ...\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="contains custom code"):
        text_of(ROWS, folder)
    assert not (tmp_path / "ran").exists()


def test_weights_that_are_not_there_are_not_made_up(tmp_path):
    name = "encoder.layer.1.output.dense.weight"
    folder = bert(tmp_path, drop=name)
    message = f"embed: '{folder}' lacks 1 of its encoder's weights, the first is {name}; its features would be random"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        text_of(ROWS, folder)


def test_a_corpus_without_words_is_refused(encoder):
    rows = Ragged.vectors(np.zeros(1))
    corpus = affect.Corpus("toy", {"all": affect.Split(("a",), {}, {"y": rows})}, {"y": Regression("y")})
    with pytest.raises(DataError, match="^toy, all: has no words to embed$"):
        embed(corpus, encoder)
    with pytest.raises(DataError, match="^toy, all: has no words to embed$"):
        Vocabulary({}).apply(corpus)
    with pytest.raises(DataError, match="^Vocabulary: the split has no words$"):
        Vocabulary.fit(corpus["all"])


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    message = 'embed: needs transformers; pip install "affect[text]"'
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        text_of(ROWS, "anything")


def test_transformers_is_imported_only_to_embed():
    code = "import sys, affect.data.text; sys.exit('transformers' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sub_words_are_counted_in_the_training_split_and_cut_in_the_others(encoder):
    corpus = corpus_of([["so", "so"], ["unbeliev"]], [["unbelievably", "film"]], times=True)
    tokens = tokenize(corpus, encoder)
    assert tokens.dims == {"tokens": 2}  # un ##believ
    assert tokens["valid"].modalities["tokens"][0].tolist() == [[7, 8], [11, 0]]
    np.testing.assert_array_equal(tokens["valid"].modalities["tokens"].times, corpus["valid"].words.times)


def test_sub_words_are_counted_everywhere_where_there_is_no_training_split(encoder):
    corpus = corpus_of([["so"]], [["unbelievably"]])
    corpus = affect.Corpus("toy", {"one": corpus["train"], "two": corpus["valid"]}, corpus.targets)
    assert tokenize(corpus, encoder).dims == {"tokens": 3}


@pytest.mark.parametrize("rows", [[[], []], [["\u200b"], []]], ids=["no words", "absent words"])
def test_nothing_but_absent_words_is_tokenized(encoder, rows):
    tokens = tokenize(corpus_of(rows), encoder)["train"].modalities["tokens"]
    assert tokens.dim == 1
    assert tokens.present.tolist() == [False, False]


def test_a_vocabulary_is_of_the_training_words_by_frequency():
    corpus = corpus_of([["So", "so", "good"], ["so", "film", "good"]], [["bad", "GOOD"], []])
    vocabulary = Vocabulary.fit(corpus["train"])
    assert vocabulary.index == {"so": 1, "good": 2, "film": 3}
    assert Vocabulary.fit(corpus["train"], size=3).index == {"so": 1, "good": 2}
    assert Vocabulary.fit(corpus["train"], least=3).index == {"so": 1}
    indexed = vocabulary.apply(corpus, "words")
    assert indexed.dims == {"words": 1}
    assert indexed["train"].modalities["words"].values.dtype == np.float32
    assert indexed["train"].modalities["words"][0].tolist() == [[1], [1], [2]]
    assert indexed["valid"].modalities["words"][0].tolist() == [[0], [2]]
    assert indexed["valid"].modalities["words"].present.tolist() == [True, False]


def test_case_is_folded_beyond_english():
    assert Vocabulary.fit(corpus_of([["Straße", "STRASSE"]])["train"]).index == {"strasse": 1}


def test_indices_are_what_the_embedding_encoder_reads():
    corpus = corpus_of([["so", "good"], ["so"]], [["so", "new"]])
    vocabulary = Vocabulary.fit(corpus["train"])
    text = vocabulary.apply(corpus)["valid"].modalities["text"]
    layer = EmbeddingEncoder(1, 4, size=len(vocabulary.index) + 1).eval()
    states = layer(text.pad(np.array([0]))).values
    torch.testing.assert_close(states, layer.table.weight[[1, 0]].unsqueeze(0))


def test_an_embedding_is_trained_from_the_words():
    rng = np.random.default_rng(0)
    mood = {"good": 1.0, "great": 2.0, "bad": -1.0, "awful": -2.0}
    rows = [rng.choice(list(mood), size=rng.integers(1, 6)).tolist() for _ in range(64)]
    labels = [np.mean([mood[word] for word in row]) for row in rows]
    split = affect.Split(
        tuple(map(str, range(64))), {}, {"y": Ragged.vectors(labels)}, words=Words.from_rows(rows)
    )
    corpus = affect.Corpus("toy", {"train": split, "valid": split}, {"y": Regression("y")})
    corpus = Vocabulary.fit(split).apply(corpus)
    model = affect.FusionModel.for_corpus(corpus, encoder=affect.encoders.EmbeddingEncoder)
    assert model.scaler is None  # indices are not features
    run = affect.fit(model, corpus, training=affect.training.Training(epochs=60, learning_rate=0.02))
    assert run.results.set_index("metric").loc["pearson", "value"] > 0.95


def test_utterances_are_read_each_by_itself(encoder):
    said = [["so good", "unbelievably bad film", " "], ["film", "so good"]]
    corpus = embed(corpus_of(said), encoder, alone=True, batch_size=2)
    text = corpus["train"].modalities["text"]
    assert text.observed.tolist() == [True, True, False, True, True]
    for place, utterance in enumerate(utterance for row in said for utterance in row):
        if utterance.strip():
            pieces = slowly(utterance.split(), encoder)
            counts = [
                len(transformers.AutoTokenizer.from_pretrained(encoder).tokenize(w))
                for w in utterance.split()
            ]
            np.testing.assert_allclose(
                text.values[place], np.average(pieces, axis=0, weights=counts), atol=1e-5
            )
    np.testing.assert_allclose(text.values[0], text.values[4], atol=1e-6)
    assert corpus.provenance["text"].arguments["alone"]
    assert corpus.notes == ()
    assert "alone" not in embed(corpus_of(said), encoder).provenance["text"].arguments


def test_utterances_beyond_the_limit_are_counted(encoder):
    said = [["film " * PLACES, "so good"]]
    corpus = embed(corpus_of(said), encoder, alone=True)
    assert corpus.notes == (
        f"text: 1 word is longer than the {PLACES} tokens that the encoder reads, and cut there.",
    )
    short = embed(corpus_of([["film " * (PLACES - 2)]]), encoder, alone=True)
    text = corpus["train"].modalities["text"]
    np.testing.assert_allclose(text.values[0], short["train"].modalities["text"].values[0], atol=1e-5)
    assert short.notes == ()
