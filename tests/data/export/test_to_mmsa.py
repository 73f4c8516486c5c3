import pickle
from dataclasses import replace

import numpy as np
import pytest

import affect
from affect.data.corpus import Corpus, Split
from affect.data.export import to_mmsa
from affect.data.ragged import Ragged, Words
from affect.data.sources import mmsa
from affect.data.targets import Binary, MultiClass, Regression
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
        (lambda: Corpus("toy", {"train": a_split("a", True)}, a_corpus(True).targets), "toy: MMSA's layout needs the split valid, test, not there; affect.data.splitting (fold, carve) makes it"),
        (lambda: with_target(Binary("sentiment"), [0, 1, 1]), "toy: MMSA's layout needs 'sentiment' as a Regression with one label per sample, got Binary"),
        (lambda: a_corpus(True, valid=a_split("v", True, labels=np.array([1, np.nan, 2]))), "toy, sample v[1]: MMSA needs a label 'sentiment' everywhere"),
    ],
)  # fmt: skip
def test_what_is_refused(corpus, said, tmp_path):
    with pytest.raises(DataError) as error:
        to_mmsa(corpus(), tmp_path / "a.pkl")
    assert str(error.value) == said
    assert not (tmp_path / "a.pkl").exists()


def with_target(target, labels):
    corpus = a_corpus(False)
    for split in corpus.splits.values():
        split.targets[target.name] = Ragged.vectors(labels)
    return Corpus("toy", corpus.splits, {**corpus.targets, target.name: target})


@pytest.mark.parametrize(
    ("ids", "groups", "written"),
    [
        (("v_0", "v_1", "w_0"), ("v", "v", "w"), ("v$_$0", "v$_$1", "w$_$0")),
        (("v[0]", "v[1]", "w[0]"), ("v", "v", "w"), ("v$_$0", "v$_$1", "w$_$0")),
        (("v$_$0", "v$_$1", "w$_$0"), ("v", "v", "w"), ("v$_$0", "v$_$1", "w$_$0")),
        (("a", "b", "c"), ("v", "v", "w"), ("v$_$a", "v$_$b", "w$_$c")),
        (("v_0", "v[0]", "w_0"), ("v", "v", "w"), ("v$_$v_0", "v$_$v[0]", "w$_$w_0")),
    ],
)
def test_ids_keep_what_belongs_together(ids, groups, written, tmp_path):
    corpus = a_corpus(True)
    train = replace(corpus["train"], ids=ids, groups=groups)
    to_mmsa(replace(corpus, splits={**corpus.splits, "train": train}), tmp_path / "a.pkl")
    again = affect.load(tmp_path / "a.pkl")["train"]
    assert (again.ids, again.groups) == (written, groups)


def test_classes_are_carried_where_the_layout_has_them(tmp_path):
    three = MultiClass("sentiment_class", classes=("negative", "neutral", "positive"))
    five = MultiClass("sentiment_class", classes=tuple("abcde"))
    to_mmsa(with_target(three, [2, 0, 1]), tmp_path / "a.pkl")
    assert affect.load(tmp_path / "a.pkl")["train"].labels("sentiment_class").ravel().tolist() == [2, 0, 1]
    to_mmsa(with_target(five, [4, 0, 1]), tmp_path / "a.pkl")
    again = affect.load(tmp_path / "a.pkl")["train"]
    assert np.array_equal(again.labels("sentiment_class"), np.sign(again.labels("sentiment")) + 1)


def test_token_ids_are_carried(tmp_path):
    corpus = a_corpus(False)
    for split in corpus.splits.values():
        counts = split.modalities["text"].lengths
        split.modalities["tokens"] = Ragged.from_rows([np.full((n, 1), 7) for n in counts], 1)
    content = pickle.loads(written(corpus, tmp_path))
    again = mmsa.read(content, tmp_path / "b.pkl", tokens=True)["train"].modalities
    assert again["tokens"].lengths.tolist() == again["text"].lengths.tolist()
    assert (again["tokens"][0] == 7).all()


def with_tokens():
    corpus = a_corpus(False)
    text = corpus["train"].modalities["text"]
    return corpus.with_modality(
        "tokens",
        {
            name: Ragged.from_rows([np.ones((n + 2, 1)) for n in split.modalities["text"].lengths], 1)
            for name, split in corpus.splits.items()
        },
    ), text.lengths[0]


def test_tokens_that_are_not_the_texts_are_refused(tmp_path):
    corpus, length = with_tokens()
    with pytest.raises(DataError) as error:
        to_mmsa(corpus, tmp_path / "a.pkl")
    assert str(error.value) == (
        f"toy, sample train[0]: {length + 2} tokens and {length} text steps, but MMSA's layout has one length for both"
    )


def test_an_aligned_corpus_stays_aligned_where_a_modality_is_absent_from_the_longest(tmp_path):
    splits = {}
    for name in ("train", "valid", "test"):
        split = a_split(name, True)
        rows = {
            m: Ragged.from_rows([np.ones((5, dim)) if m == "text" else None, *[np.ones((2, dim))] * 2], dim)
            for m, dim in DIMS.items()
        }
        splits[name] = replace(split, modalities=rows)
    to_mmsa(replace(a_corpus(True), splits=splits), tmp_path / "a.pkl")
    again = affect.load(tmp_path / "a.pkl")
    assert again.aligned
    assert again["train"].modalities["visual"].present.tolist() == [False, True, True]


def test_labels_of_steps_are_refused(tmp_path):
    corpus = a_corpus(True)
    splits = {}
    for name, split in corpus.splits.items():
        labels = Ragged.from_rows([np.ones((n, 1)) for n in split.modalities["text"].lengths], 1)
        splits[name] = replace(split, targets={"sentiment": labels})
    with pytest.raises(DataError) as error:
        to_mmsa(
            Corpus("toy", splits, {"sentiment": Regression("sentiment", per_step=True)}, True),
            tmp_path / "a.pkl",
        )
    assert str(error.value) == (
        "toy: MMSA's layout needs 'sentiment' as a Regression with one label per sample, got Regression per step"
    )


def of_three(ids, groups=("v", "v", "w"), words=None):
    features = {m: np.ones((2, 2)) for m in DIMS}
    return Corpus.from_samples(
        [
            affect.Sample(one, features, {"sentiment": 0.5}, split=split, group=group, words=words)
            for one, group, split in zip(ids, groups, ("train", "valid", "test"), strict=True)
        ],
        name="doc",
    )


def test_ids_are_unique_over_the_corpus(tmp_path):
    to_mmsa(of_three(("v_1", "v[1]", "w")), tmp_path / "a.pkl")
    again = affect.load(tmp_path / "a.pkl")
    assert [again[s].ids for s in ("train", "valid", "test")] == [("v$_$v_1",), ("v$_$v[1]",), ("w$_$w",)]
    with pytest.raises(DataError) as error:
        to_mmsa(of_three(("b$_$c", "c", "c$_$"), ("a", "a$_$b", "w")), tmp_path / "b.pkl")
    assert str(error.value) == (
        "doc: samples b$_$c and c would both be called 'a$_$b$_$c' in MMSA's layout; rename one"
    )


@pytest.mark.parametrize("word", ["New York", ""])
def test_words_that_blanks_would_part_are_refused(word, tmp_path):
    with pytest.raises(DataError) as error:
        to_mmsa(of_three(("a", "b", "c"), words=["so", word]), tmp_path / "a.pkl")
    assert str(error.value) == (
        f"doc, sample a: the word '{word}' is empty or has a blank in it, and MMSA's layout joins words by blanks; "
        "write it without, as in New_York"
    )
