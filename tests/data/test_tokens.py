"""Sub-words made as a corpus is read: of which text, at which steps, kept where, and what is refused."""

import json
import logging
import re
import shutil

import numpy as np
import pytest
import torch

import affect
from affect.cli import main
from affect.errors import ConfigError, DataError

transformers = pytest.importorskip("transformers", reason="needs affect[text]")

from small_encoders import PIECES, bert, byte_level, write  # noqa: E402, needs transformers
from spoken_corpus import content  # noqa: E402
from spoken_corpus import write as write_pickle  # noqa: E402

from affect.data import tokens  # noqa: E402
from affect.data.text import tokenize  # noqa: E402
from affect.encoders import PretrainedEncoder  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def made(model, monkeypatch, tmp_path):
    """What makes a file of what is changed in it; sub-words are kept in a folder of the test's own."""
    monkeypatch.setenv("AFFECT_CACHE", str(tmp_path / "kept"))
    tokens._say.cache_clear()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)

    def make(change=None, aligned=True, name="a.pkl"):
        found = content(tokenizer, aligned)
        for part in found.values() if change else ():
            change(part)
        return write_pickle(tmp_path / name, found)

    return make


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A model with another vocabulary."""
    config = transformers.RobertaConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=20, pad_token_id=1,
    )  # fmt: skip
    return write(tmp_path_factory.mktemp("roberta"), config, byte_level(special=True))


def kept_files(tmp_path):
    return sorted((tmp_path / "kept" / "tokens").glob("*"))


def without_text(part):
    del part["raw_text"]


def in_words(corpus, model):
    """One index after the other, by dictionaries alone."""
    places = {piece: place for place, piece in enumerate(PIECES)}
    spelt = {"unbelievably": ["un", "##believ", "##ably"]}
    for split in corpus.splits.values():
        rows = split.modalities["tokens"]
        for row in range(len(split)):
            expected = [[places[piece] + 1 for piece in spelt.get(word, [word])] for word in split.words[row]]
            found = [[value for value in step if value] for step in rows[row].tolist()]
            assert found == expected


def test_those_of_an_aligned_file_are_its_ids_and_stay_aligned(made, model):
    corpus = affect.load(made(), tokens=model)
    assert corpus.aligned
    assert corpus.dims == {"acoustic": 3, "text": 6, "tokens": 1, "visual": 4}
    assert corpus.notes[-1] == (
        "tokens: the sub-words are those of text_bert, whose special tokens are unobserved."
    )
    found = content(transformers.AutoTokenizer.from_pretrained(model))
    for name, split in corpus.splits.items():
        rows = split.modalities["tokens"]
        assert rows.lengths.tolist() == split.modalities["text"].lengths.tolist()
        for row, (ids, mask, _) in enumerate(found[name]["text_bert"]):
            begin = rows.starts[row]
            for step in range(int(mask.sum())):
                special = ids[step] in (2, 3)  # [CLS], [SEP]
                assert rows.observed[begin + step] == (not special)
                assert rows.values[begin + step, 0] == (0 if special else ids[step] + 1)


def test_an_encoder_sees_of_ids_what_transformers_sees(made, model):
    corpus = affect.load(made(), tokens=model)
    encoder = PretrainedEncoder(1, 16, model=str(model)).double().eval()
    encoder.out = torch.nn.Identity()
    (batch,) = affect.batches(corpus["train"], "sentiment", batch_size=99)
    x = batch.inputs["tokens"]
    found = encoder(x.with_values(x.values.double()))
    reference = transformers.AutoModel.from_pretrained(model).double().eval()
    raw = content(transformers.AutoTokenizer.from_pretrained(model))["train"]["text_bert"]
    rows = {one: row for row, one in enumerate(corpus["train"].ids)}
    for place, one in enumerate(batch.ids):
        ids, mask, _ = torch.tensor(raw[rows[one]]).long()
        states = reference(ids[None], mask[None]).last_hidden_state[0]
        inside = range(1, int(mask.sum()) - 1)
        assert found.mask[place].nonzero().flatten().tolist() == [*inside]
        for step in inside:
            torch.testing.assert_close(found.values[place, step], states[step], atol=1e-9, rtol=0)


def test_those_of_an_unaligned_file_are_its_words(made, model):
    corpus = affect.load(made(aligned=False), tokens=model)
    assert corpus.dims["tokens"] == 3
    assert corpus.notes[-1] == ("tokens: the sub-words are those of the transcripts' words, a step for each.")
    in_words(corpus, model)
    plain = tokenize(affect.load(made(aligned=False)), model)
    for name, split in corpus.splits.items():
        np.testing.assert_array_equal(
            split.modalities["tokens"].values, plain[name].modalities["tokens"].values
        )
    assert corpus.provenance["tokens"] == plain.provenance["tokens"]


def test_words_that_are_no_steps_make_an_aligned_corpus_unaligned(made, model, other):
    corpus = affect.load(made(), tokens=other)
    assert not corpus.aligned
    assert corpus.notes[-2:] == (
        "tokens: the sub-words are those of the transcripts' words, a step for each; text_bert is of another "
        "vocabulary (of 20 samples 0 have the ids of their text).",
        "A step of tokens is a word, and the words are not as many as the steps of the other modalities: the corpus "
        "counts as unaligned.",
    )
    assert corpus["train"].modalities["tokens"].lengths.tolist() == corpus["train"].words.lengths.tolist()
    assert affect.load(made(lambda part: part.pop("text_bert"), name="b.pkl"), tokens=model).aligned is False


def test_a_text_that_was_cut_and_a_few_that_were_edited_are_still_its_own(made, model):
    def cut(part):
        part["text_bert"] = part["text_bert"][:, :, :5]
        for key in ("text", "audio", "vision"):
            part[key] = part[key][:, :5]

    def edit(part):
        part["raw_text"][0] = "bad bad bad" if part["raw_text"].size == 10 else part["raw_text"][0]

    def edit_most(part):
        part["raw_text"][:4] = "bad bad bad bad"

    assert affect.load(made(cut), tokens=model).dims["tokens"] == 1
    assert "of text_bert" in affect.load(made(edit), tokens=model).notes[-1]
    assert "of another vocabulary" in affect.load(made(edit_most), tokens=model).notes[-2]


@pytest.mark.parametrize("aligned", [True, False])
def test_without_raw_text_they_are_the_ids(aligned, made, model):
    corpus = affect.load(made(without_text, aligned), tokens=model)
    assert corpus["train"].words is None
    assert corpus.aligned is aligned
    assert corpus.dims["tokens"] == 1
    again = affect.load(made(aligned=True, name="b.pkl"), tokens=model)
    for name, split in corpus.splits.items():
        rows, expected = (one.modalities["tokens"] for one in (split, again[name]))
        np.testing.assert_array_equal(rows.values[rows.observed], expected.values[expected.observed])


def test_ids_of_another_vocabulary_are_no_text(made, model, other, tmp_path):
    path = made(without_text)
    why = "its samples begin with 2, and a text with 0"
    with pytest.raises(DataError, match=re.escape(why)) as refusal:
        affect.load(path, tokens=other)
    assert str(refusal.value) == (
        f"{path}: tokens: text_bert is of another vocabulary than that of '{other}' ({why}), and there is no "
        "raw_text to make sub-words of; name the model whose tokenizer made it"
    )

    gpt = transformers.GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=20)
    bare = write(tmp_path / "gpt", gpt, byte_level(special=False))
    with pytest.raises(DataError, match="its samples begin with 2, and a text with none for all"):
        affect.load(path, tokens=bare)

    def far(part):
        without_text(part)
        part["text_bert"][0, 0, 1] = 500

    with pytest.raises(DataError, match=re.escape("(it holds the id 500, and the vocabulary has 11)")):
        affect.load(made(far), tokens=model)


@pytest.mark.parametrize("source", ["synthetic", "a.pkl"])
def test_a_corpus_without_text_is_refused(source, made, model):
    def silent(part):
        without_text(part)
        del part["text_bert"]

    where = source if source == "synthetic" else str(made(silent))
    with pytest.raises(DataError) as refusal:
        affect.load(where, tokens=model)
    assert str(refusal.value) == (
        f"{where}: tokens: no text in train to make sub-words for '{model}' of; expected transcripts, or token ids "
        "(text_bert)"
    )


@pytest.mark.parametrize("given", [3, "", ["a"]])
def test_what_names_no_model_is_refused(given):
    with pytest.raises(
        ConfigError, match="^tokens: expected a pretrained encoder, a folder or a name on the Hugging"
    ):
        affect.load("synthetic", tokens=given)


def test_they_are_kept_and_it_is_said(made, model, tmp_path, caplog):
    path = made()
    first = affect.load(path, tokens=model)
    (file,) = kept_files(tmp_path)
    assert f"{path}: sub-words are made, and kept in {file}" in caplog.text
    changed, caplog_before = file.stat().st_mtime_ns, len(caplog.records)
    again = affect.load(path, tokens=model)
    assert [one.getMessage() for one in caplog.records[caplog_before:]] == [
        f"{path}: sub-words are those that were made before, {file}"
    ]
    affect.load(path, tokens=model)
    assert len(caplog.records) == caplog_before + 1  # once in a process
    assert file.stat().st_mtime_ns == changed
    assert again.notes == first.notes
    assert again.aligned
    for name, split in first.splits.items():
        one, two = (own.modalities["tokens"] for own in (split, again[name]))
        np.testing.assert_array_equal(one.values, two.values)
        np.testing.assert_array_equal(one.observed, two.observed)


def test_what_was_kept_is_of_the_same_text_and_tokenizer(made, model, tmp_path):
    affect.load(made(aligned=False), tokens=model)
    affect.load(made(aligned=False, name="copy.pkl"), tokens=model)
    assert len(kept_files(tmp_path)) == 1

    def louder(part):
        part["raw_text"][0] = "good"

    affect.load(made(louder, aligned=False), tokens=model)
    assert len(kept_files(tmp_path)) == 2
    cased = shutil.copytree(model, tmp_path / "cased")
    rules = json.loads((cased / "tokenizer.json").read_text())
    rules["normalizer"]["lowercase"] = False
    (cased / "tokenizer.json").write_text(json.dumps(rules))
    affect.load(made(aligned=False), tokens=cased)
    assert len(kept_files(tmp_path)) == 3


def test_what_is_damaged_is_made_anew_and_what_cannot_be_kept_is_used(
    made, model, tmp_path, caplog, monkeypatch
):
    path = made()
    affect.load(path, tokens=model)
    (file,) = kept_files(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    assert affect.load(path, tokens=model).dims["tokens"] == 1
    assert f"{file}: not what was kept there (not a whole safetensors file" in caplog.text
    assert file.read_bytes() == whole
    monkeypatch.setenv("AFFECT_CACHE", str(path))  # which is a file
    assert affect.load(path, tokens=model).dims["tokens"] == 1
    assert re.search(r"safetensors cannot be written \(Not a directory\); nothing is kept", caplog.text)


def test_a_converted_file_has_them_for_good(made, model, other, tmp_path, capsys):
    out = tmp_path / "out.safetensors"
    main(["convert", str(made(aligned=False)), str(out), "--tokens", str(model)])
    assert f"{out} written" in capsys.readouterr().out
    corpus = affect.load(out)
    in_words(corpus, model)
    same = affect.load(out, tokens=model)
    assert same.notes == corpus.notes
    assert same.provenance == corpus.provenance
    another = affect.load(out, tokens=other)  # made of its words
    assert another.provenance["tokens"].weights != corpus.provenance["tokens"].weights
    main(["convert", str(made(without_text)), str(out), "--tokens", str(model)])
    with pytest.raises(DataError, match="no text in train but sub-words of another vocabulary to make"):
        affect.load(out, tokens=other)


def test_a_path_is_found_from_anywhere(made, model, monkeypatch, caplog):
    caplog.set_level(logging.ERROR)
    path = made()
    monkeypatch.chdir(model.parent)
    corpus = affect.load(path, tokens=model.name)
    assert corpus.source["tokens"] == str(model)
