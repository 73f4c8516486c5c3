"""The lists of samples that MISA and MMIM keep, a pickle for each split, and those of UR-FUNNY."""

import pickle

import numpy as np
import pytest

import affect
from affect.errors import DataError

RNG = np.random.default_rng(0)


def misa(segment, n, label=((0.5,),)):
    """As MISA's create_dataset.py makes it of CMU-MOSI: words once as indices and once as they are."""
    words = [f"w{i}" for i in range(n)]
    return (
        (RNG.integers(2, 99, n), RNG.normal(size=(n, 47)), RNG.normal(size=(n, 74)), words),
        np.array(label),
        segment,
    )


def mmim(video, frames, seconds, lengths=None):
    """As MMIM's create_dataset.py makes it of MulT's unaligned features; of CMU-MOSEI it keeps the video alone."""
    visual, acoustic = RNG.normal(size=(frames, 20)).astype("f4"), RNG.normal(size=(seconds, 5)).astype("f4")
    said = lengths or (frames, seconds)
    return (([], visual, acoustic, ["so", "good"], *map(np.int64, said)), np.array([[1.5]], "f4"), video)


def a_folder(tmp_path, train, dev, test):
    for name, samples in (("train", train), ("dev", dev), ("test", test)):
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(samples))
    return tmp_path


def test_the_splits_of_misa(tmp_path):
    made = {
        "train": [misa(f"abc[{i}]", 3 + i) for i in range(4)],
        "dev": [misa("d_e[0]", 2)],
        "test": [misa("f[3]", 1)],
    }
    folder = a_folder(tmp_path, *made.values())
    for path in (folder, folder / "train.pkl", folder / "dev.pkl"):
        corpus = affect.load(path)
        assert (list(corpus.splits), corpus.aligned, corpus.name) == (
            ["train", "valid", "test"],
            True,
            folder.name,
        )
    assert corpus.dims == {"acoustic": 74, "visual": 47}
    assert (corpus["train"].ids[1], corpus["train"].groups[1], corpus["valid"].groups) == (
        "abc[1]",
        "abc",
        ("d_e",),
    )
    for i, ((_, visual, acoustic, words), label, _) in enumerate(made["train"]):
        assert corpus["train"].words[i] == words
        assert np.array_equal(corpus["train"].modalities["visual"][i], visual.astype("f4"))
        assert np.array_equal(corpus["train"].modalities["acoustic"][i], acoustic.astype("f4"))
        assert corpus["train"].labels("sentiment")[i] == label
    assert corpus.notes == (
        "The indices of the words are left out: the words are there, and the vocabulary is not.",
        "The file has words and no features of them: affect.data.text.embed makes some.",
    )


def test_the_emotions_of_mosei(tmp_path):
    sample = misa("a[0]", 2, [[1.5, 0, 0.3, 3, 0, 0, 0]])
    corpus = affect.load(
        a_folder(tmp_path, [sample], [misa("b[0]", 1, [[0] * 7])], [misa("c[0]", 1, [[0] * 7])])
    )
    assert corpus["train"].labels("emotion").tolist() == [[0, 1, 1, 0, 0, 0]]
    assert corpus.main == "sentiment"


def test_the_splits_of_mmim_are_not_aligned(tmp_path):
    made = [mmim(b"a", 7, 3), mmim(b"a", 4, 9), mmim(b"b_c", 5, 5, (6, 5))]
    corpus = affect.load(a_folder(tmp_path, made, [mmim("d", 2, 2)], [mmim("a", 1, 3)]))
    train = corpus["train"]
    assert (corpus.aligned, corpus.dims) == (False, {"acoustic": 5, "visual": 20})
    assert (train.ids, train.groups) == (("a[0]", "a[1]", "b_c[0]"), ("a", "a", "b_c"))
    assert corpus["test"].ids == ("a[2]",)
    assert train.words[1] == ["so", "good"]
    assert train.modalities["visual"].lengths.tolist() == [7, 4, 5]
    assert np.array_equal(train.modalities["acoustic"][1], made[1][0][2])
    assert corpus.notes == (
        "train, visual: 1 samples have other numbers of steps than the file says; all are kept.",
        "1 id occurs more than once, such as 'a': they are numbered, 'a[0]' and so on.",
        "The file has words and no features of them: affect.data.text.embed makes some.",
    )


def test_the_splits_of_ur_funny(tmp_path):
    made = [[misa("", 2, [[i % 2]])[:2] for i in range(4)] for _ in range(3)]
    corpus = affect.load(a_folder(tmp_path, *made))
    assert (corpus.target(), corpus["valid"].ids[:2], corpus["train"].groups) == (
        affect.data.targets.Binary("humor"), ("valid0", "valid1"), None,
    )  # fmt: skip
    assert corpus["test"].labels("humor").ravel().tolist() == [0, 1, 0, 1]
    assert corpus.notes[0] == "train: there are no ids, and the samples are called train0 and so on."
    assert (
        "The samples have no segments, and labels of 0 and 1: they count as UR-FUNNY's, `humor`."
        in corpus.notes
    )


def test_labels_that_are_nan_are_not_given(tmp_path):
    corpus = affect.load(
        a_folder(tmp_path, [misa("a[0]", 1, [[np.nan]]), misa("a[1]", 1)], [misa("b[0]", 1)], [])
    )
    assert corpus["train"].targets["sentiment"].present.tolist() == [False, True]
    assert list(corpus.splits) == ["train", "valid"]
    assert corpus.notes[0] == "test: the split is empty and is left out."
    assert "train: 1 of 2 labels of sentiment is NaN or infinite, and counts as not given." in corpus.notes


def test_a_sample_without_words_has_no_steps(tmp_path):
    empty = ((np.array([]), np.array([]), np.array([]), []), np.array([[0.5]]), "a[1]")
    split = affect.load(a_folder(tmp_path, [misa("a[0]", 3), empty], [misa("b[0]", 1)], [misa("c[0]", 1)]))[
        "train"
    ]
    assert split.modalities["visual"].lengths.tolist() == [3, 0]
    assert split.words[1] == []


def test_other_layouts_by_split_are_read_too(tmp_path):
    """As some keep MulT's and MMSA's: a dictionary in each file."""
    for name, count in (("train", 3), ("val", 1), ("Test", 2)):
        content = {m: RNG.normal(size=(count, 4, 2)) for m in ("text", "audio", "vision")}
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps({**content, "labels": np.ones((count, 1, 1))}))
    corpus = affect.load(tmp_path / "val.pkl")
    assert [(name, len(split)) for name, split in corpus.splits.items()] == [
        ("train", 3),
        ("valid", 1),
        ("test", 2),
    ]


def test_what_is_refused(tmp_path):
    folder = a_folder(tmp_path, [misa("a[0]", 1)], [misa("b[0]", 1, [[0.5] * 7])], [misa("c[0]", 1)])
    with pytest.raises(DataError) as error:
        affect.load(folder)
    assert str(error.value) == (
        f"{folder}: expected as many labels for every sample of every split, got {{'train': 1, 'valid': 7, 'test': 1}}"
    )
    (folder / "valid.pkl").write_bytes(pickle.dumps([misa("b[0]", 1)]))
    with pytest.raises(DataError) as error:
        affect.load(folder)
    assert str(error.value) == f"{folder}: dev.pkl and valid.pkl are both valid; keep one of them"


def test_a_folder_of_other_pickles_says_what_it_holds(tmp_path):
    folder = a_folder(tmp_path, [1, 2], {"a": 1}, "x")
    with pytest.raises(DataError) as error:
        affect.load(folder)
    assert str(error.value).startswith(
        f"{folder}: a pickle of no known layout: dict of 3 ('train': list of 2 (int, int), "
    )
    (tmp_path / "label.csv").write_text("id,y\n1,2\n")
    with pytest.raises(DataError) as error:
        affect.load(folder)
    assert "no known layout" not in str(error.value)


def test_damage_never_ends_without_a_message(tmp_path, damaged):
    folder = a_folder(tmp_path, [mmim("a", 2, 1), mmim("b", 1, 2)], [mmim("c", 1, 1)], [mmim("d", 2, 2)])
    path, read = folder / "train.pkl", 0
    whole = path.read_bytes()
    for seed in range(500):
        path.write_bytes(damaged(whole, seed))
        try:
            affect.load(path)
            read += 1
        except DataError as error:
            assert str(error).startswith(str(tmp_path))  # noqa: PT017  # most of these read, and some do not
    assert 5 < read < 450
