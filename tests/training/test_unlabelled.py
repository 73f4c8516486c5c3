"""Samples without a label are left out where nothing is learned from them."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

import affect
from affect.data.factors import SharedFactors
from affect.objectives.terms import Contrast
from affect.training import Learner, Training


class Own(Learner):
    """May learn from anything."""


@pytest.fixture(scope="module")
def corpus():
    return SharedFactors(samples={"train": 60, "valid": 20}, labelled=0.5, aligned=True).corpus()


def fitted(corpus, **options):
    model = affect.FusionModel.for_corpus(corpus, seed=0, width=4)
    model.scaler = None  # which would have seen all of them
    return affect.fit(model, corpus, training=Training(epochs=2, batch_size=8), **options)


def same(one, other):
    states = one.model.state_dict(), other.model.state_dict()
    return all(torch.equal(x, states[1][name]) for name, x in states[0].items())


def test_a_training_is_that_on_the_labelled_samples(corpus, caplog):
    labelled = corpus["train"].targets["sentiment"].present
    alone = corpus["train"].take(np.flatnonzero(labelled))
    expected = fitted(replace(corpus, splits={**corpus.splits, "train": alone}))
    assert not caplog.messages
    assert same(fitted(corpus), expected)
    assert [line for line in caplog.messages if "label" in line] == [
        "fit: 30 of 60 training samples have no label of 'sentiment' and are left out: no term learns from them"
    ]


@pytest.mark.parametrize("options", [{"terms": {"bind": partial(Contrast, width=4)}}, {"learner": Own}])
def test_what_may_learn_from_them_has_them(corpus, options, caplog):
    run = fitted(corpus, **options)
    assert not [line for line in caplog.messages if "left out" in line]
    assert len(run.history) == 2
