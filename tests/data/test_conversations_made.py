"""The generated conversations: what is drawn, and the best that can be made of it."""

import hmmlearn.hmm
import numpy as np
import pytest

import affect
from affect.data import conversations as made
from affect.data.speakers import SPEAKER
from affect.errors import ConfigError


@pytest.fixture(scope="module")
def corpus():
    return affect.load("synthetic:conversations")


def test_a_party_keeps_its_emotion_three_times_of_four_and_more(corpus):
    kept, others = [], []
    for i in range(len(corpus["train"])):
        felt = corpus["train"].targets["emotion"][i][:, 0]
        spoken = corpus["train"].modalities[SPEAKER][i][:, 0]
        for party in np.unique(spoken):
            own = felt[spoken == party]
            kept += [*(own[1:] == own[:-1])]
        foreign = spoken[1:] != spoken[:-1]
        others += [*(felt[1:] == felt[:-1])[foreign]]
    again = sum(p * p for p in made.PRIOR)
    assert np.mean(kept) == pytest.approx(made.STAYS + (1 - made.STAYS) * again, abs=0.02)
    assert np.mean(others) == pytest.approx(again, abs=0.03)  # what one feels says nothing of the other


def test_the_posterior_is_hmmlearns_for_each_party():
    rng = np.random.default_rng(0)
    evidence, spoken = rng.normal(size=(12, 4)), np.array([0, 1, 0, 0, 2, 1, 0, 1, 1, 0, 2, 0])
    prior, stay = np.array(made.PRIOR), made.STAYS
    model = hmmlearn.hmm.GaussianHMM(4)
    model.startprob_, model.transmat_ = prior, stay * np.eye(4) + (1 - stay) * prior
    model.n_features, model._compute_log_likelihood = 4, lambda x: x
    model._compute_likelihood = np.exp
    model._check = lambda: None
    found, forward = made.posterior(evidence, spoken), made.posterior(evidence, spoken, "until then")
    for party in range(3):
        own = evidence[spoken == party]
        np.testing.assert_allclose(found[spoken == party], model.predict_proba(own), atol=1e-12)
        for length in range(1, len(own) + 1):
            last = model.predict_proba(own[:length])[-1]
            np.testing.assert_allclose(forward[spoken == party][length - 1], last, atol=1e-12)


def test_who_hears_more_knows_more(corpus):
    alone, until, all_ = (float(word) for word in _numbers(corpus.notes[0]))
    assert corpus.ceiling == {"accuracy": pytest.approx(all_, abs=5e-4)}
    assert 0.55 < alone < until - 0.05 < all_ - 0.05


def _numbers(note):
    best, alone, until = (word.strip(".:,") for word in note.split() if word.startswith("0."))
    return alone, until, best


def test_two_or_three_parties_and_as_many_utterances_as_is_said(corpus):
    speakers = corpus["valid"].modalities[SPEAKER]
    assert {int(speakers[i].max()) for i in range(100)} <= {1, 2, 3}
    assert speakers.lengths.min() >= 6
    assert speakers.lengths.max() <= 24
    again, other = affect.load("synthetic:conversations"), made.conversations(seed=1)
    np.testing.assert_array_equal(
        again["test"].modalities["text"].values, corpus["test"].modalities["text"].values
    )
    assert len(other["test"].modalities["text"].values) != len(corpus["test"].modalities["text"].values)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: made.conversations(seed=-1), "synthetic:conversations: seed must be 0 or more, got -1"),
        (
            lambda: made.conversations(samples={"train": 0}),
            "synthetic:conversations: samples: train must be 1 or more, got 0",
        ),
        (
            lambda: made.conversations(samples={}),
            "synthetic:conversations: samples names no split; give a count for one",
        ),
        (
            lambda: affect.load("synthetic:conversations:aligned"),
            "no generated corpus 'synthetic:conversations:aligned'; nothing may follow "
            "'synthetic:conversations'",
        ),
    ],
)
def test_one_line(call, message):
    with pytest.raises(ConfigError) as refused:
        call()
    assert str(refused.value) == message
