"""Transcripts with times in a folder, beside features of the same ids."""

import json

import numpy as np
import pytest

import affect
from affect.data.ragged import times_of
from affect.data.sources import folders
from affect.errors import DataError

LABELS = "id,label,split\nv$_$1,1.5,train\nw,-1,train\nx,0.5,test\n"
SRT = "1\n00:00:01,000 --> 00:00:04,000\nso good\n"
TABLE = "word,start,end\nso,1,2\ngood,2,4\n"
WHISPER = json.dumps(
    {
        "text": " so good",
        "segments": [
            {
                "start": 1.0,
                "end": 4.0,
                "text": " so good",
                "words": [{"word": " so", "start": 1.0, "end": 2.0}, {"word": " good", "start": 2.0, "end": 4.0}],
            }
        ],
    }
)  # fmt: skip
GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n4\n<exists>\n1\n"IntervalTier"\n"words"\n0\n4\n3\n'
    '0\n1\n""\n1\n2\n"so"\n2\n4\n"good"\n'
)
VTT = "WEBVTT\n\n00:01.000 --> 00:04.000\nso good\n"
SAID = {
    "srt": SRT,
    "csv": TABLE,
    "json": WHISPER,
    "TextGrid": GRID,
    "vtt": VTT,
    "tsv": TABLE.replace(",", "\t"),
}


@pytest.fixture
def write(tmp_path):
    """Write files by their paths into a folder named `set`; gives the folder."""

    def writer(files):
        whole = {
            "labels.csv": LABELS,
            **{f"ecg/{one}.npy": np.ones((2, 3)) for one in ("v/1", "w", "x")},
        } | files
        for name, content in whole.items():
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_text(content)
            else:
                np.save(path, content)
        return tmp_path / "set"

    return writer


def refusal(folder):
    with pytest.raises(DataError) as error:
        folders.read(folder)
    return str(error.value).replace(str(folder), "SET")


@pytest.mark.parametrize("suffix", SAID)
def test_transcripts_become_words_with_times_whatever_the_folder_is_called(write, suffix):
    corpus = affect.load(write({f"face/v/1.{suffix}": SAID[suffix], f"face/x.{suffix}": SAID[suffix]}))
    train, test = corpus["train"], corpus["test"]
    assert corpus.dims == {"ecg": 3}
    assert [train.words[0], train.words[1], test.words[0]] == [["so", "good"], [], ["so", "good"]]
    assert times_of(train.words, 0).tolist() == times_of(test.words, 0).tolist() == [[1, 2], [2, 4]]
    assert times_of(train.words, 1) is None
    assert corpus.notes[-1] == "words: 1 of 3 samples have no transcript."
    spread = "words: the times of 2 of 2 transcripts are those of whole cues, segments or gaps, spread over their words by letters."
    assert (spread in corpus.notes) == (suffix in ("srt", "vtt"))


def test_files_without_a_row_and_text_of_the_table_are_said(write):
    corpus = affect.load(
        write(
            {
                "labels.csv": "id,text,label\nw,other words,1.5\nx,others,2\n",
                "subs/w.srt": SRT,
                "subs/x.srt": "",
                "subs/y.srt": SRT,
                "subs/notes.md": "so",
            }
        )
    )
    words = corpus["all"].words
    assert [words[0], words[1]] == [["so", "good"], []]
    assert corpus.notes == (
        "Column 'label' is read as the target sentiment.",
        "ecg: 1 files have no row in labels.csv and are left out.",
        "words: 1 files have no row in labels.csv and are left out.",
        "words: those of the transcripts in 'subs' are read, and the text in labels.csv is not.",
        "words: the times of 1 of 2 transcripts are those of whole cues, segments or gaps, spread over their "
        "words by letters.",
    )


def test_words_alone_are_a_corpus(tmp_path):
    (tmp_path / "labels.csv").write_text("id,label\na,1.5\n")
    (tmp_path / "asr").mkdir()
    (tmp_path / "asr" / "a.json").write_text(WHISPER)
    assert folders.recognises(tmp_path)
    corpus = affect.load(tmp_path)
    assert (corpus.dims, corpus.aligned, corpus["all"].words[0]) == ({}, True, ["so", "good"])


def test_texts_without_times_are_no_features(write):
    corpus = affect.load(write({"raw/w.txt": "So good, they said.\nAnd so on.\n", "raw/x.txt": "Well."}))
    assert corpus.dims == {"ecg": 3}
    assert corpus["train"].words is None
    assert corpus.notes == (
        "Column 'label' is read as the target sentiment.",
        "Folder 'raw' holds texts that are neither tables nor timed words.",
    )


def test_json_of_another_kind_is_passed_over(write):
    assert affect.load(write({"pose/w.json": '{"people": []}', "pose/x.json": "{}"})).dims == {"ecg": 3}


def test_a_table_of_numbers_with_start_and_end_is_features(write):
    corpus = affect.load(write({"eda/w.csv": "start,end,scl\n0,1,5\n1,2,6\n"}))
    assert corpus.columns == {"eda": ("scl",)}
    assert corpus["train"].modalities["eda"].times.tolist() == [[0, 1], [1, 2]]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a/w.srt": SRT, "b/w.vtt": VTT}, "SET: two folders hold words, one is 'a'; keep one of them"),
        ({"a/w.srt": SRT, "a/w.vtt": VTT}, "SET/a: both w.srt and w.vtt; keep one of them"),
        ({"a/w.srt": SRT, "a/x.srt": "so"}, "SET/a/x.srt: no transcript with times, as others in its folder are"),
        ({"a/other.srt": SRT}, "SET/a: none of its 1 files is named after an id, such as 'v$_$1'"),
        ({"a/w.csv": "word,start,end\nso,2,1\n"}, "SET/a/w.csv, line 2: 'so' ends at 1 s, before its start at 2 s"),
    ],
)  # fmt: skip
def test_what_is_refused(write, files, message):
    assert refusal(write(files)) == message
