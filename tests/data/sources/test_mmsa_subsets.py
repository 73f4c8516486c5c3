"""MMSA-layout files load with what they have: modalities, labels, splits, ids."""

import pickle

import numpy as np
import pytest

import affect
from affect.data import native
from affect.data.sources import mmsa
from affect.errors import DataError

RNG = np.random.default_rng(0)


def part(name, count, *left, **more):
    """The arrays of `cases/07` and the rest of the layout, but for what is left out."""
    content = {
        "id": np.array([f"{name}{i}$_$0" for i in range(count)]), "raw_text": np.array(["so good"] * count),
        "text": RNG.normal(size=(count, 4, 2)), "audio": RNG.normal(size=(count, 5, 3)), "vision": RNG.normal(size=(count, 6, 4)),
        "text_bert": np.stack([np.full((count, 4), 7.0), np.ones((count, 4)), np.zeros((count, 4))], 1),
        "audio_lengths": [5] * count, "vision_lengths": [6] * count, "regression_labels": RNG.uniform(-3, 3, count),
    } | more  # fmt: skip
    return {key: value for key, value in content.items() if key not in left}


def a_file(tmp_path, *left, change=None, **more):
    content = {name: part(name, n, *left, **more) for name, n in (("train", 40), ("valid", 10), ("test", 10))}
    if change:
        content = change(content) or content
    path = tmp_path / "feature.pkl"
    path.write_bytes(pickle.dumps(content, 4))
    return path


TEXT = ("text", "text_bert")
WORDS = "The file has words and no features of them: affect.data.text.embed makes features of words."


def test_without_text_the_words_are_there(tmp_path):
    corpus = affect.load(a_file(tmp_path, *TEXT))
    assert corpus.dims == {"acoustic": 3, "visual": 4}
    assert [len(split) for split in corpus.splits.values()] == [40, 10, 10]
    assert corpus["test"].words[3] == ["so", "good"]
    assert corpus.notes == (WORDS,)


@pytest.mark.parametrize("key", ["audio", "vision"])
def test_without_audio_or_vision(key, tmp_path):
    corpus = affect.load(a_file(tmp_path, key, f"{key}_lengths"))
    name = {"audio": "acoustic", "vision": "visual"}[key]
    assert corpus.dims == {m: n for m, n in {"text": 2, "acoustic": 3, "visual": 4}.items() if m != name}
    assert f"The file has no {name} features." in corpus.notes


def test_words_alone(tmp_path):
    corpus = affect.load(a_file(tmp_path, *TEXT, "audio", "vision", "audio_lengths", "vision_lengths"))
    assert (corpus.dims, corpus["train"].words.total, corpus.main) == ({}, 80, "sentiment")
    assert corpus.notes == (WORDS, "The file has no acoustic and no visual features.")


def test_token_ids_alone_are_kept_on_request(tmp_path):
    path = a_file(tmp_path, "text", "raw_text", "audio", "vision", "audio_lengths", "vision_lengths")
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == (
        f"{path}: no features in text, audio, vision, and no words in raw_text; one of them would do: "
        "affect.data.text.embed makes features of words, and affect.data.sources.mmsa.read(..., tokens=True) keeps the ids "
        "of text_bert"
    )
    corpus = mmsa.read(pickle.loads(path.read_bytes()), path, tokens=True)
    assert corpus.dims == {"tokens": 1}
    assert corpus["valid"].modalities["tokens"].lengths.tolist() == [4] * 10


def test_without_text_the_token_ids_can_be_kept(tmp_path):
    path = a_file(tmp_path, "text")
    assert "The token ids of text_bert are left out" in affect.load(path).notes[1]
    assert mmsa.read(pickle.loads(path.read_bytes()), path, tokens=True).dims["tokens"] == 1
    with pytest.raises(DataError) as error:
        mmsa.read({"train": part("train", 2, *TEXT)}, path, tokens=True)
    assert str(error.value) == f"{path}: the file has no text_bert, so there are no tokens to keep"


def test_a_modality_that_one_split_lacks_is_absent_there(tmp_path):
    def change(content):
        content["test"]["audio"] = None
        del content["valid"]["vision"]

    corpus = affect.load(a_file(tmp_path, change=change))
    assert not corpus["test"].modalities["acoustic"].present.any()
    assert corpus["valid"].modalities["visual"].lengths.tolist() == [0] * 10
    assert corpus["train"].modalities["acoustic"].present.all()
    assert "valid: the file has no visual features, and the samples lack them." in corpus.notes
    assert "test: the file has no acoustic features, and the samples lack them." in corpus.notes


def test_without_labels_there_are_no_targets(tmp_path):
    corpus = affect.load(a_file(tmp_path, "regression_labels"))
    assert (corpus.targets, corpus.main, corpus["train"].targets) == ({}, "", {})
    assert corpus.notes[-2] == "The file has no labels."
    again = native.save(corpus, tmp_path / "a.safetensors") or native.load(tmp_path / "a.safetensors")
    assert (again.targets, again["train"].ids) == ({}, corpus["train"].ids)


def test_a_split_without_labels_has_none(tmp_path):
    def change(content):
        del content["test"]["regression_labels"]

    corpus = affect.load(a_file(tmp_path, change=change))
    assert (corpus["test"].labels("sentiment").size, corpus["train"].labels("sentiment").size) == (0, 40)
    assert "test: no labels of sentiment are given." in corpus.notes


def test_labels_that_are_nan_or_infinite_are_not_given(tmp_path):
    values = RNG.uniform(-3, 3, 40)
    wrong = values.copy()
    wrong[[0, 3, 5]] = np.nan, np.inf, -1e300

    def change(content):
        content["train"]["regression_labels"] = wrong
        content["train"]["regression_labels_A"] = np.full(40, np.nan)
        content["train"]["classification_labels"] = np.where(np.arange(40) == 1, np.nan, 2.0)

    corpus = affect.load(a_file(tmp_path, change=change))
    seen = np.setdiff1d(np.arange(40), [0, 3, 5])
    assert np.flatnonzero(corpus["train"].targets["sentiment"].present).tolist() == seen.tolist()
    assert np.array_equal(corpus["train"].labels("sentiment").ravel(), values[seen].astype("f4"))
    assert list(corpus.targets) == ["sentiment", "sentiment_class"]
    assert corpus.targets["sentiment"].high == 3
    for note in (
        "train: 3 of 40 labels of sentiment are NaN or infinite, and count as not given.",
        "train: 1 of 40 labels of sentiment_class is NaN or infinite, and counts as not given.",
        "The target sentiment_acoustic is left out: the file gives no label of it.",
    ):
        assert note in corpus.notes


def test_without_ids_the_samples_are_numbered(tmp_path):
    corpus = affect.load(a_file(tmp_path, "id"))
    assert corpus["valid"].ids[:2] == ("valid0", "valid1")
    assert corpus.notes[0] == "train: there are no ids, and the samples are called train0 and so on."


@pytest.mark.parametrize(
    "names", [("Train", "dev", "TEST"), ("training", "val", "testing"), ("train", "validation", "test ")]
)
def test_splits_by_other_names(names, tmp_path):
    corpus = affect.load(
        a_file(tmp_path, change=lambda content: dict(zip(names, content.values(), strict=True)))
    )
    assert [(name, len(split)) for name, split in corpus.splits.items()] == [
        ("train", 40),
        ("valid", 10),
        ("test", 10),
    ]


def test_two_names_of_one_split_are_refused(tmp_path):
    path = a_file(tmp_path, change=lambda content: {**content, "dev": content["valid"]})
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert (
        str(error.value) == f"{path}: the keys 'valid' and 'dev' both mean the split valid; keep one of them"
    )


def test_what_is_not_read_is_said(tmp_path):
    def change(content):
        content["train"]["gaze"] = content["train"]["audio"]
        for split in content.values():
            split["a\nb"] = 1
        return {**content, "test_clean": content["test"], "config": "x", "seed": 1}

    corpus = affect.load(a_file(tmp_path, change=change))
    assert corpus.notes[-1] == (
        "Not read: 'test_clean', which looks like a split; 'config'; 'seed'; 'gaze' in train; 'a\\nb'."
    )


def test_an_empty_split_is_left_out(tmp_path):
    def change(content):
        content["valid"] = {key: value[:0] for key, value in content["valid"].items()}

    corpus = affect.load(a_file(tmp_path, change=change))
    assert list(corpus.splits) == ["train", "test"]
    assert corpus.notes[0] == "valid: the split is empty and is left out."
    path = a_file(tmp_path, change=lambda content: {"train": {key: [] for key in content["train"]}})
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}: no split has a sample"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"raw_text": ["a"]}, "train: 1 raw_text for 40 ids"),
        ({"annotations": ["Neutral"]}, "train: 1 annotations for 40 ids"),
        ({"regression_labels_T": [1.0]}, "train: 1 labels 'sentiment_text' for 40 ids"),
    ],
)
def test_what_is_refused(more, said, tmp_path):
    path = a_file(tmp_path, **more)
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}, {said}"
