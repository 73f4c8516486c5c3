import pickle

import numpy as np
import pytest

import affect
from affect.data import native
from affect.data.sources import mmsa
from affect.errors import DataError

TIMES = {True: (6, 6, 6), False: (6, 9, 4)}
DIMS = {"text": 3, "audio": 2, "vision": 4}


def a_split(aligned, ids, rng, **more):
    """What MMSA's own pickles hold, padded behind."""
    n = len(ids)
    words = rng.integers(1, 7, n)
    lengths = dict(zip(DIMS, (words, words, words), strict=True))
    if not aligned:
        lengths |= {"audio": rng.integers(1, 10, n), "vision": rng.integers(1, 5, n)}
    content = {
        "raw_text": np.array([" ".join(["so"] * k) for k in words]), "id": np.array(ids),
        "text_bert": np.stack([100 * (np.arange(6) < words[:, None]), np.arange(6) < words[:, None], np.zeros((n, 6))], 1).astype("f4"),
        "annotations": np.array((["Negative", "Neutral", "Positive"] * n)[:n]),
        "classification_labels": np.resize([0.0, 1.0, 2.0], n).astype("f4"),
        "regression_labels": np.resize([-1.5, 0.0, 3.0], n).astype("f4"),
    }  # fmt: skip
    for (key, dim), time in zip(DIMS.items(), TIMES[aligned], strict=True):
        values = rng.normal(size=(n, time, dim)).astype("f4")
        values[np.arange(time) >= lengths[key][:, None]] = 0
        content[key] = values
        if not aligned and key != "text":
            content[f"{key}_lengths"] = lengths[key].tolist()
    return {**content, **more}, lengths


def a_file(tmp_path, aligned=True, change=None, seed=0):
    rng = np.random.default_rng(seed)
    content, lengths = {}, {}
    for name, ids in (
        ("train", ["a$_$1", "a$_$2", "b$_$1"]),
        ("valid", ["c$_$1"]),
        ("test", ["d$_$3", "d$_$4"]),
    ):
        content[name], lengths[name] = a_split(aligned, ids, rng)
    if change:
        change(content)
    path = tmp_path / f"{'' if aligned else 'un'}aligned_50.pkl"
    path.write_bytes(pickle.dumps(content, 4))
    return path, content, lengths


@pytest.mark.parametrize("aligned", [True, False])
def test_the_layout_is_read_without_its_padding(aligned, tmp_path):
    path, content, lengths = a_file(tmp_path, aligned)
    corpus = affect.load(path)
    assert (corpus.name, corpus.aligned, corpus.main) == (path.stem, aligned, "sentiment")
    assert corpus.dims == {"acoustic": 2, "text": 3, "visual": 4}
    for name, split in corpus.splits.items():
        given = content[name]
        assert split.ids == tuple(given["id"])
        assert split.groups == tuple(one[0] for one in split.ids)
        assert [split.words[i] for i in range(len(split))] == [line.split() for line in given["raw_text"]]
        for key, modality in (("text", "text"), ("audio", "acoustic"), ("vision", "visual")):
            rows = split.modalities[modality]
            assert rows.lengths.tolist() == lengths[name][key].tolist()
            assert rows.observed[rows.index].all()
            for i, length in enumerate(lengths[name][key]):
                assert np.array_equal(rows[i], given[key][i, :length])
        assert split.labels("sentiment").ravel().tolist() == given["regression_labels"].tolist()
        assert split.labels("sentiment_class").ravel().tolist() == given["classification_labels"].tolist()
    assert corpus.targets["sentiment"].low == -3
    assert corpus.targets["sentiment_class"].classes == ("negative", "neutral", "positive")
    assert corpus.notes == (
        "The token ids of text_bert are left out; affect.data.sources.mmsa.read(..., tokens=True) keeps them.",
    )


def test_the_arrays_stay_where_they_are(tmp_path):
    _, content, _ = a_file(tmp_path)
    corpus = mmsa.read(content, tmp_path / "x.pkl")
    assert np.shares_memory(corpus["train"].modalities["text"].values, content["train"]["text"])


def test_the_token_ids_can_be_kept(tmp_path):
    path, content, lengths = a_file(tmp_path, aligned=False)
    corpus = mmsa.read(content, path, tokens=True)
    rows = corpus["train"].modalities["tokens"]
    assert rows.lengths.tolist() == lengths["train"]["text"].tolist()
    assert (rows[0] == 100).all()
    assert corpus.notes == ()


@pytest.mark.parametrize("nothing", [0, np.nan])
def test_a_step_of_zeros_or_nan_is_nothing_observed(tmp_path, nothing):
    def change(content):
        content["train"]["audio"][0, 0] = nothing
        content["train"]["audio_lengths"][0] = 5
        content["train"]["audio"][0, 1:5] = 1

    corpus = affect.load(a_file(tmp_path, False, change)[0])
    rows = corpus["train"].modalities["acoustic"]
    assert rows.observed[:5].tolist() == [False, True, True, True, True]
    total = rows.total
    assert (
        corpus.notes[0]
        == f"train, acoustic: 1 of {total} steps hold nothing or zeros and count as unobserved."
    )


def test_lengths_beyond_the_array_and_none(tmp_path):
    def change(content):
        content["test"]["vision_lengths"] = [0, 50]
        content["test"]["vision"][0] = 0

    corpus = affect.load(a_file(tmp_path, False, change)[0])
    assert corpus["test"].modalities["visual"].lengths.tolist() == [0, 4]
    assert corpus["test"].modalities["visual"].present.tolist() == [False, True]
    assert "test, visual: 1 samples are longer than the 4 steps that the file keeps." in corpus.notes


def test_labels_of_each_modality_and_missing_ones(tmp_path):
    def change(content):
        for split in content.values():
            split["regression_labels"] = split["regression_labels"] / 3
            for letter in "TAV":
                split[f"regression_labels_{letter}"] = split["regression_labels"] / 2
            split["regression_labels_A"][0] = np.nan
            del split["classification_labels"]

    corpus = affect.load(a_file(tmp_path, False, change)[0])
    assert list(corpus.targets) == [
        "sentiment",
        "sentiment_text",
        "sentiment_acoustic",
        "sentiment_visual",
        "sentiment_class",
    ]
    assert (corpus.targets["sentiment"].low, corpus.targets["sentiment"].high) == (-1, 1)
    assert corpus["train"].targets["sentiment_acoustic"].present.tolist() == [False, True, True]
    assert corpus["train"].labels("sentiment_class").ravel().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("said", "got"),
    [([3, -1], "-1"), ([3, np.nan], "nan"), ([3, 1.5], "1.5"), ([3, np.inf], "inf"), ([3, 1e12], "1,000,000,000,000")],
)  # fmt: skip
def test_lengths_that_are_none(said, got, tmp_path):
    path, _, _ = a_file(tmp_path, False, lambda content: content["test"].update(vision_lengths=said))
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == (
        f"{path}, test, sample d$_$4: vision_lengths must be a whole number of steps from 0 to 2,147,483,647, got {got}"
    )


def test_lengths_that_are_no_numbers_or_too_few(tmp_path):
    path, _, _ = a_file(tmp_path, False, lambda content: content["test"].update(audio_lengths=["long", "x"]))
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}, test: audio_lengths must hold numbers, got list"
    path, _, _ = a_file(tmp_path, False, lambda content: content["test"].update(audio_lengths=[3]))
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}, test: 1 audio_lengths for 2 ids"


def test_without_text_bert_lengths_are_found(tmp_path):
    def change(content):
        for split in content.values():
            del split["text_bert"], split["raw_text"]

    path, _, lengths = a_file(tmp_path, True, change)
    corpus = affect.load(path)
    assert corpus["train"].modalities["visual"].lengths.tolist() == lengths["train"]["text"].tolist()
    assert corpus["train"].words is None
    assert corpus.notes[0] == "train, text: the file gives no lengths; the padding found stands in back."


@pytest.mark.parametrize("aligned", [True, False])
def test_padding_in_front_is_found_where_no_lengths_are_given(aligned, tmp_path):
    def change(content):
        for split in content.values():
            for key in ("text", "audio", "vision") if aligned else ("text",):
                split[key] = split[key][:, ::-1].copy()
            del split["text_bert"]

    path, content, lengths = a_file(tmp_path, aligned, change)
    corpus = affect.load(path)
    for name, split in corpus.splits.items():
        for key, modality in (("text", "text"), ("audio", "acoustic"), ("vision", "visual")):
            rows, in_front = split.modalities[modality], aligned or key == "text"
            assert rows.lengths.tolist() == lengths[name][key].tolist()
            assert rows.observed[rows.index].all()
            for i, n in enumerate(lengths[name][key]):
                whole = content[name][key][i]
                assert np.array_equal(rows[i], whole[len(whole) - n :] if in_front else whole[:n])
    assert corpus.notes[0] == "train, text: the file gives no lengths; the padding found stands in front."
    assert not any("zeros" in note for note in corpus.notes)


def test_without_lengths_the_modalities_of_an_aligned_file_share_theirs(tmp_path):
    def change(content):
        for split in content.values():
            n = split.pop("text_bert")[:, 1].sum(1).astype(int)
            split["audio"][np.arange(len(n)), n - 1] = 0  # nothing was heard at the last word

    path, _, lengths = a_file(tmp_path, True, change)
    rows = affect.load(path)["train"].modalities["acoustic"]
    assert rows.lengths.tolist() == lengths["train"]["text"].tolist()
    assert not rows.observed[rows.starts + rows.lengths - 1].any()


def test_a_token_of_number_zero_is_a_token(tmp_path):
    def change(content):
        content["train"]["text_bert"][:, 0, 0] = 0

    path, _, lengths = a_file(tmp_path, True, change)
    lengths = lengths["train"]["text"].tolist()
    assert affect.load(path)["train"].modalities["text"].lengths.tolist() == lengths


@pytest.mark.parametrize("splits", [("train", "valid", "test"), ("valid",)])
def test_lengths_of_single_modalities_mean_unaligned_even_on_one_time_axis(splits, tmp_path):
    def change(content):
        for name in splits:
            content[name]["audio_lengths"] = content[name]["vision_lengths"] = [1] * len(content[name]["id"])
            content[name]["audio"][:, 1:] = content[name]["vision"][:, 1:] = 0

    corpus = affect.load(a_file(tmp_path, True, change)[0])
    assert not corpus.aligned
    assert corpus["valid"].modalities["acoustic"].lengths.tolist() == [1]


def test_different_time_axes_mean_unaligned_even_without_lengths(tmp_path):
    def change(content):
        for split in content.values():
            del split["audio_lengths"], split["vision_lengths"]

    path, _, lengths = a_file(tmp_path, False, change)
    corpus = affect.load(path)
    assert not corpus.aligned
    assert corpus["train"].modalities["visual"].lengths.tolist() == lengths["train"]["vision"].tolist()


def test_one_scale_for_all_modalities(tmp_path):
    def change(content):
        for split in content.values():
            split["regression_labels_T"] = np.full(len(split["id"]), 0.5)

    corpus = affect.load(a_file(tmp_path, True, change)[0])
    assert (corpus.targets["sentiment_text"].low, corpus.targets["sentiment_text"].high) == (-3, 3)


def test_labels_that_cannot_be_used_are_told(tmp_path):
    def change(content):
        content["train"]["regression_labels_T"] = np.zeros(3)
        for split in content.values():
            del split["classification_labels"]
        content["train"]["annotations"] = np.array(["Weak Positive", "NEUTRAL", "Weak Negative"])

    corpus = affect.load(a_file(tmp_path, True, change)[0])
    assert list(corpus.targets) == ["sentiment", "sentiment_text", "sentiment_class"]
    assert corpus["train"].targets["sentiment_class"].present.tolist() == [False, True, False]
    assert corpus.notes[0] == (
        "train: 2 annotations such as 'Weak Positive' are none of negative, neutral, positive and count as not given."
    )
    assert "valid: no labels of sentiment_text are given." in corpus.notes
    assert "test: no labels of sentiment_text are given." in corpus.notes


def test_values_that_are_not_finite_stay(tmp_path):
    def change(content):
        content["train"]["audio"][0, 0] = [np.nan, -np.inf]

    corpus = affect.load(a_file(tmp_path, True, change)[0])
    assert np.isnan(corpus["train"].modalities["acoustic"][0][0, 0])


def test_the_native_file_is_the_same_corpus(tmp_path):
    corpus = affect.load(a_file(tmp_path, False)[0])
    native.save(corpus, tmp_path / "a.safetensors")
    again = affect.load(tmp_path / "a.safetensors")
    assert (again.targets, again.notes, again.main, list(again.splits)) == (
        corpus.targets, corpus.notes, corpus.main, list(corpus.splits),
    )  # fmt: skip
    for name, split in corpus.splits.items():
        other = again[name]
        assert (other.ids, other.groups) == (split.ids, split.groups)
        for part, kept in ((split.modalities, other.modalities), (split.targets, other.targets)):
            for key, rows in part.items():
                assert kept[key].lengths.tolist() == rows.lengths.tolist()
                assert np.array_equal(kept[key].values, rows.values[rows.index])
                assert kept[key].values.dtype == rows.values.dtype
                assert np.array_equal(kept[key].observed, rows.observed[rows.index])


def wrong(key, value):
    def change(content):
        content["valid"][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (wrong("regression_labels", np.zeros(2)), "valid: 2 labels 'sentiment' for 1 ids"),
        (wrong("regression_labels", "x"), "valid: regression_labels must hold numbers, got str"),
        (wrong("text", np.zeros((2, 6, 3))), "valid: text has 2 samples for 1 ids"),
        (wrong("text", np.zeros((1, 6))), "valid: text must have 3 axes, got shape (1, 6)"),
        (wrong("text", np.array([["x"]])), "valid: text must hold numbers, got ndarray"),
        (wrong("audio_lengths", [1, 2]), "valid: 2 audio_lengths for 1 ids"),
        (
            wrong("text_bert", np.zeros((1, 2, 6))),
            "valid: text_bert must have shape (1, 3, time), got (1, 2, 6)",
        ),
        (wrong("id", 5), "valid: id must be a list of strings, got int"),
        (wrong("audio", [[[1], [2, 3]]]), "valid: audio must hold numbers, got list"),
        (
            wrong("audio", np.zeros((1, 9, 0))),
            "valid: audio needs at least one step and one feature, got (1, 9, 0)",
        ),
        (
            wrong("audio", np.zeros((1, 0, 2))),
            "valid: audio needs at least one step and one feature, got (1, 0, 2)",
        ),
        (
            wrong("classification_labels", [3]),
            "valid, sample c$_$1: classification_labels must be 0 to 2, got 3",
        ),
    ],
)
def test_what_is_refused(change, said, tmp_path):
    path = a_file(tmp_path, False, change)[0]
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}, {said}"


def test_other_pickles_are_not_taken_for_it(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"train": [1, 2], "other": 3}))
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == (
        f"{path}: a pickle of no known layout: dict of 2 ('train': list of 2 (int, int), 'other': int); nearest is mag, "
        "which has lists of ((words, visual, acoustic), label, segment) for all splits, and not a list of 2 (int, int); "
        "known: mmsa, mult, mag, lmf, dialogue_rnn, bc_lstm"
    )


def test_damage_never_ends_without_a_message(tmp_path, damaged):
    path = a_file(tmp_path, aligned=False)[0]
    whole, read = path.read_bytes(), 0
    for seed in range(500):
        path.write_bytes(damaged(whole, seed))
        try:
            affect.load(path)
            read += 1
        except DataError as error:
            assert str(error).startswith(str(tmp_path))  # noqa: PT017  # most of these read, and some do not
    assert 30 < read < 450
