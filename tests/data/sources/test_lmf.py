import pickle

import numpy as np
import pytest

import affect
from affect.data.targets import Binary, Regression
from affect.errors import DataError

RNG = np.random.default_rng(0)


def part(count, labels=None, time=5):
    """What low-rank fusion's utils.py reads: GloVe by word, padded in front, and averages of the others."""
    words = RNG.integers(1, time + 1, count)
    glove = RNG.normal(size=(count, time, 6)).astype("f4")
    glove[np.arange(time) < time - words[:, None]] = 0
    content = {
        "covarep": RNG.normal(size=(count, 3)),
        "facet": RNG.normal(size=(count, 4)),
        "glove": glove,
        "label": RNG.uniform(-3, 3, (count, 1)) if labels is None else labels,
    }
    return content, words


def a_file(tmp_path, content, name="mosi.pkl"):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(content, 2))
    return path


def test_words_and_averages(tmp_path):
    made = {name: part(count) for name, count in (("train", 8), ("valid", 3), ("test", 4))}
    path = a_file(
        tmp_path,
        {name.encode(): {key.encode(): x for key, x in own.items()} for name, (own, _) in made.items()},
    )
    corpus = affect.load(path)
    assert (corpus.dims, corpus.aligned, corpus.main) == (
        {"acoustic": 3, "text": 6, "visual": 4},
        False,
        "sentiment",
    )
    for name, (own, words) in made.items():
        split = corpus[name]
        assert split.ids[0] == f"{name}0"
        assert split.modalities["text"].lengths.tolist() == words.tolist()
        assert all(
            np.array_equal(split.modalities["text"][i], own["glove"][i, 5 - n :]) for i, n in enumerate(words)
        )
        assert np.array_equal(split.modalities["acoustic"].flat().values, own["covarep"])
        assert np.array_equal(split.labels("sentiment"), own["label"].astype("f4"))
    assert (
        f"train, text: the padding found stands in front; 0 of {made['train'][1].sum()} steps"
        in corpus.notes[0]
    )
    assert corpus.notes[-len(corpus.splits) :] == tuple(
        f"{name}: there are no ids, and the samples are called {name}0 and so on." for name in corpus.splits
    )


def test_the_counts_of_cmu_mosi_say_its_scale(tmp_path):
    content = {
        name: {"covarep": np.ones((n, 1)), "label": np.zeros(n)}
        for name, n in (("train", 1284), ("valid", 229), ("test", 686))
    }
    assert affect.load(a_file(tmp_path, content)).target() == Regression("sentiment", low=-3, high=3)


def test_an_emotion_of_iemocap_is_a_target_each(tmp_path):
    shared = {name: part(count)[0] for name, count in (("train", 4), ("test", 2))}
    yes = {"happy": [[0, 1], [1, 0], [1, 0], [0, 1]], "sad": [[1, 0], [1, 0], [0, 1], [np.nan, 1]]}
    content = {
        emotion: {
            name: {**own, "label": np.array(pairs[: len(own["covarep"])], float)}
            for name, own in shared.items()
        }
        for emotion, pairs in yes.items()
    }
    corpus = affect.load(a_file(tmp_path, content))
    assert corpus.targets == {"happy": Binary("happy"), "sad": Binary("sad")}
    assert corpus["train"].labels("happy").ravel().tolist() == [1, 0, 0, 1]
    assert corpus["train"].targets["sad"].present.tolist() == [True, True, True, False]
    assert "train: 1 of 4 labels of sad is NaN or infinite, and counts as not given." in corpus.notes
    assert corpus.main == ""
    alone = affect.load(a_file(tmp_path, content["happy"]))
    assert (alone.target(), alone["test"].labels("emotion").ravel().tolist()) == (Binary("emotion"), [1, 0])
    content["sad"]["test"]["facet"] = content["sad"]["test"]["facet"] + 1
    path = a_file(tmp_path, content)
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == (
        f"{path}: the samples of 'happy' are not those of 'sad'; save what the file holds of one emotion as a pickle of its own"
    )


def test_the_traits_of_pom(tmp_path):
    content = {
        "train": part(4, RNG.uniform(1, 7, (4, 16)))[0],
        "test": part(2, RNG.uniform(1, 7, (2, 16)))[0],
    }
    corpus = affect.load(a_file(tmp_path, content))
    assert list(corpus.targets) == [f"label{i}" for i in range(16)]
    assert np.array_equal(
        corpus["test"].labels("label7").ravel(), content["test"]["label"][:, 7].astype("f4")
    )


def test_time_in_front_as_tensor_fusion_stacks_it(tmp_path):
    values = RNG.normal(size=(5, 7, 2))
    corpus = affect.load(
        a_file(tmp_path, {"train": {"covarep": values, "glove": values, "label": np.zeros(7)}})
    )
    assert all(np.array_equal(corpus["train"].modalities["text"][i], values[:, i]) for i in range(7))
    assert "train, acoustic: time is the first axis of the file, and becomes the second." in corpus.notes


def test_what_is_missing_is_said(tmp_path):
    content = {"train": part(4)[0], "dev": part(2)[0]}
    for own in content.values():
        del own["facet"], own["label"]
    content["train"]["rate"] = 1
    corpus = affect.load(a_file(tmp_path, content))
    assert (list(corpus.splits), corpus.targets) == (["train", "valid"], {})
    assert corpus.notes[-3:] == (
        "The file has no visual features.",
        "The file has no labels.",
        "Not read: 'rate' in train.",
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"covarep": np.zeros((3, 2))}, ", train: covarep has 3 samples for 4 label"),
        ({"covarep": np.zeros(4)}, ", train: covarep must have 3 axes, got shape (4,)"),
        ({"glove": "x"}, ", train: glove must hold numbers, got str"),
        (
            {"label": np.zeros((4, 3))},
            ": expected as many columns of labels in every split, got {'train': 3, 'test': 1}",
        ),
    ],
)
def test_what_is_refused(change, said, tmp_path):
    path = a_file(tmp_path, {"train": {**part(4)[0], **change}, "test": part(2)[0]})
    with pytest.raises(DataError) as error:
        affect.load(path)
    assert str(error.value) == f"{path}{said}"


def test_damage_never_ends_without_a_message(tmp_path, damaged):
    path = a_file(tmp_path, {"train": part(3, time=2)[0], "test": part(2, time=2)[0]})
    whole, read = path.read_bytes(), 0
    for seed in range(500):
        path.write_bytes(damaged(whole, seed))
        try:
            affect.load(path)
            read += 1
        except DataError as error:
            assert str(error).startswith(str(tmp_path))  # noqa: PT017  # most of these read, and some do not
    assert 5 < read < 450


def test_padding_of_nan_is_padding_too(tmp_path):
    made = {name: part(9) for name in ("train", "valid", "test")}
    for own, _ in made.values():
        own["glove"][own["glove"] == 0] = np.nan
    corpus = affect.load(a_file(tmp_path, {name: own for name, (own, _) in made.items()}))
    for name, (_, words) in made.items():
        rows = corpus[name].modalities["text"]
        assert rows.lengths.tolist() == words.tolist()
        assert rows.observed[rows.index].all()
