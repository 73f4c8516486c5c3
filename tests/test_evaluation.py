"""What measuring refuses, and where its rows come from."""

import dataclasses
import functools
import re

import numpy as np
import pandas as pd
import pytest

import affect
from affect.data.targets import Regression
from affect.errors import ConfigError, DataError
from affect.runs import FinishedRun
from affect.training import COLUMNS, evaluate, predict


@functools.cache
def given():
    corpus = affect.load("synthetic")
    return affect.FusionModel.for_corpus(corpus, fusion=affect.fusion.WeightedSumFusion), corpus


def test_fold_and_target_are_columns_written_once():
    model, corpus = given()
    rows, predictions = evaluate(model, corpus, "valid", fold=2, seed=5)
    assert rows.columns.tolist() == list(COLUMNS)
    assert rows[["target", "fold", "seed"]].drop_duplicates().values.tolist() == [["sentiment", 2, 5]]
    assert predictions[["fold", "seed"]].drop_duplicates().values.tolist() == [[2, 5]]


def without_target():
    _, corpus = given()
    return affect.data.corpus.Corpus(
        "other", {n: s.__class__(s.ids, s.modalities, {}) for n, s in corpus.splits.items()}, {}
    )


def unlabelled():
    _, corpus = given()
    split = corpus["test"]
    labels = split.targets["sentiment"]
    empty = dataclasses.replace(labels, observed=np.zeros_like(labels.observed))
    part = split.__class__(split.ids, split.modalities, {"sentiment": empty})
    return affect.data.corpus.Corpus("bare", {"test": part}, {"sentiment": Regression("sentiment")})


WRONG = [
    (
        lambda m, c: evaluate(affect.FusionModel, c, "test"),
        "evaluate: expected a FusionModel, got the class FusionModel",
    ),
    (lambda m, c: evaluate(m, c["test"], "test"), "evaluate: expected a Corpus, got a Split"),
    (lambda m, c: evaluate(m, c, "tset"), "synthetic.*: no split 'tset'; did you mean 'test'"),
    (lambda m, c: evaluate(m, c, c["test"]), "expected the name of a split, got a Split"),
    (
        lambda m, c: evaluate(m, without_target(), "test"),
        "other: no target 'sentiment', which the model predicts",
    ),
    (
        lambda m, c: evaluate(m, unlabelled(), "test"),
        "bare: the split 'test' has no label of 'sentiment' to measure on; affect.training.predict needs none",
    ),
    (
        lambda m, c: predict(affect.FusionModel, c["test"]),
        "predict: expected a FusionModel, got the class FusionModel",
    ),
    (lambda m, c: predict(m, c), "predict: expected a Split, got a Corpus"),
    (lambda m, c: predict(m, "test"), "predict: expected a Split, got the text 'test'"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_what_cannot_be_measured_is_refused_in_one_line(call, message):
    with pytest.raises((ConfigError, DataError)) as caught:
        call(*given())
    assert re.search(message, str(caught.value)), caught.value
    assert "\n" not in str(caught.value)


def test_results_of_an_older_release_get_their_target(tmp_path):
    facts = {"shape": {"target": {"kind": "Regression", "name": "sentiment", "per_step": False}}}
    old = pd.DataFrame({"corpus": "c", "model": "m", "split": "test", "metric": ["mae"], "value": [np.pi]})
    old.to_csv(tmp_path / "results.csv", index=False)
    rows = FinishedRun(tmp_path, facts).table("results")
    assert rows.columns.tolist() == ["corpus", "target", "model", "split", "metric", "value"]
    assert rows["target"].tolist() == ["sentiment"]
