"""Small inputs in the spirit of public bug reports, and what each yields: one row of the table an input."""

import json
import pickle
import re
import zipfile
from dataclasses import dataclass, field

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

import affect
from affect.errors import DataError

COUNT = 30
SPLITS = ["train"] * 20 + ["valid"] * 5 + ["test"] * 5
IDS = [f"s{i:02d}" for i in range(COUNT)]
SIZES = {"train": 20, "valid": 5, "test": 5}


@dataclass(frozen=True)
class Input:
    """What is made, how it is read, and what it yields: facts of the corpus, or the end of a refusal."""

    make: object
    yields: dict | str
    options: dict = field(default_factory=dict)


def rng():
    return np.random.default_rng(0)


def labels(folder, **columns):
    table = pd.DataFrame({"id": IDS, "y": np.arange(COUNT) % 7 / 2, "split": SPLITS} | columns)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "labels.csv", index=False)
    return folder


def table(folder, text, name="t.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def rows(head, line):
    return "\n".join([head, *(line(i) for i in range(COUNT))]) + "\n"


def features(folder, modality, frame_of, suffix="csv"):
    labels(folder)
    (folder / modality).mkdir(exist_ok=True)
    for i, one in enumerate(IDS):
        frame_of(i).to_csv(folder / modality / f"{one}.{suffix}", index=False)
    return folder


def mmsa(lengths=True):
    """A pickle in MMSA's layout, with 4 text, 6 acoustic and 5 visual steps of which 3 are content."""
    content = {}
    draw = rng()
    for split, count in SIZES.items():
        part = {
            "id": np.array([f"{split}{i}$_$0" for i in range(count)]),
            "raw_text": np.array(["so good"] * count),
        }
        for key, time in (("text", 4), ("audio", 6), ("vision", 5)):
            part[key] = np.zeros((count, time, 2), np.float32)
            part[key][:, :3] = draw.normal(size=(count, 3, 2))
            if lengths:
                part[f"{key}_lengths"] = [3] * count
        part["regression_labels"] = draw.uniform(-3, 3, count)
        content[split] = part
    return content


def pickled(content, name="mosi.pkl"):
    def make(folder):
        (folder / name).write_bytes(pickle.dumps(content() if callable(content) else content))
        return folder / name

    return make


def changed(change):
    def content():
        made = mmsa()
        return change(made) or made

    return pickled(content)


def each(change):
    def over(content):
        for part in content.values():
            change(part)

    return changed(over)


def renamed(content):
    return {"Train": content["train"], "dev": content["valid"], "TEST": content["test"]}


def facts(corpus):
    flat = {m: [split.modalities[m].flat() for split in corpus.splits.values()] for m in corpus.dims}
    return {
        "samples": {name: len(split) for name, split in corpus.splits.items()},
        "dims": corpus.dims,
        "steps": {m: sum(rows.total for rows in own) for m, own in flat.items()},
        "observed": {m: sum(int(rows.observed.sum()) for rows in own) for m, own in flat.items()},
        "targets": {name: type(target).__name__ for name, target in corpus.targets.items()},
        "labels": {
            name: sum(len(split.labels(name)) for split in corpus.splits.values()) for name in corpus.targets
        },
        "columns": corpus.columns,
        "words": {
            name: None if split.words is None else split.words.total for name, split in corpus.splits.items()
        },
        "first": next(iter(corpus.splits.values())).ids[0],
    }


def write_index_table(folder):
    frame = pd.DataFrame(
        {"id": IDS, "y": np.arange(COUNT) / 4, "split": SPLITS, "ecg.hr": np.arange(COUNT) * 1.0}
    )
    frame.to_csv(folder / "t.csv")
    return folder / "t.csv"


def with_numbers(i):
    return pd.DataFrame(rng().normal(size=(4, 2)), columns=["a", "b"])


def a_frame(**more):
    def make(i):
        frame = with_numbers(i)
        for name, value in more.items():
            frame[name] = value
        return frame

    return make


def two_folders(folder):
    features(folder, "audio", with_numbers)
    return features(folder, "acoustic", with_numbers)


def empty_file(folder):
    features(folder, "face", with_numbers)
    (folder / "face" / "s03.csv").write_text("a,b\n")
    return folder


def nan_steps(folder):
    def frame_of(i):
        frame = with_numbers(i)
        frame.iloc[1] = np.nan
        return frame

    return features(folder, "face", frame_of)


def subtitles(folder):
    labels(folder)
    features(folder, "face", with_numbers)
    (folder / "subs").mkdir()
    for one in IDS[:-1]:
        (folder / "subs" / f"{one}.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nso good\n")
    return folder


def whisper(folder):
    features(folder, "face", with_numbers)
    (folder / "asr").mkdir()
    said = [{"word": " so", "start": 0.5, "end": 0.75}, {"word": " good", "start": 0.75, "end": 1.5}]
    for one in IDS:
        (folder / "asr" / f"{one}.json").write_text(
            json.dumps(
                {
                    "text": " so good",
                    "segments": [{"start": 0.5, "end": 1.5, "text": " so good", "words": said}],
                }
            )
        )
    return folder


def npz(folder):
    draw = rng()
    for split, count in SIZES.items():
        np.savez(
            folder / f"{split}.npz", audio=draw.normal(size=(count, 4, 3)), text=draw.normal(size=(count, 2)),
            labels=draw.uniform(-3, 3, count), id=np.array([f"{split}{i}" for i in range(count)]),
        )  # fmt: skip
    return folder


def tensors(folder):
    draw = torch.Generator().manual_seed(0)
    content = {
        split: {
            "audio": torch.randn(count, 4, 3, generator=draw), "labels": torch.randn(count, generator=draw),
        }
        for split, count in SIZES.items()
    }  # fmt: skip
    torch.save(content, folder / "corpus.pt")
    return folder / "corpus.pt"


class Runs:
    """What writes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def evil_tensors(folder):
    torch.save({"train": {"audio": Runs(folder / "ran")}}, folder / "evil.pt")
    return folder / "evil.pt"


def object_array(folder):
    features(folder, "face", with_numbers)
    np.save(folder / "face" / "s00.npy", np.array([Runs(folder / "ran")], dtype=object), allow_pickle=True)
    (folder / "face" / "s00.csv").unlink()
    return folder


def bomb(folder):
    with zipfile.ZipFile(folder / "train.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("audio.npy", b"\x93NUMPY\x01\x00v\x00" + b" " * 118 + b"\0" * 50_000_000)
    return folder


def mfn_without_features(folder):
    for split, count in SIZES.items():
        with h5py.File(folder / f"y_{split}.h5", "w") as file:
            file["d1"] = rng().uniform(-3, 3, (count, 1))
    return folder


def segments(folder):
    def write(name, entries):
        with h5py.File(folder / f"{name.split()[0]}.csd", "w") as file:
            for key, (intervals, values) in entries.items():
                group = file.create_group(f"{name}/data/{key}")
                group["intervals"], group["features"] = np.asarray(intervals, float), np.asarray(values)

    steps = np.stack([np.arange(8.0), np.arange(8.0) + 1], 1)
    write("COVAREP", {f"v{i}": (steps, rng().normal(size=(8, 3))) for i in range(3)})
    write("Opinion Labels", {f"v{i}": ([[0, 4], [4, 4], [4, 8]], [[1.0], [2.0], [-1.0]]) for i in range(3)})
    return folder


def twice_across(content):
    content["train"]["id"][0] = content["test"]["id"][0]


def front(part):
    for key in ("text", "audio", "vision"):
        part[key] = np.roll(part[key], part[key].shape[1] - 3, axis=1)


def both_sides(part):
    part["audio"][0, 5] = 1.0


def nan_labels(part):
    part["regression_labels"][0] = np.nan


def lacking(*keys):
    def change(part):
        for key in keys:
            part.pop(key), part.pop(f"{key}_lengths", None)

    return change


def lacks_audio_in_test(content):
    for key in ("audio", "audio_lengths"):
        del content["test"][key]


def misa(split):
    draw = rng()
    return [
        ((np.arange(3), draw.normal(size=(3, 4)), draw.normal(size=(3, 5)), ["so", "very", "good"]),
         np.array([[1.5]]), f"{split}[{i}]")
        for i in range(SIZES[split])
    ]  # fmt: skip


def misa_folder(folder):
    for split, name in (("train", "train"), ("valid", "dev"), ("test", "test")):
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(misa(split)))
    return folder


def lmf(name="mosi.pkl"):
    draw = rng()
    content = {
        split: {
            "covarep": draw.normal(size=(count, 74)).astype("f4"), "facet": draw.normal(size=(count, 46)).astype("f4"),
            "glove": draw.normal(size=(count, 20, 300)).astype("f4"), "label": draw.uniform(-3, 3, (count, 1)),
        }
        for split, count in SIZES.items()
    }  # fmt: skip
    return pickled(content, name)


INPUTS = {
    "a table with pandas' index in front": Input(
        write_index_table, {"dims": {"ecg": 1}, "targets": {"y": "Regression"}, "columns": {"ecg": ("hr",)}}
    ),
    "a table with face_id and confidence beside features": Input(
        lambda f: table(f, rows("id,y,face_id,confidence,ecg.hr", lambda i: f"{IDS[i]},{i * 0.3},0,0.9,{i}")),
        {"dims": {"ecg": 1}, "targets": {"y": "Regression"}},
    ),
    "the same, with confidence kept by name": Input(
        lambda f: table(f, rows("id,y,ecg.confidence,ecg.hr", lambda i: f"{IDS[i]},{i * 0.3},0.9,{i}")),
        {"dims": {"ecg": 2}, "columns": {"ecg": ("confidence", "hr")}},
        {"columns": ["confidence"]},
    ),
    "success 0 in a table of steps": Input(
        lambda f: table(
            f,
            "id,y,time,face.success,face.au1,face.au2\n"
            + "".join(f"{one},1.5,{t},{int(t != 1)},{t + 1},{t + 2}\n" for one in IDS for t in range(3)),
        ),
        {"dims": {"face": 2}, "steps": {"face": 90}, "observed": {"face": 60}},
    ),
    "decimal commas behind semicolons": Input(
        lambda f: table(f, rows("id;y;ecg.hr", lambda i: f"{IDS[i]};{i},5;{i},25")),
        {"dims": {"ecg": 1}, "targets": {"y": "Regression"}},
    ),
    "UTF-16 with tabs, as Excel saves Unicode text": Input(
        lambda f: table(f, rows("id\ty\tecg.hr", lambda i: f"{IDS[i]}\t{i * 0.5}\t{i}"), encoding="utf-16"),
        {"dims": {"ecg": 1}, "samples": {"all": 30}},
    ),
    "splits 0, 1 and 2": Input(
        lambda f: table(f, rows("id,y,split,ecg.hr", lambda i: f"{IDS[i]},{i * 0.5},{i % 3},{i}")),
        {"samples": {"train": 10, "valid": 10, "test": 10}},
    ),
    "ids with leading zeros": Input(
        lambda f: table(f, rows("id,y,ecg.hr", lambda i: f"{i:03d},{i * 0.5},{i}")), {"first": "000"}
    ),
    "a question mark is a label not given": Input(
        lambda f: table(f, rows("id,y,ecg.hr", lambda i: f"{IDS[i]},{'?' if i < 4 else i * 0.3},{i}")),
        {"targets": {"y": "Regression"}, "labels": {"y": 26}},
    ),
    "codes of classes, said to be classes": Input(
        lambda f: table(f, rows("id,emotion,ecg.hr", lambda i: f"{IDS[i]},{i % 7},{i}")),
        {"targets": {"emotion": "MultiClass"}},
        {"targets": {"emotion": {"kind": "multiclass"}}},
    ),
    "labels -1 and 1, said to be binary": Input(
        lambda f: table(f, rows("id,y,ecg.hr", lambda i: f"{IDS[i]},{i % 2 * 2 - 1},{i}")),
        {"targets": {"y": "Binary"}},
        {"targets": {"y": "binary"}},
    ),
    "a modality with a dot, named": Input(
        lambda f: table(f, rows("id,y,wav2vec2.0.f1,wav2vec2.0.f2", lambda i: f"{IDS[i]},{i * 0.3},{i},1")),
        {"dims": {"wav2vec2.0": 2}, "columns": {"wav2vec2.0": ("f1", "f2")}},
        {"prefixes": ["wav2vec2.0"]},
    ),
    "a feature file whose column is called as the target": Input(
        lambda f: features(f, "face", a_frame(y=1.5)), {"dims": {"face": 2}, "columns": {"face": ("a", "b")}}
    ),
    "a feature file with file, split and id": Input(
        lambda f: features(f, "face", a_frame(file="x.wav", split="train", id="s")), {"dims": {"face": 2}}
    ),
    "a feature file with steps of NaN": Input(nan_steps, {"steps": {"face": 120}, "observed": {"face": 90}}),
    "a feature file with a header alone": Input(empty_file, {"steps": {"face": 116}, "dims": {"face": 2}}),
    "a feature beyond float32": Input(
        lambda f: features(f, "face", a_frame(c=1e300)), {"dims": {"face": 3}, "observed": {"face": 120}}
    ),
    "subtitles beside features": Input(subtitles, {"words": {"train": 40, "valid": 10, "test": 8}}),
    "Whisper's JSON beside features": Input(whisper, {"words": {"train": 40, "valid": 10, "test": 10}}),
    "an .npz for each split": Input(
        npz, {"samples": SIZES, "dims": {"acoustic": 3, "text": 2}, "steps": {"acoustic": 120, "text": 30}}
    ),
    "tensors of all splits in one .pt": Input(tensors, {"samples": SIZES, "dims": {"acoustic": 3}}),
    "MMSA, padded in front, with lengths": Input(
        each(front),
        {
            "observed": {"text": 90, "acoustic": 90, "visual": 90},
            "steps": {"text": 90, "acoustic": 90, "visual": 90},
        },
    ),
    "MMSA with splits Train, dev and TEST": Input(changed(renamed), {"samples": SIZES}),
    "MMSA without audio and text": Input(
        each(lacking("audio", "text")),
        {"dims": {"visual": 2}, "words": {"train": 40, "valid": 10, "test": 10}},
    ),
    "MMSA without labels": Input(each(lacking("regression_labels")), {"targets": {}, "samples": SIZES}),
    "MMSA with labels of NaN": Input(each(nan_labels), {"labels": {"sentiment": 27}, "samples": SIZES}),
    "MMSA whose test split has no audio": Input(
        changed(lacks_audio_in_test), {"observed": {"text": 90, "acoustic": 75, "visual": 90}}
    ),
    "MMSA with an id in two splits, numbered": Input(
        changed(twice_across), {"first": "test0$_$0[0]"}, {"duplicates": "number"}
    ),
    "MMSA with an id in two splits, the first kept": Input(
        changed(twice_across), {"samples": {"train": 20, "valid": 5, "test": 4}}, {"duplicates": "first"}
    ),
    "MISA's cached splits in a folder": Input(
        misa_folder,
        {
            "samples": SIZES,
            "dims": {"acoustic": 5, "visual": 4},
            "words": {"train": 60, "valid": 15, "test": 15},
        },
    ),
    "LMF's pickle": Input(lmf(), {"samples": SIZES, "dims": {"acoustic": 74, "text": 300, "visual": 46}}),
    "computational sequences with a segment of no length": Input(segments, {"samples": {"all": 6}}),
    "MFN's labels without features": Input(
        mfn_without_features, {"samples": SIZES, "dims": {}, "targets": {"sentiment": "Regression"}}
    ),
    # refused, in one line
    "two prefixes that would be one modality": Input(
        lambda f: table(f, rows("id,y,clip.vit.f,clip.rn50.f", lambda i: f"{IDS[i]},{i * 0.3},{i},1")),
        "prefixes",
    ),
    "two folders that mean one modality": Input(two_folders, "keep one of them"),
    "a table in an encoding of old": Input(
        lambda f: table(f, rows("id,y,text", lambda i: f"{IDS[i]},{i * 0.5},schön {i}"), encoding="latin-1"),
        "UTF-8",
    ),
    "MMSA with content outside its lengths on both sides": Input(each(both_sides), "lengths"),
    "MMSA with an id in two splits": Input(changed(twice_across), "choose duplicates: number, or first"),
    "a pickle of no known layout": Input(pickled({"a": [1, 2], "b": np.zeros((3, 4))}), "no known layout"),
    "a .pt that runs code": Input(evil_tensors, "evil.pt"),
    "an .npy of objects": Input(object_array, "s00.npy"),
    "an .npz that unpacks without end": Input(bomb, "train.npz"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_what_an_input_yields(name, tmp_path):
    given = INPUTS[name]
    path = given.make(tmp_path)
    if isinstance(given.yields, str):
        with pytest.raises(DataError, match=re.escape(given.yields)) as refusal:
            affect.load(path, **given.options)
        assert str(tmp_path) in str(refusal.value)
        assert "\n" not in str(refusal.value)
    else:
        corpus = affect.load(path, **given.options)
        found = facts(corpus)
        assert {key: found[key] for key in given.yields} == given.yields
        assert all(note and "\n" not in note for note in corpus.notes)
    assert not (tmp_path / "ran").exists()
