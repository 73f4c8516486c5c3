import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import torch

import affect
from affect.data.sources import folders
from affect.data.targets import Binary, MultiClass, Regression
from affect.errors import DataError

RNG = np.random.default_rng(0)
LABELS = "video_id,clip_id,text,label,label_A,annotation,is_long,mode\n" + "".join(
    f"{video},{clip},so good,{label},{label / 2},{'Positive' if label > 0 else 'Negative'},{int(clip == '0002')},{mode}\n"
    for video, clip, label, mode in [("v", "0001", 1.5, "train"), ("v", "0002", -1, "train"), ("w", "0001", 3, "dev"), ("x", "1", -2, "test")]
)  # fmt: skip
IDS = ("v$_$0001", "v$_$0002", "w$_$0001", "x$_$1")


@pytest.fixture
def write(tmp_path):
    """Write files by their paths into a folder named `set`; None leaves one out. Gives the folder."""

    def writer(files):
        for name, content in files.items():
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str | bytes):
                path.write_bytes(content.encode() if isinstance(content, str) else content)
            elif content is not None:
                np.save(path, content)
        return tmp_path / "set"

    return writer


@pytest.fixture
def files():
    return {
        "label.csv": LABELS,
        "README.md": "Hello, world.\nThis, too.\n",
        **{f"audio/{one}.npy": RNG.normal(size=(3 + i, 4)) for i, one in enumerate(IDS)},
        **{f"vision/{one.replace('$_$', '/')}.npy": RNG.normal(size=5) for one in IDS[:3]},
    }


def refusal(folder):
    with pytest.raises(DataError) as error:
        folders.read(folder)
    return str(error.value).replace(str(folder), "SET")


def test_arrays_and_a_table(write, files):
    files["audio/w$_$0001.npy"][2] = 0
    corpus = affect.load(write(files))
    assert (corpus.name, corpus.main, corpus.aligned) == ("set", "sentiment", False)
    assert corpus.dims == {"acoustic": 4, "visual": 5}
    assert corpus.targets == {
        "sentiment": Regression("sentiment"),
        "sentiment_acoustic": Regression("sentiment_acoustic"),
        "annotation": MultiClass("annotation", classes=("Negative", "Positive")),
        "is_long": Binary("is_long"),
    }
    assert {name: split.ids for name, split in corpus.splits.items()} == {
        "train": IDS[:2],
        "valid": IDS[2:3],
        "test": IDS[3:],
    }
    assert corpus["train"].groups == ("v", "v")
    assert corpus["train"].words[1] == ["so", "good"]
    assert corpus["train"].labels("sentiment").ravel().tolist() == [1.5, -1]
    assert corpus["test"].labels("annotation").ravel().tolist() == [0]
    for split, i, one in (
        ("train", 0, IDS[0]),
        ("train", 1, IDS[1]),
        ("valid", 0, IDS[2]),
        ("test", 0, IDS[3]),
    ):
        own = files[f"audio/{one}.npy"].astype(np.float32)
        assert np.array_equal(corpus[split].modalities["acoustic"][i], own)
        vector = files.get(f"vision/{one.replace('$_$', '/')}.npy")
        assert np.array_equal(
            corpus[split].modalities["visual"][i],
            np.zeros((0, 5)) if vector is None else vector[None].astype(np.float32),
        )
    assert corpus["valid"].modalities["acoustic"].pad(np.array([0])).mask[0].tolist() == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert not corpus["test"].modalities["visual"].present[0]
    assert corpus.notes == (
        "Columns 'label' and 'label_A' are read as the targets sentiment, sentiment_acoustic.",
        "acoustic: 1 of 18 steps hold nothing or zeros and count as unobserved.",
    )


def test_files_of_text(write):
    start = "frame, timestamp, face_id, AU01_r\n"
    corpus = folders.read(
        write(
            {
                "labels.tsv": "id\tlabel\na\t1\nb\t\nc\t0\n",
                "visual/a.csv": start + "1, 0.0, 0, 0.5\n2, 0.04, 0, 0.25\n",
                "visual/b.csv": start,
                "visual/c.csv": start + "1, 0.0, 1, 2\n",
                "egemaps/a.csv": "name;frameTime;F0;f0\n'unknown';0.5;1;2\n",
                "spans/a.csv": "start,end,x\n0,1,3\n",
                "spans/b.npy": np.array([7]),
            }
        )
    )
    split = corpus["all"]
    assert corpus.dims == {"egemaps": 2, "spans": 1, "visual": 1}
    assert corpus.columns == {"egemaps": ("F0", "f0"), "visual": ("AU01_r",)}
    assert split.modalities["visual"].lengths.tolist() == [2, 0, 1]
    assert split.modalities["visual"][0].tolist() == [[0.5], [0.25]]
    assert split.modalities["visual"].times.tolist() == [[0, 0], [0.04, 0.04], [0, 0]]
    assert split.modalities["egemaps"].times.tolist() == [[0.5, 0.5]]
    np.testing.assert_array_equal(split.modalities["spans"].times, [[0, 1], [np.nan, np.nan]])
    assert corpus.targets == {"sentiment": Binary("sentiment")}
    assert split.targets["sentiment"].observed.tolist() == [True, False, True]
    assert corpus.notes == (
        "Column 'label' is read as the target sentiment.",
        "all: 1 of 3 labels of sentiment is missing, and counts as not given.",
        "egemaps: column 'name' is no feature and is left out; `columns` keeps any by name.",
        "spans: 1 of 2 files lack times, and no times of theirs are kept.",
        "visual: columns 'frame' and 'face_id' are no features and are left out; `columns` keeps any by name.",
    )


def test_modalities_of_the_same_lengths_are_aligned(write):
    table = {
        "labels.csv": "id,label\na,1\nb,2\n",
        "text/a.npy": np.ones((2, 3)),
        "text/b.npy": np.ones((4, 3)),
    }
    together = folders.read(write(table | {"audio/a.npy": np.ones((2, 1))}))
    assert together.aligned
    assert together.notes == (
        "Column 'label' is read as the target sentiment.",
        "Step t counts as the same moment in every modality, since no sample has two lengths.",
    )
    apart = folders.read(write(table | {"audio/b.npy": np.ones((3, 1))}))
    assert not apart.aligned
    assert apart.notes == (
        "Column 'label' is read as the target sentiment.",
        "The modalities count as not aligned, since their steps differ: acoustic 3, text 4 in sample b.",
    )


def test_files_without_a_row_are_counted(write, files):
    corpus = folders.read(write(files | {"audio/other.npy": np.ones((2, 9)), "audio/v/9.npy": np.ones(3)}))
    assert corpus.notes == (
        "Columns 'label' and 'label_A' are read as the targets sentiment, sentiment_acoustic.",
        "acoustic: 2 files have no row in label.csv and are left out.",
    )


def test_what_is_no_modality_is_passed_over(write, files):
    more = {
        "Raw/v.mp4": "so",
        ".cache/a.npy": np.ones(2),
        "deep/er/and/er.npy": np.ones(2),
        "other.csv": LABELS,
    }
    assert folders.read(write(files | more)).dims == {"acoustic": 4, "visual": 5}


def test_no_id_leads_out_of_the_folder(write, tmp_path):
    np.save(tmp_path / "secret.npy", np.ones(2))
    folder = write(
        {"labels.csv": f"id,label\n../../secret,1\n{tmp_path}/secret,1\na,1\n", "text/a.npy": np.ones(2)}
    )
    assert folders.read(folder)["all"].modalities["text"].present.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label.csv": None, "a.csv": LABELS, "b.csv": LABELS}, "SET: expected one table of labels, got a.csv, b.csv; name it labels.csv"),
        ({"labels.tsv": LABELS}, "SET: expected one table of labels, got label.csv, labels.tsv; name it labels.csv"),
        ({"label.csv": None}, "SET: expected one table of labels, got none; name it labels.csv"),
        ({"label.csv": "name,label\na,1\n"}, "SET/label.csv: no column `id`; expected a column `id` (or `video_id` and `clip_id`); all but split, text and group is a label; got name, label; call 'name' id"),
        ({"label.csv": LABELS + LABELS.splitlines()[1]}, "SET/label.csv: 1 id occurs more than once: 'v$_$0001'; 'v$_$0001' in train (2); make them unique, or choose duplicates: number, or first"),
        ({"label.csv": "id,label\na,1\n"}, "SET/audio: none of its 4 files is named after an id, such as 'a'"),
        ({"acoustic/v$_$0001.npy": np.ones(3)}, "SET: two folders hold acoustic, one is 'audio'; keep one of them"),
        ({"audio/v$_$0001.csv": "x\n1\n"}, "SET/audio: both v$_$0001.csv and v$_$0001.npy; keep one of them"),
        ({"audio/w$_$0001.npy": np.ones((2, 9))}, "SET/audio: sample v$_$0001 has 4 features and sample w$_$0001 9; a modality has one size"),
        ({"audio/w$_$0001.npy": np.ones((2, 2, 4))}, "SET/audio/w$_$0001.npy: expected numbers of shape (steps, feature) or (feature,), got (2, 2, 4)"),
        ({"audio/w$_$0001.npy": np.ones((2, 4)) * 1j}, "SET/audio/w$_$0001.npy must hold numbers or text, got complex128"),
        ({"audio/w$_$0001.npy": np.array([None])}, "SET/audio/w$_$0001.npy is an array of objects, which numpy keeps as a pickle, and none is run; save numbers with their lengths, or a file for each sample"),
        ({"audio/w$_$0001.npy": np.ones((2, 0))}, "SET/audio/w$_$0001.npy: expected numbers of shape (steps, feature) or (feature,), got (2, 0)"),
        ({"ecg/v$_$0001.csv": "1,2\n3,4\n"}, "SET/ecg/v$_$0001.csv: expected a header that names features, got 1, 2"),
        ({"ecg/v$_$0001.csv": "frame,time\n3,4\n"}, "SET/ecg/v$_$0001.csv: expected a header that names features, got frame, time"),
        ({"ecg/v$_$0001.csv": "x,y\n3,so\n"}, "SET/ecg/v$_$0001.csv: column 'y' must hold numbers, got 'so'"),
        ({"ecg/v$_$0001.csv": "x,y\n3,4\n", "ecg/x$_$1.csv": "y,x\n3,4\n"}, "SET/ecg: samples v$_$0001 and x$_$1 have other columns or another order of them"),
    ],
)  # fmt: skip
def test_what_is_refused(write, files, change, message):
    assert refusal(write({k: v for k, v in (files | change).items() if v is not None})) == message


def test_a_table_without_files_is_refused(write):
    assert (
        refusal(write({"labels.csv": "id,label\na,1\n"}))
        == "SET: no feature files; expected MODALITY/a.npy or .csv"
    )


def test_an_array_that_claims_more_than_there_is_takes_no_memory(write, files):
    folder = write(files)
    path = folder / "audio" / "x$_$1.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (10**11, 4)}
        )
        file.write(bytes(64))
    assert refusal(folder) == (
        "SET/audio/x$_$1.npy claims 3,200,000,000,000 bytes for float64 of shape (100000000000, 4), and has 64"
    )


def test_an_array_of_no_steps_is_a_sample_without(write, files):
    files["audio/x$_$1.npy"] = np.zeros((0, 4), np.float32)
    assert not folders.read(write(files))["test"].modalities["acoustic"].present[0]


def test_what_is_recognised(write, files, tmp_path):
    folder = write(files)
    assert folders.recognises(folder)
    os.mkfifo(folder / "audio" / "pipe.npy")
    os.mkfifo(folder / "pipe.csv")
    (folder / "audio" / "loop").symlink_to(folder / "audio")
    assert folders.recognises(folder)
    for path in (tmp_path, folder / "audio", folder / "label.csv", tmp_path / "none", tmp_path / "a\0b"):
        assert not folders.recognises(path)


def test_files_of_one_modality_may_be_of_many_kinds(write):
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    steps = {one: RNG.normal(size=(3, 2)).astype(np.float32) for one in "abcdefghi"}
    rows = {one: "".join(f"{x},{y}\n" for x, y in own) for one, own in steps.items()}
    folder = write(
        {
            "labels.csv": "id,label\n" + "".join(f"{one},1.5\n" for one in steps),
            "face/a.npy": steps["a"],
            "face/d.csv": "x,z\n" + rows["d"],
            "face/e.tsv": ("x,z\n" + rows["e"]).replace(",", "\t"),
            "face/f.txt": ("x;z\n" + rows["f"].replace(",", ";").replace(".", ",")).encode("utf-16"),
            "face/g.arff": f"@relation r\n@attribute x numeric\n@attribute z numeric\n@data\n{rows['g']}",
            "face/.h.csv": "of another system",
        }
    )
    np.savez(folder / "face" / "b.npz", values=steps["b"])
    torch.save(torch.from_numpy(steps["c"]), folder / "face" / "c.pt")
    scipy.io.savemat(folder / "face" / "h.mat", {"features": steps["h"].astype(float)})
    pd.DataFrame(steps["i"], columns=["x", "z"]).to_parquet(folder / "face" / "i.parquet")
    corpus = affect.load(folder)
    for i, one in enumerate(steps):
        np.testing.assert_allclose(corpus["all"].modalities["face"][i], steps[one], rtol=1e-6)
    assert corpus.columns == {}
    assert corpus.notes == (
        "Column 'label' is read as the target sentiment.",
        "face: in 9 files there are 1 files with decimal commas, of which 1,5 is read as 1.5.",
    )


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        ("mat", "SET/face/a.mat: not a whole MATLAB file"),
        ("arff", "SET/face/a.arff: not a whole ARFF file"),
        ("pt", "SET/face/a.pt: neither an .npy, nor an .npz, nor a .pt file"),
    ],
)
def test_a_suffix_promises_what_is_in_the_file(write, suffix, message):
    assert refusal(write({"labels.csv": "id,label\na,1\n", f"face/a.{suffix}": "so"})) == message


@pytest.mark.parametrize("name", ["labels.csv", "text/a.npy", "visual/a.csv", "audio/a.txt"])
def test_damage_never_ends_without_a_message(write, damaged, name):
    files = {
        "text": np.ones((30, 20)),
        "visual": "frame,x,y\n1,0.5,2\n2,0.25,3\n",
        "audio": "time;x;y\n1;0,5;2\n2;0,25;3\n".encode("utf-16"),
    }
    folder = write(
        {
            "labels.csv": "id,split,label,kind\na,train,1.5,k\nb,test,2,l\n",
            **{
                f"{place.parent.name}/{one}{place.suffix}": files[place.parent.name]
                for place in [Path("visual/a.csv" if name == "labels.csv" else name)]
                for one in "ab"
            },
        }
    )
    whole, read = (folder / name).read_bytes(), 0
    for seed in range(500):
        (folder / name).write_bytes(damaged(whole, seed))
        folders.recognises(folder)
        try:
            folders.read(folder)
            read += 1
        except DataError:
            continue
    assert 15 < read < 485
