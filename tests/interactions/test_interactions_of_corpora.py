"""What the modalities of a corpus say about its labels, and about predictions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import affect
from affect.data.corpus import Corpus
from affect.data.factors import SharedFactors
from affect.errors import ConfigError, DataError
from affect.interactions import of_corpus

RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, (2, 90))


def a_corpus(**labels):
    """Three modalities: two that hold a bit each, one that holds nothing; a third of the samples are `test`."""
    features = {
        "ecg": (2 * BITS[0, :, None] - 1) + 0.2 * RNG.normal(size=(90, 2)),
        "eeg": (2 * BITS[1, :, None] - 1) + 0.2 * RNG.normal(size=(90, 2)),
        "age": RNG.normal(size=(90, 1)),
    }
    given = {**features, **labels, "id": [f"s{i}" for i in range(90)]}
    parts = {"train": slice(0, 60), "test": slice(60, 90)}
    splits = {name: {key: values[own] for key, values in given.items()} for name, own in parts.items()}
    targets = {"joy": "binary", "level": "regression"}
    return Corpus.from_arrays(splits, {name: targets[name] for name in labels}, name="toy")


CORPUS = a_corpus(joy=BITS[0])


def test_pairs_of_modalities_and_one_against_the_rest():
    pairs = of_corpus(CORPUS, resamples=5)
    assert [(own.first, own.second) for own in pairs] == [("age", "ecg"), ("age", "eeg"), ("ecg", "eeg")]
    assert pairs[0].value.unique_second > 0.7
    assert abs(pairs[1].value.both) < 0.3
    rest = of_corpus(CORPUS, against="rest", resamples=5)
    assert [own.second for own in rest] == ["ecg + eeg", "age + eeg", "age + ecg"]
    assert rest[1].value.unique_first > 0.7
    assert (pairs[0].target, pairs[0].samples, pairs[0].groups) == ("joy", 60, 60)


def test_the_test_split_is_not_looked_at_unless_it_is_named():
    pair = {"modalities": ["ecg", "eeg"], "resamples": 5}
    assert of_corpus(CORPUS, **pair) == of_corpus(CORPUS.without("test"), **pair)
    assert of_corpus(CORPUS, splits=["train", "test"], **pair)[0].samples == 90


def test_a_generated_corpus_whose_parts_are_known():
    """Halved, as the target `code` needs thousands of samples: python -m experiments.interactions shared."""
    corpus = SharedFactors({"train": 300}, aligned=True).corpus()
    code = corpus["train"].labels("code")[:, 0].astype(int)
    own = replace(
        corpus["train"], targets={"bits": affect.Ragged.vectors((code // 4).astype(float))}
    )  # shared bit and text's own
    target = affect.MultiClass("bits", classes=("00", "01", "10", "11"))
    (found,) = of_corpus(
        Corpus("bits", {"train": own}, {"bits": target}), modalities=["text", "visual"], resamples=10
    )
    assert found.value.redundancy == pytest.approx(1, abs=0.1)
    assert found.value.unique_first == pytest.approx(1, abs=0.1)
    assert found.value.unique_second == pytest.approx(0, abs=0.1)
    assert found.groups == 30


def test_predictions_show_what_a_model_makes_of_the_modalities():
    """A model that reads one of two modalities that both hold the label."""
    said = pd.DataFrame(
        {"id": [f"s{i}" for i in range(90)], "step": 0, "prediction": 0.3 + 0.4 * BITS[1], "split": "test"}
    )
    (found,) = of_corpus(
        CORPUS, predictions=said, modalities=["ecg", "eeg"], splits=["train", "test"], resamples=5
    )
    assert (found.samples, found.target) == (90, "predictions of joy")
    assert found.value.unique_second > 0.8
    assert abs(found.value.unique_first) < 0.1
    (tested,) = of_corpus(CORPUS, predictions=said, modalities=["ecg", "eeg"], resamples=5)
    assert tested.samples == 30


def test_numbers_are_cut_and_what_is_left_out_is_said():
    corpus = a_corpus(level=BITS[0] + 0.1 * np.arange(90))
    train = corpus["train"]
    ecg, eeg = (train.modalities[name] for name in ("ecg", "eeg"))
    lost = affect.Ragged(ecg.starts, ecg.lengths.copy(), ecg.values, ecg.observed)
    lost.lengths[:3] = 0
    wild = eeg.values.copy()
    wild[7, 0] = np.inf
    words = affect.Ragged.vectors(np.arange(60.0)[:, None])
    split = replace(train, modalities={"ecg": lost, "eeg": replace(eeg, values=wild), "words": words})
    (found,) = of_corpus(Corpus("toy", {"all": split}, corpus.targets), bins=2, most=50, resamples=5)
    assert found.notes == (
        "words holds whole numbers alone, taken for word indices, and is left out; name it to have it",
        "3 of 60 samples lack a modality and are left out",
        "50 of 57 samples are looked at, whole groups drawn at random",
        found.notes[3],
        "eeg: 1 values are NaN or infinite, and are taken for the column's mean",
    )
    assert found.notes[3].startswith("level: labels are cut at ")
    assert found.entropy == pytest.approx(1, abs=0.01)


def test_a_target_per_step_is_read_at_its_step():
    bits = RNG.integers(0, 2, (12, 5))
    steps = [2.0 * own[:, None] + 0.2 * RNG.normal(size=(5, 1)) for own in bits]
    noise = [RNG.normal(size=(5, 2)) for _ in bits]
    given = {"train": {"ecg": steps, "eeg": noise, "joy": [own.astype(float) for own in bits]}}
    corpus = Corpus.from_arrays(given, {"joy": affect.Binary("joy", per_step=True)}, aligned=True)
    (found,) = of_corpus(corpus, resamples=5)
    assert (found.samples, found.groups) == (60, 12)
    assert found.value.unique_first > 0.7


def test_one_of_several_labels_is_chosen():
    split = replace(CORPUS["train"], targets={"both": affect.Ragged.vectors(BITS[:, :60].T.astype(float))})
    corpus = Corpus("toy", {"train": split}, {"both": affect.MultiLabel("both", classes=("sad", "glad"))})
    (found,) = of_corpus(corpus, label="glad", modalities=["ecg", "eeg"], resamples=5)
    assert found.target == "both, glad"
    assert found.value.unique_second > 0.7
    with pytest.raises(ConfigError) as caught:
        of_corpus(corpus)
    assert str(caught.value) == (
        "interactions: 'both' has several labels at once; choose one of them with label=: sad, glad"
    )


SAID = pd.DataFrame({"id": [f"s{i}" for i in range(30)], "step": 0, "prediction": 0.5})


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (dict(modalities=["ecg"]), ConfigError, "toy: interactions: expected two modalities or more, got ecg; known: age, ecg, eeg"),
        (dict(modalities=["ecg", "eg"]), ConfigError, "toy: no modality 'eg'; did you mean 'eeg'? known: age, ecg, eeg"),
        (dict(against="rset"), ConfigError, "interactions: against: no 'rset'; did you mean 'rest'? known: each, rest"),
        (dict(splits=["dev"]), ConfigError, "toy: no split 'dev'; known: test, train"),
        (dict(splits=[]), ConfigError, "toy: interactions: splits: expected at least one, got none"),
        (dict(label="glad"), ConfigError, "interactions: label: 'joy' has one label for each sample; leave it out"),
        (dict(bins=1), ConfigError, "interactions: bins must be at least 2, got 1"),
        (dict(most=10), DataError, "toy: interactions: expected at least 20 samples of 4 groups, got 10 of 10; nothing can be estimated from so few"),
        (dict(predictions=SAID[["id"]]), DataError, "toy: interactions: expected predictions of 'joy' with the columns id, step and 1 that begin with 'prediction', got id"),
        (dict(predictions=pd.concat([SAID, SAID])), DataError, "toy: interactions: 30 predictions are of the same sample and step; give those of one model"),
        (dict(predictions=SAID.assign(id="x")), DataError, "toy: interactions: no prediction is of a sample of the corpus; give it the corpus they are of"),
        (dict(predictions=SAID), DataError, "toy: interactions: all labels are the same: there is nothing to be known of them"),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused(given, error, message):
    with pytest.raises(error) as caught:
        of_corpus(CORPUS, **given)
    assert str(caught.value) == message
