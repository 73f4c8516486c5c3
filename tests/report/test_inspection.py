import re

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

import affect
from affect.data import corpora
from affect.data.corpus import Corpus, Split
from affect.data.provenance import Provenance
from affect.data.quality import Columns, sha256, with_notes
from affect.data.ragged import Ragged, Words
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.report.inspection import describe, warnings
from affect.report.lines import Lines, shortened

RNG = np.random.default_rng(0)


def warned(corpus):
    columns = {
        (name, m): Columns.of(rows)
        for name, split in corpus.splits.items()
        for m, rows in split.modalities.items()
    }
    return list(warnings(corpus, columns))


def shown(corpus, width=80, path=None):
    """What a terminal of this width shows."""
    console = Console(width=width, highlight=False, force_terminal=False)
    with console.capture() as capture:
        for part in describe(corpus, path):
            console.print(part)
    return capture.get()


def a_corpus():
    """With everything that spoils results."""
    values = RNG.normal(size=(6, 3))
    values[0, 1], values[3, 2] = np.nan, -np.inf
    values[:, 0] = 1
    values[5] = 0
    train = Split(
        ids=("v$_$1", "v$_$1", "w$_$2"), modalities={"ecg": Ragged.from_rows([values[:2], values[2:5], values[5:]], 3)},
        targets={"y": Ragged.vectors(np.array([1.0, 5.0, 0.0]), np.array([True, True, False]))}, groups=("v", "v", "w"),
    )  # fmt: skip
    test = Split(
        ids=("w$_$2",), modalities={"ecg": Ragged.from_rows([RNG.normal(size=(4, 3))], 3)},
        targets={"y": Ragged.vectors(np.array([1.0]))}, groups=("w",),
    )  # fmt: skip
    return Corpus(
        "toy", {"train": train, "test": test}, {"y": Regression("y", low=-3, high=3)}, notes=("Beware.",)
    )


def test_everything_that_spoils_results_is_said():
    assert warned(a_corpus()) == [
        "train: 1 id occurs more than once, the first is v$_$1",
        "train, ecg: 1 NaN values, in columns 1",
        "train, ecg: 1 infinite values, in columns 2",
        "train, ecg: 1 of 6 steps hold only zeros and count as observed: were they measured?",
        "train: 1 samples have no label 'y'",
        "train: 1 labels 'y' lie outside [-3, 3]",
        "1 ids are in more than one split, such as w$_$2",
        "1 groups are in more than one split, such as w",
    ]


def test_the_counts_are_held_against_the_published_ones(tmp_path):
    videos = [v for v, split in corpora.folds()["mosi"].items() if split == "test"]
    split = Split(
        ids=tuple(videos),
        modalities={},
        targets={"sentiment": Ragged.vectors(np.zeros(len(videos)))},
        groups=tuple(videos),
    )
    corpus = Corpus("mine", {"test": split}, {"sentiment": Regression("sentiment", low=-3, high=3)})
    said = list(warnings(corpus, {}))
    assert said[0] == (
        "not the counts published for CMU-MOSI (train 1,284, valid 229, test 686): figures are not comparable"
    )
    assert said[1] == "test: all labels 'sentiment' are the same"
    path = tmp_path / "any.csd"
    path.write_bytes(b"x")
    lines = [part for part in describe(corpus, path) if isinstance(part, str)]
    assert f"SHA-256: {sha256(path)}, of no published file" in lines


def test_names_of_columns_stand_in_the_warnings():
    columns = {"ecg": ("lead I", "lead II", "rate")}
    told = warned(Corpus("toy", a_corpus().splits, a_corpus().targets, columns=columns))
    assert told[1] == "train, ecg: 1 NaN values, in columns 1 (lead II)"


def test_values_beyond_float32_are_warned_of_apart_from_infinite_ones():
    values = RNG.normal(size=(8, 3))
    values[0, 2], values[1, 2], values[2, 0], values[3, 1] = 1e300, -1e300, 1e39, np.inf
    split = Split(tuple("abcdefgh"), {"ecg": Ragged.from_offsets(values, np.arange(9))}, {})
    corpus = Corpus("toy", {"all": split}, {})
    assert warned(corpus) == [
        "all, ecg: 1 infinite values, in columns 1",
        "all, ecg: 3 values are beyond what float32 holds and count as infinite, in columns 0, 2",
    ]
    assert re.search(
        r"NaN +infinite +beyond float32 +constant columns\necg +all +0 +1 +3 +0\n", shown(corpus)
    )


def test_samples_with_nothing_are_a_warning_and_no_note():
    split = Split(("a", "b"), {"ecg": Ragged.from_rows([np.ones((2, 1)), None], 1)}, {})
    corpus = with_notes(Corpus("toy", {"all": split}, {}, notes=("ecg: left out `confidence`.",)))
    out = shown(corpus, 200)
    assert out.count("1 of 2 samples hold nothing in any modality, such as 'b'") == 1
    assert "warning: all: 1 of 2 samples hold nothing in any modality, such as 'b'\n" in out
    assert "note: ecg: left out `confidence`.\n" in out


def test_a_label_among_the_features_is_warned_of():
    label = RNG.normal(size=40).astype(np.float32)
    values = np.stack([RNG.normal(size=40), label, label**3, label, RNG.normal(size=40)], 1)
    train = Split(tuple(map(str, range(40))), {"ecg": Ragged.vectors(values)}, {"y": Ragged.vectors(label)})
    corpus = Corpus(
        "toy", {"train": train, "test": train.take(np.arange(20))}, {"y": Regression("y")},
        columns={"ecg": tuple("abcde")},
    )  # fmt: skip
    where = "in train (40 labels), test (20 labels)"
    assert warned(corpus)[:2] == [
        f"ecg: columns 1 (b), 3 (d) equal the target 'y' {where}: the label is among the features",
        f"ecg: column 2 (c) gives away the target 'y' {where}: is the one made of the other?",
    ]


def test_no_news_is_one_line():
    assert warned(affect.load("synthetic")) == []
    out = shown(affect.load("synthetic"))
    assert "values: none is NaN, infinite or beyond float32, and no column is constant\n" in out
    assert "warning" not in out


def a_wide_corpus():
    """Long names, large numbers, every kind of target."""
    dims = {
        "wav2vec2.0-large-960h, layer 12, of the left microphone": 768,
        "面部表情动作单元的强度": 3,
        "a\nb\x1b[2J": 1,
    }
    count = 1_045
    splits = {}
    for name in ("train", "valid", "a split with quite a long name", "test"):
        modalities = {}
        for m, dim in dims.items():
            offsets = np.arange(count + 1) * (dim == 1)
            offsets[-1] = 123_456 if dim == 1 else 0
            modalities[m] = Ragged.from_offsets(np.zeros((offsets[-1], dim), np.float32), offsets)
        numbers, classes = RNG.normal(size=count) * 30, RNG.integers(0, 30, count)
        splits[name] = Split(
            ids=tuple(f"{name}{i}" for i in range(count)), modalities=modalities,
            targets={
                "the intensity of the sentiment that was seen": Ragged.vectors(numbers),
                "emotion": Ragged.vectors(classes),
                "sarcasm": Ragged.vectors(classes % 2),
                "several": Ragged.vectors(RNG.integers(0, 2, (count, 2))),
            },
            words=Words.from_offsets(["so"] * count, np.arange(count + 1)),
        )  # fmt: skip
    return Corpus(
        "wide", splits,
        {
            "the intensity of the sentiment that was seen": Regression("the intensity of the sentiment that was seen"),
            "emotion": MultiClass("emotion", classes=tuple(f"a rather special feeling, number {i}" for i in range(30))),
            "sarcasm": Binary("sarcasm"),
            "several": MultiLabel("several", classes=("happy", "sad")),
        },
        columns={"面部表情动作单元的强度": ("F0semitoneFrom27.5Hz_sma3nz_amean", "x", "equivalentSoundLevel_dBp")},
        provenance={"面部表情动作单元的强度": Provenance("openSMILE", "3.0", {"set": "eGeMAPSv02"}, rate=100.0)},
    )  # fmt: skip


def test_at_80_columns_a_row_stays_one_line_and_numbers_stay_whole():
    corpus = a_wide_corpus()
    tables = [part for part in describe(corpus) if isinstance(part, Lines)]
    assert [table.title.partition(" ")[0] for table in tables] == [
        "splits", "modalities", "steps", "values", "targets:", "targets:",
    ]  # fmt: skip
    for table in tables:
        lines = table.lines(80)
        assert len(lines) == 2 + len(table.rows)
        assert all(cell_len(line) <= 80 for line in lines)
        kinds = [kind for head, kind in table.heads if head]
        for row, line in zip(table.rows, lines[2:], strict=True):
            for cell, kind in zip(
                (cell for cell, (head, _) in zip(row, table.heads, strict=True) if head), kinds, strict=True
            ):
                if kind == "number":
                    assert f" {cell}" in line
    out = shown(corpus).splitlines()
    for table in tables:
        assert [line for line in table.lines(80) if line not in out] == []


def test_names_are_cut_in_the_middle():
    lines = next(
        p for p in describe(a_wide_corpus()) if isinstance(p, Lines) and p.title == "modalities"
    ).lines(80)
    assert lines == [
        "modalities",
        "modality          features first column      last column       made by",
        "a b�[2J                  1",
        "wav2vec2…crophone      768",
        "面部表情…元的强度        3 F0semito…nz_amean equivale…evel_dBp openSMIL…, 100 Hz",
    ]


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [("modality", 8, "modality"), ("modality", 7, "mod…ity"), ("modality", 6, "mod…ty"), ("表情动作", 5, "表…作"), ("ab", 1, "…")],
)  # fmt: skip
def test_shortened(text, width, cut):
    assert shortened(text, width) == cut


def test_columns_and_makers_are_shown():
    split = Split(
        ("a",), {"ecg": Ragged.from_rows([np.ones((1, 2))], 2), "eeg": Ragged.from_rows([None], 1)}, {}
    )
    made = {"ecg": Provenance("OpenFace 2", "2.2.0", rate=30.0)}
    corpus = Corpus("toy", {"all": split}, {}, columns={"ecg": ("AU01_r", "AU02_r")}, provenance=made)
    assert (
        "modality  features  first column  last column  made by\n"
        "ecg              2  AU01_r        AU02_r       OpenFace 2 2.2.0, 30 Hz\n"
        "eeg              1\n"
    ) in shown(corpus)


def test_classes_are_shares_by_split_and_the_most_frequent_are_listed():
    labels = np.repeat(np.arange(25), np.arange(25) + 1)
    split = Split(tuple(map(str, range(len(labels)))), {}, {"genre": Ragged.vectors(labels)})
    target = MultiClass("genre", classes=tuple(f"g{i}" for i in range(25)))
    few = split.take(np.array([0]))
    unlabelled = Split(("x",), {}, {"genre": Ragged.vectors(np.zeros(1), np.array([False]))})
    table = list(
        describe(Corpus("toy", {"train": split, "test": few, "new": unlabelled}, {"genre": target}))
    )[-2]
    assert isinstance(table, str)  # the first warning
    table = next(
        p
        for p in describe(Corpus("toy", {"train": split, "test": few, "new": unlabelled}, {"genre": target}))
        if isinstance(p, Lines) and "classes" in p.title
    )
    assert table.rows[0] == ("genre", "MultiClass", "labels", "325", "1", "0")
    assert table.rows[1] == ("", "", "g0", "0.3%", "100.0%", "")
    assert table.rows[-2:] == [("", "", "g24", "7.7%", "0.0%", ""), ("", "", "and 5 more", "", "", "")]
    assert len(table.rows) == 22


def test_many_splits_stand_below_each_other():
    split = Split(tuple("ab"), {}, {"y": Ragged.vectors(np.array([0, 1]))})
    corpus = Corpus("toy", {f"fold{i}": split for i in range(7)}, {"y": Binary("y")})
    tables = [p for p in describe(corpus) if isinstance(p, Lines) and "classes" in p.title]
    assert [len(table.heads) for table in tables] == [8, 5]


@pytest.mark.parametrize("name", ["mfn/mmmo", "mfn/youtube", "mosi/CMU_MOSI_Opinion_Labels.csd"])
def test_real_corpora_fit_80_columns(name, real_data):
    corpus = affect.load(real_data / name)
    for part in describe(corpus):
        if isinstance(part, Lines):
            assert all(cell_len(line) <= 80 for line in part.lines(80))
