"""Pickles of DialogueRNN and its kin, whose parts are told from what they hold, and bc-LSTM's."""

import itertools
import pickle

import numpy as np
import pytest

import affect
from affect.data.sources import bc_lstm
from affect.data.sources.belonging import files_of
from affect.data.sources.dialogues.parts import roles
from affect.data.sources.dialogues.split_lists import splits_of
from affect.data.targets import Binary, MultiClass, Regression
from affect.errors import DataError

TEXTS = ("Well, I never.", "No.", "Why not?", "I do not know what to say.", "Yes, I am.", "So what?")
COUNTS = {"a1": 3, "a2": 1, "b1": 2, "b2": 4, "c1": 2}


def parts(classes=6, named=True, seed=0):
    """What a file holds of five dialogues, by what it is; parties never come in the order of their numbers."""
    rng = np.random.default_rng(seed)
    ids = {key: [f"{key}_{i:03d}" for i in range(n)] for key, n in COUNTS.items()}
    every = iter(rng.permutation([f"{text} {i}" for i, text in enumerate(TEXTS * 2)]).tolist())
    party = {key: [(i + 1) % 2 for i in range(n)] for key, n in COUNTS.items()}
    labels = rng.permutation(np.arange(12) % classes).tolist()
    if sorted(set(labels)) == [0, 1]:
        labels[0] = 1  # a file of two classes counts no parties
    own = iter(labels)
    return {
        "ids": ids,
        "speakers": {k: ["FM"[p] if named else [float(p == 0), float(p == 1), 0.0] for p in row] for k, row in party.items()},
        "labels": {key: [next(own) for _ in range(n)] for key, n in COUNTS.items()},
        "texts": {key: [next(every) for _ in range(n)] for key, n in COUNTS.items()},
        "features": {key: rng.normal(size=(n, 4)).astype("f4") for key, n in COUNTS.items()},
        "audio": {key: list(rng.normal(size=(n, 3))) for key, n in COUNTS.items()},
        "train": {"a1", "a2", "b1"},
        "valid": ["b2"],
        "test": ["c1"],
    }  # fmt: skip


def a_file(tmp_path, content, name="features.pkl", kind=list):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(kind(content)))
    return path


def assert_holds(corpus, made, features=()):
    """Everything of the file is there, at its dialogue and utterance."""
    for split in corpus.splits.values():
        for i, key in enumerate(split.ids):
            assert split.words[i] == made["texts"][key]
            names = [str(one) for one in made["speakers"][key]]
            order = list(dict.fromkeys(names))
            assert split.modalities["speaker"][i].ravel().tolist() == [order.index(n) + 1 for n in names]
            assert split.targets["emotion"][i].ravel().tolist() == made["labels"][key]
            for name, part in features:
                assert np.array_equal(split.modalities[name][i], np.array(made[part][key], "f4"))


ORDERS = {
    "DialogueRNN": ("ids", "speakers", "labels", "features", "audio", "texts", "train", "test"),
    "COSMIC": ("speakers", "labels", "features", "texts", "train", "test", "valid"),
    "COSMIC without features": ("speakers", "labels", "texts", "train", "test", "valid"),
    "GCNet": ("ids", "labels", "speakers", "texts", "train", "valid", "test"),
    "backwards": ("train", "valid", "test", "texts", "labels", "speakers"),
}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("named", [True, False])
def test_the_order_of_the_parts_is_told_from_what_they_hold(name, classes, named, tmp_path):
    made = parts(classes, named)
    corpus = affect.load(a_file(tmp_path, [made[part] for part in ORDERS[name]], kind=tuple))
    assert corpus.targets == {
        "emotion": MultiClass("emotion", per_step=True, classes=tuple(map(str, range(classes))))
    }
    own = [m for m in ("features", "audio") if m in ORDERS[name]]
    assert_holds(corpus, made, zip(("text", "acoustic"), own, strict=False))
    assert corpus.dims.keys() == {"speaker", *("text", "acoustic")[: len(own)]}
    assert [split.ids for split in corpus.splits.values()][:1] == [
        ("a1", "a2", "b1")
    ]  # of a set, the file's order


def test_every_order_of_the_dictionaries_gives_the_same_roles():
    made = parts()
    four = ("ids", "speakers", "labels", "texts")
    for order in itertools.permutations(four):
        found = roles({place: made[part] for place, part in enumerate(order, 1)})
        assert (found.ids, found.said, found.spoken) == (made["ids"], made["texts"], made["speakers"])
        assert {key: row.tolist() for key, row in found.labels[0].items()} == made["labels"]
        assert found.unread == ()


def test_parties_by_number_where_every_dialogue_counts_them():
    labels = {"a": [3, 0, 1], "b": [0, 2], "c": [1, 1, 1]}
    counted = {"a": [0, 1, 0], "b": [0, 1], "c": [0, 1, 2]}
    found = roles({1: labels, 2: counted})
    assert found.spoken == counted
    assert [own["a"].tolist() for own in found.labels] == [[3, 0, 1]]
    alone = roles({1: counted})
    assert alone.spoken is None
    assert [own["c"].tolist() for own in alone.labels] == [[0, 1, 2]]


@pytest.mark.parametrize("kind", [int, str])
def test_numbers_of_utterances_are_no_labels(kind, tmp_path):
    """In MELD's file an id is the place in the dialogue, with gaps."""
    made = parts(7, named=False)
    numbers = {key: [kind(2 * i) for i in range(n)] for key, n in COUNTS.items()}
    three = {key: [label % 3 for label in row] for key, row in made["labels"].items()}
    order = ("speakers", "labels", "features", "audio", "texts", "train", "test")
    path = a_file(tmp_path, [numbers, *(made[part] for part in order), three])
    corpus = affect.load(path)
    assert_holds(corpus, made, (("text", "features"), ("acoustic", "audio")))
    assert sorted(corpus.targets) == ["emotion", "sentiment"]
    assert not any("Not read" in note or "an id" in note for note in corpus.notes)


def test_emotion_and_sentiment_and_labels_by_name(tmp_path):
    made = parts()
    three = {key: [label % 3 for label in row] for key, row in made["labels"].items()}
    for order in ((made["labels"], three), (three, made["labels"])):
        corpus = affect.load(a_file(tmp_path, [made["speakers"], *order, made["texts"]]))
        assert_holds(corpus, made)
        assert list(corpus.splits) == ["all"]
        assert corpus["all"].labels("sentiment").ravel().tolist() == [
            x for row in three.values() for x in row
        ]
        assert corpus.main == "emotion"
    names = ("joy", "anger", "fear", "neutral", "sadness", "surprise")
    worded = {key: [names[label] for label in row] for key, row in made["labels"].items()}
    found = affect.load(a_file(tmp_path, [worded, made["texts"], made["speakers"], made["features"]]))
    assert found.target().classes == tuple(sorted(names))
    said = [found.target().classes[int(x)] for x in found["all"].labels("emotion").ravel()]
    assert said == [x for row in worded.values() for x in row]


def test_numbers_with_a_fraction_and_labels_that_are_not_given(tmp_path):
    made = parts()
    scores = {key: np.linspace(-1, 1, n) + 0.1 for key, n in COUNTS.items()}
    corpus = affect.load(a_file(tmp_path, [made["ids"], scores, made["texts"]]))
    assert corpus.targets == {"label": Regression("label", per_step=True)}
    made["labels"]["a1"][1] = -1
    corpus = affect.load(a_file(tmp_path, [made["speakers"], made["labels"], made["texts"]]))
    assert corpus["all"].targets["emotion"].observed[:3].tolist() == [True, False, True]
    assert "all: 1 of 12 utterances have no label of emotion." in corpus.notes


def test_layers_of_text_and_what_is_not_read(tmp_path):
    made = parts()
    lengths = dict(COUNTS)
    tokens = {key: [[1, 2], [3]][:n] if n > 1 else [[4]] for key, n in COUNTS.items()}
    content = [
        made["speakers"],
        made["labels"],
        *[made["features"]] * 4,
        made["audio"],
        tokens,
        lengths,
        made["texts"],
    ]
    corpus = affect.load(a_file(tmp_path, [*content, made["train"], made["test"], made["valid"]]))
    assert corpus.dims == {"acoustic": 3, "speaker": 1, "text": 4, "text2": 4, "text3": 4, "text4": 4}
    assert corpus.notes[:3] == (
        "The file does not name its 3 lists of dialogues, which are taken as train 3, valid 1, test 1: nothing in them tells, "
        "and such is the order of conv-emotion's files.",
        "The file does not name its features, which are taken in their order as text 4, text2 4, text3 4, text4 4, acoustic 3.",
        "Not read: parts 8, 9 of the 13 of the file.",
    )


def test_empty_dialogues_and_those_in_no_split_are_said(tmp_path):
    made = parts()
    for part in ("speakers", "labels", "texts", "ids"):
        made[part] = {**made[part], "d1": [], "e1": made[part]["c1"]}
    order = ("ids", "speakers", "labels", "texts")
    lists = [[*sorted(made["train"]), "d1"], ["c1", "z"]]
    corpus = affect.load(a_file(tmp_path, [*(made[part] for part in order), *lists]))
    assert [split.ids for split in corpus.splits.values()] == [("a1", "a2", "b1"), ("c1",)]
    assert corpus.notes[1:6] == (
        "2 dialogues are in no split and left out.",
        "2 utterances have an id that another one has, too.",
        "The file names neither its labels nor their classes.",
        "test: 1 of 2 dialogues are not in the file.",
        "train: 1 dialogue has no utterance and is left out.",
    )


@pytest.mark.parametrize(
    ("lists", "public", "splits", "how"),
    [
        ([range(40, 45), range(10), range(20, 23)], "", (range(10), range(20, 23), range(40, 45)), "numbered in this order"),
        (["Ses01F_1 Ses02M_1", "Ses05F_1", "Ses01F_2"], "", ("Ses01F_1 Ses02M_1", "Ses01F_2", "Ses05F_1"), "a session of its own"),
        (["Ses01F_1 Ses02M_1", "Ses01F_2", "Ses05F_1"], "", ("Ses01F_1 Ses02M_1", "Ses01F_2", "Ses05F_1"), "a session of its own"),
        (["x " * 79, "y " * 659, "z " * 89], "emorynlp", ("y " * 659, "z " * 89, "x " * 79), "the published sizes"),
    ],
)  # fmt: skip
def test_splits_are_told_from_names_and_sizes(lists, public, splits, how):
    plain = [
        tuple(own.split()) if isinstance(own, str) else tuple(map(str, own)) for own in (*lists, *splits)
    ]
    found, (note,) = splits_of(plain[:3], public, False)
    assert [*found.values()] == plain[3:]
    assert list(found) == ["train", "valid", "test"]
    assert how in note


def test_what_of_a_pickle_is_refused(tmp_path):
    made = parts()
    made["labels"]["b2"] = [0, 1]
    path = a_file(tmp_path, [made["speakers"], made["labels"], made["texts"]])
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert (
        str(error.value)
        == f"{path}, all, dialogue b2: its parts have 2, 4 utterances; expected as many in all"
    )
    made = parts()
    made["features"]["b2"] = made["features"]["b2"][:, :2]
    path = a_file(tmp_path, [made["speakers"], made["labels"], made["features"]])
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert (
        str(error.value)
        == f"{path}, all, dialogue b2: text needs feature size 4 as in the first dialogue, got 2"
    )
    path = a_file(tmp_path, [made["speakers"], made["labels"], *[["a1"]] * 4])
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}: expected at most 3 lists of dialogues, got 4"


def padded(counts, dim, time=4, classes=2, seed=0):
    """Features and labels as bc-LSTM pads them."""
    rng = np.random.default_rng(seed)
    labels = np.random.default_rng(7).integers(0, classes, (len(counts), time))
    seen = np.arange(time) < np.array(counts)[:, None]
    values = np.where(seen[..., None], rng.normal(size=(len(counts), time, dim)), 0)
    return values, np.where(seen[..., None], np.eye(classes)[labels], 0), labels


@pytest.mark.parametrize("with_masks", [True, False])
def test_a_pickle_of_bc_lstm_for_each_modality(with_masks, tmp_path):
    counts = {"train": [3, 4, 1], "test": [2, 2]}
    made = {}
    for name, dim in (("text", 5), ("audio", 2), ("video", 3)):
        made[name] = [padded(own, dim, seed=dim) for own in counts.values()]
        (train, train_labels, _), (test, test_labels, _) = made[name]
        content = (train, train_labels, test, test_labels, 4, counts["train"], counts["test"])
        masks = [(np.arange(4) < np.array(own)[:, None]).astype(float) for own in counts.values()]
        a_file(tmp_path, (*content, *masks) if with_masks else content, f"{name}_2way.pickle", tuple)
    path = tmp_path / "audio_2way.pickle"
    corpus = affect.load(path)
    assert (corpus.name, corpus.dims) == ("2way", {"text": 5, "acoustic": 2, "visual": 3})
    assert corpus.target() == Binary("sentiment", per_step=True)
    assert corpus["train"].ids == ("train0", "train1", "train2")
    for k, (split, own) in enumerate(counts.items()):
        for i, n in enumerate(own):
            for name, modality in (("text", "text"), ("audio", "acoustic"), ("video", "visual")):
                assert np.array_equal(
                    corpus[split].modalities[modality][i], made[name][k][0][i, :n].astype("f4")
                )
            assert (
                corpus[split].targets["sentiment"][i].ravel().tolist() == made["text"][k][2][i, :n].tolist()
            )
    assert [file.name for file in files_of(path)] == [
        "audio_2way.pickle",
        "text_2way.pickle",
        "video_2way.pickle",
    ]
    (tmp_path / "text_2way.pickle").write_bytes(pickle.dumps([1, 2]))
    assert "Not read: text_2way.pickle, which is of another layout." in affect.load(path).notes
    other = padded(counts["train"], 3)
    a_file(tmp_path, (other[0], other[1][..., ::-1], other[0], other[1], 4), "video_2way.pickle", tuple)
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert (
        str(error.value)
        == f"{path}: the labels or lengths of video_2way.pickle beside it are others; keep one of the two"
    )


def test_three_splits_speakers_and_codes_of_classes(tmp_path):
    blocks = [padded(own, 5, classes=4, seed=i) for i, own in enumerate(([3, 2], [4], [1, 2, 2]))]
    parties = [np.eye(2)[np.arange(4) % 2][None].repeat(len(block[0]), 0) for block in blocks]
    content = [
        part for block, party in zip(blocks, parties, strict=True) for part in (block[0], block[2], party)
    ]
    corpus = affect.load(a_file(tmp_path, content, "all.pkl"))
    assert list(corpus.splits) == ["train", "valid", "test"]
    assert corpus.target() == MultiClass("emotion", per_step=True, classes=("0", "1", "2", "3"))
    assert corpus["test"].modalities["features"].lengths.tolist() == [
        1,
        2,
        2,
    ]  # up to the last that is not zero
    assert corpus["train"].modalities["speaker"].values.ravel().tolist() == [1, 2, 1, 1, 2]
    assert not bc_lstm.recognises([blocks[0][0], 4, 5])
