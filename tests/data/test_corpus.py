import base64
import contextlib
import json
import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch

import affect
from affect.data import native
from affect.data.corpus import Corpus, Split
from affect.data.ragged import Ragged, Words
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
UNKNOWN = (
    "not a format that affect reads; known: native (safetensors), pickles of MMSA, MMSA-FET, the Multimodal Transformer, "
    "MAG-BERT, MISA, MMIM and LMF, conversations (tables of utterances, pickles of DialogueRNN and bc-LSTM, MUStARD's JSON), "
    "computational sequences (.csd), HDF5 files of the Memory Fusion Network, arrays of numpy and "
    "PyTorch (.npz, .npy, .pt), CSV and Parquet tables, folders of feature files with a table of labels; "
    "for any other name a function from the path to a corpus (reader)"
)


def a_split(lengths=(3, 0, 2), targets=None, **more):
    rows = [RNG.normal(size=(n, 4)) if n else None for n in lengths]
    return Split(
        ids=tuple(f"s{i}" for i in range(len(lengths))),
        modalities={"ecg": Ragged.from_rows(rows, 4)},
        targets=targets or {"y": Ragged.vectors(np.arange(len(lengths)))},
        **more,
    )


def a_corpus(split=None, target=None, **more):
    target = target or Regression("y")
    return Corpus("toy", {"train": a_split() if split is None else split}, {target.name: target}, **more)


def test_rows_come_back_as_they_were():
    rows = [RNG.normal(size=(n, 3)).astype(np.float32) for n in (2, 5, 1)]
    ragged = Ragged.from_rows([rows[0], None, *rows[1:]], 3)
    assert [len(ragged[i]) for i in range(4)] == [2, 0, 5, 1]
    assert np.array_equal(ragged[2], rows[1])
    assert ragged.present.tolist() == [True, False, True, True]


def test_taking_rows_copies_nothing_and_lays_out_anew():
    ragged = Ragged.from_rows([np.full((n, 1), n) for n in (2, 5, 1)], 1)
    taken = ragged.take(np.array([2, 0, 0]))
    assert taken.values is ragged.values
    assert taken.flat().values.ravel().tolist() == [1, 2, 2, 2, 2]
    assert np.concatenate(list(taken.chunks(steps=2))).ravel().tolist() == [1, 2, 2, 2, 2]


def test_padding_is_as_long_as_the_longest_row_and_is_not_observed():
    ragged = Ragged.from_rows([np.ones((2, 1)), np.ones((5, 1)), None], 1)
    ragged = ragged.keep(np.array([True, False, True, True, True, True, True]))
    x = ragged.pad(np.array([0, 2]))
    assert x.mask.tolist() == [[True, False], [False, False]]
    assert ragged.pad(np.array([0]), time=4).time == 4
    assert ragged.pad(np.array([2])).mask.tolist() == [[False]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Ragged.from_offsets(np.ones((3, 2), int), [0, 3]),
            "Ragged: values must be floating point of shape (steps, feature), got int64 of shape (3, 2)",
        ),
        (
            lambda: Ragged.from_offsets(np.ones((3, 2)), [0, 3], np.ones(2, bool)),
            "Ragged: observed must be bool of shape (3,), got bool of shape (2,)",
        ),
        (
            lambda: Ragged.from_offsets(np.ones((3, 2)), [0, 3], times=np.ones(3)),
            "Ragged: times must have shape (3, 2), got (3,)",
        ),
        (
            lambda: Ragged.from_offsets(np.ones((3, 2)), [0, 4]),
            "Ragged: starts and lengths must describe rows inside the 3 steps",
        ),
        (
            lambda: Ragged.from_rows([np.ones((3, 2)), np.ones(3)], 2),
            "Ragged: row 1 must have shape (steps, 2), got (3,)",
        ),
        (lambda: Words.from_offsets(["a"], [0, 2]), "Words: rows must lie inside the 1 words"),
        (
            lambda: a_corpus(a_split(targets={"y": Ragged.vectors([1.0, np.nan, 0.0])})),
            "toy, train: target 'y' has 1 labels that are NaN or infinite, the first is label 1; "
            "mark unlabelled steps as unobserved instead",
        ),
        (
            lambda: a_corpus(a_split(targets={"y": Ragged.vectors([0, 1, 2])}), Binary("y")),
            "toy, train: target 'y' needs labels 0 to 1, got 2",
        ),
        (
            lambda: a_corpus(a_split(), MultiLabel("y", classes=("a", "b"))),
            "toy, train: target 'y' needs shape (labels, 2), got (3, 1)",
        ),
        (
            lambda: a_corpus(a_split(lengths=())),
            "toy, train: the split is empty; leave it out",
        ),
        (
            lambda: a_corpus(a_split(targets={"y": Ragged.vectors([0, 1])})),
            "toy, train: target 'y' has 2 rows for 3 samples",
        ),
        (lambda: a_corpus(a_split(groups=("a",))), "toy, train: 1 groups for 3 samples"),
        (
            lambda: a_corpus(a_split(targets={"z": Ragged.vectors([0, 1, 2])})),
            "toy, train: expected targets ['y'], got ['z']",
        ),
        (
            lambda: a_corpus(a_split(targets={"y": Ragged.from_offsets(np.ones((4, 1)), [0, 2, 3, 4])})),
            "toy, train, sample s0: target 'y' needs one label per sample, got 2; declare it per step",
        ),
        (
            lambda: a_corpus(a_split(), Regression("y", per_step=True)),
            "toy, train: target 'y' is per step, but the modalities are not aligned: "
            "a label would belong to no step",
        ),
        (
            lambda: a_corpus(a_split(), Regression("y", per_step=True), aligned=True),
            "toy, train, sample s0: ecg has 3 steps and target 'y' 1, but they are declared aligned",
        ),
        (lambda: Corpus("toy", {}, {}), "toy: a corpus needs at least one split"),
        (
            lambda: Corpus(
                "toy",
                {"train": a_split(), "test": Split(("a",), {}, {"y": Ragged.vectors([1.0])})},
                {"y": Regression("y")},
            ),
            "toy, test: expected modalities with feature sizes {'ecg': 4}, got {}",
        ),
    ],
)
def test_refusals(make, message):
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        make()


def test_unknown_names_are_refused_with_the_nearest():
    corpus = a_corpus()
    for ask, message in [
        (lambda: corpus["tran"], "toy: no split 'tran'; did you mean 'train'? known: train"),
        (lambda: corpus.target("z"), "toy: no target 'z'; known: y"),
        (lambda: corpus.select(["eeg"]), "toy: no modality 'eeg'; did you mean 'ecg'? known: ecg"),
    ]:
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            ask()


def whole_corpus():
    words = Words.from_offsets(["ä", "b\n", ""], [0, 2, 2, 3], np.arange(6.0).reshape(3, 2))
    split = a_split(groups=("x", "x", "y"), words=words)
    emotion = Ragged.vectors([[0, 1], [1, 1], [0, 0]])
    split = Split(split.ids, split.modalities, {**split.targets, "e": emotion}, split.groups, words)
    return Corpus(
        "toy",
        {"train": split, "test": replace(split.take(np.array([2, 0])), ids=("t0", "t1"))},
        {"y": MultiClass("y", classes=("a", "b", "c")), "e": MultiLabel("e", classes=("s", "t"))},
        notes=("a note", "train: 1 of 3 samples hold nothing in any modality, such as 's1'."),
        citation="somebody",
        ceiling={"mae": 0.5},
    )


def test_the_native_file_is_lossless(tmp_path):
    corpus = whole_corpus()
    native.save(corpus, tmp_path / "toy.bin")
    again = affect.load(tmp_path / "toy.bin")
    for field in ("name", "targets", "aligned", "notes", "citation", "ceiling", "dims"):
        assert getattr(again, field) == getattr(corpus, field)
    for name, split in corpus.splits.items():
        other = again[name]
        assert (other.ids, other.groups) == (split.ids, split.groups)
        for i in range(len(split)):
            assert other.words[i] == split.words[i]
            assert np.array_equal(other.modalities["ecg"][i], split.modalities["ecg"][i])
        assert np.array_equal(other.words.times, split.words.flat().times)
        assert np.array_equal(other.labels("e"), split.labels("e"))


FIRST = (
    "c-p0x(QcbC6o$!mxtBn`&KAHxU^l6HF=^7IN|SaKqR0&nu^MoM-F9gesgJTp>7(os_6R$NFeM>orNt5=$H#m=KL4?;{QO{5?UBsq"
    "IoB*@n$73rv;9cea>*AOev-$8-0@NgStMY(Lpvb_%Q+eeS&CBWgkUFIi>%-&_UrPNSL3AS3OlCYw$Vz+3>^!hnXZWmQ8MS(GTrVu"
    "3oh28$j}8-=d7B^`4sHXnKMy;RF77hwb1|O&}HSuewbL-lWA6FydDF@8&RZt#CM*RT<uqOx~v+$;pJRuzQN8VTdQhOYk80MM~cQu"
    "WGl2NM0diz6a_1{P3}VrcQ@M+AXHJ0a+yLd^>)M;*+?#z3WBdRN%eNaQIfBr4;-Ratg@#btdmsY9fnVxq3wn<GgXV6H<(`<Oc2_L"
    "b;F@ey#sfj-O;v3q|_VQesqR>=z;X3p&j}M<h?9Y)q@xMLpySsydG(cK%Tgk2dnlCs#6m;26<f1X#;nNn6?S;RTUK-p<kyxHJ1}8"
    "<;LDQ^`Q?nhLZB!<NUs&0*pux3*YmdGh~mH0uDS;)Ur$O*!uPiO}$R_1yu0Fp<$zT#JWZ-))#dg!)EP+1tMbowzBQQZc8#?@x(IL"
    "Z5OWB7PAK#rZhBFZZ9sy6#GYqS60f~O@sC$I)Md7l8-C*;{!>gZ^FcY3H+8SmDh@wcRW1>UtV2(JC)vu4lu$XFkL6TumNI2)0NT-"
    "i^>G!vui-!@Z$f84b8kU@Irc2K^>%a9V07*`lsV#)=OfyfW`=lXzSI~ErG@}6tKt+jaNuFu6c_`C`=R?FOgnc+~Tp}%zs&N&z#*D"
    "4muw)zuVciZPjgHncAO8oBt)d`Te{4{oXk4_vG|__^vIEcP;Zb`}@!P>%y|0;jx}A>uIuoEU+)&dAd0GpC|h<*q$a+vLdr7S&-Ra"
    "U`^p~2wEA+Q}r|abq!8yFsKG7i9MN=DZX*|U-*cl76"
)
"""A native file as the first release wrote it: no names of columns, no provenance."""


def test_a_native_file_of_the_first_release_opens(tmp_path):
    path = tmp_path / "first.safetensors"
    path.write_bytes(zlib.decompress(base64.b85decode(FIRST)))
    corpus = affect.load(path)
    assert (corpus.name, corpus.aligned, corpus.notes, corpus.main) == ("first", True, ("a note",), "y")
    assert (corpus.citation, corpus.ceiling, corpus.columns, corpus.provenance) == (
        "somebody",
        {"mae": 0.5},
        {},
        {},
    )
    assert corpus.targets == {"y": Regression("y", low=-3, high=3), "z": Binary("z")}
    train, test = corpus["train"], corpus["test"]
    assert (train.ids, train.groups, test.groups) == (("a", "b"), ("g", "h"), ("h",))
    assert train.modalities["ecg"][0].tolist() == [[1, 2], [3, 4]]
    assert train.modalities["ecg"].observed.tolist() == [True, False, True]
    assert train.modalities["ecg"].times.tolist() == [[0, 0.5], [0.5, 1], [0, 1]]
    assert (train.words[0], test.words[0], test.words.times.tolist()) == (["so", "good"], ["no"], [[0, 1]])
    assert (train.labels("y").ravel().tolist(), train.labels("z").ravel().tolist()) == ([1.5, -2], [0])
    assert test.labels("z").ravel().tolist() == []


def test_the_native_file_is_mapped_not_read(tmp_path):
    native.save(whole_corpus(), tmp_path / "toy.bin")
    values = affect.load(tmp_path / "toy.bin")["train"].modalities["ecg"].values
    while values.base is not None and not isinstance(values, np.memmap):
        values = values.base
    assert isinstance(values, np.memmap)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "toy.bin"
    native.save(whole_corpus(), path)
    before = path.read_bytes()
    monkeypatch.setattr(Ragged, "blocks", lambda *a, **k: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        native.save(a_corpus(), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["toy.bin"]


def header(content):
    text = json.dumps(content).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", UNKNOWN),
        (b"plainly not a corpus", UNKNOWN),
        (header({}), "a safetensors file, but not a corpus written by affect"),
        (header({"__metadata__": {"affect": "{}"}}), "corpus file version None, this affect reads 1"),
        (
            header({"__metadata__": {"affect": '{"version": 1}'}}),
            "the corpus file is damaged (KeyError: 'targets')",
        ),
    ],
)
def test_files_that_are_no_corpus(tmp_path, content, reason):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        affect.load(path)
    assert str(caught.value) == f"{path}: {reason}"


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path):
    path = tmp_path / "toy.bin"
    native.save(whole_corpus(), path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=rf"^{re.escape(str(path))}: "):
            affect.load(path)


def test_damage_never_ends_without_a_message(tmp_path, damaged):
    path = tmp_path / "toy.bin"
    native.save(whole_corpus(), path)
    whole = path.read_bytes()
    for seed in range(500):
        path.write_bytes(damaged(whole, seed))
        with contextlib.suppress(DataError):  # any other error is a crash
            affect.load(path)


def test_a_missing_file():
    with pytest.raises(DataError) as caught:
        affect.load("nowhere.bin")
    assert str(caught.value) == (
        "nowhere.bin: no such file; expected a corpus file, or 'synthetic' for a generated corpus"
    )


def test_batches_cover_a_split_once_in_a_seeded_order():
    split = affect.load("synthetic")["valid"]
    order = [
        [i for batch in affect.batches(split, "sentiment", 16, seed) for i in batch.ids] for seed in (0, 0, 1)
    ]
    assert sorted(order[0]) == sorted(split.ids)
    assert order[0] == order[1] != order[2]
    plain = [i for batch in affect.batches(split, "sentiment", 16) for i in batch.ids]
    assert tuple(plain) == split.ids


def test_batches_by_length_begin_with_the_longest():
    split = affect.load("synthetic")["valid"]
    loader = affect.batches(split, "sentiment", 16, by_length=True)
    times = [max(x.time for x in batch.inputs.values()) for batch in loader]
    assert times == sorted(times, reverse=True)
    assert sorted(i for batch in loader for i in batch.ids) == sorted(split.ids)


def test_every_epoch_has_an_order_of_its_own():
    loader = affect.batches(affect.load("synthetic")["valid"], "sentiment", 16, seed=0)
    first = [batch.ids for batch in loader]
    loader.batch_sampler.sampler.set_epoch(1)
    assert [batch.ids for batch in loader] != first


def test_batches_are_trimmed_and_of_like_length():
    split = affect.load("synthetic:additive")["train"]
    loader = affect.batches(split, "sentiment", 32, seed=0)
    padded = {name: 0 for name in split.modalities}
    for batch in loader:
        for name, x in batch.inputs.items():
            assert x.time == x.lengths.max()
            padded[name] += x.mask.numel()
    for name, rows in split.modalities.items():
        assert padded[name] < 1.25 * rows.total


def test_aligned_batches_share_their_steps():
    rows = Ragged.from_rows([np.ones((3, 1)), np.ones((2, 1))], 1)
    none = Ragged.from_rows([None, None], 1)
    split = Split(("a", "b"), {"ecg": rows, "eeg": none}, {"y": Ragged.vectors([0, 1])}, aligned=True)
    batch = next(iter(affect.batches(split, "y")))
    assert {x.time for x in batch.inputs.values()} == {3}
    assert batch.target.values.shape == (2, 1, 1)
    assert not next(iter(affect.batches(split))).target.mask.any()


def test_a_batch_size_must_be_positive():
    with pytest.raises(ConfigError, match=r"^batches: batch_size must be at least 1, got 0$"):
        affect.batches(affect.load("synthetic")["valid"], "sentiment", 0)


def test_torch_sees_the_values(tmp_path):
    corpus = whole_corpus()
    x = corpus["train"].modalities["ecg"].pad(np.array([0]))
    assert torch.equal(x.values[0], torch.from_numpy(np.asarray(corpus["train"].modalities["ecg"][0])))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("[" * 100_000, "a safetensors file, but not a corpus written by affect"),
        ("3", "a safetensors file, but not a corpus written by affect"),
        ({"notes": "abc"}, "the header's notes must be a list, got 'abc'"),
        ({"notes": [1, None]}, "a list of strings was expected"),
        ({"name": ["x"]}, "the header's name must be a str, got ['x']"),
        ({"aligned": "no"}, "the header's aligned must be a bool, got 'no'"),
        ({"ceiling": "q"}, "the header's ceiling must be a dict, got 'q'"),
    ],
)
def test_types_in_a_header_are_not_believed(header, message, tmp_path):
    path = tmp_path / "a.safetensors"
    native.save(whole_corpus(), path)
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    entries = json.loads(raw[8 : 8 + size])
    said = json.loads(entries["__metadata__"]["affect"])
    entries["__metadata__"]["affect"] = header if isinstance(header, str) else json.dumps({**said, **header})
    start = json.dumps(entries).encode()
    path.write_bytes(len(start).to_bytes(8, "little") + start + raw[8 + size :])
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}: {message}')}$"):
        affect.load(path)


def test_refusals_are_one_line_whatever_a_file_says():
    error = DataError("sample a\nb\x1b[31m\u202e: no")
    assert str(error) == r"sample a\nb\x1b[31m\u202e: no"
    assert str(type(error)(str(error))) == str(error)


def test_rows_are_taken_by_number_or_by_mask():
    split = affect.load("synthetic")["test"].take(np.arange(4))
    by_mask = split.take([True, False, False, True])
    assert by_mask.ids == (split.ids[0], split.ids[3])
    assert {len(x) for x in by_mask.modalities.values()} == {2}
    assert split.take([]).ids == ()
    assert split.take([-1]).ids == (split.ids[3],)
    for rows in ([4], "a", [0.5], [[0]], [True]):
        with pytest.raises(DataError) as refused:
            split.take(rows)
        assert str(refused.value).startswith(
            "Split.take: expected numbers of rows from 0 to 3, or a mask of 4, got "
        )


def test_a_split_that_is_left_out_is_one():
    corpus = affect.load("synthetic").without("test")
    assert sorted(corpus.without("test").splits) == ["train", "valid"]
    with pytest.raises(ConfigError, match=r"synthetic:interaction: no split 'txt'; "):
        corpus.without("txt")


def test_targets_have_one_meaning():
    with pytest.raises(ConfigError, match="target 'y': low must be below high, got 3 and 1"):
        Regression("y", low=3, high=1)
    with pytest.raises(ConfigError, match="target 'y': class 'a' is there more than once"):
        MultiClass("y", classes=("a", "a"))


def test_a_model_refuses_features_of_another_size():
    corpus = affect.load("synthetic")
    model = affect.FusionModel.for_corpus(corpus, seed=0, width=4)
    inputs = next(iter(affect.batches(corpus["test"], batch_size=4))).inputs
    with pytest.raises(affect.ShapeError, match="FusionModel: text needs feature size 8, got 6"):
        model({**inputs, "text": inputs["visual"]})
    with pytest.raises(ConfigError, match="seed must be at least 0, got -1"):
        affect.FusionModel.for_corpus(corpus, seed=-1)
