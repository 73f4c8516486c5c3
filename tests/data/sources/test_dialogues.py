"""Tables of utterances and MUStARD's JSON: a sample is a dialogue, a step an utterance."""

import csv
import json

import numpy as np
import pytest

import affect
from affect.data import native
from affect.data.sources.belonging import files_of
from affect.data.targets import Binary, MultiClass, Regression
from affect.errors import ConfigError, DataError

HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
PARTIES = "speaker: a step says which party of its dialogue speaks, by the order in which they speak first, and is for an encoder of indices."
UTTERANCES = "The words of a dialogue are its utterances, one for each step."
ANEW = "Dialogues are numbered anew in each split: their ids have the split in front."


def row(place, text, speaker, emotion, dialogue, number, begin="00:00:01,500", end="00:00:02,000", episode=1):
    sentiment = "neutral" if emotion == "neutral" else "positive"
    return [place, text, speaker, emotion, sentiment, dialogue, number, 1, episode, begin, end]


def table(path, *rows, head=HEAD, encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([head.split(","), *rows])
    return path


@pytest.fixture
def meld(tmp_path):
    """Two dialogues for training, one for each other split, whose numbers begin at 0 in each."""
    folder = tmp_path / "meld"
    folder.mkdir()
    table(
        folder / "train_sent_emo.csv",
        row(1, 'So, "well".', "Ross", "neutral", 0, 0),
        row(2, "Oh!", "Joey", "joy", 0, 1, "0:03", "0:04.25"),
        row(3, "Hm.", "Ross", "joy", 0, 2, "3", "1:00:04"),
        row(4, "None", "Joey", "neutral", 1, 0),
    )
    table(folder / "dev_sent_emo.csv", row(1, "Yes.", "Ross", "joy", 0, 0))
    table(folder / "test_sent_emo.csv", row(1, "Yes.", "The Nurse", "joy", 0, 0))
    return folder


def test_a_table_for_each_split(meld):
    corpus = affect.load(meld)
    assert (corpus.name, list(corpus.splits), corpus.aligned, corpus.main) == (
        "meld",
        ["train", "valid", "test"],
        True,
        "emotion",
    )
    assert corpus.targets == {
        "emotion": MultiClass("emotion", per_step=True, classes=("joy", "neutral")),
        "sentiment": MultiClass("sentiment", per_step=True, classes=("neutral", "positive")),
    }
    train = corpus["train"]
    assert train.ids == train.groups == ("train-0", "train-1")
    assert [train.words[i] for i in range(2)] == [['So, "well".', "Oh!", "Hm."], ["None"]]
    assert train.targets["emotion"][0].ravel().tolist() == [1, 0, 0]
    assert train.modalities["speaker"][0].ravel().tolist() == [1, 2, 1]
    assert train.modalities["speaker"][1].ravel().tolist() == [1]
    assert train.words.times[:3].tolist() == [[1.5, 2], [3, 4.25], [3, 3604]]
    assert corpus.notes == ("Not read: column 'Sr No.'.", ANEW, PARTIES, UTTERANCES)


def test_of_a_set_any_file_may_be_named_and_all_belong_to_it(meld):
    one = affect.load(meld / "dev_sent_emo.csv")
    assert [len(split) for split in one.splits.values()] == [2, 1, 1]
    assert [file.name for file in files_of(meld / "dev_sent_emo.csv")] == [
        "dev_sent_emo.csv",
        "test_sent_emo.csv",
        "train_sent_emo.csv",
    ]
    table(meld / "other.csv", row(1, "Alone.", "Ross", "joy", 0, 0))
    alone = affect.load(meld / "other.csv")
    assert (alone.name, list(alone.splits), alone["all"].ids) == ("other", ["all"], ("0",))
    assert len(affect.load(meld)["train"]) == 2  # what names no split is none of a set


def test_it_is_stored_and_read_again(meld, tmp_path):
    corpus = affect.load(meld)
    native.save(corpus, tmp_path / "c.safetensors")
    again = native.load(tmp_path / "c.safetensors")
    assert again["train"].words.tokens == corpus["train"].words.tokens
    assert again.targets == corpus.targets
    assert again.columns == {"speaker": ("party",)}


def test_two_sets_and_two_files_of_one_split(meld):
    table(meld / "validation_sent_emo.csv", row(1, "Yes.", "Ross", "joy", 0, 0))
    with pytest.raises(DataError) as error:
        affect.load(meld)
    assert (
        str(error.value)
        == f"{meld}: dev_sent_emo.csv and validation_sent_emo.csv are both valid; keep one of them"
    )
    (meld / "validation_sent_emo.csv").rename(meld / "valid_dya.csv")
    with pytest.raises(DataError) as error:
        affect.load(meld)
    assert (
        str(error.value)
        == f"{meld}: 2 sets of tables of utterances, such as dev_sent_emo.csv and valid_dya.csv; name one of the files"
    )


def test_who_speaks_is_a_modality_where_it_is_asked_for(meld):
    assert affect.load(meld).dims == {"speaker": 1}
    corpus = affect.load(meld, columns=["Speaker"])
    assert corpus.columns == {"speaker": ("party",), "speaker_identity": ("Speaker",)}
    found = {name: split.modalities["speaker_identity"] for name, split in corpus.splits.items()}
    assert found["train"].values.ravel().tolist() == [2, 1, 2, 1]  # as often: by name
    assert found["valid"].values.ravel().tolist() == [2]
    assert (found["test"].values.ravel().tolist(), found["test"].observed.tolist()) == ([0], [False])
    assert [note for note in corpus.notes if note.startswith("speaker_identity")] == [
        "speaker_identity: `columns` asks for who speaks, and 2 persons of train are told apart; a model may know a person by them in place of what is felt.",
        "speaker_identity: 1 of 1 utterances of valid are of persons of train.",
        "speaker_identity: 0 of 1 utterances of test are of persons of train.",
    ]
    with pytest.raises(ConfigError, match="columns: no column 'Voice'"):
        affect.load(meld, columns=["Voice"])


def test_what_is_skipped_doubled_and_moved_is_said(tmp_path):
    path = table(
        tmp_path / "train.csv",
        row(1, "Second.", "", "joy", 0, 1, "00:00:05,000", "00:00:02,000"),
        row(2, "First.", "Ross", "", 0, 0),
        row(3, "Again.", "Ross", "joy", 0, 1),
        [4, "Short."],
        row(5, "Nowhere.", "Ross", "joy", "", 1),
        row(6, " ", "Ross", "joy", 1, 0),
    )
    corpus = affect.load(path)
    split = corpus["train"]
    assert (split.words[0], split.words[1]) == (["First.", "Second."], [" "])
    assert split.targets["emotion"].observed.tolist() == [False, True, True]
    assert split.modalities["speaker"].observed.tolist() == [True, False, True]
    assert np.isnan(split.words.times[:2]).all()
    assert corpus.notes == (
        "train.csv: 2 rows are left out, without a dialogue or with other numbers of cells than the header's 11; the first is row 5.",
        "Not read: column 'Sr No.'.",
        "1 utterance stands there twice, by dialogue and number; the first is kept.",
        "The utterances of 1 dialogue are not in the order of their numbers, and were sorted.",
        ANEW,
        "1 utterance has no start before an end, and no times of their dialogues are kept.",
        "1 utterance holds no text.",
        PARTIES,
        "speaker: of 1 of 3 utterances it is not known who speaks.",
        UTTERANCES,
        "train: 1 of 3 utterances have no label of emotion.",
    )


LINE = "talk.csv: 1 line is no UTF-8, and was read as Windows-1252."
MENDED = "1 text or name held characters in another encoding (Windows-1252), and were mended."


@pytest.mark.parametrize(
    ("raw", "text", "said"),
    [
        ("it’s".encode(), "it’s", []),
        ("it’s".encode("cp1252"), "it’s", [LINE, MENDED]),
        ("it\x92s".encode(), "it’s", [MENDED]),
        ("it’s".encode().decode("cp1252").encode(), "it’s", [MENDED]),
        ("café".encode("latin-1"), "café", [LINE]),
        ("café".encode(), "café", []),
    ],
)
def test_encodings_are_mended_and_said(raw, text, said, tmp_path):
    path = tmp_path / "talk.csv"
    head = b"Utterance,Dialogue_ID,Utterance_ID,Emotion\n"
    path.write_bytes(head + raw + b",0,0,joy\n\xe2\x80\x99,0,1,fear\n")
    corpus = affect.load(path)
    assert corpus["all"].words[0] == [text, "’"]
    assert corpus.dims == {}
    assert [*corpus.notes] == [*said, "The file does not say who speaks.", UTTERANCES]
    path.write_bytes((head.decode() + "你好吗,0,0,joy\n").encode("gb18030"))
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}: neither UTF-8 nor Windows-1252; save it as UTF-8"
    path.write_bytes((head.decode() + "你好吗,0,0,joy\n").encode("utf-16"))
    assert affect.load(path)["all"].words[0] == ["你好吗"]


def test_scenes_that_are_numbered_by_episode(tmp_path):
    head = "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode"
    path = table(
        tmp_path / "emory.csv",
        ["Hi.", "['Joey Tribbiani', \"Ross O'Neill\"]", "Mad", 1, 1, 1, 2],
        ["Hi!", "['Joey Tribbiani']", "Sad", 1, 2, 1, 2],
        ["Hi?", "['Joey Tribbiani']", "Sad", 1, 1, 1, 3],
        head=head,
    )
    corpus = affect.load(path, columns=["speaker"])
    assert corpus["all"].ids == ("1_2_1", "1_3_1")
    assert corpus["all"].modalities["speaker"].values.ravel().tolist() == [1, 2, 1]
    assert corpus.columns["speaker_identity"] == ("speaker",)
    assert (
        corpus.notes[0]
        == "One number names dialogues of several episodes: ids have season and episode in front."
    )


def test_scenes_of_which_the_last_utterance_is_labelled(tmp_path):
    head = "SCENE,KEY,SENTENCE,END_TIME,SPEAKER,SHOW,Sarcasm,Sarcasm_Type,Valence"
    path = table(
        tmp_path / "mustard++_text.csv",
        ["1_2", "1_2_c_00", "Who\nwas he?", "0:06", "PERSON", "BBT", "", "", ""],
        ["1_2", "1_2_u", "Nobody.", "0:08", "AMY", "BBT", 1, "PRO", 5],
        ["1_3", "1_3_u", "Yes.", "0:08", "AMY", "BBT", 0, "NONE", 4],
        head=head,
    )
    corpus = affect.load(path)
    split = corpus["all"]
    assert corpus.targets == {
        "sarcasm": Binary("sarcasm", per_step=True),
        "sarcasm_type": MultiClass("sarcasm_type", per_step=True, classes=("NONE", "PRO")),
        "valence": Regression("valence", per_step=True, low=1, high=9),
    }
    assert (corpus.main, split.ids, split.groups) == ("sarcasm", ("1_2", "1_3"), ("AMY", "AMY"))
    assert split.words[0] == ["Who\nwas he?", "Nobody."]
    assert split.targets["sarcasm"].observed.tolist() == [False, True, True]
    assert split.labels("valence").ravel().tolist() == [5, 4]
    assert "all: 1 of 3 utterances have no label of sarcasm, sarcasm_type, valence." in corpus.notes


def test_a_column_may_say_the_split_and_codes_may_be_classes(tmp_path):
    head = "split,Dialogue_ID,Utterance_ID,text,emotion,remark"
    rows = [
        [s, d, u, "So.", u % 3, f"remark {d} {u}"]
        for s, d in (("train", "a"), ("test", "b"))
        for u in range(30)
    ]
    path = table(tmp_path / "codes.csv", *rows, head=head)
    corpus = affect.load(path)
    assert [split.ids for split in corpus.splits.values()] == [("a",), ("b",)]
    assert "Not read: column 'remark', whose 60 texts are hardly classes." in corpus.notes
    assert any("makes them classes" in note for note in corpus.notes)
    known = affect.load(path, targets={"emotion": {"kind": "multiclass", "classes": ["sad", "glad", "mad"]}})
    assert known.target() == MultiClass("emotion", per_step=True, classes=("sad", "glad", "mad"))
    table(path, ["later", "a", 0, "So.", 1, ""], head=head)
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}, row 2: no split 'later'; expected train, valid (dev, val) or test"


def test_a_table_with_ids_of_samples_is_none_of_utterances(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,Dialogue_ID,Utterance_ID,text,joy\na,0,0,so good,1\nb,0,1,oh,0\n")
    assert affect.load(path)["all"].ids == ("a", "b")
    path.write_text("Dialogue_ID,Utterance_ID,text,ecg.hr\n0,0,so good,1\n0,1,oh,0\n")
    with pytest.raises(DataError, match="no column `id`"):
        affect.load(path)


def mustard(path, **changes):
    entry = {
        "utterance": "It’s a privilege.",
        "speaker": "SHELDON",
        "context": ["I see.", "Well?"],
        "context_speakers": ["LEONARD", "SHELDON"],
        "show": "BBT",
        "sarcasm": True,
    }
    path.write_text(
        json.dumps({"1_60": entry | changes, "1_70": entry | {"sarcasm": False, "context_speakers": ["A"]}})
    )
    return path


def test_mustards_json(tmp_path):
    corpus = affect.load(mustard(tmp_path / "sarcasm_data.json"), columns=["speaker"])
    split = corpus["all"]
    assert (split.ids, split.groups, corpus.target()) == (
        ("1_60", "1_70"),
        ("SHELDON",) * 2,
        Binary("sarcasm", per_step=True),
    )
    assert split.words[0] == ["I see.", "Well?", "It’s a privilege."]
    assert split.modalities["speaker"].values.ravel().tolist() == [1, 2, 2, 1, 0, 2]
    assert split.modalities["speaker_identity"].values.ravel().tolist() == [3, 1, 1, 2, 0, 1]
    assert split.targets["sarcasm"].observed.tolist() == [False, False, True] * 2
    assert split.labels("sarcasm").ravel().tolist() == [1, 0]
    assert "1 dialogue lacks speakers of some utterances." in corpus.notes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"utterance": 5}, ", '1_60': expected an utterance and its context, got a dict"),
        ({"context": ["a", 5]}, ", '1_60': context must be a list of texts, got a list"),
        ({"context": ["a"]}, ", '1_60': 2 speakers for 1 utterances of context"),
        ({"sarcasm": "yes"}, ", '1_60': expected a name as speaker, and true or false as sarcasm"),
    ],
)
def test_what_a_json_may_not_hold(changes, said, tmp_path):
    path = mustard(tmp_path / "a.json", **changes)
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value).startswith(f"{path}{said}")


def test_damaged_json(tmp_path):
    path = mustard(tmp_path / "a.json")
    path.write_text(path.read_text()[:-1])
    with pytest.raises(DataError, match="not a whole JSON file"):
        affect.load(path)
    path.write_text('{"1": {"utterance": "a", "context": []}, "1": {"utterance": "b", "context": []}}')
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}: not a whole JSON file (the key '1' is there twice)"
