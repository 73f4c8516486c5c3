import os

import numpy as np
import pytest

import affect
from affect.data.sources import tables
from affect.data.sources.tables import frames
from affect.data.targets import Binary, MultiClass, Regression
from affect.errors import DataError

RULE = "a column `id` (or `video_id` and `clip_id`), features as `modality.feature`, all else is a label"
WIDE = """id,split,speaker,text,label,label_T,kind,smiles,audio.f0,audio.rms,ecg.hr
007,train,s,so NA,1.5,-1,happy,0,1,2,60
b,dev,t,well,,0.5,sad,1,3,nan,
c,test,,,-2,,,,0,0,0
"""
LONG = """id;time;split;text;label;mood;acoustic.f0;acoustic.rms;ecg.hr
a;0.5;train;good;2;1;5;6;61
b;0;test;yes;;0;3;;
a;0;train;so;2;0;1;2;60
a;1;train;;;;0;0;
"""


@pytest.fixture
def write(tmp_path):
    """Write a table; gives its path."""

    def writer(content, name="mine.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writer


def refusal(path, **options):
    with pytest.raises(DataError) as error:
        tables.read(path, **options)
    return str(error.value).replace(str(path), "FILE")


def check_wide(corpus):
    assert (corpus.name, corpus.main, corpus.aligned) == ("mine", "sentiment", True)
    assert corpus.dims == {"acoustic": 2, "ecg": 1}
    assert corpus.targets == {
        "sentiment": Regression("sentiment"),
        "sentiment_text": Regression("sentiment_text"),
        "kind": MultiClass("kind", classes=("happy", "sad")),
        "smiles": Binary("smiles"),
    }
    assert {name: split.ids for name, split in corpus.splits.items()} == {
        "train": ("007",),
        "valid": ("b",),
        "test": ("c",),
    }
    assert [split.groups for split in corpus.splits.values()] == [("s",), ("t",), ("c",)]
    assert [split.words[0] for split in corpus.splits.values()] == [["so", "NA"], ["well"], []]
    given = {
        t: [split.labels(t).ravel().tolist() for split in corpus.splits.values()] for t in corpus.targets
    }
    assert given == {
        "sentiment": [[1.5], [], [-2]],
        "sentiment_text": [[-1], [0.5], []],
        "kind": [[0], [1], []],
        "smiles": [[0], [1], []],
    }
    present = {m: [split.modalities[m].present[0] for split in corpus.splits.values()] for m in corpus.dims}
    assert present == {"acoustic": [True, True, False], "ecg": [True, False, True]}
    np.testing.assert_array_equal(corpus["valid"].modalities["acoustic"][0], [[3, np.nan]])
    assert corpus.notes == (
        "Columns 'label' and 'label_T' are read as the targets sentiment, sentiment_text.",
        "valid: 1 of 1 labels of sentiment is missing, and counts as not given.",
        "test: 1 of 1 labels of sentiment_text is missing, and counts as not given.",
        "test: 1 of 1 labels of kind is missing, and counts as not given.",
        "test: 1 of 1 labels of smiles is missing, and counts as not given.",
        "acoustic: 1 of 3 steps hold nothing or zeros and count as unobserved.",
        "ecg: 1 of 3 steps hold nothing or zeros and count as unobserved.",
    )


@pytest.mark.parametrize("delimiter", [",", "\t", ";", ", "])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_row_for_every_sample(write, delimiter, start):
    check_wide(affect.load(write(start + WIDE.replace(",", delimiter), "mine.txt")))


def test_a_row_for_every_step(write):
    corpus = affect.load(write(LONG))
    train, test = corpus["train"], corpus["test"]
    assert (train.ids, test.ids, corpus.aligned) == (("a",), ("b",), True)
    assert train.modalities["acoustic"][0].tolist() == [[1, 2], [5, 6], [0, 0]]
    seen = {m: x.pad(np.array([0])).mask[0].tolist() for m, x in train.modalities.items()}
    assert seen == {"acoustic": [True, True, False], "ecg": [True, True, False]}
    assert train.modalities["ecg"].times[:3].tolist() == [[0, 0], [0.5, 0.5], [1, 1]]
    assert corpus.targets == {"sentiment": Regression("sentiment"), "mood": Binary("mood", per_step=True)}
    assert train.labels("sentiment").ravel().tolist() == [2]
    assert test.labels("sentiment").size == 0
    assert train.labels("mood").ravel().tolist() == [0, 1]
    assert train.words[0] == ["so", "good"]
    assert test.words[0] == ["yes"]
    assert corpus.notes[0] == "A row is a step: 4 rows of 2 samples."


def test_without_time_the_order_is_the_table_s(write):
    split = tables.read(write("id,a.x\nb,1\na,2\nb,3\n"))["all"]
    assert split.ids == ("b", "a")
    assert [split.modalities["a"][i].ravel().tolist() for i in range(2)] == [[1, 3], [2]]
    assert split.modalities["a"].times is None


def test_start_and_end(write):
    split = tables.read(write("id,start,end,a.x\na,1,2,5\na,0,1,4\n"))["all"]
    assert split.modalities["a"].times.tolist() == [[0, 1], [1, 2]]
    assert split.modalities["a"][0].ravel().tolist() == [4, 5]


def test_ids_of_video_and_clip(write):
    split = tables.read(write("video_id,clip_id,text,annotation\nv,0001,so,Positive\nw,2,no,Negative\n"))[
        "all"
    ]
    assert split.ids == ("v$_$0001", "w$_$2")
    assert split.groups == ("v", "w")


def test_another_separator(write):
    path = write("id,split,label_T,audio_f0,video_id\na,train,2,3,v\n")
    corpus = tables.read(path, separator="_")
    assert (corpus.dims, list(corpus.targets)) == ({"acoustic": 1}, ["sentiment_text"])
    assert refusal(path) == f"FILE: no features and no text; expected {RULE}"


def test_what_is_no_label_is_left_out_and_said(write):
    rows = "".join(f"{i},s{i},file {i},{i % 21},,{i}\n" for i in range(60))
    corpus = tables.read(write("id,,file,class,empty,a.x\n" + rows.replace(",0,,", ",x,,")))
    assert list(corpus.targets) == ["class"]
    assert len(corpus.targets["class"].classes) == 21
    assert corpus.main == "class"
    assert corpus.notes == (
        "Columns '' and 'file' are no labels and are left out; `columns` keeps any by name.",
        "Column 'empty' is no label and is left out.",
    )


def test_classes_are_believed_if_few_or_if_they_recur(write):
    for count, rows, kept in ((20, 20, True), (21, 21, False), (21, 42, True), (22, 43, False)):
        table = "id,kind,a.x\n" + "".join(f"{i},k{i % count},1\n" for i in range(rows))
        assert bool(tables.read(write(table)).targets) == kept


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,a.x\nb,1\n", f"FILE: no column `id`; expected {RULE}; got name, a.x; call 'name' id"),
        ("id,label\nb,1\n", f"FILE: no features and no text; expected {RULE}"),
        ("id,a.x\n", "FILE: the table has no rows"),
        ("id,a.x\nb,1\n,2\n", "FILE, row 3: the id is empty"),
        ("id,a.x\nb,1\nc,so\n", "FILE: column 'a.x' must hold numbers, got 'so'"),
        ("id,time,a.x\nb,,1\n", "FILE, row 2: the time is missing"),
        ("id,time,a.x\nb,so,1\n", "FILE: column 'time' must hold numbers, got 'so'"),
        ("id,split,a.x\nb,3,1\n", "FILE, sample b: split '3'; expected train, valid (dev, val) or test"),
        ("id,split,a.x\nb,train,1\nb,test,1\n", "FILE, sample b: 'split' differs between its rows"),
        ("id,speaker,a.x\nb,s,1\nb,t,1\n", "FILE, sample b: 'speaker' differs between its rows"),
        ("id,label,sentiment,a.x\nb,1,2,3\n", "FILE: column 'sentiment' is 'sentiment', and so is another; rename one"),
        ("id,label,a.x\nb,inf,3\n", "mine, all: target 'sentiment' has 1 labels that are NaN or infinite, the first is label 0; mark unlabelled steps as unobserved instead"),
        ("id,a.x,a.x\nb,1,2\n", "FILE: two columns are named 'a.x'; rename one"),
        ("id,a.x\nb,1\nc,1,2\n", "FILE, row 3: 3 cells for 2 columns"),
        ("id,a.x,label\nb,1,1\nc,1\n", "FILE, row 3: 2 cells for 3 columns"),
        (b"id,a.x\nb\xff,1\n", "FILE: the table is not in UTF-8; save it as UTF-8"),
        (b"id,a.x\nb\0,1\n", "FILE: not a whole table (a NUL byte)"),
        ("id,a.x\n" + "b" * 200_000 + ",1\n", "FILE: not a whole table (field larger than field limit (131072))"),
        ('id,a.x\n"b,1\n', "FILE: not a whole table (unexpected end of data)"),
    ],
)  # fmt: skip
def test_what_is_refused(write, content, message):
    assert refusal(write(content)) == message


def test_numbers_beyond_what_floats_hold_do_not_stop_the_reading(write):
    split = tables.read(write(f"id,a.x,a.y\nb,1e300,-inf\nc,{2**70},1\n"))["all"]
    assert np.isinf(split.modalities["a"][0]).all()


def test_what_is_recognised(write, tmp_path):
    for content in (
        "id,label\na,1\n",
        "f.a,f.b\n1,2\n",
        "label\ttext\n1\tso\n",
        WIDE,
        LONG,
        WIDE.encode("utf-16"),
    ):
        assert tables.recognises(write(content))
    for content in ("", "id", "id\na\n", "id,label\n", "id,label\na\n", "import os, sys\na, b = 1, 2\n", '{"id": 1, "b": 2}\n{"id": 2, "b": 3}\n',
                    "1.5,2.5\n1,2\n", "id,label\na\0,1\n", "(dp0\nS'train'\np1\n", b"\xff\xfe" * 50, b"PAR", b"\x80\x04]."):  # fmt: skip
        assert not tables.recognises(write(content))
    assert tables.recognises(write(b"PAR1"))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "none", tmp_path / "pipe", tmp_path / "a\0b"):
        assert not tables.recognises(path)


@pytest.mark.parametrize("whole", [WIDE.encode(), LONG.encode()])
def test_damage_never_ends_without_a_message(write, damaged, whole):
    read = 0
    for seed in range(500):
        path = write(damaged(whole, seed))
        tables.recognises(path)
        try:
            tables.read(path)
            read += 1
        except DataError:
            continue
    assert 33 < read < 466


def parquet(path, content=WIDE, **columns):
    frame = frames.table(path, ("id", "split", "speaker", "text")).frame
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    for name, values in columns.items():
        frame[name] = values
    frame.to_parquet(path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def test_parquet(write):
    path = write(WIDE)
    check_wide(affect.load(parquet(path, kind=["happy", "sad", None])))


def test_parquet_of_other_kinds(write):
    path = parquet(write("id,a.x,kind\n1,2,k\n2,3,l\n"))
    import pandas as pd

    frame = pd.read_parquet(path)
    frame["kind"], frame["id"] = frame["kind"].astype("category"), [1, 2]
    frame.index = [7, 8]
    frame.to_parquet(path)
    corpus = tables.read(path)
    assert corpus["all"].ids == ("1", "2")
    assert corpus.targets == {"kind": MultiClass("kind", classes=("k", "l"))}
    frame["when"] = pd.Timestamp("2020-01-01")
    frame.to_parquet(path)
    assert refusal(path).startswith("FILE: column 'when' holds timestamp[")
    pd.DataFrame({"id": ["a"] * 10**6, "a.x": 1.0}).to_parquet(path)
    assert refusal(path) == "FILE: claims 16 MB that are not in the file"


def test_damaged_parquet(write, damaged):
    path = parquet(write(WIDE))
    whole, read = path.read_bytes(), 0
    for seed in range(500):
        path.write_bytes(damaged(whole, seed))
        try:
            tables.read(path)
            read += 1
        except DataError:
            continue
    assert 10 < read < 290


def test_without_pyarrow_one_line_says_what_to_do(write, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(frames, "import_module", absent)
    path = write(b"PAR1" + bytes(100) + b"PAR1")
    assert tables.recognises(path)
    assert refusal(path) == "FILE: a Parquet file needs pyarrow; install it: pip install pyarrow"
