import pickle

import numpy as np
import pytest

import affect
from affect.errors import DataError

DIMS = {"text": 3, "audio": 2, "vision": 4}


def a_split(count, rng, name, times=(6, 6, 6), front=True, labels=None, ids=True):
    """What the Multimodal Transformer's pickles hold, without any lengths."""
    shared = rng.integers(1, 7, count)
    content, lengths = {}, {}
    for (key, dim), time in zip(DIMS.items(), times, strict=True):
        lengths[key] = shared if len(set(times)) == 1 else rng.integers(1, time + 1, count)
        values = rng.normal(size=(count, time, dim)).astype("f4")
        steps = np.arange(time)
        values[(steps < time - lengths[key][:, None]) if front else (steps >= lengths[key][:, None])] = 0
        content[key] = values
    content["labels"] = rng.uniform(-3, 3, (count, 1, 1)).astype("f4") if labels is None else labels
    if ids:
        content["id"] = np.array([[f"{name}{i // 2}", str(i), str(i + 1.5)] for i in range(count)])
    return content, lengths


def a_file(tmp_path, change=None, **more):
    rng = np.random.default_rng(0)
    content, lengths = {}, {}
    for name, count in (("train", 8), ("valid", 3), ("test", 4)):
        content[name], lengths[name] = a_split(count, rng, name, **more)
    if change:
        change(content)
    path = tmp_path / "mosi_data.pkl"
    path.write_bytes(pickle.dumps(content, 2))
    return path, content, lengths


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize("times", [(6, 6, 6), (6, 9, 8)])
def test_true_lengths_are_found_on_either_side(front, times, tmp_path):
    path, content, lengths = a_file(tmp_path, front=front, times=times)
    corpus = affect.load(path)
    assert (corpus.aligned, corpus.main, corpus.name) == (len(set(times)) == 1, "sentiment", "mosi_data")
    for name, split in corpus.splits.items():
        for key, modality in (("text", "text"), ("audio", "acoustic"), ("vision", "visual")):
            rows = split.modalities[modality]
            assert rows.lengths.tolist() == lengths[name][key].tolist()
            for i, n in enumerate(lengths[name][key]):
                whole = content[name][key][i]
                assert np.array_equal(rows[i], whole[len(whole) - n :] if front else whole[:n])
        assert np.array_equal(split.labels("sentiment").ravel(), content[name]["labels"].ravel())
    total = lengths["train"]["text"].sum()
    side = "front" if front else "back"
    assert corpus.notes[0] == (
        f"train, text: the padding found stands in {side}; 0 of {total} steps hold nothing or zeros and count as unobserved."
    )


def test_ids_say_the_video(tmp_path):
    split = affect.load(a_file(tmp_path)[0])["train"]
    assert split.ids[:2] == ("train0 0 1.5", "train0 1 2.5")
    assert split.groups[:3] == ("train0", "train0", "train1")


def test_ids_that_are_missing_or_only_videos(tmp_path):
    def only_videos(content):
        content["train"]["id"] = np.array([["a"], ["a"], ["b"]] + [["c"]] * 5)

    corpus = affect.load(a_file(tmp_path, ids=False)[0])
    assert corpus["train"].ids[:2] == ("train0", "train1")
    assert corpus.notes[0] == "train: there are no ids, and the samples are called train0 and so on."
    corpus = affect.load(a_file(tmp_path, only_videos)[0])
    split = corpus["train"]
    assert (split.ids[:3], split.groups[:3]) == (("a[0]", "a[1]", "b[0]"), ("a", "a", "b"))
    assert (
        "2 ids occur more than once, such as 'a', 'c': they are numbered, 'a[0]' and so on." in corpus.notes
    )


def test_pieces_of_one_id_stay_with_their_video(tmp_path):
    def change(content):
        content["train"]["id"] = np.array([["v", "1", "2"]] * 2 + [["v", "3", "4"]] + [["w", "1", "2"]] * 5)

    split = affect.load(a_file(tmp_path, change)[0])["train"]
    assert split.ids[:3] == ("v 1 2[0]", "v 1 2[1]", "v 3 4[0]")
    assert split.groups == ("v",) * 3 + ("w",) * 5


def test_numbers_of_ids_go_on_from_split_to_split(tmp_path):
    def change(content):
        content["train"]["id"] = np.array([["a"]] * 8)
        content["valid"]["id"] = np.array([["a"], ["b"], ["a[1]"]])
        content["test"]["id"] = np.array([["c"], ["a"], ["d"], ["d"]])

    corpus = affect.load(a_file(tmp_path, change)[0])
    assert corpus["train"].ids == ("a[0]", *(f"a[{i}]" for i in range(2, 9)))  # a[1] is another's own name
    assert corpus["valid"].ids == ("a[9]", "b", "a[1]")
    assert corpus["test"].ids == ("c[0]", "a[10]", "d[0]", "d[1]")


@pytest.mark.parametrize("times", [(6, 6, 6), (6, 9, 8)])
def test_a_small_split_does_not_decide_the_side(times, tmp_path):
    def change(content):
        for key in DIMS:
            content["valid"][key][:] = 1
            content["valid"][key][:, -1] = 0

    rows = affect.load(a_file(tmp_path, change, times=times)[0])["valid"].modalities
    for name, time in zip(("text", "acoustic", "visual"), times, strict=True):
        assert rows[name].lengths.tolist() == [time] * 3
        assert rows[name].observed.reshape(3, time)[:, -1].tolist() == [False] * 3


def test_splits_may_be_padded_to_different_lengths(tmp_path):
    def change(content):
        for key in DIMS:
            content["valid"][key] = content["valid"][key][:, 2:]

    path, content, _ = a_file(tmp_path, change)
    corpus = affect.load(path)
    assert np.array_equal(corpus["valid"].modalities["text"][0][-1], content["valid"]["text"][0, -1])
    assert corpus["valid"].modalities["text"].lengths.max() <= 4


def test_a_modality_of_zeros_within_an_aligned_sample_is_unobserved_there(tmp_path):
    def change(content):
        content["train"]["vision"][0] = 0
        content["train"]["text"][0] = 1

    rows = affect.load(a_file(tmp_path, change)[0])["train"].modalities
    assert rows["visual"].lengths[0] == rows["text"].lengths[0] == 6
    assert not rows["visual"].present[0]


def test_emotions_are_pairs_of_no_and_yes(tmp_path):
    yes = np.array([[1, 0, 0, 1], [0, 0, 1, 0]])
    pairs = np.stack([1 - yes, yes], -1)

    def change(content):
        for name, split in content.items():
            count = len(split["text"])
            split["labels"] = np.resize(
                yes if name == "test" else pairs, (count, *(yes if name == "test" else pairs).shape[1:])
            )

    corpus = affect.load(a_file(tmp_path, change)[0])
    assert corpus.targets["emotion"].classes == ("neutral", "happy", "sad", "angry")
    assert corpus["train"].labels("emotion")[:2].tolist() == yes.tolist()
    assert corpus["test"].labels("emotion")[:2].tolist() == yes.tolist()


def test_labels_that_are_nan_or_infinite_are_not_given(tmp_path):
    def change(content):
        content["train"]["labels"] = content["train"]["labels"].astype(float)
        content["train"]["labels"][[0, 2, 5], 0, 0] = np.nan, np.inf, 1e300

    corpus = affect.load(a_file(tmp_path, change)[0])
    assert np.flatnonzero(~corpus["train"].targets["sentiment"].present).tolist() == [0, 2, 5]
    assert "train: 3 of 8 labels of sentiment are NaN or infinite, and count as not given." in corpus.notes


def test_a_pair_with_nan_is_no_label(tmp_path):
    def change(content):
        for split in content.values():
            split["labels"] = np.tile(np.array([0.0, 1.0]), (len(split["text"]), 4, 1))
        content["test"]["labels"][1, 2, 0] = np.nan

    corpus = affect.load(a_file(tmp_path, change)[0])
    assert corpus["test"].targets["emotion"].present.tolist() == [True, False, True, True]
    assert (corpus["test"].labels("emotion") == 1).all()


def test_modalities_labels_and_splits_may_be_missing(tmp_path):
    def change(content):
        for split in content.values():
            del split["text"], split["labels"]
            split["raw_text"] = ["so good"] * len(split["audio"])
        del content["test"]["vision"]
        content["Dev"] = content.pop("valid")
        content["train"]["speaker"] = 1

    corpus = affect.load(a_file(tmp_path, change)[0])
    assert (list(corpus.splits), corpus.dims, corpus.targets) == (
        ["train", "valid", "test"], {"acoustic": 2, "visual": 4}, {},
    )  # fmt: skip
    assert not corpus["test"].modalities["visual"].present.any()
    assert corpus["valid"].words[1] == ["so", "good"]
    assert corpus.notes[-4:] == (
        "test: the file has no visual features, and the samples lack them.",
        "The file has no text features.",
        "The file has no labels.",
        "Not read: 'speaker' in train.",
    )


def test_an_empty_split_is_left_out(tmp_path):
    def change(content):
        content["valid"] = {key: value[:0] for key, value in content["valid"].items()}

    corpus = affect.load(a_file(tmp_path, change)[0])
    assert list(corpus.splits) == ["train", "test"]
    assert corpus.notes[0] == "valid: the split is empty and is left out."


def test_infinite_values_stay(tmp_path):
    def change(content):
        content["train"]["audio"][0, 5, 0] = -np.inf

    assert np.isinf(affect.load(a_file(tmp_path, change)[0])["train"].modalities["acoustic"][0][-1, 0])


def wrong(key, value):
    def change(content):
        content["valid"][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            wrong("labels", np.zeros((3, 5))),
            "valid: labels must have shape (samples, 1, 1) or (samples, 4, 2), got (3, 5)",
        ),
        (wrong("labels", np.zeros((2, 1, 1))), "valid: text has 3 samples for 2 labels"),
        (
            wrong("labels", np.zeros((3, 4, 2))),
            "valid: expected labels of sentiment as in the other splits, got emotion",
        ),
        (wrong("audio", np.zeros((3, 6))), "valid: audio must have 3 axes, got shape (3, 6)"),
        (wrong("id", np.zeros((2, 1))), "valid: 2 ids for 3 labels"),
        (wrong("id", 5), "valid: id must be a list or an array, got int"),
        (
            wrong("labels", np.float32(1)),
            "valid: labels must have shape (samples, 1, 1) or (samples, 4, 2), got ()",
        ),
        (wrong("raw_text", ["so"]), "valid: 1 raw_text for 3 ids"),
        (wrong("audio", [[[1], [2, 3]]]), "valid: audio must hold numbers, got list"),
        (
            wrong("audio", np.zeros((3, 6, 0))),
            "valid: audio needs at least one step and one feature, got (3, 6, 0)",
        ),
        (
            wrong("audio", np.zeros((3, 0, 2))),
            "valid: audio needs at least one step and one feature, got (3, 0, 2)",
        ),
    ],
)
def test_what_is_refused(change, said, tmp_path):
    def both(content):
        change(content)
        if "2 labels" in said:
            content["valid"].pop("id")

    path = a_file(tmp_path, both)[0]
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}, {said}"
