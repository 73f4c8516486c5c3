import pickle

import numpy as np
import pytest

import affect
from affect.data.sources import mag
from affect.errors import DataError


def a_sample(rng, segment, label, words=None, **more):
    n = rng.integers(1, 6) if words is None else len(words)
    words = [f"w{i}" for i in range(n)] if words is None else words
    parts = {"visual": rng.normal(size=(n, 47)), "acoustic": rng.normal(size=(n, 74)), **more}
    return ((words, parts["visual"], parts["acoustic"]), np.array(label), segment)


def a_file(tmp_path, content=None, protocol=4):
    rng = np.random.default_rng(0)
    content = content or {
        "train": [a_sample(rng, f"abc[{i}]", [[i - 1.0]]) for i in range(4)],
        "dev": [a_sample(rng, "d_e_3", [[0.5]])],
        "test": [a_sample(rng, "f[0]", [[2.0]])],
    }
    path = tmp_path / "mosi.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    return path, content


@pytest.mark.parametrize("protocol", [2, 4])
def test_the_layout_is_read(protocol, tmp_path):
    path, content = a_file(tmp_path, protocol=protocol)
    corpus = affect.load(path)
    assert (list(corpus.splits), corpus.aligned, corpus.main) == (
        ["train", "valid", "test"],
        True,
        "sentiment",
    )
    assert corpus.dims == {"acoustic": 74, "visual": 47}
    split = corpus["train"]
    assert (split.ids[1], split.groups[1], corpus["valid"].groups) == ("abc[1]", "abc", ("d_e",))
    for i, ((words, visual, acoustic), label, _) in enumerate(content["train"]):
        assert split.words[i] == words
        assert np.array_equal(split.modalities["visual"][i], visual.astype("f4"))
        assert np.array_equal(split.modalities["acoustic"][i], acoustic.astype("f4"))
        assert split.labels("sentiment")[i] == label
    assert corpus.notes == ("The file has words and no features of them: affect.data.text.embed makes some.",)


def test_emotions_of_mosei(tmp_path):
    rng = np.random.default_rng(0)
    content = {
        "train": [a_sample(rng, "a[0]", [[1.5, 0, 0.3, 3, 0, 0, 0]])],
        "test": [a_sample(rng, "b[0]", [[0] * 7])],
    }
    corpus = affect.load(a_file(tmp_path, content)[0])
    assert list(corpus.targets)[:2] == ["sentiment", "emotion"]
    assert corpus["train"].labels("emotion").tolist() == [[0, 1, 1, 0, 0, 0]]
    assert corpus["train"].labels("anger").item() == 3


def test_words_as_indices(tmp_path):
    rng = np.random.default_rng(0)
    content = {
        "train": [
            a_sample(rng, "a[0]", [[1.0]], words=np.array([3, 5])),
            a_sample(rng, "a[1]", [[1.0]], words=[7]),
        ]
    }
    corpus = affect.load(a_file(tmp_path, content)[0])
    split = corpus["train"]
    assert split.words is None
    assert corpus.notes == (
        "The words are indices into a vocabulary that the file does not have: learn features of them.",
    )
    assert [split.modalities["words"][i].ravel().tolist() for i in range(2)] == [[3, 5], [7]]


def test_words_behind_their_indices(tmp_path):
    rng = np.random.default_rng(0)
    (_, visual, acoustic), label, segment = a_sample(rng, "a[0]", [[1.0]], words=["so", "good"])
    content = {"train": [((np.array([3, 5]), visual, acoustic, ["so", "good"]), label, segment)]}
    assert affect.load(a_file(tmp_path, content)[0])["train"].words[0] == ["so", "good"]


@pytest.mark.parametrize("nothing", [0, np.nan])
def test_steps_of_zeros_or_nan_are_unobserved(tmp_path, nothing):
    rng = np.random.default_rng(0)
    visual = rng.normal(size=(2, 47))
    visual[0, 0] = visual[1] = nothing
    content = {"train": [a_sample(rng, "a[0]", [[1.0]], words=["so", "good"], visual=visual)]}
    corpus = affect.load(a_file(tmp_path, content)[0])
    assert corpus["train"].modalities["visual"].observed.tolist() == [True, False]
    assert corpus.notes[0] == "train, visual: 1 of 2 steps hold nothing or zeros and count as unobserved."


def test_values_beyond_float32_are_infinite(tmp_path):
    rng = np.random.default_rng(0)
    content = {"train": [a_sample(rng, "a[0]", [[1.0]], words=["so"], visual=np.full((1, 47), 1e300))]}
    values = affect.load(a_file(tmp_path, content)[0])["train"].modalities["visual"].values
    assert (values.dtype, np.isinf(values).all()) == (np.float32, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"visual": np.zeros((3, 47))},
            "train, sample b[0]: 2 words and 3 visual steps, but they must be aligned",
        ),
        (
            {"visual": np.zeros((2, 5))},
            "train, sample b[0]: visual needs feature size 47 as in the first sample, got 5",
        ),
        ({"acoustic": "x"}, "train, sample b[0]: acoustic must hold numbers, got str"),
        (
            {"words": "ok"},
            "train, sample b[0]: words must be a list or an array, got str",
        ),
        ({"label": [[1.0, 2.0]]}, "train: expected as many labels for every sample, got [1, 2]"),
    ],
)
def test_what_is_refused(change, said, tmp_path):
    rng = np.random.default_rng(0)
    label = change.pop("label", [[1.0]])
    content = {
        "train": [
            a_sample(rng, "a[0]", [[1.0]]),
            a_sample(rng, "b[0]", label, **{"words": ["so", "good"]} | change),
        ]
    }
    path = a_file(tmp_path, content)[0]
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}, {said}"


def test_a_sample_of_another_form_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    path = a_file(tmp_path, {"train": [a_sample(rng, "a[0]", [[1.0]]), (1, 2)]})[0]
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert (
        str(error.value) == f"{path}, train, sample 1: expected ((words, visual, acoustic), label, segment)"
    )


def test_a_split_without_a_step_of_one_modality_lacks_it(tmp_path):
    def sample(steps, visual):
        return ((["so"] * steps, visual, np.ones((steps, 5))), np.array([[1.0]]), f"v[{steps}]")

    content = {
        "train": [sample(2, np.ones((2, 4)))],
        "dev": [sample(1, np.zeros(0)), sample(3, np.zeros((0, 4)))],
        "test": [sample(3, np.ones((3, 4)))],
    }
    corpus = mag.read(content, tmp_path / "mosi.pkl")
    assert corpus.dims == {"visual": 4, "acoustic": 5}
    assert corpus["valid"].modalities["visual"].lengths.tolist() == [0, 0]
    assert corpus["valid"].modalities["acoustic"].lengths.tolist() == [1, 3]
    assert "valid: the file has no visual features, and the samples lack them." in corpus.notes
    with pytest.raises(DataError) as error:
        mag.read({"dev": content["dev"]}, "FILE")
    assert str(error.value) == "FILE: visual has no features in any sample"
