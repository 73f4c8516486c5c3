import pickle

import numpy as np
import pytest

import affect
from affect.data.corpus import Corpus, Split
from affect.data.export import to_mmsa
from affect.data.ragged import Ragged, Words
from affect.data.targets import Regression
from affect.errors import DataError

RNG = np.random.default_rng(0)
DIMS = {"text": 3, "acoustic": 2, "visual": 4}


def a_split(name, aligned, count=3, labels=None):
    shared = RNG.integers(1, 6, count)
    rows = {}
    for m, dim in DIMS.items():
        lengths = shared if aligned else RNG.integers(1, 9, count)
        rows[m] = Ragged.from_rows([RNG.normal(size=(n, dim)) for n in lengths], dim)
    labels = RNG.uniform(-3, 3, count) if labels is None else labels
    return Split(
        ids=tuple(f"{name}[{i}]" for i in range(count)), modalities=rows, groups=(name,) * count,
        targets={"sentiment": Ragged.vectors(labels, ~np.isnan(labels)), "sentiment_text": Ragged.vectors(np.nan_to_num(labels) / 2)},
        words=Words.from_rows([["so", "good"][: i + 1] for i in range(count)]),
    )  # fmt: skip


def a_corpus(aligned, **more):
    splits = {name: a_split(name, aligned) for name in ("train", "valid", "test")} | more
    targets = {name: Regression(name, low=-3, high=3) for name in ("sentiment", "sentiment_text")}
    return Corpus("toy", splits, targets, aligned=aligned, main="sentiment")


@pytest.mark.parametrize("aligned", [True, False])
def test_what_is_written_is_read_again(aligned, tmp_path):
    corpus = a_corpus(aligned)
    to_mmsa(corpus, tmp_path / "a.pkl")
    again = affect.load(tmp_path / "a.pkl")
    assert (again.aligned, again.dims, again.main) == (aligned, corpus.dims, "sentiment")
    for name, split in corpus.splits.items():
        other = again[name]
        assert other.ids == tuple(one.replace("[", "$_$").replace("]", "") for one in split.ids)
        assert other.groups == split.groups
        assert [other.words[i] for i in range(3)] == [split.words[i] for i in range(3)]
        for target in ("sentiment", "sentiment_text"):
            assert np.array_equal(other.labels(target), split.labels(target))
        for m in DIMS:
            for i in range(3):
                assert np.array_equal(other.modalities[m][i], split.modalities[m][i])


def test_what_other_software_finds(tmp_path):
    to_mmsa(a_corpus(False), tmp_path / "a.pkl")
    content = pickle.loads((tmp_path / "a.pkl").read_bytes())
    train = content["train"]
    assert set(train) == {
        "raw_text", "id", "text", "audio", "vision", "text_bert", "audio_lengths", "vision_lengths", "annotations",
        "classification_labels", "regression_labels", "regression_labels_T",
    }  # fmt: skip
    assert {len(content[name]["audio"][0]) for name in content} == {train["audio"].shape[1]}
    assert train["text_bert"].shape == (3, 3, train["text"].shape[1])
    assert train["annotations"].tolist() == [
        "Positive" if y > 0 else "Negative" for y in train["regression_labels"]
    ]
    assert "audio_lengths" not in pickle.loads(written(a_corpus(True), tmp_path))["train"]


def written(corpus, tmp_path):
    to_mmsa(corpus, tmp_path / "b.pkl")
    return (tmp_path / "b.pkl").read_bytes()


def test_unobserved_steps_and_absent_modalities_become_zeros(tmp_path):
    corpus = a_corpus(False)
    rows = corpus["train"].modalities["visual"]
    seen = np.ones(rows.total, dtype=bool)
    seen[0] = False
    seen[rows.starts[1] : rows.starts[1] + rows.lengths[1]] = False
    corpus["train"].modalities["visual"] = rows.keep(seen)
    content = pickle.loads(written(corpus, tmp_path))["train"]["vision"]
    assert not content[0, 0].any()
    assert not content[1].any()
    again = affect.load(tmp_path / "b.pkl")["train"].modalities["visual"]
    assert again.present.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("corpus", "said"),
    [
        (lambda: a_corpus(True).select(["text", "visual"]), "toy: MMSA's layout needs the modality acoustic, not there"),
        (lambda: Corpus("toy", {"train": a_split("a", True)}, a_corpus(True).targets), "toy: MMSA's layout needs the split valid, test, not there"),
        (lambda: a_corpus(True, valid=a_split("v", True, labels=np.array([1, np.nan, 2]))), "toy, sample v[1]: MMSA needs a label 'sentiment' everywhere"),
    ],
)  # fmt: skip
def test_what_is_refused(corpus, said, tmp_path):
    with pytest.raises(DataError) as error:
        to_mmsa(corpus(), tmp_path / "a.pkl")
    assert str(error.value) == said
    assert not (tmp_path / "a.pkl").exists()
