import h5py
import numpy as np
import pytest

import affect
from affect.data.formats import csd
from affect.data.provenance import Provenance
from affect.data.sources import computational_sequences as sequences
from affect.errors import AffectError, ConfigError, DataError

RNG = np.random.default_rng(0)
TIMES = np.array([[0.0, 1.0], [1.0, 2.5]])


def test_features_alone_are_a_sample_per_video(write_csd):
    values = {v: RNG.normal(size=(2, 3)).astype(np.float32) for v in "ab"}
    path = write_csd("COVAREP", {v: (TIMES, x) for v, x in values.items()})
    corpus = affect.load(path)
    split = corpus["all"]
    assert (corpus.name, corpus.aligned, corpus.targets, split.ids) == ("COVAREP", False, {}, ("a", "b"))
    rows = split.modalities["acoustic"]
    assert np.array_equal(rows[1], values["b"])
    assert rows.times[:2].tolist() == TIMES.tolist()


def test_a_folder_is_a_set(write_csd, tmp_path):
    write_csd("COVAREP", {v: (TIMES, np.ones((2, 3))) for v in "ab"})
    write_csd("FACET_4.2", {"a": (TIMES, np.ones((2, 5)))})
    write_csd("words", {v: (TIMES, np.array([["so"], ["good"]], dtype="S4")) for v in "ab"})
    write_csd("Opinion Segment Labels", {v: ([[0.0, 1.2], [1.2, 3.0]], [[1.0], [-1.0]]) for v in "ab"})
    corpus = affect.load(tmp_path)
    split = corpus["all"]
    assert split.ids == ("a[0]", "a[1]", "b[0]", "b[1]")
    assert corpus.dims == {"acoustic": 3, "visual": 5}
    assert [split.words[i] for i in range(4)] == [["so"], ["good"]] * 2
    assert split.modalities["visual"].present.tolist() == [True, True, False, False]
    assert split.labels("sentiment").ravel().tolist() == [1, -1, 1, -1]


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("CMU_MOSI_COVAREP", "acoustic"), ("CMU_MOSI_openSMILE_IS09", "acoustic"), ("CMU_MOSEI_VisualFacet42", "visual"),
        ("CMU_MOSEI_VisualOpenFace2", "visual"), ("CMU_MOSI_TimestampedWordVectors_1.1", "text"),
        ("glove_vectors", "text"), ("All Labels", "labels"), ("Opinion Segment Labels", "labels"), ("ECG", "ECG"),
    ],
)  # fmt: skip
def test_the_modality_is_told_from_the_name_in_the_file(name, role, write_csd):
    with csd.opened(write_csd(name, {"a": (TIMES, np.ones((2, 1)))}, file="any")) as sequence:
        assert sequence.role == role


def test_two_of_one_modality_keep_their_own_names(write_csd, tmp_path):
    for name in ("COVAREP", "OpenSMILE"):
        write_csd(name, {"a": (TIMES, np.ones((2, 3)))})
    assert affect.load(tmp_path).dims == {"COVAREP": 3, "OpenSMILE": 3}


def test_other_shapes_and_types(write_csd):
    one = write_csd("ECG", {"a": ([0.0, 1.0], [7.0, 8.0])})
    assert affect.load(one)["all"].modalities["ECG"][0].tolist() == [[7, 8]]
    flat = write_csd("ECG", {"a": (TIMES, np.array([7, 8]))})
    assert affect.load(flat)["all"].modalities["ECG"][0].tolist() == [[7], [8]]
    path = write_csd("words", {"a": (TIMES, np.array(["so", "gü"], dtype=object))})
    assert affect.load(path)["all"].words[0] == ["so", "gü"]
    latin = write_csd("words", {"a": (TIMES, np.array([b"so", b"g\xfc"]))})
    assert affect.load(latin)["all"].words[0] == ["so", "gü"]


def refusal(path, kind=DataError):
    with pytest.raises(kind) as error:
        affect.load(path)
    return str(error.value).replace(str(path), "FILE")


def test_what_is_refused(write_csd, tmp_path):
    path = write_csd("ECG", {"a": (TIMES, np.ones((3, 2)))})
    assert refusal(path) == "FILE, a: 3 rows of features for 2 intervals"
    path = write_csd("ECG", {"a": (np.ones((2, 3)), np.ones((2, 2)))})
    assert refusal(path) == "FILE, a: intervals must have shape (entries, 2), got (2, 3)"
    path = write_csd("ECG", {"a": (TIMES, np.ones((2, 2, 2)))})
    assert (
        refusal(path) == "FILE, a: features must have shape (entries, 4) as in the first video, got (2, 2, 2)"
    )
    path = write_csd("ECG", {"a": (TIMES, np.ones(2, dtype=complex))})
    assert refusal(path) == "FILE, a: 'a/features' must hold numbers, got complex128"
    with h5py.File(path, "a") as file:
        del file["ECG/data/a/features"]
    assert refusal(path) == "FILE: no dataset 'a/features' in the file itself"
    with h5py.File(path, "a") as file:
        file.create_group("other/data")
    assert refusal(path) == "FILE: a computational sequence has one group with 'data' in it, got 2"
    write_csd("words", {"a": (TIMES, np.array([b"so", b"good"]))}, file="one")
    two = write_csd("words", {"a": (TIMES, np.array([b"so", b"good"]))}, file="two")
    path.unlink()
    assert refusal(tmp_path, ConfigError) == (
        f"{two}: 'words' is already in {tmp_path / 'one.csd'}; keep one of the two, or name them: NAME=PATH"
    ).replace(str(tmp_path), "FILE")
    for name in ("one", "two"):
        write_csd("labels", {"a": (TIMES, [[1.0], [2.0]])}, file=name)
    assert refusal(tmp_path) == "FILE: expected one label file, got one.csd, two.csd"


def test_what_lies_elsewhere_or_nowhere_is_not_read(write_csd, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = np.ones((2, 2))
    path = write_csd("ECG", {"a": (TIMES, np.ones((2, 2)))})
    with h5py.File(path, "a") as file:
        del file["ECG/data/a/features"]
        file["ECG/data/a/features"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "secret")
    assert refusal(path) == "FILE: no dataset 'a/features' in the file itself"
    with h5py.File(path, "a") as file:
        del file["ECG/data/a/features"]
        layout = h5py.VirtualLayout((2, 2), np.float64)
        layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "secret", shape=(2, 2))
        file.create_virtual_dataset("ECG/data/a/features", layout)
    assert refusal(path) == "FILE: 'a/features' stands in another file; only what is in this one is read"
    with h5py.File(path, "a") as file:
        del file["ECG/data/a/features"]
        (tmp_path / "raw").write_bytes(np.ones((2, 2)).tobytes())
        file.create_dataset("ECG/data/a/features", (2, 2), "f8", external=[(str(tmp_path / "raw"), 0, 32)])
    assert refusal(path) == "FILE: 'a/features' stands in another file; only what is in this one is read"
    with h5py.File(path, "a") as file:
        del file["ECG/data/a/features"]
        file.create_dataset("ECG/data/a/features", (10**9, 2), "f4", chunks=(1000, 2))
    assert refusal(path) == "FILE: 'a/features' claims 8,000 MB that are not in the file"


def test_words_that_all_point_at_one_long_text_do_not_fill_the_memory(write_csd):
    path = write_csd("words", {"a": (TIMES, np.array(["x" * 500_000, "y"], dtype=object))})
    with h5py.File(path, "a") as file:
        words = file["ECG" if "ECG" in file else "words"]["data/a"]
        del words["features"]
        words["features"] = np.array(["x" * 500_000] * 64, dtype=object)
    raw = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        at = file["words/data/a/features"].id.get_offset()
    raw[at : at + 64 * 16] = raw[at : at + 16] * 64  # every element the same reference
    path.write_bytes(raw[: len(raw)])
    assert "the file; it repeats itself" in refusal(path) or "rows of features" in refusal(path)


def test_damage_never_ends_without_a_message(write_csd, damaged, tmp_path):
    whole = write_csd(
        "COVAREP", {v: (TIMES, RNG.normal(size=(2, 3)).astype(np.float32)) for v in "abc"}
    ).read_bytes()
    path, read = tmp_path / "damaged", 0
    for seed in range(500):
        path.write_bytes(damaged(whole, seed))
        try:
            if sequences.recognises(path):
                sequences.read(path)
                read += 1
        except AffectError:
            continue
    assert 100 < read < 400


@pytest.mark.parametrize(
    ("name", "said", "made"),
    [
        ("CMU_MOSI_COVAREP", {}, Provenance("COVAREP", clock="recording")),
        ("CMU_MOSEI_VisualFacet42", {"root name": '"FACET 4.2"'}, Provenance("FACET 4.2", clock="recording")),
        ("x", {"root name": "OpenFace2", "computational sequence version": "1.0"}, Provenance("OpenFace2", "1.0", clock="recording")),
        ("x", {"root name": '"x"', "featureset name": "IS09", "featureset version": '"2"'}, Provenance("IS09", "2", clock="recording")),
        ("audio_x", {"root name": "null", "computational sequence version": "None"}, Provenance("audio_x", clock="recording")),
        ("COVAREP", {"root name": "[" * 100_000}, Provenance("[" * 100_000, clock="recording")),
        ("acoustic", {"computational sequence version": "1.0"}, None),  # as affect's own export
        ("ECG", {"root name": "ECG"}, None),
    ],
)  # fmt: skip
def test_who_made_the_features(name, said, made, write_csd):
    path = write_csd(name, {"a": (TIMES, np.ones((2, 1)))}, file="any")
    with h5py.File(path, "a") as file:
        for key in list(file[f"{name}/metadata"]):
            del file[f"{name}/metadata/{key}"]
        for key, value in said.items():
            file[f"{name}/metadata/{key}"] = [value]
    corpus = affect.load(path)
    assert corpus.provenance == ({} if made is None else {next(iter(corpus.dims)): made})


@pytest.mark.parametrize(
    ("names", "columns"),
    [(["a", "b"], ("a", "b")), ('["a", "b"]', ("a", "b")), ("a, b", ()), ("[" * 100_000, ()), ({"a": 1}, ()), (["a"], ())],
)  # fmt: skip
def test_names_of_columns(names, columns, write_csd):
    corpus = affect.load(write_csd("COVAREP", {"a": (TIMES, np.ones((2, 2)))}, columns=names))
    assert corpus.columns == ({"acoustic": columns} if columns else {})
    said = "COVAREP.csd names 1 columns for 2 features: the names are not kept."
    assert (said in corpus.notes) == (names == ["a"])


def test_what_a_folder_lacks_is_said(write_csd, tmp_path):
    write_csd("COVAREP", {v: (TIMES, np.ones((2, 3))) for v in "abc"})
    write_csd("FACET_4.2", {"a": (TIMES, np.ones((2, 5)))})
    write_csd("Labels", {v: ([[0.0, 1.2], [7.0, 7.0]], [[1.0], [-1.0]]) for v in "abd"})
    corpus = affect.load(tmp_path)
    assert corpus["all"].ids == ("a[0]", "b[0]", "d[0]")
    assert corpus.notes == (
        "1 of 4 videos are not in every file and are left out: Labels.csd lacks c.",
        "2 of 3 videos are not in every file and are kept: COVAREP.csd lacks d; FACET_4.2.csd lacks b, d.",
        "3 of 6 segments are shorter than 1e-05 s and are no samples, as in the SDK: a[1], b[1], d[1].",
        "all: 1 of 3 samples hold nothing in any modality, such as 'd[0]'.",
    )


def test_segments_that_all_take_no_time_are_refused(write_csd):
    path = write_csd("Labels", {v: ([[1.0, 1.0], [2.0, 2.0]], [[1.0], [2.0]]) for v in "ab"})
    assert refusal(path) == "FILE: none of its 4 segments is as long as 1e-05 s"


@pytest.mark.parametrize(
    ("file", "dims", "samples", "words"),
    [
        (
            "CMU_MOSI_Opinion_Labels",
            {},
            {"train": 1283, "valid": 229, "test": 686},
            None,
        ),  # one takes no time
        ("mosi_audio73_utterance", {"acoustic": 73}, {"train": 52, "valid": 10, "test": 31}, None),
        ("mosi_words_shiftfixed", {}, {"train": 52, "valid": 10, "test": 31}, 50963),
        ("CMU_MOSI_ModifiedTimestampedWords", {}, {"train": 52, "valid": 10, "test": 31}, 51056),
    ],
)
def test_the_files_of_mosi(file, dims, samples, words, real_data):
    corpus = affect.load(real_data / "mosi" / f"{file}.csd")
    assert (corpus.dims, {name: len(split) for name, split in corpus.splits.items()}) == (dims, samples)
    found = [split.words.total for split in corpus.splits.values() if split.words is not None]
    assert (sum(found) or None) == words


def test_files_without_entries_are_left_out(write_csd, tmp_path):
    write_csd("ECG", {"a": (TIMES, np.ones((2, 3)))})
    with h5py.File(tmp_path / "EEG.csd", "w") as file:
        file.create_group("EEG/data")
    corpus = affect.load(tmp_path)
    assert corpus.dims == {"ECG": 3}
    assert corpus.notes[0] == "EEG.csd has no entries and is left out."
    assert refusal(tmp_path / "EEG.csd") == "FILE: no entries of features or words, so no samples"


def test_the_size_is_that_of_the_first_entry_with_features(write_csd):
    path = write_csd("ECG", {"a": (np.zeros((0, 2)), np.zeros((0, 3))), "b": (TIMES, np.ones((2, 3)))})
    assert affect.load(path)["all"].modalities["ECG"].lengths.tolist() == [0, 2]


def test_a_video_and_its_piece_are_refused(write_csd):
    path = write_csd("ECG", {one: (TIMES, np.ones((2, 3))) for one in ("v", "v[1]")})
    assert refusal(path) == (
        "FILE: 'v' is an entry, and so is 'v[1]', which to the SDK is a piece of it; rename one"
    )
