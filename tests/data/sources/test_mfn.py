import os

import h5py
import numpy as np
import pytest

import affect
from affect.data.sources import mfn
from affect.data.targets import MultiClass, Regression
from affect.errors import DataError

RNG = np.random.default_rng(0)
SPLITS = {"train": 4, "valid": 2, "test": 3}


def steps(count, lengths, dim, time=6, side="front"):
    values = np.zeros((count, time, dim))
    for row, length in zip(values, lengths, strict=True):
        row[slice(time - length, time) if side == "front" else slice(0, length)] = RNG.normal(
            size=(length, dim)
        )
    return values


@pytest.fixture
def write(tmp_path):
    """Write arrays by file name into a folder named `set`; gives the folder."""

    def writer(arrays, key="d1"):
        (tmp_path / "set").mkdir(exist_ok=True)
        for name, values in arrays.items():
            with h5py.File(tmp_path / "set" / f"{name}.h5", "w") as file:
                file[key] = values
        return tmp_path / "set"

    return writer


@pytest.fixture
def arrays():
    """A set with a file per modality."""
    found = {}
    for split, count in SPLITS.items():
        lengths = [6, 2, 3, 1][:count]
        found[f"audio_{split}"] = steps(count, lengths, 3)
        found[f"video_{split}"] = steps(count, lengths, 2)
        found[f"text_{split}_emb"] = steps(count, lengths, 5)
        found[f"y_{split}"] = RNG.normal(size=count)
    return found


def refusal(folder):
    with pytest.raises(DataError) as error:
        mfn.read(folder)
    return str(error.value).replace(str(folder), "SET")


def test_a_file_per_modality(write, arrays):
    arrays["audio_train"][1, -1] = 0  # nothing was heard at one step
    folder = write(arrays)
    for path in (folder, folder / "y_valid.h5", folder / "text_test_emb.h5"):
        corpus = affect.load(path)
        assert (corpus.name, corpus.aligned, corpus.main) == ("set", True, "sentiment")
        assert corpus.dims == {"acoustic": 3, "text": 5, "visual": 2}
        assert corpus.targets == {"sentiment": Regression("sentiment")}
    assert {name: len(split) for name, split in corpus.splits.items()} == SPLITS
    train = corpus["train"]
    assert train.ids == ("train000", "train001", "train002", "train003")
    for m, file in {"acoustic": "audio_train", "visual": "video_train", "text": "text_train_emb"}.items():
        rows = train.modalities[m]
        assert rows.lengths.tolist() == [6, 2, 3, 1]
        for i, length in enumerate(rows.lengths):
            assert np.array_equal(rows[i], arrays[file][i, 6 - length :].astype(np.float32))
    assert train.modalities["acoustic"].observed.tolist() == [True] * 7 + [False] + [True] * 4
    assert train.modalities["visual"].observed.all()
    np.testing.assert_allclose(train.labels("sentiment")[:, 0], arrays["y_train"], rtol=1e-6)
    assert corpus.notes == (
        "acoustic: the padding found stands in front; 1 of 31 steps hold nothing or zeros and count as unobserved.",
        "text: the padding found stands in front; 0 of 31 steps hold nothing or zeros and count as unobserved.",
        "visual: the padding found stands in front; 0 of 31 steps hold nothing or zeros and count as unobserved.",
    )


def test_padding_behind_and_a_sample_that_holds_nothing(write):
    values = steps(3, [2, 0, 6], 3, side="back")
    corpus = affect.load(write({"audio_train": values, "y_train": np.zeros((3, 1))}))
    assert corpus["train"].modalities["acoustic"].lengths.tolist() == [2, 0, 6]
    assert corpus.notes == (
        "acoustic: the padding found stands in back; 0 of 8 steps hold nothing or zeros and count as unobserved.",
        "train: 1 of 3 samples hold nothing in any modality, such as 'train001'.",
    )


@pytest.mark.parametrize("side", ["front", "back"])
def test_no_step_with_content_is_cut_off(write, side):
    values = RNG.normal(size=(20, 9, 3)) * (RNG.random((20, 9, 1)) < 0.4)
    values[:, -1 if side == "back" else 0] = 0  # most padding stands there
    values[3, 0], values[5, -1], values[7, 4] = 1, [0, np.nan, 0], 1e300
    corpus = affect.load(write({"video_train": values, "y_train": np.zeros(20)}))
    rows = corpus["train"].modalities["visual"]
    held = (values != 0).any(2)
    assert rows.observed[rows.index].sum() == held.sum()
    for i in range(20):
        kept = rows[i][rows.observed[rows.starts[i] : rows.starts[i] + rows.lengths[i]]]
        with np.errstate(over="ignore"):
            assert np.array_equal(kept, values[i][held[i]].astype(np.float32), equal_nan=True)


def test_what_float32_cannot_hold_is_infinite_and_said(write):
    values = steps(3, [2, 3, 6], 3)
    values[2, 1, 0], values[2, 2, 1], values[1, -1, 2] = 1e300, -1e39, np.inf
    labels = np.array([1.0, 1e300, np.inf])
    corpus = affect.load(write({"audio_train": values, "y_train": labels}))
    assert np.isinf(corpus["train"].modalities["acoustic"].values).sum() == 3
    assert corpus["train"].labels("sentiment").ravel().tolist() == [1]
    assert corpus.notes[-1] == (
        "train, acoustic: 2 values are beyond what float32 holds and count as infinite."
    )


def test_labels_alone_are_said(write):
    corpus = affect.load(write({"y_train": np.ones(4), "y_test": np.ones(2)}))
    assert corpus.notes == (
        "There are labels alone: the folder has none of X_*.h5, text_*.h5, audio_*.h5, video_*.h5.",
    )


def test_other_names_of_the_splits(write, arrays):
    named = {name.replace("valid", "dev").replace("train", "Train"): x for name, x in arrays.items()}
    corpus = affect.load(write(named))
    assert {name: len(split) for name, split in corpus.splits.items()} == SPLITS
    folder = write({"y_val": np.zeros(2)})
    assert refusal(folder) == "SET, valid: both y_dev.h5 and y_val.h5; keep one of them"


def test_a_modality_that_only_some_splits_have(write, arrays):
    del arrays["text_train_emb"]
    corpus = mfn.read(write(arrays))
    assert corpus.dims["text"] == 5
    assert not corpus["train"].modalities["text"].present.any()
    assert corpus["valid"].modalities["text"].present.all()
    assert corpus.notes[-1] == "text: there is no file for train, whose samples lack it."


def test_modalities_of_their_own_length_are_not_aligned(write, arrays):
    arrays["audio_valid"] = steps(2, [9, 4], 3, time=9)
    corpus = mfn.read(write(arrays))
    assert not corpus.aligned
    assert corpus["valid"].modalities["acoustic"].lengths.tolist() == [9, 4]
    assert corpus["valid"].modalities["visual"].lengths.tolist() == [6, 2]


def test_a_vector_is_one_step(write):
    values = RNG.normal(size=(4, 3))
    corpus = mfn.read(write({"audio_train": values, "y_train": np.zeros(4)}))
    assert corpus["train"].modalities["acoustic"].lengths.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("sizes", [(300, 5, 20), (300, 34, 43), (300, 74, 35), (300, 74, 36), (300, 74, 47)])
def test_all_modalities_side_by_side(write, sizes):
    values = {split: steps(count, [3] * count, sum(sizes)) for split, count in SPLITS.items()}
    arrays = {f"X_{split}": x for split, x in values.items()}
    corpus = mfn.read(write(arrays | {f"y_{split}": np.zeros(n) for split, n in SPLITS.items()}, key="data"))
    assert corpus.dims == dict(zip(("text", "acoustic", "visual"), sizes, strict=True))
    whole = np.concatenate([corpus["test"].modalities[m][1] for m in ("text", "acoustic", "visual")], axis=1)
    assert np.array_equal(whole, values["test"][1, 3:].astype(np.float32))
    text, acoustic, visual = sizes
    assert corpus.notes[-1] == (
        f"X does not say where a modality begins: its {sum(sizes)} columns are taken as "
        f"text {text}, acoustic {acoustic}, visual {visual}."
    )


def test_columns_of_unknown_meaning_are_one_modality(write):
    corpus = mfn.read(write({"X_train": steps(2, [3, 2], 7), "y_train": np.zeros(2)}))
    assert corpus.dims == {"features": 7}
    assert corpus.notes[-1] == (
        "X does not say where a modality begins: its 7 columns are one modality, `features`."
    )


def test_labels(write):
    audio = {"audio_train": steps(3, [3, 2, 1], 2)}
    corpus = mfn.read(write(audio | {"y_train": np.eye(3, dtype=np.float32)[[2, 0, 1]]}))
    assert corpus.targets == {"sentiment": MultiClass("sentiment", classes=("0", "1", "2"))}
    assert corpus["train"].labels("sentiment").ravel().tolist() == [2, 0, 1]
    corpus = mfn.read(write(audio | {"y_train": np.array([[1.0], [np.nan], [2.0]])}))
    assert corpus["train"].labels("sentiment").ravel().tolist() == [1, 2]
    corpus = mfn.read(write(audio | {"y_train": np.array([[1, 0.5], [1, 0], [0, 1]])}))
    assert (list(corpus.targets), corpus.main) == (["label0", "label1"], "")
    assert corpus["train"].labels("label1").ravel().tolist() == [0.5, 0, 1]
    both = mfn.read(write(audio | {"y_train": np.array([[1, 0], [1, 1], [0, 1]])}))
    assert list(both.targets) == ["label0", "label1"]


def test_the_scale_is_that_of_the_corpus_with_as_many_samples(write):
    for counts, scale, author in (
        ({"train": 220, "valid": 40, "test": 80}, (1, 5), "Wollmer"),
        ({"train": 1284, "valid": 229, "test": 686}, (-3, 3), "Zadeh"),
        ({"train": 1284, "valid": 229, "test": 687}, (None, None), ""),
    ):
        corpus = mfn.read(write({f"mine_y_{split}": np.ones(n) for split, n in counts.items()}))
        assert corpus.targets == {"sentiment": Regression("sentiment", low=scale[0], high=scale[1])}
        assert corpus.citation.startswith(author)
        assert bool(corpus.citation) == bool(author)
        assert (corpus.dims, corpus.aligned) == ({}, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_valid": None}, "SET, valid: no labels; expected y_valid.h5 beside audio_valid.h5"),
        ({"y_valid": np.zeros(3)}, "SET, valid: audio_valid.h5 has 2 samples for 3 labels; take both from one set"),
        ({"y_valid": np.zeros((2, 2, 2))}, "SET/y_valid.h5: labels must have shape (samples, columns), got (2, 2, 2)"),
        ({"y_valid": np.zeros((2, 2))}, "SET: expected as many columns of labels in every split, got {'train': 1, 'valid': 2, 'test': 1}"),
        ({"video_valid": np.zeros(2)}, "SET/video_valid.h5: features must have shape (samples, time, feature), got (2,)"),
        ({"video_valid": np.ones((2, 6, 9))}, "set, valid: expected modalities with feature sizes {'acoustic': 3, 'text': 5, 'visual': 2}, got {'acoustic': 3, 'text': 5, 'visual': 9}"),
        ({"video_valid": np.ones((2, 0, 2))}, "SET/video_valid.h5: the array is empty, its shape is (2, 0, 2); leave the file out"),
        ({"lengths_valid": np.zeros(2)}, "SET/lengths_valid.h5: expected X, y, text, audio, video, then train, valid, test, as in y_train.h5; rename it or move it elsewhere"),
        ({"my_y_valid": np.zeros(2)}, "SET, valid: both my_y_valid.h5 and y_valid.h5; keep one of them"),
        ({"X_valid": np.ones((2, 6, 9))}, "SET, valid: X_valid.h5 holds all modalities; keep it or audio_valid.h5"),
        ({"y_valid": np.array([1, np.inf])}, None),
        ({"y_valid": np.array([b"so", b"good"])}, "SET/y_valid.h5: 'd1' must hold numbers, got |S4"),
    ],
)  # fmt: skip
def test_what_is_refused(write, arrays, change, message):
    folder = write({name: values for name, values in (arrays | change).items() if values is not None})
    if message is None:
        corpus = mfn.read(folder)
        assert corpus["valid"].labels("sentiment").ravel().tolist() == [1]
    else:
        assert refusal(folder) == message


def test_a_file_of_two_arrays_or_none_is_refused(write, arrays):
    folder = write(arrays)
    write({"y_test": np.zeros(3)}, key="d1")
    with h5py.File(folder / "y_test.h5", "a") as file:
        file["d2"] = np.zeros(3)
    assert refusal(folder) == "SET/y_test.h5: expected one array, got 2; keep one dataset in each file"
    (folder / "y_test.h5").write_bytes(b"so")
    assert refusal(folder).startswith("SET/y_test.h5: not a whole HDF5 file (Unable to")
    assert mfn.recognises(folder / "y_test.h5")  # so that the message names it


def test_what_is_recognised(write, arrays, tmp_path):
    folder = write(arrays)
    assert mfn.recognises(folder)
    assert mfn.recognises(folder / "y_test.h5")
    (tmp_path / "alone").mkdir()
    for name, content in (("y_train.h5", b"so"), ("other.h5", (folder / "y_test.h5").read_bytes())):
        (tmp_path / "alone" / name).write_bytes(content)
    with h5py.File(tmp_path / "alone" / "y_test.h5", "w") as file:
        file["a"] = h5py.ExternalLink(str(folder / "y_test.h5"), "d1")
    with h5py.File(tmp_path / "alone" / "y_valid.h5", "w") as file:
        file["a/d1"] = np.zeros(3)
    os.mkfifo(tmp_path / "alone" / "text_test.h5")
    for path in (tmp_path / "alone", *(tmp_path / "alone").iterdir(), tmp_path / "none", tmp_path):
        assert not mfn.recognises(path)


def test_damage_never_ends_without_a_message(write, damaged):
    folder = write({"audio_train": steps(4, [6, 2, 3, 1], 3), "y_train": np.zeros(4)})
    whole, read = {file: file.read_bytes() for file in folder.iterdir()}, 0
    for seed in range(500):
        for file, raw in whole.items():
            file.write_bytes(damaged(raw, seed))
        try:
            mfn.recognises(folder)
            mfn.read(folder)
            read += 1
        except DataError:
            continue
    assert 33 < read < 466


@pytest.mark.parametrize(
    ("folder", "dims", "aligned", "target", "counts"),
    [
        ("mmmo", {"acoustic": 74, "text": 300, "visual": 36}, True, Regression("sentiment", low=1, high=5), [220, 40, 80]),
        ("youtube", {"acoustic": 74, "text": 300, "visual": 36}, True, MultiClass("sentiment", classes=("0", "1", "2")), [173, 36, 60]),
        ("mosi_labels", {}, False, Regression("sentiment", low=-3, high=3), [1284, 229, 686]),
    ],
)  # fmt: skip
def test_the_published_files(real_data, folder, dims, aligned, target, counts):
    corpus = affect.load(real_data / "mfn" / folder)
    assert (corpus.name, corpus.dims, corpus.aligned) == (folder, dims, aligned)
    assert corpus.targets == {"sentiment": target}
    assert [len(split) for split in corpus.splits.values()] == counts
    assert "et al." in corpus.citation
    if dims:
        assert not corpus["train"].modalities["text"].present.any()
        assert "text: there is no file for train, whose samples lack it." in corpus.notes
    if folder == "youtube":  # most of it holds nothing
        assert "train: 125 of 173 samples hold nothing in any modality, such as 'train002'." in corpus.notes
