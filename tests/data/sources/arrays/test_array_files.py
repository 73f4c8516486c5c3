import contextlib
import io
import os
import pickle
import re
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

import affect
from affect import memory
from affect.data.provenance import Provenance
from affect.data.sources import arrays, folders
from affect.data.sources.arrays.archives import contents, kind
from affect.data.sources.options import Options
from affect.data.targets import Binary, MultiClass, MultiLabel, Regression
from affect.errors import DataError

RNG = np.random.default_rng(0)
SIZES = {"train": 5, "valid": 3, "test": 4}
LENGTHS = {split: np.arange(n) % 4 + 1 for split, n in SIZES.items()}


def a_split(split):
    """Padded text and audio of the same steps, one step of vision, labels, ids and words."""
    n, lengths = SIZES[split], LENGTHS[split]
    inside = (np.arange(4) < lengths[:, None])[..., None]
    return {
        "text": (RNG.normal(size=(n, 4, 3)) * inside).astype(np.float32),
        "audio": RNG.normal(size=(n, 4, 2)) * inside,
        "vision": RNG.normal(size=(n, 5)),
        "labels": RNG.normal(size=(n, 1, 1)),
        "id": np.array([f"{split}{i}$_$0" for i in range(n)]),
        "raw_text": np.array(["so good"] * n),
    }


WHOLE = {split: a_split(split) for split in SIZES}
NAMED = {"text": "text", "audio": "acoustic", "vision": "visual"}


def tensors(own):
    return {key: torch.tensor(x) if x.dtype.kind == "f" else x.tolist() for key, x in own.items()}


def renamed(own):
    """With `y` for labels: a dictionary of splits with `labels` is in the layout of the Multimodal Transformer."""
    return {"y" if key == "labels" else key: x for key, x in own.items()}


def write(path, content):
    """Write arrays as the ending of the path says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, content)
    elif path.suffix == ".npz":
        np.savez(path, **content)
    else:
        torch.save(content, path)
    return path


def one_npz(folder, name="{key}_{split}"):
    return write(
        folder / "a.npz", {name.format(key=k, split=s): x for s, own in WHOLE.items() for k, x in own.items()}
    )


def npz_by_split(folder):
    for split, own in WHOLE.items():
        write(folder / f"mosi_{split}.npz", own)
    return folder


def npy_by_name(folder):
    for split, own in WHOLE.items():
        for key, x in own.items():
            write(folder / f"mosi_{key}_{split}.npy", x)
    return folder


def npy_in_folders(folder):
    for split, own in WHOLE.items():
        for key, x in own.items():
            write(folder / split.title() / f"{key}.npy", x)
    return folder


def pt_by_split(folder):
    for split, own in WHOLE.items():
        write(folder / f"{split}.pt", tensors(own))
    return folder


def npz_by_role(folder):
    for key in WHOLE["train"]:
        write(folder / f"{key}.npz", {split: own[key] for split, own in WHOLE.items()})
    return folder


def one_array_of_splits(folder):
    every = {key: np.concatenate([own[key] for own in WHOLE.values()]) for key in WHOLE["train"]}
    names = np.repeat(["Train", "dev", "test"], list(SIZES.values()))
    return write(folder / "a.npz", {**every, "split": names})


def lists_of_samples(folder):
    def of(split):
        own = tensors(WHOLE[split])
        return [
            {key: x[i, : LENGTHS[split][i]] if key in ("text", "audio") else x[i] for key, x in own.items()}
            for i in range(SIZES[split])
        ]

    return write(folder / "a.pt", {split: of(split) for split in WHOLE})


@pytest.mark.parametrize(
    "layout",
    [
        one_npz,
        lambda folder: one_npz(folder, "{split}_{key}"),
        lambda folder: one_npz(folder, "{split}/{key}"),
        lambda folder: one_npz(folder, "{split}.{key}").parent,
        lambda folder: write(folder / "a.pt", {split: renamed(tensors(own)) for split, own in WHOLE.items()}),
        lambda folder: write(folder / "a.pt", {f"{k}_{s}": x for s, own in WHOLE.items() for k, x in tensors(own).items()}),
        lambda folder: npy_by_name(folder) / "mosi_text_train.npy",
        npz_by_split, npy_by_name, npy_in_folders, pt_by_split, npz_by_role, one_array_of_splits, lists_of_samples,
    ],
)  # fmt: skip
def test_all_layouts_say_the_same(layout, tmp_path):
    corpus = affect.load(layout(tmp_path / "set"))
    assert {name: len(split) for name, split in corpus.splits.items()} == SIZES
    assert list(corpus.splits) == list(SIZES)
    assert corpus.dims == {"acoustic": 2, "text": 3, "visual": 5}
    assert (corpus.targets, corpus.main) == ({"sentiment": Regression("sentiment")}, "sentiment")
    assert not corpus.aligned
    for split, own in WHOLE.items():
        assert corpus[split].ids == tuple(own["id"])
        assert corpus[split].words[0] == ["so", "good"]
        assert np.array_equal(
            corpus[split].labels("sentiment")[:, 0], own["labels"].ravel().astype(np.float32)
        )
        for key, name in NAMED.items():
            for i, n in enumerate(LENGTHS[split]):
                expected = own[key][i, :n] if own[key].ndim == 3 else own[key][i : i + 1]
                assert np.array_equal(corpus[split].modalities[name][i], expected.astype(np.float32))


def read(tmp_path, ending=".npz", options=None, **content):
    return arrays.read(write(tmp_path / f"a{ending}", content), options or Options())


def test_x_and_y(tmp_path):
    corpus = read(
        tmp_path, X_train=WHOLE["train"]["text"], y_train=np.arange(5) / 2, X_test=WHOLE["test"]["text"], y_test=np.arange(4) / 2
    )  # fmt: skip
    assert corpus.dims == {"features": 3}
    assert corpus["test"].labels("sentiment").ravel().tolist() == [0, 0.5, 1, 1.5]
    assert corpus.notes == (
        "train: there are no ids, and the samples are called train000 and so on.",
        "test: there are no ids, and the samples are called test000 and so on.",
        "features: no lengths are given; the padding found stands in back.",
    )


def test_what_stands_beside_a_modality(tmp_path):
    front = np.zeros((2, 4, 3))
    front[0, 2:], front[1, 1:] = 1, 2
    seconds = np.tile(np.arange(4) / 10, (2, 1))
    corpus = read(
        tmp_path, audio=front, audio_lengths=np.array([2, 3]), audio_times=seconds, audio_columns=np.array(["f0", "frame", "f1"]),
        vision=np.ones((2, 3, 2)), vision_mask=np.array([[1, 0, 1], [0, 0, 0]]), ecg=np.ones((2, 1)), labels=np.array([0.5, 1]),
    )  # fmt: skip
    split = corpus["all"]
    assert split.modalities["acoustic"].lengths.tolist() == [2, 3]
    assert split.modalities["acoustic"][1].tolist() == [[2, 2]] * 3
    assert split.modalities["acoustic"].flat().times[:, 0].tolist() == [0.2, 0.3, 0.1, 0.2, 0.3]
    assert split.modalities["visual"].pad(np.arange(2)).mask.tolist() == [[True, False, True], [False] * 3]
    assert corpus.columns == {"acoustic": ("f0", "f1")}
    assert corpus.dims == {"acoustic": 2, "ecg": 1, "visual": 2}
    assert (
        "acoustic: column 'frame' is no feature and is left out; `columns` keeps any by name." in corpus.notes
    )
    shared = read(tmp_path, text=front, audio=front, vision=np.ones((2, 6)), lengths=np.array([2, 3]))
    assert shared.aligned is False
    assert shared["all"].modalities["text"].lengths.tolist() == [2, 3]
    assert shared["all"].modalities["visual"].lengths.tolist() == [1, 1]
    both = affect.load(tmp_path / "a.npz")
    assert both["all"].modalities["acoustic"].lengths.tolist() == [2, 3]
    loose = read(
        tmp_path, text=front, vision=np.ones((2, 6)), lengths=np.array([2, 5]), times=np.ones((2, 9))
    )
    assert loose.notes[0] == "Not read, since no modality has as many steps: lengths, times."
    flat = read(tmp_path, audio=np.arange(10.0).reshape(5, 2), audio_lengths=np.array([2, 0, 3]))
    assert flat["all"].modalities["acoustic"].lengths.tolist() == [2, 0, 3]


def test_what_is_a_label_and_what_is_not_read(tmp_path):
    corpus = read(
        tmp_path, text=np.ones((4, 2)), valence=np.array([1, 0, 1, 1]), emotion=np.array(["a", "b", "a", "b"]), label_T=np.array([0.5, 1, 2, 3]),
        classification_labels=np.array(["Neg", "Pos", "Neg", "Neg"]), fs=16000, names_of_classes=np.array(["a", "b", "c"]), text_bert=np.ones((4, 3, 9)),
        ecg_lengths=np.array([1, 1, 1, 1]), rates=np.array([1.0, 2]), name=np.array(list("wxyz")),
    )  # fmt: skip
    assert corpus.targets == {
        "valence": Binary("valence"),
        "emotion": MultiClass("emotion", classes=("a", "b")),
        "sentiment_text": Regression("sentiment_text"),
        "sentiment_class": MultiClass("sentiment_class", classes=("Neg", "Pos")),
    }
    assert corpus.dims == {"text": 2}
    assert corpus["all"].ids == tuple("wxyz")
    assert corpus.notes == (
        "The indices of words 'text_bert' are left out.",
        "Not read: fs, names_of_classes, rates, ecg (lengths).",
    )
    corpus = read(
        tmp_path, text=np.ones((4, 2)), heart=np.array([70.0, 80, 90, 75]), id=np.array(list("wxyz"))
    )
    assert corpus.targets == {"heart": Regression("heart")}
    assert corpus.notes == ("heart: one number for each sample counts as its label.",)
    own = np.array([3, 5, 3, 3])
    corpus = affect.load(
        write(tmp_path / "a.npz", {"text": np.ones((4, 2)), "mood": own}), targets={"mood": "multiclass"}
    )
    assert corpus.targets == {"mood": MultiClass("mood", classes=("3", "5"))}


def test_columns_of_labels(tmp_path):
    wide = RNG.normal(size=(4, 7))
    corpus = read(tmp_path, text=np.ones((4, 2)), labels=wide)
    assert list(corpus.targets) == [f"label{i}" for i in range(7)]
    assert np.array_equal(corpus["all"].labels("label3")[:, 0], wide[:, 3].astype(np.float32))
    corpus = read(tmp_path, text=np.ones((4, 2)), y=np.eye(3)[[0, 1, 2, 2]])
    assert corpus.targets == {"sentiment": MultiClass("sentiment", classes=("0", "1", "2"))}
    videos = ["03bSnISJMiM", "0h-zjBukYpk", "1DmNV9C1hbY", "1iG0909rllw"]
    ids = np.array([f"{one}$_$0" for one in videos])
    corpus = read(tmp_path, text=np.ones((4, 2)), y=np.array([3, -3, 0, 1]), id=ids)
    assert corpus.targets == {"sentiment": Regression("sentiment", low=-3, high=3)}
    corpus = read(
        tmp_path, text=np.ones((4, 2)), video_id=np.array(list("aabb")), clip_id=np.array([0, 1, 0, 1])
    )
    assert corpus["all"].ids == ("a$_$0", "a$_$1", "b$_$0", "b$_$1")
    assert corpus["all"].groups == tuple("aabb")
    many = read(tmp_path, ".pt", text=torch.ones(2, 3), emotion_labels=torch.tensor([[1, 1], [0, 1]]))
    assert many.targets == {"emotion": MultiLabel("emotion", classes=("0", "1"))}


def test_folds_and_numbers_of_splits(tmp_path):
    corpus = read(tmp_path, text=np.ones((3, 2)), split=np.array([0, 1, 2]))
    assert {name: split.ids for name, split in corpus.splits.items()} == {
        "train": ("train000",),
        "valid": ("valid000",),
        "test": ("test000",),
    }
    assert corpus.notes[0] == "Array 'split' holds 0, 1 and 2, which are read as train, valid and test."
    corpus = read(tmp_path, text=np.ones((4, 2)), fold=np.array([0, 1, 0, 1]))
    assert (list(corpus.splits), corpus["all"].groups) == (["all"], ("0", "1", "0", "1"))


def test_labels_of_steps(tmp_path):
    corpus = read(
        tmp_path, text=np.ones((2, 3, 2)), y=np.arange(6.0).reshape(2, 3), y_lengths=np.array([3, 3])
    )
    assert corpus.targets == {"sentiment": Regression("sentiment", per_step=True)}
    assert corpus["all"].labels("sentiment").ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_float64_beyond_float32_is_infinite(tmp_path):
    corpus = read(tmp_path, ecg=np.array([[1e300, 1.0]]), id=np.array(["a"]))
    assert corpus["all"].modalities["ecg"].values.tolist() == [[np.inf, 1]]
    assert corpus.notes == ("ecg: 1 finite values beyond float32 count as infinite.",)


def test_npy_stays_on_the_disk(tmp_path):
    npy_by_name(tmp_path)
    values = affect.load(tmp_path)["train"].modalities["text"].values
    while values.base is not None and not isinstance(values, np.memmap):
        values = values.base
    assert isinstance(values, np.memmap)


def files_of_samples(folder, ending=".npz"):
    for i in range(4):
        content = {
            "audio": np.full((i + 1, 2), i),
            "text": np.ones((1, 3, 4)),
            "audio_times": np.arange(i + 1) / 10,
            "fs": 16000,
        }
        if ending == ".pt":
            content = {key: torch.as_tensor(x) for key, x in content.items()}
        write(
            folder / f"s{i}{ending}",
            {**content, "raw_text": "so good", "label": i / 2, "mood": ["a", "b"][i % 2]},
        )
    return folder


@pytest.mark.parametrize("ending", [".npz", ".pt"])
def test_a_file_for_each_sample(ending, tmp_path):
    corpus = affect.load(files_of_samples(tmp_path / "set", ending))
    split = corpus["all"]
    assert (corpus.name, split.ids) == ("set", ("s0", "s1", "s2", "s3"))
    assert [split.modalities["acoustic"][i].tolist() for i in range(4)] == [
        [[i, i]] * (i + 1) for i in range(4)
    ]
    assert split.modalities["acoustic"].times[1:3].tolist() == [[0, 0], [0.1, 0.1]]
    assert split.modalities["text"].lengths.tolist() == [3] * 4
    assert split.words[3] == ["so", "good"]
    assert corpus.targets == {
        "sentiment": Regression("sentiment"),
        "mood": MultiClass("mood", classes=("a", "b")),
    }
    assert split.labels("sentiment").ravel().tolist() == [0, 0.5, 1, 1.5]
    assert corpus.notes == (
        "Not read: fs.",
        "The modalities count as not aligned, since their steps differ: acoustic 1, text 3 in sample s0.",
        "acoustic: 1 of 10 steps hold nothing or zeros and count as unobserved.",
    )


def test_a_table_beside_files_of_samples(tmp_path):
    folder = files_of_samples(tmp_path / "set")
    (folder / "labels.csv").write_text(
        "id,split,joy,text\ns0,train,0.5,well\ns2,dev,1.5,so\nnone,test,2.5,no\n"
    )
    corpus = affect.load(folder)
    assert {name: split.ids for name, split in corpus.splits.items()} == {
        "train": ("s0",),
        "valid": ("s2",),
        "test": ("none",),
    }
    assert corpus.targets == {"joy": Regression("joy")}
    assert corpus["valid"].modalities["acoustic"][0].tolist() == [[2, 2]] * 3
    assert corpus["valid"].words[0] == ["so"]
    assert not corpus["test"].modalities["acoustic"].present[0]
    assert corpus.notes[:2] == (
        "Not read: fs, sentiment, mood.",
        "2 files have no row in labels.csv and are left out.",
    )


def test_what_a_table_leaves_to_the_files(tmp_path):
    for split in ("train", "dev"):
        write(tmp_path / split / f"{split}0.npz", {"ecg": np.ones((2, 3)), "raw_text": "so good"})
    (tmp_path / "labels.csv").write_text("id,joy\ntrain0,0.5\ndev0,1.5\n")
    corpus = affect.load(tmp_path)
    assert {name: split.ids for name, split in corpus.splits.items()} == {
        "train": ("train0",),
        "valid": ("dev0",),
    }
    assert corpus["valid"].words[0] == ["so", "good"]
    assert corpus["valid"].labels("joy").tolist() == [[1.5]]


def test_folders_of_splits_and_names_inside(tmp_path):
    for split in ("train", "val"):
        for i in range(3):
            write(
                tmp_path / "set" / split / f"{i}.npz",
                {
                    "ecg": np.ones((2, 3)),
                    "id": f"{split}/{i}",
                    "speaker": "x",
                    "y": i % 2,
                    "words": np.array(["a", "b c"]),
                },
            )
    corpus = affect.load(tmp_path / "set")
    assert {name: split.ids for name, split in corpus.splits.items()} == {
        "train": ("train/0", "train/1", "train/2"),
        "valid": ("val/0", "val/1", "val/2"),
    }
    assert corpus["train"].groups == ("x", "x", "x")
    assert corpus["train"].words[0] == ["a", "b c"]
    assert corpus.targets == {"sentiment": Binary("sentiment")}


@pytest.mark.parametrize("ending", [".npy", ".npz", ".pt"])
def test_steps_of_one_sample(ending, tmp_path):
    values = np.arange(6.0).reshape(3, 2)
    make = torch.tensor if ending == ".pt" else np.array
    alone = make(values) if ending != ".npz" else {"wav2vec": values}
    for content in (alone, make(values[None])) if ending != ".npz" else (alone,):
        found = arrays.steps(write(tmp_path / f"a{ending}", content))
        assert np.array_equal(found.values, values)
        assert found.values.dtype == np.float32
        assert (found.times, found.columns, found.observed) == (None, None, None)
    if ending == ".npy":
        assert arrays.steps(write(tmp_path / "a.npy", np.array([1, 2]))).values.tolist() == [[1, 2]]
        return
    names = ["AU01", "frame", "AU02"]
    full = {
        "features": make(np.array([[1, 0, 2e300], [3, 1, 4]])), "times": make(np.array([[0, 0.5], [0.5, 1]])), "mask": make(np.array([True, False])),
        "feature_names": names if ending == ".pt" else np.array(names), "rate": make(np.array(2.0)), "other": make(np.ones(3)),
    }  # fmt: skip
    found = arrays.steps(write(tmp_path / f"a{ending}", full))
    assert found.values.tolist() == [[1, np.inf], [3, 4]]
    assert found.columns == ("AU01", "AU02")
    assert found.left == ("frame",)
    assert found.times.tolist() == [[0, 0.5], [0.5, 1]]
    assert found.observed.tolist() == [True, False]
    assert found.made == Provenance(rate=2.0)
    assert found.notes == (
        ("arrays 'other' that were not read", 1),
        ("finite values beyond float32, which count as infinite", 1),
    )
    assert arrays.steps(tmp_path / f"a{ending}", keep=["frame"]).columns == ("AU01", "frame", "AU02")
    assert arrays.steps(tmp_path / f"a{ending}", targets=["au02"]).columns == ("AU01",)


def test_what_is_recognised(tmp_path):
    assert arrays.recognises(npz_by_split(tmp_path / "a"))
    assert arrays.recognises(npy_in_folders(tmp_path / "b"))
    assert arrays.recognises((tmp_path / "a" / "mosi_train.npz").rename(tmp_path / "a" / "other.dat"))
    modality = tmp_path / "c"
    write(modality / "audio" / "x.npy", np.ones((2, 2)))
    (modality / "labels.csv").write_text("id,label\nx,1\n")
    assert not arrays.recognises(modality)
    write(modality / "extra.npy", np.ones(2))
    assert not arrays.recognises(modality)
    assert folders.recognises(modality)
    os.mkfifo(tmp_path / "pipe.npz")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "so")
    (tmp_path / "text.npz").write_text("so")
    for path in (
        tmp_path,
        tmp_path / "pipe.npz",
        tmp_path / "a.zip",
        tmp_path / "text.npz",
        tmp_path / "none",
        tmp_path / "a\0b",
    ):
        assert not arrays.recognises(path)


def test_a_folder_named_after_a_split_may_be_a_modality(tmp_path):
    """It is where its files hold one array each and are named after the ids of a table."""
    ids = ["a", "b", "c"]

    def write_folder(name, write, labels="id,y\na,0\nb,1\nc,0\n"):
        folder = tmp_path / name
        (folder / "train").mkdir(parents=True)
        (folder / "labels.csv").write_text(labels)
        for i, one in enumerate(ids):
            write(folder / "train" / one, np.full((2, 3), i + 1.0))
        return folder

    of_one = {
        "npy": lambda path, own: np.save(path, own),
        "npz": lambda path, own: np.savez(path, values=own),
        "alone": lambda path, own: np.savez(path, own),
        "pt": lambda path, own: torch.save(torch.tensor(own), f"{path}.pt"),
        "pt of one": lambda path, own: torch.save({"features": torch.tensor(own)}, f"{path}.pt"),
    }
    for name, write_one in of_one.items():
        folder = write_folder(name, write_one)
        assert not arrays.recognises(folder)
        corpus = affect.load(folder)
        assert corpus.dims == {"train": 3}
        assert [corpus["all"].modalities["train"][i][0, 0] for i in range(3)] == [1, 2, 3]
    of_all = write_folder("all", lambda path, own: np.savez(path, audio=own, vision=own))
    assert arrays.recognises(of_all)
    assert affect.load(of_all).dims == {"acoustic": 3, "visual": 3}
    without_ids = write_folder("notes", of_one["npz"], labels="name,split\na,train\nb,train\n")
    assert arrays.recognises(without_ids)


def refusal(path, reader=affect.load):
    with pytest.raises(DataError) as error:
        reader(path)
    return str(error.value).replace(str(path), "FILE").replace(str(path.parent), "SET")


ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("ending", "content", "message"),
    [
        (".npz", {"audio": np.ones((3, 4, 2)), "labels": np.ones(2), "id": np.array(["a", "b"])}, "FILE, all: acoustic has 3 samples, expected 2 as id has"),
        (".npz", {"text": np.ones((2, 3)), "text_train": ONES, "train_text": ONES}, "FILE, train: 'train_text' is text, and so is another array; rename one"),
        (".npz", {"text": np.array([ONES, None], dtype=object)}, "FILE: 'text' is an array of objects, which numpy keeps as a pickle, and none is run; save numbers with their lengths, or a file for each sample"),
        (".npz", {"text": ONES * 1j}, "FILE: 'text' must hold numbers or text, got complex128"),
        (".npz", {"text": np.zeros(2, dtype=[("x", "f4")])}, "FILE: 'text' must hold numbers or text, got [('x', '<f4')]"),
        (".npz", {"text": np.zeros(2, dtype="M8[D]")}, "FILE: 'text' must hold numbers or text, got datetime64[D]"),
        (".npz", {"fs": 16000, "name": "so"}, "FILE: no arrays of a corpus, but fs (ndarray of shape ()), name (ndarray of shape ()); expected train.npz, text_train.npy, y_train.npy, or a file of all arrays of a sample named after it"),
        (".npz", {"audio": ONES, "audio_columns": np.array(["a"])}, "FILE, all: acoustic: 3 features and 1 names of columns"),
        (".npz", {"audio": ONES, "audio_columns": np.array(["a", "b", "a"])}, "FILE, all: acoustic: two columns are named 'a'; rename one"),
        (".npz", {"audio": ONES, "audio_columns": np.array(["frame", "id", "success"])}, "FILE, all: acoustic: no features among its columns frame, id, success"),
        (".npz", {"audio": np.ones((2, 3, 2)), "audio_lengths": np.array([1, 3])}, "FILE, all, sample all000: acoustic has 1 of 3 steps by its lengths, and content in steps 0 to 2; padding stands on one side of a split and holds zeros: mend its lengths, or leave it out of the file, and the padding is found"),
        (".npz", {"audio": ONES, "split": np.array(["train", "extra"])}, "FILE: split 'extra' of sample 1; expected train, valid (dev, val) or test"),
        (".npz", {"audio": ONES, "id": np.array(["a", "a"])}, "FILE: a: 1 id occurs more than once: 'a'; 'a' in all (2); make them unique, or choose duplicates: number, or first"),
        (".npz", {"audio": np.zeros((0, 3))}, "FILE, all: the split is empty; leave it out"),
        (".npz", {"audio": np.zeros((2, 0))}, "FILE, all: acoustic needs at least one feature, got shape (2, 0)"),
        (".npy", np.array([ONES, None], dtype=object), "FILE is an array of objects, which numpy keeps as a pickle, and none is run; save numbers with their lengths, or a file for each sample"),
        (".pt", {"text": torch.zeros(1).expand(10**9, 300)}, "FILE: not a whole .pt file (ValueError: a tensor of shape (1000000000, 300) has 1 numbers; save tensor.contiguous())"),
        (".pt", torch.nn.Linear(2, 2).state_dict(), "FILE: refused to read the parameters of a model: a file of tensors may hold only tensors, arrays, plain containers, strings and numbers"),
        (".pt", torch.nn.Linear(2, 2), "FILE: refused to read 'torch.nn.modules.linear.Linear': a file of tensors may hold only tensors, arrays, plain containers, strings and numbers"),
        (".pt", {"a": torch.ones(2, dtype=torch.complex64)}, "FILE: refused to read 'torch.ComplexFloatStorage': a file of tensors may hold only tensors, arrays, plain containers, strings and numbers"),
        (".pt", {"text": ["a", 1.5]}, "FILE, all: text, sample 0 must hold numbers, got 'a'"),
        (".pt", [torch.ones(2, 3), "so"], "FILE, all: features, sample 1 must hold numbers, got 'so'"),
        (".pt", 3, "FILE: no arrays of a corpus, but one thing (int); expected train.npz, text_train.npy, y_train.npy, or a file of all arrays of a sample named after it"),
    ],
)  # fmt: skip
def test_what_is_refused(ending, content, message, tmp_path):
    assert refusal(write(tmp_path / f"a{ending}", content)) == message


def test_what_is_refused_of_folders(tmp_path):
    write(tmp_path / "one" / "x.npy", ONES)
    write(tmp_path / "one" / "y.npy", np.ones(2))
    write(tmp_path / "one" / "zed.npy", np.ones((3, 3)))
    assert refusal(tmp_path / "one") == (
        "FILE/zed.npy: its name says neither split nor modality; expected train.npz, text_train.npy, y_train.npy, or a "
        "file of all arrays of a sample named after it"
    )
    folder = files_of_samples(tmp_path / "two")
    write(folder / "s9.npz", {"audio": np.ones((2, 5))})
    assert (
        refusal(folder)
        == "FILE, all: acoustic: sample s0 has 2 features and sample s9 5; a modality has one size"
    )
    write(folder / "s9.npz", {"audio": np.ones((2, 2, 2))})
    assert (
        refusal(folder)
        == "FILE/s9.npz: acoustic: expected numbers of shape (steps, feature) or (feature,), got (2, 2, 2)"
    )
    write(folder / "s9.npz", {"audio": np.ones((2, 2)), "audio_times": np.ones(3)})
    assert refusal(folder) == (
        "FILE/s9.npz: acoustic: times must have shape (2, 2) (start and end) or (2,) (instants), got (3,)"
    )
    (folder / "s9.npz").unlink()
    (folder / "labels.csv").write_text("id,label\na,1\nb,2\n")
    assert refusal(folder) == "FILE: none of its 4 files is named after an id, such as 'a'"
    (folder / "labels.csv").write_text("id,label\ns0,1\ns0,1\n")
    assert refusal(folder) == (
        "FILE: two: 1 id occurs more than once: 's0'; 's0' in all (2); make them unique, or choose duplicates: number, or first"
    )
    assert affect.load(folder, duplicates="number")["all"].ids == ("s0[0]", "s0[1]")
    write(folder / "more.npz", {"audio": np.ones((2, 2)), "id": "s0"})
    (folder / "labels.csv").write_text("id,label\ns0,1\n")
    assert refusal(folder) == "FILE: two files hold sample 's0'; keep one"
    (folder / "label.csv").write_text("id,label\ns0,1\n")
    assert (
        refusal(folder) == "FILE: expected one table of labels, got label.csv, labels.csv; name it labels.csv"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": ONES, "b": ONES}, "FILE: expected one array of features, got a, b; call it `values`"),
        ({"times": np.ones(2)}, "FILE: expected one array of features, got none; call it `values`"),
        ({"a": np.ones((2, 2, 2))}, "FILE: expected numbers of shape (steps, feature) or (feature,), got (2, 2, 2)"),
        ({"a": np.ones((2, 0))}, "FILE: expected numbers of shape (steps, feature) or (feature,), got (2, 0)"),
        ({"a": ONES, "times": np.ones(3)}, "FILE: times must have shape (2, 2) (start and end) or (2,) (instants), got (3,)"),
        ({"a": ONES, "mask": np.ones(3)}, "FILE: mask must have shape (2,), got (3,)"),
        ({"a": ONES, "columns": np.array(["a", "b"])}, "FILE: 3 features and 2 names of columns"),
    ],
)  # fmt: skip
def test_what_is_refused_of_one_sample(content, message, tmp_path):
    assert refusal(write(tmp_path / "a.npz", content), arrays.steps) == message
    (tmp_path / "b.npz").write_text("so")
    assert refusal(tmp_path / "b.npz", arrays.steps) == "FILE: neither an .npy, nor an .npz, nor a .pt file"


class Writes:
    """What writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_nothing_is_executed(tmp_path):
    proof = tmp_path / "proof"
    bad = Writes(proof)
    torch.save({"train": {"text": bad}}, tmp_path / "a.pt")
    torch.save({"text": bad}, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    np.save(tmp_path / "a.npy", np.array([bad, 1], dtype=object))
    np.savez(tmp_path / "a.npz", text=np.array([bad], dtype=object))
    with zipfile.ZipFile(tmp_path / "jit.pt", "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(bad, 2))
    pickle.loads(pickle.dumps(bad)).close()
    assert proof.exists()
    proof.unlink()
    for name in ("a.pt", "legacy.pt", "a.npy", "a.npz", "jit.pt"):
        message = refusal(tmp_path / name)
        assert message.startswith("FILE")
        assert not proof.exists()
    assert "refused to read 'io.open'" in refusal(tmp_path / "a.pt")


def zipped(path, entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, raw in entries.items():
            archive.writestr(name, raw)
    return path


def npy(header, raw=b""):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue() + raw


def test_what_is_not_there_takes_no_memory(tmp_path):
    huge = npy({"descr": "<f8", "fortran_order": False, "shape": (10**11, 4)}, bytes(64))
    path = zipped(tmp_path / "a.npz", {"text.npy": huge})
    claims = "claims 3,200,000,000,000 bytes for float64 of shape (100000000000, 4), and has 64"
    assert refusal(path) == f"FILE: 'text' {claims}"
    (tmp_path / "text_train.npy").write_bytes(huge)
    path.unlink()
    assert refusal(tmp_path / "text_train.npy") == f"FILE {claims}"
    endless = npy({"descr": "<f4", "fortran_order": False, "shape": (0, 10**15)})
    path = zipped(tmp_path / "b.npz", {"text.npy": endless})
    assert refusal(path) == "FILE: 'text' has no possible shape, got (0, 1000000000000000)"
    letters = npy({"descr": "<U1", "fortran_order": False, "shape": (2,)}, struct.pack("<2I", 65, 0x110000))
    path = zipped(tmp_path / "c.npz", {"text.npy": letters})
    assert refusal(path) == "FILE: 'text' holds text of what is no character"


def test_what_is_packed_has_room_or_is_not_read(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, train_text=np.zeros((60, 200, 1000)), train_y=np.arange(60.0))
    with memory.within(1):
        said = refusal(path)
    room = r"reading takes 0\.{} GB of memory, and [\d.]+ GB are free; read it where there is more, or make it smaller"
    remedy = r" \(--memory GB raises the limit\)"
    assert re.fullmatch(f"FILE: {room.format('14')}{remedy}", said)
    assert affect.load(path)["train"].modalities["text"].values.shape[1:] == (1000,)
    crowd = zipped(tmp_path / "b.npz", {"text.npy": npy({**HEAD, "shape": (10**6,)}, bytes(10**6))})
    with memory.within(1):
        said = refusal(crowd)
    assert re.fullmatch(f"FILE, all: 1,000,000 samples: {room.format('1')}{remedy}", said)


HEAD = {"descr": "|i1", "fortran_order": False}


def patched(path, old, new, count=-1):
    path.write_bytes(path.read_bytes().replace(old, new, count))
    return path


def test_zips_that_claim_more_than_they_hold(tmp_path):
    small = npy({"descr": "<f4", "fortran_order": False, "shape": (2, 2)}, bytes(16))
    path = zipped(tmp_path / "a.npz", {"text.npy": small})
    size = struct.pack("<2I", len(small), len(small))
    patched(path, size, struct.pack("<2I", len(small), 1 << 31))
    assert refusal(path) == "FILE: entry 'text.npy' claims 2,147 MB that are not in the file"
    path = zipped(tmp_path / "b.npz", {"text.npy": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as archive:
        packed = archive.getinfo("text.npy").compress_size
    patched(path, struct.pack("<2I", packed, 10**7), struct.pack("<2I", packed, 10**9))
    assert refusal(path) == "FILE: entry 'text.npy' claims 1,000 MB that are not in the file"
    zeros = np.zeros((1000, 1000))
    np.savez_compressed(tmp_path / "c.npz", text=zeros)  # what compresses well is believed
    assert contents(tmp_path / "c.npz")["text"].shape == zeros.shape
    patched(zipped(tmp_path / "d.npz", {"text.npy": small, "texa.npy": small}), b"texa", b"text")
    assert refusal(tmp_path / "d.npz") == "FILE: entry 'text.npy' is there twice; keep one"
    path = zipped(tmp_path / "e.npz", {"text.npy": small}, zipfile.ZIP_BZIP2)
    assert (
        refusal(path)
        == "FILE: entry 'text.npy' is encrypted, or packed in another way than numpy and PyTorch do"
    )
    path = zipped(tmp_path / "f.npz", {"text.npy": small[:-1]})
    assert refusal(path) == "FILE: 'text' claims 16 bytes for float32 of shape (2, 2), and has 15"


def repacked(path, change, out):
    """A `.pt` file with another pickle, whose checksums are right."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in entries if name.endswith("data.pkl"))
    return zipped(out, {**entries, name: change(entries[name])})


def test_tensors_that_claim_more_than_they_hold(tmp_path):
    path = write(tmp_path / "a.pt", {"text": torch.arange(4.0)})
    count = b"X\x03\x00\x00\x00cpuq\x06K\x04"
    for change, message in (
        (lambda raw: raw.replace(count, count[:-1] + b"\x05"), "FILE: not a whole .pt file (ValueError: storage 0 claims 5 numbers and has 16 bytes)"),
        (lambda raw: raw.replace(b"K\x04\x85", b"K\x05\x85"), "FILE: not a whole .pt file (ValueError: a tensor of shape (5,) has 4 numbers; save tensor.contiguous())"),
        (lambda raw: raw.replace(b"K\x01\x85", b"K\x02\x85"), "FILE: not a whole .pt file (ValueError: a tensor of shape (4,) has 4 numbers; save tensor.contiguous())"),
        (lambda raw: raw.replace(b"QK\x00", b"QK\x01"), "FILE: not a whole .pt file (ValueError: a tensor of shape (4,) has 4 numbers; save tensor.contiguous())"),
        (lambda raw: raw.replace(b"_rebuild_tensor_v2", b"_rebuild_nested_te"), "FILE: refused to read 'torch._utils._rebuild_nested_te': a file of tensors may hold only tensors, arrays, plain containers, strings and numbers"),
    ):  # fmt: skip
        assert refusal(repacked(path, change, tmp_path / "b.pt")) == message


def test_packed_tensors_and_lists_without_a_name_in_common(tmp_path):
    path = write(tmp_path / "a.pt", {"text": torch.arange(4.0)})
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    zipped(path, entries, zipfile.ZIP_DEFLATED)
    assert refusal(path) == "FILE: it is packed, which PyTorch never does"
    write(path, [{f"name{i}": 1} for i in range(2000)])
    assert refusal(path) == "FILE: a list of 2,000 samples, which have hardly a name in common"


def test_tensors_are_read_as_torch_reads_them(tmp_path):
    whole = torch.arange(24.0).reshape(2, 3, 4)
    content = {
        **{str(kind): torch.arange(4).to(kind) for kind in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)},
        "turned": whole.transpose(0, 2), "some": whole[:, 1:, ::2], "views": [whole[i] for i in range(2)], "none": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5), "parameter": torch.nn.Parameter(torch.ones(2)), "shape": whole.shape, "array": np.arange(3), "nested": OrderedDict(a=(1, "b")),
    }  # fmt: skip
    path = write(tmp_path / "a.pt", content)
    found = contents(path)
    assert found.keys() == content.keys()
    for key, x in content.items():
        if isinstance(x, torch.Tensor):
            assert np.array_equal(
                found[key], x.detach().to(torch.float32 if x.dtype == torch.bfloat16 else x.dtype).numpy()
            )
    assert np.array_equal(found["views"][1], whole[1].numpy())
    assert (found["shape"], found["nested"], found["array"].tolist()) == (
        (2, 3, 4),
        {"a": (1, "b")},
        [0, 1, 2],
    )
    assert kind(path) == "pt"


def fuzzed(tmp_path, form):
    """A whole file, and a function that writes a damaged one."""
    content = {
        "text_train": np.arange(12.0).reshape(2, 3, 2),
        "y_train": np.array([1.5, 2]),
        "id_train": np.array(["a", "b"]),
    }
    if form == "npy":
        path = write(tmp_path / "text_train.npy", content["text_train"])
        return path, path.write_bytes
    if form == "npz":
        path = write(tmp_path / "a.npz", content)
        return path, path.write_bytes
    if form == "entry":
        path = write(tmp_path / "text.npy", content["text_train"])
        return path, lambda raw: zipped(tmp_path / "a.npz", {"text.npy": raw})
    path = write(
        tmp_path / "a.pt",
        {key: torch.tensor(x) if x.dtype.kind == "f" else x.tolist() for key, x in content.items()},
    )
    if form == "pt":
        return path, path.write_bytes
    with zipfile.ZipFile(path) as archive:
        (tmp_path / "raw").write_bytes(archive.read("a/data.pkl"))
    return tmp_path / "raw", lambda raw: repacked(path, lambda _: raw, tmp_path / "b.pt")


@pytest.mark.parametrize("form", ["npy", "npz", "entry", "pt", "pickle"])
def test_damage_never_ends_without_a_message(form, tmp_path, damaged):
    source, writes = fuzzed(tmp_path, form)
    whole, read = source.read_bytes(), 0
    for seed in range(200):
        writes(damaged(whole, seed))
        path = {"entry": tmp_path / "a.npz", "pickle": tmp_path / "b.pt"}.get(form, source)
        arrays.recognises(path)
        with contextlib.suppress(DataError):
            arrays.steps(path)
        try:
            affect.load(path)
            read += 1
        except DataError:
            continue
    assert read < 190
    assert form in ("npz", "pt") or read  # a zip's checksums find nearly all


def test_a_folder_of_arrays_of_all_samples(tmp_path):
    own = {"eeg": RNG.normal(size=(6, 4)), "text": RNG.normal(size=(6, 3)), "labels": RNG.normal(size=6)}
    own["ids"] = np.array(list("abcdef"))
    for key, content in own.items():
        write(tmp_path / "apart" / f"{key}.npy", content)
    np.savez(tmp_path / "one.npz", **own)
    corpus, one = affect.load(tmp_path / "apart"), affect.load(tmp_path / "one.npz")
    assert {name: split.ids for name, split in corpus.splits.items()} == {"all": tuple("abcdef")}
    assert corpus.dims == one.dims == {"eeg": 4, "text": 3}
    assert np.array_equal(corpus["all"].modalities["eeg"].values, own["eeg"].astype(np.float32))
    assert np.array_equal(corpus["all"].targets["sentiment"].values[:, 0], own["labels"].astype(np.float32))
    write(tmp_path / "apart" / "split.npy", np.array(["train"] * 4 + ["test"] * 2))
    parted = affect.load(tmp_path / "apart" / "eeg.npy")
    assert {name: split.ids for name, split in parted.splits.items()} == {
        "train": tuple("abcd"),
        "test": ("e", "f"),
    }
    write(tmp_path / "apart" / "eeg.npy", own["eeg"][:5])
    with pytest.raises(DataError) as caught:
        affect.load(tmp_path / "apart" / "text.npy")
    assert str(caught.value).startswith(
        f"{tmp_path}/apart/text.npy: beside it is eeg.npy, whose name says neither split nor modality; expected "
    )


def test_a_refusal_names_the_file_that_was_asked_for(tmp_path):
    for name in ("e", "e1"):
        np.save(tmp_path / f"{name}.npy", np.array([{1: 2}], dtype=object))
    with pytest.raises(DataError, match=f"^{tmp_path}/e1.npy is an array of objects"):
        affect.load(tmp_path / "e1.npy")


def test_what_else_is_in_the_file_of_a_modality(tmp_path):
    (tmp_path / "labels.csv").write_text("id,y\na,1.5\nb,0.5\n")
    for name in ("a", "b"):
        own = {"features": RNG.normal(size=(2, 3)), "other": np.ones((3, 2)), "fps": 25}
        write(tmp_path / "face" / f"{name}.npz", own)
    corpus = affect.load(tmp_path)
    assert corpus.provenance["face"].rate == 25
    assert corpus["all"].modalities["face"].times.tolist() == [[0, 0], [0.04, 0.04]] * 2
    assert corpus.notes == (
        "face: in 2 files there are 2 arrays 'other' that were not read.",
        "face: in 2 files there are 2 files whose times follow from their steps per second.",
    )


@pytest.mark.parametrize("last", [[], [5.0]])
def test_splits_of_steps_that_lie_end_to_end(last, tmp_path):
    steps = np.array([1.0, 2, 3, 4, *last])
    np.savez(
        tmp_path / "e.npz", split=np.array(["test", "train", "train", "test"]), id=np.array([*"tabu"]),
        y=np.array([1.0, 2, 3, 4]), audio=np.stack([steps, steps], 1),
        audio_lengths=np.array([2, 1, 1 + len(last), 0]), audio_times=steps * 10, audio_mask=steps != 2,
    )  # fmt: skip
    corpus = affect.load(tmp_path / "e.npz")
    train, test = (corpus[s].modalities["acoustic"] for s in ("train", "test"))
    assert (corpus["train"].ids, corpus["test"].ids) == (("a", "b"), ("t", "u"))
    assert [train[i][:, 0].tolist() for i in range(2)] == [[3], [4, *last]]
    assert (test[0][:, 0].tolist(), test.lengths.tolist()) == ([1, 2], [2, 0])
    assert test.observed.tolist() == [True, False]
    assert train.times[:, 0].tolist() == [30, 40, *(10 * x for x in last)]


def test_lengths_beyond_all_bounds(tmp_path):
    np.savez(tmp_path / "e.npz", train_text=np.ones((2, 3, 4)), train_text_lengths=np.array([2**62] * 2))
    with pytest.raises(DataError) as error:
        affect.load(tmp_path / "e.npz")
    assert str(error.value).removeprefix(str(tmp_path)) == (
        "/e.npz, train: text: the length of sample 0 must be a whole number of steps from 0 to 2,147,483,647, got 4,611,686,018,427,387,904"
    )


def test_words_of_files_of_samples_with_a_table(tmp_path):
    for one in "ab":
        np.savez(tmp_path / f"{one}.npz", audio=np.ones((2, 3)), words=np.array(["so", f"good{one}"]))
    (tmp_path / "labels.csv").write_text("id,y\na,1.5\nb,2.5\n")
    words = affect.load(tmp_path)["all"].words
    assert [words[i] for i in range(2)] == [["so", "gooda"], ["so", "goodb"]]
