import warnings

import numpy as np
import pytest

import affect
from affect.data.corpus import Corpus, Split
from affect.data.export import to_csd
from affect.data.ragged import Ragged, Words
from affect.data.targets import MultiLabel, Regression
from affect.data.words import align
from affect.errors import DataError

RNG = np.random.default_rng(0)


def timed(rows, begins):
    """Rows of one step per half second, from each one's begin."""
    starts = np.concatenate([b + 0.5 * np.arange(len(r)) for r, b in zip(rows, begins, strict=True)])
    ragged = Ragged.from_rows(rows, rows[0].shape[1])
    return Ragged(
        ragged.starts, ragged.lengths, ragged.values, ragged.observed, np.stack([starts, starts + 0.5], 1)
    )


def a_corpus(ids=("a[0]", "a[1]", "b[0]"), begins=(0, 2, 0)):
    rows = [RNG.normal(size=(n, 3)) for n in (4, 2, 3)]
    words = Words.from_offsets(
        ["so", "gü", "oh", "well"],
        np.array([0, 2, 3, 4]),
        np.array([[0, 0.5], [0.5, 1], [2, 2.5], [0.2, 0.4]]),
    )
    split = Split(
        ids=ids, modalities={"ecg": timed(rows, begins)}, words=words, groups=("a", "a", "b"),
        targets={"sentiment": Ragged.vectors(np.array([1.0, -2.0, 0.5]))},
    )  # fmt: skip
    return Corpus("toy", {"all": split}, {"sentiment": Regression("sentiment")}, main="sentiment")


def test_what_is_written_is_read_again(tmp_path):
    corpus = a_corpus()
    to_csd(corpus, tmp_path)
    again = affect.load(tmp_path)
    ours, theirs = corpus["all"], again["all"]
    assert theirs.ids == ours.ids
    assert theirs.groups == ours.groups
    assert [theirs.words[i] for i in range(3)] == [["so", "gü"], ["oh"], ["well"]]
    assert all(np.array_equal(theirs.modalities["ecg"][i], ours.modalities["ecg"][i]) for i in range(3))
    assert np.array_equal(theirs.modalities["ecg"].times, ours.modalities["ecg"].times)
    assert np.array_equal(theirs.labels("sentiment"), ours.labels("sentiment"))


def test_unobserved_steps_and_absent_modalities_are_left_out(tmp_path):
    corpus = a_corpus()
    rows = corpus["all"].modalities["ecg"]
    seen = np.ones(9, dtype=bool)
    seen[[1, 4, 5]] = False
    split = Split(
        corpus["all"].ids,
        {"ecg": rows.keep(seen)},
        corpus["all"].targets,
        corpus["all"].groups,
        corpus["all"].words,
    )
    to_csd(Corpus("toy", {"all": split}, corpus.targets), tmp_path)
    again = affect.load(tmp_path)["all"].modalities["ecg"]
    assert again.lengths.tolist() == [3, 0, 3]
    assert np.array_equal(again[0], rows[0][[0, 2, 3]])


def test_without_times_steps_count_as_seconds_and_fewer_are_spread(tmp_path):
    rows = {"ecg": [np.ones((4, 1)), np.ones((2, 1))], "eeg": [np.ones((2, 1)), None]}
    split = Split(
        ("a[0]", "a[1]"), {m: Ragged.from_rows(x, 1) for m, x in rows.items()},
        {"y": Ragged.vectors(np.array([[1.0, 0.0], [0.0, 1.0]]))},
    )  # fmt: skip
    to_csd(Corpus("toy", {"all": split}, {"y": MultiLabel("y", classes=("sad", "happy"))}), tmp_path)
    again = affect.load(tmp_path)
    assert again["all"].modalities["ecg"].times[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert again["all"].modalities["eeg"].times.tolist() == [[0, 2], [2, 4]]
    assert (list(again.targets), again["all"].labels("happy").ravel().tolist()) == (["sad", "happy"], [0, 1])


def test_the_sdk_reads_and_aligns_it(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's own
        mmdatasdk = pytest.importorskip(
            "mmsdk.mmdatasdk", reason="the SDK is not installed: pip install 'affect[mmsdk]'"
        )
    corpus = a_corpus(ids=("a", "b", "c"), begins=(0, 2, 0))
    to_csd(corpus, tmp_path)
    dataset = mmdatasdk.mmdataset(
        {name: str(tmp_path / f"{name}.csd") for name in ("words", "ecg", "labels")}
    )
    dataset.align("words", collapse_functions=[lambda i, x: x if x.dtype.kind == "S" else x.mean(0)])
    theirs = dataset.computational_sequences["ecg"].data
    ours = align(
        tmp_path / "words.csd", [tmp_path / "ecg.csd"], tmp_path / "out.safetensors", tolerance=1e-3
    )["all"].modalities["ecg"]  # fmt: skip
    assert np.array_equal(theirs["a[1]"]["features"][0], ours[0][1])
    assert theirs["b[0]"]["features"].shape == (1, 3)


def test_what_is_refused(tmp_path):
    with pytest.raises(DataError) as error:
        to_csd(a_corpus(begins=(0, 1, 0)), tmp_path)
    assert str(error.value) == (
        "a[0] and a[1] overlap in time, and to the SDK both are pieces of one video; give them ids without brackets"
    )
    with pytest.raises(DataError) as error:
        to_csd(a_corpus(ids=("a", "a", "b")), tmp_path)
    assert str(error.value) == "toy: an id is in use twice, and a .csd file has one entry for each"


def test_ids_that_hdf5_cannot_have_stay_apart(tmp_path):
    samples = [
        affect.Sample(one, {"ecg": np.full((1, 2), i + 1.0)}, {"y": i + 1.0})
        for i, one in enumerate(("a/b", "a_b", ".", "a\0x"))
    ]
    to_csd(Corpus.from_samples(samples, name="doc"), tmp_path)
    again = affect.load(tmp_path)["all"]
    assert again.ids == ("%2E[0]", "a%00x[0]", "a%2Fb[0]", "a_b[0]")
    assert again.modalities["ecg"].values[:, 0].tolist() == [3, 4, 1, 2]


def test_what_nobody_has_is_not_written(tmp_path):
    (tmp_path / "eeg.csd").write_bytes(b"of another corpus")
    unseen = affect.Steps(np.ones((2, 3)), observed=[0, 0])
    samples = [affect.Sample("a", {"ecg": np.ones((2, 2)), "eeg": unseen}, {"y": 1.0}, words=[])]
    to_csd(Corpus.from_samples(samples, name="doc"), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ecg.csd", "labels.csd"]
    assert affect.load(tmp_path).dims == {"ecg": 2}


def test_a_video_and_its_piece_are_refused(tmp_path):
    samples = [affect.Sample(one, {"ecg": np.ones((2, 2))}, {"y": 1.0}) for one in ("v", "v[1]")]
    with pytest.raises(DataError) as error:
        to_csd(Corpus.from_samples(samples, name="doc"), tmp_path)
    assert str(error.value) == (
        "doc: 'v' is a sample, and so is 'v[1]', which to the SDK is a piece of it; give them ids without brackets"
    )
